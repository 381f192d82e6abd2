/**
 * @module
 * The convolution stage: over the steps of a sequence, or over an image's rows and columns alike.
 */
import type { Row } from "./layer.ts";
import { columnsOf } from "./pool.ts";
import { paddingOf } from "./shape.ts";

export const convolution: Row<"convolution"> = (layer, input, site) => {
  const { wasm } = site.kernels;
  const { filters: O, kernel, stride, dilation } = layer;
  const I = input.features;
  const image = input.width !== undefined;
  const output = { ...site.signal(), spare: true }; // the backward pass needs x only
  const columns = columnsOf(input), columnsOut = columnsOf(output);
  const rows = input.steps / columns, rowsOut = output.steps / columnsOut;
  const tall = image ? kernel : 1;
  const above = image ? paddingOf(rows, layer).before : 0;
  const { before } = paddingOf(columns, layer);
  const scratch = site.scratch(wasm.convolutionScratch(tall * kernel, site.batch, I, O));
  const [W, b] = ["W", "b"].map((name) => site.weight(`convolution.${name}`));
  const [dW, db] = ["W", "b"].map((name) => site.gradient(`convolution.${name}`));
  return {
    output,
    forward(B) {
      wasm.convolutionForward(
        output.value, input.value, W, b, scratch,
        rows, columns, rowsOut, columnsOut, tall, kernel, stride, dilation, above, before, B, I, O,
      );
    },
    backward(B) {
      if (input.gradient) site.clear(input.gradient, input.steps * B * I);
      wasm.convolutionBackward(
        input.gradient, dW, db, output.gradient, input.value, W, scratch,
        rows, columns, rowsOut, columnsOut, tall, kernel, stride, dilation, above, before, B, I, O,
      );
    },
  };
};
