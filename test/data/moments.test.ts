import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mergeMoments, momentsLength, windowMoments } from "../../src/data/moments.ts";
import { concatWindows, type Windows } from "../../src/signal/window.ts";

const windows = (values: number[], features: number): Windows => ({
  inputs: Float32Array.from(values),
  targets: new Float32Array(values.length / features),
  groups: new Int32Array(values.length / features),
  count: values.length / features,
  steps: 1,
  features,
});
const value = fc.float({ min: -1e4, max: 1e4, noNaN: true, noDefaultInfinity: true });
const factories = (features: number) => fc.array(fc.array(fc.tuple(...Array(features).fill(value)), { minLength: 1, maxLength: 30 }), { minLength: 1, maxLength: 6 });
const regimes = { settings: 1, centres: [[-5000], [5000]], spread: [1] };

function expectClose(actual: Float64Array, expected: Float64Array, features: number): void {
  const block = momentsLength(features);
  actual.forEach((value, at) => {
    const place = at % block;
    // A mean may cancel to nothing, so its error is measured against the values; M2 is a sum of squares and has no cancellation.
    const scale = place === 0 ? 0 : place <= features ? 1e4 : Math.max(expected[at], 1);
    expect(Math.abs(value - expected[at])).toBeLessThanOrEqual(1e-12 * scale);
  });
}

describe("moments", () => {
  it("are count, mean and sum of squared deviations by column", () => {
    expect([...windowMoments(windows([1, 10, 2, 10, 6, 10], 2))]).toEqual([3, 3, 10, 14, 0]);
  });

  it("of the parts merge to those of the whole", () => {
    fc.assert(
      fc.property(factories(3), (rows) => {
        const parts = rows.map((part) => windows((part as number[][]).flat(), 3));
        expectClose(mergeMoments(parts.map((part) => windowMoments(part)), 3), windowMoments(concatWindows(parts)), 3);
      }),
    );
  });

  it("of each operating regime merge too, without the settings' own columns", () => {
    fc.assert(
      fc.property(factories(3), (rows) => {
        const parts = rows.map((part) => windows((part as number[][]).flat(), 3));
        const whole = windowMoments(concatWindows(parts), regimes);
        expect(whole.length).toBe(momentsLength(2, 2));
        expectClose(mergeMoments(parts.map((part) => windowMoments(part, regimes)), 2, 2), whole, 2);
      }),
    );
  });

  it("keep their digits where the mean is large", () => {
    const [count, mean, m2] = windowMoments(windows([8_000_001, 8_000_002, 8_000_003], 1));
    expect([count, mean, m2]).toEqual([3, 8_000_002, 2]);
  });

  it.each([
    ["another length", [1, 2], "moments of client 2: expected 3 numbers, got 2"],
    ["NaN", [1, NaN, 0], "moments of client 2: expected finite numbers, got NaN at 1"],
    ["a count that is none", [1.5, 0, 0], "moments of client 2: expected a count of rows, got 1.5 at 0"],
    ["a negative sum of squares", [1, 0, -1], "moments of client 2: expected a sum of squares >= 0, got -1 at 2"],
  ])("refuse %s", (_, part, message) => {
    expect(() => mergeMoments([Float64Array.of(1, 2, 3), Float64Array.from(part)], 1)).toThrow(message);
  });
});
