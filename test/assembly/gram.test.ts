import { describe, expect, test } from "vitest";
import { Memory, numbers, sweep, vectors } from "../memory.ts";

const SIZES = [...sweep(2), [128, 33], [300, 10], [1, 130]];

/** The integers of a row. */
const steps = (x: ArrayLike<number>) => Array.from(x, (value) => {
  const scaled = value * 65536;
  const down = Math.floor(scaled);
  const rest = scaled - down;
  return BigInt(rest > 0.5 || (rest === 0.5 && down % 2 !== 0) ? down + 1 : down);
});

/** Element (i,j), i <= j, of Σ q qᵀ by integers without a limit. */
function reference(x: ArrayLike<number>, N: number, D: number): (i: number, j: number) => bigint {
  const q = steps(x);
  return (i, j) => {
    let sum = 0n;
    for (let n = 0; n < N; n++) sum += q[n * D + i] * q[n * D + j];
    return sum;
  };
}

/** Sums as (D',D') after each of the blocks (rows,D), which are added one after the other to `before`. */
function run(blocks: Float32Array[], D: number, before = new Float64Array((Math.ceil(D / 4) * 4) ** 2)): Float64Array {
  const memory = new Memory();
  const G = memory.output(new Float32Array(before.buffer));
  for (const block of blocks) {
    const N = block.length / D;
    const x = memory.input(block), scratch = memory.scratch(memory.kernels.wasm.gramScratch(N, D));
    memory.run((wasm) => wasm.gram(G, x, scratch, N, D));
  }
  return new Float64Array(memory.readInt32(G).buffer);
}

const shuffled = (N: number, seed: number) => Array.from(numbers(N, seed), (key, n) => ({ key, n })).sort((a, b) => a.key - b.key).map(({ n }) => n);

describe("gram", () => {
  test("equals integers without a limit at every size, ties rounded to even", () => {
    for (const [N, D] of SIZES) {
      const x = numbers(N * D, 1, 8).map((value, n) => (n % 3 === 0 ? Math.round(value * 131072) / 131072 : value));
      const G = run([x], D);
      const expected = reference(x, N, D);
      const stride = Math.ceil(D / 4) * 4;
      for (let i = 0; i < D; i++) for (let j = i; j < D; j++) expect(BigInt(G[i * stride + j]), `${N} ${D}: ${i} ${j}`).toBe(expected(i, j));
    }
  });

  test("matches sums of Python's integers", () => {
    for (const { N, p, O, x, y, sums } of vectors<{ N: number; p: number; O: number; x: number[]; y: number[]; sums: string[] }>("gram")) {
      const D = p + 1 + O;
      const rows = Float32Array.from({ length: N * D }, (_, at) => {
        const [n, d] = [Math.floor(at / D), at % D];
        return d < p ? x[n * p + d] : d === p ? 1 : y[n * O + d - p - 1];
      });
      const G = run([rows], D);
      const stride = Math.ceil(D / 4) * 4;
      const upper = Array.from({ length: D }, (_, i) => Array.from(G.subarray(i * stride + i, i * stride + D))).flat();
      expect(upper.map(String)).toEqual(sums);
    }
  });

  test("adds to the tiles on and above the diagonal, and writes nothing else", () => {
    const [N, D] = [9, 10];
    const x = numbers(N * D, 1);
    const before = Float64Array.from({ length: 144 }, (_, at) => at);
    const fresh = run([x], D), added = run([x], D, before.slice());
    for (let i = 0; i < 12; i++) for (let j = 0; j < 12; j++) expect(added[i * 12 + j]).toBe(fresh[i * 12 + j] + i * 12 + j);
    for (let i = 4; i < 12; i++) for (let j = 0; j < (i & ~3); j++) expect(fresh[i * 12 + j]).toBe(0);
  });

  test("gives the same bits for any order and any blocks of rows", () => {
    const [N, D] = [200, 7];
    const x = numbers(N * D, 1, 100);
    const whole = run([x], D);
    for (let seed = 1; seed <= 20; seed++) {
      const order = shuffled(N, seed);
      const rows = Float32Array.from(order.flatMap((n) => [...x.subarray(n * D, (n + 1) * D)]));
      const cut = 1 + ((seed * 37) % (N - 1));
      expect(run([rows.subarray(0, cut * D), rows.subarray(cut * D)], D)).toEqual(whole);
    }
  });

  test("never returns below 2^53 on the diagonal once a sum is too large, nor from NaN or infinity", () => {
    for (const bad of [NaN, Infinity, -Infinity, 3e38, 1449]) {
      const [diagonal] = run([Float32Array.of(1), Float32Array.of(bad), numbers(500, 1)], 1);
      expect(diagonal < 2 ** 53, `${bad}`).toBe(false);
    }
    expect(run([Float32Array.of(1448)], 1)[0]).toBe(1448 ** 2 * 2 ** 32);
  });

  test("is deterministic", () => {
    const x = numbers(63, 1);
    expect(run([x], 7)).toEqual(run([x], 7));
  });
});
