import { describe, expect, test } from "vitest";
import { windowMoments } from "../../src/data/moments.ts";
import { scale, scalerFromMoments, type Scaler } from "../../src/data/scaler.ts";
import { layoutOf } from "../../src/model/layout.ts";
import { Model } from "../../src/model/model.ts";
import { initialParameters, Network } from "../../src/model/network.ts";
import { windowLength } from "../../src/model/shape.ts";
import { parseSpec, type ModelSpec, type ModelSpecInput } from "../../src/model/spec.ts";
import { adam, type Training } from "../../src/model/trainer.ts";
import { concatWindows, selectWindows, type Windows } from "../../src/signal/window.ts";
import { loadOnnxRunner } from "../../src/cli/runtime.ts";
import { differenceOf, encodeArtefact, exportRun } from "../../src/tasks/artefact.ts";
import { federate } from "../../src/tasks/federation.ts";
import { inlinePool } from "../../src/tasks/pool.ts";
import type { TaskData, TaskFactory } from "../../src/tasks/task.ts";
import { numbers } from "../memory.ts";

/** The architecture that this is for: sequences of spectra, statistics and wavelet energies, joined with raw values. */
const spec: ModelSpecInput = {
  input: { steps: 6, features: 4 },
  layers: [{ type: "lstm", hidden: 5, bidirectional: true }, { type: "dropout", rate: 0.1 }, { type: "attention", size: 4 }, { type: "dense", units: 6, activation: "tanh" }],
  side: { input: { steps: 24, features: 1 }, layers: [{ type: "convolution", filters: 3, kernel: 5, stride: 2 }, { type: "dropout", rate: 0.2 }, { type: "activation", kind: "tanh" }, { type: "mean" }] },
  head: { type: "classify", classes: ["sound", "worn"] },
};
const training: Training = { epochs: 30, batch: 16, learningRate: 1e-2, optimizer: adam, clipNorm: 1, loss: {} };

/** Windows of noise that differ only in how their features (main) and their raw values (side) move together: neither part tells the class alone. */
function windowsOf(count: number, seed: number): Windows {
  const signs = numbers(2 * count, seed).map(Math.sign);
  const inputs = numbers(count * 24, seed + 1, 0.5).map((noise, at) => 50 + 10 * (noise + signs[2 * Math.floor(at / 24)]));
  const raw = numbers(count * 24, seed + 2, 0.5).map((noise, at) => -3 + 0.1 * (noise + signs[2 * Math.floor(at / 24) + 1]));
  const targets = Float32Array.from({ length: count }, (_, n) => (signs[2 * n] * signs[2 * n + 1] > 0 ? 1 : 0));
  return { inputs, targets, groups: Int32Array.from({ length: count }, (_, n) => n), count, steps: 6, features: 4, side: { inputs: raw, steps: 24, features: 1 } };
}

const scalerOf = (windows: Windows): Scaler => ({
  ...scalerFromMoments(windowMoments(windows), windows.features),
  side: scalerFromMoments(windowMoments({ ...windows.side!, count: windows.count }), windows.side!.features),
});

const accuracy = (model: Model, windows: Windows, scaler: Scaler) =>
  [...model.predictState(scale(windows, scaler))].filter((state, n) => state === windows.targets[n]).length / windows.count;

