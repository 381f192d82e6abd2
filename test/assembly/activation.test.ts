import { describe, expect, test } from "vitest";
import { activations, sigmoid } from "../reference.ts";
import { difference, directionalError, fuses, Memory, numbers } from "../memory.ts";

const [, RELU, TANH, SIGMOID] = activations.map((_, code) => code);

function activate(x: Float32Array, activation: number): Float32Array {
  const memory = new Memory();
  const y = memory.output(x.length), x_ = memory.input(x);
  memory.run((wasm) => wasm.activationForward(y, x_, x.length, activation));
  return memory.read(y);
}

const grid = (low: number, high: number) => Float32Array.from({ length: 100_000 }, (_, n) => low + ((high - low) * n) / 100_000);

/** Distance in units of the last place of the float32 nearest to `exact`. */
function ulps(actual: number, exact: number): number {
  return Math.abs(actual - exact) / 2 ** (Math.floor(Math.log2(Math.abs(exact))) - 23);
}

function largest(x: Float32Array, y: Float32Array, exact: (x: number) => number, error: (actual: number, exact: number) => number): number {
  return x.reduce((worst, x_n, n) => Math.max(worst, x_n === 0 ? 0 : error(y[n], exact(x_n))), 0);
}

describe("activations keep the errors that they state", () => {
  test("sigmoid: 2.5 ulp above -30, and never below 9e-14", () => {
    for (const [low, high] of [[-30, -9], [-9, 0], [0, 40]]) {
      const x = grid(low, high);
      expect(largest(x, activate(x, SIGMOID), sigmoid, ulps)).toBeLessThan(2.5);
    }
    expect(Math.min(...activate(Float32Array.of(-31, -100, -1e30, -Infinity), SIGMOID))).toBeGreaterThan(9e-14);
  });

  test("tanh: 6.1 ulp and 3.7e-7, within [-1, 1], and odd", () => {
    for (const [low, high] of [[-20, -1], [-1, 0], [0, 1e-20], [0, 1], [1, 20]]) {
      const x = grid(low, high);
      const y = activate(x, TANH);
      expect(largest(x, y, Math.tanh, ulps)).toBeLessThan(6.1);
      expect(largest(x, y, Math.tanh, (actual, exact) => Math.abs(actual - exact))).toBeLessThan(3.7e-7);
      expect(y.every((value) => Math.abs(value) <= 1)).toBe(true);
      const mirrored = activate(x.map((value) => -value), TANH);
      expect(mirrored.every((value, n) => value === -y[n])).toBe(true);
    }
  });

  test("exp, through the softmax of (x, 0): one ulp, and half an ulp for each of two divisions", () => {
    const x = grid(-87, 0);
    const memory = new Memory();
    const logits = memory.input(Float32Array.from({ length: 2 * x.length }, (_, n) => (n % 2 ? 0 : x[n >> 1])));
    const p = memory.output(2 * x.length);
    memory.run((wasm) => wasm.softmax(p, logits, x.length, 2));
    const probabilities = memory.read(p);
    // A quotient is known to half an ulp, which is up to one ulp relative to its neighbour's binade.
    const ratio = x.map((_, n) => probabilities[2 * n] / probabilities[2 * n + 1]);
    expect(largest(x, ratio, Math.exp, ulps)).toBeLessThan(3);
  });

  test("NaN stays NaN, and infinities have limits", () => {
    const special = Float32Array.of(NaN, Infinity, -Infinity, 0);
    expect([...activate(special, RELU)]).toEqual([NaN, Infinity, 0, 0]);
    const limit = fuses ? expect.closeTo(1, 6) : 1;
    expect([...activate(special, TANH).map(Math.abs)]).toEqual([NaN, limit, limit, 0]);
    expect(activate(special, TANH)[2]).toBeLessThan(0);
    expect([...activate(special, SIGMOID)]).toEqual([NaN, 1, expect.closeTo(0, 12), 0.5]);
  });
});

describe("activation", () => {
  /** Forward and backward, each in the place of what it reads. */
  function run(x: Float32Array, dy: Float32Array, activation: number) {
    const memory = new Memory();
    const y = memory.output(x), dx = memory.output(dy);
    memory.run((wasm) => wasm.activationForward(y, y, x.length, activation));
    const before = memory.read(y);
    memory.run((wasm) => wasm.activationBackward(dx, dx, y, x.length, activation));
    expect(memory.read(y)).toEqual(before);
    return { y: before, dx: memory.read(dx) };
  }

  test("equals the float64 reference, in place too, at every size, and has the gradient of its forward", () => {
    activations.forEach(({ name, value, slope }, activation) => {
      for (const N of [1, 2, 3, 4, 5, 6, 7, 8, 9, 1000]) {
        const [x, dy] = [numbers(N, 1, 3), numbers(N, 2)];
        const { y, dx } = run(x, dy, activation);
        expect(y, `${name} ${N}`).toEqual(activate(x, activation));
        expect(difference(y, [...x].map(value)), `y ${name} ${N}`).toBeLessThan(1e-6);
        expect(difference(dx, [...x].map((x_n, n) => dy[n] * slope(value(x_n)))), `dx ${name} ${N}`).toBeLessThan(1e-6);
        const loss = (point: Float64Array) => point.reduce((sum, x_n, n) => sum + value(x_n) * dy[n], 0);
        expect(directionalError(loss, x, dx, 3), `dx ${name} ${N}`).toBeLessThan(1e-5);
      }
    });
  });

  test("flushes a gradient that is nearly zero, and hands on a NaN", () => {
    const { dx } = run(Float32Array.of(1, 1, 1), Float32Array.of(1e-30, -1e-20, NaN), RELU);
    expect([...dx]).toEqual([0, 0, NaN]);
  });
});
