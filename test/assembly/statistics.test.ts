import { describe, expect, test } from "vitest";
import { difference, numbers, SignalMemory } from "../memory.ts";
import { lane, statistics } from "../signal/reference.ts";

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
