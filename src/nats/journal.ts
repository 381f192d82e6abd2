/**
 * @module
 * A copy of the journal at the broker: one stream with one writer at a time.
 *
 * Each message expects to follow the one that its writer wrote before, and the broker refuses it otherwise. So whoever
 * takes over writes one message, its turn, and the writer before is out: it cannot add anything any more, however late
 * it wakes up.
 */
import { StorageType, type JetStreamManager, type StoredMsg } from "@nats-io/jetstream";
import { headers, nuid, type NatsConnection } from "@nats-io/nats-core";
import * as z from "zod/mini";
import { systemClock, type Clock } from "../federation/clock.ts";
import { beginMark, START, type Mark } from "./entry.ts";
import { Link } from "./link.ts";
import { Objects } from "./objects.ts";
import { divide, inlineBytes, label, readParcel, unite, type Parcel } from "./parcel.ts";
import { persist } from "./retry.ts";
import { ensureStream, isGone, jetStreamOf, managerOf } from "./stream.ts";
import { journalName, journalSubject, type Place } from "./subject.ts";

export interface JournalOptions extends Place {
  /** Of the lease: who has a smaller one is out. */
  readonly token: number;
  readonly clock?: Clock;
  /** Copies of the stream in a cluster of brokers; 1 unless given. */
  readonly replicas?: number;
  /** How long to wait for a broker that is away, in ms, before an entry counts as not written; 60 s unless given. */
  readonly patienceMs?: number;
}

/** Another orchestrator has its turn: this one must stop. */
export class FencedError extends Error {
  override readonly name = "FencedError";
}

/** The broker does not have what was written to it: its store was deleted, or is older than it should be. */
export class LostCopyError extends Error {
  override readonly name = "LostCopyError";
}

const mark = { base: z.string().check(z.regex(/^[0-9a-f]{64}$/)), count: z.int().check(z.nonnegative()), chain: z.string().check(z.regex(/^[0-9a-f]{64}$/)) };
const LINE = z.strictObject({
  kind: z.enum(["turn", "snapshot", "entries"]),
  token: z.int().check(z.nonnegative()),
  /** Of the orchestrator that wrote it. */
  epoch: z.int().check(z.nonnegative()),
  /** How far the copy goes with it. */
  ...mark,
  /** How far it went before the snapshot that it starts from. */
  before: z.optional(z.strictObject(mark)),
});
/** What a message of the stream says of itself. */
export type Line = z.infer<typeof LINE>;

const LINE_HEADER = "Millwright-Line";
/** The largest body, in bytes; a snapshot of a model of 2^27 parameters has half of that. */
const MAX_BYTES = 2 ** 30;

export class JournalCopy {
  readonly #connection: NatsConnection;
  readonly #options: JournalOptions;
  readonly #clock: Clock;
  readonly #link: Link;
  readonly #objects: Objects;
  readonly #name: string;
  /** Sequence of the last message. */
  #last = 0;

  constructor(connection: NatsConnection, options: JournalOptions) {
    const { task, domain, replicas, clock = systemClock, patienceMs = 60_000 } = options;
    if (!Number.isSafeInteger(options.token) || options.token < 1) throw new RangeError(`"token" expected integer >= 1, got ${options.token}; it is the lease's`);
    this.#connection = connection;
    this.#options = options;
    this.#clock = clock;
    this.#link = new Link(connection);
    this.#name = journalName(task);
    this.#objects = new Objects(connection, { bucket: this.#name, clock, domain, replicas, patienceMs });
  }

  /**
   * Take the turn, making the stream if there is none.
   * @param anew leave out what is there: it is not what it should be
   * @returns how far the copy goes; undefined when it is empty
   * @throws FencedError when an orchestrator with a greater token has had its turn
   */
  async take(epoch: number, anew = false): Promise<Line | undefined> {
    const { token, task, replicas = 1 } = this.#options;
    for (;;) {
      const found = await this.#persist(async (manager) => {
        await ensureStream(manager, { name: this.#name, subjects: [journalSubject(task)], storage: StorageType.File, num_replicas: replicas });
        return this.#look(manager);
      });
      if (found.line && found.line.token > token) throw this.#fenced(found.line);
      const there = anew || !found.line || isEmpty(found.line) ? undefined : found.line;
      this.#last = found.sequence;
      try {
        await this.#publish({ ...(there ?? EMPTY), kind: "turn", token, epoch });
        // A writer that ended here would leave an empty turn, and the next one removes what is before it.
        if (!there && found.sequence > 0) await this.#persist((manager) => manager.streams.purge(this.#name, { seq: this.#last }));
        return there;
      } catch (error) {
        if (!(error instanceof LostCopyError)) throw error; // else somebody wrote in between, or the store went away: look again
      }
    }
  }

