/**
 * @module
 * Metrics from counts that add up. A factory counts over its own windows; counts of several factories
 * are summed; only then are figures computed. So evaluation is federated without a row leaving a
 * plant, and a pooled figure is the figure of the pooled windows, not a mean of means.
 *
 * Classification counts keep the alarm threshold open. The alarm score of a window is the probability
 * of the last two classes together (CRITICAL and FAILURE). For every true class and every score bin
 * they hold how often each pair (best class below, best class among the last two) came up:
 *
 *     counts[truth][bin][below][above]       (C, 201, C-2, 2)
 *
 * A threshold on a bin's edge turns that into an exact confusion matrix: above it the prediction is
 * the best of the last two classes, below it the best of the others.
 */
import { exp } from "../kernels/elementary.ts";

export interface ClassificationMetrics {
  readonly samples: number;
  readonly accuracy: number;
  /** Mean over the classes that occur of their F1. */
  readonly macroF1: number;
  /** P(predicted >= CRITICAL | true >= CRITICAL): the last two classes are the critical ones. */
  readonly criticalDetection: number;
  /** Lower end of its 95 % Wilson interval. */
  readonly criticalDetectionLower95: number;
  /** P(predicted >= CRITICAL | true <= DEGRADED). */
  readonly falseAlarmRate: number;
  /** (true class, predicted class) counts. */
  readonly confusion: readonly (readonly number[])[];
}

export interface RegressionMetrics {
  readonly samples: number;
  /** Against labels capped as in training. */
  readonly rmse: number;
  /** Against uncapped labels. */
  readonly rmseRaw: number;
  /** NASA's asymmetric score on uncapped labels (Saxena et al. 2008): late predictions cost more. */
  readonly score: number;
  /** The same score on capped labels. */
  readonly scoreCapped: number;
  /** Against capped labels. */
  readonly mae: number;
  /** Share of predictions more than 20 units late, that is above the uncapped label. */
  readonly lateShare: number;
}

export type Metrics = ClassificationMetrics | RegressionMetrics;

/** Scores are counted in bins of 1/200; the last bin holds exactly 1. */
const BINS = 201;

function alarmScore(probabilities: Float32Array, row: number, C: number): number {
  return probabilities[row * C + C - 2] + probabilities[row * C + C - 1];
}

/** The predicted state of one window: the alarm decides on which side, the larger probability which class. */
export function stateOf(probabilities: Float32Array, row: number, C: number, threshold: number): number {
  return scoreBin(alarmScore(probabilities, row, C)) >= edgeOf(threshold) ? best(probabilities, row, C, C - 2, C) : best(probabilities, row, C, 0, C - 2);
}

/**
 * Counts of N windows.
 * @param probabilities (N,C)
 * @param targets (N) class indices
 */
export function classificationCounts(probabilities: Float32Array, targets: Float32Array, C: number): Float64Array {
  if (C < 3) throw new RangeError(`classes expected at least 3, the last two of them critical, got ${C}`);
  const counts = new Float64Array(countsLength(C));
  for (let n = 0; n < targets.length; n++) {
    const bin = scoreBin(alarmScore(probabilities, n, C));
    const below = best(probabilities, n, C, 0, C - 2);
    const above = best(probabilities, n, C, C - 2, C) - (C - 2);
    counts[((targets[n] * BINS + bin) * (C - 2) + below) * 2 + above] += 1;
  }
  return counts;
}

const countsLength = (C: number): number => C * BINS * (C - 2) * 2;

/** The first bin above a threshold, which lies on a bin's edge. */
const edgeOf = (threshold: number): number => Math.round(threshold * (BINS - 1));

function scoreBin(score: number): number {
  return Math.min(BINS - 1, Math.max(0, Math.floor(score * (BINS - 1))));
}

function best(probabilities: Float32Array, row: number, C: number, from: number, to: number): number {
  let winner = from;
  for (let c = from + 1; c < to; c++) if (probabilities[row * C + c] > probabilities[row * C + winner]) winner = c;
  return winner;
}

/** (C,C) counts of true and predicted classes under a threshold. */
export function confusionOf(counts: Float64Array, C: number, threshold: number): number[][] {
  const edge = edgeOf(threshold);
  const confusion = Array.from({ length: C }, () => new Array<number>(C).fill(0));
  let at = 0;
  for (let truth = 0; truth < C; truth++) {
    for (let bin = 0; bin < BINS; bin++) {
      for (let below = 0; below < C - 2; below++) {
        for (let above = 0; above < 2; above++) confusion[truth][bin >= edge ? C - 2 + above : below] += counts[at++];
      }
    }
  }
  return confusion;
}

