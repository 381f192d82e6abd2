import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { detectionCounts, detectionMetrics } from "../../src/model/detection.ts";

const rows = fc.array(fc.tuple(fc.double({ min: 0, max: 20, noNaN: true }), fc.boolean()), { minLength: 1, maxLength: 80 })
  .map((pairs) => ({ scores: Float64Array.from(pairs, ([score]) => score), anomalous: Uint8Array.from(pairs, ([, label]) => Number(label)) }));
const of = (scores: number[], anomalous: number[], consecutive?: number) =>
  detectionMetrics(detectionCounts(Float64Array.from(scores), Uint8Array.from(anomalous), { consecutive }));

describe("detection", () => {
  test("counts of parts add up to the figures of the whole, events at the seam apart", () => {
    fc.assert(fc.property(rows, rows, (a, b) => {
      b.anomalous[0] = 0; // an event that goes on across the seam would be two
      const parts = [a, b].map(({ scores, anomalous }) => detectionCounts(scores, anomalous));
      const whole = detectionCounts(Float64Array.of(...a.scores, ...b.scores), Uint8Array.of(...a.anomalous, ...b.anomalous));
      expect(parts[0].map((count, at) => count + parts[1][at])).toEqual(whole);
    }));
  });

  test("F1, false alarms and recall are those of alarms above 1", () => {
    const { f1, falseAlarmRate, recall, samples } = of([0.5, 1, 1.01, 2, 0, 3, 0.2], [0, 0, 0, 1, 1, 1, 0]);
    expect([samples, recall, falseAlarmRate]).toEqual([7, 2 / 3, 1 / 4]);
    expect(f1).toBeCloseTo(4 / 6, 12);
    expect(of([0, 0], [1, 0]).f1).toBe(0);
  });

  test("the area is the share of pairs in the right order, to the width of a bin", () => {
    fc.assert(fc.property(rows, ({ scores, anomalous }) => {
      const pairs = [...scores].flatMap((score, i) => [...scores].flatMap((other, j) => (anomalous[i] && !anomalous[j] ? [[score / (1 + score), other / (1 + other)]] : [])));
      const { auc } = detectionMetrics(detectionCounts(scores, anomalous));
      if (pairs.length === 0) {
        expect(auc).toBeNaN();
        return;
      }
      const least = pairs.filter(([a, b]) => a - b > 1 / 500).length / pairs.length;
      const most = pairs.filter(([a, b]) => a - b > -1 / 500).length / pairs.length;
      expect(auc).toBeGreaterThanOrEqual(least);
      expect(auc).toBeLessThanOrEqual(most);
    }));
  });

  test("an event is found at its first alarm, and its delay counts from its first row", () => {
    const { events, eventRecall, delay } = of([0, 0, 0, 2, 2, 0, 0, 0, 2, 0], [0, 1, 1, 1, 1, 0, 1, 1, 0, 1]);
    expect([events, eventRecall, delay]).toEqual([3, 1 / 3, 2]);
    expect(of([0, 0], [0, 0]).eventRecall).toBeNaN();
    expect(of([0, 0], [0, 1]).delay).toBeNaN();
  });

  test("with several alarms in a row the delay is that of their first, and none before the event", () => {
    expect(of([0, 2, 0, 2, 2, 2, 0], [1, 1, 1, 1, 1, 1, 1], 3).delay).toBe(3);
    expect(of([2, 2, 2, 2], [0, 0, 1, 1], 3)).toMatchObject({ eventRecall: 1, delay: 0 });
    expect(of([2, 2, 0, 2], [1, 1, 1, 1], 3).eventRecall).toBe(0);
  });

  test("refuses what is no score, and labels that do not fit", () => {
    expect(() => of([1, NaN], [0, 0])).toThrow('"scores" expected numbers >= 0, got NaN in row 1');
    expect(() => of([-1], [0])).toThrow("got -1 in row 0");
    expect(() => of([1, 1], [0])).toThrow('"anomalous" expected 2 labels, one a score, got 1');
  });
});
