/**
 * @module
 * Scores of a network in a study's case: alone in each factory, federated, and with all data in one place,
 * each with the same rounds and gradient steps per sample (tasks/federation.ts).
 */
import { scale } from "../data/scaler.ts";
import type { BuildName } from "../kernels/build.ts";
import type { ModelSpec } from "../model/spec.ts";
import type { Training } from "../model/trainer.ts";
import { adapt, differenceOf, encodeArtefact, exportRun, type Artefact, type OnnxRunner } from "./artefact.ts";
import { concatAll, inOnePlace } from "./comparison.ts";
import { federate, type Federated } from "./federation.ts";
import type { Pool } from "./pool.ts";
import { ALL, type CaseResult, type Score, type Way } from "./study.ts";
import type { TaskData, TaskFactory, TaskWindows } from "./task.ts";

type Trained = Exclude<Way, "rule">;

export interface NetworkScoring {
  /** As in Score. */
  readonly case: string;
  readonly model: string;
  /** Default: all three. */
  readonly ways?: readonly Trained[];
  readonly factories: readonly TaskFactory[];
  readonly spec: ModelSpec;
  readonly seed: number;
  readonly rounds: number;
  readonly training: (round: number) => Training;
  /** Settings and regimes of the raw rows. Default: none. */
  readonly data?: Pick<TaskData, "settings" | "regimes">;
  /** On which test windows a factory's models are judged: its own (the default), or all factories'. */
  readonly judgedOn?: "own" | "all";
  /**
   * Before it predicts a factory's test windows, adapt a model that normalises over batches to them, without their
   * labels. Default: it keeps the statistics of the training windows of whoever uses it.
   */
  readonly adaptive?: boolean;
  readonly pool: Pool;
  readonly build?: BuildName;
  readonly signal?: AbortSignal;
  /** Share of all training done. */
  readonly progress?: (share: number, what: string) => void;
  /** What a model's predictions on these windows are worth. */
  figures(predictions: Float32Array, windows: TaskWindows): Record<string, number>;
  /** 95 % intervals of some of the figures, over all test windows. */
  intervals?(predictions: Float32Array, windows: TaskWindows): Record<string, readonly [number, number]>;
}

export interface NetworkScores {
  readonly scores: readonly Score[];
  readonly federated: Federated | null;
  readonly centralised: Federated | null;
  /** Up and down in the federation, all rounds. */
  readonly bytes: number;
}

const NO_REGIMES = { settings: 0, regimes: 1 };

/** A solo model's score over all is that of each factory's own model on that factory's windows, put together. */
export async function networkScores(options: NetworkScoring): Promise<NetworkScores> {
  const { factories, ways = ["solo", "federated", "centralised"], pool, build = "simd", spec, judgedOn = "own" } = options;
  const groups = ways.flatMap((way): { way: Trained; members: readonly TaskFactory[] }[] =>
    way === "solo" ? factories.map((factory) => ({ way, members: [factory] })) : [{ way, members: way === "federated" ? factories : [inOnePlace(factories)] }]);
  let done = 0;
  let bytes = 0;
  const trained = await Promise.all(groups.map(({ way, members }) =>
    train(options, members, (sent) => {
      if (way === "federated") bytes += sent;
      options.progress?.(++done / (groups.length * options.rounds), way === "solo" ? `${options.model} alone` : `${options.model} ${way}`);
    })));

  const whole = concatAll(factories.map(({ test }) => test));
  /** `user` is the factory that uses the model; centralised and alone, there is only one whose statistics it could have. */
  const predict = async ({ parameters, scaler, statistics: own }: Federated, user: string, windows: TaskWindows) => {
    const statistics = options.adaptive ? await adapt({ spec, build, parameters, scaler }, windows, pool) : (own.get(user) ?? [...own.values()][0]);
    return pool.predict({ kind: "predict", spec, build, parameters, statistics, inputs: scale(windows, scaler) });
  };
  const predictWhole = async (model: Federated, user: string) => concatenate(await Promise.all(factories.map(({ test }) => predict(model, user, test))));
  const score = (way: Way, factory: string, predictions: Float32Array, windows: TaskWindows): Score => ({
    case: options.case, model: options.model, way, factory, samples: windows.count, figures: options.figures(predictions, windows),
    ...(options.intervals && factory === ALL ? { intervals: options.intervals(predictions, windows) } : {}),
  });
  const scores: Score[] = [];
  for (const way of ways) {
    const own = trained.filter((_, index) => groups[index].way === way);
    const modelOf = (index: number) => (way === "solo" ? own[index] : own[0]);
    const onOwn = await Promise.all(factories.map(({ id, test }, index) => predict(modelOf(index), id, test)));
    for (const [index, { id, test }] of factories.entries()) {
      scores.push(judgedOn === "all" ? score(way, id, await predictWhole(modelOf(index), id), whole) : score(way, id, onOwn[index], test));
    }
    scores.push(score(way, ALL, concatenate(onOwn), whole));
  }
  const only = (way: Trained) => (ways.includes(way) ? trained[groups.findIndex((group) => group.way === way)] : null);
  return { scores, federated: only("federated"), centralised: only("centralised"), bytes };
}

function train({ spec, build, seed, rounds, training, pool, data = NO_REGIMES, signal }: NetworkScoring, factories: readonly TaskFactory[], onRound: (bytes: number) => void): Promise<Federated> {
  // The study's figures come from predictions on test windows at the end; nothing is evaluated on the way.
  const counts = () => Float64Array.of(0);
  return federate({ factories, spec, build, seed, rounds, training, pool, data, counts, signal, onRound: ({ bytes }) => onRound(bytes) });
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

/** What a study leaves behind of a model, its export compared with an ONNX runtime's predictions where there is one. */
export async function deploy(study: string, data: TaskData, artefact: Artefact, pool: Pool, runOnnx: OnnxRunner | undefined): Promise<NonNullable<CaseResult["model"]>> {
  const checkpoint = encodeArtefact(study, data, artefact);
  const onnx = exportRun(checkpoint);
  return { checkpoint, onnx, maxAbsDifference: runOnnx ? await differenceOf(onnx, artefact, data, pool, runOnnx) : null };
}
