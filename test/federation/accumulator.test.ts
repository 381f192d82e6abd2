import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { accumulator, countSumMisfits, applyChange, encodeChange, LATTICE_BOUND } from "../../src/federation/accumulator.ts";

const lengths = [1, 2, 3, 4, 5, 6, 7, 8, 9, 1001];
const ramp = (P: number, scale: number) => Float32Array.from({ length: P }, (_, p) => ((p * 7919) % 1009 - 504) * scale);

describe("a change on the lattice", () => {
  test.each(lengths)("of %i values is round(Δ 2^24)", (P) => {
    const [after, before] = [ramp(P, 0.013), ramp(P, -0.0071)];
    const { lattice, misfits } = encodeChange(after, before);
    expect(misfits).toBe(0);
    lattice.forEach((q, p) => expect(Math.abs(q - (after[p] - before[p]) * 2 ** 24)).toBeLessThanOrEqual(0.5));
  });

  test("counts what does not fit", () => {
    const after = Float32Array.of(1, NaN, Infinity, -Infinity, 128, -128, 127, -127, 3e38);
    expect(encodeChange(after, new Float32Array(9)).misfits).toBe(6);
  });
});

describe("the lattice accumulator", () => {
  test.each(lengths)("of %i values gives the mean of what was added, and then starts from nothing", (P) => {
    const sum = accumulator("lattice", P);
    const updates = [3, 20, 1].map((samples, k) => ({ samples, q: Int32Array.from({ length: P }, (_, p) => (p * 31 + k * 17) * 1000 - 4000) }));
    for (let time = 0; time < 2; time++) {
      updates.forEach(({ q, samples }, k) => sum.add(`client-${k}`, q, samples));
      const mean = sum.drain();
      for (let p = 0; p < P; p++) {
        const exact = updates.reduce((total, { q, samples }) => total + samples * q[p], 0) / 24;
        expect(Math.abs(mean[p] * 2 ** 24 - exact)).toBeLessThanOrEqual(0.5 + Math.abs(exact) * 2 ** -23);
      }
    }
  });

  test("adds sums of clients to the same bits as their updates one by one", () => {
    const updates = [3, 20, 1, 7].map((samples, k) => ({ client: `client-${k}`, samples, q: Int32Array.from({ length: 9 }, (_, p) => (p * 31 + k * 17) * 100_000 - 400_000) }));
    const [flat, line, plant] = [accumulator("lattice", 9), accumulator("lattice", 9), accumulator("lattice", 9)];
    for (const { client, q, samples } of updates) flat.add(client, q, samples);
    for (const { client, q, samples } of updates.slice(0, 3)) line.add(client, q, samples);
    const { sum, samples } = line.drainSum();
    expect(samples).toBe(24);
    plant.add(updates[3].client, updates[3].q, updates[3].samples);
    plant.addSum(sum, samples);
    expect(plant.drain()).toEqual(flat.drain());
  });

  test("knows which sums no clients can have made", () => {
    expect(countSumMisfits(BigInt64Array.of(0n, 100n, -100n, 101n, -101n), 10, 10)).toBe(2);
    expect(countSumMisfits(BigInt64Array.of(1n), 0.5, 10)).toBe(1);
  });

  test("holds the largest sum a round can make", () => {
    const sum = accumulator("lattice", 2);
    for (let client = 0; client < 4096; client++) sum.add(`client-${client}`, Int32Array.of(LATTICE_BOUND, -LATTICE_BOUND), 2 ** 20);
    expect([...sum.drain()]).toEqual([128, -128]); // 127.99999994 rounded to float32
  });

  test("gives the same bits in any order", () => {
    const updates = fc.array(fc.record({ q: fc.array(fc.integer({ min: -LATTICE_BOUND, max: LATTICE_BOUND }), { minLength: 6, maxLength: 6 }), samples: fc.integer({ min: 1, max: 2 ** 20 }) }), { minLength: 1, maxLength: 8 });
    const meanOf = (list: readonly { q: number[]; samples: number }[]) => {
      const sum = accumulator("lattice", 6);
      list.forEach(({ q, samples }, k) => sum.add(`client-${k}`, Int32Array.from(q), samples));
      return sum.drain();
    };
    fc.assert(fc.property(updates.chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }))), ([list, shuffled]) => {
      expect(meanOf(shuffled)).toEqual(meanOf(list));
    }), { numRuns: 60 });
  });
});

describe("the float32 accumulator", () => {
  const clients = [0, 1, 2].map((client) => ({ client: `client-${client}`, w: ramp(9, 0.1 * (client + 1)), samples: 100 * client + 7 }));
  const meanOf = (list: typeof clients) => {
    const sum = accumulator("float32", 9);
    for (const { client, w, samples } of list) sum.add(client, w, samples);
    return sum.drain();
  };

  test("gives the weighted mean, in the order of clients whoever came first", () => {
    const mean = meanOf(clients);
    const total = clients.reduce((sum, { samples }) => sum + samples, 0);
    mean.forEach((value, p) => expect(value).toBeCloseTo(clients.reduce((sum, { w, samples }) => sum + (samples / total) * w[p], 0), 4));
    expect(meanOf([...clients].reverse())).toEqual(mean);
  });

  test("gives one client its own bits back", () => {
    const sum = accumulator("float32", 3);
    sum.add("only", Float32Array.of(-0, 1e-40, 0.1), 33);
    expect(sum.drain()).toEqual(Float32Array.of(-0, 1e-40, 0.1));
  });
});

test.each(lengths)("a change of %i values is added in float32, to a new array", (P) => {
  const [w, change] = [ramp(P, 0.1), ramp(P, 0.003)];
  const sum = applyChange(w, change);
  expect(sum).toEqual(w.map((value, p) => value + change[p]));
  expect(w).toEqual(ramp(P, 0.1));
});
