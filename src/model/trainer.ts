/**
 * @module
 * Training on local data: shuffled mini-batches, gradient clipping, Adam or SGD.
 *
 * A fit starts with a fresh optimizer. Moments belong to the parameters they were gathered at; a
 * federation replaces the parameters every round, so keeping them would push the new model along the
 * old one's path.
 */
import { random } from "../kernels/random.ts";
import { quantilesOf, targetLength, type Loss } from "./head.ts";
import type { Mask } from "./layer.ts";
import type { Network } from "./network.ts";
import { windowLength } from "./shape.ts";
import { frozenRanges } from "./transfer.ts";

/** Labelled windows, scaled. */
export interface Examples {
  /** (N,T,I); each followed by its side (T',I') where the model has one. */
  readonly inputs: Float32Array;
  /** (N) class indices; or values in the target's unit, (N), (N,O) for a forecast of O outputs. Not read where windows are to be reconstructed. */
  readonly targets: Float32Array;
  /** N */
  readonly count: number;
}

/** How to train; plain JSON, so that an orchestrator can send it. */
export interface Training {
  readonly epochs: number;
  /** Share of the windows, drawn anew, that an epoch takes: with few of them, factories whose data differ stay close together. Default 1. */
  readonly share?: number;
  readonly batch: number;
  readonly learningRate: number;
  /** Adam (Kingma & Ba 2015), decoupled weight decay as in AdamW (Loshchilov & Hutter 2019); or SGD with momentum. */
  readonly optimizer:
    | { readonly type: "adam"; readonly beta1: number; readonly beta2: number; readonly epsilon: number; readonly weightDecay: number }
    | { readonly type: "sgd"; readonly momentum: number; readonly weightDecay: number };
  /** Greatest norm of the whole gradient (Pascanu et al. 2013). */
  readonly clipNorm: number;
  readonly loss: Loss;
  /** Numbers of layers that keep their parameters: see transfer.ts. Default: none. */
  readonly freeze?: readonly number[];
  /** FedProx's mu (Li et al. 2020): adds mu / 2 |w - w0|² to the loss, w0 the parameters at the start. Default 0. */
  readonly proximal?: number;
}

export const adam = { type: "adam", beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 } as const;

export interface Fitted {
  /** N */
  readonly samples: number;
  readonly steps: number;
  /** Mean training loss of the last epoch. */
  readonly loss: number;
}

export class Trainer {
  readonly #network: Network;

  constructor(network: Network) {
    if (!network.training) throw new TypeError(`"network" expected one built with training: true`);
    this.#network = network;
  }

  /**
   * Train the network's parameters in place.
   * @param stream names the shuffles and dropout masks: the same names, the same result, bit for bit
   * @throws RangeError where examples or training do not fit the spec, or loss or gradient stop being finite
   */
  fit(examples: Examples, training: Training, stream: readonly (string | number)[]): Fitted {
    const network = this.#network;
    checkExamples(examples, network);
    checkTraining(training, network);
    const { kernels, layout } = network;
    const { m, v, start } = network.pointers;
    kernels.float32(m, layout.length).fill(0);
    kernels.float32(v, layout.length).fill(0);
    kernels.float32(start, layout.length).set(network.parameters);

    const { shuffle, integer } = random("fit", ...stream);
    const seedLow = integer(2 ** 32);
    const seedHigh = integer(2 ** 32);
    const frozen = frozenRanges(layout, training.freeze ?? []);
    const order = Uint32Array.from({ length: examples.count }, (_, index) => index);
    const batch = Math.min(training.batch, network.batch);
    const taken = Math.max(1, Math.round((training.share ?? 1) * examples.count));
    let steps = 0;
    let loss = 0;
    for (let epoch = 0; epoch < training.epochs; epoch++) {
      shuffle(order);
      let sum = 0;
      for (let from = 0; from < taken; from += batch) {
        const indices = order.subarray(from, Math.min(from + batch, taken));
        steps += 1;
        sum += indices.length * this.#step(examples, indices, training, frozen, { seedLow, seedHigh, step: steps });
      }
      loss = sum / taken;
    }
    return { samples: examples.count, steps, loss };
  }

