import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { chooseGram, covarianceOf, gramLength, gramOf, isLinear, LAMBDAS, mergeGrams, solveGram, squaredError } from "../../src/model/gram.ts";
import { Model } from "../../src/model/model.ts";
import { parseSpec } from "../../src/model/spec.ts";
import type { Examples } from "../../src/model/trainer.ts";
import { difference, numbers, vectors } from "../memory.ts";

const regress = (steps: number, features: number, scale = 1) =>
  parseSpec({ input: { steps, features }, layers: [{ type: "flatten" }], head: { type: "regress", unit: "h", scale } });
const classify = (steps: number, features: number, classes: number) =>
  parseSpec({ input: { steps, features }, layers: [{ type: "flatten" }], head: { type: "classify", classes: Array.from({ length: classes }, (_, c) => `class ${c}`) } });

/** Windows whose target is a sum of their values and some noise. */
function examples(count: number, size: number, seed: number, noise = 0.1): Examples {
  const inputs = numbers(count * size, seed, 3), weights = numbers(size, 77), errors = numbers(count, seed + 1, noise);
  const targets = Float32Array.from({ length: count }, (_, n) => 2 + errors[n] + weights.reduce((sum, weight, i) => sum + weight * inputs[n * size + i], 0));
  return { inputs, targets, count };
}

const rows = ({ inputs, targets, count }: Examples, order: readonly number[]): Examples => {
  const size = inputs.length / count;
  return { inputs: Float32Array.from(order.flatMap((n) => [...inputs.subarray(n * size, (n + 1) * size)])), targets: Float32Array.from(order, (n) => targets[n]), count: order.length };
};

const bits = (values: Float32Array) => [...new Int32Array(values.slice().buffer)];

interface Case { N: number; p: number; O: number; lambda_: number; x: number[]; y: number[]; w: number[]; b: number[] }

