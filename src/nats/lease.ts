/**
 * @module
 * Who is the orchestrator: a lease in a key-value bucket. It is written by compare and set, so at most one of several
 * wins; whether a lease has run out is judged by each for itself.
 *
 * Clocks of machines are not compared. The holder counts from before it asked for its last renewal; who waits counts
 * from when it first saw what is there, which is later, and for longer. That nothing is there is no exception: a broker
 * that lost its store says so while a holder is still at work. Machines may measure time with a quarter's difference.
 *
 * A process that stood still may believe for a moment that it holds what another has taken. Therefore a lease has a
 * token, greater than every one before, and what must not be written twice is written with it: see `mirror`.
 */
import { StorageType } from "@nats-io/jetstream";
import { Kvm, type KV } from "@nats-io/kv";
import { nuid, type NatsConnection } from "@nats-io/nats-core";
import { systemClock, type Clock } from "../federation/clock.ts";
import { Link } from "./link.ts";
import { wait } from "./retry.ts";
import { jetStreamOf } from "./stream.ts";
import { LEASE_KEY, streamName, type Place } from "./subject.ts";

export interface LeaseOptions extends Place {
  /** For people to read: which machine it is. Two with the same name are still two. */
  readonly holder: string;
  /** How long after its holder fell silent a lease ends, in ms; 10 s unless given. Who waits takes over 1.25 to 1.6 times that later. */
  readonly ttlMs?: number;
  readonly clock?: Clock;
  /** Copies of the bucket in a cluster of brokers; 1 unless given. */
  readonly replicas?: number;
  /** The token is greater than this: the greatest that is known from elsewhere, for a broker that lost its store. */
  readonly above?: number;
  /** The lease is lost, to whom or why; called once, not after release. Stop serving. */
  readonly onLost?: (reason: Error) => void;
  /** Gives up waiting. */
  readonly signal?: AbortSignal;
}

export interface Lease {
  /** Greater than that of every holder before. */
  readonly token: number;
  /** Whether it is held now, by this machine's clock: false as soon as it has run out, even before onLost. */
  readonly held: boolean;
  /** Let the next one take it at once. */
  release(): Promise<void>;
}

/** What is in the bucket. */
interface Claim {
  readonly holder: string;
  /** Of this holder only, whatever its name. */
  readonly instance: string;
  readonly token: number;
  readonly released?: true;
}

/** How much longer than the lease lasts one waits for its end. */
const CAUTION = 1.25;

/** Wait until the lease is free, take it and keep it. Resolves when it is held; rejects when the signal aborts. */
export async function lease(connection: NatsConnection, options: LeaseOptions): Promise<Lease> {
  const { ttlMs = 10_000, clock = systemClock, signal } = options;
  if (!(ttlMs >= 100 && ttlMs <= 3_600_000)) throw new RangeError(`"ttlMs" expected from 100 to 3,600,000, got ${ttlMs}`);
  const held = new HeldLease(connection, options, ttlMs, clock);
  let seen: number | undefined;
  let sinceMs = clock.nowMs();
  for (let first = true; ; first = false) {
    const claim = await held.read().catch(() => undefined);
    // Not to have been answered is not to have seen a change: but neither that there was none.
    if (!claim || first || claim.revision !== seen) {
      sinceMs = clock.nowMs();
      seen = claim?.revision;
    }
    const free = claim && (claim.value?.released || clock.nowMs() - sinceMs > CAUTION * ttlMs);
    if (free && (await held.take(claim))) return held;
    await wait(clock, ttlMs / 5, signal);
  }
}

/** What was found in the bucket; without a value there is nothing, and the revision is 0. */
interface Found {
  readonly revision: number;
  readonly value?: Claim;
}

class HeldLease implements Lease {
  readonly #connection: NatsConnection;
  readonly #options: LeaseOptions;
  readonly #ttlMs: number;
  readonly #clock: Clock;
  readonly #link: Link;
  readonly #instance = nuid.next();
  #bucket: KV | undefined;
  #revision = 0;
  /** When the last renewal that worked was asked for. */
  #renewedMs = -Infinity;
  #ended = false;
  token = 0;

