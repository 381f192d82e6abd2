import { describe, expect, test } from "vitest";
import { poolBackward, poolForward, windowsOf, type PoolInput } from "../reference.ts";
import { difference, directionalError, Memory, numbers, sweep, vectors } from "../memory.ts";

const NO_ZEROS = { dilation: 1, above: 0, below: 0, before: 0, behind: 0 };

function example(rows: number, columns: number, tall: number, size: number, stride: number, N: number, average: boolean): PoolInput {
  return { ...NO_ZEROS, rows, columns, tall, size, stride, N, average, x: numbers(rows * columns * N, 1, 2) };
}

/** Over a sequence and over an image: windows that touch, that overlap, that leave steps out, and one over all. */
function* examples(): Generator<PoolInput> {
  for (const average of [false, true]) {
    for (const [T, size, stride] of sweep(3, [100, 2, 2], [97, 7, 3], [64, 64, 1])) if (size <= T) yield example(1, T, 1, size, stride, (T % 9) + 1, average);
    for (const [rows, columns, size, stride] of sweep(4, [20, 30, 2, 2])) {
      if (size <= Math.min(rows, columns)) yield example(rows, columns, size, size, stride, (rows % 9) + 1, average);
    }
  }
}

const nameOf = ({ x: _, ...sizes }: PoolInput) => Object.values(sizes).join(" ");

/** Forward and backward; dx is added to numbers, or takes the place of x. */
function run(input: PoolInput, dy: ArrayLike<number>, inPlace = false) {
  const { x, N, columns, tall, size, stride, average, rows } = input;
  const columnsOut = Math.floor((columns - size) / stride) + 1;
  const rowsOut = Math.floor((rows - tall) / stride) + 1;
  const before = numbers(x.length, 5);
  const memory = new Memory();
  const x_ = inPlace ? memory.output(x) : memory.input(x);
  const y = memory.output(rowsOut * columnsOut * N);
  const dx = inPlace ? x_ : memory.output(before);
  const dy_ = memory.input(dy);
  memory.run((wasm) => wasm.poolForward(y, x_, columns, rowsOut, columnsOut, tall, size, stride, N, average));
  memory.run((wasm) => wasm.poolBackward(dx, dy_, y, x_, columns, rowsOut, columnsOut, tall, size, stride, N, average));
  return { y: memory.read(y), dx: memory.read(dx).map((value, n) => value - (inPlace ? 0 : before[n])) };
}

const gradientFor = (input: PoolInput) => numbers(windowsOf(input).length * input.N, 4);

describe("pool", () => {
  test("equals the float64 reference and adds to its gradient, at every size", () => {
    for (const input of examples()) {
      const dy = gradientFor(input);
      const actual = run(input, dy);
      expect(difference(actual.y, poolForward(input)), `y ${nameOf(input)}`).toBeLessThan(1e-6);
      expect(difference(actual.dx, poolBackward(dy, input)), `dx ${nameOf(input)}`).toBeLessThan(1e-6);
    }
  });

  test("matches PyTorch", () => {
    for (const { dy, y, dx, ...input } of vectors<PoolInput & Record<"y" | "dy" | "dx", number[]>>("pool")) {
      const actual = run({ ...NO_ZEROS, ...input }, dy);
      expect(difference(actual.y, y), `y ${nameOf(input)}`).toBeLessThan(1e-6);
      expect(difference(actual.dx, dx), `dx ${nameOf(input)}`).toBeLessThan(1e-6);
    }
  });

  test("has the gradient of its forward", () => {
    for (const average of [false, true]) {
      const input = example(7, 9, 3, 3, 2, 6, average);
      const dy = gradientFor(input);
      const loss = (x: Float64Array) => poolForward({ ...input, x }).reduce((sum, y, n) => sum + y * dy[n], 0);
      expect(directionalError(loss, input.x, run(input, dy).dx, 8)).toBeLessThan(1e-5);
    }
  });

  test("gives a gradient to the first of equal values, and to one only", () => {
    const input = { ...example(1, 6, 1, 3, 3, 1, false), x: Float32Array.of(1, 2, 2, -1, -1, -1) };
    expect([...run(input, Float32Array.of(5, 7), true).dx]).toEqual([0, 5, 0, 7, 0, 0]);
  });

  test("gives the same gradient in the place of x, where windows have no step in common and leave none out", () => {
    for (const average of [false, true]) {
      for (let N = 1; N <= 9; N++) {
        const input = example(1, 12, 1, 12, 1, N, average);
        const dy = gradientFor(input);
        expect(difference(run(input, dy, true).dx, run(input, dy).dx)).toBeLessThan(1e-6);
      }
    }
  });

  test("hands on a NaN", () => {
    const input = { ...example(1, 4, 1, 4, 1, 1, false), x: Float32Array.of(1, NaN, 3, 2) };
    expect([...run(input, [1]).y]).toEqual([NaN]);
  });

  test("is deterministic", () => {
    const input = example(5, 9, 3, 3, 2, 7, true);
    expect(run(input, gradientFor(input))).toEqual(run(input, gradientFor(input)));
  });
});

describe("exchange", () => {
  test("exchanges steps and windows, and back, at every size", () => {
    for (const [T, B, I] of sweep(3, [100, 3, 17])) {
      const x = numbers(T * B * I, 1);
      const memory = new Memory();
      const x_ = memory.input(x), y = memory.output(x.length), back = memory.output(x.length);
      memory.run((wasm) => wasm.exchange(y, x_, T, B, I));
      memory.run((wasm) => wasm.exchange(back, y, B, T, I));
      const expected = Float32Array.from(x, (_, at) => x[(Math.floor(at / I) % T) * B * I + Math.floor(at / I / T) * I + (at % I)]);
      expect(memory.read(y), `${T} ${B} ${I}`).toEqual(expected);
      expect(memory.read(back), `${T} ${B} ${I}`).toEqual(x);
    }
  });
});
