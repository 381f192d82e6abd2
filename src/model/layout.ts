/**
 * @module
 * The one table of a model's parameters: name, shape, offset and initialiser of every block of the
 * canonical vector. The update that is sent, the checkpoint that is saved and the initializers that
 * are exported are all this vector, or rows of it.
 *
 *     3.lstm.W (D,4H,I)   3.lstm.R (D,4H,H)   3.lstm.B (D,8H)     gates i, o, f, c; B = [Wb, Rb]
 *     4.attention.W (A,I) .b (A) .v (A) .c (1)
 *     5.dense.W (O,I) .b (O)      head.W (O,I) .b (O)
 *
 * The leading number is the layer's place in the spec; D is the number of directions.
 */
import { outputs, type ModelSpec } from "./spec.ts";

export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  /** First element in the canonical vector. */
  readonly offset: number;
  readonly length: number;
  /** Initial values are uniform in [-bound, bound], as PyTorch's: 1/sqrt(H) for an LSTM, 1/sqrt(I) for a linear layer. */
  readonly bound: number;
}

export interface Layout {
  readonly parameters: readonly Parameter[];
  /** P, the length of the canonical vector. */
  readonly length: number;
}

export function layoutOf(spec: ModelSpec): Layout {
  const parameters: Parameter[] = [];
  let length = 0;
  const add = (name: string, shape: number[], bound: number) => {
    const size = shape.reduce((product, n) => product * n, 1);
    parameters.push({ name, shape, offset: length, length: size, bound });
    length += size;
  };
  const linear = (name: string, O: number, I: number) => {
    add(`${name}.W`, [O, I], 1 / Math.sqrt(I));
    add(`${name}.b`, [O], 1 / Math.sqrt(I));
  };

  let I = spec.input.features;
  spec.layers.forEach((layer, index) => {
    if (layer.type === "lstm") {
      const D = layer.bidirectional ? 2 : 1;
      const H = layer.hidden;
      const bound = 1 / Math.sqrt(H);
      add(`${index}.lstm.W`, [D, 4 * H, I], bound);
      add(`${index}.lstm.R`, [D, 4 * H, H], bound);
      add(`${index}.lstm.B`, [D, 8 * H], bound);
      I = D * H;
    }
    if (layer.type === "attention") {
      const A = layer.size;
      linear(`${index}.attention`, A, I);
      add(`${index}.attention.v`, [A], 1 / Math.sqrt(A));
      add(`${index}.attention.c`, [1], 1 / Math.sqrt(A));
    }
    if (layer.type === "dense") {
      linear(`${index}.dense`, layer.units, I);
      I = layer.units;
    }
  });
  linear("head", outputs(spec.head), I);
  return { parameters, length };
}
