import { describe, expect, test } from "vitest";
import { difference, directionalError, Memory, numbers, sweep, vectors } from "../memory.ts";
import { lstmBackward, lstmForward, type LstmInput } from "../reference.ts";
import { OTHER, run, widen } from "./recurrent.ts";

function example(T: number, B: number, I: number, H: number, reverse = false): LstmInput {
  const bound = 1 / Math.sqrt(H);
  return { T, B, I, H, reverse, x: numbers(T * B * I, 1, 2), W: numbers(4 * H * I, 2, bound), R: numbers(4 * H * H, 3, bound), b: numbers(8 * H, 4, bound) };
}

const GRADIENTS = ["dx", "dW", "dR", "db"] as const;

describe("lstm", () => {
  test("equals the float64 reference and adds to its gradients, at every size and in both directions", () => {
    for (const [T, B, I, H] of sweep(4, [20, 33, 8, 64], [7, 6, 40, 30])) {
      for (const reverse of [false, true]) {
        const input = example(T, B, I, H, reverse);
        const dy = numbers(T * B * H, 5);
        const actual = run("lstm", input, dy);
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
        const actual = run("lstm", { x: layer.x, W: half(layer.W), R: half(layer.R), b: half(layer.b), T, B, I, H, reverse: d === 1 }, columns(layer.dy));
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
      const actual = run("lstm", input, dy);
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
    const { dz } = run("lstm", example(T, B, 3, H), dy); // rows of 32 columns and a gap
    expect(dz.every((value) => value === 0 || Math.abs(value) >= 2 ** -63)).toBe(true);
    expect(dz.some((value) => value === 0)).toBe(true);
    expect(dz.some((value) => value !== 0)).toBe(true);
  });

  test("keeps a NaN, so that a bad input is seen and not hidden", () => {
    const input = example(4, 1, 2, 4);
    const x = Float32Array.from(input.x);
    x[0] = NaN;
    const { y } = run("lstm", { ...input, x }, numbers(16, 5));
    expect(y.filter((value) => Number.isNaN(value)).length).toBeGreaterThan(0);
  });

  test("gives the same bits in blocks of any number of steps", () => {
    for (const [T, B, I, H] of [[7, 3, 4, 5], [40, 1, 3, 8], [11, 33, 9, 12]]) {
      for (const reverse of [false, true]) {
        const input = example(T, B, I, H, reverse);
        const { dz: _, ...whole } = run("lstm", input, numbers(T * B * H, 5));
        for (const block of [1, 2, 5, T - 1]) {
          const { dz: _, ...inBlocks } = run("lstm", input, numbers(T * B * H, 5), block);
          expect(inBlocks, `${T} ${B} ${I} ${H} ${reverse} by ${block}`).toEqual(whole);
        }
      }
    }
  });

  test("steps of a stream are those of a sequence, bit for bit", () => {
    for (const [I, H] of [[1, 1], [3, 4], [5, 7], [8, 64], [14, 33]]) {
      const T = 6;
      const input = example(T, 1, I, H);
      const { y } = run("lstm", input, numbers(T * H, 5));
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
    expect(run("lstm", input, numbers(9 * 5 * 7, 5))).toEqual(run("lstm", input, numbers(9 * 5 * 7, 5)));
  });
});
