import { describe, expect, test } from "vitest";
import { concatWindows, rowWindows, slidingWindows } from "../../src/signal/window.ts";

/** Five rows of two features: 10, 11, 20, 21 … */
const rows = Float32Array.from({ length: 10 }, (_, at) => 10 * (Math.floor(at / 2) + 1) + (at % 2));

describe("windows of rows", () => {
  test("of one step are the rows", () => {
    expect(rowWindows(rows, 2)).toMatchObject({ inputs: rows, count: 5, steps: 1, features: 2 });
  });

  test("slide by one row, each with what is behind it as targets", () => {
    const { inputs, targets, count, steps } = slidingWindows(rows, 2, 2, 1);
    expect([count, steps]).toEqual([3, 2]);
    expect([...inputs.subarray(4, 8)]).toEqual([20, 21, 30, 31]);
    expect([...targets]).toEqual([30, 31, 40, 41, 50, 51]);
    expect(slidingWindows(rows, 2, 5).inputs).toEqual(rows);
  });

  test("put together keep their targets", () => {
    const some = slidingWindows(rows, 2, 2, 2);
    expect(concatWindows([some, some]).targets).toEqual(Float32Array.of(...some.targets, ...some.targets));
  });

  test("need as many rows as one takes", () => {
    expect(() => slidingWindows(rows, 2, 5, 1)).toThrow("windows of 5 rows and 1 ahead expected at least 6 rows, got 5");
  });
});
