import { describe, expect, test } from "vitest";
import { crossEntropy, huber, mse, softmax } from "../reference.ts";
import { difference, directionalError, Memory, numbers, sweep, vectors } from "../memory.ts";

const targets = (B: number, O: number) => numbers(B, 3).map((x) => Math.floor(((x + 1) / 2) * O));
const positive = (length: number) => numbers(length, 4).map((x) => x / 2 + 1);

type Numbers = ArrayLike<number>;

function runCrossEntropy(logits: Numbers, target: Numbers, weights: Numbers, smoothing: number, B: number, O: number) {
  const memory = new Memory();
  const p = memory.output(B * O), dlogits = memory.output(B * O);
  const [logits_, target_, weights_] = [logits, target, weights].map((values) => memory.input(values));
  const loss = memory.run((wasm) => wasm.softmaxCrossEntropy(p, dlogits, logits_, target_, weights_, B, O, smoothing));
  return { loss, probabilities: memory.read(p), dlogits: memory.read(dlogits) };
}

function runRegression(name: "mse" | "huber", y: Numbers, target: Numbers, delta: number) {
  const memory = new Memory();
  const dy = memory.output(y.length);
  const [y_, target_] = [y, target].map((values) => memory.input(values));
  const loss = memory.run((wasm) => (name === "mse" ? wasm.mse(dy, y_, target_, y.length) : wasm.huber(dy, y_, target_, y.length, delta)));
  return { loss, dy: memory.read(dy) };
}

describe("softmax cross-entropy", () => {
  test("equals the float64 reference, at every size, with and without smoothing", () => {
    for (const [B, O] of sweep(2, [32, 4], [100, 33])) {
      for (const smoothing of [0, 0.25]) {
        const [logits, target, weights] = [numbers(B * O, 1, 5), targets(B, O), positive(O)];
        const actual = runCrossEntropy(logits, target, weights, smoothing, B, O);
        const expected = crossEntropy(logits, target, weights, smoothing, B, O);
        expect(difference([actual.loss], [expected.loss])).toBeLessThan(2e-6);
        expect(difference(actual.probabilities, expected.probabilities)).toBeLessThan(1e-6);
        expect(difference(actual.dlogits, expected.dlogits)).toBeLessThan(1e-6);
      }
    }
  });

  test("matches PyTorch", () => {
    type Arrays = Record<"logits" | "target" | "weights" | "probabilities" | "dlogits", number[]>;
    type Case = Arrays & { loss: string; B: number; O: number; smoothing: number; value: number };
    for (const { B, O, smoothing, value, ...vector } of vectors<Case>("loss").filter(({ loss }) => loss === "crossEntropy")) {
      const actual = runCrossEntropy(vector.logits, vector.target, vector.weights, smoothing, B, O);
      expect(difference([actual.loss], [value])).toBeLessThan(1e-6);
      expect(difference(actual.probabilities, vector.probabilities)).toBeLessThan(1e-6);
      expect(difference(actual.dlogits, vector.dlogits)).toBeLessThan(1e-6);
    }
  });

  test("has the gradient of its value", () => {
    const [logits, target, weights] = [numbers(35, 1, 3), targets(7, 5), positive(5)];
    const { dlogits } = runCrossEntropy(logits, target, weights, 0.1, 7, 5);
    expect(directionalError((point) => crossEntropy(point, target, weights, 0.1, 7, 5).loss, logits, dlogits, 5)).toBeLessThan(1e-6);
  });

  test("stays finite for a certain and wrong prediction, and ignores classes of weight zero", () => {
    const { loss, dlogits } = runCrossEntropy([1000, -1000], [1], [1, 1], 0, 1, 2);
    expect(loss).toBe(2000);
    expect([...dlogits]).toEqual([1, -1]);
    expect(runCrossEntropy([1, 2, 3, 4], [0, 1], [0, 1], 0, 2, 2).loss).toBeCloseTo(Math.log(1 + Math.exp(-1)), 6);
  });

  test("shows a NaN in the loss", () => {
    expect(runCrossEntropy([1, NaN, 2, 1], [0, 0], [1, 1], 0, 2, 2).loss).toBeNaN();
  });

  test("is deterministic", () => {
    const once = () => runCrossEntropy(numbers(35, 1, 3), targets(7, 5), positive(5), 0.1, 7, 5);
    expect(once()).toEqual(once());
  });
});

test("softmax gives the probabilities of the cross-entropy", () => {
  for (const [B, O] of sweep(2)) {
    const logits = numbers(B * O, 1, 20);
    const memory = new Memory();
    const p = memory.output(B * O), logits_ = memory.input(logits);
    memory.run((wasm) => wasm.softmax(p, logits_, B, O));
    expect(memory.read(p)).toEqual(runCrossEntropy(logits, targets(B, O), positive(O), 0, B, O).probabilities);
    expect(difference(memory.read(p), softmax(logits, B, O))).toBeLessThan(1e-6);
  }
});

describe("regression losses", () => {
  test("equal the float64 reference, at every size", () => {
    for (const [N] of sweep(1, [100])) {
      const [y, target] = [numbers(N, 1, 3), numbers(N, 2)];
      for (const [name, expected] of [["mse", mse(y, target, N)], ["huber", huber(y, target, N, 0.75)]] as const) {
        const actual = runRegression(name, y, target, 0.75);
        expect(difference([actual.loss], [expected.loss])).toBeLessThan(1e-6);
        expect(difference(actual.dy, expected.dy)).toBeLessThan(1e-6);
      }
    }
  });

  test("match PyTorch", () => {
    type Case = { loss: "mse" | "huber"; delta: number; value: number; y: number[]; target: number[]; dy: number[] };
    for (const { loss, delta, value, y, target, dy } of vectors<Case>("loss").filter((vector) => vector.y)) {
      const actual = runRegression(loss, y, target, delta);
      expect(difference([actual.loss], [value])).toBeLessThan(1e-6);
      expect(difference(actual.dy, dy)).toBeLessThan(1e-6);
    }
  });

  test("have the gradient of their value", () => {
    const [y, target] = [numbers(20, 1, 3), numbers(20, 2)];
    expect(directionalError((point) => mse(point, target, 20).loss, y, runRegression("mse", y, target, 1).dy, 5)).toBeLessThan(1e-5);
    expect(directionalError((point) => huber(point, target, 20, 1).loss, y, runRegression("huber", y, target, 1).dy, 5)).toBeLessThan(1e-5);
  });

  test("show a NaN in the loss", () => {
    expect(runRegression("mse", [1, NaN], [0, 0], 1).loss).toBeNaN();
    expect(runRegression("huber", [1, NaN], [0, 0], 1).loss).toBeNaN();
  });
});
