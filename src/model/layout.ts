/**
 * @module
 * The one table of a model's parameters: name, shape, offset and initialiser of every block of the
 * canonical vector. The update that is sent, the checkpoint that is saved and the initializers that
 * are exported are all this vector, or rows of it.
 *
 *     3.lstm.W (D,4H,I)   3.lstm.R (D,4H,H)   3.lstm.B (D,8H)     gates i, o, f, c; B = [Wb, Rb]
 *     3.gru.W (D,3H,I)    3.gru.R (D,3H,H)    3.gru.B (D,6H)      gates z, r, h; B = [Wb, Rb]
 *     3.convolution.W (O,I,kernel), of an image (O,I,kernel,kernel)   .b (O)
 *     3.normalise.scale (F)   .bias (F)
 *     4.attention.W (A,I) .b (A) .v (A) .c (1)
 *     5.dense.W (O,I) .b (O)      head.W (O,I) .b (O)
 *
 * The leading number is the layer's place in the spec; D is the number of directions. Rows of a side branch
 * are called side.0.convolution.W and so on, and lie before the head's.
 *
 * Beside it there is a second vector, of what is measured and not learnt: the statistics of features that
 * are normalised over a batch. They are a factory's own: no update, message or fingerprint has them.
 *
 *     3.normalise.mean (F)   .variance (F)
 */
import { outputs } from "./head.ts";
import { shapesOf, sideShapesOf, type Shape } from "./shape.ts";
import type { ModelSpec } from "./spec.ts";

export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  /** First element in the canonical vector. */
  readonly offset: number;
  readonly length: number;
  /** Initial values are uniform in [-bound, bound], as PyTorch's: 1/sqrt(H) for an LSTM or GRU, 1/sqrt(I) for a linear layer. */
  readonly bound: number;
  /** What initial values are around: 0 unless given. */
  readonly centre?: number;
}

export interface Layout {
  readonly parameters: readonly Parameter[];
  /** P, the length of the canonical vector. */
  readonly length: number;
}

export function layoutOf(spec: ModelSpec): Layout {
  const { layout, add } = table();
  const linear = (name: string, O: number, I: number[]) => {
    const bound = 1 / Math.sqrt(I.reduce((product, n) => product * n, 1));
    add(`${name}.W`, [O, ...I], bound);
    add(`${name}.b`, [O], bound);
  };
  const recurrent = (name: string, gates: number, hidden: number, bidirectional: boolean, I: number) => {
    const D = bidirectional ? 2 : 1;
    const bound = 1 / Math.sqrt(hidden);
    add(`${name}.W`, [D, gates * hidden, I], bound);
    add(`${name}.R`, [D, gates * hidden, hidden], bound);
    add(`${name}.B`, [D, 2 * gates * hidden], bound);
  };

  const branch = (layers: ModelSpec["layers"], shapes: readonly Shape[], path: string) => layers.forEach((layer, index) => {
    const before = shapes[index];
    const I = before.features;
    const name = `${path}${index}.${layer.type}`;
    switch (layer.type) {
      case "lstm":
        return recurrent(name, 4, layer.hidden, layer.bidirectional, I);
      case "gru":
        return recurrent(name, 3, layer.hidden, layer.bidirectional, I);
      case "convolution": {
        const image = before.kind === "sequence" && before.width !== undefined;
        return linear(name, layer.filters, [I, layer.kernel, ...(image ? [layer.kernel] : [])]);
      }
      case "normalise":
        add(`${name}.scale`, [I], 0, 1);
        return add(`${name}.bias`, [I], 0);
      case "attention":
        linear(name, layer.size, [I]);
        add(`${name}.v`, [layer.size], 1 / Math.sqrt(layer.size));
        return add(`${name}.c`, [1], 1 / Math.sqrt(layer.size));
      case "dense":
        return linear(name, layer.units, [I]);
    }
  });
  const shapes = shapesOf(spec);
  branch(spec.layers, shapes, "");
  if (spec.side) branch(spec.side.layers, sideShapesOf(spec), "side.");
  linear("head", outputs(spec), [shapes[shapes.length - 1].features]);
  return layout;
}

/** The second vector: mean and variance, divided by their number, of each feature that is normalised over a batch. Its length is 0 where none is. */
export function statisticsOf(spec: ModelSpec): Layout {
  const { layout, add } = table();
  const branch = (layers: ModelSpec["layers"], shapes: readonly Shape[], path: string) => layers.forEach((layer, index) => {
    if (layer.type !== "normalise" || layer.kind !== "batch") return;
    const { features } = shapes[index];
    add(`${path}${index}.normalise.mean`, [features], 0);
    add(`${path}${index}.normalise.variance`, [features], 0, 1);
  });
  branch(spec.layers, shapesOf(spec), "");
  if (spec.side) branch(spec.side.layers, sideShapesOf(spec), "side.");
  return layout;
}

/** A layout to which rows are added. */
function table() {
  const parameters: Parameter[] = [];
  const layout = { parameters, length: 0 };
  const add = (name: string, shape: number[], bound: number, centre?: number) => {
    const length = shape.reduce((product, n) => product * n, 1);
    parameters.push({ name, shape, offset: layout.length, length, bound, ...(centre === undefined ? {} : { centre }) });
    layout.length += length;
  };
  return { layout, add };
}