describe("a model with a side branch", () => {
  test("learns what only both parts together tell", () => {
    const [train, fresh] = [windowsOf(300, 1), windowsOf(200, 9)];
    const scaler = scalerOf(train);
    const model = new Model(spec, { seed: 1 });
    model.fit({ inputs: scale(train, scaler), targets: train.targets, count: train.count }, training, ["side"]);
    expect(accuracy(model, fresh, scaler)).toBeGreaterThan(0.9);
    const { side: _, ...alone } = spec;
    const { side: __, ...mainScaler } = scaler;
    const without = new Model(alone, { seed: 1 });
    without.fit({ inputs: scale(train, mainScaler), targets: train.targets, count: train.count }, training, ["side"]);
    expect(accuracy(without, fresh, mainScaler)).toBeLessThan(0.65); // of the same windows; the side is left aside
  });

  test.each<[string, Partial<ModelSpecInput>]>([
    ["behind attention", {}],
    ["of one step, behind a linear model", { layers: [{ type: "flatten" }], side: { input: { steps: 1, features: 5 }, layers: [{ type: "flatten" }] } }],
    ["before a decoder", { layers: [{ type: "gru", hidden: 4 }, { type: "last" }, { type: "repeat" }, { type: "lstm", hidden: 4 }], head: { type: "reconstruct" } }],
    ["with recurrent and dense layers of its own", { side: { input: { steps: 9, features: 2 }, layers: [{ type: "gru", hidden: 4, bidirectional: true }, { type: "lstm", hidden: 3 }, { type: "last" }, { type: "dense", units: 4, activation: "sigmoid" }] } }],
    ["normalised over the batch", { side: { input: { steps: 9, features: 2 }, layers: [{ type: "normalise", kind: "batch" }, { type: "attention", size: 3 }, { type: "normalise", kind: "layer" }] } }],
  ])("has the gradient of its loss: %s", (_, change) => {
    const B = 4;
    const network = new Network({ ...spec, ...change }, { batch: B, training: true });
    const inputs = numbers(B * windowLength(network.spec), 1);
    const targets = network.spec.head.type === "reconstruct" ? new Float32Array(0) : Float32Array.of(0, 1, 1, 0);
    const lossAt = (parameters: Float32Array) => {
      network.parameters.set(parameters);
      network.load(inputs, [0, 1, 2, 3]);
      const mask = { seedLow: 1, seedHigh: 2, step: 3 };
      network.forward(B, mask);
      return network.backward(targets, {}, mask);
    };
    const start = initialParameters(network.spec, 1);
    lossAt(start);
    const gradient = network.gradients.slice();
    const norm = Math.hypot(...gradient);
    const step = 2e-2;
    const moved = (sign: number) => start.map((w, p) => w + (sign * step * gradient[p]) / norm);
    expect(Math.abs((lossAt(moved(1)) - lossAt(moved(-1))) / (2 * step) / norm - 1)).toBeLessThan(5e-3);
    // Each branch has its share of the gradient: none of their rows is left out.
    for (const { name, offset, length } of network.layout.parameters.filter(({ name }) => !/attention\.c$|B$/.test(name))) {
      expect(gradient.subarray(offset, offset + length).some((g) => g !== 0), name).toBe(true);
    }
  });

  test("has the side's rows before the head's, which sees both vectors", () => {
    const { parameters } = layoutOf(parseSpec(spec));
    expect(parameters.map(({ name }) => name).slice(-6)).toEqual(["3.dense.W", "3.dense.b", "side.0.convolution.W", "side.0.convolution.b", "head.W", "head.b"]);
    expect(parameters.find(({ name }) => name === "3.dense.W")!.shape).toEqual([6, 10 + 3]);
  });

  test("drops other values in the side than in the main layers", () => {
    const twice: ModelSpecInput = {
      input: { steps: 8, features: 4 }, layers: [{ type: "dropout", rate: 0.5 }, { type: "flatten" }],
      side: { input: { steps: 8, features: 4 }, layers: [{ type: "dropout", rate: 0.5 }, { type: "flatten" }] }, head: { type: "regress", unit: "m" },
    };
    const network = new Network(twice, { batch: 1, training: true });
    network.parameters.fill(1);
    network.load(new Float32Array(64).fill(1), [0]);
    network.forward(1, { seedLow: 1, seedHigh: 2, step: 1 });
    network.backward(Float32Array.of(0), {});
    const used = [...network.gradients.subarray(0, 64)].map((g) => g !== 0);
    expect(used.slice(0, 32)).not.toEqual(used.slice(32));
  });

  const refused: [string, Partial<ModelSpecInput>, RegExp][] = [
    ["a side that stays a sequence", { side: { ...spec.side!, layers: [{ type: "lstm", hidden: 2 }] } }, /side\.layers expected an "attention".* that leads to a vector/],
    ["a side without a place to join", { layers: [{ type: "lstm", hidden: 2 }], head: { type: "reconstruct" } }, /side is joined behind the reduction of layers, but they have none/],
    ["an impossible layer of the side", { side: { ...spec.side!, layers: [{ type: "dense", units: 2 }] } }, /side\.layers\[0\] \(dense\) needs a vector/],
    ["more layers than masks have numbers", { side: { ...spec.side!, layers: [...Array(62).fill({ type: "dropout", rate: 0.1 }), { type: "mean" }] } }, /at most 64 with those of side, got 67/],
  ];
  test.each(refused)("refuses %s", (_, change, message) => expect(() => parseSpec({ ...spec, ...change })).toThrow(message));

  test("refuses windows without their side", () => {
    const model = new Model(spec);
    const few = windowsOf(5, 1);
    const { side: _, ...main } = few;
    const scaler = scalerOf(few);
    expect(() => scale(main, scaler)).toThrow("scaler: expected windows with a side of 1 columns, got none");
    expect(() => model.predictState(main.inputs.subarray(0, 24))).toThrow("whole windows of 6 x 4 and 24 x 1 values, got 24 values");
    expect(() => model.fit(main, training, [])).toThrow("5 windows of 6 x 4 and 24 x 1 values and as many targets, got 120 values");
  });
});

