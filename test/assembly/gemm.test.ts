import { describe, expect, test } from "vitest";
import { difference, Memory, numbers, sweep } from "../memory.ts";
import { product, transpose } from "../reference.ts";

/** Strides longer than the rows, so that a kernel that mixes them up is found out. */
const PADDING = 3;

/** Rows of `width` spread to a stride, the gaps filled with a number no result may change. */
function strided(values: Float32Array, rows: number, width: number): Float32Array {
  const result = new Float32Array(rows * (width + PADDING)).fill(99);
  for (let row = 0; row < rows; row++) result.set(values.subarray(row * width, (row + 1) * width), row * (width + PADDING));
  return result;
}

const large = [[33, 48, 17], [32, 256, 64], [7, 100, 130]];

describe("gemm", () => {
  test("assigns and accumulates A · B at every size, with strides", () => {
    for (const [M, N, K] of sweep(3, ...large)) {
      const A = numbers(M * K, 1), B = numbers(K * N, 2), before = numbers(M * N, 3);
      const expected = product(A, B, M, N, K);
      for (const accumulate of [false, true]) {
        const memory = new Memory();
        const a = memory.input(strided(A, M, K)), b = memory.input(B);
        const panels = memory.output(memory.kernels.wasm.panelFloats(N, K));
        const c = memory.output(strided(before, M, N));
        memory.run((wasm) => wasm.pack(panels, b, K, N));
        memory.run((wasm) => wasm.gemm(c, a, panels, M, N, K, N + PADDING, K + PADDING, accumulate));
        const sum = expected.map((value, n) => value + (accumulate ? before[n] : 0));
        expect(difference(memory.read(c), strided(Float32Array.from(sum), M, N)), `${M} ${N} ${K}`).toBeLessThan(3e-6);
      }
    }
  });

  test("adds a bias to A · Wᵀ at every size", () => {
    for (const [M, N, K] of sweep(3, ...large)) {
      const A = numbers(M * K, 1), W = numbers(N * K, 2), bias = numbers(N, 3);
      const memory = new Memory();
      const a = memory.input(A), w = memory.input(W), b = memory.input(bias);
      const panels = memory.output(memory.kernels.wasm.panelFloats(N, K));
      const packedBias = memory.output(memory.kernels.wasm.panelFloats(N, 1));
      const c = memory.output(M * N);
      memory.run((wasm) => wasm.packTransposed(panels, w, N, K));
      memory.run((wasm) => wasm.pack(packedBias, b, 1, N));
      memory.run((wasm) => wasm.gemmBias(c, a, panels, packedBias, M, N, K, N, K));
      const expected = product(A, transpose(W, N, K), M, N, K).map((value, n) => value + bias[n % N]);
      expect(difference(memory.read(c), expected), `${M} ${N} ${K}`).toBeLessThan(3e-6);
    }
  });

  test("is deterministic", () => {
    const run = () => {
      const memory = new Memory();
      const a = memory.input(numbers(63, 1)), b = memory.input(numbers(9 * 21, 2)), panels = memory.output(32 * 9), c = memory.output(7 * 21);
      memory.run((wasm) => wasm.pack(panels, b, 9, 21));
      memory.run((wasm) => wasm.gemm(c, a, panels, 7, 21, 9, 21, 9, false));
      return memory.read(c);
    };
    expect(run()).toEqual(run());
  });
});

describe("gemmOuter", () => {
  test("adds Aᵀ · D at every size, with strides", () => {
    for (const [R, M, N] of sweep(3, [70, 33, 48], [64, 8, 256], [100, 130, 23])) {
      const A = numbers(R * M, 1), D = numbers(R * N, 2), before = numbers(M * N, 3);
      const memory = new Memory();
      const a = memory.input(strided(A, R, M)), d = memory.input(strided(D, R, N)), g = memory.output(strided(before, M, N));
      memory.run((wasm) => wasm.gemmOuter(g, a, d, R, M, N, N + PADDING, M + PADDING, N + PADDING));
      const sum = product(transpose(A, R, M), D, M, N, R).map((value, n) => value + before[n]);
      expect(difference(memory.read(g), strided(Float32Array.from(sum), M, N)), `${R} ${M} ${N}`).toBeLessThan(3e-6);
    }
  });
});
