/**
 * @module
 * The normalise stage: over a batch, or over the features of a step.
 *
 *     batch, training     by the mean and variance of the batch at hand, which are part of what is learnt through
 *     batch, inference    by the network's statistics, so that a window's output does not depend on its company
 *     layer               by the step's own, in training and at inference
 *
 * Of one number, as a vector's feature in a batch of one window, a variance is 0: what comes out is the bias,
 * and nothing is learnt from it in front of the layer.
 *
 * No average runs along while training. Parameters move under it, and those of a federation are replaced
 * by an average that no factory has trained; so a model's statistics are a function of its parameters and
 * of windows, measured when they are needed: Network.adapt.
 */
import type { Row, Signal, Site, Stage } from "./layer.ts";

export const normalise: Row<"normalise"> = ({ kind }, input, site) => (kind === "batch" ? overBatch(input, site) : overLayer(input, site));

function overBatch(input: Signal, site: Site): Stage {
  const { wasm } = site.kernels;
  const { steps: T, training } = site;
  const I = input.features;
  const output = site.signal();
  const [scale, bias] = ["scale", "bias"].map((name) => site.weight(`normalise.${name}`));
  const [dscale, dbias] = ["scale", "bias"].map((name) => site.gradient(`normalise.${name}`));
  const [mean, variance] = ["mean", "variance"].map((name) => site.statistic(`normalise.${name}`));
  const floats = wasm.batchNormFloats(I);
  const sums = training ? site.scratch(floats) : site.keep("statistics", floats); // other stages work between batches that are measured
  let rows = 0;
  const measure = {
    begin() {
      site.clear(sums, floats);
      rows = 0;
    },
    add(B: number) {
      wasm.batchNormSums(sums, input.value, input.value, T * B, I);
      rows += T * B;
    },
    end() {
      wasm.batchNormStatistics(mean, variance, sums, rows, I);
    },
  };
  return {
    output,
    measure: training ? undefined : measure,
    forward(B) {
      if (training) {
        measure.begin();
        measure.add(B);
        measure.end();
      }
      wasm.batchNormForward(output.value, input.value, mean, variance, scale, bias, T * B, I);
    },
    backward(B) {
      if (input.gradient) site.clear(input.gradient, T * B * I);
      wasm.batchNormBackward(input.gradient, dscale, dbias, output.gradient, input.value, mean, variance, scale, sums, T * B, I);
    },
  };
}

function overLayer(input: Signal, site: Site): Stage {
  const { wasm } = site.kernels;
  const { steps: T } = site;
  const I = input.features;
  const output = site.signal();
  const [scale, bias] = ["scale", "bias"].map((name) => site.weight(`normalise.${name}`));
  const [dscale, dbias] = ["scale", "bias"].map((name) => site.gradient(`normalise.${name}`));
  return {
    output,
    forward(B) {
      wasm.layerNormForward(output.value, input.value, scale, bias, T * B, I);
    },
    backward(B) {
      if (input.gradient) site.clear(input.gradient, T * B * I);
      wasm.layerNormBackward(input.gradient, dscale, dbias, output.gradient, input.value, scale, T * B, I);
    },
  };
}
