/**
 * @module
 * A client's exchange over NATS.
 *
 * The broker is not believed: that it took a message says nothing, an answer counts when it is the orchestrator's. Until
 * then the request is sent again, under the same id: at once when the connection is back or an orchestrator begins to
 * serve, otherwise with growing pauses.
 */
import { createInbox, nuid, type Msg, type NatsConnection } from "@nats-io/nats-core";
import { systemClock, type Clock } from "../federation/clock.ts";
import { Unanswered, type Exchange } from "../federation/exchange.ts";
import { ANSWERS, compose, parse, parseAnnouncement, type Announcement, type Answer, type Ask } from "./message.ts";
import { Objects } from "./objects.ts";
import { divide, inlineBytes, readParcel, unite, type Parcel } from "./parcel.ts";
import { announceSubject, askSubject, inboxPrefix, streamName, type Place } from "./subject.ts";
import { labelWindow, partsOf, readWindow, type Window } from "./transfer.ts";

export interface NatsExchangeOptions extends Place {
  /** The client's id, as in its frames. */
  readonly client: string;
  readonly clock?: Clock;
  /**
   * The largest frame that goes as one message, in bytes; 64 KiB unless given, never more than 512 KiB. Those of all
   * clients arrive on the orchestrator's one connection, which the broker cuts off when 64 MB are waiting for it.
   */
  readonly inlineBytes?: number;
  /** The largest reply, in bytes; 1 GiB unless given. */
  readonly maxBytes?: number;
  /** How long to go on without any sign of an orchestrator, in ms; 60 s unless given. */
  readonly patienceMs?: number;
  /** How long to wait for an announcement after "nothing yet", in ms, before asking again; 1 s unless given. */
  readonly parkMs?: number;
  /** Where answers go: what the broker lets this client subscribe to; inboxPrefix(client) unless given. The connection has an inbox of its own. */
  readonly inboxPrefix?: string;
  readonly onAnnouncement?: (announcement: Announcement) => void;
}

/** Pauses between attempts, in ms. */
const FIRST_MS = 500, LONGEST_MS = 3_000;
/** The largest request that goes as one message unless said otherwise, in bytes. */
const REQUEST_BYTES = 64 * 1024;
/** How often a body may be put again before that is an error. */
const MAX_LOSSES = 8;

interface Said {
  readonly says: Answer;
  readonly message: Msg;
}

/** A request that has no answer yet: what was said about it, and who waits for more. */
class Pending {
  readonly #said: (Said | undefined)[] = [];
  #notify: (() => void) | undefined;
  /** The connection ended. */
  ended: Error | undefined;

  hear(said: Said | undefined): void {
    this.#said.push(said);
    this.#notify?.();
  }

  end(reason: Error): void {
    this.ended = reason;
    this.hear(undefined);
  }

