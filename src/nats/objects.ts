/**
 * @module
 * Bodies too large for a message, in an object bucket of the broker. An object is named by its SHA-256, so what is read
 * is what was meant or is not there: a missing chunk, a flipped bit and a bucket that was deleted all look the same,
 * and the remedy is the same: put it again.
 */
import { JetStreamApiCodes, JetStreamApiError, jetstreamManager, StorageType } from "@nats-io/jetstream";
import { nanos, type NatsConnection } from "@nats-io/nats-core";
import { Objm, type ObjectStore } from "@nats-io/obj";
import { sha256 } from "../federation/checksum.ts";
import type { Clock } from "../federation/clock.ts";
import { Gate } from "./gate.ts";
import { Link } from "./link.ts";
import { persist } from "./retry.ts";
import { INLINE_BYTES, jetStreamOf } from "./subject.ts";

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

/** How long to ask for a chunk, in ms, before the object counts as missing. */
const CHUNK_MS = 10_000;

/** Bodies under way on a connection at a time: a broker cuts one off that has 64 MB waiting for it. */
const AT_ONCE = 32;
const gates = new WeakMap<NatsConnection, Gate>();

export class Objects {
  readonly #connection: NatsConnection;
  readonly #options: ObjectsOptions;
  readonly #link: Link;
  readonly #gate: Gate;
  #bucket: Promise<ObjectStore> | undefined;

  constructor(connection: NatsConnection, options: ObjectsOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#link = new Link(connection);
    this.#gate = gates.get(connection) ?? new Gate(AT_ONCE);
    gates.set(connection, this.#gate);
  }

  /** The bucket is there, made anew if the broker has lost it. */
  async open(): Promise<void> {
    this.#bucket = undefined;
    await this.#link.hold(() => this.#open());
  }

  /** Put bytes, over what may already be there under their name. @returns the name: SHA-256, 64 hexadecimal digits */
  async put(bytes: Uint8Array, signal?: AbortSignal): Promise<string> {
    const name = await sha256(bytes);
    const { clock, patienceMs } = this.#options;
    const largest = Math.min(INLINE_BYTES, (this.#connection.info?.max_payload ?? INLINE_BYTES) - 1024);
    const put = (bucket: ObjectStore) => bucket.putBlob({ name, options: { max_chunk_size: largest } }, bytes);
    await persist(() => this.#with(put), { clock, patienceMs, signal, isFinal: () => this.#connection.isClosed() });
    return name;
  }

  /** The bytes of that name; undefined when they are not there whole. Rejects when the broker does not answer. */
  async get(name: string, length: number, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    const { clock, patienceMs } = this.#options;
    const read = async (bucket: ObjectStore) => {
      const bytes = await this.#read(bucket, name, length);
      return bytes && (await sha256(bytes)) === name ? bytes : undefined;
    };
    return persist(() => this.#with(read), { clock, patienceMs, signal, isFinal: () => this.#connection.isClosed() });
  }

  /** Remove an object; that it stays, when the broker is away, costs space and nothing else. */
  async remove(name: string): Promise<void> {
    await this.#with((bucket) => bucket.delete(name)).catch(() => {});
  }

  /** Names of all objects. */
  async names(): Promise<string[]> {
    return (await this.#with((bucket) => bucket.list())).map(({ name }) => name);
  }

  /**
   * By the layout of object buckets (NATS ADR-20), a request for each chunk: a consumer for each object, as the library
   * makes, is more than a broker likes to give a thousand clients at once, and waits for ever for chunks that are gone.
   */
  async #read(bucket: ObjectStore, name: string, length: number): Promise<Uint8Array | undefined> {
    const info = await bucket.info(name);
    if (!info || info.deleted || info.size !== length) return undefined;
    const { direct } = await jetstreamManager(this.#connection, { ...jetStreamOf(this.#connection, this.#options.domain).getOptions(), checkAPI: false });
    const chunk = { next_by_subj: `$O.${this.#options.bucket}.C.${info.nuid}` };
    const bytes = new Uint8Array(length);
    for (let end = 0, seq = 1; end < length; ) {
      const message = await persist(() => direct.getMessage(`OBJ_${this.#options.bucket}`, { seq, ...chunk }), { clock: this.#options.clock, patienceMs: CHUNK_MS });
      if (!message || end + message.data.length > length) return undefined;
      bytes.set(message.data, end);
      end += message.data.length;
      seq = message.seq + 1;
    }
    return bytes;
  }

  async #with<T>(use: (bucket: ObjectStore) => Promise<T>): Promise<T> {
    const leave = await this.#gate.enter();
    try {
      return await this.#link.hold(async () => use(await this.#open()));
    } catch (error) {
      this.#bucket = undefined; // it is looked up, or made, before it is used again
      throw error;
    } finally {
      leave();
    }
  }

  #open(): Promise<ObjectStore> {
    if (!this.#bucket) {
      const { bucket, domain, keepMs, replicas = 1 } = this.#options;
      const opening = new Objm(jetStreamOf(this.#connection, domain)).create(bucket, { storage: StorageType.File, replicas, ...(keepMs && { ttl: nanos(keepMs) }) });
      this.#bucket = opening;
      opening.catch(() => {
        if (this.#bucket === opening) this.#bucket = undefined;
      });
    }
    return this.#bucket;
  }
}

/** The broker has no such stream or bucket: its store was deleted, or it never had one. */
export const isGone = (error: unknown): boolean => error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound;
