import { describe, expect, test } from "vitest";
import { difference, directionalError, Memory, numbers, sweep, vectors } from "../memory.ts";
import { lstmBackward, lstmForward, type LstmInput } from "../reference.ts";

/** Columns to the right of a direction's own, as the other direction of a bidirectional layer has them. */
const OTHER = 3;

function example(T: number, B: number, I: number, H: number, reverse = false): LstmInput {
  const bound = 1 / Math.sqrt(H);
  return { T, B, I, H, reverse, x: numbers(T * B * I, 1, 2), W: numbers(4 * H * I, 2, bound), R: numbers(4 * H * H, 3, bound), b: numbers(8 * H, 4, bound) };
}

/** (rows, H) spread to rows of H + OTHER. */
function widen(values: ArrayLike<number>, H: number, gap: number): Float32Array {
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
function run({ x, W, R, b, T, B, I, H, reverse = false }: LstmInput, dy: ArrayLike<number>, block = T) {
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
    memory.run((wasm) => wasm.lstmForward(y, gates, c, x, W_, R_, b_, border(k - 1), forwardScratch, steps, B, I, H, ldy, reverse));
  });
  const output = memory.read(y);

  const before: Gradients = { dx: numbers(T * B * I, 6), dW: numbers(4 * H * I, 7), dR: numbers(4 * H * H, 8), db: numbers(8 * H, 9) };
  const [dx, dW, dR, db] = [before.dx, before.dW, before.dR, before.db].map((values) => memory.output(values));
  const packed = memory.output(new Float32Array(wasm.lstmGradientFloats(I, H)));
  const [dh, dc] = [0, 0].map(() => memory.output(new Float32Array(B * Hp)));
  const scratch = memory.scratch(wasm.lstmBackwardScratch(H));
  const inputScratch = memory.scratch(wasm.lstmInputScratch(I, H));
  for (let k = blocks.length - 1; k >= 0; k--) {
    const { steps, t, gates, c, y, x, dy } = blocks[k];
    memory.run((wasm) => wasm.lstmBackward(packed, dh, dc, dy, y, gates, c, x, R_, border(k - 1), scratch, steps, B, I, H, ldy, reverse));
    memory.run((wasm) => wasm.lstmInput(dx + 4 * t * B * I, gates, W_, inputScratch, steps * B, I, H));
  }
  memory.run((wasm) => wasm.lstmGradients(dW, dR, db, packed, I, H));
  const added = (pointer: number, name: keyof Gradients) => memory.read(pointer).map((value, n) => value - before[name][n]);
  return { y: output, dz: memory.read(blocks[0].gates), dx: added(dx, "dx"), dW: added(dW, "dW"), dR: added(dR, "dR"), db: added(db, "db") };
}

const GRADIENTS = ["dx", "dW", "dR", "db"] as const;

