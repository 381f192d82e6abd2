/**
 * @module
 * The layer table: how each layer of a spec becomes a stage over kernel memory. A new layer is a
 * kernel file, a row in `stages`, a row in the layout, an ONNX mapping and a gradient test.
 *
 * A stage reads the signal before it and writes its own; backward it adds to the gradient of the
 * signal before it. Signals are (T,B,F) sequences or (B,F) vectors; B is given with every call, so
 * that the last, smaller batch of an epoch needs nothing special.
 */
import type { Kernels } from "../kernels/kernels.ts";
import { runPair, type Arguments, type Call, type Partner } from "../kernels/partner.ts";
import type { LayerSpec } from "./spec.ts";

/** Where a value and its gradient lie. */
export interface Signal {
  readonly value: number;
  /** 0 where no gradient is needed: at inference, and for the input of the model. */
  readonly gradient: number;
  readonly features: number;
  readonly sequence: boolean;
  /** 2 where the features are two directions side by side, forward first. */
  readonly directions: number;
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
}

/** What a stage is built from. */
export interface Site {
  readonly kernels: Kernels;
  /** A second thread over the same memory, where there is one. */
  readonly partner: Partner | undefined;
  readonly training: boolean;
  /** T */
  readonly steps: number;
  /** The largest B. */
  readonly batch: number;
  /** Place in the spec: names the layer's parameters and its dropout stream. */
  readonly index: number;
  /** Pointers to a parameter and to its gradient, by the name in the layout without the index. */
  weight(name: string): number;
  gradient(name: string): number;
  /** A signal of this shape, with a gradient when training. */
  signal(features: number, sequence: boolean, directions?: number): Signal;
  floats(count: number): number;
  /** Scratch of at least this many floats, shared by all stages: its content lives for one call. */
  scratch(count: number): () => number;
}

type Build<L> = (layer: L, input: Signal, site: Site) => Stage;
type Row<Type extends LayerSpec["type"]> = Build<Extract<LayerSpec, { type: Type }>>;

/**
 * Both directions at once where there is a partner, one after the other where there is none. The order
 * in which a number's terms are added is the same, and so are the bits: the directions share only dx,
 * of which each thread has a half of the rows and adds the forward direction's term to it first.
 */
const lstm: Row<"lstm"> = ({ hidden: H, bidirectional }, input, site) => {
  const { kernels, partner, steps: T, batch, training } = site;
  const { wasm } = kernels;
  const I = input.features;
  const D = bidirectional ? 2 : 1;
  const threads = partner ? 2 : 1;
  const Hp = (H + 3) & ~3;
  const row = wasm.lstmRow(H);
  const output = site.signal(D * H, true, D);

  // Scratch: for each thread what a call needs, then for each direction what it gathers over time.
  const line = (floats: number) => (floats + 15) & ~15; // no cache line belongs to two threads
  const call = line(Math.max(wasm.lstmForwardScratch(I, H), training ? Math.max(wasm.lstmBackwardScratch(H), wasm.lstmInputScratch(I, H)) : 0));
  const gathered = training ? line(wasm.lstmGradientFloats(I, H)) : 0;
  const carried = training ? line(batch * Hp) : 0;
  const direction = gathered + 2 * carried;
  const scratch = site.scratch(threads * call + D * direction);
  const scratchOf = (thread: number) => scratch() + 4 * thread * call;

  const directions = Array.from({ length: D }, (_, d) => ({
    reverse: d === 1,
    thread: partner ? d : 0,
    y: output.value + 4 * d * H,
    dy: output.gradient + 4 * d * H,
    gates: site.floats(T * batch * row),
    c: site.floats(T * batch * Hp),
    W: site.weight("lstm.W") + 4 * d * 4 * H * I,
    R: site.weight("lstm.R") + 4 * d * 4 * H * H,
    bias: site.weight("lstm.B") + 4 * d * 8 * H,
    dW: site.gradient("lstm.W") + 4 * d * 4 * H * I,
    dR: site.gradient("lstm.R") + 4 * d * 4 * H * H,
    dbias: site.gradient("lstm.B") + 4 * d * 8 * H,
    /** Gradients of the weights as the kernel packs them, then dh and dc. */
    packed: () => scratch() + 4 * (threads * call + d * direction),
  }));
  type Direction = (typeof directions)[number];

  /** A call for each direction. */
  const forDirections = <K extends Call>(kernel: K, argumentsOf: (direction: Direction) => Arguments<K>) => {
    const [here, there] = directions.map(argumentsOf);
    runPair(kernels, partner, kernel, here, there);
  };
  /** dx (T·B, I) += dz W of a direction. */
  const addInputGradient = ({ gates, W }: Direction, B: number) => {
    const rows = T * B;
    const first = partner ? rows >> 1 : rows;
    const of = (thread: number, from: number, count: number): Arguments<"lstmInput"> =>
      [input.gradient + 4 * from * I, gates + 4 * from * row, W, scratchOf(thread), count, I, H];
    runPair(kernels, partner, "lstmInput", of(0, 0, first), first < rows ? of(1, first, rows - first) : undefined);
  };
  return {
    output,
    forward(B) {
      forDirections("lstmForward", ({ thread, y, gates, c, W, R, bias, reverse }) =>
        [y, gates, c, input.value, W, R, bias, 0, scratchOf(thread), T, B, I, H, D * H, reverse]);
    },
    backward(B) {
      kernels.float32(directions[0].packed(), D * direction).fill(0);
      forDirections("lstmBackward", ({ thread, packed, dy, y, gates, c, R, reverse }) => {
        const dh = packed() + 4 * gathered;
        return [packed(), dh, dh + 4 * carried, dy, y, gates, c, input.value, R, 0, scratchOf(thread), T, B, I, H, D * H, reverse];
      });
      forDirections("lstmGradients", ({ packed, dW, dR, dbias }) => [dW, dR, dbias, packed(), I, H]);
      if (input.gradient) for (const direction of directions) addInputGradient(direction, B);
    },
  };
};

