/**
 * @module
 * Open connections, so many at a time. When there is one too many, that one is closed which has had nothing to do for
 * longest, so that connections held open in idleness keep nobody out; a client whose connection goes opens another.
 */
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

export interface Connection {
  /** Keeps it: a request is here and not yet answered. */
  work(): void;
  /** Lets it go if need be: it waits for a request, or its answer for somebody to read it. */
  rest(): void;
}

export class Connections {
  readonly #limit: number;
  readonly #onClose: (reason: "crowded" | "pipelined", address: string | undefined) => void;
  /** By remote address and port, since the socket below TLS is another object than the one above it. */
  readonly #open = new Map<string, { readonly socket: Socket; response?: ServerResponse }>();
  /** The longest idle first. */
  readonly #idle = new Set<string>();
  #closing = false;

  constructor(limit: number, onClose: (reason: "crowded" | "pipelined", address: string | undefined) => void) {
    this.#limit = limit;
    this.#onClose = onClose;
  }

  get size(): number {
    return this.#open.size;
  }

  add(socket: Socket): void {
    const key = keyOf(socket);
    if (!key || this.#closing) return void socket.destroy();
    this.#open.set(key, { socket });
    socket.once("close", () => {
      this.#open.delete(key);
      this.#idle.delete(key);
    });
    if (this.#open.size > this.#limit) {
      const [longest = key] = this.#idle;
      this.#close(longest, "crowded");
    }
    if (!socket.destroyed) this.#idle.add(key);
  }

  /** A request is there, and still lets its connection go. Undefined: it came before the one before it was answered, which no client of ours does. */
  begin(socket: Socket, response: ServerResponse): Connection | undefined {
    const key = keyOf(socket) ?? "";
    const open = this.#open.get(key);
    if (!open) return undefined;
    if (open.response && !open.response.writableEnded) return this.#close(key, "pipelined");
    open.response = response;
    // An answer that was on its way when the server began to close had promised to keep the connection.
    response.once("close", () => this.#closing && socket.destroySoon());
    return {
      work: () => void this.#idle.delete(key),
      rest: () => {
        this.#idle.delete(key);
        if (this.#open.has(key)) this.#idle.add(key);
      },
    };
  }

  /** What has been said to this peer so far, if a request of it is unanswered. */
  responseOf(socket: Socket): ServerResponse | undefined {
    return this.#open.get(keyOf(socket) ?? "")?.response;
  }

  /** Closes all on which nothing is under way, and the others when it is done. */
  close(): void {
    this.#closing = true;
    for (const { socket, response } of this.#open.values()) if (!response || response.closed) socket.destroy();
  }

  #close(key: string, reason: "crowded" | "pipelined"): undefined {
    const { socket } = this.#open.get(key)!;
    this.#onClose(reason, socket.remoteAddress);
    socket.destroy();
    // Now, not when the system has done it: there may be another one too many before.
    this.#open.delete(key);
    this.#idle.delete(key);
  }
}

/** Undefined where the peer is gone already. */
const keyOf = ({ remoteAddress, remotePort }: Socket) => (remoteAddress === undefined ? undefined : `${remoteAddress} ${remotePort}`);
