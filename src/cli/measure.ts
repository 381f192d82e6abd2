/**
 * @module
 * Which metrics people are shown, in which order and how. The first measure of a kind stands for it where there is room for one.
 */
import type { ClassificationMetrics, Metrics, RegressionMetrics } from "../tasks/result.ts";
import { decimal, percent } from "./format.ts";

export interface Measure {
  readonly title: string;
  readonly meaning: string;
  readonly of: (metrics: Metrics) => number;
  readonly show: (value: number | null) => string;
  readonly higherIsBetter: boolean;
  /** What the project sets out to reach; a strict bound. */
  readonly target?: number;
}

const classification: readonly Measure[] = [
  {
    title: "accuracy",
    meaning: "windows whose state is predicted right",
    of: (metrics) => (metrics as ClassificationMetrics).accuracy,
    show: percent,
    higherIsBetter: true,
    target: 0.85,
  },
  {
    title: "critical detection",
    meaning: "of the windows that are critical or failing, those that raise the alarm",
    of: (metrics) => (metrics as ClassificationMetrics).criticalDetection,
    show: percent,
    higherIsBetter: true,
    target: 0.95,
  },
  {
    title: "false alarms",
    meaning: "of the windows that are healthy or degraded, those that raise the alarm",
    of: (metrics) => (metrics as ClassificationMetrics).falseAlarmRate,
    show: percent,
    higherIsBetter: false,
    target: 0.05,
  },
  {
    title: "macro F1",
    meaning: "harmonic mean of precision and recall, averaged over the states",
    of: (metrics) => (metrics as ClassificationMetrics).macroF1,
    show: percent,
    higherIsBetter: true,
  },
];

const regression: readonly Measure[] = [
  {
    title: "RMSE",
    meaning: "root mean square error against labels capped as in training",
    of: (metrics) => (metrics as RegressionMetrics).rmse,
    show: decimal,
    higherIsBetter: false,
  },
  {
    title: "MAE",
    meaning: "mean absolute error against labels capped as in training",
    of: (metrics) => (metrics as RegressionMetrics).mae,
    show: decimal,
    higherIsBetter: false,
  },
  {
    title: "RMSE raw",
    meaning: "root mean square error against uncapped labels",
    of: (metrics) => (metrics as RegressionMetrics).rmseRaw,
    show: decimal,
    higherIsBetter: false,
  },
  {
    title: "NASA score",
    meaning: "sum over windows in which late predictions cost more than early ones",
    of: (metrics) => (metrics as RegressionMetrics).score,
    show: decimal,
    higherIsBetter: false,
  },
];

export function isClassification(metrics: Metrics): metrics is ClassificationMetrics {
  return "accuracy" in metrics;
}

export function measuresOf(metrics: Metrics): readonly Measure[] {
  return isClassification(metrics) ? classification : regression;
}

/** Least and greatest of a measure over several metrics, as "52.0–70.1 %". */
export function spread(measure: Measure, all: readonly Metrics[]): string {
  const values = all.map(measure.of).filter(Number.isFinite);
  if (values.length === 0) return measure.show(null);
  const [low, high] = [measure.show(Math.min(...values)), measure.show(Math.max(...values))];
  return `${low.replace(" %", "")}–${high}`;
}
