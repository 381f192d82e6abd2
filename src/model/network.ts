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
import { lossOf, predictionsOf, targetLength, type HeadMemory, type Loss } from "./head.ts";
import type { Mask, Signal } from "./layer.ts";
import { layoutOf, statisticsOf, type Layout } from "./layout.ts";
import { assemble, type Assembly, type Plan, type PlanOptions, type Pointers } from "./plan.ts";
import { windowLength } from "./shape.ts";
import { parseSpec, type ModelSpec } from "./spec.ts";

/** How the kernels run. A partner and blocks of time do not change a bit of what they compute. */
export interface Machinery extends Pick<PlanOptions, "blockSteps"> {
  /** Default: the partner's, or simd. */
  readonly build?: Build;
  /** A second thread for bidirectional layers; the network then lies in the partner's memory until that is given up. */
  readonly partner?: Partner;
}

/** 64 MiB: signals up to which adapting goes on from them; beyond, it begins with the windows again for each layer. */
const HELD_FLOATS = 2 ** 24;

const NO_DROPOUT: Mask = { seedLow: 0, seedHigh: 0, step: 0 };

export class Network {
  readonly spec: ModelSpec;
  readonly layout: Layout;
  /** Of the second vector: see layout.ts. Empty where no layer normalises over a batch. */
  readonly statisticsLayout: Layout;
  readonly kernels: Kernels;
  /** The largest number of windows in one pass. */
  readonly batch: number;
  readonly training: boolean;
  /** Where everything lies in memory. */
  readonly plan: Plan;
  readonly #pointers: Pointers;
  readonly #input: Assembly["input"];
  readonly #side: Assembly["side"];
  readonly #stages: Assembly["stages"];
  /** How many the last forward pass was over. */
  #windows = 0;

  /**
   * @param spec checked by parseSpec
   * @throws RangeError for an impossible spec, a batch that does not fit into memory, or a partner of another build
   */
  constructor(spec: unknown, options: { batch: number; training: boolean } & Machinery) {
    this.spec = parseSpec(spec);
    this.layout = layoutOf(this.spec);
    this.statisticsLayout = statisticsOf(this.spec);
    this.batch = options.batch;
    this.training = options.training;
    this.kernels = kernelsFor(options);
    const { plan, pointers, input, side, stages } = assemble(this.spec, options, this.kernels, options.partner);
    this.kernels.allocate(plan.end - this.kernels.mark());
    this.plan = plan;
    this.#pointers = pointers;
    this.#input = input;
    this.#side = side;
    this.#stages = stages;
    if (!options.training) this.statistics.set(initialStatistics(this.spec));
  }

