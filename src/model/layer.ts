/**
 * @module
 * The layer table: how each layer of a spec becomes a stage over kernel memory. A new layer is a
 * kernel file, a row in `stages`, a row in the layout, an ONNX mapping and a gradient test.
 *
 * A stage reads the signal before it and writes its own; backward it reads the gradient of its own and
 * writes that of the signal before it, which nobody else does: the layers are a chain. Signals are
 * (T,B,F) sequences, of which T may change from layer to layer, or (B,F) vectors; B is given with every call, so that the last, smaller batch of an
 * epoch needs nothing special.
 */
import type { Kernels } from "../kernels/kernels.ts";
import type { Partner } from "../kernels/partner.ts";
import { convolution } from "./convolution.ts";
import { normalise } from "./normalise.ts";
import type { Part } from "./plan.ts";
import { flatten, max, mean, pool } from "./pool.ts";
import { gru, lstm } from "./recurrent.ts";
import type { LayerSpec } from "./spec.ts";

/** Where a value and its gradient lie. */
export interface Signal {
  readonly value: number;
  /** 0 where no gradient is needed: at inference, and for the input of the model. May be `value`: a reader then writes it behind its last use of that. */
  readonly gradient: number;
  /** T; 1 for a vector. */
  readonly steps: number;
  readonly features: number;
  readonly sequence: boolean;
  /** Of an image, whose steps are its pixels. */
  readonly width?: number;
  /** 2 where the features are two directions side by side, forward first. */
  readonly directions: number;
  /** Who made the value does not need it again, so its reader may change it. */
  readonly spare: boolean;
}

/** Which dropout masks a step uses: a pure function of the three, so nothing has to be stored. */
export interface Mask {
  readonly seedLow: number;
  readonly seedHigh: number;
  readonly step: number;
}

export interface Stage {
  readonly output: Signal;
  forward(B: number, mask: Mask): void;
  backward(B: number, mask: Mask): void;
  /** Of a layer that normalises over a batch, at inference: how its statistics are measured. */
  readonly measure?: Measure;
}

/** One after the other: begin, add each batch of the layer's input, end. */
export interface Measure {
  begin(): void;
  add(B: number): void;
  end(): void;
}

/** What a stage is built from. */
export interface Site {
  readonly kernels: Kernels;
  /** A second thread over the same memory, where there is one. */
  readonly partner: Partner | undefined;
  readonly training: boolean;
  /** T of the layer's input. */
  readonly steps: number;
  /** The largest B. */
  readonly batch: number;
  /** Place in the spec: names the layer's parameters and its dropout stream. */
  readonly index: number;
  /** Pointers to a parameter and to its gradient, by the name in the layout without the index. */
  weight(name: string): number;
  gradient(name: string): number;
  /** Pointer to statistics, which are not learnt, by their name without the index: when training the batch's, at inference the model's. */
  statistic(name: string): number;
  /** Time steps of which an lstm keeps the gates for its backward pass; T: all. */
  readonly blockSteps: number;
  /** The layer's output, of the shape that shape.ts gives it, with a gradient when training. Ask once. */
  signal(): Signal;
  /** So many floats that are this stage's alone. */
  keep(part: Part, floats: number): number;
  /** So many floats that are this stage's during its own forward or backward pass, from a cache line of their own on. */
  scratch(floats: number): number;
  /** Zero so many floats, at the time of a pass. */
  clear(pointer: number, floats: number): void;
}

type Build<L> = (layer: L, input: Signal, site: Site) => Stage;
/** A row of the layer table: how a layer of that type is built. */
export type Row<Type extends LayerSpec["type"]> = Build<Extract<LayerSpec, { type: Type }>>;

/** At inference there is no dropout stage at all: the output is the input. The gradient is scaled where it lies. */
const dropout: Row<"dropout"> = ({ rate }, input, site) => {
  if (!site.training || rate === 0) return { output: input, forward() {}, backward() {} };
  const { wasm } = site.kernels;
  const { steps, features, gradient } = input;
  const count = (B: number) => steps * B * features;
  const output = { ...input, value: input.spare ? input.value : site.keep("signals", count(site.batch)) };
  const drop = (y: number, x: number, B: number, { seedLow, seedHigh, step }: Mask) =>
    wasm.dropout(y, x, count(B), rate, seedLow, seedHigh, step * 64 + site.index); // a spec has at most 64 layers
  return {
    output,
    forward: (B, mask) => drop(output.value, input.value, B, mask),
    backward: (B, mask) => void (gradient && drop(gradient, gradient, B, mask)),
  };
};

const activations = { linear: 0, relu: 1, tanh: 2, sigmoid: 3 } as const;

