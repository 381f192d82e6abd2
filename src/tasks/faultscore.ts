/**
 * @module
 * What a monitor of the process is worth: on the run of a fault that begins with it, and, where there are
 * test runs, on those as the literature judges (Chiang, Russell & Braatz 2001): rows found from the fault
 * on, false alarms on the whole normal run and on the rows before each fault. A monitor runs through a test
 * run from its first row, as it would in a plant, so that its weighted means are full of normal rows when
 * the fault comes.
 */
import { CHANNELS, ONSET, STEP_MINUTES } from "../data/tep.ts";
import { detectionCounts, detectionMetrics } from "../model/detection.ts";
import { wilsonLower } from "../model/metrics.ts";
import { scoresOf, type Monitor } from "./monitor.ts";
import type { Score, StudyMeasure, Way } from "./study.ts";

/** Rows in a row over the limit before a fault is taken for found (Chiang, Russell & Braatz 2001). */
const CONSECUTIVE = 6;

export const MEASURES: readonly StudyMeasure[] = [
  { name: "detection", title: "rows found", meaning: "rows of the faulty plant that are alarmed", unit: "%", digits: 1, better: "higher" },
  { name: "falseAlarmRate", title: "false alarms", meaning: "held-out rows of the normal plant that are alarmed", unit: "%", digits: 2, better: "lower" },
  { name: "falseAlarmBound", title: "promised", meaning: "what the limits promise of false alarms if rows were independent", unit: "%", digits: 2, better: "lower" },
  { name: "delay", title: "delay", meaning: `minutes from the fault to the first of ${CONSECUTIVE} alarms in a row, where there are so many`, unit: "min", digits: 0, better: "lower" },
  { name: "testDetection", title: "found in test", meaning: "rows of the fault's test run, from the fault on, that are alarmed", unit: "%", digits: 1, better: "higher" },
  { name: "testFalseAlarmRate", title: "false alarms, d00_te", meaning: "rows of the normal test run that are alarmed", unit: "%", digits: 2, better: "lower" },
  { name: "beforeFalseAlarmRate", title: "before the fault", meaning: `the first ${ONSET} rows of the fault's test run that are alarmed`, unit: "%", digits: 2, better: "lower" },
  { name: "testDelay", title: "delay in test", meaning: `minutes from the fault to the first of ${CONSECUTIVE} alarms in a row in the test run, where there are so many`, unit: "min", digits: 0, better: "lower" },
];

/** Alarms among rows of normal operation that neither the model nor its limits have seen. */
export interface FalseAlarms {
  readonly alarms: number;
  readonly rows: number;
}

export interface Judged {
  readonly way: Way;
  readonly factory: string;
  readonly monitor: Monitor;
  readonly normal: FalseAlarms;
  /** On the normal test run, where there is one. */
  readonly test?: FalseAlarms;
}

/** @param runs scaled rows, each run's own */
export async function alarmsIn(monitor: Monitor, runs: readonly Float32Array[]): Promise<FalseAlarms> {
  const scores = await Promise.all(runs.map((rows) => scoresOf(monitor, rows, rows.length / CHANNELS.length)));
  return { alarms: scores.reduce((sum, own) => sum + own.filter((score) => score > 1).length, 0), rows: scores.reduce((sum, own) => sum + own.length, 0) };
}

/**
 * @param run (rows,52) scaled, of the faulty plant throughout
 * @param testRun (960,52) scaled, of the faulty plant behind ONSET rows
 */
export async function scoreOf(name: string, { way, factory, monitor, normal, test }: Judged, run: Float32Array, testRun: Float32Array | undefined): Promise<Score> {
  const { samples, recall, delay } = await found(monitor, run, 0);
  const figures: Record<string, number> = { detection: recall, falseAlarmRate: normal.alarms / normal.rows, falseAlarmBound: monitor.falseAlarmBound, ...minutes("delay", delay) };
  const intervals: Record<string, readonly [number, number]> = { falseAlarmRate: intervalOf(normal) };
  if (testRun && test) {
    const tested = await found(monitor, testRun, ONSET);
    Object.assign(figures, { testDetection: tested.recall, testFalseAlarmRate: test.alarms / test.rows, beforeFalseAlarmRate: tested.falseAlarmRate, ...minutes("testDelay", tested.delay) });
    intervals.testFalseAlarmRate = intervalOf(test);
  }
  return { case: name, model: monitor.name, way, factory, samples, figures, intervals };
}

/** @param onset rows before the fault */
async function found(monitor: Monitor, rows: Float32Array, onset: number) {
  const N = rows.length / CHANNELS.length;
  const faulty = new Uint8Array(N).fill(1, onset);
  return detectionMetrics(detectionCounts(await scoresOf(monitor, rows, N), faulty, { consecutive: CONSECUTIVE }));
}

const minutes = (name: string, rows: number): Record<string, number> => (Number.isNaN(rows) ? {} : { [name]: STEP_MINUTES * rows });

/** How sure the false alarms are: a share of few rows says little. */
export function alarmsNotes({ way, monitor, normal, test }: Judged): string[] {
  const note = (counted: FalseAlarms, where: string) => {
    const [low, high] = intervalOf(counted).map((share) => (100 * share).toFixed(2));
    return `${monitor.name} ${way} alarms on ${counted.alarms} of ${counted.rows} ${where}: ${low} to ${high} % with 95 % confidence if rows were independent, which they are not quite.`;
  };
  return [note(normal, "held-out rows of normal operation"), ...(test ? [note(test, "rows of the normal test run")] : [])];
}

/** Wilson's, both ends. */
const intervalOf = ({ alarms, rows }: FalseAlarms): [number, number] => [wilsonLower(alarms, rows), 1 - wilsonLower(rows - alarms, rows)];
