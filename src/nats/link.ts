/**
 * @module
 * What was asked of a broker whose connection broke is not answered on the next one: it is given up at once and not after
 * a timeout.
 */
import type { NatsConnection } from "@nats-io/nats-core";

export class Link {
  readonly #held = new Set<(reason: Error) => void>();

  constructor(connection: NatsConnection) {
    void (async () => {
      for await (const { type } of connection.status()) {
        if (type !== "disconnect" && type !== "close") continue;
        this.#held.forEach((giveUp) => giveUp(new Error("the connection to the broker broke")));
        this.#held.clear();
      }
    })();
  }

  /** What `ask` resolves with, unless the connection breaks first. */
  hold<T>(ask: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#held.add(reject);
      ask().then(resolve, reject).finally(() => this.#held.delete(reject));
    });
  }
}
