/**
 * @module
 * A monitor: control charts of a process, and an alarm limit for each that comes from rows its model has not seen.
 * Blocks of normal operation are left out in turn; the model of the others charts the one that is left out, and
 * the largest values of all of them set the limits (model/limit.ts).
 */
import { limitOf, mergeTails, tailOf, tailSize } from "../model/limit.ts";

/** Charts of rows that follow each other, each as long as the rows or shorter by the first ones, which lack their past. */
export type Charts = (rows: Float32Array) => Promise<readonly Float64Array[]>;

export interface Monitor {
  readonly name: string;
  readonly charts: Charts;
  /** A limit for each chart. */
  readonly limits: readonly number[];
  /** What all limits together promise of false alarms. */
  readonly falseAlarmBound: number;
}

/**
 * @param whole charts by the model of all blocks
 * @param others by block, charts by the model of the others
 * @param rate of false alarms, shared out evenly among the charts
 */
export async function monitorOf(name: string, blocks: readonly Float32Array[], whole: Charts, others: readonly Charts[], rate: number): Promise<Monitor> {
  const heldOut = await Promise.all(blocks.map((rows, index) => others[index](rows)));
  const limits = heldOut[0].map((_, chart) => {
    const own = heldOut.map((charts) => charts[chart]);
    const share = rate / heldOut[0].length;
    const size = tailSize(share, own.reduce((sum, { length }) => sum + length, 0));
    return limitOf(mergeTails(own.map((values) => tailOf(values, size)), size), share);
  });
  return { name, charts: whole, limits: limits.map(({ value }) => value), falseAlarmBound: limits.reduce((sum, { falseAlarmBound }) => sum + falseAlarmBound, 0) };
}

/** (N) the largest of the charts of N rows, each in units of its limit; 0 where there is none yet. */
export async function scoresOf({ charts, limits }: Monitor, rows: Float32Array, N: number): Promise<Float64Array> {
  const scores = new Float64Array(N);
  (await charts(rows)).forEach((chart, index) => {
    const first = N - chart.length;
    chart.forEach((value, at) => (scores[first + at] = Math.max(scores[first + at], value / limits[index])));
  });
  return scores;
}
