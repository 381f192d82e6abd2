/**
 * @module
 * A linear model of a task's factories in one round: solo, federated and centralised (model/gram.ts).
 *
 *     sums of columns ─ gather ─► scaler ─► sums of products, training and validation ─ gather ─► the same model, everywhere
 *
 * All sums are exact (data/exact.ts, model/gram.ts), so the federated model is the centralised one, bit for bit, for
 * any split of the windows; both are computed all the same, each from its own data. The penalty is the one whose
 * error on all validation windows is least; that error, too, comes from sums. Where there are operating regimes
 * they are clusters of the factories' clusters, in both.
 */
import { exactSums, momentsOfSums } from "../data/exact.ts";
import { clusterSettings, mergeClusters, type Regimes } from "../data/regime.ts";
import { scale, scalerFromMoments, type Scaler } from "../data/scaler.ts";
import { chooseGram, gramOf, LAMBDAS, mergeGrams, solveGram, type LinearFit } from "../model/gram.ts";
import type { ModelSpec } from "../model/spec.ts";
import { concatWindows } from "../signal/window.ts";
import { inGathers } from "./gather.ts";
import { agreeOnRegimes, mergeOf } from "./party.ts";
import { scoresOf, type Scoring } from "./score.ts";
import type { Score, Way } from "./study.ts";
import type { TaskData, TaskFactory, TaskWindows } from "./task.ts";

export interface LinearOptions {
  /** Validation windows may be none where there is one penalty. */
  readonly factories: readonly TaskFactory[];
  /** Linear: isLinear. */
  readonly spec: ModelSpec;
  /** Settings and regimes of the raw rows. Default: none. */
  readonly data?: Pick<TaskData, "settings" | "regimes">;
  /** The windows' columns are of like spread already, and are taken as they are. Default: each is scaled by its own. */
  readonly scaled?: boolean;
  /** Penalties to choose from, LAMBDAS unless given. */
  readonly lambdas?: readonly number[];
  /** Solve again with training and validation windows together once the penalty is chosen. Default false. */
  readonly refit?: boolean;
  readonly signal?: AbortSignal;
}

/** A model and what scales its windows. */
export interface LinearModel extends LinearFit {
  readonly scaler: Scaler;
}

export interface LinearModels {
  /** By factory. */
  readonly solo: ReadonlyMap<string, LinearModel>;
  readonly federated: LinearModel;
  readonly centralised: LinearModel;
  /** Up and down, all factories: frames of the whole federation. */
  readonly bytes: number;
}

const NO_REGIMES = { settings: 0, regimes: 1 };

/** @throws RangeError where windows do not fit the spec, sums are not exact, or there is nothing to choose a penalty by */
export async function fitLinear(options: LinearOptions): Promise<LinearModels> {
  const { factories } = options;
  const { models, bytes } = await federateLinear(options);
  return { solo: new Map(factories.map((factory) => [factory.id, inOnePlace([factory], options)])), federated: models, centralised: inOnePlace(factories, options), bytes };
}

/** All windows of these factories together. */
function inOnePlace(factories: readonly TaskFactory[], options: LinearOptions): LinearModel {
  const { spec, data: { settings, regimes: count } = NO_REGIMES } = options;
  const regimes = count > 1 ? mergeClusters(factories.map(({ train }) => clusterSettings(train, settings, count)), settings, count) : undefined;
  const [train, validation] = [concatWindows(factories.map(({ train }) => train)), concatWindows(factories.map(({ validation }) => validation))];
  const scaler = options.scaled ? unscaled(spec) : scalerOf(spec, exactSums(train, regimes), regimes);
  return { ...solve(options, sumsOf(spec, train, scaler), judged(options) ? sumsOf(spec, validation, scaler) : NOTHING), scaler };
}

/** Every factory is a client; the model is what each of them solves for itself, so it is no message. */
async function federateLinear(options: LinearOptions): Promise<{ models: LinearModel; bytes: number }> {
  const { factories, spec, data = NO_REGIMES, signal } = options;
  const { results: [{ scaler, train, validation }], bytes } = await inGathers(factories.map(({ id }) => id), spec, async (client, id, signal) => {
    const factory = factories.find((other) => other.id === id)!;
    const regimes = await agreeOnRegimes(client, factory.train, data, signal);
    const scaler = options.scaled ? unscaled(spec) : scalerOf(spec, await client.gatherLong("columns", exactSums(factory.train, regimes), signal), regimes);
    const train = await client.gatherLong("train", sumsOf(spec, factory.train, scaler), signal);
    const validation = judged(options) ? await client.gatherLong("validation", sumsOf(spec, factory.validation, scaler), signal) : NOTHING;
    return { scaler, train, validation };
  }, { merge: mergeOf(data, spec), signal });
  return { models: { ...solve(options, train, validation), scaler }, bytes };
}

const scalerOf = ({ input: { features } }: ModelSpec, sums: Float64Array, regimes: Regimes | undefined): Scaler =>
  scalerFromMoments(momentsOfSums(sums, features), features, regimes);

function unscaled({ input: { features } }: ModelSpec): Scaler {
  return { mean: [new Array<number>(features).fill(0)], std: [new Array<number>(features).fill(1)] };
}

function sumsOf(spec: ModelSpec, windows: TaskWindows, scaler: Scaler): Float64Array {
  return gramOf(spec, { inputs: scale(windows, scaler), targets: windows.targets, count: windows.count });
}

/** Whether validation windows are looked at. */
const judged = ({ lambdas = LAMBDAS, refit = false }: LinearOptions): boolean => lambdas.length !== 1 || refit;
const NOTHING = new Float64Array(0);

function solve({ spec, lambdas = LAMBDAS, refit = false }: LinearOptions, train: Float64Array, validation: Float64Array): LinearFit {
  const chosen = chooseGram(spec, train, validation, lambdas);
  return refit ? solveGram(spec, mergeGrams(spec, [train, validation]), chosen.lambda) : chosen;
}

export type LinearScoring = LinearOptions & Scoring & {
  /** Default: all three. */
  readonly ways?: readonly Exclude<Way, "rule">[];
};

/** Solo, federated and centralised scores by factory and over all. */
export async function linearScores(options: LinearScoring): Promise<{ readonly scores: readonly Score[]; readonly models: LinearModels }> {
  const { factories, ways = ["solo", "federated", "centralised"] } = options;
  const models = await fitLinear(options);
  const modelOf = { solo: (factory: number) => models.solo.get(factories[factory].id)!, federated: () => models.federated, centralised: () => models.centralised };
  const scores = await Promise.all(ways.map((way) => scoresOf(options, way, modelOf[way])));
  return { scores: scores.flat(), models };
}
