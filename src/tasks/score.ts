/**
 * @module
 * Scores of models that solo, federated and centralised training left behind, on the factories' test windows.
 */
import type { Scaler } from "../data/scaler.ts";
import type { BuildName } from "../kernels/build.ts";
import type { ModelSpec } from "../model/spec.ts";
import { adapt, predict } from "./artefact.ts";
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
  /**
   * Before a model that normalises over batches predicts a factory's test windows, adapt it to them, without their
   * labels. Default: it keeps the statistics of its training windows.
   */
  readonly adaptive?: boolean;
  readonly pool: Pool;
  /** Of the kernels. Default: simd. */
  readonly build?: BuildName;
  /** What a model's predictions (probabilities, or values in the head's unit) on these windows are worth. */
  figures(predictions: Float32Array, windows: TaskWindows): Record<string, number>;
  /** 95 % intervals of some of the figures, over all test windows. */
  intervals?(predictions: Float32Array, windows: TaskWindows): Record<string, readonly [number, number]>;
}

/** What predicts: parameters of the spec, statistics where it has them, and what scales its windows. */
export interface Fitted {
  readonly parameters: Float32Array;
  readonly statistics?: Float32Array;
  readonly scaler: Scaler;
}

/** By factory and over all; a solo model's score over all is that of each factory's own model on that factory's windows, put together. */
export async function scoresOf(options: Scoring, way: Way, modelOf: (factory: number) => Fitted): Promise<Score[]> {
  const { factories, spec, pool, build = "simd", judgedOn = "own", adaptive = false } = options;
  const whole = concatAll(factories.map(({ test }) => test));
  const predictions = async (fitted: Fitted, windows: TaskWindows) => {
    const model = { spec, build, ...fitted };
    return predict(adaptive ? { ...model, statistics: await adapt(model, windows, pool) } : model, windows, pool);
  };
  /** On all factories' test windows, one factory after the other. */
  const onWhole = async (fitted: Fitted) => concatenate(await Promise.all(factories.map(({ test }) => predictions(fitted, test))));
  const score = (factory: string, predictions: Float32Array, windows: TaskWindows): Score => ({
    case: options.case, model: options.model, way, factory, samples: windows.count, figures: options.figures(predictions, windows),
    ...(options.intervals && factory === ALL ? { intervals: options.intervals(predictions, windows) } : {}),
  });
  const onOwn = await Promise.all(factories.map(({ test }, index) => predictions(modelOf(index), test)));
  const scores = await Promise.all(factories.map(async ({ id, test }, index) =>
    judgedOn === "all" ? score(id, await onWhole(modelOf(index)), whole) : score(id, onOwn[index], test)));
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
