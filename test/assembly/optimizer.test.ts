import { describe, expect, test } from "vitest";
import { adam, clip, norm, sgd, type AdamOptions, type SgdOptions } from "../reference.ts";
import { difference, Memory, numbers, sweep, vectors } from "../memory.ts";

const SIZES = [...sweep(1, [100], [1027])].map(([P]) => P);
const OPTIONS: AdamOptions = { learningRate: 1e-2, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1 };

/** The weights after each of the gradients (steps,P), and the last moments. */
function runAdam(w0: ArrayLike<number>, gradients: ArrayLike<number>[], { learningRate, beta1, beta2, epsilon, weightDecay }: AdamOptions) {
  const P = w0.length;
  const memory = new Memory();
  const w = memory.output(w0), m = memory.output(new Float32Array(P)), v = memory.output(new Float32Array(P));
  const inputs = gradients.map((g) => memory.input(g));
  const path = inputs.map((g, index) => {
    const [correction1, correction2] = [1 - beta1 ** (index + 1), 1 - beta2 ** (index + 1)];
    memory.run((wasm) => wasm.adam(w, m, v, g, P, learningRate, beta1, beta2, epsilon, weightDecay, correction1, correction2));
    return memory.read(w);
  });
  return { path, w: memory.read(w), m: memory.read(m), v: memory.read(v) };
}

function runSgd(w0: ArrayLike<number>, gradients: ArrayLike<number>[], { learningRate, momentum, weightDecay }: SgdOptions) {
  const memory = new Memory();
  const w = memory.output(w0), m = memory.output(new Float32Array(w0.length));
  const inputs = gradients.map((g) => memory.input(g));
  const path = inputs.map((g) => {
    memory.run((wasm) => wasm.sgd(w, m, g, w0.length, learningRate, momentum, weightDecay));
    return memory.read(w);
  });
  return { path, w: memory.read(w), m: memory.read(m) };
}

function runClip(g: ArrayLike<number>, maxNorm: number) {
  const memory = new Memory();
  const g_ = memory.output(g);
  return { norm: memory.run((wasm) => wasm.clipNorm(g_, g.length, maxNorm)), clipped: memory.read(g_) };
}

interface Case extends AdamOptions, SgdOptions {
  optimizer: string; P: number;
  w0: number[]; g: number[]; w: number[];
  maxNorm: number; norm: number; clipped: number[];
}
const cases = (name: string) => vectors<Case>("optimizer").filter(({ optimizer }) => optimizer === name);
const rows = (values: number[], P: number) => Array.from({ length: values.length / P }, (_, row) => values.slice(row * P, (row + 1) * P));

describe("adam", () => {
  test("equals the float64 reference over three steps, at every size, with and without decay", () => {
    for (const P of SIZES) {
      for (const weightDecay of [0, 0.1]) {
        const options = { ...OPTIONS, weightDecay };
        const w0 = numbers(P, 1);
        const gradients = [2, 3, 4].map((seed) => numbers(P, seed));
        const actual = runAdam(w0, gradients, options);
        let expected = { w: Float64Array.from(w0), m: new Float64Array(P), v: new Float64Array(P) };
        gradients.forEach((g, index) => (expected = adam(expected.w, expected.m, expected.v, g, index + 1, options)));
        for (const name of ["w", "m", "v"] as const) expect(difference(actual[name], expected[name]), `${name} ${P}`).toBeLessThan(1e-6);
      }
    }
  });

  test("matches PyTorch's Adam and AdamW at every step", () => {
    for (const { P, w0, g, w, ...options } of cases("adam")) {
      const { path } = runAdam(w0, rows(g, P), options);
      path.forEach((actual, step) => expect(difference(actual, rows(w, P)[step])).toBeLessThan(5e-7));
    }
  });

  test("ends in true zeros, never in denormals, when the gradient stays zero", () => {
    const zero = new Float32Array(5);
    const { m, v, w } = runAdam(numbers(5, 1), [numbers(5, 2), ...Array(200).fill(zero)], { ...OPTIONS, beta1: 0.5, beta2: 0.5 });
    expect(m).toEqual(zero);
    expect(v).toEqual(zero);
    expect(w.every(Number.isFinite)).toBe(true);
  });

  test("never stores a denormal moment for any tiny gradient", () => {
    const tiny = Float32Array.from({ length: 160 }, (_, n) => 10 ** (-n / 4));
    const { m, v } = runAdam(numbers(160, 1), [tiny, tiny], OPTIONS);
    const normal = (value: number) => value === 0 || Math.abs(value) >= 1.1754943508222875e-38;
    expect(m.every(normal) && v.every(normal)).toBe(true);
  });

  test("is deterministic", () => {
    const once = () => runAdam(numbers(50, 1), [numbers(50, 2), numbers(50, 3)], OPTIONS);
    expect(once()).toEqual(once());
  });
});

