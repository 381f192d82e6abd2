/**
 * @module
 * Bodies too large for a message, in an object bucket of the broker. An object is named by its SHA-256, so what is read
 * is what was meant or is not there: a missing chunk, a flipped bit and a bucket that was deleted all look the same,
 * and the remedy is the same: put it again.
 *
 * The layout is that of object buckets (NATS ADR-20), so the broker's tools show them. Putting has all chunks under way
 * at once, as the hash decides whether they arrived; reading asks for each chunk and needs no consumer, and of
 * permissions only to ask for messages of this stream.
 */
import { DiscardPolicy, StorageType, type JetStreamManager } from "@nats-io/jetstream";
import { headers, nanos, NoRespondersError, nuid, RequestError, type Msg, type NatsConnection } from "@nats-io/nats-core";
import { sha256 } from "../federation/checksum.ts";
import type { Clock } from "../federation/clock.ts";
import { Gate } from "./gate.ts";
import { Link } from "./link.ts";
import { persist } from "./retry.ts";
import { ensureStream, jetStreamOf, managerOf } from "./stream.ts";
import { apiOf, INLINE_BYTES, objectStream } from "./subject.ts";

export interface ObjectsOptions {
  readonly bucket: string;
  readonly clock: Clock;
  readonly domain?: string;
  /** How long the broker keeps an object that nobody removed, in ms; for ever unless given. */
  readonly keepMs?: number;
  /** Copies in a cluster. */
  readonly replicas?: number;
  /** How long to try to put or get one, in ms. */
  readonly patienceMs: number;
}

/** What is written of an object; ADR-20 has more fields, for people. */
interface Meta {
  readonly name: string;
  readonly bucket: string;
  readonly nuid: string;
  readonly size: number;
  readonly chunks: number;
  readonly digest: string;
  readonly options: { readonly max_chunk_size: number };
}

/** How long to ask for a message, in ms, before that is tried anew. */
const ASK_MS = 5_000;
/** Chunks of one body under way at a time. */
const CHUNKS_AT_ONCE = 8;
/** Bodies under way on a connection at a time: a broker cuts one off that has 64 MB waiting for it. */
const AT_ONCE = 32;
const gates = new WeakMap<NatsConnection, Gate>();

export class Objects {
  readonly #connection: NatsConnection;
  readonly #options: ObjectsOptions;
  readonly #stream: string;
  readonly #link: Link;
  readonly #gate: Gate;
  #manager: Promise<JetStreamManager> | undefined;

