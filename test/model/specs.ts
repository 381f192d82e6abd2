/** Models that use memory in every way there is. */
import type { ModelSpecInput } from "../../src/model/spec.ts";

const head = { type: "classify" as const, classes: ["HEALTHY", "DEGRADED", "CRITICAL", "FAILURE"] };
const lstm = (hidden: number, bidirectional = false) => ({ type: "lstm" as const, hidden, bidirectional });
const activation = (kind: "relu" | "tanh" | "sigmoid") => ({ type: "activation" as const, kind });
const convolution = (filters: number, kernel: number, options: { stride?: number; dilation?: number; padding?: "same" | "causal" } = {}) => ({ type: "convolution" as const, filters, kernel, ...options });
const gru = (hidden: number, bidirectional = false) => ({ type: "gru" as const, hidden, bidirectional });
const normalise = (kind: "batch" | "layer") => ({ type: "normalise" as const, kind });
const dropout = (rate: number) => ({ type: "dropout" as const, rate });

export const referenceOf = (steps: number): ModelSpecInput => ({
  input: { steps, features: 8 },
  layers: [lstm(64, true), dropout(0.2), lstm(64, true), { type: "attention", size: 64 }, { type: "dense", units: 64 }, dropout(0.3)],
  head,
});

export const specs: Record<string, ModelSpecInput> = {
  "two directions, dropout, attention": {
    input: { steps: 13, features: 3 }, head,
    layers: [lstm(5, true), dropout(0.25), lstm(6, true), { type: "attention", size: 4 }, { type: "dense", units: 5 }, dropout(0.25)],
  },
  "one direction and its last state": { input: { steps: 11, features: 2 }, head: { type: "regress", unit: "h" }, layers: [lstm(7), { type: "last" }] },
  "three layers of different widths, dropout before all of them": {
    input: { steps: 12, features: 4 }, head,
    layers: [dropout(0.1), lstm(9), dropout(0.2), lstm(3, true), dropout(0.3), lstm(8, true), dropout(0.2), { type: "last" }],
  },
  "dropout twice, between a layer and attention": { input: { steps: 9, features: 3 }, head, layers: [lstm(4, true), dropout(0.2), dropout(0.3), { type: "attention", size: 5 }] },
  "gru and lstm by turns": { input: { steps: 13, features: 3 }, head, layers: [gru(5, true), dropout(0.2), lstm(6), gru(7, true), { type: "attention", size: 3 }] },
  "a gru's last state": { input: { steps: 11, features: 2 }, head: { type: "regress", unit: "h" }, layers: [gru(6), gru(9, true), dropout(0.2), { type: "last" }] },
  "a side of raw values": {
    input: { steps: 7, features: 4 }, head,
    layers: [lstm(5, true), dropout(0.2), { type: "attention", size: 3 }, dropout(0.1), { type: "dense", units: 5 }],
    side: { input: { steps: 20, features: 2 }, layers: [convolution(4, 5, { stride: 2 }), activation("relu"), dropout(0.2), convolution(3, 3), { type: "mean" }] },
  },
  "a side that is longer than an encoder and a decoder": {
    input: { steps: 6, features: 3 }, head: { type: "reconstruct" },
    layers: [lstm(4), { type: "last" }, { type: "repeat" }, lstm(5)],
    side: { input: { steps: 15, features: 1 }, layers: [gru(3), gru(4), { type: "max" }, { type: "dense", units: 2 }] },
  },
  "quantiles, more than there are outputs": {
    input: { steps: 8, features: 2 }, head: { type: "forecast", outputs: ["1 h"], unit: "kWh", quantiles: [0.1, 0.5, 0.9] }, layers: [gru(4), dropout(0.1), { type: "last" }],
  },
  "an encoder and a decoder": {
    input: { steps: 9, features: 3 }, head: { type: "reconstruct" },
    layers: [lstm(5, true), dropout(0.1), { type: "last" }, { type: "dense", units: 2 }, { type: "repeat" }, lstm(4), dropout(0.2)],
  },
  "reconstruction step by step": { input: { steps: 10, features: 2 }, head: { type: "reconstruct" }, layers: [dropout(0.3), lstm(4), lstm(3, true)] },
  "attention on the inputs": { input: { steps: 10, features: 3 }, head, layers: [dropout(0.2), { type: "attention", size: 3 }] },
  "activations and the mean over time": { input: { steps: 11, features: 3 }, head, layers: [activation("tanh"), lstm(5, true), activation("relu"), dropout(0.2), { type: "mean" }, activation("sigmoid")] },
  "an lstm behind a pool, and its maximum over time": { input: { steps: 13, features: 3 }, head, layers: [{ type: "pool", kind: "average", size: 3, stride: 1 }, lstm(6), { type: "max" }] },
  "pools one after the other": { input: { steps: 16, features: 3 }, head, layers: [lstm(5), { type: "pool", kind: "max", size: 3, stride: 2 }, dropout(0.2), { type: "pool", kind: "average", size: 2 }, { type: "flatten" }] },
  "the maximum of the last lstm's outputs": { input: { steps: 12, features: 3 }, head, layers: [lstm(4), lstm(6, true), { type: "max" }] },
  "a linear model": { input: { steps: 12, features: 3 }, head, layers: [{ type: "flatten" }] },
  "convolutions, a pool and all steps side by side": {
    input: { steps: 24, features: 2 }, head,
    layers: [
      convolution(5, 6, { stride: 2, padding: "same" }), activation("relu"), { type: "pool", kind: "max", size: 2 }, dropout(0.2),
      convolution(4, 3), activation("tanh"), { type: "pool", kind: "average", size: 2 }, { type: "flatten" }, { type: "dense", units: 5 },
    ],
  },
  "causal dilated convolutions": {
    input: { steps: 14, features: 3 }, head,
    layers: [convolution(5, 2, { padding: "causal" }), activation("relu"), convolution(3, 2, { padding: "causal", dilation: 2 }), convolution(6, 2, { padding: "causal", dilation: 4 }), { type: "mean" }],
  },
  "a convolution before an lstm": { input: { steps: 12, features: 3 }, head, layers: [convolution(4, 3), lstm(5), { type: "attention", size: 3 }] },
  "normalised over batches": {
    input: { steps: 18, features: 2 }, head,
    layers: [
      normalise("batch"), convolution(5, 4, { stride: 2, padding: "same" }), normalise("batch"), activation("relu"), dropout(0.2), { type: "pool", kind: "max", size: 2 },
      convolution(4, 3), normalise("batch"), { type: "mean" }, normalise("batch"), dropout(0.2), { type: "dense", units: 5 },
    ],
  },
  "normalised over layers, beside lstms": {
    input: { steps: 12, features: 3 }, head,
    layers: [normalise("layer"), lstm(5, true), normalise("layer"), dropout(0.2), lstm(6), { type: "attention", size: 4 }, normalise("layer"), { type: "dense", units: 4 }],
  },
  "an image": {
    input: { steps: 54, features: 2, width: 9 }, head,
    layers: [convolution(4, 3, { padding: "same" }), activation("relu"), { type: "pool", kind: "max", size: 2 }, convolution(3, 2, { stride: 2 }), dropout(0.2), { type: "max" }],
  },
};
