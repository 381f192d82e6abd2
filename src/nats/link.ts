/**
 * @module
 * Whether the broker can be asked. What was asked on a connection that broke is not answered on the next one, and what is
 * asked while there is none is not sent: both are given up at once and not after a timeout.
 */
import type { NatsConnection } from "@nats-io/nats-core";

export class Link {
  readonly #held = new Set<(reason: Error) => void>();
  #connected = true;

  constructor(connection: NatsConnection) {
    void (async () => {
      for await (const { type } of connection.status()) {
        if (type === "reconnect") this.#connected = true;
        if (type !== "disconnect" && type !== "close") continue;
        this.#connected = false;
        this.#held.forEach((giveUp) => giveUp(broken()));
        this.#held.clear();
      }
    })();
  }

  /** What `ask` resolves with, unless the connection breaks first. */
  hold<T>(ask: () => Promise<T>): Promise<T> {
    if (!this.#connected) return Promise.reject(broken());
    return new Promise((resolve, reject) => {
      this.#held.add(reject);
      ask().then(resolve, reject).finally(() => this.#held.delete(reject));
    });
  }
}

const broken = () => new Error("there is no connection to the broker");