  #step(examples: Examples, indices: Uint32Array, training: Training, frozen: readonly (readonly [number, number])[], mask: Mask): number {
    const network = this.#network;
    const { wasm } = network.kernels;
    const { parameters: w, gradients: g, m, v, start } = network.pointers;
    const P = network.layout.length;
    const O = targetLength(network.spec.head);
    const targets = Float32Array.from({ length: indices.length * O }, (_, at) => examples.targets[indices[Math.floor(at / O)] * O + (at % O)]);
    network.load(examples.inputs, indices);
    network.forward(indices.length, mask);
    const loss = network.backward(targets, training.loss, mask);
    if (training.proximal) wasm.proximal(g, w, start, P, training.proximal);
    for (const [from, to] of frozen) network.gradients.fill(0, from, to);
    const norm = wasm.clipNorm(g, P, training.clipNorm);
    const { optimizer, learningRate } = training;
    // Before the step, so that the parameters stay what they were.
    if (!Number.isFinite(loss) || !Number.isFinite(norm)) {
      throw new RangeError(`training loss became ${loss}, its gradient's norm ${norm}, in step ${mask.step}; lower the learning rate (${learningRate}) or check the inputs for outliers`);
    }
    if (optimizer.type === "sgd") wasm.sgd(w, m, g, P, learningRate, optimizer.momentum, optimizer.weightDecay);
    else {
      const { beta1, beta2, epsilon, weightDecay } = optimizer;
      const correction1 = 1 - power(beta1, mask.step);
      const correction2 = 1 - power(beta2, mask.step);
      wasm.adam(w, m, v, g, P, learningRate, beta1, beta2, epsilon, weightDecay, correction1, correction2);
    }
    // Weight decay would move what has no gradient, too.
    for (const [from, to] of frozen) network.parameters.set(network.kernels.float32(start + 4 * from, to - from), from);
    return loss;
  }
}

/** beta^n by squaring: Math.pow may differ between engines in the last place. */
function power(base: number, exponent: number): number {
  let result = 1;
  for (let n = exponent; n > 0; n = Math.floor(n / 2)) {
    if (n % 2 === 1) result *= base;
    base *= base;
  }
  return result;
}

/** Predictions for all N windows: (N, classes) probabilities, or (N), (N,O) or (N,O,Q) values, or windows (N,T,I). The network must be built for inference. */
export function predictAll(network: Network, inputs: Float32Array, count: number): Float32Array {
  if (network.training) throw new TypeError(`"network" expected one built with training: false, so that dropout is off`);
  const parts: Float32Array[] = [];
  for (let from = 0; from < count; from += network.batch) {
    const indices = Uint32Array.from({ length: Math.min(network.batch, count - from) }, (_, b) => from + b);
    network.load(inputs, indices);
    network.forward(indices.length);
    parts.push(network.predictions(indices.length));
  }
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function checkExamples({ inputs, targets, count }: Examples, { spec }: Network): void {
  const { input: { steps, features }, side } = spec;
  if (count < 1) throw new RangeError(`examples expected at least one window, got none`);
  const O = targetLength(spec.head);
  if (inputs.length !== count * windowLength(spec) || (O > 0 && targets.length !== count * O)) {
    throw new RangeError(`examples expected ${count} windows of ${steps} x ${features}${side ? ` and ${side.input.steps} x ${side.input.features}` : ""} values and ${O > 1 ? `${count} x ${O}` : "as many"} targets, got ${inputs.length} values and ${targets.length} targets`);
  }
  if (spec.head.type !== "classify") return;
  const C = spec.head.classes.length;
  const wrong = targets.findIndex((target) => !(Number.isInteger(target) && target >= 0 && target < C));
  if (wrong >= 0) throw new RangeError(`examples: target of window ${wrong + 1} expected a class from 0 to ${C - 1}, got ${targets[wrong]}`);
}

/** A training may come from an orchestrator, as JSON. */
function checkTraining({ epochs, share = 1, batch, learningRate, clipNorm, loss }: Training, { spec }: Network): void {
  for (const [title, value] of Object.entries({ epochs, batch })) {
    if (!(Number.isInteger(value) && value >= 1)) throw new RangeError(`training "${title}" expected integer >= 1, got ${value}`);
  }
  if (!(share > 0 && share <= 1)) throw new RangeError(`training "share" expected a number above 0 and at most 1, got ${share}`);
  for (const [title, value] of Object.entries({ learningRate, clipNorm })) {
    if (!(value > 0 && value < Infinity)) throw new RangeError(`training "${title}" expected a finite number > 0, got ${value}`);
  }
  const weights = loss.classWeights?.length;
  const C = spec.head.type === "classify" ? spec.head.classes.length : 0;
  if (loss.huberDelta !== undefined && quantilesOf(spec.head).length > 0) throw new RangeError(`training "loss.huberDelta" is not for quantiles, which have a loss of their own; leave it out`);
  if (weights !== undefined && weights !== C) throw new RangeError(`training "loss.classWeights" expected ${C} numbers for this head, got ${weights}`);
}
