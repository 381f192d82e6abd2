/**
 * @module
 * Scores of models that solo, federated and centralised training left behind, on the factories' test windows.
 */
import { scale, type Scaler } from "../data/scaler.ts";
import type { BuildName } from "../kernels/build.ts";
import type { ModelSpec } from "../model/spec.ts";
import { concatAll } from "./comparison.ts";
import type { Pool } from "./pool.ts";
import { ALL, type Score, type Way } from "./study.ts";
import type { TaskFactory, TaskWindows } from "./task.ts";

export interface Scoring {
  /** As in Score. */
  readonly case: string;
  readonly model: string;
  readonly factories: readonly TaskFactory[];
  readonly spec: ModelSpec;
  /** On which test windows a factory's models are judged: its own (the default), or all factories'. */
  readonly judgedOn?: "own" | "all";
  readonly pool: Pool;
  /** Of the kernels. Default: simd. */
  readonly build?: BuildName;
  /** What a model's predictions (probabilities, or values in the head's unit) on these windows are worth. */
  figures(predictions: Float32Array, windows: TaskWindows): Record<string, number>;
  /** 95 % intervals of some of the figures, over all test windows. */
  intervals?(predictions: Float32Array, windows: TaskWindows): Record<string, readonly [number, number]>;
}

/** What predicts: parameters of the spec, and what scales its windows. */
export interface Fitted {
  readonly parameters: Float32Array;
  readonly scaler: Scaler;
}

/** By factory and over all; a solo model's score over all is that of each factory's own model on that factory's windows, put together. */
export async function scoresOf(options: Scoring, way: Way, modelOf: (factory: number) => Fitted): Promise<Score[]> {
  const { factories, spec, pool, build = "simd", judgedOn = "own" } = options;
  const whole = concatAll(factories.map(({ test }) => test));
  const predict = ({ parameters, scaler }: Fitted, windows: TaskWindows) => pool.predict({ kind: "predict", spec, build, parameters, inputs: scale(windows, scaler) });
  const score = (factory: string, predictions: Float32Array, windows: TaskWindows): Score => ({
    case: options.case, model: options.model, way, factory, samples: windows.count, figures: options.figures(predictions, windows),
    ...(options.intervals && factory === ALL ? { intervals: options.intervals(predictions, windows) } : {}),
  });
  const onOwn = await Promise.all(factories.map(({ test }, index) => predict(modelOf(index), test)));
  const scores = await Promise.all(factories.map(async ({ id, test }, index) =>
    judgedOn === "all" ? score(id, await predict(modelOf(index), whole), whole) : score(id, onOwn[index], test)));
  return [...scores, score(ALL, concatenate(onOwn), whole)];
}

function concatenate(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
