import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { exactLength, exactSums, momentsOfSums } from "../../src/data/exact.ts";
import { windowMoments } from "../../src/data/moments.ts";
import type { Windows } from "../../src/signal/window.ts";
import { difference, numbers } from "../memory.ts";

const rows = (values: ArrayLike<number>, features = 1, steps = 1): Windows => {
  const count = values.length / features / steps;
  return { inputs: Float32Array.from(values), targets: new Float32Array(count), groups: new Int32Array(count), count, steps, features };
};
const add = (parts: Float64Array[]) => parts.reduce((sum, part) => sum.map((value, at) => value + part[at]));

describe("exact moments", () => {
  test("are those of two passes in float64, to its last digits", () => {
    const windows = rows(numbers(6 * 4 * 50, 1).map((value, at) => [1e-3, 1e6, 40][at % 3] * (value + at % 3)), 3, 4);
    expect(difference(momentsOfSums(exactSums(windows), 3), windowMoments(windows))).toBeLessThan(1e-14);
  });

  test("hold a variance that float64 would lose beside its mean", () => {
    const [count, mean, squares] = momentsOfSums(exactSums(rows([16777214, 16777215, 16777216, 16777215])), 1);
    expect([count, mean, squares]).toEqual([4, 16777215, 2]);
  });

  test("hold the largest and the smallest float32 side by side", () => {
    const least = 2 ** -149, most = (2 - 2 ** -23) * 2 ** 127;
    expect([...momentsOfSums(exactSums(rows([most, least, -most, least])), 1)].slice(0, 2)).toEqual([4, least / 2]);
    expect(momentsOfSums(exactSums(rows([least, -least])), 1)[2]).toBe(2 * least * least);
    expect(momentsOfSums(exactSums(rows([most, most])), 1)[1]).toBe(most);
    expect([...momentsOfSums(exactSums(rows([0, -0, 0])), 1)]).toEqual([3, 0, 0]);
  });

  test("are the same bits for any split and order of the rows", () => {
    const float = fc.float({ noNaN: true, noDefaultInfinity: true });
    fc.assert(fc.property(fc.array(float, { minLength: 2, maxLength: 40 }), fc.nat(), fc.nat(), (values, cut, turn) => {
      const turned = [...values.slice(turn % values.length), ...values.slice(0, turn % values.length)].reverse();
      const border = 1 + (cut % (values.length - 1));
      const parts = [turned.slice(border), turned.slice(0, border)].map((part) => exactSums(rows(part)));
      expect(momentsOfSums(add(parts), 1)).toEqual(momentsOfSums(exactSums(rows(values)), 1));
    }), { seed: 1 });
  });

  test("are by regime where there are several, without the settings", () => {
    const regimes = { settings: 1, centres: [[0], [10]], spread: [1] };
    const windows = rows([0, 1, 10, 5, 10, 7, 0, 3], 2, 2);
    expect(exactSums(windows, regimes)).toHaveLength(exactLength(1, 2));
    expect(momentsOfSums(exactSums(windows, regimes), 1)).toEqual(windowMoments(windows, regimes));
  });

  test("refuse values that are not finite, and sums that are none", () => {
    expect(() => exactSums(rows([1, 2, 3, Infinity, 5, 6], 2))).toThrow("column 2 of window 2 expected finite numbers, got Infinity");
    expect(() => momentsOfSums(new Float64Array(5), 1)).toThrow("expected a multiple of 37 numbers, got 5");
    expect(() => momentsOfSums(new Float64Array(37).fill(0.5), 1)).toThrow("expected integers");
  });
});