  /** Write; it is at the broker when this resolves. @throws FencedError, LostCopyError */
  async write(line: Omit<Line, "token">, body: Uint8Array): Promise<void> {
    let parcel: Parcel = { payload: body };
    if (body.length > inlineBytes(undefined, this.#connection.info?.max_payload)) {
      const { ends, middle } = divide(body);
      parcel = { payload: ends, body: { name: await this.#objects.put(middle), bytes: middle.length } };
    }
    // What a later snapshot makes needless is what is there now: whoever comes next has put nothing before our message is in.
    const needless = line.kind === "snapshot" ? await this.#objects.names().catch(() => []) : [];
    await this.#publish({ ...line, token: this.#options.token }, parcel);
    if (line.kind === "snapshot") await this.#clear(needless.filter((name) => name !== parcel.body?.name));
  }

  /** All messages but turns, in order. */
  async *read(): AsyncGenerator<{ line: Line; body: Uint8Array }> {
    const { first_seq, last_seq } = (await this.#persist((manager) => manager.streams.info(this.#name))).state;
    for (let seq = first_seq; seq <= last_seq; seq++) {
      const message = await this.#persist((manager) => manager.streams.getMessage(this.#name, { seq }));
      const line = message && lineOf(message);
      if (!line) throw new LostCopyError(`the copy at the broker has no message ${seq} of ${first_seq} to ${last_seq} that can be read`);
      if (line.kind === "turn") continue;
      const parcel = readParcel(message.data, message.header, MAX_BYTES);
      const middle = parcel?.body && (await this.#objects.get(parcel.body.name, parcel.body.bytes));
      if (!parcel || (parcel.body && !middle)) throw new LostCopyError(`the body of message ${seq} of the copy at the broker is not there whole`);
      yield { line, body: middle ? unite(parcel.payload, middle) : parcel.payload };
    }
  }

  async #publish(line: Line, parcel: Parcel = { payload: new Uint8Array(0) }): Promise<void> {
    const { task, domain } = this.#options;
    const msgID = nuid.next();
    await this.#persist(async (manager) => {
      const labels = headers();
      labels.set(LINE_HEADER, JSON.stringify(line));
      label(labels, parcel);
      const expect = { lastSequence: this.#last, streamName: this.#name };
      try {
        this.#last = (await jetStreamOf(this.#connection, domain).publish(journalSubject(task), parcel.payload, { msgID, headers: labels, expect })).seq;
      } catch (cause) {
        const found = await this.#look(manager);
        if (found.sequence === this.#last) throw cause; // it is not there, and may come yet: once more
        if (found.id !== msgID) {
          if (found.line && found.line.token > line.token) throw this.#fenced(found.line);
          throw new LostCopyError(`the copy at the broker ends with message ${found.sequence}, not ${this.#last}`);
        }
        this.#last = found.sequence; // only the acknowledgement was lost
      }
    });
  }

  /** The last message. */
  async #look(manager: JetStreamManager): Promise<{ sequence: number; id?: string; line?: Line }> {
    const message = await manager.streams.getMessage(this.#name, { last_by_subj: journalSubject(this.#options.task) });
    if (!message) return { sequence: (await manager.streams.info(this.#name)).state.last_seq };
    const line = lineOf(message);
    if (!line) throw new RangeError(`message ${message.seq} of stream ${this.#name} is none of a journal; delete the stream to begin it anew`);
    return { sequence: message.seq, id: message.header.get("Nats-Msg-Id"), line };
  }

  /** Remove what came before the last message, a snapshot. What stays costs space, until the next one. */
  async #clear(bodies: readonly string[]): Promise<void> {
    await this.#persist((manager) => manager.streams.purge(this.#name, { seq: this.#last })).catch(() => {});
    for (const name of bodies) await this.#objects.remove(name);
  }

  async #persist<T>(attempt: (manager: JetStreamManager) => Promise<T>): Promise<T> {
    const { domain, patienceMs = 60_000 } = this.#options;
    const isFinal = (error: unknown) => error instanceof FencedError || error instanceof LostCopyError || error instanceof RangeError || this.#connection.isClosed();
    return persist(
      () => this.#link.hold(async () => {
        try {
          return await attempt(await managerOf(this.#connection, domain));
        } catch (error) {
          if (isGone(error)) throw new LostCopyError(`the broker has no stream ${this.#name} any more`);
          throw error;
        }
      }),
      { clock: this.#clock, patienceMs, isFinal },
    );
  }

  #fenced({ token }: Line): FencedError {
    return new FencedError(`the orchestrator with token ${token} has taken the journal of "${this.#options.task}" over from that with ${this.#options.token}`);
  }
}

const EMPTY: Mark = beginMark(START);

const isEmpty = ({ kind, base, count }: Line): boolean => kind === "turn" && base === EMPTY.base && count === 0;

function lineOf({ header }: StoredMsg): Line | undefined {
  try {
    return LINE.parse(JSON.parse(header.get(LINE_HEADER)));
  } catch {
    return undefined;
  }
}
