import { describe, expect, test } from "vitest";
import { attentionBackward, attentionForward, type AttentionInput } from "../reference.ts";
import { difference, directionalError, Memory, numbers, sweep, vectors } from "../memory.ts";

function example(T: number, B: number, D: number, A: number): AttentionInput {
  const [W, v] = [numbers(A * D, 2, 1 / Math.sqrt(D)), numbers(A, 4, 4 / Math.sqrt(A))];
  return { T, B, D, A, h: numbers(T * B * D, 1), W, b: numbers(A, 3, 0.3), v, c: Math.fround(0.1) };
}

const gradients = ["dh", "dW", "db", "dv"] as const;

/** With `lean`, u is not kept, and the gradient of h takes the place of h. */
function run({ h, W, b, v, c, T, B, D, A }: AttentionInput, dcontext: ArrayLike<number>, lean = false) {
  const memory = new Memory();
  const context = memory.output(B * D), alpha = memory.output(T * B), u = lean ? 0 : memory.output(T * B * A);
  const [W_, b_, v_, c_, dcontext_] = [W, b, v, [c], dcontext].map((values) => memory.input(values));
  const h_ = lean ? memory.output(h) : memory.input(h);
  const before = [T * B * D, A * D, A, A].map((length, index) => numbers(length, 20 + index));
  const [dh, dW, db, dv] = before.map((values, index) => (lean && index === 0 ? h_ : memory.output(values)));
  const scratch = memory.scratch(memory.kernels.wasm.attentionScratch(T, B, D, A));
  memory.run((wasm) => wasm.attentionForward(context, alpha, u, h_, W_, b_, v_, c_, scratch, T, B, D, A));
  memory.run((wasm) => wasm.attentionBackward(dh, dW, db, dv, dcontext_, alpha, u, h_, W_, b_, v_, scratch, T, B, D, A));
  const added = [dh, dW, db, dv].map((pointer, index) => memory.read(pointer).map((value, n) => value - (pointer === h_ ? 0 : before[index][n])));
  const outputs = { context: memory.read(context), alpha: memory.read(alpha), u: u ? memory.read(u) : undefined };
  return { ...outputs, dh: added[0], dW: added[1], db: added[2], dv: added[3] };
}

describe("attention", () => {
  test("equals the float64 reference and adds to its gradients, at every size", () => {
    for (const [T, B, D, A] of sweep(4, [100, 6, 32, 16], [40, 5, 33, 18], [3, 32, 128, 64])) {
      const input = example(T, B, D, A);
      const dcontext = numbers(B * D, 5);
      const actual = run(input, dcontext);
      const expected = { ...attentionForward(input), ...attentionBackward(dcontext, input) };
      for (const name of ["context", "alpha", "u", ...gradients] as const) {
        expect(difference(actual[name]!, expected[name]), `${name} ${T} ${B} ${D} ${A}`).toBeLessThan(2e-6);
      }
    }
  });

  test("matches PyTorch", () => {
    type Numbers = Record<"c" | "alpha" | "context" | "dcontext" | (typeof gradients)[number], number[]>;
    type Case = Omit<AttentionInput, "c"> & Numbers;
    for (const vector of vectors<Case>("attention")) {
      const actual = run({ ...vector, c: vector.c[0] }, vector.dcontext);
      for (const name of ["context", "alpha", ...gradients] as const) expect(difference(actual[name], vector[name]), name).toBeLessThan(2e-6);
    }
  });

  test("has the gradient of its forward", () => {
    const input = example(7, 3, 6, 5);
    const dcontext = numbers(18, 5);
    const actual = run(input, dcontext);
    for (const name of ["h", "W", "b", "v"] as const) {
      const context = (point: Float64Array) => attentionForward({ ...input, [name]: point }).context;
      const loss = (point: Float64Array) => context(point).reduce((sum, y, n) => sum + y * dcontext[n], 0);
      expect(directionalError(loss, input[name], actual[`d${name}`], 9), `d${name}`).toBeLessThan(1e-5);
    }
  });

  test("does not depend on c, so c has no gradient", () => {
    const input = example(7, 3, 6, 5);
    const shifted = attentionForward({ ...input, c: input.c + 1 }).context;
    expect(difference(shifted, attentionForward(input).context)).toBeLessThan(1e-14);
    expect(difference(run({ ...input, c: 3 }, numbers(18, 5)).context, shifted)).toBeLessThan(1e-6);
  });

  test("takes scores far apart, and far from zero, without overflow", () => {
    const input = { ...example(5, 2, 3, 4), v: numbers(4, 4, 300), c: 1e4 };
    const { alpha, dh } = run(input, numbers(6, 5));
    expect(difference(alpha, attentionForward(input).alpha)).toBeLessThan(2e-3); // a score of 1e4 has an ulp of 1e-3
    expect(dh.every(Number.isFinite)).toBe(true);
  });

  test("gives the same bits where u is not kept and the gradient of h takes the place of h", () => {
    for (const [T, B, D, A] of sweep(4, [100, 6, 32, 16], [40, 5, 33, 18], [3, 65, 12, 8])) {
      const input = example(T, B, D, A);
      const { u: _, dh, ...kept } = run(input, numbers(B * D, 5));
      const { u: __, dh: inPlace, ...lean } = run(input, numbers(B * D, 5), true);
      expect(lean, `${T} ${B} ${D} ${A}`).toEqual(kept);
      expect(difference(inPlace, dh), `dh ${T} ${B} ${D} ${A}`).toBeLessThan(1e-6); // dh was added to numbers of about 1
    }
  });

  test("leaves the gradient of the input out where it is not asked for", () => {
    const [T, B, D, A] = [7, 3, 6, 5];
    const input = example(T, B, D, A);
    const memory = new Memory();
    const context = memory.output(B * D), alpha = memory.output(T * B), u = memory.output(T * B * A);
    const [h, W, b, v, c, dcontext] = [input.h, input.W, input.b, input.v, [input.c], numbers(B * D, 5)].map((values) => memory.input(values));
    const [dW, db, dv] = [A * D, A, A].map((length) => memory.output(new Float32Array(length)));
    const scratch = memory.scratch(memory.kernels.wasm.attentionScratch(T, B, D, A));
    memory.run((wasm) => wasm.attentionForward(context, alpha, u, h, W, b, v, c, scratch, T, B, D, A));
    memory.run((wasm) => wasm.attentionBackward(0, dW, db, dv, dcontext, alpha, u, h, W, b, v, scratch, T, B, D, A));
    expect(difference(memory.read(dW), attentionBackward(numbers(B * D, 5), input).dW)).toBeLessThan(1e-6);
  });

  test("is deterministic", () => {
    const input = example(8, 7, 6, 5);
    expect(run(input, numbers(42, 5))).toEqual(run(input, numbers(42, 5)));
  });
});
