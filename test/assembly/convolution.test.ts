import { describe, expect, test } from "vitest";
import { convolutionBackward, convolutionForward, windowsOf, type ConvolutionInput, type Slide } from "../reference.ts";
import { difference, directionalError, Memory, numbers, sweep, vectors } from "../memory.ts";

/** Steps of a sequence, taps, their distances, and zeros at both ends. */
const line = (columns: number, size: number, stride = 1, dilation = 1, before = 0, behind = 0): Slide =>
  ({ rows: 1, columns, tall: 1, size, stride, dilation, above: 0, below: 0, before, behind });

function example(slide: Slide, B: number, I: number, O: number): ConvolutionInput {
  const K = slide.tall * slide.size;
  const bound = 1 / Math.sqrt(K * I);
  return { ...slide, B, I, O, x: numbers(slide.rows * slide.columns * B * I, 1, 2), W: numbers(O * I * K, 2, bound), b: numbers(O, 3, bound) };
}

const fits = ({ columns, size, dilation, before, behind }: Slide) => (size - 1) * dilation < columns + before + behind;

/** Every size of T, B, I, O and of the window, with every way to slide it, and images. */
function* examples(): Generator<ConvolutionInput> {
  for (const [T, B, I, O, K] of sweep(5, [100, 32, 1, 16, 64], [50, 6, 16, 32, 3], [7, 70, 3, 33, 2], [300, 1, 2, 18, 5])) {
    for (const slide of [line(T, K), line(T, K, 1, 1, K >> 1, (K - 1) >> 1), line(T, K, 3, 2, 2 * (K - 1), 0)]) if (fits(slide)) yield example(slide, B, I, O);
  }
  for (const [stride, dilation, around] of sweep(3)) yield example(line(20, 3, stride, dilation, around, around >> 1), 3, 2, 3);
  for (const [rows, columns, tall, size] of sweep(4, [12, 10, 3, 3])) {
    const image = { rows, columns, tall, size, stride: 2, dilation: 1, above: 1, below: 2, before: 2, behind: 0 };
    if (tall <= rows + 3 && size <= columns + 2) yield example(image, 3, 2, 5);
  }
}

const nameOf = ({ x: _, W: __, b: ___, ...sizes }: ConvolutionInput) => JSON.stringify(sizes);
/** dy, of which the sums over all windows are about one. */
const gradientFor = (input: ConvolutionInput) => {
  const count = windowsOf(input).length * input.B;
  return numbers(count * input.O, 4, 1 / Math.sqrt(count));
};

function run(input: ConvolutionInput, dy: ArrayLike<number>) {
  const { x, W, b, rows, columns, tall, size, stride, dilation, above, below, before, behind, B, I, O } = input;
  const windows = (length: number, taps: number) => Math.floor((length - (taps - 1) * dilation - 1) / stride) + 1;
  const slide = [rows, columns, windows(rows + above + below, tall), windows(columns + before + behind, size), tall, size, stride, dilation, above, before, B, I, O] as const;
  const gradients = { dx: numbers(x.length, 5), dW: numbers(W.length, 6), db: numbers(O, 7) };
  const memory = new Memory();
  const [x_, W_, b_, dy_] = [x, W, b, dy].map((values) => memory.input(values));
  const y = memory.output(dy.length);
  const [dx, dW, db] = Object.values(gradients).map((values) => memory.output(values));
  const scratch = memory.scratch(memory.kernels.wasm.convolutionScratch(tall * size, B, I, O));
  memory.run((wasm) => wasm.convolutionForward(y, x_, W_, b_, scratch, ...slide));
  memory.run((wasm) => wasm.convolutionBackward(dx, dW, db, dy_, x_, W_, scratch, ...slide));
  const added = { dx: memory.read(dx), dW: memory.read(dW), db: memory.read(db) };
  for (const name of ["dx", "dW", "db"] as const) added[name].forEach((value, n) => (added[name][n] = value - gradients[name][n]));
  const again = memory.output(new Float32Array(W.length));
  memory.run((wasm) => wasm.convolutionBackward(0, again, db, dy_, x_, W_, scratch, ...slide));
  return { y: memory.read(y), ...added, dWalone: memory.read(again) };
}