/** Works where its input lies, if that may be changed; on the gradient in any case. */
const activation: Row<"activation"> = ({ kind }, input, site) => {
  const { wasm } = site.kernels;
  const { steps, features, gradient } = input;
  const count = (B: number) => steps * B * features;
  const code = activations[kind];
  const output = { ...input, value: input.spare ? input.value : site.keep("signals", count(site.batch)), spare: false };
  return {
    output,
    forward: (B) => wasm.activationForward(output.value, input.value, count(B), code),
    backward: (B) => void (gradient && wasm.activationBackward(gradient, gradient, output.value, count(B), code)),
  };
};

const attention: Row<"attention"> = ({ size: A }, input, site) => {
  const { wasm } = site.kernels;
  const { steps: T, batch } = site;
  const D = input.features;
  const output = site.signal();
  const alpha = site.keep("attention", T * batch);
  const u = site.training && site.blockSteps === T ? site.keep("attention", T * batch * A) : 0;
  const scratch = site.scratch(wasm.attentionScratch(T, batch, D, A));
  const [W, b, v, c] = ["W", "b", "v", "c"].map((name) => site.weight(`attention.${name}`));
  // The softmax does not change when all scores shift, so the gradient of c is zero.
  const [dW, db, dv] = ["W", "b", "v"].map((name) => site.gradient(`attention.${name}`));
  return {
    output,
    forward(B) {
      wasm.attentionForward(output.value, alpha, u, input.value, W, b, v, c, scratch, T, B, D, A);
    },
    backward(B) {
      if (input.gradient && input.gradient !== input.value) site.clear(input.gradient, T * B * D);
      wasm.attentionBackward(input.gradient, dW, db, dv, output.gradient, alpha, u, input.value, W, b, v, scratch, T, B, D, A);
    },
  };
};

/** Each direction's final state: h_{T-1} of the forward one, h_0 of the backward one. */
const last: Row<"last"> = (_, input, site) => {
  const { kernels, steps: T } = site;
  const F = input.features;
  const output = site.signal();
  const halves = input.directions === 2 ? [[0, F / 2, T - 1], [F / 2, F, 0]] : [[0, F, T - 1]];
  const visit = (B: number, sequence: number, vector: number, move: (sequence: Float32Array, vector: Float32Array) => void) => {
    for (let b = 0; b < B; b++) {
      for (const [from, to, t] of halves) {
        move(kernels.float32(sequence + 4 * ((t * B + b) * F + from), to - from), kernels.float32(vector + 4 * (b * F + from), to - from));
      }
    }
  };
  return {
    output,
    forward(B) {
      visit(B, input.value, output.value, (sequence, vector) => vector.set(sequence));
    },
    backward(B) {
      site.clear(input.gradient, T * B * F);
      visit(B, input.gradient, output.gradient, (sequence, vector) => vector.forEach((d, j) => (sequence[j] += d)));
    },
  };
};

/** Each step is the vector; its gradient is the sum of theirs. */
const repeat: Row<"repeat"> = (_, input, site) => {
  const { kernels } = site;
  const output = site.signal();
  const T = output.steps;
  return {
    output,
    forward(B) {
      const N = B * input.features;
      const vector = kernels.float32(input.value, N);
      const sequence = kernels.float32(output.value, T * N);
      for (let t = 0; t < T; t++) sequence.set(vector, t * N);
    },
    backward(B) {
      const N = B * input.features;
      site.clear(input.gradient, N);
      kernels.wasm.addRows(input.gradient, output.gradient, T, N, N);
    },
  };
};

/** y = activation(W x + b) of a vector, or at each step of a sequence; `name` is "dense", or "head" for the last linear layer. */
export function buildDense(O: number, activation: keyof typeof activations, name: string, input: Signal, site: Site): Stage {
  const { wasm } = site.kernels;
  const I = input.features;
  const code = activations[activation];
  const output = site.signal();
  const T = site.steps;
  const scratch = site.scratch(wasm.denseScratch(T * site.batch, O, I));
  const W = site.weight(`${name}.W`), b = site.weight(`${name}.b`);
  const dW = site.gradient(`${name}.W`), db = site.gradient(`${name}.b`);
  return {
    output,
    forward(B) {
      wasm.denseForward(output.value, input.value, W, b, scratch, T * B, O, I, code);
    },
    backward(B) {
      if (input.gradient) site.clear(input.gradient, T * B * I);
      wasm.denseBackward(input.gradient, dW, db, output.gradient, output.value, input.value, W, scratch, T * B, O, I, code);
    },
  };
}

const dense: Row<"dense"> = ({ units, activation }, input, site) => buildDense(units, activation, "dense", input, site);

const stages: { [Type in LayerSpec["type"]]: Row<Type> } = { lstm, gru, convolution, pool, activation, normalise, dropout, attention, last, mean, max, flatten, repeat, dense };

export function buildStage(layer: LayerSpec, input: Signal, site: Site): Stage {
  return (stages[layer.type] as Build<LayerSpec>)(layer, input, site);
}