  constructor(connection: NatsConnection, options: ObjectsOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#stream = objectStream(options.bucket);
    this.#link = new Link(connection);
    this.#gate = gates.get(connection) ?? new Gate(AT_ONCE);
    gates.set(connection, this.#gate);
  }

  /** The bucket is there, made anew if the broker has lost it. */
  async open(): Promise<void> {
    this.#manager = undefined;
    await this.#link.hold(() => this.#open());
  }

  /** Put bytes, over what may already be there under their name. @returns the name: SHA-256, 64 hexadecimal digits */
  async put(bytes: Uint8Array, signal?: AbortSignal): Promise<string> {
    const name = await sha256(bytes);
    await this.#persist(() => this.#with((manager) => this.#write(manager, name, bytes)), signal);
    return name;
  }

  /** The bytes of that name; undefined when they are not there whole. Rejects when the broker does not answer. */
  async get(name: string, length: number, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    const read = async () => {
      const bytes = await this.#read(name, length);
      return bytes && (await sha256(bytes)) === name ? bytes : undefined;
    };
    return this.#persist(() => this.#enter(read), signal);
  }

  /** Remove an object; that it stays, when the broker is away, costs space and nothing else. */
  async remove(name: string): Promise<void> {
    const remove = async (manager: JetStreamManager) => {
      const meta = await this.#meta(name);
      await manager.streams.purge(this.#stream, { filter: this.#metaSubject(name) });
      if (meta) await manager.streams.purge(this.#stream, { filter: this.#chunkSubject(meta.nuid) });
    };
    await this.#with(remove).catch(() => {});
  }

  /** Names of all objects. */
  async names(): Promise<string[]> {
    const { state } = await this.#with((manager) => manager.streams.info(this.#stream, { subjects_filter: this.#metaSubject() }));
    return Object.keys(state.subjects ?? {}).map((subject) => atob(subject.split(".").at(-1)!.replaceAll("-", "+").replaceAll("_", "/")));
  }

  async #write(manager: JetStreamManager, name: string, bytes: Uint8Array): Promise<void> {
    const { bucket, domain } = this.#options;
    const old = await this.#meta(name);
    const most = Math.min(INLINE_BYTES, (this.#connection.info?.max_payload ?? INLINE_BYTES) - 1024);
    const chunks = Math.ceil(bytes.length / most);
    const id = nuid.next();
    const broker = jetStreamOf(this.#connection, domain);
    for (let chunk = 0; chunk < chunks; chunk += CHUNKS_AT_ONCE) {
      const group = Array.from({ length: Math.min(CHUNKS_AT_ONCE, chunks - chunk) }, (_, k) => bytes.subarray((chunk + k) * most, (chunk + k + 1) * most));
      await Promise.all(group.map((part) => broker.publish(this.#chunkSubject(id), part)));
    }
    const digest = `SHA-256=${base64Url(Uint8Array.from(name.match(/../g)!, (pair) => parseInt(pair, 16)))}`;
    const meta: Meta = { name, bucket, nuid: id, size: bytes.length, chunks, digest, options: { max_chunk_size: most } };
    const rollup = headers();
    rollup.set("Nats-Rollup", "sub");
    await broker.publish(this.#metaSubject(name), JSON.stringify(meta), { headers: rollup });
    if (old) await manager.streams.purge(this.#stream, { filter: this.#chunkSubject(old.nuid) }).catch(() => {});
  }

  async #read(name: string, length: number): Promise<Uint8Array | undefined> {
    const meta = await this.#meta(name);
    if (!meta || meta.size !== length) return undefined;
    const bytes = new Uint8Array(length);
    for (let end = 0, seq = 1; end < length; ) {
      const message = await this.#message({ seq, next_by_subj: this.#chunkSubject(meta.nuid) });
      if (!message || message.data.length === 0 || end + message.data.length > length) return undefined;
      bytes.set(message.data, end);
      end += message.data.length;
      seq = Number(message.headers!.get("Nats-Sequence")) + 1;
    }
    return bytes;
  }

  async #meta(name: string): Promise<Pick<Meta, "nuid" | "size"> | undefined> {
    const message = await this.#message({ last_by_subj: this.#metaSubject(name) });
    if (!message) return undefined;
    try {
      const { nuid: id, size, deleted } = message.json<Meta & { deleted?: boolean }>();
      return /^[A-Za-z0-9]+$/.test(id) && Number.isSafeInteger(size) && !deleted ? { nuid: id, size } : undefined;
    } catch {
      return undefined;
    }
  }

  /** A message of the stream; undefined when it has none such, or is not there itself. */
  async #message(query: { seq?: number; next_by_subj?: string; last_by_subj?: string }): Promise<Msg | undefined> {
    try {
      const message = await this.#connection.request(`${apiOf(this.#options.domain)}.DIRECT.GET.${this.#stream}`, JSON.stringify(query), { timeout: ASK_MS });
      const code = message.headers?.code ?? 0;
      if (code === 404) return undefined;
      if (code !== 0) throw new Error(`the broker answered ${code} ${message.headers!.description}`);
      return message;
    } catch (error) {
      if (isUnanswerable(error)) return undefined;
      throw error;
    }
  }

  #persist<T>(attempt: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const { clock, patienceMs } = this.#options;
    return persist(attempt, { clock, patienceMs, signal, isFinal: () => this.#connection.isClosed() });
  }

  async #enter<T>(act: () => Promise<T>): Promise<T> {
    const leave = await this.#gate.enter();
    try {
      return await this.#link.hold(act);
    } finally {
      leave();
    }
  }

  async #with<T>(use: (manager: JetStreamManager) => Promise<T>): Promise<T> {
    try {
      return await this.#enter(async () => use(await this.#open()));
    } catch (error) {
      this.#manager = undefined; // the bucket is looked up, or made, before it is used again
      throw error;
    }
  }

  #open(): Promise<JetStreamManager> {
    if (!this.#manager) {
      const opening = this.#make();
      this.#manager = opening;
      opening.catch(() => {
        if (this.#manager === opening) this.#manager = undefined;
      });
    }
    return this.#manager;
  }

  async #make(): Promise<JetStreamManager> {
    const { bucket, domain, keepMs, replicas = 1 } = this.#options;
    const manager = await managerOf(this.#connection, domain);
    await ensureStream(manager, {
      name: this.#stream, subjects: [`$O.${bucket}.C.>`, `$O.${bucket}.M.>`], storage: StorageType.File, num_replicas: replicas,
      discard: DiscardPolicy.New, allow_direct: true, allow_rollup_hdrs: true, ...(keepMs && { max_age: nanos(keepMs) }),
    });
    return manager;
  }

  #chunkSubject(id: string): string {
    return `$O.${this.#options.bucket}.C.${id}`;
  }

  #metaSubject(name?: string): string {
    return `$O.${this.#options.bucket}.M.${name === undefined ? "*" : base64Url(new TextEncoder().encode(name))}`;
  }
}

const base64Url = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_");

/** Nobody answers for the stream: its store was deleted, it was never made, or there is no JetStream at all. */
const isUnanswerable = (error: unknown): boolean => error instanceof NoRespondersError || (error instanceof RequestError && error.isNoResponders());
