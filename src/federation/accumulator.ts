/**
 * @module
 * Federated averaging in kernel memory (equations in assembly/aggregate.ts).
 *
 *     lattice   q = round(Δ · 2^24) in int32;  sum = Σ n_k q_k in int64;  mean change = sum / Σ n_k / 2^24
 *     float32   mean parameters = Σ (n_k / Σ n) w_k, in the order of clients
 *
 * Integers add to the same bits in any order, so the lattice adds updates as they arrive, two at a time,
 * and holds O(P) whatever the number of clients. Float32 is there to compare with: to be free of the order of arrival
 * it keeps every client's parameters until the round closes, O(K P).
 */
import { Kernels } from "../kernels/kernels.ts";
import type { Arithmetic } from "./message.ts";

/** Lattice steps in 1. */
export const LATTICE_SCALE = 2 ** 24;
/** The largest |q|. */
export const LATTICE_BOUND = 2 ** 31 - 1;
/** The most samples in a round: (2^31 - 1) · 2^32 < 2^63, so the sum cannot overflow. */
export const MAX_TOTAL_SAMPLES = 2 ** 32;

export interface Accumulator {
  /** Add a client's numbers (P), samples times. Arguments are checked by the caller. */
  add(client: string, numbers: Int32Array | Float32Array, samples: number): void;
  /** Add a sum over clients, Σ samples · numbers (P) of so many samples together. Lattice only. */
  addSum(sum: BigInt64Array, samples: number): void;
  /** The weighted mean of what was added, a new array (P). The next round starts from nothing. */
  drain(): Float32Array<ArrayBuffer>;
  /** What was added, as addSum takes it. The next round starts from nothing. Lattice only. */
  drainSum(): { readonly sum: BigInt64Array<ArrayBuffer>; readonly samples: number };
}

export function accumulator(arithmetic: Arithmetic, P: number): Accumulator {
  return arithmetic === "lattice" ? latticeAccumulator(P) : float32Accumulator(P);
}

/** Updates that wait in memory to be added in one pass: half the passes over sums that outgrow a cache. */
const WAITING = 2;

function latticeAccumulator(P: number): Accumulator {
  const kernels = new Kernels();
  const sum = kernels.allocate(8 * P);
  const mean = kernels.allocate(4 * P);
  const samples = kernels.allocate(4 * WAITING);
  const updates = kernels.allocate(4 * WAITING);
  const slots = Array.from({ length: WAITING }, () => kernels.allocate(4 * P));
  kernels.int32(updates, WAITING).set(slots);
  let waiting = 0;
  let total = 0;
  const flush = () => {
    kernels.wasm.latticeAdd(sum, updates, samples, waiting, P);
    waiting = 0;
  };
  const forget = () => {
    kernels.bigInt64(sum, P).fill(0n);
    total = 0;
  };
  return {
    add(_, numbers, count) {
      kernels.int32(slots[waiting], P).set(numbers);
      kernels.int32(samples, WAITING)[waiting] = count;
      waiting += 1;
      total += count;
      if (waiting === WAITING) flush();
    },
    addSum(partial, count) {
      const into = kernels.bigInt64(sum, P);
      for (let p = 0; p < P; p++) into[p] += partial[p];
      total += count;
    },
    drain() {
      flush();
      kernels.wasm.latticeMean(mean, sum, BigInt(total), P);
      forget();
      return kernels.float32(mean, P).slice();
    },
    drainSum() {
      flush();
      const drained = { sum: kernels.bigInt64(sum, P).slice(), samples: total };
      forget();
      return drained;
    },
  };
}

