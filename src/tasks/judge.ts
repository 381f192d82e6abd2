/**
 * @module
 * How a task's models are judged: which counts are taken over windows, and which figures they become.
 */
import {
  chooseThreshold, classificationCounts, classificationMetrics, regressionCounts, regressionMetrics, type Metrics,
} from "../model/metrics.ts";
import { outputs } from "../model/head.ts";
import type { ModelSpec } from "../model/spec.ts";
import type { Task, TaskWindows } from "./task.ts";

export interface Judge {
  /** Counts that add up over windows and factories. */
  counts(predictions: Float32Array, windows: TaskWindows): Float64Array;
  /** The alarm threshold, from validation counts; 0 for regression, which has none. */
  threshold(validation: Iterable<Float64Array>): number;
  metrics(counts: Float64Array, threshold: number): Metrics;
  /** The figures of several factories' windows together. */
  pooled(counts: Iterable<Float64Array>, threshold: number): Metrics;
}

export function judgeOf(task: Task, spec: ModelSpec): Judge {
  const C = outputs(spec);
  const classify = task.kind === "classify";
  const metrics = (counts: Float64Array, threshold: number): Metrics =>
    classify ? classificationMetrics(counts, C, threshold) : regressionMetrics(counts);
  return {
    counts: (predictions, { targets, rawTargets }) =>
      classify ? classificationCounts(predictions, targets, C) : regressionCounts(predictions, rawTargets ?? targets, task.cap ?? Infinity),
    threshold: (validation) => (classify ? chooseThreshold(addUp(validation), C) : 0),
    metrics,
    pooled: (counts, threshold) => metrics(addUp(counts), threshold),
  };
}

function addUp(counts: Iterable<Float64Array>): Float64Array {
  const [first, ...rest] = counts;
  return first.map((value, index) => rest.reduce((sum, part) => sum + part[index], value));
}

const LOWER_IS_BETTER = new Set(["falseAlarmRate", "rmse", "rmseRaw", "score", "scoreCapped", "mae", "lateShare"]);

/** Mean over the factories of each figure, and its worst value, which need not be the same factory's. Samples and confusion matrices add up. */
export function meanAndWorst(all: readonly Metrics[]): { mean: Metrics; worst: Metrics } {
  const rows = all as unknown as readonly Record<string, number | number[][]>[];
  const combine = (figure: (name: string, values: number[]) => number) =>
    Object.fromEntries(
      Object.entries(rows[0]).map(([name, first]) => {
        if (typeof first !== "number") {
          const cell = (truth: number, predicted: number) => total(rows.map((row) => (row[name] as number[][])[truth][predicted]));
          return [name, first.map((row, truth) => row.map((_, predicted) => cell(truth, predicted)))];
        }
        const values = rows.map((row) => row[name] as number);
        return [name, name === "samples" ? total(values) : figure(name, values)];
      }),
    ) as unknown as Metrics;
  return {
    mean: combine((_, values) => total(values) / values.length),
    worst: combine((name, values) => (LOWER_IS_BETTER.has(name) ? Math.max(...values) : Math.min(...values))),
  };
}

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