  constructor(connection: NatsConnection, options: LeaseOptions, ttlMs: number, clock: Clock) {
    this.#connection = connection;
    this.#options = options;
    this.#ttlMs = ttlMs;
    this.#clock = clock;
    this.#link = new Link(connection);
  }

  get held(): boolean {
    return !this.#ended && this.#clock.nowMs() - this.#renewedMs < this.#ttlMs;
  }

  /** What is in the bucket, which is made if there is none. Rejects when the broker does not say. */
  async read(): Promise<Found> {
    try {
      const entry = await this.#link.hold(async () => (this.#bucket ??= await this.#open()).get(LEASE_KEY));
      return entry ? { revision: entry.revision, value: parseClaim(entry.string()) } : { revision: 0 };
    } catch (error) {
      this.#bucket = undefined;
      throw error;
    }
  }

  async take({ revision, value }: Found): Promise<boolean> {
    this.token = Math.max(value?.token ?? 0, this.#options.above ?? 0) + 1;
    if (!(await this.#write(revision))) return false;
    void this.#keep();
    return true;
  }

  async release(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    const bucket = this.#bucket;
    await bucket?.put(LEASE_KEY, this.#claim(true), { previousSeq: this.#revision, timeout: this.#ttlMs / 3 }).catch(() => {}); // it runs out, then
  }

  /** Renew until it is lost. */
  async #keep(): Promise<void> {
    while (!this.#ended) {
      await wait(this.#clock, this.#ttlMs / 5);
      if (this.#ended) return;
      if (!this.held) return this.#lose(`the broker did not renew it for ${this.#ttlMs} ms`);
      // A renewal that hangs must not keep the end of the lease from being noticed.
      const waiting = new AbortController();
      const endMs = this.#ttlMs - (this.#clock.nowMs() - this.#renewedMs);
      await Promise.race([this.#renew(), wait(this.#clock, endMs, waiting.signal).catch(() => {})]);
      waiting.abort();
    }
  }

  async #renew(): Promise<void> {
    if (await this.#write(this.#revision)) return;
    const found = await this.read().catch(() => undefined);
    if (!found || this.#ended) return;
    // Nobody may take it before it has run out, so that nothing is there, or an older claim of ours, is the broker's loss.
    if (found.value && found.value.instance !== this.#instance) return this.#lose(`"${found.value.holder}" has taken it`);
    if (this.held) await this.#write(found.revision);
  }

  /** Compare and set. @returns whether it is ours now; it may be without that, when the acknowledgement was lost */
  async #write(revision: number): Promise<boolean> {
    const askedMs = this.#clock.nowMs();
    try {
      const put = async (bucket: KV) => bucket.put(LEASE_KEY, this.#claim(), { previousSeq: revision, timeout: Math.max(50, this.#ttlMs / 5) });
      this.#revision = await this.#link.hold(async () => put((this.#bucket ??= await this.#open())));
    } catch {
      this.#bucket = undefined;
      return false;
    }
    this.#renewedMs = Math.max(this.#renewedMs, askedMs);
    return true;
  }

  #claim(released?: true): string {
    const claim: Claim = { holder: this.#options.holder, instance: this.#instance, token: this.token, ...(released && { released }) };
    return JSON.stringify(claim);
  }

  #open(): Promise<KV> {
    const { task, domain, replicas = 1 } = this.#options;
    return new Kvm(jetStreamOf(this.#connection, domain)).create(streamName(task), { history: 1, replicas, storage: StorageType.File });
  }

  #lose(why: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#options.onLost?.(new Error(`"${this.#options.holder}" is no longer the orchestrator of "${this.#options.task}": ${why}`));
  }
}

/** A claim from bytes; what is none is one of nobody, which runs out like others. */
function parseClaim(text: string): Claim {
  try {
    const { holder, instance, token, released } = JSON.parse(text);
    if (typeof instance === "string" && Number.isSafeInteger(token)) return { holder: String(holder), instance, token, ...(released === true && { released }) };
  } catch {
    // Of nobody, then.
  }
  return { holder: "?", instance: "", token: 0 };
}
