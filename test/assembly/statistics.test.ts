import { describe, expect, test } from "vitest";
import { difference, numbers, SignalMemory } from "../memory.ts";
import { lane, percentile, statistics } from "../signal/reference.ts";

const sizes = [...Array.from({ length: 40 }, (_, n) => n + 1), 63, 64, 65, 100, 127, 200, 257, 1000, 1030];

/** (10,4) what the two kernels make of x (N,4). */
function moments(x: Float32Array): Float32Array {
  const memory = new SignalMemory(), N = x.length / 4;
  const y = memory.output(28), higher = memory.output(12), x_ = memory.input(x);
  memory.run((wasm) => wasm.moments(y, x_, N));
  memory.run((wasm) => wasm.higherMoments(higher, x_, N));
  return Float32Array.of(...memory.read(y), ...memory.read(higher));
}

describe("moments", () => {
  test("equal the float64 reference at every length, with and without an offset, and are deterministic", () => {
    for (const N of sizes) {
      for (const offset of [0, 1000]) {
        const x = numbers(4 * N, N).map((value) => value + offset);
        const actual = moments(x);
        for (let l = 0; l < 4; l++) expect(difference(lane(actual, l), statistics(lane(x, l))), `${N} ${offset}`).toBeLessThan(1e-6);
        expect(moments(x)).toEqual(actual);
      }
    }
  });

  test("give numbers for a constant series and for zeros", () => {
    expect([...lane(moments(new Float32Array(40).fill(0.1)), 1)]).toEqual([0.1, 0, 0.1, 0.1, 0.1, 0.1, 1, 0, 0, 0].map(Math.fround));
    expect([...lane(moments(new Float32Array(40)), 1)]).toEqual(new Array(10).fill(0));
  });
});

describe("sort", () => {
  const sorted = (x: Float32Array) => {
    const memory = new SignalMemory(), N = x.length / 4, rows = memory.kernels.wasm.sortRows(N);
    const room = new Float32Array(4 * rows);
    room.set(x);
    const x_ = memory.output(room);
    memory.run((wasm) => wasm.sort(x_, N));
    return memory.read(x_).slice(0, x.length);
  };

  test("sorts each series at every length to 300, ties among them, and is deterministic", () => {
    for (const N of [...Array.from({ length: 300 }, (_, n) => n + 1), 511, 512, 513, 1025, 4000]) {
      const x = numbers(4 * N, N, N / 2).map((value, n) => (n % 4 === 0 ? Math.round(value) + 0 : value));
      const actual = sorted(x);
      for (let l = 0; l < 4; l++) expect(lane(actual, l), `${N}`).toEqual(lane(x, l).sort());
    }
  });

  test("percentiles of it are those of NumPy's method", () => {
    for (const N of [1, 2, 3, 5, 8, 100]) {
      const x = numbers(4 * N, N);
      for (const percent of [0, 1, 25, 50, 99.5, 100]) {
        const memory = new SignalMemory(), y = memory.output(4), x_ = memory.input(sorted(x));
        memory.run((wasm) => wasm.percentile(y, x_, N, percent));
        const expected = Array.from({ length: 4 }, (_, l) => percentile(lane(x, l), percent));
        expect(difference(memory.read(y), expected)).toBeLessThan(1e-7);
      }
    }
  });
});