describe("convolution", () => {
  test("equals the float64 reference and adds to its gradients, at every size", () => {
    for (const input of examples()) {
      const dy = gradientFor(input);
      const actual = run(input, dy);
      const expected = { y: convolutionForward(input), ...convolutionBackward(dy, input) };
      for (const name of ["y", "dx", "dW", "db"] as const) expect(difference(actual[name], expected[name]), `${name} ${nameOf(input)}`).toBeLessThan(3e-6);
      expect(difference(actual.dWalone, expected.dW), `dW without dx ${nameOf(input)}`).toBeLessThan(3e-6);
    }
  });

  test("matches PyTorch", () => {
    type Case = ConvolutionInput & Record<"y" | "dy" | "dx" | "dW" | "db", number[]>;
    for (const { dy, ...input } of vectors<Case>("convolution")) {
      const actual = run(input, dy);
      for (const name of ["y", "dx", "dW", "db"] as const) expect(difference(actual[name], input[name]), name).toBeLessThan(2e-6);
    }
  });

  test("has the gradient of its forward", () => {
    for (const slide of [line(9, 3, 2, 2, 4, 0), { rows: 5, columns: 6, tall: 3, size: 2, stride: 1, dilation: 2, above: 2, below: 1, before: 0, behind: 1 }]) {
      const input = example(slide, 3, 4, 5);
      const dy = gradientFor(input);
      const actual = run(input, dy);
      for (const name of ["x", "W", "b"] as const) {
        const loss = (point: Float64Array) => convolutionForward({ ...input, [name]: point }).reduce((sum, y, n) => sum + y * dy[n], 0);
        expect(directionalError(loss, input[name], actual[`d${name}`], 8), `d${name}`).toBeLessThan(1e-5);
      }
    }
  });

  test("gives a window of a batch the bits that it has alone", () => {
    const input = example(line(40, 5, 2, 1, 2, 2), 7, 3, 6);
    const { y } = run(input, gradientFor(input));
    for (let b = 0; b < 7; b++) {
      const x = Float32Array.from({ length: 40 * 3 }, (_, at) => input.x[(Math.floor(at / 3) * 7 + b) * 3 + (at % 3)]);
      const alone = { ...input, x, B: 1 };
      expect(run(alone, gradientFor(alone)).y, `${b}`).toEqual(Float32Array.from({ length: 20 * 6 }, (_, at) => y[(Math.floor(at / 6) * 7 + b) * 6 + (at % 6)]));
    }
  });

  test("flushes a gradient that is nearly zero", () => {
    const input = example(line(9, 3), 2, 3, 4);
    const { wasm } = new Memory().kernels;
    const memory = new Memory();
    const [x, W, dy] = [input.x, input.W, numbers(7 * 2 * 4, 4, 1e-25)].map((values) => memory.input(values));
    const [dx, dW, db] = [input.x, input.W, input.b].map(({ length }) => memory.output(new Float32Array(length)));
    const scratch = memory.scratch(wasm.convolutionScratch(3, 2, 3, 4));
    memory.run((kernels) => kernels.convolutionBackward(dx, dW, db, dy, x, W, scratch, 1, 9, 1, 7, 1, 3, 1, 1, 0, 0, 2, 3, 4));
    expect(memory.read(dx).every((value) => value === 0)).toBe(true);
  });

  test("is deterministic", () => {
    const input = example(line(19, 3, 1, 2, 4, 0), 5, 4, 6);
    expect(run(input, gradientFor(input))).toEqual(run(input, gradientFor(input)));
  });
});