describe("linear model", () => {
  test("matches NumPy's ridge regression, intercept and all", () => {
    for (const { N, p, O, lambda_, x, y, w, b } of vectors<Case>("gram")) {
      for (let o = 0; o < O; o++) {
        const targets = Float32Array.from({ length: N }, (_, n) => y[n * O + o]);
        const { parameters, dropped, samples } = solveGram(regress(1, p), gramOf(regress(1, p), { inputs: Float32Array.from(x), targets, count: N }), lambda_);
        expect(difference(parameters, [...w.slice(o * p, (o + 1) * p), b[o]]), `${N} ${p}`).toBeLessThan(1e-6);
        expect([dropped, samples]).toEqual([0, N]);
      }
    }
  });

  test("has the same bits however the windows are split, ordered and merged", () => {
    const spec = regress(3, 2);
    const all = examples(150, 6, 1);
    const whole = solveGram(spec, gramOf(spec, all), 1e-3).parameters;
    fc.assert(fc.property(fc.shuffledSubarray([...Array(150).keys()], { minLength: 150 }), fc.array(fc.nat(150), { maxLength: 6 }), fc.boolean(), (order, cuts, backwards) => {
      const borders = [0, ...cuts.sort((a, b) => a - b), 150];
      const parts = borders.slice(1).map((end, part) => gramOf(spec, rows(all, order.slice(borders[part], end))));
      expect(bits(solveGram(spec, mergeGrams(spec, backwards ? parts.reverse() : parts), 1e-3).parameters)).toEqual(bits(whole));
    }), { numRuns: 60, seed: 1 });
  });

  test("tells classes apart by least squares on their indicators", () => {
    const spec = classify(2, 2, 3);
    const count = 300;
    const targets = Float32Array.from({ length: count }, (_, n) => n % 3);
    const inputs = numbers(count * 4, 5).map((value, at) => value + (at % 4 === targets[Math.floor(at / 4)] ? 3 : 0));
    const { parameters } = solveGram(spec, gramOf(spec, { inputs, targets, count }), 1e-4);
    let right = 0;
    for (let n = 0; n < count; n++) {
      const scores = [0, 1, 2].map((c) => parameters[12 + c] + [0, 1, 2, 3].reduce((sum, i) => sum + parameters[c * 4 + i] * inputs[n * 4 + i], 0));
      expect(scores.reduce((a, b) => a + b)).toBeCloseTo(1, 4); // indicators add up to 1, and so do their estimates
      if (scores.indexOf(Math.max(...scores)) === targets[n]) right++;
    }
    expect(right).toBeGreaterThan(0.95 * count);
  });

  test("finds a vector autoregression again, and predicts with it", () => {
    // x_t = A x_{t-2} + B x_{t-1} + noise, two channels
    const [A, B] = [[[0.2, -0.3], [0.1, 0.25]], [[0.5, 0.2], [-0.4, 0.3]]];
    const noise = numbers(2 * 5002, 4, 1);
    const series = [[0, 0], [0, 0]];
    for (let t = 2; t < 5002; t++) {
      series.push([0, 1].map((c) => noise[2 * t + c] + [0, 1].reduce((sum, i) => sum + A[c][i] * series[t - 2][i] + B[c][i] * series[t - 1][i], 0)));
    }
    const spec = parseSpec({ input: { steps: 2, features: 2 }, layers: [{ type: "flatten" }], head: { type: "forecast", outputs: ["a", "b"], unit: "" } });
    const count = 5000;
    const inputs = Float32Array.from(series.slice(0, count).flatMap((row, n) => [...row, ...series[n + 1]]));
    const targets = Float32Array.from(series.slice(2).flat());
    const { parameters } = solveGram(spec, gramOf(spec, { inputs, targets, count }), 0);
    expect(difference(parameters, [...A[0], ...B[0], ...A[1], ...B[1], 0, 0])).toBeLessThan(0.04); // three standard errors
    const predicted = new Model(spec, { parameters }).predict(inputs.subarray(0, 40));
    const expected = Array.from({ length: 20 }, (_, at) => [0, 1, 2, 3].reduce((sum, i) => sum + parameters[(at % 2) * 4 + i] * inputs[Math.floor(at / 2) * 4 + i], parameters[8 + (at % 2)]));
    expect(difference(predicted, expected)).toBeLessThan(1e-6);
  });

  test("works in units of the head's scale", () => {
    const few = examples(60, 4, 3);
    const [one, hundred] = [1, 128].map((scale) => solveGram(regress(1, 4, scale), gramOf(regress(1, 4, scale), { ...few, targets: few.targets.map((y) => y * scale) }), 1e-3));
    expect(bits(one.parameters)).toEqual(bits(hundred.parameters));
  });

  test("knows its error on other windows from their sums", () => {
    const spec = regress(2, 3);
    const other = examples(80, 6, 9, 0.5);
    const { parameters } = solveGram(spec, gramOf(spec, examples(100, 6, 1)), 1e-2);
    let expected = 0;
    for (let n = 0; n < other.count; n++) {
      const error = other.targets[n] - parameters[6] - other.inputs.subarray(n * 6, (n + 1) * 6).reduce((sum, value, i) => sum + value * parameters[i], 0);
      expected += error * error;
    }
    expect(squaredError(spec, gramOf(spec, other), parameters)).toBeCloseTo(expected, 2);
  });

  test("chooses the penalty whose error on validation windows is least", () => {
    const spec = regress(1, 30);
    const [train, validation] = [gramOf(spec, examples(32, 30, 1, 20)), gramOf(spec, examples(500, 30, 3, 20))];
    const chosen = chooseGram(spec, train, validation);
    const errors = LAMBDAS.map((lambda) => squaredError(spec, validation, solveGram(spec, train, lambda).parameters));
    expect(chosen.lambda).toBe(LAMBDAS[errors.indexOf(Math.min(...errors))]);
    expect(chosen.lambda).toBeGreaterThan(LAMBDAS[0]); // with almost as many columns as windows, some shrinking pays
    expect(() => chooseGram(spec, train, new Float64Array(gramLength(spec)))).toThrow(/"validation" expected sums of at least one window/);
    expect(chooseGram(spec, train, new Float64Array(0), [0.5]).lambda).toBe(0.5);
  });

  test("leaves out what is constant or a sum of other columns, and says how many", () => {
    const spec = regress(1, 4);
    const { inputs, count } = examples(50, 4, 1);
    for (let n = 0; n < count; n++) {
      inputs[n * 4 + 1] = 5; // constant
      inputs[n * 4] = Math.fround(Math.round(inputs[n * 4] * 4) / 4);
      inputs[n * 4 + 3] = 2 * inputs[n * 4]; // on the grid, so exactly twice the first
    }
    const targets = Float32Array.from({ length: count }, (_, n) => 1 + 2 * inputs[n * 4] - inputs[n * 4 + 2]);
    const fit = solveGram(spec, gramOf(spec, { inputs, targets, count }), 0);
    expect(fit.dropped).toBe(2);
    expect(difference(fit.parameters, [2, 0, -1, 0, 1])).toBeLessThan(1e-4);
    expect(solveGram(spec, gramOf(spec, { inputs, targets, count }), 1e-6).dropped).toBe(0);
  });

  test("gives the covariances of inputs and targets side by side, without the one between them", () => {
    const spec = parseSpec({ ...regress(1, 3), head: { type: "forecast", outputs: ["a", "b"], unit: "", scale: 2 } });
    const [N, inputs, targets] = [40, numbers(120, 5, 2), numbers(80, 6, 3)];
    const row = (n: number) => [...inputs.subarray(3 * n, 3 * n + 3), ...targets.subarray(2 * n, 2 * n + 2).map((value) => value / 2)];
    const over = (term: (values: number[]) => number) => Array.from({ length: N }, (_, n) => term(row(n))).reduce((sum, value) => sum + value, 0) / N;
    const { samples, mean, covariance } = covarianceOf(spec, gramOf(spec, { inputs, targets, count: N }));
    expect(samples).toBe(N);
    for (let i = 0; i < 5; i++) {
      expect(Math.abs(mean[i] - over((z) => z[i]))).toBeLessThan(1e-5);
      for (let j = 0; j < 5; j++) expect(Math.abs(covariance[i * 5 + j] - over((z) => (z[i] - mean[i]) * (z[j] - mean[j])))).toBeLessThan(5e-5);
    }
    expect(() => covarianceOf(spec, new Float64Array(gramLength(spec)))).toThrow("expected sums of at least one window");
  });

  test("refuses sums that are not exact, and says whose", () => {
    const spec = regress(1, 2);
    const wrong = (inputs: number[], targets: number[] = [0]) => () => gramOf(spec, { inputs: Float32Array.from(inputs), targets: Float32Array.from(targets), count: 1 });
    expect(wrong([0, 1449])).toThrow("column 1 of the flattened window has a sum of squares of 2.10e+6, and sums are exact below 2^21");
    expect(wrong([NaN, 0])).toThrow("column 0 of the flattened window expected finite numbers");
    expect(wrong([0, 0], [-1e4])).toThrow(/target 0 .* raise the head's scale/);
    const half = gramOf(spec, { inputs: Float32Array.of(1400, 0), targets: Float32Array.of(0), count: 1 });
    expect(() => mergeGrams(spec, [half, half])).toThrow("column 0 of the flattened window");
    expect(() => solveGram(spec, half.map((sum) => sum + 0.5), 1)).toThrow("expected integers");
    expect(() => mergeGrams(spec, [half.subarray(1)])).toThrow("expected 10 numbers for this spec, got 9");
  });

  test("refuses what it cannot solve", () => {
    const spec = regress(1, 2);
    expect(() => gramOf(parseSpec({ ...spec, layers: [{ type: "mean" }] }), examples(2, 2, 1))).toThrow(`a linear model expected layers [{"type":"flatten"}]`);
    expect(isLinear(spec)).toBe(true);
    expect(() => gramOf(spec, examples(2, 3, 1))).toThrow(`"inputs" expected 4 values, 2 windows of 2, got 6`);
    expect(() => gramOf(classify(1, 2, 2), { ...examples(2, 2, 1), targets: Float32Array.of(0, 2) })).toThrow(`"targets" expected class indices from 0 to 1, got 2 at 1`);
    expect(() => solveGram(spec, new Float64Array(10), 1)).toThrow("expected sums of at least one window");
    expect(() => solveGram(spec, gramOf(spec, examples(9, 2, 1)), -1)).toThrow(`"lambda" expected a number >= 0, got -1`);
  });
});
