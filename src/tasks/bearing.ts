/**
 * @module
 * Bearing faults from vibration (Case Western Reserve University). Five questions, each a subset: is the
 * implementation right (time), does a model carry to another load (load) or to another bearing with another
 * width of pit (severity), and does it federate where factories differ in load (federated) or each
 * know one kind of fault (skew).
 */
import { standardised } from "../data/augmentation.ts";
import { CLASSES, classOf, FAULTS, RATE_HZ, readCwru, recordingWindows, type Cwru, type Recording } from "../data/cwru.ts";
import { adam, type Training } from "../model/trainer.ts";
import type { ModelSpec } from "../model/spec.ts";
import type { Windows } from "../signal/window.ts";
import { linearScores } from "./linear.ts";
import { loadCases } from "./loadshift.ts";
import { deploy, networkScores } from "./network.ts";
import { severityCases } from "./severity.ts";
import { ALL, type CaseContext, type CaseResult, type Score, type Study, type StudyCase, type Target, type Way } from "./study.ts";
import { halfCosine, type TaskFactory } from "./task.ts";
import { bandPowers, classFigures, convolutional, linear, recordingIntervals, SAMPLES } from "./vibration.ts";

const SUBSETS = ["time", "load", "severity", "federated", "skew"] as const;
const ORIGIN = "Case Western Reserve University Bearing Data Center, 12 kHz drive-end recordings";
/** Of each recording. Between the parts lie at least 0.2 s, so that no window of one reaches into another. */
const PARTS = { train: { from: 0, to: 0.7 }, validation: { from: 0.72, to: 0.8 }, test: { from: 0.82, to: 1 } } as const;
const BANDS = 64;
/** Where each factory knows one fault. */
const SKEW_ROUNDS = 160;
const NO_NORMAL = "The recording without fault is left out: its sampling rate is disputed, and a model could tell it by that alone.";

/** A factory and the recordings that it has. */
interface Part {
  readonly id: string;
  readonly where: (recording: Recording) => boolean;
}

/** How a case of one split in time is made. */
interface Split {
  readonly name: (loads: Cwru["loads"]) => string;
  readonly factories: (loads: Cwru["loads"]) => readonly Part[];
  readonly ways: readonly Exclude<Way, "rule">[];
  readonly judgedOn: "own" | "all";
  readonly spec: ModelSpec;
  readonly rounds: number;
  training(round: number, factories: readonly TaskFactory[]): Training;
}

const byLoad = (loads: Cwru["loads"]): Part[] => loads.map((load) => ({ id: `load-${load}`, where: (recording) => recording.load === load }));
const COUNTS: Readonly<Record<number, string>> = { 2: "two", 3: "three", 4: "four" };
const ordinary = (rounds: number) => (round: number): Training =>
  ({ epochs: 1, batch: 32, learningRate: halfCosine(2e-3, 0, round, rounds), optimizer: adam, clipNorm: 5, loss: {} });

const SPLITS: Readonly<Record<"time" | "federated" | "skew", Split>> = {
  time: {
    name: () => "first part to last part", factories: byLoad, ways: ["centralised"], judgedOn: "own",
    spec: convolutional("batch", CLASSES), rounds: 8, training: ordinary(8),
  },
  federated: {
    name: (loads) => `${COUNTS[loads.length]} loads`, factories: byLoad, ways: ["solo", "federated", "centralised"], judgedOn: "own",
    spec: convolutional("batch", CLASSES), rounds: 8, training: ordinary(8),
  },
  // Many rounds of two small steps: the factories' models have no time to forget each other's classes.
  skew: {
    name: () => "one fault a factory", factories: () => FAULTS.map((fault) => ({ id: fault, where: (recording) => recording.fault === fault })),
    ways: ["solo", "federated", "centralised"], judgedOn: "all",
    spec: convolutional("layer", CLASSES), rounds: SKEW_ROUNDS,
    training: (round, factories) => {
      const smallest = Math.min(...factories.map(({ train }) => train.count));
      return { epochs: 1, share: 64 / smallest, batch: 32, learningRate: halfCosine(0.2, 0, round, SKEW_ROUNDS), optimizer: { type: "sgd", momentum: 0, weightDecay: 0 }, clipNorm: 1, loss: {} };
    },
  },
};