/** At inference there is no dropout stage at all: the output is the input. */
const dropout: Row<"dropout"> = ({ rate }, input, site) => {
  if (!site.training || rate === 0) return { output: input, forward() {}, backward() {} };
  const { wasm } = site.kernels;
  const output = site.signal(input.features, input.sequence, input.directions);
  const count = (B: number) => (input.sequence ? site.steps : 1) * B * input.features;
  const stream = (mask: Mask) => mask.step * 64 + site.index; // a spec has at most 64 layers
  return {
    output,
    forward(B, mask) {
      wasm.dropoutForward(output.value, input.value, count(B), rate, mask.seedLow, mask.seedHigh, stream(mask));
    },
    backward(B, mask) {
      if (!input.gradient) return;
      wasm.dropoutBackward(input.gradient, output.gradient, count(B), rate, mask.seedLow, mask.seedHigh, stream(mask));
    },
  };
};

const attention: Row<"attention"> = ({ size: A }, input, site) => {
  const { wasm } = site.kernels;
  const { steps: T, batch } = site;
  const D = input.features;
  const output = site.signal(D, false);
  const alpha = site.floats(T * batch);
  const u = site.floats(T * batch * A);
  const scratch = site.scratch(wasm.attentionScratch(T, batch, D, A));
  const [W, b, v, c] = ["W", "b", "v", "c"].map((name) => site.weight(`attention.${name}`));
  // The softmax does not change when all scores shift, so the gradient of c is zero.
  const [dW, db, dv] = ["W", "b", "v"].map((name) => site.gradient(`attention.${name}`));
  return {
    output,
    forward(B) {
      wasm.attentionForward(output.value, alpha, u, input.value, W, b, v, c, scratch(), T, B, D, A);
    },
    backward(B) {
      wasm.attentionBackward(input.gradient, dW, db, dv, output.gradient, alpha, u, input.value, W, v, scratch(), T, B, D, A);
    },
  };
};

/** Each direction's final state: h_{T-1} of the forward one, h_0 of the backward one. */
const last: Row<"last"> = (_, input, site) => {
  const { kernels, steps: T } = site;
  const F = input.features;
  const output = site.signal(F, false);
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
      visit(B, input.gradient, output.gradient, (sequence, vector) => vector.forEach((d, j) => (sequence[j] += d)));
    },
  };
};

const activations = { linear: 0, relu: 1, tanh: 2, sigmoid: 3 } as const;

/** y = activation(W x + b); `name` is "dense", or "head" for the last linear layer. */
export function buildDense(O: number, activation: keyof typeof activations, name: string, input: Signal, site: Site): Stage {
  const { wasm } = site.kernels;
  const I = input.features;
  const code = activations[activation];
  const output = site.signal(O, false);
  const scratch = site.scratch(wasm.denseScratch(site.batch, O, I));
  const W = site.weight(`${name}.W`), b = site.weight(`${name}.b`);
  const dW = site.gradient(`${name}.W`), db = site.gradient(`${name}.b`);
  return {
    output,
    forward(B) {
      wasm.denseForward(output.value, input.value, W, b, scratch(), B, O, I, code);
    },
    backward(B) {
      wasm.denseBackward(input.gradient, dW, db, output.gradient, output.value, input.value, W, scratch(), B, O, I, code);
    },
  };
}

const dense: Row<"dense"> = ({ units, activation }, input, site) => buildDense(units, activation, "dense", input, site);

const stages: { [Type in LayerSpec["type"]]: Row<Type> } = { lstm, dropout, attention, last, dense };

export function buildStage(layer: LayerSpec, input: Signal, site: Site): Stage {
  return (stages[layer.type] as Build<LayerSpec>)(layer, input, site);
}
