/**
 * @module
 * Features of a machine's history up to now, for wear that shows over hundreds of cycles: level and trend
 * of each sensor over several spans, its last value, and the age. A history that is shorter than a span is
 * filled before its start with its first row, as windows of 30 cycles are.
 *
 *     a span of w rows ending now, s = -(w-1)/2 … (w-1)/2:
 *     level = Σ x / w        trend = w Σ s x / Σ s²        (least squares' slope times the span)
 *
 * The first span also gives the mean of its last 5 rows and the last row. Nothing looks ahead. A reading
 * farther than 6 from 0 counts as that far: a sensor that hardly ever moves would else outweigh all others
 * on the day it does.
 */

export interface HistoryOptions {
  /** Rows of each span, the first one first. */
  readonly spans: readonly number[];
  /** Append the square of each feature: what a linear model needs to bend. Default false. */
  readonly squares?: boolean;
}

/** Rows behind which age counts as no more than this. */
const OLDEST = 300;
const RECENT = 5;
/** In standard deviations, since rows are scaled. */
const FARTHEST = 6;

/** How many features a history of so many sensors has. */
export function historyLength(sensors: number, { spans, squares = false }: HistoryOptions): number {
  return ((2 * spans.length + 2) * sensors + 1) * (squares ? 2 : 1);
}

/** What the features are called, in their order. */
export function historyNames(sensors: readonly string[], { spans, squares = false }: HistoryOptions): string[] {
  const of = (what: string) => sensors.map((name) => `${name} ${what}`);
  const names = spans.flatMap((span, index) => [...of(`level ${span}`), ...of(`trend ${span}`), ...(index === 0 ? [...of(`level ${RECENT}`), ...of("last")] : [])]);
  names.push("age / 100");
  return squares ? [...names, ...names.map((name) => `${name} squared`)] : names;
}

/**
 * Features at several moments of one history, (moments, F).
 * @param rows (cycles, sensors), scaled
 * @param ends how many rows are known at each moment, at least 1
 */
export function historyFeatures(rows: Float32Array, sensors: number, ends: readonly number[], options: HistoryOptions): Float32Array {
  const { spans, squares = false } = options;
  const F = historyLength(sensors, options);
  const features = new Float32Array(ends.length * F);
  ends.forEach((end, moment) => {
    const to = moment * F;
    let at = to;
    spans.forEach((span, index) => {
      for (let sensor = 0; sensor < sensors; sensor++) {
        const { level, trend } = levelAndTrend(rows, sensors, sensor, end, span);
        features[at + sensor] = level;
        features[at + sensors + sensor] = trend;
        if (index > 0) continue;
        features[at + 2 * sensors + sensor] = levelAndTrend(rows, sensors, sensor, end, RECENT).level;
        features[at + 3 * sensors + sensor] = limited(rows[(end - 1) * sensors + sensor]);
      }
      at += (index === 0 ? 4 : 2) * sensors;
    });
    features[at++] = Math.min(end, OLDEST) / 100;
    if (squares) for (let half = to; half < to + F / 2; half++) features[at++] = features[half] * features[half];
  });
  return features;
}

const limited = (x: number): number => Math.min(FARTHEST, Math.max(-FARTHEST, x));

function levelAndTrend(rows: Float32Array, sensors: number, sensor: number, end: number, span: number): { level: number; trend: number } {
  const middle = (span - 1) / 2;
  let sum = 0;
  let slope = 0;
  let squares = 0;
  for (let row = 0; row < span; row++) {
    const x = limited(rows[Math.max(0, end - span + row) * sensors + sensor]);
    sum += x;
    slope += (row - middle) * x;
    squares += (row - middle) * (row - middle);
  }
  return { level: sum / span, trend: squares > 0 ? (span * slope) / squares : 0 };
}
