import { expect, test } from "vitest";
import { bytes, count, decimal, duration, percent } from "../../src/cli/format.ts";

test("percentages have one decimal", () => {
  expect(percent(0.91374)).toBe("91.4 %");
  expect(percent(1)).toBe("100.0 %");
});

test("a figure that does not exist is a dash", () => {
  for (const value of [NaN, null, Infinity]) {
    expect(percent(value)).toBe("–");
    expect(decimal(value)).toBe("–");
  }
});

test("decimals, counts and bytes", () => {
  expect([14.638, 0, -3.25, 10432.7].map(decimal)).toEqual(["14.64", "0.00", "-3.25", "10,433"]);
  expect(count(154053)).toBe("154,053");
  expect([0, 999, 999.6, 1000, 6_162_120, 99_940_000, 99_960_000, 2.5e12].map(bytes)).toEqual([
    "0 B", "999 B", "1.0 kB", "1.0 kB", "6.2 MB", "99.9 MB", "100 MB", "2.5 TB",
  ]);
});

test("durations carry over at their edges", () => {
  expect([0, 59.4, 59.6, 151.2, 3599.6, 7500].map(duration)).toEqual(["0 s", "59 s", "1 min 00 s", "2 min 31 s", "1 h 00 min", "2 h 05 min"]);
});
