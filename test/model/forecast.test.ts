import { describe, expect, test } from "vitest";
import { concatWindows, selectWindows, type Windows } from "../../src/signal/window.ts";
import { forecastCounts, forecastMetrics } from "../../src/model/forecast.ts";
import { Model } from "../../src/model/model.ts";
import { adam, type Training } from "../../src/model/trainer.ts";
import { numbers } from "../memory.ts";

const training: Training = { epochs: 40, batch: 20, learningRate: 2e-2, optimizer: adam, clipNorm: 1, loss: {} };
const point = { type: "forecast", outputs: ["one", "two"], unit: "kWh", scale: 5 } as const;
const quantiles = { ...point, outputs: ["one"], quantiles: [0.1, 0.5, 0.9] } as const;
const specOf = (head: typeof point | typeof quantiles) => ({ input: { steps: 3, features: 2 }, layers: [{ type: "attention" as const, size: 3 }], head: structuredClone(head) as never });

/** Steps that are all alike: the window says what follows, 4 a + 2 and b - 3, and `noise` is added to it. */
function examples(count: number, seed: number, O: 1 | 2, noise = 0) {
  const values = numbers(2 * count, seed);
  const errors = numbers(2 * count, seed + 1, noise);
  const inputs = Float32Array.from({ length: 6 * count }, (_, at) => values[2 * Math.floor(at / 6) + (at % 2)]);
  const targets = Float32Array.from({ length: O * count }, (_, at) => {
    const [n, o] = [Math.floor(at / O), at % O];
    return (o === 0 ? 4 * values[2 * n] + 2 : values[2 * n + 1] - 3) + errors[2 * n + o];
  });
  return { inputs, targets, count };
}

describe("a forecast head", () => {
  test("learns several values at once, in their unit", () => {
    const model = new Model(specOf(point), { seed: 1 });
    model.fit(examples(200, 1, 2), training, ["values"]);
    const fresh = examples(100, 7, 2);
    const values = model.predict(fresh.inputs);
    expect(values).toHaveLength(200);
    const { samples, outputs, all } = forecastMetrics(forecastCounts(values, fresh.targets, point as never), point as never);
    expect(samples).toBe(100);
    expect(Object.keys(outputs)).toEqual(["one", "two"]);
    expect(all.rmse).toBeLessThan(0.3);
  });

  test("learns quantiles that cover what they say and do not cross", () => {
    const model = new Model(specOf(quantiles), { seed: 1 });
    model.fit(examples(2000, 1, 1, 3), training, ["quantiles"]);
    const fresh = examples(2000, 9, 1, 3);
    const values = model.predict(fresh.inputs);
    const { all } = forecastMetrics(forecastCounts(values, fresh.targets, quantiles as never), quantiles as never);
    for (const [k, q] of quantiles.quantiles.entries()) expect(Math.abs(all.coverage[k] - q)).toBeLessThan(0.05);
    for (let n = 0; n < values.length; n++) if (n % 3 > 0) expect(values[n]).toBeGreaterThanOrEqual(values[n - 1]);
  });

  test("refuses targets of another number, Huber's loss beside quantiles, and to be asked for probabilities", () => {
    const model = new Model(specOf(point));
    expect(() => model.fit(examples(4, 1, 1), training, [])).toThrow("4 windows of 3 x 2 values and 4 x 2 targets, got 24 values and 4 targets");
    expect(() => new Model(specOf(quantiles)).fit(examples(4, 1, 1), { ...training, loss: { huberDelta: 1 } }, [])).toThrow('"loss.huberDelta" is not for quantiles');
    expect(() => model.predictProbabilities(new Float32Array(6))).toThrow("expected a model with a classify head, got forecast");
  });
});

describe("forecast counts", () => {
  const head = { ...point, quantiles: [0.25, 0.75] } as never;
  test("become the figures of their definition", () => {
    const { outputs, all } = forecastMetrics(forecastCounts(Float32Array.of(1, 3, 10, 20, 2, 4, 11, 12), [2, 8, 4, 12], head), head);
    expect(outputs.one).toEqual({ rmse: Math.sqrt((1 + 4) / 2), mae: 1.5, bias: -1.5, pinball: [(0.25 + 0.5) / 2, 0.25 / 2], coverage: [0, 1] });
    expect(outputs.two.coverage).toEqual([0.5, 1]);
    expect(all.mae).toBe((1 + 2 + 2 + 1) / 4);
  });

  test("of parts add up to those of the whole", () => {
    const [values, targets] = [numbers(40, 1), numbers(20, 2)];
    const whole = forecastCounts(values, targets, head);
    const [a, b] = [[0, 12], [12, 20]].map(([from, to]) => forecastCounts(values.subarray(2 * from, 2 * to), targets.subarray(from, to), head));
    whole.forEach((value, index) => expect(a[index] + b[index]).toBeCloseTo(value, 12));
  });
});

test("windows with several targets are chosen and joined whole", () => {
  const windows: Windows = { inputs: numbers(8, 1), targets: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8), groups: Int32Array.of(0, 1, 2, 3), count: 4, steps: 2, features: 1 };
  const chosen = selectWindows(windows, [3, 1]);
  expect([...chosen.targets]).toEqual([7, 8, 3, 4]);
  expect([...concatWindows([chosen, selectWindows(windows, []), windows]).targets]).toEqual([7, 8, 3, 4, 1, 2, 3, 4, 5, 6, 7, 8]);
  expect(() => selectWindows({ ...windows, targets: new Float32Array(5) }, [0])).toThrow("multiple of 4");
});
