/**
 * @module
 * A model in kernel memory: parameters, stages, and one forward and backward pass over a batch.
 *
 * All memory is planned when the network is built, for one batch size, its trainer's moments included
 * (plan.ts). A network built for inference has no gradients and no dropout stages; there is no mode to
 * switch and none to forget.
 */
import type { Build } from "../kernels/build.ts";
import { Kernels } from "../kernels/kernels.ts";
import type { Partner } from "../kernels/partner.ts";
import { random } from "../kernels/random.ts";
import type { Mask } from "./layer.ts";
import { layoutOf, type Layout } from "./layout.ts";
import { assemble, type Assembly, type Plan, type PlanOptions, type Pointers } from "./plan.ts";
import { outputs } from "./shape.ts";
import { parseSpec, type ModelSpec } from "./spec.ts";

/** What a batch is judged by. */
export interface Loss {
  /** Weight of each class; absent: 1 each. */
  readonly classWeights?: readonly number[];
  /** Share of the target that is spread over all classes. Default 0. */
  readonly labelSmoothing?: number;
  /** Where Huber's loss turns linear, in units of the target over the head's scale. Absent: squared error. */
  readonly huberDelta?: number;
}

/** How the kernels run. A partner and blocks of time do not change a bit of what they compute. */
export interface Machinery extends Pick<PlanOptions, "blockSteps"> {
  /** Default: the partner's, or simd. */
  readonly build?: Build;
  /** A second thread for bidirectional layers; the network then lies in the partner's memory until that is given up. */
  readonly partner?: Partner;
}

const NO_DROPOUT: Mask = { seedLow: 0, seedHigh: 0, step: 0 };

export class Network {
  readonly spec: ModelSpec;
  readonly layout: Layout;
  readonly kernels: Kernels;
  /** The largest number of windows in one pass. */
  readonly batch: number;
  readonly training: boolean;
  /** Where everything lies in memory. */
  readonly plan: Plan;
  readonly #pointers: Pointers;
  readonly #input: Assembly["input"];
  readonly #stages: Assembly["stages"];

  /**
   * @param spec checked by parseSpec
   * @throws RangeError for an impossible spec, a batch that does not fit into memory, or a partner of another build
   */
  constructor(spec: unknown, options: { batch: number; training: boolean } & Machinery) {
    this.spec = parseSpec(spec);
    this.layout = layoutOf(this.spec);
    this.batch = options.batch;
    this.training = options.training;
    this.kernels = kernelsFor(options);
    const { plan, pointers, input, stages } = assemble(this.spec, options, this.kernels, options.partner);
    this.kernels.allocate(plan.end - this.kernels.mark());
    this.plan = plan;
    this.#pointers = pointers;
    this.#input = input;
    this.#stages = stages;
  }

  /** The canonical vector, (P). Writing to it changes the model. */
  get parameters(): Float32Array {
    return this.kernels.float32(this.#pointers.parameters, this.layout.length);
  }

  /** The gradient of the last backward pass, (P). */
  get gradients(): Float32Array {
    return this.kernels.float32(this.#pointers.gradients, this.training ? this.layout.length : 0);
  }

  /** Addresses of parameters, gradients and moments, for the optimizer's kernels. */
  get pointers(): Pointers {
    return this.#pointers;
  }

  /**
   * Copy windows into the input, turning (B,T,I) into (T,B,I).
   * @param inputs (N,T,I) scaled windows
   * @param indices which of them, at most `batch`
   */
  load(inputs: Float32Array, indices: ArrayLike<number>): void {
    const { steps: T, features: I } = this.spec.input;
    const B = indices.length;
    if (B > this.batch) throw new RangeError(`"indices" expected at most ${this.batch} windows, the batch this network was built for, got ${B}`);
    const x = this.kernels.float32(this.#input.value, T * B * I);
    for (let b = 0; b < B; b++) {
      let from = indices[b] * T * I;
      for (let t = 0; t < T; t++) {
        const to = (t * B + b) * I;
        for (let i = 0; i < I; i++) x[to + i] = inputs[from++];
      }
    }
  }

  /** Forward pass over the first B loaded windows. */
  forward(B: number, mask: Mask = NO_DROPOUT): void {
    for (const stage of this.#stages) stage.forward(B, mask);
  }

  /**
   * Loss of the last forward pass against `targets` (B), and its gradient in `gradients`.
   * Class indices for classify, values in the target's unit for regress.
   */
  backward(targets: Float32Array, loss: Loss, mask: Mask = NO_DROPOUT): number {
    if (!this.training) throw new TypeError(`backward expected a network built with training: true`);
    const B = targets.length;
    this.gradients.fill(0);
    const value = this.#lossGradient(targets, loss);
    for (let index = this.#stages.length - 1; index >= 0; index--) this.#stages[index].backward(B, mask);
    return value;
  }

  #lossGradient(targets: Float32Array, loss: Loss): number {
    const { wasm } = this.kernels;
    const { head } = this.spec;
    const B = targets.length;
    const { value, gradient } = this.#stages[this.#stages.length - 1].output;
    const target = this.kernels.float32(this.#pointers.targets, B);
    if (head.type === "classify") {
      target.set(targets);
      const O = head.classes.length;
      this.kernels.float32(this.#pointers.classWeights, O).set(loss.classWeights ?? new Array(O).fill(1));
      const { probabilities, classWeights } = this.#pointers;
      return wasm.softmaxCrossEntropy(probabilities, gradient, value, this.#pointers.targets, classWeights, B, O, loss.labelSmoothing ?? 0);
    }
    targets.forEach((y, b) => (target[b] = y / head.scale));
    return loss.huberDelta === undefined
      ? wasm.mse(gradient, value, this.#pointers.targets, B)
      : wasm.huber(gradient, value, this.#pointers.targets, B, loss.huberDelta);
  }

  /** What the last forward pass predicts: (B, classes) probabilities, or (B) values in the target's unit. A copy. */
  predictions(B: number): Float32Array {
    const { head } = this.spec;
    const O = outputs(head);
    const { value } = this.#stages[this.#stages.length - 1].output;
    if (head.type === "regress") return this.kernels.float32(value, B).map((y) => y * head.scale);
    this.kernels.wasm.softmax(this.#pointers.probabilities, value, B, O);
    return this.kernels.float32(this.#pointers.probabilities, B * O).slice();
  }
}

function kernelsFor({ build, partner }: Machinery): Kernels {
  if (!partner) return new Kernels({ build });
  const { name } = partner.kernels.build;
  if (build && build.name !== name) throw new RangeError(`"build" expected ${name}, that of the partner, got ${build.name}`);
  return partner.kernels;
}

/**
 * Initial parameters, (P): uniform as the layout states, from the stream of that name under the seed.
 * The forget gate's input bias starts at 1, so that memory is kept until training says otherwise
 * (Jozefowicz et al. 2015).
 */
export function initialParameters(spec: ModelSpec, seed: number | string): Float32Array {
  const layout = layoutOf(spec);
  const parameters = new Float32Array(layout.length);
  for (const { name, offset, length, bound, centre = 0, shape } of layout.parameters) {
    const { uniform } = random(seed, "initial", name);
    for (let p = 0; p < length; p++) parameters[offset + p] = centre + bound * (2 * uniform() - 1);
    if (name.endsWith("lstm.B")) {
      const [D, columns] = shape;
      const H = columns / 8;
      for (let d = 0; d < D; d++) parameters.fill(1, offset + d * columns + 2 * H, offset + d * columns + 3 * H);
    }
  }
  return parameters;
}
