/**
 * @module
 * Stages without parameters that leave fewer steps, or none: pool; and the reductions mean and max, which
 * are pools as long as the sequence, and flatten.
 */
import type { Row, Signal, Site, Stage } from "./layer.ts";

/** A window of `tall` rows and `size` columns that slides over the steps; over a sequence it is one row tall. */
interface Window {
  readonly tall: number;
  readonly size: number;
  readonly stride: number;
}

/** The columns of a step grid: an image's, or all steps of a sequence. */
export const columnsOf = ({ width, steps }: Pick<Signal, "width" | "steps">): number => width ?? steps;

function buildPool(average: boolean, { tall, size, stride }: Window, input: Signal, site: Site): Stage {
  const { wasm } = site.kernels;
  const F = input.features;
  const output = withoutGradientOf(input, site.signal());
  const columns = columnsOf(input);
  const columnsOut = columnsOf(output);
  const rowsOut = output.steps / columnsOut;
  return {
    output,
    forward(B) {
      wasm.poolForward(output.value, input.value, columns, rowsOut, columnsOut, tall, size, stride, B * F, average);
    },
    backward(B) {
      if (!input.gradient) return;
      if (input.gradient !== input.value) site.clear(input.gradient, input.steps * B * F);
      wasm.poolBackward(input.gradient, output.gradient, output.value, input.value, columns, rowsOut, columnsOut, tall, size, stride, B * F, average);
    },
  };
}

/** What has no parameters needs the gradient of its output only for that of its input. */
const withoutGradientOf = (input: Signal, output: Signal): Signal => (input.gradient ? output : { ...output, gradient: 0 });

export const pool: Row<"pool"> = ({ kind, size, stride = size }, input, site) =>
  buildPool(kind === "average", { tall: input.width === undefined ? 1 : size, size, stride }, input, site);

/** One window over all steps: an image's pixels, too, are one row then. */
const overAll = (average: boolean, input: Signal, site: Site) =>
  buildPool(average, { tall: 1, size: input.steps, stride: 1 }, { ...input, width: undefined }, site);

export const mean: Row<"mean"> = (_, input, site) => overAll(true, input, site);
export const max: Row<"max"> = (_, input, site) => overAll(false, input, site);

/** All steps one after the other: (T,B,F) to (B,T·F). */
export const flatten: Row<"flatten"> = (_, input, site) => {
  const { wasm } = site.kernels;
  const { steps: T, features: F } = input;
  const output = withoutGradientOf(input, site.signal());
  return {
    output,
    forward: (B) => wasm.exchange(output.value, input.value, T, B, F),
    backward: (B) => void (input.gradient && wasm.exchange(input.gradient, output.gradient, B, T, F)),
  };
};
