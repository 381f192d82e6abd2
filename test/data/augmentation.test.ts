import { describe, expect, it } from "vitest";
import { standardised, variedWindows } from "../../src/data/augmentation.ts";
import { random } from "../../src/kernels/random.ts";

const NONE = { speed: 0, path: 0, noise: 0 };
const sine = (period: number, length: number) => Float32Array.from({ length }, (_, t) => 3 + 2 * Math.sin((2 * Math.PI * t) / period));
const sources = [{ samples: sine(20, 500), target: 4 }, { samples: sine(33, 500), target: 7 }];
const mean = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
const variance = (values: Float32Array) => values.reduce((sum, value) => sum + (value - mean(values)) ** 2, 0) / values.length;
const row = (inputs: Float32Array, n: number, steps: number) => inputs.subarray(n * steps, (n + 1) * steps);
/** How often a window rises through 0. */
const rises = (window: Float32Array) => window.reduce((count, value, t) => count + (t > 0 && window[t - 1] < 0 && value >= 0 ? 1 : 0), 0);

describe("variedWindows", () => {
  it("without variation gives standardised pieces of the recordings", () => {
    const { inputs, targets, groups, count } = variedWindows(sources, 5, 100, NONE, random(1));
    expect([count, [...targets], [...groups]]).toEqual([10, [4, 4, 4, 4, 4, 7, 7, 7, 7, 7], [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]]);
    for (let n = 0; n < 5; n++) {
      const window = row(inputs, n, 100);
      // Five whole periods of a sine: √2 sin, from any phase.
      for (let t = 20; t < 100; t++) expect(window[t]).toBeCloseTo(window[t - 20], 4);
      expect(Math.max(...window)).toBeCloseTo(Math.SQRT2, 1);
    }
  });

  it("draws by the stream alone", () => {
    const draw = (seed: number) => variedWindows(sources, 3, 64, { speed: 0.04, path: 0.5, noise: 2 }, random(seed, "a")).inputs;
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });

  it("changes the speed within its limits", () => {
    const long = [{ samples: sine(10, 4000), target: 0 }];
    const { inputs, count } = variedWindows(long, 40, 2000, { ...NONE, speed: 0.1 }, random(1));
    const counts = Array.from({ length: count }, (_, n) => rises(row(inputs, n, 2000)));
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(179);
    expect(Math.max(...counts)).toBeLessThanOrEqual(221);
    expect(Math.max(...counts) - Math.min(...counts)).toBeGreaterThan(20);
  });

  it("changes the balance of low and high frequencies by the path", () => {
    const both = [{ samples: Float32Array.from({ length: 900 }, (_, t) => Math.sin(t / 20) + (t % 2 ? 1 : -1)), target: 0 }];
    const roughness = (window: Float32Array) => window.reduce((sum, value, t) => sum + (t > 0 ? (value - window[t - 1]) ** 2 : 0), 0) / window.length;
    const { inputs, count } = variedWindows(both, 30, 400, { ...NONE, path: 0.5 }, random(1));
    const found = Array.from({ length: count }, (_, n) => roughness(row(inputs, n, 400)));
    expect(Math.max(...found)).toBeGreaterThan(3 * Math.min(...found));
  });

  it("adds noise of at most so many standard deviations", () => {
    const { inputs, count } = variedWindows(sources, 50, 400, { ...NONE, noise: 2 }, random(1));
    const variances = Array.from({ length: count }, (_, n) => variance(row(inputs, n, 400)));
    expect(Math.min(...variances)).toBeLessThan(1.2);
    expect(Math.max(...variances)).toBeGreaterThan(3.5);
    expect(Math.max(...variances)).toBeLessThan(6);
  });

  it("refuses a recording that is too short for the fastest window", () => {
    expect(() => variedWindows(sources, 1, 480, { ...NONE, speed: 0.1 }, random(1))).toThrow(/recording 1 expected at least 531 samples, got 500/);
    expect(variedWindows(sources, 1, 498, NONE, random(1)).count).toBe(2);
  });
});

describe("standardised", () => {
  it("gives every window mean 0 and variance 1, and leaves its argument alone", () => {
    const inputs = Float32Array.from([1, 2, 3, 4, 100, 300, 100, 300, 5, 5, 5, 5]);
    const windows = { inputs: inputs.slice(), targets: new Float32Array(3), groups: new Int32Array(3), count: 3, steps: 4, features: 1 };
    const result = standardised(windows).inputs;
    for (const n of [0, 1]) expect([mean(row(result, n, 4)), variance(row(result, n, 4))].map((value) => Math.round(value * 1e6) / 1e6)).toEqual([0, 1]);
    expect([...row(result, 2, 4)]).toEqual([0, 0, 0, 0]);
    expect(windows.inputs).toEqual(inputs);
    expect(() => standardised({ ...windows, steps: 2, features: 2 })).toThrow(/expected 1 column, got 2/);
  });
});
