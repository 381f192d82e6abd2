/** One direction of a recurrent layer, as the kernels walk it. */
import { Memory, numbers } from "../memory.ts";
import type { Vector } from "../reference.ts";

/** x (T,B,I), W (G·H,I), R (G·H,H), b (2·G·H). */
export interface RecurrentInput {
  x: Vector; W: Vector; R: Vector; b: Vector;
  T: number; B: number; I: number; H: number;
  reverse?: boolean;
}

/** Columns to the right of a direction's own, as the other direction of a bidirectional layer has them. */
export const OTHER = 3;

/** (rows, H) spread to rows of H + OTHER. */
export function widen(values: ArrayLike<number>, H: number, gap: number): Float32Array {
  const rows = values.length / H;
  const result = new Float32Array(rows * (H + OTHER)).fill(gap);
  for (let row = 0; row < rows; row++) for (let j = 0; j < H; j++) result[row * (H + OTHER) + j] = values[row * H + j];
  return result;
}

type Gradients = Record<"dx" | "dW" | "dR" | "db", Float32Array>;

/**
 * Forward and backward of one direction, in blocks of `block` steps as a network with recomputation walks
 * them: each block's gates and cells are computed anew from the cell state at its border.
 */
export function run(kind: "lstm" | "gru", { x, W, R, b, T, B, I, H, reverse = false }: RecurrentInput, dy: ArrayLike<number>, block = T) {
  const G = kind === "lstm" ? 4 : 3;
  const ldy = H + OTHER;
  const Hp = (H + 3) & ~3;
  const memory = new Memory();
  const { wasm } = memory.kernels;
  const row = wasm.lstmRow(H);
  const [x_, W_, R_, b_, dy_] = [x, W, R, b, widen(dy, H, NaN)].map((values) => memory.input(values));
  const y = memory.output(widen(new Float32Array(T * B * H), H, 99));
  const blocks = Array.from({ length: Math.ceil(T / block) }, (_, k) => {
    const steps = Math.min(block, T - k * block);
    const t = reverse ? T - k * block - steps : k * block; // the block's first row
    return {
      steps, t, gates: memory.output(new Float32Array(steps * B * row)), c: memory.output(steps * B * Hp),
      y: y + 4 * t * B * ldy, x: x_ + 4 * t * B * I, dy: dy_ + 4 * t * B * ldy,
    };
  });
  /** The cell state behind block k. */
  const border = (k: number) => (k < 0 ? 0 : blocks[k].c + 4 * (reverse ? 0 : blocks[k].steps - 1) * B * Hp);
  const forwardScratch = memory.scratch(wasm.lstmForwardScratch(I, H));
  blocks.forEach(({ steps, gates, c, y, x }, k) => {
    memory.run((wasm) => wasm[`${kind}Forward`](y, gates, c, x, W_, R_, b_, border(k - 1), forwardScratch, steps, B, I, H, ldy, reverse));
  });
  const output = memory.read(y);

  const before: Gradients = { dx: numbers(T * B * I, 6), dW: numbers(G * H * I, 7), dR: numbers(G * H * H, 8), db: numbers(2 * G * H, 9) };
  const [dx, dW, dR, db] = [before.dx, before.dW, before.dR, before.db].map((values) => memory.output(values));
  const packed = memory.output(new Float32Array(wasm.lstmGradientFloats(I, H)));
  const [dh, dc] = [0, 0].map(() => memory.output(new Float32Array(B * Hp)));
  const scratch = memory.scratch(wasm.lstmBackwardScratch(H));
  const inputScratch = memory.scratch(wasm.lstmInputScratch(I, H));
  for (let k = blocks.length - 1; k >= 0; k--) {
    const { steps, t, gates, c, y, x, dy } = blocks[k];
    memory.run((wasm) => wasm[`${kind}Backward`](packed, dh, dc, dy, y, gates, c, x, R_, border(k - 1), scratch, steps, B, I, H, ldy, reverse));
    memory.run((wasm) => wasm[`${kind}Input`](dx + 4 * t * B * I, gates, W_, inputScratch, steps * B, I, H));
  }
  memory.run((wasm) => wasm[`${kind}Gradients`](dW, dR, db, packed, I, H));
  const added = (pointer: number, name: keyof Gradients) => memory.read(pointer).map((value, n) => value - before[name][n]);
  return { y: output, dz: memory.read(blocks[0].gates), dx: added(dx, "dx"), dW: added(dW, "dW"), dR: added(dR, "dR"), db: added(db, "db") };
}
