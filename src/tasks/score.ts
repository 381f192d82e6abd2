/**
 * @module
 * Scores of models that solo, federated and centralised training left behind, on the factories' test windows.
 */
import { scale, type Scaler } from "../data/scaler.ts";
import type { BuildName } from "../kernels/build.ts";
import type { ModelSpec } from "../model/spec.ts";
import { adapt } from "./artefact.ts";
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
   * Before it predicts a factory's test windows, adapt a model that normalises over batches to them, without their
   * labels. Default: it keeps the statistics of the training windows of whoever uses it.
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

/** What predicts: parameters of the spec, and what scales its windows. */
export interface Fitted {
  readonly parameters: Float32Array;
  readonly scaler: Scaler;
  /** (S) by factory, of a model that normalises over batches. Centralised and alone there is one, whoever uses the model. */
  readonly statistics?: ReadonlyMap<string, Float32Array>;
}

/** By factory and over all; a solo model's score over all is that of each factory's own model on that factory's windows, put together. */
export async function scoresOf(options: Scoring, way: Way, modelOf: (factory: number) => Fitted): Promise<Score[]> {
  const { factories, spec, pool, build = "simd", judgedOn = "own" } = options;
  const whole = concatAll(factories.map(({ test }) => test));
  const predict = async ({ parameters, scaler, statistics: own }: Fitted, user: string, windows: TaskWindows) => {
    const statistics = options.adaptive ? await adapt({ spec, build, parameters, scaler }, windows, pool) : own && (own.get(user) ?? [...own.values()][0]);
    return pool.predict({ kind: "predict", spec, build, parameters, statistics, inputs: scale(windows, scaler) });
  };
  const predictWhole = async (model: Fitted, user: string) => concatenate(await Promise.all(factories.map(({ test }) => predict(model, user, test))));
  const score = (factory: string, predictions: Float32Array, windows: TaskWindows): Score => ({
    case: options.case, model: options.model, way, factory, samples: windows.count, figures: options.figures(predictions, windows),
    ...(options.intervals && factory === ALL ? { intervals: options.intervals(predictions, windows) } : {}),
  });
  const onOwn = await Promise.all(factories.map(({ id, test }, index) => predict(modelOf(index), id, test)));
  const scores = await Promise.all(factories.map(async ({ id, test }, index) =>
    judgedOn === "all" ? score(id, await predictWhole(modelOf(index), id), whole) : score(id, onOwn[index], test)));
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
