import { describe, expect, test } from "vitest";
import { exactLength } from "../../src/data/exact.ts";
import { gramLength } from "../../src/model/gram.ts";
import { parseSpec } from "../../src/model/spec.ts";
import { selectWindows, type Windows } from "../../src/signal/window.ts";
import { fitLinear, linearScores } from "../../src/tasks/linear.ts";
import { inlinePool } from "../../src/tasks/pool.ts";
import { numbers } from "../memory.ts";

const spec = parseSpec({ input: { steps: 4, features: 3 }, layers: [{ type: "flatten" }], head: { type: "regress", unit: "h", scale: 10 } });

/** Windows of three sensors of different size and unit. */
function windows(count: number, seed: number): Windows {
  const noise = numbers(count * 12, seed);
  const inputs = noise.map((value, at) => [100, 0.01, 1][at % 3] * (value + [3, -5, 0][at % 3]));
  const targets = Float32Array.from({ length: count }, (_, n) => 5 + 20 * noise[n * 12] - 7 * noise[n * 12 + 11] + noise[(n * 7) % noise.length]);
  return { inputs, targets, groups: new Int32Array(count), count, steps: 4, features: 3 };
}

const deal = (all: Windows, hands: number) =>
  Array.from({ length: hands }, (_, hand) => selectWindows(all, Array.from({ length: all.count }, (_, n) => n).filter((n) => (n * 7919) % 101 % hands === hand)));

/** So many factories that share the same windows out among them. */
function factories(hands: number) {
  const [train, validation, test] = [deal(windows(400, 1), hands), deal(windows(120, 2), hands), deal(windows(60, 3), hands)];
  return train.map((_, hand) => ({ id: `plant-${hand + 1}`, train: train[hand], validation: validation[hand], test: test[hand] }));
}

describe("linear federation", () => {
  test("is the centralised model, bit for bit, however many factories share the windows and in whatever order", async () => {
    const { federated: alone } = await fitLinear({ factories: factories(1), spec });
    for (const hands of [1, 2, 5, 8]) {
      for (const order of [factories(hands), factories(hands).reverse()]) {
        const { federated, centralised } = await fitLinear({ factories: order, spec });
        for (const model of [federated, centralised]) {
          expect([model.scaler, model.lambda, model.samples]).toEqual([alone.scaler, alone.lambda, alone.samples]);
          expect(new Int32Array(model.parameters.buffer)).toEqual(new Int32Array(alone.parameters.buffer));
        }
      }
    }
  });

  test("takes one round of few bytes", async () => {
    const { bytes } = await fitLinear({ factories: factories(3), spec });
    const numbers = exactLength(3) + 2 * gramLength(spec); // sums of columns, of products in training and in validation
    const frames = 3 * 2 * 8 * numbers; // three factories, up and down
    expect(bytes).toBeGreaterThan(frames);
    expect(bytes).toBeLessThan(frames + 3 * 3 * 2 * 300);
  });

  test("splits sums that are longer than a gather", async () => {
    const wide = parseSpec({ input: { steps: 1, features: 400 }, layers: [{ type: "flatten" }], head: { type: "regress", unit: "" } });
    const make = (seed: number): Windows => ({ inputs: numbers(30 * 400, seed), targets: numbers(30, seed + 1), groups: new Int32Array(30), count: 30, steps: 1, features: 400 });
    const two = [1, 2].map((seed) => ({ id: `plant-${seed}`, train: make(seed), validation: make(seed + 10), test: make(seed + 20) }));
    const { federated, centralised } = await fitLinear({ factories: two, spec: wide, lambdas: [0.1] });
    expect(federated.parameters).toEqual(centralised.parameters);
    expect(federated.samples).toBe(60);
  });

  test("solves again with the validation windows where that is asked for", async () => {
    const once = await fitLinear({ factories: factories(2), spec });
    const again = await fitLinear({ factories: factories(2), spec, refit: true });
    expect([once.federated.samples, again.federated.samples]).toEqual([400, 520]);
    expect(again.federated.lambda).toBe(once.federated.lambda);
    expect(again.federated.parameters).toEqual(again.centralised.parameters);
  });

  test("gives each factory a model of its own windows", async () => {
    const { solo, federated } = await fitLinear({ factories: factories(2), spec });
    expect([...solo].map(([id, { samples }]) => [id, samples]).reduce((sum, [, samples]) => sum + Number(samples), 0)).toBe(400);
    expect(solo.get("plant-1")!.parameters).not.toEqual(federated.parameters);
  });

  test("ends for all when one factory's windows do not fit", async () => {
    const wrong = factories(3).map((factory, hand) => (hand === 1 ? { ...factory, train: { ...factory.train, targets: new Float32Array(factory.train.count).fill(1e9) } } : factory));
    await expect(fitLinear({ factories: wrong, spec })).rejects.toThrow(/target 0 .* raise the head's scale/);
  });

  test("scores every way on every factory's test windows, by a network with the solved parameters", async () => {
    const meanError = (predictions: Float32Array, { targets }: Windows) => predictions.reduce((sum, value, n) => sum + Math.abs(value - targets[n]), 0) / targets.length;
    const pool = inlinePool();
    const { scores, models } = await linearScores({ case: "one", model: "linear", factories: factories(2), spec, pool, figures: (predictions, windows) => ({ mae: meanError(predictions, windows) }) });
    await pool.close();
    expect(scores.map(({ way, factory, samples }) => [way, factory, samples])).toEqual(
      ["solo", "federated", "centralised"].flatMap((way) => [...factories(2).map(({ id, test }) => [way, id, test.count]), [way, "all", 60]]),
    );
    const { parameters, scaler } = models.federated;
    const { test } = factories(1)[0];
    const predictions = Float32Array.from({ length: test.count }, (_, n) => {
      const value = Array.from({ length: 12 }, (_, at) => (parameters[at] * (test.inputs[n * 12 + at] - scaler.mean[0][at % 3])) / scaler.std[0][at % 3]);
      return 10 * value.reduce((a, b) => a + b, parameters[12]);
    });
    expect(scores.find(({ way, factory }) => way === "federated" && factory === "all")!.figures.mae).toBeCloseTo(meanError(predictions, test), 4);
    expect(scores.find(({ way, factory }) => way === "federated" && factory === "all")!.figures.mae).toBeLessThan(1); // the noise of the targets
  });
});
