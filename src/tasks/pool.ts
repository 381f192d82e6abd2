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
  /** (N,T,I) scaled. */
  readonly inputs: Float32Array;
}

export type FitResult = Fitted & { readonly parameters: Float32Array };

export interface Pool {
  /** How many jobs run at once. */
  readonly size: number;
  /** Train, and return the trained parameters. Of the jobs that wait, the one with the most windows goes first, so that none is left to end alone. */
  fit(job: FitJob): Promise<FitResult>;
  /** What the head puts out: (N, classes) probabilities, or (N), (N,O) or (N,O,Q) values, or scaled windows (N,T,I). */
  predict(job: PredictJob): Promise<Float32Array>;
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

  async fit({ spec, build, parameters, examples, training, stream }: FitJob): Promise<FitResult> {
    const model = this.#model(spec, await loadBuild(build ?? "simd"), parameters);
    const fitted = model.fit(examples, training, stream);
    return { ...fitted, parameters: model.parameters.slice() };
  }

  async predict({ spec, build, parameters, inputs }: PredictJob): Promise<Float32Array> {
    const model = this.#model(spec, await loadBuild(build ?? "simd"), parameters);
    if (spec.head.type === "classify") return model.predictProbabilities(inputs);
    return spec.head.type === "reconstruct" ? model.reconstruct(inputs) : model.predict(inputs);
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
    close: async () => {},
  };
}
