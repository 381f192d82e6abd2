/**
 * @module
 * One federation of a task's factories in one process. Solo and centralised training are federations
 * of one: the same rounds, the same optimizer resets, the same gradient steps a sample, so that what
 * differs in the table is the data and nothing else.
 *
 *     regimes ─ gather ─► centres ─┐
 *     moments ─ gather ─► scaler  ─┴─► rounds: fit ─ update ─► global ─► evaluate on validation ─ gather
 *                                                               └─► at the end, once: test ─ gather
 *
 * A model that normalises over batches is evaluated at each factory with the statistics of that factory's
 * training windows. They are measured where the windows are and stay there.
 */
import { mergeMoments, momentsLength, windowMoments } from "../data/moments.ts";
import { clusterSettings, mergeClusters, type Regimes } from "../data/regime.ts";
import { scale, scalerFromMoments, type Scaler } from "../data/scaler.ts";
import { fingerprintOf } from "../federation/checksum.ts";
import { FactoryClient, type Learner } from "../federation/client.ts";
import { sum } from "../federation/merge.ts";
import { Orchestrator, type Merge, type RoundReport } from "../federation/orchestrator.ts";
import type { BuildName } from "../kernels/build.ts";
import { statisticsOf } from "../model/layout.ts";
import { initialParameters } from "../model/network.ts";
import type { ModelSpec } from "../model/spec.ts";
import type { Examples, Training } from "../model/trainer.ts";
import type { Pool } from "./pool.ts";
import type { TaskData, TaskFactory, TaskWindows } from "./task.ts";

export interface FederationOptions {
  readonly factories: readonly TaskFactory[];
  readonly spec: ModelSpec;
  /** Of the kernels. Default: simd. */
  readonly build?: BuildName;
  readonly seed: number;
  readonly rounds: number;
  /** (P) to start from. Default: drawn from the seed. */
  readonly initial?: Float32Array;
  readonly training: (round: number) => Training;
  readonly pool: Pool;
  /** Settings and regimes of the raw rows. */
  readonly data: Pick<TaskData, "settings" | "regimes">;
  /** What adds up over windows: see model/metrics.ts. `inputs` are the windows as the model saw them, scaled. */
  readonly counts: (predictions: Float32Array, windows: TaskWindows, inputs: Float32Array) => Float64Array;
  /** Evaluate each round's model on validation windows; without, only the last one's. */
  readonly everyRound?: boolean;
  /** Go on after this round from these parameters. */
  readonly resume?: { readonly round: number; readonly parameters: Float32Array };
  readonly signal?: AbortSignal;
  readonly onRound?: (report: RoundReport, parameters: Float32Array, scaler: Scaler) => void | Promise<void>;
}

export interface Federated {
  readonly parameters: Float32Array;
  readonly sha256: string;
  readonly scaler: Scaler;
  /** By factory id, (S) statistics of the final model on that factory's training windows; empty where the model has none. Each has left its factory for this result only. */
  readonly factoryStatistics: ReadonlyMap<string, Float32Array>;
  /** By factory id, of the final model. */
  readonly validation: ReadonlyMap<string, Float64Array>;
  readonly test: ReadonlyMap<string, Float64Array>;
}

/** @throws RangeError when a factory cannot take part, or training diverges; whatever the signal was aborted with. */
export async function federate(options: FederationOptions): Promise<Federated> {
  const { factories, spec, build, seed, rounds, resume, data } = options;
  const fingerprint = await fingerprintOf(spec);
  const contributions = new Map<string, ReadonlyMap<string, Float64Array>>();
  const orchestrator = new Orchestrator({
    clients: factories.map(({ id }) => id),
    parameters: resume?.parameters ?? options.initial ?? initialParameters(spec, seed),
    rounds,
    startRound: (resume?.round ?? 0) + 1,
    fingerprint,
    build,
    training: options.training,
    merge: (topic, parts) => {
      contributions.set(topic, parts);
      return mergeOf(data, spec)(topic, parts);
    },
    onRound: (report, parameters) => options.onRound?.(report, parameters, scaler),
  });

  // The first factory that fails ends the run for all: the others would wait for it for ever.
  const ending = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, ending.signal]) : ending.signal;
  let scaler!: Scaler;
  const factoryStatistics = new Map<string, Float32Array>();
  const parties = factories.map(async (factory) => {
    const own = AbortSignal.any([signal]); // a listener more for each of dozens of factories would make some runtimes warn
    const learner = new FactoryLearner(factory, options);
    const client = new FactoryClient({ id: factory.id, exchange: orchestrator.handle, learner, fingerprint, build });
    scaler = await agreeOnScaler(client, factory, options, own);
    learner.scale(scaler);
    await client.run(own);
    await client.gather("test", await learner.countsOf(factory.test), own);
    if (!options.everyRound) await client.gather("validation", await learner.countsOf(factory.validation), own);
    factoryStatistics.set(factory.id, await learner.statistics());
  });
  try {
    await Promise.all(parties);
  } catch (error) {
    ending.abort(error);
    await Promise.allSettled(parties);
    throw error;
  }
  const { parameters, sha256 } = await orchestrator.finished;
  const last = orchestrator.history.at(-1);
  const validation = options.everyRound
    ? new Map(last!.clients.map(({ id, evaluation }) => [id, evaluation]))
    : contributions.get("validation")!;
  return { parameters, sha256, scaler, factoryStatistics, validation, test: contributions.get("test")! };
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

async function agreeOnScaler(client: FactoryClient, { id, train }: TaskFactory, { spec, data }: FederationOptions, signal: AbortSignal): Promise<Scaler> {
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
export async function agreeOnRegimes(client: FactoryClient, train: TaskWindows, { settings, regimes }: FederationOptions["data"], signal: AbortSignal): Promise<Regimes | undefined> {
  if (regimes === 1) return undefined;
  return unpackRegimes(await client.gather("regimes", clusterSettings(train, settings, regimes), signal), settings);
}

/** On the wire: the spread, then the centres. */
const packRegimes = ({ centres, spread }: Regimes): Float64Array => Float64Array.from([spread, ...centres].flat());

function unpackRegimes(numbers: Float64Array, settings: number): Regimes {
  const rows = Array.from({ length: numbers.length / settings }, (_, row) => [...numbers.subarray(row * settings, (row + 1) * settings)]);
  return { settings, spread: rows[0], centres: rows.slice(1) };
}

/** A factory's learner: its windows, scaled, and a pool to train on. */
class FactoryLearner implements Learner {
  readonly parameters: Float32Array;
  readonly evaluate?: () => Promise<Float64Array>;
  readonly #factory: TaskFactory;
  readonly #options: FederationOptions;
  readonly #scaled = new Map<TaskWindows, Float32Array>();
  #adapted: { readonly parameters: Float32Array; readonly statistics: Float32Array } | undefined;
  #scaler!: Scaler;

  constructor(factory: TaskFactory, options: FederationOptions) {
    this.#factory = factory;
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
