/**
 * @module
 * What the orchestrator does with a round's aggregate.
 */
import { applyChange } from "./accumulator.ts";

/**
 * New global parameters from the old ones and the round's sample-weighted mean update, all (P). The
 * arguments belong to the caller and are not written into; state, where there is any, is a closure.
 */
export type ServerOptimizer = (global: Float32Array, meanUpdate: Float32Array, round: number) => Float32Array;

/** Federated averaging: w ← w + Σ n_k Δ_k / Σ n_k (McMahan et al. 2017, algorithm 1, written with differences). */
export function fedAvg(): ServerOptimizer {
  return applyChange;
}