function splitCase(cwru: Cwru, split: Split): StudyCase {
  const { ways, judgedOn, spec, rounds } = split;
  const name = split.name(cwru.loads);
  const parts = split.factories(cwru.loads);
  return {
    name,
    async run({ seed, pool, build, signal, runOnnx, progress }: CaseContext): Promise<CaseResult> {
      const figures = (predictions: Float32Array, windows: Windows) => ({ ...classFigures(predictions, windows) });
      const common = { case: name, ways, judgedOn, seed, pool, build, signal, figures, intervals: recordingIntervals };
      const raw = parts.map(({ id, where }): TaskFactory => ({ id, ...partsOf(cwru, where, standardised) }));
      const network = await networkScores({ ...common, model: "CNN", factories: raw, spec, rounds, training: (round) => split.training(round, raw), progress });
      const powers = parts.map(({ id, where }): TaskFactory => ({ id, ...partsOf(cwru, where, (windows) => bandPowers(windows, RATE_HZ, BANDS)) }));
      const closed = await linearScores({ ...common, model: "FFT + linear", factories: powers, spec: linear(BANDS, CLASSES) });
      // Where all are judged on all classes, each factory's own model is judged on them, and there is no score of these models together.
      const told = ({ way, factory }: Score) => (ways as readonly Way[]).includes(way) && !(judgedOn === "all" && way === "solo" && factory === ALL);
      const scores = [...network.scores, ...closed.scores].filter(told);
      const bytes = { CNN: network.bytes, "FFT + linear": closed.models.bytes };
      if (!network.federated) return { scores, notes: [NO_NORMAL, ...cwru.notes] };
      const { parameters, sha256, scaler, factoryStatistics } = network.federated;
      const [[adaptedTo, statistics]] = [...factoryStatistics];
      const data = { factories: raw, heldOut: null, settings: 0, regimes: 1, channels: [{ name: "drive end, standardised", unit: "" }], rateHz: RATE_HZ, origin: ORIGIN };
      const model = await deploy("bearing", data, { spec, build, parameters, statistics, adaptedTo, scaler, threshold: 0, sha256, rounds }, pool, runOnnx);
      return { scores, bytes, model, notes: [NO_NORMAL, ...cwru.notes] };
    },
  };
}

export function partsOf({ recordings }: Cwru, where: (recording: Recording) => boolean, transform: (windows: Windows) => Windows): Omit<TaskFactory, "id"> {
  const windows = (part: { from: number; to: number }, stride: number) => transform(recordingWindows(recordings, { samples: SAMPLES, stride, part, where, target: classOf }));
  return { train: windows(PARTS.train, SAMPLES / 2), validation: windows(PARTS.validation, SAMPLES / 2), test: windows(PARTS.test, SAMPLES) };
}

const TARGETS: Readonly<Record<(typeof SUBSETS)[number], readonly Target[]>> = {
  time: [{ model: "CNN", way: "centralised", measure: "accuracy", over: "mean", must: 0.99, stretch: 0.995 }],
  load: [
    { model: "CNN", way: "solo", measure: "accuracy", over: "mean", must: 0.9, stretch: 0.95 },
    { model: "CNN, adapted", way: "solo", measure: "accuracy", over: "mean", must: 0.95, stretch: 0.975 },
    { model: "CNN, adapted", way: "solo", measure: "accuracy", over: "worst", must: 0.95 },
  ],
  severity: [
    { model: "fault orders", way: "federated", measure: "macroF1", over: { case: "width 21 held out" }, must: 0.75, stretch: 0.85 },
    { model: "fault orders", way: "federated", measure: "macroF1", over: "mean", must: 0.65, stretch: 0.75 },
  ],
  federated: [{ model: "CNN", way: "federated", measure: "accuracy", over: "mean", must: 0.98, stretch: 0.99 }],
  skew: [
    { model: "CNN", way: "federated", measure: "accuracy", over: "mean", must: 0.7, stretch: 0.97 },
    { model: "FFT + linear", way: "federated", measure: "accuracy", over: "mean", must: 0.98 },
  ],
};

export const bearing: Study = {
  name: "bearing",
  summary: "bearing faults from vibration (CWRU): other loads, other bearings, and factories that differ",
  origin: ORIGIN,
  subsets: SUBSETS,
  seeds: [1, 2, 3],
  measures: [
    { name: "accuracy", title: "accuracy", meaning: "windows whose class is named right", unit: "%", digits: 1, better: "higher" },
    { name: "macroF1", title: "macro-F1", meaning: "mean over the classes of their F1", unit: "%", digits: 1, better: "higher" },
  ],
  linear: ["FFT + linear", "fault orders, least squares"],
  targets: (subset = SUBSETS[0]) => TARGETS[subset as (typeof SUBSETS)[number]],
  async cases({ source, subset = SUBSETS[0] }) {
    const cwru = await readCwru(source);
    if (subset === "load") return loadCases(cwru);
    if (subset === "severity") return severityCases(cwru);
    return [splitCase(cwru, SPLITS[subset as keyof typeof SPLITS])];
  },
};