/**
 * The threshold for which the worse of (missed critical / 5 %) and (false alarms / 5 %) is smallest on
 * these counts, which must come from validation machines. Ties go to the middle of the best stretch.
 */
export function chooseThreshold(counts: Float64Array, C: number): number {
  let first = 1;
  let last = 1;
  let least = Infinity;
  for (let bin = 1; bin < BINS; bin++) {
    const { missed, falseAlarms } = alarmRates(confusionOf(counts, C, bin / (BINS - 1)));
    const worse = Math.max(missed, falseAlarms);
    if (worse < least) {
      least = worse;
      first = bin;
    }
    if (worse === least) last = bin;
  }
  return Math.floor((first + last) / 2) / (BINS - 1);
}

function alarmRates(confusion: number[][]): { critical: number; detected: number; missed: number; falseAlarms: number } {
  const C = confusion.length;
  let critical = 0, detected = 0, calm = 0, alarms = 0;
  confusion.forEach((row, truth) => {
    const total = row.reduce((sum, n) => sum + n, 0);
    const raised = row[C - 2] + row[C - 1];
    if (truth >= C - 2) {
      critical += total;
      detected += raised;
    } else {
      calm += total;
      alarms += raised;
    }
  });
  return { critical, detected, missed: ratio(critical - detected, critical), falseAlarms: ratio(alarms, calm) };
}

export function classificationMetrics(counts: Float64Array, C: number, threshold: number): ClassificationMetrics {
  const confusion = confusionOf(counts, C, threshold);
  const { critical, detected, falseAlarms } = alarmRates(confusion);
  return {
    samples: counts.reduce((sum, n) => sum + n, 0),
    ...confusionFigures(confusion),
    criticalDetection: ratio(detected, critical),
    criticalDetectionLower95: wilsonLower(detected, critical),
    falseAlarmRate: falseAlarms,
    confusion,
  };
}

/** What (C,C) counts of true and predicted classes are worth: the share that is right, and the mean over the true classes that occur of their F1. */
export function confusionFigures(confusion: readonly (readonly number[])[]): Pick<ClassificationMetrics, "accuracy" | "macroF1"> {
  const samples = confusion.reduce((sum, row) => sum + row.reduce((own, n) => own + n, 0), 0);
  const right = confusion.reduce((sum, row, c) => sum + row[c], 0);
  const scores: number[] = [];
  for (let c = 0; c < confusion.length; c++) {
    const truth = confusion[c].reduce((sum, n) => sum + n, 0);
    const predicted = confusion.reduce((sum, row) => sum + row[c], 0);
    if (truth > 0) scores.push((2 * confusion[c][c]) / (truth + predicted));
  }
  return { accuracy: ratio(right, samples), macroF1: ratio(scores.reduce((sum, score) => sum + score, 0), scores.length) };
}

/** Lower end of the 95 % Wilson score interval of k successes in n trials (Wilson 1927); 0 for n = 0. */
export function wilsonLower(k: number, n: number): number {
  if (n === 0) return 0;
  const z = 1.959963984540054;
  const p = k / n;
  const centre = p + (z * z) / (2 * n);
  const spread = z * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n));
  return Math.max(0, (centre - spread) / (1 + (z * z) / n));
}

/**
 * Sums of N predictions: samples, squared errors against capped and raw labels, score, absolute errors.
 * Predictions are read as in [0, cap], as the labels they were trained on.
 */
export function regressionCounts(predictions: Float32Array, raw: ArrayLike<number>, cap: number): Float64Array {
  const sums = new Float64Array(7);
  predictions.forEach((prediction, n) => {
    const value = Math.min(cap, Math.max(0, prediction));
    const error = value - Math.min(cap, raw[n]);
    const late = value - raw[n];
    sums[0] += 1;
    sums[1] += error * error;
    sums[2] += late * late;
    sums[3] += penalty(late);
    sums[4] += Math.abs(error);
    sums[5] += penalty(error);
    sums[6] += late > 20 ? 1 : 0;
  });
  return sums;
}

/** NASA's: a prediction that is d late costs e^(d/10) - 1, one that is d early e^(d/13) - 1. */
const penalty = (late: number): number => exp(late < 0 ? -late / 13 : late / 10) - 1;

export function regressionMetrics(sums: Float64Array): RegressionMetrics {
  const [samples, squared, squaredRaw, score, absolute, scoreCapped, veryLate] = sums;
  return {
    samples,
    rmse: Math.sqrt(ratio(squared, samples)),
    rmseRaw: Math.sqrt(ratio(squaredRaw, samples)),
    score,
    scoreCapped,
    mae: ratio(absolute, samples),
    lateShare: ratio(veryLate, samples),
  };
}

/** 0 where there is nothing to count. */
function ratio(part: number, whole: number): number {
  return whole > 0 ? part / whole : 0;
}