  /** The next that is said; undefined after `ms`, and when it is time to ask again. */
  next(clock: Clock, ms: number, signal?: AbortSignal): Promise<Said | undefined> {
    return new Promise((resolve, reject) => {
      const settle = () => {
        cancel();
        signal?.removeEventListener("abort", settle);
        this.#notify = undefined;
        if (signal?.aborted) reject(signal.reason);
        else if (this.ended) reject(this.ended);
        else resolve(this.#said.shift());
      };
      const cancel = clock.after(ms, settle);
      signal?.addEventListener("abort", settle, { once: true });
      this.#notify = settle;
      if (this.#said.length > 0 || signal?.aborted || this.ended) settle();
    });
  }
}

/**
 * An exchange with whoever serves the task at this broker. It lives as long as the connection.
 * @returns rejects with Unanswered when the orchestrator has nothing to say yet, with an Error when it does not answer for
 *   patienceMs, when it says that it cannot, or when the connection is closed
 */
export function natsExchange(connection: NatsConnection, options: NatsExchangeOptions): Exchange {
  const { task, client, domain, clock = systemClock, maxBytes = 2 ** 30, patienceMs = 60_000, parkMs = 1_000, onAnnouncement } = options;
  const subject = askSubject(task, client);
  const inbox = createInbox(options.inboxPrefix ?? inboxPrefix(client));
  const objects = new Objects(connection, { bucket: streamName(task), clock, domain, patienceMs });
  const waiting = new Map<string, Pending>();
  /** Requests that were told "nothing yet", until something is announced. */
  const parked = new Set<Pending>();
  let announced = 0;

  const wakeAll = () => waiting.forEach((pending) => pending.hear(undefined));
  connection.subscribe(inbox, {
    callback: (error, message) => {
      const said = error ? undefined : parse(ANSWERS, message.headers);
      if (said) waiting.get(said.id)?.hear({ says: said.says, message });
    },
  });
  connection.subscribe(announceSubject(task), {
    callback: (error, message) => {
      const announcement = error ? undefined : parseAnnouncement(message.data);
      if (!announcement) return;
      announced++;
      if (announcement.kind === "serving") wakeAll();
      else parked.forEach((pending) => pending.hear(undefined));
      onAnnouncement?.(announcement);
    },
  });
  void (async () => {
    for await (const { type } of connection.status()) if (type === "reconnect") wakeAll();
  })();
  void connection.closed().then(() => waiting.forEach((pending) => pending.end(new Error(`the connection to the broker was closed`))));

  const say = (says: Ask, id: string, parcel?: Parcel) => {
    // A connection that is closed throws; Pending says so.
    if (!connection.isClosed()) connection.publish(subject, says === "ask" ? parcel!.payload : undefined, { reply: inbox, headers: compose(says, id, says === "ask" ? parcel : undefined) });
  };

  /** The request in a message, and what is to be sent when the orchestrator asks for it. */
  function pack(frame: Uint8Array): { parcel: Parcel; rest?: Uint8Array } {
    if (frame.length <= inlineBytes(options.inlineBytes ?? REQUEST_BYTES, connection.info?.max_payload)) return { parcel: { payload: frame } };
    const { ends, middle } = divide(frame);
    return { parcel: { payload: ends, follows: middle.length }, rest: middle };
  }

  function send(id: string, bytes: Uint8Array, asked: Window): void {
    for (const { window, part } of partsOf(bytes, asked, connection.info?.max_payload)) {
      if (connection.isClosed()) return;
      const labels = compose("part", id);
      labelWindow(labels, window);
      connection.publish(subject, part, { headers: labels });
    }
  }

  /** The reply in a message; undefined when its body is not to be had. */
  async function unpack({ data, headers }: Msg, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    const parcel = readParcel(data, headers!, maxBytes);
    if (!parcel) throw new Error(`orchestrator of "${task}" sent a reply that makes no sense or is longer than ${maxBytes} bytes`);
    if (!parcel.body) return parcel.payload;
    const middle = await objects.get(parcel.body.name, parcel.body.bytes, signal);
    return middle && unite(parcel.payload, middle);
  }

  async function ask(frame: Uint8Array, id: string, pending: Pending, signal?: AbortSignal): Promise<Uint8Array> {
    const { parcel, rest } = pack(frame);
    let says: Ask = "ask";
    let since = announced;
    let heardMs = clock.nowMs();
    let losses = 0;
    say(says, id, parcel);
    for (let pauseMs = FIRST_MS; ; ) {
      const said = await pending.next(clock, pauseMs, signal);
      if (said) heardMs = clock.nowMs();
      else if (clock.nowMs() - heardMs > patienceMs) throw new Error(`no answer from an orchestrator of "${task}" for ${patienceMs} ms; is one serving, and the broker reachable?`);
      else pauseMs = Math.min(2 * pauseMs, LONGEST_MS);
      switch (said?.says) {
        case "received":
          says = "still";
          continue;
        case "unknown":
          says = "ask";
          since = announced;
          break;
        case "send": {
          const window = readWindow(said.message.headers!);
          if (rest && window) send(id, rest, window);
          says = "still";
          continue;
        }
        case "reply": {
          const reply = await unpack(said.message, signal);
          if (reply) return reply;
          if (++losses > MAX_LOSSES) throw new Error(`the broker lost the body of a reply ${losses} times; look after its store`);
          says = "lost";
          break;
        }
        case "nothing":
          if (since === announced && parkMs > 0) {
            parked.add(pending);
            await pending.next(clock, parkMs, signal).finally(() => parked.delete(pending));
          }
          throw new Unanswered(`the orchestrator of "${task}" has nothing to say yet`);
        case "failed":
          throw new Error(`the orchestrator of "${task}" could not handle the request: ${new TextDecoder().decode(said.message.data.subarray(0, 1024))}`);
      }
      say(says, id, parcel);
    }
  }

  return async (frame, signal) => {
    signal?.throwIfAborted();
    if (connection.isClosed()) throw new Error("the connection to the broker was closed");
    const id = nuid.next();
    const pending = new Pending();
    waiting.set(id, pending);
    try {
      return await ask(frame, id, pending, signal);
    } finally {
      waiting.delete(id);
      say("got", id); // also when nobody waits any more
    }
  };
}
