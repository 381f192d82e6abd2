import { describe, expect, test } from "vitest";
import { difference, numbers, SignalMemory } from "../memory.ts";
import { lane, percentile } from "../signal/reference.ts";

/** Memory with the runs of x (N,4), and their pointer. */
function runs(x: Float32Array): { memory: SignalMemory; pointer: number } {
  const memory = new SignalMemory(), N = x.length / 4;
  const room = new Float32Array(4 * memory.kernels.wasm.sortRows(N));
  room.set(x);
  const pointer = memory.output(room);
  memory.run((wasm) => wasm.sortRuns(pointer, N));
  return { memory, pointer };
}

describe("order statistics", () => {
  test("every rank of every series is right, at every length to 140, ties among them", () => {
    for (const N of [...Array.from({ length: 140 }, (_, n) => n + 1), 255, 256, 257, 264, 520, 1030]) {
      const x = numbers(4 * N, N, N / 2).map((value, n) => (n % 4 === 0 ? Math.round(value) + 0 : value));
      const { memory, pointer } = runs(x);
      const y = memory.output(4), sorted = [0, 1, 2, 3].map((l) => lane(x, l).sort());
      for (let rank = 0; rank < N; rank++) {
        memory.run((wasm) => wasm.percentile(y, pointer, N, N === 1 ? 50 : (100 * rank) / (N - 1)));
        expect(difference(memory.read(y), sorted.map((series) => series[rank])), `${rank} of ${N}`).toBeLessThan(1e-6);
      }
    }
  });

  test("percentiles are those of NumPy's method", () => {
    for (const N of [1, 2, 3, 5, 8, 9, 16, 17, 100, 4000]) {
      const x = numbers(4 * N, N);
      const { memory, pointer } = runs(x);
      const y = memory.output(4);
      for (const percent of [0, 1, 25, 50, 99.5, 100]) {
        memory.run((wasm) => wasm.percentile(y, pointer, N, percent));
        expect(difference(memory.read(y), [0, 1, 2, 3].map((l) => percentile(lane(x, l), percent)))).toBeLessThan(1e-7);
      }
    }
  });

  test("lose and invent no sample, and are deterministic", () => {
    for (const N of [7, 24, 100, 1000]) {
      const x = numbers(4 * N, N), { memory, pointer } = runs(x), once = memory.read(pointer).slice();
      for (let l = 0; l < 4; l++) expect(lane(once.subarray(0, 4 * N), l).sort()).toEqual(lane(x, l).sort());
      const again = runs(x);
      expect(again.memory.read(again.pointer)).toEqual(once);
    }
  });
});
