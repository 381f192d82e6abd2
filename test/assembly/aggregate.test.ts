import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { difference, fuses, Memory, numbers, sweep } from "../memory.ts";

const STEPS = 2 ** 24;
const LARGEST = 2 ** 31 - 1;
const SIZES = [...sweep(1, [100], [1027])].map(([P]) => P);

function encode(w1: ArrayLike<number>, w0: ArrayLike<number>) {
  const memory = new Memory();
  const q = memory.output(w1.length), w1_ = memory.input(w1), w0_ = memory.input(w0);
  const refused = memory.run((wasm) => wasm.latticeEncode(q, w1_, w0_, w1.length));
  return { refused, q: memory.readInt32(q) };
}

/** The int64 sums, and the mean, of updates by their samples. */
function average(updates: { q: Int32Array; samples: number }[]) {
  const P = updates[0].q.length;
  const memory = new Memory();
  const sum = memory.output(new Float32Array(2 * P)), mean = memory.output(P);
  // In parts of one, two and all: a kernel that takes several at once must not differ from one that takes one.
  const pointers = updates.map(({ q }) => memory.input(q));
  for (let k = 0, count = 1; k < updates.length; k += count, count = k === 1 ? 2 : updates.length) {
    const part = updates.slice(k, k + count);
    const list = memory.input(Int32Array.from(pointers.slice(k, k + count))), samples = memory.input(Int32Array.from(part, (update) => update.samples));
    memory.run((wasm) => wasm.latticeAdd(sum, list, samples, part.length, P));
  }
  const total = updates.reduce((count, { samples }) => count + samples, 0);
  memory.run((wasm) => wasm.latticeMean(mean, sum, BigInt(total), P));
  return { sum: memory.readInt64(sum), mean: memory.read(mean) };
}

function apply(w0: ArrayLike<number>, mean: ArrayLike<number>): Float32Array {
  const memory = new Memory();
  const w = memory.output(w0.length), w0_ = memory.input(w0), mean_ = memory.input(mean);
  memory.run((wasm) => wasm.applyUpdate(w, w0_, mean_, w0.length));
  return memory.read(w);
}

/** round(sum / total), halves away from zero, in exact integers. */
function roundedQuotient(sum: bigint, total: bigint): bigint {
  const size = sum < 0n ? -sum : sum;
  const quotient = (2n * size + total) / (2n * total);
  return sum < 0n ? -quotient : quotient;
}

const roundTiesToEven = (x: number) => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));
const lattice = (P: number, seed: number, scale = LARGEST) => Int32Array.from(numbers(P, seed), (x) => x * scale);

describe("latticeEncode", () => {
  test("equals round((w1 - w0) 2^24), at every size", () => {
    for (const P of SIZES) {
      const [w1, w0] = [numbers(P, 1), numbers(P, 2)];
      const { refused, q } = encode(w1, w0);
      expect(refused).toBe(0);
      expect(q).toEqual(Int32Array.from(w1, (w, p) => roundTiesToEven((w - w0[p]) * STEPS)));
    }
  });

  test("rounds ties to even, and the difference only once", () => {
    const half = 0.5 / STEPS;
    expect([...encode([half, 3 * half, -half, 5 * half], [0, 0, 0, 0]).q]).toEqual([0, 2, 0, 2]);
    // 1 + 2^-23 less 2^-26 is no float32: rounding that difference first would give 2^24 + 2
    expect([...encode([1 + 2 ** -23], [2 ** -26]).q]).toEqual([STEPS + 2]);
    expect([...encode([1 + 2 ** -23], [2 ** -24 + 2 ** -26]).q]).toEqual([STEPS + 1]);
  });

  test("counts every element that does not fit, in any lane", () => {
    expect(encode([128 - 2 ** -17, -128 + 2 ** -17], [0, 0]).refused).toBe(0);
    expect(encode([128, -128], [0, 0]).refused).toBe(2);
    for (const wrong of [NaN, Infinity, -Infinity, 128, 3e38]) {
      for (let P = 1; P <= 9; P++) {
        for (let place = 0; place < P; place++) {
          expect(encode(new Float32Array(P).fill(wrong, place, place + 1), new Float32Array(P)).refused).toBe(1);
        }
      }
    }
    expect(encode([NaN, 0, Infinity, -200, 1], [0, 0, 0, 0, NaN]).refused).toBe(4);
  });
});

