import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { random } from "../../src/kernels/random.ts";
import { limitOf, mergeTails, tailOf, tailSize } from "../../src/model/limit.ts";

const scores = fc.array(fc.double({ min: 0, max: 9, noNaN: true }), { maxLength: 40 });

describe("alarm limits", () => {
  test("tails of parts, in any order and merged in any steps, give the limit of all scores in one place", () => {
    fc.assert(fc.property(scores, scores, scores, fc.double({ min: 0.01, max: 0.3, noNaN: true }), (a, b, c, rate) => {
      const all = [...a, ...b, ...c];
      if (all.length === 0) return;
      const size = tailSize(rate, all.length);
      const parts = [a, b, c].map((part) => tailOf(part, size));
      const expected = limitOf(tailOf(all, all.length), rate);
      expect(limitOf(mergeTails(parts, size), rate)).toEqual(expected);
      expect(limitOf(mergeTails([mergeTails([parts[2], parts[0]], size), parts[1]], size), rate)).toEqual(expected);
    }));
  });

  test("is the k-th largest with k / (n + 1) within the rate", () => {
    const normal = Array.from({ length: 199 }, (_, at) => at);
    expect(limitOf(tailOf(normal, 199), 0.01)).toEqual({ value: 197, falseAlarmBound: 0.01 });
    expect(limitOf(tailOf(normal, 199), 0.0149)).toEqual({ value: 197, falseAlarmBound: 0.01 });
  });

  test("is the largest of few scores, and says that it promises less", () => {
    expect(limitOf(tailOf([3, 1, 2], 1), 0.01)).toEqual({ value: 3, falseAlarmBound: 0.25 });
  });

  test("keeps its promise over many limits, whatever the distribution", () => {
    const { uniform, normal } = random(1, "limit");
    for (const draw of [uniform, normal, () => 1 / (1 - uniform()), () => Math.floor(4 * uniform())]) {
      let alarms = 0;
      for (let trial = 0; trial < 4000; trial++) {
        const { value } = limitOf(tailOf(Array.from({ length: 59 }, draw), 59), 0.05);
        if (draw() > value) alarms++;
      }
      expect(alarms / 4000).toBeLessThan(0.05 + 3 * Math.sqrt((0.05 * 0.95) / 4000));
    }
  });

  test("refuses what no limit can be made of", () => {
    expect(() => limitOf(tailOf([], 1), 0.1)).toThrow("an alarm limit needs scores of normal operation, got none");
    expect(() => tailOf([1, Infinity], 2)).toThrow('"scores" expected finite numbers, got Infinity at 1');
    expect(() => limitOf(tailOf([1, 2, 3, 4, 5, 6, 7, 8, 9], 1), 0.5)).toThrow('"largest" expected at least 5 of 9 scores for a rate of 0.5, got 1');
    expect(() => tailSize(1, 9)).toThrow('"rate" expected a number between 0 and 1, got 1');
  });
});
