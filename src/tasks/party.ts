/**
 * @module
 * A factory's part in a federation, the same in one process as across a network: agree on regimes and on
 * a scaler from what all share, train, evaluate. Numbers that add up travel, never rows.
 *
 *     regimes ─ gather ─► centres ─┐
 *     moments ─ gather ─► scaler  ─┴─► rounds: fit ─ update ─► global ─► evaluate on validation
 *                                      └─► at the end, once: test ─ gather
 */
import { mergeMoments, momentsLength, windowMoments } from "../data/moments.ts";
import { clusterSettings, mergeClusters, type Regimes } from "../data/regime.ts";
import { scale, scalerFromMoments, type Scaler } from "../data/scaler.ts";
import { FactoryClient, type FactoryClientOptions, type Learner } from "../federation/client.ts";
import { sum, type Merge } from "../federation/merge.ts";
import type { BuildName } from "../kernels/build.ts";
import { statisticsOf } from "../model/layout.ts";
import { initialParameters } from "../model/network.ts";
import type { ModelSpec } from "../model/spec.ts";
import type { Examples, Training } from "../model/trainer.ts";
import type { Pool } from "./pool.ts";
import type { TaskData, TaskFactory, TaskWindows } from "./task.ts";

export interface PartyOptions {
  readonly factory: TaskFactory;
  readonly spec: ModelSpec;
  /** Of the kernels. Default: simd. */
  readonly build?: BuildName;
  readonly seed: number;
  readonly pool: Pool;
  /** Settings and regimes of the raw rows. */
  readonly data: Pick<TaskData, "settings" | "regimes">;
  /** What adds up over windows: see model/metrics.ts. `inputs` are the windows as the model saw them, scaled. */
  readonly counts: (predictions: Float32Array, windows: TaskWindows, inputs: Float32Array) => Float64Array;
  /** Evaluate each round's model on validation windows; without, only the last one's. */
  readonly everyRound?: boolean;
  /** Called when the factories have agreed on it, before the first round. */
  readonly onScaler?: (scaler: Scaler) => void;
  /** Called after each local training. */
  readonly onFit?: (round: number, fitted: { readonly samples: number; readonly loss: number }) => void;
}

export interface Party {
  readonly scaler: Scaler;
  /** (P) of the last round. */
  readonly parameters: Float32Array;
  /** (S) of the final model on the factory's training windows; empty where the model has none. */
  readonly statistics: Float32Array;
}

/** Take part from the first topic to the last. @throws as FactoryClient.run */
export async function takePart(options: PartyOptions, connection: Omit<FactoryClientOptions, "id" | "learner">, signal: AbortSignal): Promise<Party> {
  const { factory } = options;
  const learner = new FactoryLearner(options);
  const client = new FactoryClient({ ...connection, id: factory.id, learner, build: options.build });
  const scaler = await agreeOnScaler(client, options, signal);
  learner.scale(scaler);
  options.onScaler?.(scaler);
  const parameters = await client.run(signal);
  await client.gather("test", await learner.countsOf(factory.test), signal);
  if (!options.everyRound) await client.gather("validation", await learner.countsOf(factory.validation), signal);
  return { scaler, parameters, statistics: await learner.statistics() };
}

/** How the orchestrator merges a topic: counts add up, as they do by default. */
export function mergeOf({ settings, regimes }: Pick<TaskData, "settings" | "regimes">, spec: ModelSpec): Merge {
  return (topic, contributions) => {
    const parts = [...contributions.values()];
    if (topic === "regimes") return packRegimes(mergeClusters(parts, settings, regimes));
    if (topic === "moments") return mergeBranches(parts, spec);
    return sum(topic, contributions);
  };
}

/** Moments of the input's columns, and behind them of the side's. */
function mergeBranches(parts: readonly Float64Array[], { input, side }: ModelSpec): Float64Array {
  const behind = side ? momentsLength(side.input.features) : 0;
  const split = parts[0].length - behind;
  const main = mergeMoments(parts.map((part) => part.subarray(0, part.length - behind)), input.features, split / momentsLength(input.features));
  return side ? Float64Array.of(...main, ...mergeMoments(parts.map((part) => part.subarray(part.length - behind)), side.input.features)) : main;
}

async function agreeOnScaler(client: FactoryClient, { factory: { id, train }, spec, data }: PartyOptions, signal: AbortSignal): Promise<Scaler> {
  const regimes = await agreeOnRegimes(client, train, data, signal);
  const side = spec.side && train.side;
  if (spec.side && !side) throw new RangeError(`factory "${id}": windows expected a side of ${spec.side.input.steps} x ${spec.side.input.features} values, got none`);
  const own = windowMoments(train, regimes);
  const beside = side ? windowMoments({ ...side, count: train.count }) : [];
  const moments = await client.gather("moments", Float64Array.of(...own, ...beside), signal);
  const scaler = scalerFromMoments(moments.subarray(0, own.length), train.features - data.settings, regimes);
  return side ? { ...scaler, side: scalerFromMoments(moments.subarray(own.length), side.features) } : scaler;
}

