import { describe, expect, test } from "vitest";
import { difference, numbers, SignalMemory } from "../memory.ts";
import { error, lane, shape } from "../signal/reference.ts";

const sizes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 50];

describe("spectrum", () => {
  test("windowed subtracts the mean, multiplies and pairs", () => {
    for (const M of sizes) {
      const N = 2 * M, x = numbers(4 * N, 1).map((value) => value + 5), w = numbers(N, 2);
      const memory = new SignalMemory(), z = memory.output(4 * N), x_ = memory.input(x), w_ = memory.input(w);
      memory.run((wasm) => wasm.windowed(z, x_, w_, N));
      const actual = memory.read(z);
      for (let l = 0; l < 4; l++) {
        const series = lane(x, l), mean = series.reduce((sum, value) => sum + value, 0) / N;
        const expected = series.map((value, n) => (value - mean) * w[n]);
        const order = Array.from({ length: N }, (_, n) => expected[n < M ? 2 * n : 2 * (n - M) + 1]);
        expect(difference(lane(actual, l), order)).toBeLessThan(1e-6); // the mean is rounded to a float32 near 5
      }
    }
  });

  test("power adds |X|², twice but at both ends", () => {
    for (const M of sizes) {
      const X = numbers(8 * (M + 1), 1), before = numbers(4 * (M + 1), 2);
      const memory = new SignalMemory(), P = memory.output(before), X_ = memory.input(X);
      memory.run((wasm) => wasm.power(P, X_, M, 0.25));
      const expected = before.map((value, n) => value + 0.25 * (n < 4 || n >= 4 * M ? 1 : 2) * (X[n] ** 2 + X[4 * (M + 1) + n] ** 2));
      expect(error(memory.read(P), expected)).toBeLessThan(1e-6);
    }
  });

  test("analytic keeps a band, doubled but for the last frequency, and whitens it", () => {
    for (const M of sizes) {
      const X = numbers(8 * (M + 1), 1);
      X[4] = X[4 * (M + 1) + 4] = 0; // where there is nothing, whitening leaves nothing
      for (const [from, to, whiten] of [[0, M + 1, false], [0, M + 1, true], [2, M, false], [1, 2, true]] as const) {
        const memory = new SignalMemory(), A = memory.output(16 * M), X_ = memory.input(X);
        memory.run((wasm) => wasm.analytic(A, X_, M, from, to, whiten));
        const expected = new Float64Array(16 * M);
        for (let k = Math.max(1, from); k < Math.min(to, M + 1); k++) {
          for (let l = 0; l < 4; l++) {
            const re = X[4 * k + l], im = X[4 * (M + 1 + k) + l], length = Math.hypot(re, im);
            const factor = length === 0 ? 0 : (k === M ? 0.5 : 1) / M / (whiten ? length : 1);
            expected[4 * k + l] = re * factor;
            expected[4 * (2 * M + k) + l] = im * factor;
          }
        }
        expect(error(memory.read(A), expected)).toBeLessThan(1e-6);
      }
    }
  });

  test("modulus is the length of complex numbers", () => {
    for (const N of sizes) {
      const z = numbers(8 * N, 1);
      const memory = new SignalMemory(), y = memory.output(4 * N), z_ = memory.input(z);
      memory.run((wasm) => wasm.modulus(y, z_, N));
      expect(error(memory.read(y), Float64Array.from({ length: 4 * N }, (_, n) => Math.hypot(z[n], z[4 * N + n])))).toBeLessThan(1e-6);
    }
  });

  test("shape, entropy, peak and sums equal the float64 reference, from anywhere to anywhere", () => {
    for (const N of [...sizes, 1000]) {
      for (const from of [0, Math.floor(N / 3)]) {
        const P = numbers(4 * N, N).map((value, n) => (n % 4 === 3 ? 0 : (value + 1) * 10 ** (n % 4) * (n % 7 === 0 ? 1e-6 : 1)));
        const memory = new SignalMemory(), P_ = memory.input(P);
        const figures = memory.output(12), entropy = memory.output(4), peak = memory.output(8), sums = memory.output(4);
        memory.run((wasm) => wasm.shape(figures, P_, from, N));
        memory.run((wasm) => wasm.entropy(entropy, P_, figures, from, N));
        memory.run((wasm) => wasm.peak(peak, P_, from, N));
        memory.run((wasm) => wasm.sumRows(sums, P_, from, N));
        for (let l = 0; l < 4; l++) {
          const expected = shape(lane(P, l), from, N);
          const [total, centroid, spread] = lane(memory.read(figures), l), [place, greatest] = lane(memory.read(peak), l);
          expect(total / (expected.total || 1)).toBeCloseTo(expected.total && 1, 6);
          expect(memory.read(sums)[l]).toBe(total);
          expect(Math.abs(centroid - expected.centroid)).toBeLessThan(1e-6 * N);
          expect(Math.abs(spread - expected.spread)).toBeLessThan(1e-6 * N);
          expect(Math.abs(memory.read(entropy)[l] - expected.entropy)).toBeLessThan(1e-6);
          expect([place, greatest]).toEqual([expected.peak, lane(P, l)[expected.peak]]);
        }
      }
    }
  });
});
