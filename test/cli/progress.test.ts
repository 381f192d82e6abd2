import { describe, expect, test } from "vitest";
import { createProgress } from "../../src/cli/progress.ts";
import type { RoundRecord } from "../../src/tasks/result.ts";
import type { ProgressEvent } from "../../src/tasks/run.ts";
import { record } from "./fake.ts";

function print(events: readonly ProgressEvent[], stepMs = 0, roundsAfter = 0): string[] {
  const lines: string[] = [];
  let nowMs = 0;
  const progress = createProgress((line) => lines.push(line), () => (nowMs += stepMs), roundsAfter);
  events.forEach(progress);
  return lines;
}

const event = (record: RoundRecord): ProgressEvent => ({ kind: "round", record, checkpoint: new Uint8Array() });
/** Where each column of right-aligned text ends. */
const ends = (line: string) => [...line.matchAll(/\S(?= {2}|$)/g)].map(({ index }) => index);

describe.each(["condition", "turbofan"] as const)("lines of %s", (kind) => {
  const lines = print(Array.from({ length: 120 }, (_, index) => event(record(kind, index + 1, 120))));

  test("are one a round below their titles, aligned before the later ones are known", () => {
    expect(lines).toHaveLength(2 + 120 + 1);
    expect(lines.pop()).toBe("");
    expect(lines[0]).toBe("");
    for (const line of lines.slice(2)) expect(ends(line)).toEqual(ends(lines[1]));
  });

  test("fit a terminal of 80 columns and hold no control characters", () => {
    for (const line of lines) {
      expect([...line].length).toBeLessThanOrEqual(80);
      expect(line).not.toMatch(/[\x00-\x1f\x7f]/);
    }
  });
});

test("classification shows what is asked of a run, per factory as least and greatest", () => {
  const [, titles, line] = print([event(record("condition", 50, 50))]);
  expect(titles.split(/ {2,}/)).toEqual(["round", "accuracy", "detection", "false alarms", "per factory", "bytes", "time left"]);
  const { metrics, factories } = record("condition", 50, 50) as any;
  const percents = factories.map((factory: any) => 100 * factory.metrics.accuracy);
  expect(line.split(/ {2,}/)).toEqual([
    "50/50",
    `${(100 * metrics.accuracy).toFixed(1)} %`,
    `${(100 * metrics.criticalDetection).toFixed(1)} %`,
    `${(100 * metrics.falseAlarmRate).toFixed(1)} %`,
    `${Math.min(...percents).toFixed(1)}–${Math.max(...percents).toFixed(1)} %`,
    "6.2 MB",
    "0 s",
  ]);
});

test("regression shows errors", () => {
  const [, titles, line] = print([event(record("turbofan", 3, 20))]);
  expect(titles.split(/ {2,}/).map((title) => title.trim())).toEqual(["round", "RMSE", "MAE", "loss", "per factory", "bytes", "time left"]);
  const { metrics } = record("turbofan", 3, 20) as any;
  expect(line).toContain(`  ${metrics.rmse.toFixed(2)}  `);
});

test("time left follows the last rounds, not the first, and counts what comes after them", () => {
  const seconds = [100, 2, 2, 2, 2, 2];
  const lines = print(seconds.map((value, index) => event({ ...record("condition", index + 1, 16), seconds: value })));
  expect(lines.at(-1)).toMatch(/ 20 s$/);
  expect(print([event({ ...record("condition", 2, 4), seconds: 3 })], 0, 8).at(-1)).toMatch(/ 30 s$/);
});

test("a measure that no window tells about is a dash", () => {
  const { metrics, ...rest } = record("condition", 1, 2);
  const lines = print([event({ ...rest, metrics: { ...metrics, criticalDetection: NaN } as RoundRecord["metrics"] })]);
  expect(lines[2]).toMatch(/ %\s+–\s+\d/);
});

test("training beside the rounds keeps silent until they are over; then one line now and then, and the last epoch", () => {
  const solo = (epoch: number): ProgressEvent => ({ kind: "solo", id: "A", epoch, epochs: 30 });
  const during = print([event(record("condition", 1, 2)), { kind: "phase", name: "solo" }, solo(1), solo(30)]);
  expect(during).toHaveLength(3);
  const after = print([event(record("condition", 2, 2)), { kind: "phase", name: "solo" }, ...Array.from({ length: 30 }, (_, index) => solo(index + 1))], 1000);
  const lines = after.slice(4);
  expect(lines[0]).toMatch(/^solo training/);
  expect(lines.length).toBeGreaterThan(2);
  expect(lines.length).toBeLessThan(8);
  expect(lines.at(-1)).toBe("  solo A  epoch 30/30");
});
