import { describe, expect, test } from "vitest";
import { random } from "../../src/kernels/random.ts";
import { smoothedSquares, trailingMean } from "../../src/model/chart.ts";

describe("smoothedSquares", () => {
  test("without smoothing is the sum of squares of its columns", () => {
    expect([...smoothedSquares(Float64Array.of(1, 2, 3, 4, 5, 6), 3, 1, 3, 1)]).toEqual([13, 61]);
  });

  test("is the squared exponential mean over its own variance", () => {
    const [found] = [smoothedSquares(Float64Array.of(1, -2, 4), 1, 0, 1, 0.25)];
    let z = 0;
    let variance = 0;
    [1, -2, 4].forEach((x, t) => {
      z = 0.25 * x + 0.75 * z;
      variance = 0.75 ** 2 * variance + 0.25 ** 2; // of a sum of independent terms
      expect(found[t]).toBeCloseTo((z * z) / variance, 12);
    });
  });

  test.each([1, 0.2, 0.05])("of independent rows is as large as the number of columns in the mean, at weight %f", (weight) => {
    const { normal } = random(1, "chart");
    const [runs, F] = [400, 5];
    let sum = 0;
    for (let run = 0; run < runs; run++) sum += smoothedSquares(Float64Array.from({ length: 20 * F }, normal), F, 0, F, weight)[19];
    expect(Math.abs(sum / runs - F)).toBeLessThan(4 * Math.sqrt((2 * F) / runs));
  });

  test("refuses a weight that is none", () => {
    expect(() => smoothedSquares(new Float64Array(2), 1, 0, 1, 0)).toThrow('"weight" expected a number in (0, 1], got 0');
  });
});

describe("trailingMean", () => {
  test("is over the last W scores, or as many as there are", () => {
    expect([...trailingMean(Float64Array.of(2, 4, 6, 8), 2)]).toEqual([2, 3, 5, 7]);
    expect([...trailingMean(Float64Array.of(2, 4, 6), 9)]).toEqual([2, 3, 4]);
    expect(() => trailingMean(new Float64Array(1), 0)).toThrow('"W" expected integer >= 1, got 0');
  });

  test("forgets a large score as soon as it is out of the window", () => {
    expect(trailingMean(Float64Array.of(1e300, 1, 1), 2)[2]).toBe(1);
  });
});
