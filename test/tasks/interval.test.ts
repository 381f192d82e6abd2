import { describe, expect, test } from "vitest";
import { intervalsOf } from "../../src/tasks/interval.ts";

const mean = (counts: Float64Array) => ({ mean: counts[1] / counts[0], never: NaN });

describe("intervalsOf", () => {
  test("of units that are all the same is the figure itself, and a figure that does not exist has none", () => {
    expect(intervalsOf(Array.from({ length: 6 }, () => Float64Array.of(2, 3)), mean, "test")).toEqual({ mean: [1.5, 1.5] });
  });

  test("holds 95 % of the means that normal theory gives", () => {
    const units = Array.from({ length: 40 }, (_, unit) => Float64Array.of(1, unit));
    const half = (1.96 * Math.sqrt((40 * 40 - 1) / 12)) / Math.sqrt(40);
    const [low, high] = intervalsOf(units, mean, "test").mean;
    expect(Math.abs(low - (19.5 - half))).toBeLessThan(0.5);
    expect(Math.abs(high - (19.5 + half))).toBeLessThan(0.5);
  });

  test("is the same for the same stream of draws", () => {
    const units = Array.from({ length: 9 }, (_, unit) => Float64Array.of(1, unit * unit));
    expect(intervalsOf(units, mean, "a")).toEqual(intervalsOf(units, mean, "a"));
    expect(intervalsOf(units, mean, "a")).not.toEqual(intervalsOf(units, mean, "b"));
  });
});
