/**
 * @module
 * What a run reports: the names in rounds.jsonl and summary.json, which other programs read.
 */

import type { BuildName } from "../kernels/build.ts";
import type { Metrics } from "../model/metrics.ts";

export type { ClassificationMetrics, Metrics, RegressionMetrics } from "../model/metrics.ts";

/** One line of rounds.jsonl. Metrics are of validation data: the test set is looked at once, at the end. */
export interface RoundRecord {
  readonly round: number;
  readonly rounds: number;
  readonly metrics: Metrics;
  readonly factories: readonly { readonly id: string; readonly loss: number; readonly metrics: Metrics }[];
  /** Bytes up and down in this round, all factories. */
  readonly bytes: number;
  readonly seconds: number;
  /** SHA-256 of the global parameters after the round. */
  readonly sha256: string;
}

export interface FactorySummary {
  readonly id: string;
  /** Numbers of windows. */
  readonly train: number;
  readonly test: number;
  /** Metrics of the model it trains alone, on the test windows by which the task compares models: its own, or all factories'. Null without --compare. */
  readonly solo: Metrics | null;
  readonly federated: Metrics;
  readonly centralised: Metrics | null;
  /** The same three on this factory's own test windows, where the task compares models on all factories'. */
  readonly own: { readonly solo: Metrics | null; readonly federated: Metrics; readonly centralised: Metrics | null } | null;
}

export interface Summary {
  readonly task: string;
  /** Of the kernels: simd gives the same bits in every runtime, relaxed need not. */
  readonly build: BuildName;
  readonly seed: number;
  readonly rounds: number;
  readonly model: { readonly parameters: number; readonly sha256: string };
  readonly data: { readonly sha256: string };
  readonly factories: readonly FactorySummary[];
  /** A factory that took no part in training, where the task has one. */
  readonly heldOut: FactorySummary | null;
  readonly metrics: {
    readonly federated: Metrics;
    readonly centralised: Metrics | null;
    readonly solo: { readonly mean: Metrics; readonly worst: Metrics } | null;
  };
  /** True and predicted values on the test windows, for the report's plot; null for a classifier, which has its confusion matrix. */
  readonly predictions: readonly { readonly factory: string; readonly truth: number; readonly predicted: number }[] | null;
  /** Greatest difference between our prediction and onnxruntime's on test windows; null where onnxruntime-node is not installed. */
  readonly onnx: { readonly maxAbsDifference: number | null };
  readonly bytesPerRound: number;
  readonly wallSeconds: number;
}
