import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  chooseThreshold, classificationCounts, classificationMetrics, confusionOf, regressionCounts, regressionMetrics, stateOf, wilsonLower,
} from "../../src/model/metrics.ts";

const C = 4;

/** Windows with random probabilities and states. */
const windows = fc.array(fc.tuple(fc.integer({ min: 0, max: C - 1 }), fc.array(fc.float({ min: 0, max: 10, noNaN: true }), { minLength: C, maxLength: C })), { minLength: 1, maxLength: 60 })
  .map((rows) => ({
    targets: Float32Array.from(rows, ([target]) => target),
    probabilities: Float32Array.from(rows.flatMap(([, logits]) => {
      const weights = logits.map((x) => Math.exp(x));
      const sum = weights.reduce((a, b) => a + b);
      return weights.map((w) => w / sum);
    })),
  }));

describe("classification metrics", () => {
  test("counts of parts add up to the counts of the whole", () => {
    fc.assert(fc.property(windows, windows, (a, b) => {
      const parts = [a, b].map(({ probabilities, targets }) => classificationCounts(probabilities, targets, C));
      const whole = classificationCounts(Float32Array.of(...a.probabilities, ...b.probabilities), Float32Array.of(...a.targets, ...b.targets), C);
      expect(parts[0].map((n, index) => n + parts[1][index])).toEqual(whole);
    }));
  });

  test("the confusion matrix of counts is that of the states predicted one by one", () => {
    fc.assert(fc.property(windows, fc.integer({ min: 1, max: 200 }), ({ probabilities, targets }, edge) => {
      const threshold = edge / 200;
      const expected = Array.from({ length: C }, () => new Array<number>(C).fill(0));
      targets.forEach((truth, n) => expected[truth][stateOf(probabilities, n, C, threshold)]++);
      expect(confusionOf(classificationCounts(probabilities, targets, C), C, threshold)).toEqual(expected);
    }));
  });

  test("critical detection counts FAILURE, and CRITICAL taken for FAILURE is no miss", () => {
    const probabilities = Float32Array.of(
      0, 0, 0.2, 0.8, // CRITICAL predicted as FAILURE: detected
      0.9, 0.1, 0, 0, // FAILURE predicted as HEALTHY: missed
      0, 0.4, 0.6, 0, // DEGRADED predicted as CRITICAL: false alarm
      1, 0, 0, 0, // HEALTHY
    );
    const metrics = classificationMetrics(classificationCounts(probabilities, Float32Array.of(2, 3, 1, 0), C), C, 0.5);
    expect(metrics).toMatchObject({ samples: 4, accuracy: 0.25, criticalDetection: 0.5, falseAlarmRate: 0.5 });
    expect(metrics.confusion).toEqual([[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [1, 0, 0, 0]]);
    expect(metrics.macroF1).toBeCloseTo((2 / 3) / 4, 12);
  });

  test("the threshold balances misses and false alarms on the counts it is chosen on", () => {
    // 10 critical windows with scores .3, .35 … and 10 calm ones with scores up to .25: any threshold between is perfect.
    const scores = [...Array.from({ length: 10 }, (_, n) => 0.3 + 0.05 * n), ...Array.from({ length: 10 }, (_, n) => 0.025 * n)];
    const probabilities = Float32Array.from(scores.flatMap((score) => [1 - score, 0, score, 0]));
    const counts = classificationCounts(probabilities, Float32Array.from(scores, (_, n) => (n < 10 ? 2 : 0)), C);
    const threshold = chooseThreshold(counts, C);
    expect(threshold).toBeGreaterThan(0.225);
    expect(threshold).toBeLessThanOrEqual(0.3);
    expect(classificationMetrics(counts, C, threshold)).toMatchObject({ criticalDetection: 1, falseAlarmRate: 0 });
  });

  test("Wilson's interval agrees with published values, and is 0 for no trials", () => {
    expect(wilsonLower(81, 263)).toBeCloseTo(0.2553, 4); // Newcombe 1998, table I
    expect(wilsonLower(15, 148)).toBeCloseTo(0.0624, 4);
    expect(wilsonLower(0, 20)).toBe(0);
    expect(wilsonLower(0, 0)).toBe(0);
  });
});

describe("regression metrics", () => {
  test("capped and raw errors, the score by hand", () => {
    const metrics = regressionMetrics(regressionCounts(Float32Array.of(130, 20, 0), [150, 10, 13], 125));
    // capped: 125-125, 20-10, 0-13; raw: 125-150, 20-10, 0-13
    expect(metrics.rmse).toBeCloseTo(Math.sqrt((0 + 100 + 169) / 3), 12);
    expect(metrics.rmseRaw).toBeCloseTo(Math.sqrt((625 + 100 + 169) / 3), 12);
    expect(metrics.mae).toBeCloseTo(23 / 3, 12);
    expect(metrics.score).toBeCloseTo(Math.exp(25 / 13) - 1 + Math.exp(1) - 1 + Math.exp(1) - 1, 9);
    expect(metrics.scoreCapped).toBeCloseTo(Math.exp(1) - 1 + Math.exp(1) - 1, 9);
    expect(metrics.lateShare).toBe(0);
    expect(regressionMetrics(regressionCounts(Float32Array.of(31, 30), [10, 10], 125)).lateShare).toBe(0.5);
  });
});
