/**
 * @module
 * What a head puts out for a window, what it is compared with, and what people are told of it.
 *
 *     head       linear layer to   target of a window   loss                         prediction
 *     classify   classes           its class            cross-entropy                probabilities
 *     regress    1                 a value              squared error or Huber's     the value
 *     forecast   O, or O·Q         O values             as regress; Q: pinball (1)   (O), or (O,Q)
 *
 *     ρ_q(y, target) = (target - y) (q - [target < y])                              (1)
 *
 * The mean of (1) is least where a share q of the targets lies below y; at q = 1/2 it is half the
 * absolute error. Quantiles that were learnt apart may cross. So those of an output are put in ascending
 * order, which never makes them worse (Chernozhukov, Fernández-Val & Galichon, Econometrica 2010): here
 * and in the exported graph, but not for the loss, whose gradient belongs to the value that was wrong.
 */
import type { Kernels } from "../kernels/kernels.ts";
import type { HeadSpec } from "./spec.ts";

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

/** How many numbers the head's linear layer puts out for one window. */
export function outputs(head: HeadSpec): number {
  if (head.type === "classify") return head.classes.length;
  if (head.type === "regress") return 1;
  return head.outputs.length * Math.max(1, quantilesOf(head).length);
}

/** How many numbers the target of a window has. */
export function targetLength(head: HeadSpec): number {
  return head.type === "forecast" ? head.outputs.length : 1;
}

/** Where the head's numbers lie in kernel memory. */
export interface HeadMemory {
  /** (B, outputs) of the linear layer, and its gradient. */
  readonly value: number;
  readonly gradient: number;
  /** (B, targetLength) */
  readonly targets: number;
  /** (B, classes) of a classifier. */
  readonly probabilities: number;
  /** (classes) of a classifier, (Q) of a forecast. */
  readonly weights: number;
}

/** The mean loss of B windows against their targets, in the target's unit; its gradient is assigned. */
export function lossOf(head: HeadSpec, targets: Float32Array, loss: Loss, B: number, memory: HeadMemory, kernels: Kernels): number {
  const { wasm } = kernels;
  const { value, gradient, probabilities, weights } = memory;
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
  return loss.huberDelta === undefined ? wasm.mse(gradient, value, memory.targets, N) : wasm.huber(gradient, value, memory.targets, N, loss.huberDelta);
}

/** What the head says of B windows: probabilities, or values in the target's unit. A copy. */
export function predictionsOf(head: HeadSpec, B: number, { value, probabilities }: HeadMemory, kernels: Kernels): Float32Array {
  const N = B * outputs(head);
  if (head.type === "classify") {
    kernels.wasm.softmax(probabilities, value, B, outputs(head));
    return kernels.float32(probabilities, N).slice();
  }
  const values = kernels.float32(value, N).map((y) => y * head.scale);
  const Q = quantilesOf(head).length;
  for (let n = 0; Q > 1 && n < N; n += Q) values.subarray(n, n + Q).sort();
  return values;
}
