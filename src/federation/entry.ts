/**
 * @module
 * The facts of a federation, in the order in which they became true: what an orchestrator writes down
 * before anybody is told, what it recovers from, and what an auditor recomputes every round from.
 *
 *     begun ─ opened 1 ─ update … ─ closed 1 ─ opened 2 ─ update … ─ closed 2 ─ … ─ closed R
 *                 (contribution … merged, clients: wherever they happen)
 *
 * Entries carry the numbers that they are about: `opened` the parameters (of a first attempt), `update`
 * the change, `contribution` the figures. So each round can be recomputed from its own entries.
 */
import type { Entry as StoredEntry } from "./journal.ts";
import type { Member } from "./message.ts";

/** As a store keeps it: small fields, and the bytes of the numbers. */
export type { StoredEntry };

/** The open round has these parameters, and these clients are invited. The first attempt has the parameters as numbers. */
export interface Opened {
  readonly kind: "opened";
  readonly round: number;
  readonly attempt: number;
  readonly model: string;
  /** Sorted. */
  readonly cohort: readonly string[];
}

/** An update is in the sum of the open round. */
export interface Updated {
  readonly kind: "update";
  /** The round whose model it was trained from; the open one or, where staleness is allowed, one before it. */
  readonly round: number;
  readonly client: string;
  /** SHA-256 of its numbers. */
  readonly digest: string;
  readonly elements: "int32" | "float32" | "int64";
  readonly samples: number;
  readonly loss: number;
  /** What it is multiplied by: the samples, capped and discounted as the policy says. 1 for a sum of members. */
  readonly weight: number;
  /** The clients whose updates are in it: the client alone, or an aggregator's members. */
  readonly members: readonly Member[];
}

/** A client's figures for a topic. */
export interface Contributed {
  readonly kind: "contribution";
  readonly topic: string;
  readonly round: number;
  readonly client: string;
  readonly digest: string;
}

/** A topic is complete: these clients' figures are in it. */
export interface Merged {
  readonly kind: "merged";
  readonly topic: string;
  readonly round: number;
  /** Sorted. */
  readonly clients: readonly string[];
}

/** The round is over; the sum of its updates makes these parameters. */
export interface Closed {
  readonly kind: "closed";
  readonly round: number;
  /** SHA-256 of the new parameters. */
  readonly model: string;
  /** Whose updates are in it, sorted. */
  readonly clients: readonly string[];
}

/** Who may take part, from now on. */
export interface Enrolled {
  readonly kind: "clients";
  /** Sorted. */
  readonly clients: readonly string[];
  readonly aggregators: readonly string[];
}

export type Entry = Opened | Updated | Contributed | Merged | Closed | Enrolled;

const NOTHING = new Uint8Array(0);

export function toStored({ kind, ...fields }: Entry, numbers?: ArrayBufferView): StoredEntry {
  return { kind, fields, numbers: numbers ? new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength) : NOTHING };
}

/** @throws RangeError for a kind that this release does not know. */
export function fromStored({ kind, fields }: StoredEntry): Entry {
  if (!KINDS.has(kind)) throw new RangeError(`journal: entry of kind ${JSON.stringify(kind)} is not known; run the release of millwright that wrote it, or a later one`);
  return { kind, ...fields } as Entry;
}

const KINDS: ReadonlySet<string> = new Set<Entry["kind"]>(["opened", "update", "contribution", "merged", "closed", "clients"]);
