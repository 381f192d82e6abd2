import { describe, expect, test } from "vitest";
import {
  batchNormBackward, batchNormForward, batchStatistics, layerNormBackward, layerNormForward, type NormaliseInput, type Vector,
} from "../reference.ts";
import { difference, directionalError, Memory, numbers, sweep, vectors } from "../memory.ts";

const reference = { batch: { forward: batchNormForward, backward: batchNormBackward }, layer: { forward: layerNormForward, backward: layerNormBackward } };
type Kind = keyof typeof reference;
const kinds = ["batch", "layer"] as const;

/** Numbers of about 3 around an offset. */
function example(N: number, I: number, offset = 0): NormaliseInput {
  return { N, I, x: numbers(N * I, 1, 3).map((value) => value + offset), scale: numbers(I, 2, 2), bias: numbers(I, 3) };
}

/** Statistics of the rows, in as many calls as there are parts. */
function statistics(x: Vector, N: number, I: number, parts = [N]) {
  const memory = new Memory();
  const mean = memory.output(I), variance = memory.output(I);
  const sums = memory.output(new Float32Array(memory.kernels.wasm.batchNormFloats(I)));
  let from = 0;
  for (const rows of parts) {
    const part = memory.input(Float32Array.from(x).subarray(from * I, (from + rows) * I));
    memory.run((wasm) => wasm.batchNormSums(sums, part, part, rows, I));
    from += rows;
  }
  memory.run((wasm) => wasm.batchNormStatistics(mean, variance, sums, N, I));
  return { mean: memory.read(mean), variance: memory.read(variance) };
}

function run(kind: Kind, { x, scale, bias, N, I }: NormaliseInput, dy: Vector, { withInput = true } = {}) {
  const before = { dx: numbers(N * I, 5), dscale: numbers(I, 6), dbias: numbers(I, 7) };
  const own = statistics(x, N, I);
  const memory = new Memory();
  const y = memory.output(N * I);
  const gradient = { dx: memory.output(before.dx), dscale: memory.output(before.dscale), dbias: memory.output(before.dbias) };
  const [x_, scale_, bias_, mean, variance, dy_] = [x, scale, bias, own.mean, own.variance, dy].map((values) => memory.input(values));
  const scratch = memory.scratch(memory.kernels.wasm.batchNormFloats(I));
  const { dscale, dbias } = gradient;
  const dx = withInput ? gradient.dx : 0;
  if (kind === "batch") {
    memory.run((wasm) => wasm.batchNormForward(y, x_, mean, variance, scale_, bias_, N, I));
    memory.run((wasm) => wasm.batchNormBackward(dx, dscale, dbias, dy_, x_, mean, variance, scale_, scratch, N, I));
  } else {
    memory.run((wasm) => wasm.layerNormForward(y, x_, scale_, bias_, N, I));
    memory.run((wasm) => wasm.layerNormBackward(dx, dscale, dbias, dy_, x_, scale_, N, I));
  }
  const added = (name: keyof typeof gradient) => memory.read(gradient[name]).map((value, n) => value - before[name][n]);
  return { y: memory.read(y), dx: added("dx"), dscale: added("dscale"), dbias: added("dbias") };
}

/** Where there is one row, or one feature, the variance is 0 and a gradient is multiplied by 1 / √ε, about 316. */
const tolerance = (size: number) => (size === 1 ? 1e-4 : 5e-6);

