/**
 * @module
 * An orchestrator served over NATS.
 *
 * A request is handled once, however often it is sent: it is known by its client and id until the client says that the
 * answer has come. What an orchestrator knows ends with it; the next one handles the request anew, which the protocol
 * allows for.
 */
import { type Msg, type NatsConnection } from "@nats-io/nats-core";
import { systemClock, type Clock } from "../federation/clock.ts";
import { concat } from "../federation/envelope.ts";
import { announce } from "./announce.ts";
import { Gate } from "./gate.ts";
import { ASKS, compose, parse, type Announcement, type Answer } from "./message.ts";
import { Objects } from "./objects.ts";
import { inlineBytes, prepare, readParcel, type Parcel } from "./parcel.ts";
import { Reception } from "./reception.ts";
import { Shelf } from "./shelf.ts";
import { askSubject, nameOf, streamName, type Place } from "./subject.ts";
import { labelWindow, readWindow, Transfer, type Window } from "./transfer.ts";

export interface ServeNatsOptions extends Place {
  readonly clock?: Clock;
  /** How long a request may wait for its answer, in ms, before the client is told to ask again; 25 s unless given. */
  readonly pollMs?: number;
  /** How many large bodies are in hand at a time; 32 unless given. */
  readonly concurrency?: number;
  /** The largest request, in bytes; 1 GiB unless given. maxFrameBytes(P) is what the protocol needs. */
  readonly maxBytes?: number;
  /** The largest reply that goes as one message, in bytes; 512 KiB unless given, and never more. */
  readonly inlineBytes?: number;
  /** How long the broker keeps bodies that nobody removed, in ms; an hour unless given. */
  readonly keepMs?: number;
  /** Copies of streams and buckets in a cluster of brokers; 1 unless given. */
  readonly replicas?: number;
  /** What was not understood, or failed. */
  readonly log?: (line: string) => void;
}

export interface NatsServer {
  /** Tell all clients; they ask again without waiting for their turn. Resolves when told; says whether the broker keeps it. */
  announce(announcement: Announcement): Promise<boolean>;
  /** Take no more requests and abort what waits; clients ask whoever serves next. */
  close(): Promise<void>;
}

/**
 * What handles a frame: an exchange, which may also reply in parts that follow each other: one that many are sent, as a
 * model is, is then neither copied nor hashed for each. `client` is whose subject it came on, which is as true as the
 * broker's permissions make it.
 */
export type Handle = (frame: Uint8Array, signal: AbortSignal | undefined, client: string) => Promise<Uint8Array | readonly Uint8Array[]>;

/** A request: in work, answered, or (no answer kept) done. */
interface Ticket {
  readonly client: string;
  readonly id: string;
  /** Where the client listens now. */
  inbox: string;
  state: "work" | "answered" | "done";
  answer?: { readonly says: Answer; readonly parcel?: Parcel };
  /** What is being received of it. */
  transfer?: Transfer;
}

interface Outcome {
  readonly says: Answer;
  readonly parts?: readonly Uint8Array[];
}

/** Tickets at a time, and bytes of answers that nobody has confirmed; the oldest are forgotten first. */
const MAX_TICKETS = 16_384, MAX_KEPT_BYTES = 64 * 2 ** 20;
/** How long to try to put the body of an answer, in ms; the client asks for it until then. */
const PATIENCE_MS = 30_000;

/**
 * Serve a task at this broker: one orchestrator at a time, see `lease`. Resolves when requests are taken.
 * @param handle Orchestrator.handle, or a guard before it
 */
export async function serveNats(connection: NatsConnection, handle: Handle, options: ServeNatsOptions): Promise<NatsServer> {
  const server = new Server(connection, handle, options);
  await server.open();
  return server;
}

class Server implements NatsServer {
  readonly #connection: NatsConnection;
  readonly #handle: Handle;
  readonly #options: ServeNatsOptions;
  readonly #clock: Clock;
  readonly #objects: Objects;
  readonly #shelf: Shelf;
  readonly #reception: Reception;
  /** As many replies are hashed at a time: that copies them. */
  readonly #packing: Gate;
  /** In order of arrival. */
  readonly #tickets = new Map<string, Ticket>();
  readonly #closing = new AbortController();
  /** How to end the wait of each request that is being handled. */
  readonly #waits = new Set<() => void>();
  #keptBytes = 0;

