/**
 * @module
 * How good forecasts are, from counts that add up as those of metrics.ts do.
 *
 *     counts = samples, then for each output:  Σe²  Σ|e|  Σe,  for each quantile q:  Σρ_q  n(target <= y_q)
 *
 * e = y - target, of the quantile next to one half where there are quantiles; ρ_q as in head.ts (1).
 */
import { quantilesOf } from "./head.ts";
import type { HeadSpec } from "./spec.ts";

type Forecast = Extract<HeadSpec, { type: "forecast" }>;

export interface ForecastFigures {
  readonly rmse: number;
  readonly mae: number;
  /** Mean of prediction less target. */
  readonly bias: number;
  /** Of each quantile the mean pinball loss, in the head's unit. */
  readonly pinball: readonly number[];
  /** Of each quantile the share of targets that are not above it: the quantile itself where it is calibrated. */
  readonly coverage: readonly number[];
}

export interface ForecastMetrics {
  readonly samples: number;
  /** By the name of the output, in the head's order. */
  readonly outputs: Readonly<Record<string, ForecastFigures>>;
  /** Of all outputs together. */
  readonly all: ForecastFigures;
}

/**
 * @param predictions (N,O), or (N,O,Q) ascending in Q
 * @param targets (N,O)
 */
export function forecastCounts(predictions: Float32Array, targets: ArrayLike<number>, head: Forecast): Float64Array {
  const quantiles = quantilesOf(head);
  const [O, Q] = [head.outputs.length, quantiles.length];
  const point = centre(quantiles);
  const each = 3 + 2 * Q;
  const counts = new Float64Array(1 + O * each);
  counts[0] = targets.length / O;
  for (let n = 0; n < targets.length; n++) {
    const at = 1 + (n % O) * each;
    const from = n * Math.max(1, Q);
    const error = predictions[from + point] - targets[n];
    counts[at] += error * error;
    counts[at + 1] += Math.abs(error);
    counts[at + 2] += error;
    quantiles.forEach((q, k) => {
      const above = targets[n] - predictions[from + k];
      counts[at + 3 + 2 * k] += above * (above < 0 ? q - 1 : q);
      counts[at + 4 + 2 * k] += above <= 0 ? 1 : 0;
    });
  }
  return counts;
}

export function forecastMetrics(counts: Float64Array, head: Forecast): ForecastMetrics {
  const quantiles = quantilesOf(head);
  const each = 3 + 2 * quantiles.length;
  const rows = head.outputs.map((_, o) => counts.subarray(1 + o * each, 1 + (o + 1) * each));
  const figures = (sums: Float64Array, count: number): ForecastFigures => ({
    rmse: Math.sqrt(sums[0] / count),
    mae: sums[1] / count,
    bias: sums[2] / count,
    pinball: quantiles.map((_, k) => sums[3 + 2 * k] / count),
    coverage: quantiles.map((_, k) => sums[4 + 2 * k] / count),
  });
  const samples = counts[0];
  const all = rows[0].map((_, index) => rows.reduce((sum, row) => sum + row[index], 0));
  return {
    samples,
    outputs: Object.fromEntries(head.outputs.map((name, o) => [name, figures(rows[o], samples)])),
    all: figures(all, samples * rows.length),
  };
}

/** The place of the quantile next to one half; 0 where there are none. */
function centre(quantiles: readonly number[]): number {
  const distances = quantiles.map((q) => Math.abs(q - 0.5));
  return Math.max(0, distances.indexOf(Math.min(...distances)));
}