describe.each(kinds)("normalisation over a %s", (kind) => {
  test("equals the float64 reference and adds to its gradients, at every size", () => {
    for (const [N, I] of sweep(2, [128, 64], [400, 33], [3, 1001])) {
      const input = example(N, I);
      const dy = numbers(N * I, 4);
      const actual = run(kind, input, dy);
      const expected = { y: reference[kind].forward(input), ...reference[kind].backward(dy, input) };
      for (const name of ["y", "dx", "dscale", "dbias"] as const) {
        expect(difference(actual[name], expected[name]), `${name} ${N} ${I}`).toBeLessThan(tolerance(kind === "batch" ? N : I));
      }
    }
  });

  test("matches PyTorch, near zero and ten deviations away from it", () => {
    type Case = NormaliseInput & Record<"y" | "dy" | "dx" | "dscale" | "dbias", number[]> & { kind: Kind; mean?: number[]; variance?: number[] };
    for (const { dy, ...input } of vectors<Case>("normalise").filter((each) => each.kind === kind)) {
      const actual = run(kind, input, dy);
      for (const output of ["y", "dx", "dscale", "dbias"] as const) expect(difference(actual[output], input[output]), output).toBeLessThan(3e-5); // PyTorch's, too, are of float32
      if (!input.mean || !input.variance) continue;
      const { mean, variance } = statistics(input.x, input.N, input.I);
      expect(difference(mean, input.mean)).toBeLessThan(1e-6);
      expect(difference(variance, input.variance)).toBeLessThan(1e-5);
    }
  });

  test("has the gradient of its forward", () => {
    const input = example(6, 7);
    const dy = numbers(42, 4);
    const actual = run(kind, input, dy);
    for (const name of ["x", "scale", "bias"] as const) {
      const loss = (point: Float64Array) => reference[kind].forward({ ...input, [name]: point }).reduce((sum, y, n) => sum + y * dy[n], 0);
      expect(directionalError(loss, input[name], actual[`d${name}`], 8), `d${name}`).toBeLessThan(1e-5);
    }
  });

  test("leaves the gradient of the input out where it is not asked for", () => {
    const { dx, ...asked } = run(kind, example(6, 7), numbers(42, 4));
    const { dx: untouched, ...unasked } = run(kind, example(6, 7), numbers(42, 4), { withInput: false });
    expect(unasked).toEqual(asked);
    expect(untouched.every((change) => change === 0)).toBe(true);
    expect(dx.some((change) => change !== 0)).toBe(true);
  });

  test("gives the bias for what does not vary, and passes NaN on", () => {
    const { bias, scale } = example(4, 4);
    const flat = run(kind, { x: new Float32Array(16).fill(3), scale, bias, N: 4, I: 4 }, numbers(16, 4));
    expect([...flat.y]).toEqual(Array.from({ length: 16 }, (_, at) => bias[at % 4]));
    expect(flat.dx.every(Number.isFinite)).toBe(true);
    const odd = run(kind, { x: numbers(16, 1).with(5, NaN), scale, bias, N: 4, I: 4 }, numbers(16, 4));
    for (const at of [5, kind === "batch" ? 9 : 6]) expect(odd.y[at]).toBeNaN();
    expect(odd.y[0]).not.toBeNaN();
  });

  test("flushes gradients that would become denormal", () => {
    const { dx } = run(kind, example(8, 8), numbers(64, 4, 1e-30));
    expect(dx.every((change) => change === 0)).toBe(true);
  });

  test("is deterministic", () => {
    const input = example(9, 6);
    expect(run(kind, input, numbers(54, 4))).toEqual(run(kind, input, numbers(54, 4)));
  });
});

describe("statistics of a batch", () => {
  test("equal the float64 reference, far from zero, and whatever batches the rows come in", () => {
    for (const offset of [0, 100, -1e4]) {
      for (const [N, I] of sweep(2, [500, 30])) {
        const { x } = example(N, I, offset);
        const expected = batchStatistics(x, N, I);
        const whole = statistics(x, N, I);
        expect(difference(whole.mean, expected.mean), `mean ${N} ${I} ${offset}`).toBeLessThan(1e-7);
        expect(difference(whole.variance, expected.variance), `variance ${N} ${I} ${offset}`).toBeLessThan(1e-6);
        const first = Math.ceil(N / 3);
        expect(statistics(x, N, I, [first, N - first])).toEqual(whole); // the same chain of additions
      }
    }
  });

  test("normalise other rows than they were taken from", () => {
    const [N, I] = [5, 6];
    const { mean, variance } = statistics(example(20, I).x, 20, I);
    const other = { ...example(N, I, 2), x: numbers(N * I, 9, 4) };
    const memory = new Memory();
    const y = memory.output(N * I);
    const [x_, mean_, variance_, scale_, bias_] = [other.x, mean, variance, other.scale, other.bias].map((values) => memory.input(values));
    memory.run((wasm) => wasm.batchNormForward(y, x_, mean_, variance_, scale_, bias_, N, I));
    expect(difference(memory.read(y), batchNormForward(other, { mean, variance }))).toBeLessThan(2e-6);
  });
});