describe("the lattice's mean", () => {
  test("equals exact integers, at every size", () => {
    for (const P of SIZES) {
      const updates = [500, 1, 2 ** 20].map((samples, k) => ({ q: lattice(P, k), samples }));
      const { sum, mean } = average(updates);
      const sumOf = (p: number) => updates.reduce((total, { q, samples }) => total + BigInt(q[p]) * BigInt(samples), 0n);
      const exact = Array.from({ length: P }, (_, p) => sumOf(p));
      expect([...sum]).toEqual(exact);
      const total = BigInt(2 ** 20 + 501);
      expect(mean).toEqual(Float32Array.from(exact, (value) => Number(roundedQuotient(value, total)) / STEPS));
    }
  });

  test("rounds halves away from zero", () => {
    const { mean } = average([{ q: Int32Array.of(1, -1, 3, -3, 1), samples: 1 }, { q: Int32Array.of(0, 0, 0, 0, 1), samples: 1 }]);
    expect([...mean].map((value) => value * STEPS)).toEqual([1, -1, 2, -2, 1]);
  });

  test("is the same bits in any order of arrival", () => {
    const update = fc.record({ seed: fc.nat(1000), samples: fc.integer({ min: 1, max: 2 ** 20 }) });
    const lists = fc.array(update, { minLength: 2, maxLength: 8 });
    const shuffles = lists.chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })));
    fc.assert(
      fc.property(shuffles, ([list, shuffled]) => {
        const run = (order: typeof list) => average(order.map(({ seed, samples }) => ({ q: lattice(11, seed), samples })));
        expect(run(shuffled)).toEqual(run(list));
      }),
      { numRuns: 50 },
    );
  });

  test("of one client alone is its own update, for any number of samples", () => {
    const q = Int32Array.of(0, 1, -1, 5, -STEPS + 1, STEPS - 1, 12345, LARGEST, -LARGEST);
    for (const samples of [1, 2, 3, 999, 2 ** 20 - 1, 2 ** 20]) {
      expect(average([{ q, samples }]).mean).toEqual(Float32Array.from(q, (value) => value / STEPS));
    }
  });

  test("does not overflow at the bounds: 2^12 clients of 2^20 samples with the largest updates", () => {
    const memory = new Memory();
    const q = memory.input(Int32Array.of(LARGEST, -LARGEST, LARGEST, -LARGEST, LARGEST));
    const both = memory.input(Int32Array.of(q, q)), samples = memory.input(Int32Array.of(2 ** 20, 2 ** 20));
    const sum = memory.output(new Float32Array(10)), mean = memory.output(5);
    memory.run((wasm) => {
      for (let k = 0; k < 4096; k += 2) wasm.latticeAdd(sum, both, samples, 2, 5);
      wasm.latticeMean(mean, sum, 2n ** 32n, 5);
    });
    const largestSum = BigInt(LARGEST) * 2n ** 32n;
    expect([...memory.readInt64(sum)]).toEqual([largestSum, -largestSum, largestSum, -largestSum, largestSum]);
    expect([...memory.read(mean)]).toEqual([128, -128, 128, -128, 128]);
  });
});

test("applyUpdate adds the mean to the old parameters, at every size, and in place", () => {
  for (const P of SIZES) {
    const [w0, mean] = [numbers(P, 1), numbers(P, 2, 0.01)];
    expect(apply(w0, mean)).toEqual(w0.map((w, p) => w + mean[p]));
    const memory = new Memory();
    const w = memory.output(w0), mean_ = memory.input(mean);
    memory.run((wasm) => wasm.applyUpdate(w, w, mean_, P));
    expect(memory.read(w)).toEqual(apply(w0, mean));
  }
});

test("snapping to the lattice is idempotent: a snapped update is encoded as itself", () => {
  const [w0, w1] = [numbers(500, 1, 0.3), numbers(500, 2, 0.3)];
  const q = encode(w1, w0).q;
  const snapped = apply(w0, average([{ q, samples: 7 }]).mean);
  expect(difference(snapped, w1)).toBeLessThan(2 ** -24);
  expect(apply(w0, average([{ q: encode(snapped, w0).q, samples: 1 }]).mean)).toEqual(snapped);
});

describe("average32", () => {
  const mean = (clients: Float32Array[], weights: number[]) => {
    const P = clients[0].length;
    const memory = new Memory();
    const result = memory.output(P);
    const list = memory.input(Int32Array.from(clients, (w) => memory.input(w))), weights_ = memory.input(weights);
    memory.run((wasm) => wasm.average32(result, list, weights_, clients.length, P));
    return memory.read(result);
  };

  test("equals the float64 reference, at every size and number of clients", () => {
    for (const P of SIZES) {
      for (let K = 1; K <= 9; K++) {
        const clients = Array.from({ length: K }, (_, k) => numbers(P, k + 1));
        const weights = clients.map((_, k) => (k + 1) / ((K * (K + 1)) / 2));
        const expected = Float64Array.from({ length: P }, (_, p) => weights.reduce((total, weight, k) => total + weight * clients[k][p], 0));
        expect(difference(mean(clients, weights), expected), `${P} ${K}`).toBeLessThan(4e-7);
      }
    }
  });

  test("of one client alone is its own parameters, a -0 too", () => {
    const w = numbers(21, 1).fill(-0, 3, 4);
    expect(mean([w], [1])).toEqual(w);
  });

  test.skipIf(fuses)("adds clients in their order, however many a pass takes", () => {
    const clients = [1, 2, 3, 4, 5, 6].map((seed) => numbers(13, seed));
    const weights = Float32Array.of(0.1, 0.2, 0.3, 0.15, 0.05, 0.2);
    const one = clients.reduce((sum, w, k) => sum.map((total, p) => Math.fround(total + Math.fround(weights[k] * w[p]))), new Float32Array(13).fill(-0));
    expect(mean(clients, [...weights])).toEqual(one);
  });
});
