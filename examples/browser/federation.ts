// What orchestrator and factories agree on before they start.
import { adam, parseSpec, type Scaler, type Training } from "millwright";

export const spec = parseSpec({
  input: { steps: 100, features: 8 },
  layers: [{ type: "lstm", hidden: 24, bidirectional: true }, { type: "attention", size: 16 }],
  head: { type: "classify", classes: ["HEALTHY", "DEGRADED", "CRITICAL", "FAILURE"] },
});
export const rounds = 6;
export const training = (round: number): Training => ({ epochs: 1, batch: 8, learningRate: 0.01 * (1 - (round - 1) / rounds), optimizer: adam, clipNorm: 1, loss: {} });

/** From the page to a factory's worker: which of the simulated factories it is. */
export interface Start { readonly index: number; readonly seed: number }

/** From a factory's worker to the page. */
export type News =
  | { readonly type: "request"; readonly frame: Uint8Array; readonly reply: MessagePort }
  | { readonly type: "started"; readonly windows: number; readonly scaler: Scaler }
  /** Share of its test windows that a model of its own, trained alone, gets right. */
  | { readonly type: "alone"; readonly accuracy: number }
  | { readonly type: "failed"; readonly reason: string };