/** Undefined where there is one. */
export async function agreeOnRegimes(client: FactoryClient, train: TaskWindows, { settings, regimes }: PartyOptions["data"], signal: AbortSignal): Promise<Regimes | undefined> {
  if (regimes === 1) return undefined;
  return unpackRegimes(await client.gather("regimes", clusterSettings(train, settings, regimes), signal), settings);
}

/** The scaler of merged moments: what an orchestrator reads off the topics that its clients agreed by. */
export function scalerOfTopics(spec: ModelSpec, { settings }: Pick<TaskData, "settings">, moments: Float64Array, regimes: Float64Array | undefined): Scaler {
  const merged = regimes && unpackRegimes(regimes, settings);
  const sensors = spec.input.features;
  const main = moments.length - (spec.side ? momentsLength(spec.side.input.features) : 0);
  const scaler = scalerFromMoments(moments.subarray(0, main), sensors, merged);
  return spec.side ? { ...scaler, side: scalerFromMoments(moments.subarray(main), spec.side.input.features) } : scaler;
}

/** On the wire: the spread, then the centres. */
const packRegimes = ({ centres, spread }: Regimes): Float64Array => Float64Array.from([spread, ...centres].flat());

function unpackRegimes(numbers: Float64Array, settings: number): Regimes {
  const rows = Array.from({ length: numbers.length / settings }, (_, row) => [...numbers.subarray(row * settings, (row + 1) * settings)]);
  return { settings, spread: rows[0], centres: rows.slice(1) };
}

/** A factory's learner: its windows, scaled, and a pool to train on. */
export class FactoryLearner implements Learner {
  readonly parameters: Float32Array;
  readonly evaluate?: () => Promise<Float64Array>;
  readonly #factory: TaskFactory;
  readonly #options: PartyOptions;
  readonly #scaled = new Map<TaskWindows, Float32Array>();
  #adapted: { readonly parameters: Float32Array; readonly statistics: Float32Array } | undefined;
  #scaler!: Scaler;

  constructor(options: PartyOptions) {
    this.#factory = options.factory;
    this.#options = options;
    this.parameters = initialParameters(options.spec, options.seed);
    if (options.everyRound) this.evaluate = () => this.countsOf(this.#factory.validation);
  }

  get samples(): number {
    return this.#factory.train.count;
  }

  scale(scaler: Scaler): void {
    this.#scaler = scaler;
  }

  async fit({ round, settings }: { round: number; settings: unknown }) {
    const { pool, spec, build, seed } = this.#options;
    const { train, id } = this.#factory;
    const examples: Examples = { inputs: this.#inputs(train), targets: train.targets, count: train.count };
    const stream = [seed, id, round];
    const { parameters, ...fitted } = await pool.fit({ kind: "fit", spec, build, parameters: this.parameters, examples, training: settings as Training, stream });
    this.parameters.set(parameters);
    this.#options.onFit?.(round, fitted);
    return fitted;
  }

  async countsOf(windows: TaskWindows): Promise<Float64Array> {
    const { pool, spec, build, counts } = this.#options;
    const inputs = this.#inputs(windows);
    const predictions = await pool.predict({ kind: "predict", spec, build, parameters: this.parameters, statistics: await this.statistics(), inputs });
    return counts(predictions, windows, inputs);
  }

  /** Of the parameters at hand, on the training windows. */
  async statistics(): Promise<Float32Array> {
    const { pool, spec, build } = this.#options;
    if (statisticsOf(spec).length === 0) return new Float32Array(0);
    const same = this.#adapted?.parameters.every((value, p) => value === this.parameters[p]);
    if (!same) {
      const parameters = this.parameters.slice();
      this.#adapted = { parameters, statistics: await pool.adapt({ kind: "adapt", spec, build, parameters, inputs: this.#inputs(this.#factory.train) }) };
    }
    return this.#adapted!.statistics;
  }

  #inputs(windows: TaskWindows): Float32Array {
    const scaled = this.#scaled.get(windows) ?? shared(scale(windows, this.#scaler));
    this.#scaled.set(windows, scaled);
    return scaled;
  }
}

/** In memory that worker threads read without a copy, where the runtime has it. */
export function shared(values: Float32Array): Float32Array {
  if (typeof SharedArrayBuffer === "undefined") return values;
  const copy = new Float32Array(new SharedArrayBuffer(values.byteLength));
  copy.set(values);
  return copy;
}