  constructor(connection: NatsConnection, handle: Handle, options: ServeNatsOptions) {
    const { task, domain, keepMs = 3_600_000, replicas, clock = systemClock, concurrency = 32 } = options;
    this.#connection = connection;
    this.#handle = handle;
    this.#options = options;
    this.#clock = clock;
    this.#reception = new Reception(clock, concurrency);
    this.#packing = new Gate(concurrency);
    this.#objects = new Objects(connection, { bucket: streamName(task), clock, domain, keepMs, replicas, patienceMs: PATIENCE_MS });
    this.#shelf = new Shelf(this.#objects, clock);
  }

  async open(): Promise<void> {
    const { task } = this.#options;
    await this.#objects.open();
    const subscription = this.#connection.subscribe(askSubject(task, "*"), {
      callback: (error, message) => {
        if (error) this.#log(`requests are not received: ${error.message}`);
        else this.#hear(message);
      },
    });
    this.#closing.signal.addEventListener("abort", () => !this.#connection.isClosed() && subscription.unsubscribe());
    void this.#follow();
    await this.announce({ kind: "serving" });
  }

  announce(announcement: Announcement): Promise<boolean> {
    return announce(this.#connection, { ...this.#options, clock: this.#clock, signal: this.#closing.signal }, announcement);
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error("the orchestrator stops serving"));
    this.#waits.forEach((giveUp) => giveUp());
    this.#tickets.forEach(({ transfer }) => transfer?.end());
    if (!this.#connection.isClosed()) await this.#connection.flush().catch(() => {});
  }

  /** A broker that is back may be without its store, and requests may have come while nobody listened. */
  async #follow(): Promise<void> {
    for await (const { type } of this.#connection.status()) {
      if (this.#closing.signal.aborted) return;
      if (type !== "reconnect") continue;
      this.#objects.open().catch((error) => this.#log(`the bucket of bodies is not to be had: ${error.message}`));
      void this.announce({ kind: "serving" });
    }
  }

  #log(line: string): void {
    this.#options.log?.(line);
  }

  #hear(message: Msg): void {
    const client = nameOf(message.subject.split(".")[2]);
    const said = parse(ASKS, message.headers);
    if (!client || !said || !(message.reply || said.says === "part")) return this.#log(`a message on ${message.subject} is no request`);
    const key = `${client} ${said.id}`;
    const ticket = this.#tickets.get(key);
    if (said.says === "part") return this.#take(ticket, message);
    if (ticket) ticket.inbox = message.reply!;
    if (said.says === "got") return ticket && this.#forget(ticket);
    if (ticket) return this.#repeat(ticket, said.says === "lost");
    const fresh: Ticket = { client, id: said.id, inbox: message.reply!, state: "work" };
    if (said.says !== "ask") return this.#say(fresh, "unknown");
    const parcel = readParcel(message.data, message.headers!, this.#options.maxBytes ?? 2 ** 30);
    if (!parcel) return this.#say(fresh, "failed", { payload: new TextEncoder().encode("it makes no sense, or is longer than the orchestrator takes") });
    if (!this.#makeRoom()) return this.#log(`${MAX_TICKETS} requests wait: one of "${client}" was not taken`);
    this.#tickets.set(key, fresh);
    this.#say(fresh, "received");
    void this.#work(key, fresh, parcel);
  }

  #take(ticket: Ticket | undefined, { headers, data }: Msg): void {
    const window = readWindow(headers!);
    if (window) ticket?.transfer?.take(window, data); // one that comes late goes by
  }

  /** Asked again: the same answer. */
  #repeat(ticket: Ticket, lost: boolean): void {
    const { state, answer } = ticket;
    if (state === "work") this.#say(ticket, "received");
    ticket.transfer?.remind();
    if (state !== "answered" || !answer) return;
    const name = answer.parcel?.body?.name;
    if (!lost || !name) return this.#say(ticket, answer.says, answer.parcel);
    this.#say(ticket, "received");
    this.#shelf.again(name).then(
      (there) => {
        if (there) return this.#say(ticket, answer.says, answer.parcel);
        this.#tickets.delete(`${ticket.client} ${ticket.id}`); // handled anew
        this.#say(ticket, "unknown");
      },
      (error) => this.#log(`the body of a reply was not put again: ${error.message}`),
    );
  }

  async #work(key: string, ticket: Ticket, { payload, follows }: Parcel): Promise<void> {
    const leaving: (() => void)[] = [];
    try {
      const frame = follows === undefined ? payload : await this.#receive(ticket, payload, follows, leaving);
      if (!frame) {
        if (ticket.state === "work") this.#tickets.delete(key); // the client asks again
        return;
      }
      const outcome = await this.#outcome(ticket.client, frame);
      if (this.#closing.signal.aborted) return;
      this.#answer(ticket, outcome.says, await this.#pack(outcome.parts));
    } catch (error) {
      this.#tickets.delete(key);
      this.#log(`a request of "${ticket.client}" was not answered: ${(error as Error).message}`);
    } finally {
      for (const leave of leaving) leave();
    }
  }

  /** The whole frame, when its client sends what is between the ends. */
  async #receive(ticket: Ticket, ends: Uint8Array, bytes: number, leaving: (() => void)[]): Promise<Uint8Array | undefined> {
    let frame: Uint8Array | undefined;
    const whole = await this.#reception.receive(ticket.client, () => {
      if (ticket.state === "done" || this.#closing.signal.aborted) return undefined;
      const prepared = prepare(ends, bytes);
      frame = prepared.frame;
      return (ticket.transfer = new Transfer(prepared.middle, this.#clock, (window) => this.#ask(ticket, window)));
    }, leaving);
    ticket.transfer = undefined;
    return whole ? frame : undefined;
  }

  /** What the handler says, or that it has nothing to say in time. */
  async #outcome(client: string, frame: Uint8Array): Promise<Outcome> {
    const { pollMs = 25_000 } = this.#options;
    const waiting = new AbortController();
    let cancel = () => {}, giveUp = () => {};
    const nothing = new Promise<Outcome>((resolve) => {
      cancel = this.#clock.after(pollMs, () => giveUp());
      this.#waits.add(giveUp = () => resolve({ says: "nothing" }));
    });
    const handled = this.#handle(frame, waiting.signal, client).then(
      (reply): Outcome => ({ says: "reply", parts: reply instanceof Uint8Array ? [reply] : reply }),
      (error) => {
        if (!waiting.signal.aborted) this.#log(`a request of "${client}" failed: ${(error as Error)?.message}`);
        return { says: "failed" as const, parts: [new TextEncoder().encode(String((error as Error)?.message).slice(0, 256))] };
      },
    );
    try {
      return await Promise.race([handled, nothing]);
    } finally {
      cancel();
      this.#waits.delete(giveUp);
      waiting.abort(new Error("nothing to say in time"));
    }
  }

  async #pack(reply: readonly Uint8Array[] | undefined): Promise<Parcel | undefined> {
    const bytes = reply?.reduce((sum, { length }) => sum + length, 0) ?? 0;
    if (!reply || bytes <= inlineBytes(this.#options.inlineBytes, this.#connection.info?.max_payload)) return reply && { payload: reply.length === 1 ? reply[0] : concat(reply) };
    const leave = await this.#packing.enter();
    return this.#shelf.pack(reply).finally(leave);
  }

  #answer(ticket: Ticket, says: Answer, parcel?: Parcel): void {
    if (ticket.state !== "done") { // the client may have given up
      ticket.state = "answered";
      ticket.answer = { says, parcel };
      this.#keptBytes += parcel?.payload.length ?? 0;
    }
    this.#say(ticket, says, parcel);
    for (const old of this.#tickets.values()) {
      if (this.#keptBytes <= MAX_KEPT_BYTES) break;
      if (old.state === "answered" && old !== ticket) {
        this.#forget(old);
        this.#tickets.delete(`${old.client} ${old.id}`);
      }
    }
  }

  /** The ticket stays for a while without its answer, so that a request that was under way twice is not handled again. */
  #forget(ticket: Ticket): void {
    this.#keptBytes -= ticket.answer?.parcel?.payload.length ?? 0;
    ticket.state = "done";
    ticket.answer = undefined;
    ticket.transfer?.end();
  }

  /** @returns whether another request can be taken */
  #makeRoom(): boolean {
    if (this.#tickets.size < MAX_TICKETS) return true;
    for (const [key, { state }] of this.#tickets) {
      if (state !== "done") continue;
      this.#tickets.delete(key);
      return true;
    }
    return false;
  }

  #ask({ inbox, id }: Ticket, window: Window): void {
    if (this.#connection.isClosed()) return;
    const labels = compose("send", id);
    labelWindow(labels, window);
    this.#connection.publish(inbox, undefined, { headers: labels });
  }

  #say({ inbox, id }: Ticket, says: Answer, parcel?: Parcel): void {
    if (!this.#connection.isClosed()) this.#connection.publish(inbox, parcel?.payload, { headers: compose(says, id, parcel) });
  }
}
