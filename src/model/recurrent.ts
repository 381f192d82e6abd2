/**
 * @module
 * The lstm and gru stages: in which blocks of time their directions walk, on which thread and in which
 * memory. Both have the same kernels but for the name; a gru's cell is its state once more (assembly/gru.ts).
 *
 *     training             one block of T steps; its gates and cells are kept for the backward pass
 *     training in blocks   gates and cells of one block at a time, in scratch memory. The states at the
 *                          borders are kept; the backward pass goes from the last block to the first and
 *                          computes each again from the state before it, its outputs included
 *     inference            gates and cells of one block at a time; nobody comes back to them
 *
 *     t    0 ────────── S ────────── 2S ───────── 3S ─── T     S = blockSteps
 *          |  block 0   |  block 1   |  block 2   |  3   |     of the forward direction; the reversed one
 *                      h,c          h,c          h,c           begins at T and has its short block at 0
 *
 * Both directions go at once where there is a partner, one after the other where there is none. The order
 * in which a number's terms are added is the same, and so are the bits: the directions share only dx, of
 * which each thread has a half of the rows and adds the forward direction's term to it first. In blocks
 * they meet the rows of dx in opposite orders, so there the backward pass takes one after the other.
 */
import { runPair, type Arguments, type Call } from "../kernels/partner.ts";
import type { Signal, Site, Stage } from "./layer.ts";
import type { Part } from "./plan.ts";
import type { LayerSpec } from "./spec.ts";

type Recurrent = Pick<Extract<LayerSpec, { type: "lstm" | "gru" }>, "hidden" | "bidirectional">;

/** Rows, steps times windows, of a block at inference: fewer are not worth packing the weights for, more leave the cache. */
const INFERENCE_ROWS = 1024;

/** How many gates' rows W, R and each half of B have. */
const GATES = { lstm: 4, gru: 3 } as const;

