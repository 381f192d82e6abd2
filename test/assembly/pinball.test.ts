import { describe, expect, test } from "vitest";
import { difference, directionalError, Memory, numbers, sweep, vectors } from "../memory.ts";
import { pinball } from "../reference.ts";

type Numbers = ArrayLike<number>;

function run(y: Numbers, target: Numbers, quantiles: Numbers) {
  const memory = new Memory();
  const dy = memory.output(y.length);
  const [y_, target_, quantiles_] = [y, target, quantiles].map((values) => memory.input(values));
  const loss = memory.run((wasm) => wasm.pinball(dy, y_, target_, quantiles_, target.length, quantiles.length));
  return { loss, dy: memory.read(dy) };
}

const ascending = (Q: number) => Float32Array.from({ length: Q }, (_, k) => (k + 1) / (Q + 1));

describe("pinball", () => {
  test("equals the float64 reference, at every size", () => {
    for (const [N, Q] of sweep(2, [100, 3], [7, 99])) {
      const [y, target, quantiles] = [numbers(N * Q, 1, 3), numbers(N, 2), ascending(Q)];
      const actual = run(y, target, quantiles);
      const expected = pinball(y, target, quantiles);
      expect(difference([actual.loss], [expected.loss]), `${N} ${Q}`).toBeLessThan(1e-6);
      expect(difference(actual.dy, expected.dy), `${N} ${Q}`).toBeLessThan(1e-7);
    }
  });

  test("matches scikit-learn and PyTorch", () => {
    type Case = Record<"quantiles" | "y" | "target" | "dy", number[]> & { value: number };
    for (const { quantiles, y, target, value, dy } of vectors<Case>("pinball")) {
      const actual = run(y, target, quantiles);
      expect(difference([actual.loss], [value])).toBeLessThan(1e-6);
      expect(difference(actual.dy, dy)).toBeLessThan(1e-7);
    }
  });

  test("has the gradient of its value", () => {
    const [y, target, quantiles] = [numbers(60, 1, 3), numbers(20, 2), ascending(3)];
    expect(directionalError((point) => pinball(point, target, quantiles).loss, y, run(y, target, quantiles).dy, 5)).toBeLessThan(1e-5);
  });

  test("is half the absolute error at one half, and flat where it is exact", () => {
    const { loss, dy } = run([1, 5, 2], [3, 4, 2], [0.5]);
    expect(loss).toBe((2 + 1 + 0) / 3 / 2);
    expect([...dy]).toEqual([-1 / 6, 1 / 6, 0].map(Math.fround));
  });

  test("shows a NaN in the loss, and is deterministic", () => {
    expect(run([1, NaN], [0, 0], [0.5]).loss).toBeNaN();
    expect(run(numbers(15, 1), numbers(5, 2), ascending(3))).toEqual(run(numbers(15, 1), numbers(5, 2), ascending(3)));
  });
});
