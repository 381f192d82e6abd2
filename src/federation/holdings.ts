/**
 * @module
 * The numbers behind the entries: global parameters, the sum of the open round, clients' figures. What an
 * orchestrator does with an entry's numbers while it runs, it does when it recovers, and so does an
 * auditor: `absorb`, in the order of the entries.
 */
import { accumulator, countMisfits, type Accumulator } from "./accumulator.ts";
import type { Entry } from "./entry.ts";
import type { Arithmetic } from "./message.ts";
import { sum as elementwise, type Merge } from "./merge.ts";
import { EVALUATION } from "./state.ts";
import { fedAvg, type ServerOptimizer } from "./strategy.ts";

export interface HoldingsOptions {
  /** (P) */
  readonly parameters: Float32Array;
  readonly arithmetic: Arithmetic;
  readonly strategy?: ServerOptimizer;
  readonly merge?: Merge;
}

/** Where each array lies in a snapshot's bytes: a topic's merged numbers have no client. */
interface Packed {
  readonly topic: string;
  readonly round: number;
  readonly client?: string;
  readonly length: number;
}

export class Holdings {
  #parameters: Float32Array;
  /** Made of the round's sum, and not yet anybody's. */
  #next: Float32Array | undefined;
  readonly #arithmetic: Arithmetic;
  readonly #strategy: ServerOptimizer;
  readonly #mergeOf: Merge;
  readonly #sum: Accumulator;
  /** By topic and round, then by client. */
  readonly #contributions = new Map<string, Map<string, Float64Array>>();
  readonly #merged = new Map<string, Float64Array>();

  constructor({ parameters, arithmetic, strategy = fedAvg(), merge = elementwise }: HoldingsOptions) {
    this.#parameters = parameters.slice();
    this.#arithmetic = arithmetic;
    this.#strategy = strategy;
    this.#mergeOf = merge;
    this.#sum = accumulator(arithmetic, parameters.length);
  }

  /** (P) of the round that is open. */
  get parameters(): Float32Array {
    return this.#parameters;
  }

  /** @throws RangeError when a topic cannot be merged, or what the strategy throws */
  absorb(entry: Entry, bytes: Uint8Array): void {
    switch (entry.kind) {
      case "opened":
        if (bytes.length > 0) this.#parameters = new Float32Array(aligned(bytes));
        return this.#forgetEvaluations(entry.round - 1);
      case "update": return this.#add(entry, bytes);
      case "contribution": {
        const key = keyOf(entry);
        const given = this.#contributions.get(key) ?? new Map<string, Float64Array>();
        this.#contributions.set(key, given.set(entry.client, new Float64Array(aligned(bytes))));
        return;
      }
      case "merged":
        if (!this.#merged.has(keyOf(entry))) this.merge(entry);
        this.#contributions.delete(keyOf(entry));
        return;
      case "closed":
        this.#parameters = this.#next ?? this.compute(entry.round);
        this.#next = undefined;
    }
  }

  #add({ client, elements, weight, samples }: Extract<Entry, { kind: "update" }>, bytes: Uint8Array): void {
    // What is added up is not kept, so bytes that begin where their elements may are taken as they are.
    const { buffer, byteOffset: from, byteLength } = bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(aligned(bytes));
    if (elements === "int64") this.#sum.addSum(new BigInt64Array(buffer, from, byteLength / 8), samples);
    else this.#sum.add(client, elements === "int32" ? new Int32Array(buffer, from, byteLength / 4) : new Float32Array(buffer, from, byteLength / 4), weight);
  }

  /**
   * (P) that the round's updates lead to. They become the parameters with the entry that closes the round.
   * @throws RangeError when they are not finite; what the strategy throws
   */
  compute(round: number): Float32Array {
    const mean = this.#sum.drain();
    const next = this.#arithmetic === "lattice" ? this.#strategy(this.#parameters, mean, round) : mean;
    if (next.length !== this.#parameters.length || countMisfits(next) > 0) {
      throw new RangeError(`round ${round}: the strategy's parameters expected ${this.#parameters.length} finite numbers`);
    }
    this.#next = next;
    return next;
  }

  /** Merge a topic's contributions, in the order of clients. @throws RangeError where they do not fit together */
  merge(entry: Extract<Entry, { kind: "merged" }>): void {
    const given = this.#contributions.get(keyOf(entry));
    this.#merged.set(keyOf(entry), this.#mergeOf(entry.topic, new Map(entry.clients.map((id) => [id, given!.get(id)!]))));
  }

  /** By client, of those who have given theirs. */
  evaluations(round: number): ReadonlyMap<string, Float64Array> {
    return this.#contributions.get(keyOf({ topic: EVALUATION, round })) ?? new Map();
  }

  merged(topic: string, round: number): Float64Array | undefined {
    return this.#merged.get(keyOf({ topic, round }));
  }

  #forgetEvaluations(before: number): void {
    for (const key of this.#contributions.keys()) {
      const { topic, round } = partsOf(key);
      if (topic === EVALUATION && round < before) this.#contributions.delete(key);
    }
  }

  /** Everything, as bytes and where to find it. To be asked for when no update is in the sum. */
  pack(): { readonly fields: readonly Packed[]; readonly bytes: Uint8Array } {
    const contributions = [...this.#contributions].flatMap(([key, given]) => [...given].map(([client, numbers]) => ({ ...partsOf(key), client, numbers })));
    const merged = [...this.#merged].map(([key, numbers]) => ({ ...partsOf(key), numbers }));
    const parts = [...contributions, ...merged];
    const bytes = new Uint8Array(parts.reduce((total, { numbers }) => total + numbers.byteLength, this.#parameters.byteLength));
    bytes.set(new Uint8Array(this.#parameters.buffer, this.#parameters.byteOffset, this.#parameters.byteLength));
    let at = this.#parameters.byteLength;
    for (const { numbers } of parts) {
      bytes.set(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength), at);
      at += numbers.byteLength;
    }
    return { fields: parts.map(({ numbers, ...where }) => ({ ...where, length: numbers.length })), bytes };
  }

  /** Take over what pack gave. */
  unpack(fields: readonly Packed[], bytes: Uint8Array): void {
    let at = this.#parameters.byteLength;
    this.#parameters = new Float32Array(aligned(bytes.subarray(0, at)));
    for (const { topic, round, client, length } of fields) {
      const numbers = new Float64Array(aligned(bytes.subarray(at, at + 8 * length)));
      at += 8 * length;
      const key = keyOf({ topic, round });
      if (client === undefined) this.#merged.set(key, numbers);
      else this.#contributions.set(key, (this.#contributions.get(key) ?? new Map<string, Float64Array>()).set(client, numbers));
    }
  }
}

/** A copy, as typed arrays begin at multiples of their element. */
function aligned(bytes: Uint8Array): ArrayBuffer {
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes);
  return copy.buffer;
}

const keyOf = ({ topic, round }: { readonly topic: string; readonly round: number }): string => `${round} ${topic}`;

function partsOf(key: string): { topic: string; round: number } {
  const space = key.indexOf(" ");
  return { round: Number(key.slice(0, space)), topic: key.slice(space + 1) };
}
