import { describe, expect, test } from "vitest";
import { SignalKernels } from "../../src/kernels/signal.ts";
import { Transform, type Lanes } from "../../src/signal/transform.ts";
import { numbers, SignalMemory, sweep } from "../memory.ts";
import { dft, error, rdft } from "../signal/reference.ts";

/** The part of series `lane` of (2,M,S) numbers. */
const part = (z: Float32Array, plane: number, lane: number, S: number) =>
  Float64Array.from({ length: z.length / 2 / S }, (_, n) => z[plane * (z.length / 2) + n * S + lane]);

/** Every length to 40, so all radices in all places, primes among them; lengths of many passes. */
const points = [...Array.from({ length: 40 }, (_, n) => n + 1), 45, 48, 50, 64, 81, 100, 125, 128, 101, 202, 256, 360, 1000];

function transformed(M: number, S: Lanes, inverse: boolean): { input: Float32Array; output: Float32Array; first: number } {
  const kernels = new SignalKernels();
  const transform = new Transform(kernels, M, S);
  const input = numbers(2 * M * S, M);
  const run = () => {
    kernels.float32(transform.input, input.length).set(input);
    transform.run(inverse);
    return kernels.float32(transform.output, input.length).slice();
  };
  const first = run(), output = run();
  expect(output).toEqual(first); // deterministic, and nothing of the first run is left
  return { input, output, first: transform.output };
}

describe("fft", () => {
  test.each([1, 4] as const)("equals the float64 reference for %i series of every length, there and back, and is deterministic", (S) => {
    for (const M of points) {
      for (const inverse of [false, true]) {
        const { input, output } = transformed(M, S, inverse);
        for (let lane = 0; lane < S; lane++) {
          const expected = dft(part(input, 0, lane, S), part(input, 1, lane, S), inverse);
          const [re, im] = [part(output, 0, lane, S), part(output, 1, lane, S)];
          expect(error([...re, ...im], [...expected.re, ...expected.im]), `${M} points, lane ${lane}`).toBeLessThan(1e-6);
        }
      }
    }
  });

  test("gives a series the same bits whatever lies beside it", () => {
    for (const M of [8, 30, 37]) {
      const kernels = new SignalKernels(), transform = new Transform(kernels, M, 4);
      const run = (beside: number) => {
        kernels.float32(transform.input, 8 * M).set(numbers(8 * M, 1).map((value, n) => (n % 4 === 2 ? value : beside)));
        transform.run();
        return part(kernels.float32(transform.output, 8 * M), 0, 2, 4);
      };
      expect(run(0)).toEqual(run(1e6));
    }
  });

  test("writes nothing but its outputs", () => {
    for (const [r, m] of [[4, 5], [4, 4], [4, 7], [2, 3], [3, 5], [5, 2]]) {
      for (const S of [1, 4]) {
        const memory = new SignalMemory(), size = r * m * S;
        const z = memory.output(2 * size), work = memory.input(numbers(2 * size, 1));
        const twiddles = memory.input(numbers(2 * (r - 1) * m, 2)), passes = memory.input(Int32Array.of(r, m, S, twiddles));
        memory.run((wasm) => wasm.fft(z, work, passes, 1, size, false));
        expect(memory.read(z).every(Number.isFinite)).toBe(true);
      }
    }
  });
});

describe("pairs and split", () => {
  test("make the transform of a real series of the one of its pairs, at every even length", () => {
    for (const S of [1, 4]) {
      for (const M of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16, 17, 50]) {
        const x = numbers(2 * M * S, M);
        const memory = new SignalMemory(), count = Math.floor(M / 2) + 1;
        const x_ = memory.input(x), z = memory.output(2 * M * S), X = memory.output(2 * (M + 1) * S);
        memory.run((wasm) => wasm.pairs(z, x_, M, S));
        const pairs = memory.read(z), twiddles = new Float32Array(2 * count), transform = new Float32Array(2 * M * S);
        for (let k = 0; k < count; k++) {
          twiddles[S === 4 ? 2 * k : k] = Math.cos((Math.PI * k) / M);
          twiddles[S === 4 ? 2 * k + 1 : count + k] = -Math.sin((Math.PI * k) / M);
        }
        for (let lane = 0; lane < S; lane++) {
          const { re, im } = dft(part(pairs, 0, lane, S), part(pairs, 1, lane, S));
          re.forEach((value, k) => (transform[k * S + lane] = value));
          im.forEach((value, k) => (transform[(M + k) * S + lane] = value));
        }
        const w = memory.input(twiddles), t = memory.input(transform);
        memory.run((wasm) => wasm.split(X, t, w, M, S));
        for (let lane = 0; lane < S; lane++) {
          const expected = rdft(Float64Array.from({ length: 2 * M }, (_, n) => x[n * S + lane]));
          const actual = memory.read(X);
          expect(error([...part(actual, 0, lane, S), ...part(actual, 1, lane, S)], [...expected.re, ...expected.im]), `${M} ${S}`).toBeLessThan(1e-6);
        }
      }
    }
  });
});

test("product multiplies complex numbers, at every size", () => {
  for (const [size] of sweep(1, [33])) {
    const [x, c] = [numbers(2 * size, 1), numbers(2 * size, 2)];
    const memory = new SignalMemory(), y = memory.output(2 * size), x_ = memory.input(x), c_ = memory.input(c);
    memory.run((wasm) => wasm.product(y, x_, c_, size, 4 * size, 4 * size, 4 * size));
    const expected = Float64Array.from({ length: 2 * size }, (_, n) => (n < size ? x[n] * c[n] - x[size + n] * c[size + n] : x[n - size] * c[n] + x[n] * c[n - size]));
    expect(error(memory.read(y), expected)).toBeLessThan(1e-6);
  }
});
