/**
 * A kernel's arguments as a test sees them: arrays copied into WebAssembly memory with guard words on
 * both sides. After every call, nothing but the declared outputs may have changed.
 *
 *     const memory = new Memory();
 *     const y = memory.output(4), x = memory.input([1, 2, 3, 4]);
 *     memory.run((wasm) => wasm.dropout(y, x, 4, …));
 *     expect(memory.read(y)).toEqual(…);
 */
import { readFileSync } from "node:fs";
import { type BuildName, loadBuild } from "../src/kernels/build.ts";
import type { Arena } from "../src/kernels/arena.ts";
import { Kernels } from "../src/kernels/kernels.ts";
import { SignalKernels } from "../src/kernels/signal.ts";
import type { Vector } from "./reference.ts";

const GUARD_WORDS = 4;
/** Nothing lies at the lowest addresses: a write there went through a pointer of 0. */
const EMPTY_WORDS = 256;
const GUARD = 0x7fc0beef; // as a float a NaN: reading it shows in the result, writing it in the check

interface Block { length: number; kind: "input" | "output" | "scratch"; before: Int32Array }

/** The kernels' tests judge the build that MILLWRIGHT_BUILD names: simd, or relaxed where the runtime accepts it. */
const build = await loadBuild((process.env.MILLWRIGHT_BUILD ?? "simd") as BuildName);
/** Whether this build may round a multiplication and an addition once. */
export const fuses = build.name === "relaxed";

/** One call's memory. Blocks are counted in 32-bit words. */
class Guarded<K extends Arena & { readonly wasm: unknown }> {
  readonly kernels: K;
  readonly #blocks = new Map<number, Block>();

  /** Frees what lies behind the mark. */
  constructor(kernels: K, mark: number) {
    this.kernels = kernels;
    kernels.release(mark);
  }

  /** Floats that the kernel may only read. */
  input(values: Vector): number {
    return this.#place("input", values.length, values);
  }

  /** Floats that the kernel writes or adds to. Without values they start as NaN: an assigning kernel has to overwrite each. */
  output(values: Vector | number): number {
    return typeof values === "number" ? this.#place("output", values) : this.#place("output", values.length, values);
  }

  /** Floats without meaning before or after a call; they start as NaN. */
  scratch(length: number): number {
    return this.#place("scratch", length);
  }

  /** Call a kernel, and check that it has left inputs, guard words and the lowest addresses alone. */
  run<Result>(call: (wasm: K["wasm"]) => Result): Result {
    for (const [pointer, block] of this.#blocks) block.before = this.#words(pointer, block.length).slice();
    const result = call(this.kernels.wasm);
    for (const [pointer, { length, kind, before }] of this.#blocks) {
      const after = this.#words(pointer, length);
      for (let word = 0; word < after.length; word++) {
        const inside = word >= GUARD_WORDS && word < GUARD_WORDS + length;
        if (after[word] === before[word] || (inside && kind !== "input")) continue;
        throw new Error(`a kernel wrote word ${word - GUARD_WORDS} of ${kind === "scratch" ? "a" : "an"} ${kind} of ${length} words`);
      }
    }
    const empty = this.kernels.int32(0, EMPTY_WORDS);
    const stray = empty.findIndex((word) => word !== 0);
    empty.fill(0);
    if (stray >= 0) throw new Error(`a kernel wrote word ${stray} of memory, through a pointer of 0`);
    return result;
  }

  read(pointer: number): Float32Array {
    return this.kernels.float32(pointer, this.#length(pointer)).slice();
  }

  readInt32(pointer: number): Int32Array {
    return this.kernels.int32(pointer, this.#length(pointer)).slice();
  }

  /** A block of 2n words as n int64. */
  readInt64(pointer: number): BigInt64Array {
    return this.kernels.bigInt64(pointer, this.#length(pointer) / 2).slice();
  }

  #length(pointer: number): number {
    return this.#blocks.get(pointer)!.length;
  }

  #place(kind: Block["kind"], length: number, values?: Vector): number {
    const first = this.kernels.allocate(4 * (length + 2 * GUARD_WORDS));
    this.kernels.int32(first, length + 2 * GUARD_WORDS).fill(GUARD);
    const pointer = first + 4 * GUARD_WORDS;
    if (values instanceof Int32Array) this.kernels.int32(pointer, length).set(values);
    else if (values) this.kernels.float32(pointer, length).set(values);
    this.#blocks.set(pointer, { length, kind, before: new Int32Array(0) });
    return pointer;
  }

  #words(pointer: number, length: number): Int32Array {
    return this.kernels.int32(pointer - 4 * GUARD_WORDS, length + 2 * GUARD_WORDS);
  }
}

/** Of the kernels that train and aggregate. Making one frees the blocks of every earlier one. */
export class Memory extends Guarded<Kernels> {
  static #shared = new Kernels({ build });
  static #start = Memory.#shared.mark();

  constructor() {
    super(Memory.#shared, Memory.#start);
  }
}

/** Of the kernels of signal features. */
export class SignalMemory extends Guarded<SignalKernels> {
  static #shared = new SignalKernels();
  static #start = SignalMemory.#shared.mark();

  constructor() {
    super(SignalMemory.#shared, SignalMemory.#start);
  }
}

/** Reproducible floats in [-scale, scale), as float32 so that the reference starts from the same numbers. */
export function numbers(length: number, seed: number, scale = 1): Float32Array {
  let state = Math.imul(seed + 1, 0x9e3779b9);
  return Float32Array.from({ length }, () => {
    state = (state + 0x6d2b79f5) | 0; // mulberry32
    let word = Math.imul(state ^ (state >>> 15), state | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return (((word ^ (word >>> 14)) >>> 0) / 2 ** 31 - 1) * scale;
  });
}

/** Sizes for a kernel of `count` dimensions: each from 1 to 9 with the others at 5, all equal from 1 to 9, and the large ones given. */
export function* sweep(count: number, ...large: number[][]): Generator<number[]> {
  for (let size = 1; size <= 9; size++) {
    for (let dimension = 0; dimension < count; dimension++) yield Array.from({ length: count }, (_, d) => (d === dimension ? size : 5));
    yield Array(count).fill(size);
  }
  yield* large;
}

/** The committed vectors of test/vectors/<name>.json. */
export function vectors<Case>(name: string): Case[] {
  return JSON.parse(readFileSync(new URL(`vectors/${name}.json`, import.meta.url), "utf8"));
}

/** Largest |actual - expected| / (1 + |expected|). NaN counts as infinite. */
export function difference(actual: Vector, expected: Vector): number {
  if (actual.length !== expected.length) throw new Error(`expected ${expected.length} numbers, got ${actual.length}`);
  let largest = 0;
  for (let n = 0; n < expected.length; n++) {
    const error = Math.abs(actual[n] - expected[n]) / (1 + Math.abs(expected[n]));
    if (!(error <= largest)) largest = Number.isNaN(error) ? Infinity : error;
  }
  return largest;
}

/**
 * Relative error of a gradient along a random direction: Σ gradient · direction against the central
 * difference of `value` (float64) at ±step.
 */
export function directionalError(
  value: (point: Float64Array) => number, point: Vector, gradient: Vector, seed: number, step = 1e-5,
): number {
  const direction = numbers(point.length, seed);
  const at = (sign: number) => value(Float64Array.from(point, (x, n) => x + sign * step * direction[n]));
  const slope = (at(1) - at(-1)) / (2 * step);
  let predicted = 0;
  for (let n = 0; n < point.length; n++) predicted += gradient[n] * direction[n];
  return Math.abs(predicted - slope) / (1e-2 + Math.abs(slope));
}
