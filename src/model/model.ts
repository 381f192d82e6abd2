/**
 * @module
 * A model to train and to use: the parameters of a spec, with kernels for both built when needed.
 *
 *     const model = new Model(spec, { seed: 1 });
 *     model.fit(examples, training, ["plant-3", round]);
 *     model.predictState(windows)          // Uint8Array of classes
 *     model.adapt(windows)                 // to unlabelled windows from elsewhere, where it normalises over batches
 */
import { stateOf } from "./metrics.ts";
import { initialParameters, initialStatistics, Network, type Machinery } from "./network.ts";
import { predictionBatch } from "./plan.ts";
import { windowLength } from "./shape.ts";
import { parseSpec, type HeadSpec, type ModelSpec, type ModelSpecInput } from "./spec.ts";
import { predictAll, Trainer, type Examples, type Fitted, type Training } from "./trainer.ts";

export class Model {
  readonly spec: ModelSpec;
  /** (P) the canonical vector; writing to it changes the model. */
  readonly parameters: Float32Array;
  /** (S) mean and variance of each feature that is normalised over a batch: those of the windows it was last fitted or adapted to. Empty without such layers. */
  readonly statistics: Float32Array;
  readonly #machinery: Machinery;
  #training: { readonly network: Network; readonly trainer: Trainer } | undefined;
  #inference: Network | undefined;

  /**
   * @param options parameters and statistics to start from, or a seed for initial parameters; the build of the kernels, a partner, blocks of time
   * @throws RangeError for an impossible spec, or parameters or statistics of another length
   */
  constructor(
    spec: ModelSpecInput | ModelSpec,
    options: { readonly parameters?: Float32Array; readonly statistics?: Float32Array; readonly seed?: number | string } & Machinery = {},
  ) {
    this.spec = parseSpec(spec);
    const initial = initialParameters(this.spec, options.seed ?? 0);
    const { parameters = initial } = options;
    if (parameters.length !== initial.length) throw new RangeError(`"parameters" expected ${initial.length} numbers for this spec, got ${parameters.length}`);
    this.parameters = parameters.slice();
    const neutral = initialStatistics(this.spec);
    const { statistics = neutral } = options;
    if (statistics.length !== neutral.length) throw new RangeError(`"statistics" expected ${neutral.length} numbers for this spec, got ${statistics.length}`);
    this.statistics = statistics.slice();
    this.#machinery = { build: options.build, partner: options.partner, blockSteps: options.blockSteps };
  }

  /** Train on scaled windows, and adapt to them. The same examples, settings and stream give the same bits. */
  fit(examples: Examples, training: Training, stream: readonly (string | number)[]): Fitted {
    const fitted = this.train(examples, training, stream);
    this.adapt(examples.inputs);
    return fitted;
  }

  /** Train only: for a round of a federation, whose model will have other parameters and so other statistics. */
  train(examples: Examples, training: Training, stream: readonly (string | number)[]): Fitted {
    const batch = Math.min(training.batch, Math.max(1, examples.count)); // memory is planned for it, so not for more than there is
    if (!this.#training || this.#training.network.batch < batch) {
      const network = new Network(this.spec, { batch, training: true, ...this.#machinery });
      this.#training = { network, trainer: new Trainer(network) };
    }
    const { network, trainer } = this.#training;
    network.parameters.set(this.parameters);
    const fitted = trainer.fit(examples, training, stream);
    this.parameters.set(network.parameters);
    return fitted;
  }

  /**
   * Take the statistics of N scaled windows (N,T,I), which need no labels: see Network.adapt. Nothing happens to a
   * model without layers that normalise over a batch.
   */
  adapt(inputs: Float32Array): void {
    if (this.statistics.length === 0) return;
    const { network, count } = this.#inferenceOf(inputs);
    if (count === 0) throw new RangeError(`inputs expected at least one window to adapt to, got none`);
    network.adapt(inputs, count);
    this.statistics.set(network.statistics);
  }

  /** Values of N scaled windows (N,T,I) in the head's unit: (N) of a regress head, (N,O) or (N,O,Q), ascending in Q, of a forecast head. */
  predict(inputs: Float32Array): Float32Array {
    this.#expect(["regress", "forecast"], "predict");
    return this.#outputs(inputs);
  }

  /** N scaled windows (N,T,I) as the model reconstructs them, (N,T,I). For a reconstruct head; how far they are off: reconstructionErrors. */
  reconstruct(inputs: Float32Array): Float32Array {
    this.#expect(["reconstruct"], "reconstruct");
    return this.#outputs(inputs);
  }

  /** Probabilities of N scaled windows (N,T,I), (N, classes). For a classify head. */
  predictProbabilities(inputs: Float32Array): Float32Array {
    this.#expect(["classify"], "predictProbabilities");
    return this.#outputs(inputs);
  }

  /**
   * Classes of N scaled windows (N,T,I), (N). With an alarm threshold, one of the last two classes wherever their
   * probabilities add up to it (it is rounded to 1/200, see metrics.ts); without, the most probable class.
   */
  predictState(inputs: Float32Array, alarmThreshold?: number): Uint16Array {
    const probabilities = this.predictProbabilities(inputs);
    const C = this.spec.head.type === "classify" ? this.spec.head.classes.length : 0;
    return Uint16Array.from({ length: probabilities.length / C }, (_, n) => {
      if (alarmThreshold !== undefined) return stateOf(probabilities, n, C, alarmThreshold);
      const row = probabilities.subarray(n * C, (n + 1) * C);
      return row.indexOf(Math.max(...row));
    });
  }

  #expect(heads: readonly HeadSpec["type"][], method: string): void {
    if (!heads.includes(this.spec.head.type)) throw new TypeError(`${method} expected a model with a ${heads.join(" or ")} head, got ${this.spec.head.type}`);
  }

  #outputs(inputs: Float32Array): Float32Array {
    const { network, count } = this.#inferenceOf(inputs);
    network.statistics.set(this.statistics);
    return predictAll(network, inputs, count);
  }

  /** A network for inference with this model's parameters, and how many windows there are. */
  #inferenceOf(inputs: Float32Array): { network: Network; count: number } {
    const count = inputs.length / windowLength(this.spec);
    if (!Number.isInteger(count)) {
      const shape = ({ steps, features }: ModelSpec["input"]) => `${steps} x ${features}`;
      const { input, side } = this.spec;
      throw new RangeError(`inputs expected whole windows of ${shape(input)}${side ? ` and ${shape(side.input)}` : ""} values, got ${inputs.length} values`);
    }
    this.#inference ??= new Network(this.spec, { batch: predictionBatch(this.spec), training: false, ...this.#machinery });
    this.#inference.parameters.set(this.parameters);
    return { network: this.#inference, count };
  }
}

/** (N) mean squared errors, of each window over its steps and features; high where a window is unlike those of the training. */
export function reconstructionErrors(reconstruction: Float32Array, inputs: Float32Array, count: number): Float32Array {
  const size = inputs.length / count;
  if (!Number.isInteger(size) || reconstruction.length !== inputs.length) {
    throw new RangeError(`reconstruction expected as many numbers as ${count} windows have, got ${reconstruction.length} beside ${inputs.length}`);
  }
  return Float32Array.from({ length: count }, (_, n) => {
    let sum = 0;
    for (let at = n * size; at < (n + 1) * size; at++) sum += (reconstruction[at] - inputs[at]) * (reconstruction[at] - inputs[at]);
    return sum / size;
  });
}
