import { describe, expect, test } from "vitest";
import { historyFeatures, historyLength, historyNames } from "../../src/data/history.ts";

describe("history", () => {
  test("level and trend of a straight line are its middle and its rise over the span", () => {
    const rows = Float32Array.from({ length: 40 }, (_, row) => -5 + 0.25 * row);
    const [level, trend, recent, last, longLevel, longTrend, age] = historyFeatures(rows, 1, [40], { spans: [11, 21] });
    expect(level).toBeCloseTo(-5 + 0.25 * 34, 5);
    expect(trend).toBeCloseTo(11 * 0.25, 5);
    expect(recent).toBeCloseTo(-5 + 0.25 * 37, 5);
    expect(last).toBe(-5 + 0.25 * 39);
    expect(longLevel).toBeCloseTo(-5 + 0.25 * 29, 5);
    expect(longTrend).toBeCloseTo(21 * 0.25, 5);
    expect(age).toBeCloseTo(0.4, 6);
  });

  test("nothing looks ahead: what comes later changes no feature", () => {
    const rows = Float32Array.from({ length: 60 }, (_, at) => ((at * 7919) % 101) / 50 - 1);
    const changed = rows.slice();
    changed.fill(9, 2 * 20);
    const options = { spans: [5, 12], squares: true };
    expect(historyFeatures(changed, 2, [7, 20], options)).toEqual(historyFeatures(rows, 2, [7, 20], options));
  });

  test("a short history is filled with its first row", () => {
    const short = historyFeatures(Float32Array.of(1, 2, 4, 8), 2, [2], { spans: [4] });
    const filled = historyFeatures(Float32Array.of(1, 2, 1, 2, 1, 2, 4, 8), 2, [4], { spans: [4] });
    expect(short.slice(0, -1)).toEqual(filled.slice(0, -1));
  });

  test("a reading far out counts as 6 standard deviations", () => {
    const rows = Float32Array.of(0, 0, -1000, 1e30);
    expect([...historyFeatures(rows, 1, [3, 4], { spans: [2] })]).toEqual([...historyFeatures(Float32Array.of(0, 0, -6, 6), 1, [3, 4], { spans: [2] })]);
  });

  test("squares follow the features they are of, and the length is as said", () => {
    const options = { spans: [3, 9], squares: true };
    const features = historyFeatures(Float32Array.from({ length: 30 }, (_, at) => at / 7), 3, [4, 10], options);
    const F = historyLength(3, options);
    expect(features).toHaveLength(2 * F);
    expect(historyNames(["a", "b", "c"], options)).toHaveLength(F);
    for (let at = 0; at < F / 2; at++) expect(features[F / 2 + at]).toBe(Math.fround(features[at] * features[at]));
  });
});
