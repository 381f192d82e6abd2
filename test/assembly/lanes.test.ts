import { describe, expect, test } from "vitest";
import { numbers, SignalMemory } from "../memory.ts";

const NOWHERE = 2 ** 32 - 1;

describe("gather", () => {
  test("puts four series side by side, neighbours or not", () => {
    for (let N = 1; N <= 9; N++) {
      for (const [stride, starts] of [[4, [0, 1, 2, 3]], [1, [0, N, 2 * N, 3 * N]], [5, [1, 2, 3, 4]], [3, [2, 2, 0, 1]]] as const) {
        const x = numbers(5 * N + 8, N);
        const memory = new SignalMemory(), y = memory.output(4 * N), x_ = memory.input(x);
        const [x0, x1, x2, x3] = starts.map((start) => x_ + 4 * start);
        expect(memory.run((wasm) => wasm.gather(y, x0, x1, x2, x3, 4 * stride, N, NOWHERE, 0))).toBe(0);
        expect(memory.read(y)).toEqual(Float32Array.from({ length: 4 * N }, (_, n) => x[starts[n % 4] + stride * (n >> 2)]));
      }
    }
  });

  test("turns back at the end of a ring", () => {
    const rows = 6, C = 4;
    for (const channels of [[0, 1, 2, 3], [3, 1, 0, 0]]) {
      for (let first = 0; first < rows; first++) {
        const x = numbers(rows * C, 1);
        const memory = new SignalMemory(), y = memory.output(4 * rows), ring = memory.input(x);
        const [x0, x1, x2, x3] = channels.map((channel) => ring + 4 * (first * C + channel));
        memory.run((wasm) => wasm.gather(y, x0, x1, x2, x3, 4 * C, rows, ring + 4 * rows * C, 4 * rows * C));
        expect(memory.read(y)).toEqual(Float32Array.from({ length: 4 * rows }, (_, n) => x[((first + (n >> 2)) % rows) * C + channels[n % 4]]));
      }
    }
  });

  test("says which series have a sample that is not finite, and flushes tiny ones", () => {
    for (const wrong of [NaN, Infinity, -Infinity]) {
      for (let lane = 0; lane < 4; lane++) {
        const x = numbers(20, 1);
        x[8 + lane] = wrong;
        x[12] = 1e-30;
        const memory = new SignalMemory(), y = memory.output(20), x_ = memory.input(x);
        expect(memory.run((wasm) => wasm.gather(y, x_, x_ + 4, x_ + 8, x_ + 12, 16, 5, NOWHERE, 0))).toBe(1 << lane);
        expect(memory.read(y)[12]).toBe(0);
      }
    }
  });
});

test("scatter scales rows, divides them where they are shares, and writes as many series as there are", () => {
  for (let count = 1; count <= 4; count++) {
    const memory = new SignalMemory();
    const rows = numbers(12, 1), over = Float32Array.of(2, -4, 0, 0.5);
    rows[6] = 0; // 0 over 0 is 0
    const rows_ = memory.input(rows), over_ = memory.input(over), y = memory.output(3 * count);
    const table = new Int32Array(9), scales = new Float32Array(table.buffer);
    [[rows_, 0, 3], [rows_ + 16, over_, 1], [rows_ + 32, 0, 0.5]].forEach(([row, share, scale], f) => {
      table.set([row, share], 3 * f);
      scales[3 * f + 2] = scale;
    });
    const columns = memory.input(table);
    memory.run((wasm) => wasm.scatter(y, columns, 3, count));
    const expected = Array.from({ length: count }, (_, lane) => [3 * rows[lane], over[lane] ? rows[4 + lane] / over[lane] : 0, rows[8 + lane] / 2]);
    expect(memory.read(y)).toEqual(Float32Array.from(expected.flat()));
  }
});
