import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mergeMoments, windowMoments } from "../../src/data/moments.ts";
import { scale, scalerFromMoments, type Scaler } from "../../src/data/scaler.ts";
import type { Windows } from "../../src/signal/window.ts";

const windows = (values: number[], steps: number, features: number): Windows => {
  const count = values.length / steps / features;
  return { inputs: Float32Array.from(values), targets: new Float32Array(count), groups: new Int32Array(count), count, steps, features };
};

describe("scalerFromMoments", () => {
  it("gives mean and population standard deviation, and 1 for a constant column", () => {
    const set = windows([1, 7, 3, 7, 5, 7], 3, 2);
    expect(scalerFromMoments(windowMoments(set), 2)).toEqual({ mean: [[3, 7]], std: [[Math.sqrt(8 / 3), 1]] });
  });

  it("takes a column for constant whatever its float32 value and however factories divide the rows", () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, min: -1e6, max: 1e6 }), fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 5 }), (value, sizes) => {
        const parts = sizes.map((size) => windowMoments(windows(Array(size).fill(value), 1, 1)));
        expect(scalerFromMoments(mergeMoments(parts, 1), 1).std).toEqual([[1]]);
      }),
    );
  });

  it("refuses a regime without rows", () => {
    const regimes = { settings: 1, centres: [[0], [9]], spread: [1] };
    expect(() => scalerFromMoments(windowMoments(windows([0, 1, 0, 2], 1, 2), regimes), 1, regimes)).toThrow("no training row is in operating regime 1");
    expect(() => scalerFromMoments(windowMoments(windows([], 1, 2)), 2)).toThrow("scaler: there are no training rows; give more data");
  });
});

describe("scale", () => {
  it("rounds each operation to float32", () => {
    const values = fc.array(fc.float({ noNaN: true, min: -1e5, max: 1e5 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(values, fc.double({ noNaN: true, min: -1e4, max: 1e4 }), fc.double({ noNaN: true, min: 1e-3, max: 1e4 }), (values, mean, std) => {
        const scaled = scale(windows(values, 1, 1), { mean: [[mean]], std: [[std]] });
        const fround = Math.fround;
        expect([...scaled]).toEqual(values.map((x) => fround(fround(x - fround(mean)) / fround(std))));
      }),
    );
  });

  it("gives training rows mean 0 and standard deviation 1", () => {
    const values = Array.from({ length: 200 }, (_, at) => (at % 2 ? 500 + ((at * 7919) % 101) : ((at * 104729) % 17) / 100));
    const set = windows(values, 10, 2);
    const scaled = scale(set, scalerFromMoments(windowMoments(set), 2));
    const again = windowMoments({ ...set, inputs: scaled });
    for (const column of [0, 1]) {
      expect(again[1 + column]).toBeCloseTo(0, 5);
      expect(again[3 + column] / again[0]).toBeCloseTo(1, 5);
    }
  });

  it("scales by the regime that the leading settings are nearest to, and takes the settings off", () => {
    const scaler: Scaler = {
      mean: [[10, 20], [100, 200]],
      std: [[1, 2], [10, 20]],
      regimes: { settings: 2, centres: [[0, 0], [40, 0.8]], spread: [20, 0.4] },
    };
    const scaled = scale(windows([1, 0.1, 11, 24, 39, 0.7, 120, 180], 2, 4), scaler);
    expect([...scaled]).toEqual([1, 2, 2, -1]);
    // Undivided, the first setting would decide alone; divided by its spread, the second one outweighs it.
    expect([...scale(windows([21, 0.2, 11, 24], 1, 4), scaler)]).toEqual([1, 2]);
  });

  it("refuses windows with another number of columns", () => {
    expect(() => scale(windows([1, 2], 1, 2), { mean: [[0]], std: [[1]] })).toThrow("scaler: expected windows with 1 columns, got 2");
  });
});
