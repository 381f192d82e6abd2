import { describe, expect, test } from "vitest";
import { activations, denseBackward, denseForward, type DenseInput } from "../reference.ts";
import { difference, directionalError, Memory, numbers, sweep, vectors } from "../memory.ts";

function example(B: number, O: number, I: number, activation: number): DenseInput {
  const bound = 1 / Math.sqrt(I);
  return { B, O, I, activation, x: numbers(B * I, 1, 2), W: numbers(O * I, 2, bound), b: numbers(O, 3, bound) };
}

function run({ x, W, b, B, O, I, activation }: DenseInput, dy: ArrayLike<number>) {
  const before = { dx: numbers(B * I, 5), dW: numbers(O * I, 6), db: numbers(O, 7) };
  const memory = new Memory();
  const input = { x: memory.input(x), W: memory.input(W), b: memory.input(b), dy: memory.input(dy) };
  const y = memory.output(B * O);
  const gradient = { dx: memory.output(before.dx), dW: memory.output(before.dW), db: memory.output(before.db) };
  const scratch = memory.scratch(memory.kernels.wasm.denseScratch(B, O, I));
  memory.run((wasm) => wasm.denseForward(y, input.x, input.W, input.b, scratch, B, O, I, activation));
  const { dx, dW, db } = gradient;
  memory.run((wasm) => wasm.denseBackward(dx, dW, db, input.dy, y, input.x, input.W, scratch, B, O, I, activation));
  const added = (name: "dx" | "dW" | "db") => memory.read(gradient[name]).map((value, n) => value - before[name][n]);
  return { y: memory.read(y), dx: added("dx"), dW: added("dW"), db: added("db") };
}

describe("dense", () => {
  test("equals the float64 reference and adds to its gradients, at every size and activation", () => {
    for (const [B, O, I] of sweep(3, [32, 64, 128], [33, 17, 50], [2, 100, 300])) {
      for (let activation = 0; activation < activations.length; activation++) {
        const input = example(B, O, I, activation);
        const dy = numbers(B * O, 4);
        const actual = run(input, dy);
        const expected = { y: denseForward(input), ...denseBackward(dy, input) };
        for (const name of ["y", "dx", "dW", "db"] as const) {
          expect(difference(actual[name], expected[name]), `${name} ${activations[activation].name} ${B} ${O} ${I}`).toBeLessThan(3e-6);
        }
      }
    }
  });

  test("matches PyTorch", () => {
    type Case = Omit<DenseInput, "activation"> & Record<"y" | "dy" | "dx" | "dW" | "db", number[]> & { activation: string };
    for (const { activation: name, dy, ...input } of vectors<Case>("dense")) {
      const activation = activations.findIndex((entry) => entry.name === name);
      const actual = run({ ...input, activation }, dy);
      for (const output of ["y", "dx", "dW", "db"] as const) {
        expect(difference(actual[output], input[output]), `${output} ${name}`).toBeLessThan(2e-6);
      }
    }
  });

  test("has the gradient of its forward", () => {
    for (let activation = 0; activation < activations.length; activation++) {
      const input = example(4, 5, 6, activation);
      const dy = numbers(20, 4);
      const actual = run(input, dy);
      for (const name of ["x", "W", "b"] as const) {
        const loss = (point: Float64Array) => denseForward({ ...input, [name]: point }).reduce((sum, y, n) => sum + y * dy[n], 0);
        const error = directionalError(loss, input[name], actual[`d${name}`], 8);
        expect(error, `d${name} ${activations[activation].name}`).toBeLessThan(1e-5);
      }
    }
  });

  test("leaves the gradient of the input out where it is not asked for", () => {
    const { x, W, b } = example(3, 4, 5, 1);
    const memory = new Memory();
    const [x_, W_, b_, dy] = [x, W, b, numbers(12, 4)].map((values) => memory.input(values));
    const y = memory.output(12), dW = memory.output(new Float32Array(20)), db = memory.output(new Float32Array(4));
    const scratch = memory.scratch(memory.kernels.wasm.denseScratch(3, 4, 5));
    memory.run((wasm) => wasm.denseForward(y, x_, W_, b_, scratch, 3, 4, 5, 1));
    memory.run((wasm) => wasm.denseBackward(0, dW, db, dy, y, x_, W_, scratch, 3, 4, 5, 1));
    expect(difference(memory.read(dW), denseBackward(numbers(12, 4), example(3, 4, 5, 1)).dW)).toBeLessThan(1e-6);
  });

  test("is deterministic", () => {
    const input = example(9, 7, 6, 2);
    expect(run(input, numbers(63, 4))).toEqual(run(input, numbers(63, 4)));
  });
});
