/**
 * @module
 * Bodies too large for a message, in an object bucket of the broker. An object is named by its SHA-256, so what is read
 * is what was meant or is not there: a missing chunk, a flipped bit and a bucket that was deleted all look the same,
 * and the remedy is the same: put it again.
 */
import { JetStreamApiCodes, JetStreamApiError, StorageType } from "@nats-io/jetstream";
import { nanos, type NatsConnection } from "@nats-io/nats-core";
import { Objm, type ObjectStore } from "@nats-io/obj";
import { sha256 } from "../federation/checksum.ts";
import type { Clock } from "../federation/clock.ts";
import { Link } from "./link.ts";
import { persist, wait } from "./retry.ts";
import { INLINE_BYTES, jetStreamOf } from "./subject.ts";

export interface ObjectsOptions {
  readonly bucket: string;
  readonly clock: Clock;
  readonly domain?: string;
  /** How long the broker keeps an object that nobody removed, in ms; for ever unless given. */
  readonly keepMs?: number;
  /** Copies in a cluster. */
  readonly replicas?: number;
  /** How long to try to put one, in ms. */
  readonly patienceMs: number;
}

/** How long the next chunk of an object may take, in ms, before the object counts as missing. */
const CHUNK_MS = 5_000;

export class Objects {
  readonly #connection: NatsConnection;
  readonly #options: ObjectsOptions;
  readonly #link: Link;
  #bucket: Promise<ObjectStore> | undefined;

  constructor(connection: NatsConnection, options: ObjectsOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#link = new Link(connection);
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
    await persist(() => this.#with((bucket) => bucket.putBlob({ name, options: { max_chunk_size: largest } }, bytes)), { clock, patienceMs, signal });
    return name;
  }

  /** The bytes of that name; undefined when they are not there whole, or the broker does not answer. */
  async get(name: string, length: number): Promise<Uint8Array | undefined> {
    try {
      const bytes = await this.#with((bucket) => this.#read(bucket, name, length));
      return bytes && (await sha256(bytes)) === name ? bytes : undefined;
    } catch {
      return undefined;
    }
  }

  /** Remove an object; that it stays, when the broker is away, costs space and nothing else. */
  async remove(name: string): Promise<void> {
    await this.#with((bucket) => bucket.delete(name)).catch(() => {});
  }

  /** Names of all objects. */
  async names(): Promise<string[]> {
    return (await this.#with((bucket) => bucket.list())).map(({ name }) => name);
  }

  async #read(bucket: ObjectStore, name: string, length: number): Promise<Uint8Array | undefined> {
    const result = await bucket.get(name);
    if (!result || result.info.size !== length) return undefined;
    result.error.catch(() => {}); // the reader is told, too
    const bytes = new Uint8Array(length);
    const reader = result.data.getReader();
    for (let end = 0; ; ) {
      const next = await this.#inTime(reader.read());
      if (!next || (next.value && end + next.value.length > length)) {
        await reader.cancel();
        return undefined;
      }
      if (next.done) return end === length ? bytes : undefined;
      bytes.set(next.value, end);
      end += next.value.length;
    }
  }

  /** What comes within CHUNK_MS; a reader of chunks that were purged would wait for ever. */
  async #inTime<T>(promise: Promise<T>): Promise<T | undefined> {
    const waiting = new AbortController();
    try {
      return await Promise.race([promise, wait(this.#options.clock, CHUNK_MS, waiting.signal).then(() => undefined)]);
    } finally {
      promise.catch(() => {});
      waiting.abort();
    }
  }

  async #with<T>(use: (bucket: ObjectStore) => Promise<T>): Promise<T> {
    try {
      return await this.#link.hold(async () => use(await this.#open()));
    } catch (error) {
      this.#bucket = undefined; // it is looked up, or made, before it is used again
      throw error;
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