describe("lstm", () => {
  test("equals the float64 reference and adds to its gradients, at every size and in both directions", () => {
    for (const [T, B, I, H] of sweep(4, [20, 33, 8, 64], [7, 6, 40, 30])) {
      for (const reverse of [false, true]) {
        const input = example(T, B, I, H, reverse);
        const dy = numbers(T * B * H, 5);
        const actual = run(input, dy);
        expect(difference(actual.y, widen(lstmForward(input).h, H, 99)), `y ${T} ${B} ${I} ${H} ${reverse}`).toBeLessThan(2e-6);
        const expected = lstmBackward(dy, input);
        for (const name of GRADIENTS) expect(difference(actual[name], expected[name]), `${name} ${T} ${B} ${I} ${H} ${reverse}`).toBeLessThan(1e-5);
      }
    }
  });

  test("matches PyTorch, each direction of a bidirectional layer too", () => {
    type Case = Omit<LstmInput, "reverse"> & Record<"y" | "dy" | "dx" | "dW" | "dR" | "db", number[]> & { D: number };
    for (const { D, dx, ...layer } of vectors<Case>("lstm")) {
      const { T, B, I, H } = layer;
      const total = new Float32Array(T * B * I);
      for (let d = 0; d < D; d++) {
        const half = (values: ArrayLike<number>) => Array.from(values).slice((d * values.length) / D, ((d + 1) * values.length) / D);
        const columns = (values: number[]) => values.filter((_, n) => Math.floor((n % (D * H)) / H) === d);
        const actual = run({ x: layer.x, W: half(layer.W), R: half(layer.R), b: half(layer.b), T, B, I, H, reverse: d === 1 }, columns(layer.dy));
        expect(difference(actual.y, widen(columns(layer.y), H, 99))).toBeLessThan(1e-6);
        expect(difference(actual.dW, half(layer.dW))).toBeLessThan(3e-6);
        expect(difference(actual.dR, half(layer.dR))).toBeLessThan(3e-6);
        expect(difference(actual.db, half(layer.db))).toBeLessThan(3e-6);
        actual.dx.forEach((value, n) => (total[n] += value));
      }
      expect(difference(total, dx)).toBeLessThan(3e-6);
    }
  });

  test("has the gradient of its forward", () => {
    for (const reverse of [false, true]) {
      const input = example(6, 3, 4, 5, reverse);
      const dy = numbers(6 * 3 * 5, 5);
      const actual = run(input, dy);
      for (const name of ["x", "W", "R", "b"] as const) {
        const loss = (point: Float64Array) => lstmForward({ ...input, [name]: point }).h.reduce((sum, h, n) => sum + h * dy[n], 0);
        expect(directionalError(loss, input[name], actual[`d${name}`], 11), `d${name}`).toBeLessThan(1e-5);
      }
    }
  });

  test("flushes a vanishing gradient to zero instead of computing with denormals", () => {
    const [T, B, H] = [60, 2, 8];
    const dy = new Float32Array(T * B * H);
    dy.fill(1e-15, dy.length - B * H); // a loss on the last step only: it decays below 2^-63 on the way back
    const { dz } = run(example(T, B, 3, H), dy); // rows of 32 columns and a gap
    expect(dz.every((value) => value === 0 || Math.abs(value) >= 2 ** -63)).toBe(true);
    expect(dz.some((value) => value === 0)).toBe(true);
    expect(dz.some((value) => value !== 0)).toBe(true);
  });

  test("keeps a NaN, so that a bad input is seen and not hidden", () => {
    const input = example(4, 1, 2, 4);
    const x = Float32Array.from(input.x);
    x[0] = NaN;
    const { y } = run({ ...input, x }, numbers(16, 5));
    expect(y.filter((value) => Number.isNaN(value)).length).toBeGreaterThan(0);
  });

  test("gives the same bits in blocks of any number of steps", () => {
    for (const [T, B, I, H] of [[7, 3, 4, 5], [40, 1, 3, 8], [11, 33, 9, 12]]) {
      for (const reverse of [false, true]) {
        const input = example(T, B, I, H, reverse);
        const { dz: _, ...whole } = run(input, numbers(T * B * H, 5));
        for (const block of [1, 2, 5, T - 1]) {
          const { dz: _, ...inBlocks } = run(input, numbers(T * B * H, 5), block);
          expect(inBlocks, `${T} ${B} ${I} ${H} ${reverse} by ${block}`).toEqual(whole);
        }
      }
    }
  });

  test("steps of a stream are those of a sequence, bit for bit", () => {
    for (const [I, H] of [[1, 1], [3, 4], [5, 7], [8, 64], [14, 33]]) {
      const T = 6;
      const input = example(T, 1, I, H);
      const { y } = run(input, numbers(T * H, 5));
      const memory = new Memory();
      const { wasm } = memory.kernels;
      const [W, R, b] = [input.W, input.R, input.b].map((values) => memory.input(values));
      const packed = memory.output(wasm.lstmStepFloats(I, H));
      const [h, c] = [0, 0].map(() => memory.output(new Float32Array((H + 3) & ~3)));
      memory.run((wasm) => wasm.lstmPack(packed, W, R, b, I, H));
      const xs = Array.from({ length: T }, (_, t) => memory.input(Float32Array.from(input.x).slice(t * I, (t + 1) * I)));
      xs.forEach((x, t) => {
        memory.run((wasm) => wasm.lstmStep(h, c, x, packed, I, H));
        expect(memory.read(h).subarray(0, H), `step ${t} ${I} ${H}`).toEqual(y.subarray(t * (H + OTHER), t * (H + OTHER) + H));
      });
    }
  });

  test("is deterministic", () => {
    const input = example(9, 5, 6, 7);
    expect(run(input, numbers(9 * 5 * 7, 5))).toEqual(run(input, numbers(9 * 5 * 7, 5)));
  });
});