  /** The canonical vector, (P). Writing to it changes the model. */
  get parameters(): Float32Array {
    return this.kernels.float32(this.#pointers.parameters, this.layout.length);
  }

  /**
   * Mean and variance of the features that are normalised over a batch, (S): at inference those to normalise by,
   * written by the caller or by `adapt`; in training those of the last batch.
   */
  get statistics(): Float32Array {
    return this.kernels.float32(this.#pointers.statistics, this.statisticsLayout.length);
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
   * Copy windows into the input, turning (B,T,I) into (T,B,I), and what follows each into the side's.
   * @param inputs (N,T,I) scaled windows, each followed by its side (T',I') where there is one
   * @param indices which of them, at most `batch`
   */
  load(inputs: Float32Array, indices: ArrayLike<number>): void {
    const B = indices.length;
    if (B > this.batch) throw new RangeError(`"indices" expected at most ${this.batch} windows, the batch this network was built for, got ${B}`);
    this.#loadPart(this.#input, inputs, indices, 0);
    if (this.#side) this.#loadPart(this.#side, inputs, indices, this.#input.steps * this.#input.features);
  }

  #loadPart({ value, steps: T, features: I }: Signal, inputs: Float32Array, indices: ArrayLike<number>, first: number): void {
    const B = indices.length;
    const size = windowLength(this.spec);
    const x = this.kernels.float32(value, T * B * I);
    for (let b = 0; b < B; b++) {
      let from = indices[b] * size + first;
      for (let t = 0; t < T; t++) {
        const to = (t * B + b) * I;
        for (let i = 0; i < I; i++) x[to + i] = inputs[from++];
      }
    }
  }

  /** Forward pass over the first B loaded windows. */
  forward(B: number, mask: Mask = NO_DROPOUT): void {
    this.#windows = B;
    for (const stage of this.#stages) stage.forward(B, mask);
  }

  /**
   * Set the statistics to those of N windows (N,T,I), exactly: layer by layer, each behind layers that normalise by
   * theirs already. Needs no labels. Which windows decides what the model is adapted to: the factory's own that
   * it was trained on (Andreux et al. 2020, SiloBN), or those of another place and load that it has to
   * predict (Li et al. 2016, AdaBN).
   */
  adapt(inputs: Float32Array, count: number): void {
    if (this.training) throw new TypeError(`adapt expected a network built with training: false, so that dropout is off`);
    const stages = this.#stages;
    /** From which stage on there is work to do, and what all windows are in front of it; at first the windows themselves. */
    let first = 0;
    let held: Float32Array | undefined;
    stages.forEach(({ measure }, index) => {
      if (!measure) return;
      const size = this.#signalBefore(index, 1).length;
      const holds = !this.#side && index > first && count * size <= HELD_FLOATS; // beside a side branch, one signal is not all there is
      const next = holds ? new Float32Array(count * size) : undefined;
      measure.begin();
      for (let from = 0; from < count; from += this.batch) {
        const B = Math.min(this.batch, count - from);
        if (held) {
          const signal = this.#signalBefore(first, B);
          const at = from * (signal.length / B);
          signal.set(held.subarray(at, at + signal.length));
        } else this.load(inputs, Uint32Array.from({ length: B }, (_, b) => from + b));
        for (const stage of stages.slice(first, index)) stage.forward(B, NO_DROPOUT);
        measure.add(B);
        next?.set(this.#signalBefore(index, B), from * size);
      }
      measure.end();
      if (next) [first, held] = [index, next];
    });
  }

  #signalBefore(index: number, B: number): Float32Array {
    const { value, steps, features } = index === 0 ? this.#input : this.#stages[index - 1].output;
    return this.kernels.float32(value, steps * B * features);
  }

  /**
   * Loss of the last forward pass against `targets`, and its gradient in `gradients`. Class indices (B) for
   * classify; values in the target's unit, (B) for regress and (B,O) for forecast; none for reconstruct.
   */
  backward(targets: Float32Array, loss: Loss, mask: Mask = NO_DROPOUT): number {
    if (!this.training) throw new TypeError(`backward expected a network built with training: true`);
    const B = this.#windows;
    const expected = B * targetLength(this.spec.head);
    if (targets.length !== expected) throw new RangeError(`"targets" expected ${expected} numbers for the ${B} windows of the last forward pass, got ${targets.length}`);
    this.gradients.fill(0);
    const value = lossOf(this.spec, targets, loss, B, this.#head, this.kernels);
    for (let index = this.#stages.length - 1; index >= 0; index--) this.#stages[index].backward(B, mask);
    return value;
  }

  /** What the last forward pass predicts: (B, classes) probabilities, or (B), (B,O) or (B,O,Q) values in the target's unit, or scaled windows (B,T,I). A copy. */
  predictions(B: number): Float32Array {
    return predictionsOf(this.spec, B, this.#head, this.kernels);
  }

  get #head(): HeadMemory {
    const { value, gradient } = this.#stages[this.#stages.length - 1].output;
    return { ...this.#pointers, input: this.#input.value, value, gradient };
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

/** Statistics that change nothing, (S): mean 0 and variance 1. */
export function initialStatistics(spec: ModelSpec): Float32Array {
  const { parameters, length } = statisticsOf(spec);
  const statistics = new Float32Array(length);
  for (const { offset, length, centre = 0 } of parameters) statistics.fill(centre, offset, offset + length);
  return statistics;
}
