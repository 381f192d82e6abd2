/** Runs that were never trained: figures with the shape of real ones, for tests of what is printed and kept. */
import type { ClassificationMetrics, Metrics, RegressionMetrics, RoundRecord, Summary } from "../../src/tasks/result.ts";
import type { RunConfig } from "../../src/tasks/run.ts";

export type Kind = "condition" | "turbofan";

const classes = ["HEALTHY", "DEGRADED", "CRITICAL", "FAILURE"];

export function classification(accuracy: number, samples = 400): ClassificationMetrics {
  const hit = Math.round((accuracy * samples) / 4);
  const miss = Math.round(samples / 4) - hit;
  return {
    samples,
    accuracy,
    macroF1: accuracy - 0.008,
    criticalDetection: Math.min(1, accuracy + 0.05),
    criticalDetectionLower95: Math.min(1, accuracy + 0.035),
    falseAlarmRate: (1 - accuracy) / 2.5,
    confusion: classes.map((_, truth) =>
      classes.map((_, predicted) => (truth === predicted ? hit : Math.abs(truth - predicted) === 1 ? (truth === 0 || truth === 3 ? miss : miss / 2) : 0)),
    ),
  };
}

export function regression(rmse: number, samples = 100): RegressionMetrics {
  return { samples, rmse, rmseRaw: rmse * 1.25, score: rmse ** 3 / 4, scoreCapped: rmse ** 3 / 5, mae: rmse * 0.74, lateShare: rmse / 200 };
}

export const factoryIds = ["Aachen", "Brno", "Chemnitz", "Dresden", "Erfurt"];

/** Deterministic and bumpy. */
const bump = (a: number, b: number) => (((a * 7919 + b * 104729) % 997) / 997 - 0.5) * 0.03;

function metricsAt(kind: Kind, progress: number, wobble: number): Metrics {
  const learnt = 1 - 0.93 * 0.9 ** (progress * 30);
  return kind === "condition" ? classification(0.25 + 0.66 * learnt + wobble) : regression(14.6 + 45 * (1 - learnt) + 100 * wobble);
}

export function record(kind: Kind, round: number, rounds: number, seed = 1): RoundRecord {
  return {
    round,
    rounds,
    metrics: metricsAt(kind, round / rounds, bump(round, seed) / 3),
    factories: factoryIds.map((id, index) => ({
      id,
      loss: 0.12 + 1.25 * 0.9 ** ((round / rounds) * 30) + Math.abs(bump(round, index + 3)) + index * 0.02,
      metrics: metricsAt(kind, round / rounds, bump(round, index + 11) + (index - 2) * 0.008),
    })),
    bytes: 6_162_120,
    seconds: 2.5,
    sha256: `${seed}${round}`.padEnd(64, "0"),
  };
}

export function fakeConfig(kind: Kind, rounds: number, seed = 1): RunConfig {
  return {
    task: kind,
    seed,
    factories: 5,
    rounds,
    localEpochs: 3,
    batch: 32,
    compare: true,
    build: "simd",
    spec: {
      input: { steps: 100, features: 8 },
      layers: [{ type: "lstm", hidden: 64, bidirectional: true }, { type: "attention", size: 64 }],
      head: kind === "condition" ? { type: "classify", classes } : { type: "regress", unit: "cycles", scale: 125 },
    },
  } as unknown as RunConfig;
}

export function fakeSummary(kind: Kind, rounds: number, seed = 1): Summary {
  const metric = (good: number, error: number, samples?: number): Metrics => (kind === "condition" ? classification(good, samples) : regression(error, samples));
  return {
    task: kind,
    build: "simd",
    seed,
    rounds,
    model: { parameters: 154_053, sha256: "5c1e".repeat(16) },
    data: { sha256: "9f07".repeat(16) },
    factories: factoryIds.map((id, index) => ({
      id,
      train: 500 + 250 * index,
      test: 400,
      solo: metric(0.71 + 0.02 * index, 24 - index),
      federated: metric(0.885 + 0.009 * index, 15.6 - 0.3 * index),
      centralised: metric(0.9 + 0.006 * index, 15.1 - 0.25 * index),
      own: kind === "condition" ? null : { solo: metric(0, 31 - index), federated: metric(0, 17 - index), centralised: metric(0, 16 - index) },
    })),
    heldOut: kind === "condition" ? { id: "Freiberg", train: 0, test: 400, solo: metric(0.52, 0), federated: metric(0.842, 0), centralised: metric(0.861, 0), own: null } : null,
    metrics: {
      federated: metric(0.9032, 14.98, 2000),
      centralised: metric(0.912, 14.6, 2000),
      solo: { mean: metric(0.75, 22), worst: metric(0.71, 24) },
    },
    predictions:
      kind === "turbofan"
        ? Array.from({ length: 100 }, (_, index) => {
            const truth = (index * 37) % 146;
            return { factory: factoryIds[index % 5], truth, predicted: Math.max(2, Math.min(125, truth + 900 * bump(index, 5) * (0.3 + truth / 150))) };
          })
        : null,
    onnx: { maxAbsDifference: 3.6e-7 },
    bytesPerRound: 6_162_120,
    wallSeconds: 151.2,
  };
}
