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

  test("sums two products in one, or leaves the second out unread", () => {
    for (const [M, N, K, K2] of [...sweep(4), [32, 256, 8, 64], [5, 37, 14, 20], [1, 400, 14, 100]]) {
      const A = numbers(M * K, 1), A2 = numbers(M * K2, 2), B = numbers((K + K2) * N, 3), bias = numbers(N, 4);
      const one = product(A, B.subarray(0, K * N), M, N, K), two = product(A2, B.subarray(K * N), M, N, K2);
      for (const second of [true, false]) {
        const memory = new Memory();
        const a = memory.input(strided(A, M, K)), b = memory.input(B), w = memory.input(bias);
        const a2 = second ? memory.input(strided(A2, M, K2)) : 0;
        const panels = memory.output(memory.kernels.wasm.panelFloats(N, K + K2));
        const packedBias = memory.output(memory.kernels.wasm.panelFloats(N, 1));
        const c = memory.output(strided(new Float32Array(M * N), M, N));
        memory.run((wasm) => wasm.pack(panels, b, K + K2, N));
        memory.run((wasm) => wasm.pack(packedBias, w, 1, N));
        memory.run((wasm) => wasm.gemmPair(c, packedBias, a, a2, panels, M, N, K, K2, second, N + PADDING, K + PADDING, K2 + PADDING));
        const sum = one.map((value, n) => value + (second ? two[n] : 0) + bias[n % N]);
        expect(difference(memory.read(c), strided(Float32Array.from(sum), M, N)), `${M} ${N} ${K} ${K2} ${second}`).toBeLessThan(3e-6);
      }
    }
  });

  test("adds a product with the lower rows of the panels", () => {
    for (const [M, N, K, skip] of [...sweep(4), [32, 256, 64, 8], [1, 400, 100, 14]]) {
      const A = numbers(M * K, 1), B = numbers((skip + K) * N, 2), before = numbers(M * N, 3);
      const memory = new Memory();
      const a = memory.input(strided(A, M, K)), b = memory.input(B), c = memory.output(strided(before, M, N));
      const panels = memory.output(memory.kernels.wasm.panelFloats(N, skip + K));
      memory.run((wasm) => wasm.pack(panels, b, skip + K, N));
      memory.run((wasm) => wasm.gemmBelow(c, a, panels, skip, M, N, K, N + PADDING, K + PADDING));
      const sum = product(A, B.subarray(skip * N), M, N, K).map((value, n) => value + before[n]);
      expect(difference(memory.read(c), strided(Float32Array.from(sum), M, N)), `${M} ${N} ${K} ${skip}`).toBeLessThan(3e-6);
    }
  });

  test("gives a row the same bits whatever rows stand beside it", () => {
    const [N, K] = [100, 37];
    const A = numbers(5 * K, 1), B = numbers(K * N, 2);
    const rows = (from: number, to: number) => {
      const memory = new Memory();
      const a = memory.input(A.subarray(from * K, to * K)), b = memory.input(B);
      const panels = memory.output(memory.kernels.wasm.panelFloats(N, K)), c = memory.output((to - from) * N);
      memory.run((wasm) => wasm.pack(panels, b, K, N));
      memory.run((wasm) => wasm.gemm(c, a, panels, to - from, N, K, N, K, false));
      return memory.read(c);
    };
    const all = rows(0, 5);
    for (const [from, to] of [[0, 1], [1, 3], [4, 5], [2, 5]]) expect(rows(from, to)).toEqual(all.slice(from * N, to * N));
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

  test("goes through the rows backwards when the strides are negative, chunk by chunk the same bits", () => {
    const [R, M, N] = [70, 5, 48];
    const A = numbers(R * M, 1), D = numbers(R * N, 2);
    const run = (steps: [last: number, rows: number][], sign: number) => {
      const memory = new Memory();
      const a = memory.input(A), d = memory.input(D), g = memory.output(new Float32Array(M * N));
      for (const [row, rows] of steps) memory.run((wasm) => wasm.gemmOuter(g, a + 4 * row * M, d + 4 * row * N, rows, M, N, N, sign * M, sign * N));
      return memory.read(g);
    };
    const backwards = run([[R - 1, R]], -1);
    expect(difference(backwards, product(transpose(A, R, M), D, M, N, R))).toBeLessThan(3e-6);
    expect(backwards).not.toEqual(run([[0, R]], 1)); // another order of additions, other last bits
    expect(run([[R - 1, 7], [R - 8, 40], [R - 48, R - 47]], -1)).toEqual(backwards);
  });
});

describe("addRows", () => {
  test("adds the rows to their sums, forwards and backwards, with any stride", () => {
    for (const [R, N] of sweep(2, [70, 48])) {
      const rows = numbers(R * N, 1), before = numbers(N, 2);
      for (const sign of [1, -1]) {
        const memory = new Memory();
        const d = memory.input(strided(rows, R, N)), sums = memory.output(before);
        const ld = N + PADDING;
        memory.run((wasm) => wasm.addRows(sums, sign > 0 ? d : d + 4 * (R - 1) * ld, R, N, sign * ld));
        const expected = Array.from(before, (value, n) => { for (let r = 0; r < R; r++) value += rows[r * N + n]; return value; });
        expect(difference(memory.read(sums), expected), `${R} ${N}`).toBeLessThan(3e-6);
      }
    }
  });
});
