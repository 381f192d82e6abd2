/**
 * @module
 * Where training and prediction run. A job is plain data and a pure function of it: the same job gives
 * the same bits on any worker, so a run does not depend on how many there are.
 */
import { loadBuild, type Build, type BuildName } from "../kernels/build.ts";
import { Model } from "../model/model.ts";
import type { Machinery } from "../model/network.ts";
import type { ModelSpec } from "../model/spec.ts";
import type { Examples, Fitted, Training } from "../model/trainer.ts";

export interface FitJob {
  readonly kind: "fit";
  readonly spec: ModelSpec;
  /** Of the kernels. Default: simd. */
  readonly build?: BuildName;
  /** (P) to start from. */
  readonly parameters: Float32Array;
  readonly examples: Examples;
  readonly training: Training;
  /** Names the shuffles and the dropout masks. */
  readonly stream: readonly (string | number)[];
}

export interface PredictJob {
  readonly kind: "predict";
  readonly spec: ModelSpec;
  readonly build?: BuildName;
  readonly parameters: Float32Array;
  /** (S) of a model that normalises over batches: whose, decides who asks. Empty or absent otherwise. */
  readonly statistics?: Float32Array;
  /** (N,T,I) scaled. */
  readonly inputs: Float32Array;
}

/** What a model that normalises over batches is adapted to: a factory's own windows, or those it has to predict. */
export interface AdaptJob extends Omit<PredictJob, "kind" | "statistics"> {
  readonly kind: "adapt";
}

export type Job = FitJob | PredictJob | AdaptJob;

export type FitResult = Fitted & { readonly parameters: Float32Array };

export interface Pool {
  /** How many jobs run at once. */
  readonly size: number;
  /** Train, and return the trained parameters; statistics belong to parameters that are used, so `adapt` gives them. Of the jobs that wait, the one with the most windows goes first, so that none is left to end alone. */
  fit(job: FitJob): Promise<FitResult>;
  /** What the head puts out: (N, classes) probabilities, or (N), (N,O) or (N,O,Q) values, or scaled windows (N,T,I). */
  predict(job: PredictJob): Promise<Float32Array>;
  /** (S) statistics of the windows at these parameters. */
  adapt(job: AdaptJob): Promise<Float32Array>;
  close(): Promise<void>;
}

/** How much memory training may take; results do not depend on it. */
export type BenchOptions = Pick<Machinery, "blockSteps">;

/** Performs jobs one at a time; keeps the model of the last spec it saw, since building one costs more than a small job. */
export class Bench {
  readonly #models = new Map<string, Model>();
  readonly #options: BenchOptions;

  constructor(options: BenchOptions = {}) {
    this.#options = options;
  }

  /** Whatever the job's kind asks for. */
  perform(job: Job): Promise<FitResult | Float32Array> {
    return job.kind === "fit" ? this.fit(job) : job.kind === "predict" ? this.predict(job) : this.adapt(job);
  }

  async fit({ spec, build, parameters, examples, training, stream }: FitJob): Promise<FitResult> {
    const model = this.#model(spec, await loadBuild(build ?? "simd"), parameters);
    const fitted = model.train(examples, training, stream);
    return { ...fitted, parameters: model.parameters.slice() };
  }

  async predict({ spec, build, parameters, statistics, inputs }: PredictJob): Promise<Float32Array> {
    const model = this.#model(spec, await loadBuild(build ?? "simd"), parameters);
    const S = model.statistics.length;
    if (S !== (statistics?.length ?? 0)) throw new RangeError(`prediction expected ${S} statistics for this spec, got ${statistics?.length ?? "none"}; adapt the model to the factory's own windows first`);
    if (statistics) model.statistics.set(statistics);
    if (spec.head.type === "classify") return model.predictProbabilities(inputs);
    return spec.head.type === "reconstruct" ? model.reconstruct(inputs) : model.predict(inputs);
  }

  async adapt({ spec, build, parameters, inputs }: AdaptJob): Promise<Float32Array> {
    const model = this.#model(spec, await loadBuild(build ?? "simd"), parameters);
    model.adapt(inputs);
    return model.statistics.slice();
  }

  #model(spec: ModelSpec, build: Build, parameters: Float32Array): Model {
    const key = JSON.stringify([build.name, spec]);
    const model = this.#models.get(key) ?? new Model(spec, { build, ...this.#options });
    if (!this.#models.has(key)) this.#models.clear(); // a run has one spec; the memory of another is not worth keeping
    this.#models.set(key, model);
    model.parameters.set(parameters);
    return model;
  }
}

/** Everything on the calling thread, with a pause between jobs so that timers and signals get their turn. */
export function inlinePool(options?: BenchOptions): Pool {
  const bench = new Bench(options);
  const pause = () => new Promise<void>((resolve) => setTimeout(resolve, 0));
  return {
    size: 1,
    fit: async (job) => (await pause(), bench.fit(job)),
    predict: async (job) => (await pause(), bench.predict(job)),
    adapt: async (job) => (await pause(), bench.adapt(job)),
    close: async () => {},
  };
}
