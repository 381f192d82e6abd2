import { describe, expect, test } from "vitest";
import { philox, streamWord } from "../reference.ts";
import { Memory, numbers, sweep } from "../memory.ts";

const SEED = [0x12345678, 0x9abcdef0] as const;
const SIZES = [...sweep(1, [16], [17], [1000])].map(([N]) => N);

function groupOf(counter: readonly number[], key: readonly number[]): number[][] {
  const memory = new Memory();
  const words = memory.output(16);
  memory.run((wasm) => wasm.philox(words, counter[0], counter[1], counter[2], counter[3], key[0], key[1]));
  const read = memory.readInt32(words);
  return [0, 1, 2, 3].map((block) => [0, 1, 2, 3].map((word) => read[4 * word + block] >>> 0));
}

function dropout(x: Float32Array, rate: number, stream: number, seed: readonly [number, number] = SEED): Float32Array {
  const memory = new Memory();
  const y = memory.output(x.length), x_ = memory.input(x);
  memory.run((wasm) => wasm.dropout(y, x_, x.length, rate, ...seed, stream));
  return memory.read(y);
}

function uniform(N: number, low: number, high: number, stream: number): Float32Array {
  const memory = new Memory();
  const y = memory.output(N);
  memory.run((wasm) => wasm.uniform(y, N, low, high, ...SEED, stream));
  return memory.read(y);
}

describe("philox", () => {
  // kat_vectors of Random123 1.14, philox4x32 10
  const ones = 0xffffffff;
  const known = [
    { counter: [0, 0, 0, 0], key: [0, 0], words: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8] },
    { counter: [ones, ones, ones, ones], key: [ones, ones], words: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd] },
    {
      counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      key: [0xa4093822, 0x299f31d0],
      words: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    },
  ];

  test("gives the known answers of Random123", () => {
    for (const { counter, key, words } of known) {
      expect(groupOf(counter, key)[0]).toEqual(words);
      expect(philox(counter, key)).toEqual(words);
    }
  });

  test("works on four neighbouring counters", () => {
    for (const first of [0, 5, 0xfffffffe]) {
      groupOf([first, 7, 8, 9], SEED).forEach((words, block) => expect(words).toEqual(philox([(first + block) >>> 0, 7, 8, 9], SEED)));
    }
  });
});

describe("dropout", () => {
  test("keeps word n >= rate 2^32 and scales by 1 / (1 - rate), at every size", () => {
    for (const N of SIZES) {
      for (const rate of [0, 0.2, 0.75]) {
        const x = numbers(N, 1);
        const scale = Math.fround(1 / (1 - rate));
        const expected = x.map((value, n) => (streamWord(n, ...SEED, 3) >= Math.floor(rate * 2 ** 32) ? value * scale : 0));
        expect(dropout(x, rate, 3).map((y) => y + 0)).toEqual(expected.map((y) => y + 0));
      }
    }
  });

  test("has the gradient of its forward: it is linear in each element, so its gradient is itself", () => {
    for (const N of SIZES) {
      const [x, dy] = [numbers(N, 1), numbers(N, 2)];
      const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, n) => sum + value * b[n], 0);
      expect(dot(dropout(x, 0.3, 4), dy)).toBeCloseTo(dot(x, dropout(dy, 0.3, 4)), 4);
    }
  });

  test("depends on the seed, the stream and the place, and not on the length", () => {
    const ones = new Float32Array(1000).fill(1);
    const mask = dropout(ones, 0.5, 1);
    expect(dropout(ones, 0.5, 1)).toEqual(mask);
    expect(dropout(ones.slice(0, 123), 0.5, 1)).toEqual(mask.slice(0, 123));
    expect(dropout(ones, 0.5, 2)).not.toEqual(mask);
    expect(dropout(ones, 0.5, 1, [SEED[0] + 1, SEED[1]])).not.toEqual(mask);
    expect(dropout(ones, 0.5, 1, [SEED[0], SEED[1] + 1])).not.toEqual(mask);
  });

  test("drops the share that it is asked to, and keeps the mean", () => {
    const y = dropout(new Float32Array(100_000).fill(1), 0.2, 9);
    expect(y.filter((value) => value === 0).length / y.length).toBeCloseTo(0.2, 2);
    expect(y.reduce((sum, value) => sum + value, 0) / y.length).toBeCloseTo(1, 2);
  });

  test("may work in place", () => {
    const memory = new Memory();
    const x = numbers(37, 1);
    const y = memory.output(x);
    memory.run((wasm) => wasm.dropout(y, y, 37, 0.4, ...SEED, 2));
    expect(memory.read(y)).toEqual(dropout(x, 0.4, 2));
  });
});

describe("uniform", () => {
  test("equals the reference, at every size", () => {
    for (const N of SIZES) {
      const steps = Array.from({ length: N }, (_, n) => streamWord(n, ...SEED, 6) >>> 8);
      expect(uniform(N, 0, 1, 6)).toEqual(Float32Array.from(steps, (step) => step / 2 ** 24));
      const width = Math.fround(1.5 / 2 ** 24);
      expect(uniform(N, -0.5, 1, 6)).toEqual(Float32Array.from(steps, (step) => -0.5 + Math.fround(width * step)));
    }
  });

  test("fills its interval evenly", () => {
    const y = uniform(100_000, -0.125, 0.125, 1);
    expect(Math.min(...y)).toBeGreaterThanOrEqual(-0.125);
    expect(Math.max(...y)).toBeLessThanOrEqual(0.125);
    const counts = Array(10).fill(0);
    for (const value of y) counts[Math.min(9, Math.floor((value + 0.125) * 40))]++;
    for (const count of counts) expect(count / 10_000).toBeCloseTo(1, 1);
  });
});
