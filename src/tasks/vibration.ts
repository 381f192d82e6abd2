/**
 * @module
 * What the cases of the bearing study share: the networks and linear models of raw and of transformed
 * vibration, and what their predictions are worth.
 */
import { confusionFigures } from "../model/metrics.ts";
import { parseSpec, type ModelSpec } from "../model/spec.ts";
import { Features } from "../signal/features.ts";
import type { Recipe } from "../signal/recipe.ts";
import type { Windows } from "../signal/window.ts";
import { intervalsOf } from "./interval.ts";

/** Samples of a window that a convolutional network sees: five turns of the shaft. */
export const SAMPLES = 2048;

/** Filters, kernel and stride of each convolution; all are followed by a pool of two. */
const BLOCKS = [[32, 128, 8], [32, 3, 1], [64, 3, 1], [64, 3, 1]] as const;

/**
 * A network after Zhang et al.'s WDCNN (Sensors 17, 2017): a wide first kernel, a filter bank with
 * 94 Hz between what it tells apart, then narrow ones. The mean over the steps in place of its dense layer: it does not matter when in a window the blows come.
 * Over a batch, statistics stay in their factory and can be adapted; over a layer, there are none, and a factory that lacks classes does no harm.
 */
export function convolutional(kind: "batch" | "layer", classes: readonly string[]): ModelSpec {
  return parseSpec({
    input: { steps: SAMPLES, features: 1 },
    layers: [
      ...BLOCKS.flatMap(([filters, kernel, stride]) => [
        { type: "convolution", filters, kernel, stride, padding: "same" },
        { type: "normalise", kind },
        { type: "activation", kind: "relu" },
        { type: "pool", kind: "max", size: 2 },
      ]),
      { type: "mean" },
    ],
    head: { type: "classify", classes },
  });
}

/** A linear layer to the classes: softmax regression where it is trained, least squares where it is solved. */
export const linear = (features: number, classes: readonly string[]): ModelSpec =>
  parseSpec({ input: { steps: 1, features }, layers: [{ type: "flatten" }], head: { type: "classify", classes } });

/** Features of windows (N,T,1) by a recipe: (N,1,F). @param shaftHz of each window, for recipes with orders */
export function transformed(windows: Windows, recipe: Recipe, shaftHz?: ArrayLike<number>): Windows {
  const features = new Features(recipe, { steps: windows.steps, channels: ["acceleration"] });
  return { ...windows, inputs: features.extract(windows.inputs, windows.count, { shaftHz }), steps: features.frames, features: features.columns.length };
}

/** Logarithms of the power in equal bands up to half the rate. */
export function bandPowers(windows: Windows, rateHz: number, bands: number): Windows {
  const widthHz = rateHz / 2 / bands;
  const bandsHz = Array.from({ length: bands }, (_, band) => [band * widthHz, (band + 1) * widthHz] as const);
  return transformed(windows, { rateHz, spectrum: { bandsHz, log: true } });
}

/** Whose figures a model's predictions have: the share that is right, and the mean over the true classes of their F1. */
export function classFigures(probabilities: Float32Array, windows: Windows): { accuracy: number; macroF1: number } {
  return figuresOf(confusion(probabilities, windows));
}

/** 95 % intervals: recordings are drawn, not windows, as windows of one are alike. */
export function recordingIntervals(probabilities: Float32Array, windows: Windows): Record<string, [number, number]> {
  const recordings = [...new Set(windows.groups)];
  return intervalsOf(recordings.map((recording) => confusion(probabilities, windows, (n) => windows.groups[n] === recording)), figuresOf, "recordings");
}

/** (C,C) how often each true class was taken for each. */
function confusion(probabilities: Float32Array, { targets, count }: Windows, counted: (window: number) => boolean = () => true): Float64Array {
  const C = probabilities.length / count;
  const counts = new Float64Array(C * C);
  for (let n = 0; n < count; n++) {
    if (!counted(n)) continue;
    let best = 0;
    for (let c = 1; c < C; c++) if (probabilities[n * C + c] > probabilities[n * C + best]) best = c;
    counts[targets[n] * C + best] += 1;
  }
  return counts;
}

function figuresOf(counts: Float64Array): { accuracy: number; macroF1: number } {
  const C = Math.sqrt(counts.length);
  return confusionFigures(Array.from({ length: C }, (_, c) => [...counts.subarray(c * C, (c + 1) * C)]));
}
