/**
 * @module
 * What a run leaves behind: a checkpoint that holds all its ONNX needs, the ONNX made from it, and how
 * far a runtime's predictions are from ours.
 */
import { scale, type Scaler } from "../data/scaler.ts";
import { checkBuild, type BuildName } from "../kernels/build.ts";
import { decodeCheckpoint, encodeCheckpoint } from "../model/checkpoint.ts";
import { statisticsOf } from "../model/layout.ts";
import type { ModelSpec } from "../model/spec.ts";
import { selectWindows } from "../signal/window.ts";
import { exportOnnx } from "../onnx/export.ts";
import type { Pool } from "./pool.ts";
import type { TaskData, TaskWindows } from "./task.ts";

/** A model that can be used: what a checkpoint of a run holds. */
export interface Artefact {
  readonly spec: ModelSpec;
  /** Of the kernels that trained it. */
  readonly build: BuildName;
  /** (P) */
  readonly parameters: Float32Array;
  /** (S) of a model that normalises over batches: those of the windows it was adapted to. Absent: it has to be adapted before it can predict. */
  readonly statistics?: Float32Array;
  /** Whose windows those were. */
  readonly adaptedTo?: string;
  readonly scaler: Scaler;
  /** Of a classifier: from which probability of the last two classes on it alarms. 0: none. */
  readonly threshold: number;
  /** Of the parameters. */
  readonly sha256: string;
  /** How many rounds it was trained. */
  readonly rounds: number;
}

/** What an artefact tells of the data behind it. */
export type Provenance = Pick<TaskData, "channels" | "rateHz" | "origin"> & { readonly factories: { readonly length: number } };

export function encodeArtefact(task: string, data: Provenance, { spec, build, parameters, statistics, adaptedTo, scaler, threshold, sha256, rounds }: Artefact): Uint8Array {
  const metadata: Record<string, string> = {
    task,
    build,
    rounds: String(rounds),
    clients: String(data.factories.length),
    sensors: JSON.stringify(data.channels.map(({ name }) => name)),
    units: JSON.stringify(data.channels.map(({ unit }) => unit)),
    origin: data.origin,
    scaler: JSON.stringify(scaler),
    sha256,
  };
  if (data.rateHz !== null) metadata.rateHz = String(data.rateHz);
  if (threshold > 0) metadata.alarmThreshold = String(threshold);
  if (statistics?.length && adaptedTo !== undefined) metadata.adaptedTo = adaptedTo;
  return encodeCheckpoint({ spec, parameters, statistics, metadata });
}

/** @throws RangeError for what is no checkpoint, or not one of a run. */
export function decodeArtefact(checkpoint: Uint8Array): Artefact {
  const { spec, parameters, statistics, metadata } = decodeCheckpoint(checkpoint);
  const { scaler, sha256, adaptedTo, alarmThreshold = "0", rounds = "0", build = "simd" } = metadata;
  if (scaler === undefined || sha256 === undefined) throw new RangeError(`checkpoint: metadata expected a scaler and a hash, got none; it was not written by a run`);
  return { spec, build: checkBuild(build), parameters, statistics, adaptedTo, scaler: parseScaler(scaler), threshold: Number(alarmThreshold), sha256, rounds: Number(rounds) };
}

function parseScaler(text: string): Scaler {
  try {
    return JSON.parse(text) as Scaler;
  } catch (error) {
    throw new RangeError(`checkpoint: metadata "scaler" is not JSON (${(error as Error).message}); it is damaged, copy it again`);
  }
}

/**
 * The ONNX file of a checkpoint that a run wrote.
 * @throws RangeError when it is not one.
 */
export function exportRun(checkpoint: Uint8Array): Uint8Array {
  const { spec, parameters, statistics, scaler } = decodeArtefact(checkpoint);
  const { scaler: _, ...metadata } = decodeCheckpoint(checkpoint).metadata;
  return exportOnnx({ spec, parameters, statistics, scaler, metadata });
}

/** What the model predicts of raw windows: (N, classes) probabilities, or (N), (N,O) or (N,O,Q) values, or scaled windows (N,T,I). */
export function predict(
  { spec, build, parameters, statistics, scaler }: Pick<Artefact, "spec" | "build" | "parameters" | "statistics" | "scaler">, windows: TaskWindows, pool: Pool,
): Promise<Float32Array> {
  return pool.predict({ kind: "predict", spec, build, parameters, statistics, inputs: scale(windows, scaler) });
}

/**
 * (S) what a model that normalises over batches takes from raw windows, which need no labels: a factory's own
 * that it was trained on, or, where it was not, those it has to predict. Empty for other models.
 */
export async function adapt(
  { spec, build, parameters, scaler }: Pick<Artefact, "spec" | "build" | "parameters" | "scaler">, windows: TaskWindows, pool: Pool,
): Promise<Float32Array> {
  if (statisticsOf(spec).length === 0) return new Float32Array(0);
  return pool.adapt({ kind: "adapt", spec, build, parameters, inputs: scale(windows, scaler) });
}

/** Raw windows (N,T,columns) as a runtime takes them. */
export interface OnnxInput {
  readonly values: Float32Array;
  readonly shape: readonly number[];
}

/** Runs a model file on raw windows, and on their sides where it has two inputs, and returns its first output: what a runtime makes of our export. */
export type OnnxRunner = (model: Uint8Array, inputs: Float32Array, shape: readonly number[], side?: OnnxInput) => Promise<Float32Array>;

/** Test windows of each factory on which the exported model is compared with ours. */
const CHECKED_WINDOWS = 64;

/**
 * Greatest difference between a runtime's prediction and ours: of probabilities, or of values in units
 * of the head's scale, as the last place of a float32 near 100 is 8e-6 already.
 */
export async function differenceOf(onnx: Uint8Array, artefact: Artefact, data: TaskData, pool: Pool, runOnnx: OnnxRunner): Promise<number> {
  const { head } = artefact.spec;
  const unit = "scale" in head ? head.scale : 1;
  let greatest = 0;
  for (const { test } of data.factories) {
    const count = Math.min(test.count, CHECKED_WINDOWS);
    const some = selectWindows(test, Array.from({ length: count }, (_, n) => n));
    const side = artefact.spec.side && some.side && { values: some.side.inputs, shape: [count, some.side.steps, some.side.features] };
    const ours = await predict(artefact, some, pool);
    const theirs = await runOnnx(onnx, some.inputs, [count, test.steps, test.features], side);
    ours.forEach((value, index) => (greatest = Math.max(greatest, Math.abs(value - theirs[index]) / unit)));
  }
  return greatest;
}