describe("sgd", () => {
  const options = { learningRate: 0.1, momentum: 0.9, weightDecay: 0.01 };

  test("equals the float64 reference over three steps, at every size", () => {
    for (const P of SIZES) {
      const w0 = numbers(P, 1);
      const gradients = [2, 3, 4].map((seed) => numbers(P, seed));
      const actual = runSgd(w0, gradients, options);
      let expected = { w: Float64Array.from(w0), m: new Float64Array(P) };
      for (const g of gradients) expected = sgd(expected.w, expected.m, g, options);
      for (const name of ["w", "m"] as const) expect(difference(actual[name], expected[name]), `${name} ${P}`).toBeLessThan(1e-6);
    }
  });

  test("matches PyTorch at every step", () => {
    for (const { P, w0, g, w, ...vector } of cases("sgd")) {
      const { path } = runSgd(w0, rows(g, P), vector);
      path.forEach((actual, step) => expect(difference(actual, rows(w, P)[step])).toBeLessThan(1e-6));
    }
  });
});

describe("clipNorm", () => {
  test("returns the norm and scales down to the limit, at every size", () => {
    for (const P of SIZES) {
      const g = numbers(P, 1);
      for (const maxNorm of [0.01, 1e6]) {
        const actual = runClip(g, maxNorm);
        expect(difference([actual.norm], [norm(g)])).toBeLessThan(1e-12);
        expect(difference(actual.clipped, clip(g, maxNorm))).toBeLessThan(1e-7);
      }
    }
  });

  test("matches PyTorch's clip_grad_norm_", () => {
    for (const { g, maxNorm, norm: expected, clipped } of cases("clip")) {
      const actual = runClip(g, maxNorm);
      expect(difference([actual.norm], [expected])).toBeLessThan(1e-6);
      expect(difference(actual.clipped, clipped)).toBeLessThan(1e-6);
    }
  });

  test("leaves a gradient within the limit, or one that is not finite, as it is", () => {
    expect(runClip([0.3, -0.4], 0.5000001).clipped).toEqual(Float32Array.of(0.3, -0.4));
    expect(runClip([3, NaN, 4, 1, 1], 1)).toEqual({ norm: NaN, clipped: Float32Array.of(3, NaN, 4, 1, 1) });
    expect(runClip([3, -Infinity], 1)).toEqual({ norm: Infinity, clipped: Float32Array.of(3, -Infinity) });
  });

  test("does not overflow where the squares of float32 would", () => {
    const { norm: actual, clipped } = runClip([3e30, 4e30], 1);
    expect(actual / 5e30).toBeCloseTo(1, 6);
    expect(difference(clipped, [0.6, 0.8])).toBeLessThan(1e-6);
  });
});

test("proximal adds mu (w - w0) to the gradient, at every size", () => {
  for (const P of SIZES) {
    const [g, w, w0] = [numbers(P, 1), numbers(P, 2), numbers(P, 3)];
    const memory = new Memory();
    const g_ = memory.output(g), w_ = memory.input(w), w0_ = memory.input(w0);
    memory.run((wasm) => wasm.proximal(g_, w_, w0_, P, 0.25));
    expect(difference(memory.read(g_), g.map((value, p) => value + 0.25 * (w[p] - w0[p])))).toBeLessThan(1e-6);
  }
});