test("scaled windows are each followed by their side", () => {
  const windows = windowsOf(3, 1);
  const scaled = scale(windows, scalerOf(windows));
  const { side, ...main } = scalerOf(windows);
  const [first, second] = [scale({ ...windows, side: undefined }, main), scale({ ...windows, ...windows.side!, side: undefined }, side!)];
  for (const n of [0, 1, 2]) {
    expect(scaled.slice(n * 48, n * 48 + 24)).toEqual(first.slice(n * 24, n * 24 + 24));
    expect(scaled.slice(n * 48 + 24, n * 48 + 48)).toEqual(second.slice(n * 24, n * 24 + 24));
  }
});

test("windows are chosen and joined with their sides", () => {
  const windows = windowsOf(4, 1);
  const [a, b] = [selectWindows(windows, [3, 1]), selectWindows(windows, [0, 2])];
  expect(a.side!.inputs.slice(0, 24)).toEqual(windows.side!.inputs.slice(72, 96));
  expect(selectWindows(concatWindows([a, b]), [2, 1, 3, 0])).toEqual(windows);
});

test("factories agree on the side's scaling from shared moments, and export what they learn", async () => {
  const factories: TaskFactory[] = [1, 11].map((seed) => ({ id: `plant-${seed}`, train: windowsOf(60, seed), validation: windowsOf(20, seed + 3), test: windowsOf(30, seed + 6) }));
  const pool = inlinePool();
  const options = {
    factories, spec: parseSpec(spec) as ModelSpec, seed: 1, rounds: 2, training: () => ({ ...training, epochs: 2 }), pool,
    data: { settings: 0, regimes: 1 }, counts: (predictions: Float32Array) => Float64Array.of(predictions.length),
  };
  const { parameters, sha256, scaler, test: counts } = await federate(options);
  const whole = scalerOf(concatWindows(factories.map(({ train }) => train)));
  for (const [table, expected] of [[scaler, whole], [scaler.side!, whole.side!]]) {
    table.mean[0].forEach((value, column) => expect(value).toBeCloseTo(expected.mean[0][column], 10));
    table.std[0].forEach((value, column) => expect(value).toBeCloseTo(expected.std[0][column], 10));
  }
  expect([...counts.values()].map(([count]) => count)).toEqual([60, 60]);
  const runOnnx = await loadOnnxRunner();
  if (runOnnx) {
    const artefact = { spec: options.spec, build: "simd", parameters, scaler, threshold: 0, sha256, rounds: 2 } as const;
    const data: TaskData = { factories, heldOut: null, settings: 0, regimes: 1, channels: [], rateHz: null, origin: "a test" };
    expect(await differenceOf(exportRun(encodeArtefact("side", data, artefact)), artefact, data, pool, runOnnx)).toBeLessThan(1e-5);
  }
  const bare = factories.map((factory) => ({ ...factory, train: { ...factory.train, side: undefined } }));
  await expect(federate({ ...options, factories: bare })).rejects.toThrow('factory "plant-1": windows expected a side of 24 x 1 values, got none');
  await pool.close();
});