const recurrent = (kind: "lstm" | "gru") => ({ hidden: H, bidirectional }: Recurrent, input: Signal, site: Site): Stage => {
  const G = GATES[kind];
  const { kernels, partner, steps: T, batch, training } = site;
  const { wasm } = kernels;
  const I = input.features;
  const D = bidirectional ? 2 : 1;
  const F = D * H;
  const Hp = (H + 3) & ~3;
  const row = wasm.lstmRow(H);
  const blockSteps = Math.min(T, training ? site.blockSteps : Math.ceil(INFERENCE_ROWS / batch));
  const blocks = Math.ceil(T / blockSteps);
  const recompute = training && blocks > 1;
  const output = site.signal();

  const gatesAndCells = (take: (part: Part, floats: number) => number) => ({
    gates: take("gates", blockSteps * batch * row),
    c: take("cells", blockSteps * batch * Hp),
  });
  const callFloats = Math.max(wasm.lstmForwardScratch(I, H), training ? Math.max(wasm.lstmBackwardScratch(H), wasm.lstmInputScratch(I, H)) : 0);
  const threads = Array.from({ length: partner ? 2 : 1 }, () => ({
    scratch: site.scratch(callFloats),
    lent: training && !recompute ? undefined : gatesAndCells((_, floats) => site.scratch(floats)),
  }));
  /** Outputs of a block that is computed again, with a row before and a row behind for the state at its border. */
  const yAgain = recompute ? site.scratch((blockSteps + 2) * batch * F) : 0;
  const gradientFloats = training ? wasm.lstmGradientFloats(I, H) : 0;
  const copy = (to: number, from: number, floats: number) => kernels.float32(to, floats).set(kernels.float32(from, floats));

  const directions = Array.from({ length: D }, (_, d) => {
    const reverse = d === 1;
    const column = 4 * d * H;
    const { scratch, lent: { gates, c } = gatesAndCells(site.keep) } = threads[partner ? d : 0];
    /** States behind each block but the last; at inference only those behind the block before. */
    const borders = training ? blocks - 1 : Math.min(1, blocks - 1);
    const cBorders = site.keep("borders", borders * batch * Hp);
    const yBorders = site.keep("borders", recompute ? borders * batch * F : 0);
    const own = (of: (name: string) => number) => [of(`${kind}.W`) + 4 * d * G * H * I, of(`${kind}.R`) + 4 * d * G * H * H, of(`${kind}.B`) + 4 * d * 2 * G * H];
    const [W, R, bias] = own(site.weight);
    const [dW, dR, dbias] = own(site.gradient);
    const packed = site.scratch(gradientFloats);
    const [dh, dc] = [0, 0].map(() => site.scratch(training ? batch * Hp : 0));

    /** Of the k-th block on the direction's way: its first row and its length. */
    const block = (k: number) => {
      const steps = Math.min(blockSteps, T - k * blockSteps);
      return { t: reverse ? T - k * blockSteps - steps : k * blockSteps, steps };
    };
    const cellsBefore = (k: number, B: number) => (k === 0 ? 0 : cBorders + (training ? 4 * (k - 1) * B * Hp : 0));
    const outputOf = (k: number, B: number) => output.value + column + 4 * block(k).t * B * F;
    const outputAgain = (B: number) => yAgain + column + 4 * B * F;
    const forward = (k: number, B: number, y: number): Arguments<"lstmForward"> => {
      const { t, steps } = block(k);
      return [y, gates, c, input.value + 4 * t * B * I, W, R, bias, cellsBefore(k, B), scratch, steps, B, I, H, F, reverse];
    };
    return {
      forward: (k: number, B: number) => forward(k, B, outputOf(k, B)),
      /** The states behind block k, for the next one. */
      keepBorder(k: number, B: number) {
        const { t, steps } = block(k);
        const last = reverse ? 0 : steps - 1;
        copy(cellsBefore(k + 1, B), c + 4 * last * B * Hp, B * Hp);
        if (recompute) copy(yBorders + 4 * k * B * F, output.value + 4 * (t + last) * B * F, B * F);
      },
      forwardAgain(k: number, B: number) {
        const before = reverse ? block(k).steps + 1 : 0;
        if (k > 0) copy(yAgain + 4 * before * B * F, yBorders + 4 * (k - 1) * B * F, B * F);
        return forward(k, B, outputAgain(B));
      },
      begin(B: number) {
        site.clear(packed, gradientFloats);
        for (const state of [dh, dc]) site.clear(state, B * Hp);
      },
      backward(k: number, B: number): Arguments<"lstmBackward"> {
        const { t, steps } = block(k);
        const y = recompute ? outputAgain(B) : outputOf(k, B);
        const dy = output.gradient + column + 4 * t * B * F;
        return [packed, dh, dc, dy, y, gates, c, input.value + 4 * t * B * I, R, cellsBefore(k, B), scratch, steps, B, I, H, F, reverse];
      },
      rows: (k: number, B: number) => block(k).steps * B,
      /** For `count` of the rows of block k; any thread may do it. */
      input: (k: number, B: number, from: number, count: number, thread: number): Arguments<"lstmInput"> =>
        [input.gradient + 4 * (block(k).t * B + from) * I, gates + 4 * from * row, W, threads[thread].scratch, count, I, H],
      gradients: (): Arguments<"lstmGradients"> => [dW, dR, dbias, packed, I, H],
    };
  });
  type Direction = (typeof directions)[number];

  const oneByOne = directions.map((direction) => [direction]);
  const both = [directions];
  /** One call, or two at once where there is a partner. */
  const call = <K extends Call>(kernel: K, [here, there]: Direction[], argumentsOf: (direction: Direction) => Arguments<K>) =>
    runPair(kernels, partner, kernel, argumentsOf(here), there && argumentsOf(there));
  const addInputGradient = (direction: Direction, k: number, B: number) => {
    const rows = direction.rows(k, B);
    const first = partner ? rows >> 1 : rows;
    runPair(kernels, partner, `${kind}Input`, direction.input(k, B, 0, first, 0), first < rows ? direction.input(k, B, first, rows - first, 1) : undefined);
  };

  return {
    output,
    forward(B) {
      for (const together of partner ? both : oneByOne) {
        for (let k = 0; k < blocks; k++) {
          call(`${kind}Forward`, together, (direction) => direction.forward(k, B));
          if (k < blocks - 1) for (const direction of together) direction.keepBorder(k, B);
        }
      }
    },
    backward(B) {
      for (const direction of directions) direction.begin(B);
      if (input.gradient) site.clear(input.gradient, T * B * I);
      for (const together of recompute ? oneByOne : both) {
        for (let k = blocks - 1; k >= 0; k--) {
          if (recompute) call(`${kind}Forward`, together, (direction) => direction.forwardAgain(k, B));
          call(`${kind}Backward`, together, (direction) => direction.backward(k, B));
          if (input.gradient) for (const direction of together) addInputGradient(direction, k, B);
        }
      }
      call(`${kind}Gradients`, directions, (direction) => direction.gradients());
    },
  };
};

export const lstm = recurrent("lstm");
export const gru = recurrent("gru");