function float32Accumulator(P: number): Accumulator {
  const kernels = new Kernels();
  const mean = kernels.allocate(4 * P);
  /** Memory for the parameters of one client each, used again every round. */
  const slots: number[] = [];
  let kept: { readonly client: string; readonly slot: number; readonly samples: number }[] = [];
  return {
    add(client, numbers, samples) {
      const slot = (slots[kept.length] ??= kernels.allocate(4 * P));
      kernels.float32(slot, P).set(numbers);
      kept.push({ client, slot, samples });
    },
    drain() {
      const K = kept.length;
      const total = kept.reduce((count, { samples }) => count + samples, 0);
      kept.sort((a, b) => (a.client < b.client ? -1 : 1));
      const mark = kernels.mark();
      const [parameters, weights] = [kernels.allocate(4 * K), kernels.allocate(4 * K)];
      kernels.int32(parameters, K).set(kept.map(({ slot }) => slot));
      kernels.float32(weights, K).set(kept.map(({ samples }) => samples / total));
      kernels.wasm.average32(mean, parameters, weights, K, P);
      kernels.release(mark);
      kept = [];
      return kernels.float32(mean, P).slice();
    },
    addSum: noSums,
    drainSum: noSums,
  };
}

function noSums(): never {
  throw new RangeError('sums of updates are of the lattice; with arithmetic "float32" every client sends its own parameters');
}

/**
 * The change from `before` to `after` on the lattice, and how many of its values do not fit: not
 * finite, or not within ±128. A change with misfits is not to be sent.
 */
export function encodeChange(after: Float32Array, before: Float32Array): { readonly lattice: Int32Array<ArrayBuffer>; readonly misfits: number } {
  const P = before.length;
  return withScratch((kernels) => {
    const [q, w1, w0] = [kernels.allocate(4 * P), kernels.allocate(4 * P), kernels.allocate(4 * P)];
    kernels.float32(w1, P).set(after);
    kernels.float32(w0, P).set(before);
    const misfits = kernels.wasm.latticeEncode(q, w1, w0, P);
    return { lattice: kernels.int32(q, P).slice(), misfits };
  });
}

/** `parameters` + `change`, a new array (P). */
export function applyChange(parameters: Float32Array, change: Float32Array): Float32Array<ArrayBuffer> {
  const P = parameters.length;
  return withScratch((kernels) => {
    const [w, mean] = [kernels.allocate(4 * P), kernels.allocate(4 * P)];
    kernels.float32(w, P).set(parameters);
    kernels.float32(mean, P).set(change);
    kernels.wasm.applyUpdate(w, w, mean, P);
    return kernels.float32(w, P).slice();
  });
}

/** How many sums of an aggregator are beyond what so many samples can make. */
export function countSumMisfits(sums: BigInt64Array, samples: number, bound: number): number {
  if (!Number.isSafeInteger(samples)) return sums.length;
  const most = BigInt(bound) * BigInt(samples);
  let misfits = 0;
  for (let index = 0; index < sums.length; index++) if (sums[index] > most || sums[index] < -most) misfits++;
  return misfits;
}

/** How many numbers are NaN or beyond ±bound. */
export function countMisfits(numbers: Int32Array | Float32Array | Float64Array, bound: number = Number.MAX_VALUE): number {
  if (numbers instanceof Int32Array) return countBeyond(numbers, bound);
  let misfits = 0;
  for (let index = 0; index < numbers.length; index++) if (!(Math.abs(numbers[index]) <= bound)) misfits++;
  return misfits;
}

/** By itself, as a loop over one type of array is faster than over several; updates pass here. */
function countBeyond(numbers: Int32Array, bound: number): number {
  const { length } = numbers;
  let misfits = 0;
  for (let index = 0; index < length; index++) {
    const value = numbers[index];
    if (value > bound || value < -bound) misfits++;
  }
  return misfits;
}

let scratch: Kernels | undefined;

/** One instance serves every client in a thread, since the work is over before anyone else gets a turn. */
function withScratch<T>(work: (kernels: Kernels) => T): T {
  scratch ??= new Kernels();
  const mark = scratch.mark();
  try {
    return work(scratch);
  } finally {
    scratch.release(mark);
  }
}
