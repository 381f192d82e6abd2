/**
 * @module
 * What a head puts out for a window, what it is compared with, and what people are told of it.
 *
 *     head          linear layer to   target of a window   loss                         prediction
 *     classify      classes           its class            cross-entropy                probabilities
 *     regress       1                 a value              squared error or Huber's     the value
 *     forecast      O, or O·Q         O values             as regress; Q: pinball (1)   (O), or (O,Q)
 *     reconstruct   I, at each step   its input (T,I)      as regress                   (T,I), scaled as the input
 *
 *     ρ_q(y, target) = (target - y) (q - [target < y])                              (1)
 *
 * The mean of (1) is least where a share q of the targets lies below y; at q = 1/2 it is half the
 * absolute error. Quantiles that were learnt apart may cross. So those of an output are put in ascending
 * order, which never makes them worse (Chernozhukov, Fernández-Val & Galichon, Econometrica 2010): here
 * and in the exported graph, but not for the loss, whose gradient belongs to the value that was wrong.
 */
import type { Kernels } from "../kernels/kernels.ts";
import type { HeadSpec, ModelSpec } from "./spec.ts";

/** What a batch is judged by. */
export interface Loss {
  /** Weight of each class; absent: 1 each. */
  readonly classWeights?: readonly number[];
  /** Share of the target that is spread over all classes. Default 0. */
  readonly labelSmoothing?: number;
  /** Where Huber's loss turns linear, in units of the target over the head's scale. Absent: squared error. Not for quantiles. */
  readonly huberDelta?: number;
}

/** Quantiles of a forecast, none where it is of one value for each output. */
export function quantilesOf(head: HeadSpec): readonly number[] {
  return (head.type === "forecast" && head.quantiles) || [];
}

/** How many numbers the head's linear layer puts out: for a window, or for each step of one to reconstruct. */
export function outputs({ head, input }: Pick<ModelSpec, "head" | "input">): number {
  switch (head.type) {
    case "classify":
      return head.classes.length;
    case "regress":
      return 1;
    case "forecast":
      return head.outputs.length * Math.max(1, quantilesOf(head).length);
    case "reconstruct":
      return input.features;
  }
}

/** How many numbers the target of a window has; 0 where it is the window itself. */
export function targetLength(head: HeadSpec): number {
  if (head.type === "reconstruct") return 0;
  return head.type === "forecast" ? head.outputs.length : 1;
}

/** Where the head's numbers lie in kernel memory. */
export interface HeadMemory {
  /** (T,B,I) of the model. */
  readonly input: number;
  /** (B, outputs) of the linear layer, (T,B,I) of one that reconstructs, and its gradient. */
  readonly value: number;
  readonly gradient: number;
  /** (B, targetLength) */
  readonly targets: number;
  /** (B, classes) of a classifier. */
  readonly probabilities: number;
  /** (classes) of a classifier, (Q) of a forecast. */
  readonly weights: number;
}

/** The mean loss of B windows against their targets, which are in the target's unit; its gradient is assigned. */
export function lossOf({ head, input }: ModelSpec, targets: Float32Array, loss: Loss, B: number, memory: HeadMemory, kernels: Kernels): number {
  const { wasm } = kernels;
  const { value, gradient, probabilities, weights } = memory;
  const error = (target: number, N: number) =>
    loss.huberDelta === undefined ? wasm.mse(gradient, value, target, N) : wasm.huber(gradient, value, target, N, loss.huberDelta);
  if (head.type === "reconstruct") return error(memory.input, input.steps * B * input.features);
  const target = kernels.float32(memory.targets, targets.length);
  if (head.type === "classify") {
    target.set(targets);
    const O = head.classes.length;
    kernels.float32(weights, O).set(loss.classWeights ?? new Array(O).fill(1));
    return wasm.softmaxCrossEntropy(probabilities, gradient, value, memory.targets, weights, B, O, loss.labelSmoothing ?? 0);
  }
  targets.forEach((y, n) => (target[n] = y / head.scale));
  const N = targets.length;
  const quantiles = quantilesOf(head);
  if (quantiles.length > 0) {
    kernels.float32(weights, quantiles.length).set(quantiles);
    return wasm.pinball(gradient, value, memory.targets, weights, N, quantiles.length);
  }
  return error(memory.targets, N);
}

/** What the head says of B windows: probabilities, values in the target's unit, or windows (B,T,I). A copy. */
export function predictionsOf(spec: ModelSpec, B: number, { value, probabilities }: HeadMemory, kernels: Kernels): Float32Array {
  const { head } = spec;
  const O = outputs(spec);
  if (head.type === "reconstruct") return byWindow(kernels.float32(value, spec.input.steps * B * O), B, O);
  const N = B * O;
  if (head.type === "classify") {
    kernels.wasm.softmax(probabilities, value, B, O);
    return kernels.float32(probabilities, N).slice();
  }
  const values = kernels.float32(value, N).map((y) => y * head.scale);
  const Q = quantilesOf(head).length;
  for (let n = 0; Q > 1 && n < N; n += Q) values.subarray(n, n + Q).sort();
  return values;
}

/** (T,B,I) as (B,T,I). */
function byWindow(values: Float32Array, B: number, I: number): Float32Array {
  const T = values.length / (B * I);
  const windows = new Float32Array(values.length);
  for (let row = 0; row < T * B; row++) windows.set(values.subarray(row * I, (row + 1) * I), ((row % B) * T + Math.floor(row / B)) * I);
  return windows;
}
