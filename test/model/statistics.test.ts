/** The second vector: what a model normalises batches by, where it comes from, and what it does to predictions. */
import { describe, expect, test } from "vitest";
import { decodeCheckpoint, encodeCheckpoint } from "../../src/model/checkpoint.ts";
import { layoutOf, statisticsOf } from "../../src/model/layout.ts";
import { Model } from "../../src/model/model.ts";
import { initialParameters, Network } from "../../src/model/network.ts";
import { parseSpec, type ModelSpecInput } from "../../src/model/spec.ts";
import { adam, predictAll, type Training } from "../../src/model/trainer.ts";
import { batchStatistics } from "../reference.ts";
import { difference, numbers } from "../memory.ts";

const [T, I] = [10, 2];
const batch = { type: "normalise", kind: "batch" } as const;
const classifier = (layers: ModelSpecInput["layers"]) => parseSpec({ input: { steps: T, features: I }, layers, head: { type: "classify", classes: ["calm", "uneasy", "alarmed"] } });
const spec = classifier([
  batch, { type: "convolution", filters: 5, kernel: 3 }, batch, { type: "activation", kind: "relu" }, { type: "dropout", rate: 0.2 },
  { type: "mean" }, batch, { type: "dense", units: 4, activation: "tanh" },
]);
const plain = classifier([{ type: "lstm", hidden: 4 }, { type: "normalise", kind: "layer" }, { type: "mean" }]);
const training: Training = { epochs: 3, batch: 8, learningRate: 1e-2, optimizer: adam, clipNorm: 1, loss: {} };

/** N windows, moved and stretched as another machine's might be. */
const windows = (count: number, seed: number, stretch = 1, shift = 0) => numbers(count * T * I, seed).map((x) => x * stretch + shift);
const examples = (count: number, seed: number) => ({ count, inputs: windows(count, seed), targets: Float32Array.from({ length: count }, (_, n) => n % 3) });

/** An adapted network for inference, and its statistics by name. */
function adapted(inputs: Float32Array, count: number, batch = count, of = spec) {
  const network = new Network(of, { batch, training: false });
  network.parameters.set(initialParameters(of, 1));
  network.adapt(inputs, count);
  const { statistics } = network;
  return { network, row: (name: string) => statistics.slice(...rangeOf(name)) };
}

function rangeOf(name: string): [number, number] {
  const { offset, length } = statisticsOf(spec).parameters.find((row) => row.name === name)!;
  return [offset, offset + length];
}

describe("statistics", () => {
  test("are a mean and a variance for each feature that is normalised over a batch, outside the canonical vector", () => {
    expect(statisticsOf(spec).parameters.map(({ name, shape }) => [name, ...shape])).toEqual([
      ["0.normalise.mean", 2], ["0.normalise.variance", 2], ["2.normalise.mean", 5], ["2.normalise.variance", 5], ["6.normalise.mean", 5], ["6.normalise.variance", 5],
    ]);
    expect(layoutOf(spec).parameters.filter(({ name }) => name.includes("normalise")).map(({ name }) => name.replace(/.*[.]/, ""))).toEqual(["scale", "bias", "scale", "bias", "scale", "bias"]);
    expect(statisticsOf(plain).length).toBe(0);
  });

  test("are exactly those of the layer's input on the windows that the network is adapted to", () => {
    const count = 70;
    const inputs = windows(count, 1, 2, 5);
    const { row } = adapted(inputs, count, 32);
    const expected = batchStatistics(inputs, count * T, I);
    expect(difference(row("0.normalise.mean"), expected.mean)).toBeLessThan(1e-6);
    expect(difference(row("0.normalise.variance"), expected.variance)).toBeLessThan(1e-6);
  });

  const beside = parseSpec({
    input: { steps: 6, features: 1 }, layers: [batch, { type: "lstm", hidden: 3 }, batch, { type: "mean" }, { type: "dense", units: 4 }, batch],
    side: { input: { steps: 7, features: 2 }, layers: [{ type: "convolution", filters: 3, kernel: 3 }, batch, { type: "activation", kind: "relu" }, batch, { type: "max" }] },
    head: { type: "regress", unit: "h" },
  });
  test.each([["one branch", spec], ["a side branch", beside]])("of each layer are taken behind layers that normalise already: together they are those of one training batch, with %s", (_, of) => {
    const count = 20;
    const inputs = windows(count, 1, 2, 5); // 20 numbers each
    const { network } = adapted(inputs, count, count, of);
    const trained = new Network({ ...of, layers: of.layers.map((layer) => (layer.type === "dropout" ? { ...layer, rate: 0 } : layer)) }, { batch: count, training: true });
    trained.parameters.set(initialParameters(of, 1));
    trained.load(inputs, Array.from({ length: count }, (_, n) => n));
    trained.forward(count);
    expect(network.statistics).toEqual(trained.statistics);
    expect(difference(adapted(inputs, count, 7, of).network.statistics, network.statistics)).toBeLessThan(2e-6);
  });

  test("do not depend on the batches in which windows pass, but for rounding", () => {
    const inputs = windows(70, 1, 2, 5);
    const whole = adapted(inputs, 70).network.statistics;
    for (const batch of [1, 7, 32]) expect(difference(adapted(inputs, 70, batch).network.statistics, whole)).toBeLessThan(2e-6);
    expect(adapted(inputs, 70, 32).network.statistics).toEqual(adapted(inputs, 70, 32).network.statistics);
  });

  test("are the same way taken where there are too many windows to hold what becomes of them", () => {
    const [count, steps] = [4100, 1024]; // more than 2^24 floats, four features a step
    const long = parseSpec({ ...classifier([{ type: "activation", kind: "tanh" }, batch, batch, { type: "mean" }]), input: { steps, features: 4 } });
    const network = new Network(long, { batch: 32, training: false });
    network.parameters.set(initialParameters(long, 1));
    const window = numbers(4 * steps, 1, 2);
    const inputs = new Float32Array(count * window.length);
    for (let n = 0; n < count; n++) inputs.set(window, n * window.length);
    network.adapt(inputs, count);
    const { mean, variance } = batchStatistics(window.map(Math.tanh), steps, 4);
    expect(difference(network.statistics, [...mean, ...variance, 0, 0, 0, 0, 1, 1, 1, 1])).toBeLessThan(1e-4); // ε takes 2e-5 of the variance
  });

  test("make predictions independent of a window's company", () => {
    const { network } = adapted(windows(40, 1), 40, 8);
    const inputs = windows(9, 2);
    const together = predictAll(network, inputs, 9);
    for (let n = 0; n < 9; n++) expect(predictAll(network, inputs.subarray(n * T * I, (n + 1) * T * I), 1)).toEqual(together.slice(3 * n, 3 * n + 3));
  });
});

describe("a model that normalises over batches", () => {
  test("is adapted to what it was fitted on, and training alone leaves its statistics as they are", () => {
    const data = examples(30, 1);
    const [fitted, trained] = [new Model(spec, { seed: 1 }), new Model(spec, { seed: 1 })];
    fitted.fit(data, training, ["a"]);
    trained.train(data, training, ["a"]);
    expect(trained.parameters).toEqual(fitted.parameters);
    expect([...trained.statistics.subarray(...rangeOf("2.normalise.mean"))]).toEqual([0, 0, 0, 0, 0]);
    expect([...trained.statistics.subarray(...rangeOf("2.normalise.variance"))]).toEqual([1, 1, 1, 1, 1]);
    trained.adapt(data.inputs);
    expect(trained.statistics).toEqual(fitted.statistics);
  });

  test("predicts after adapting, without labels, what it predicted before its inputs were stretched and moved", () => {
    const model = new Model(spec, { seed: 1 });
    model.fit(examples(60, 1), training, ["a"]);
    const here = windows(200, 2), there = here.map((x) => 3 * x - 7);
    model.adapt(here);
    const before = model.predictProbabilities(here);
    expect(difference(model.predictProbabilities(there), before)).toBeGreaterThan(0.1);
    model.adapt(there);
    expect(difference(model.predictProbabilities(there), before)).toBeLessThan(1e-4);
    expect(model.parameters).toEqual(new Model(spec, { parameters: model.parameters }).parameters);
  });

  test("goes on from parameters and statistics that are given", () => {
    const first = new Model(spec, { seed: 1 });
    first.fit(examples(30, 1), training, ["a"]);
    const { parameters, statistics } = first;
    expect(new Model(spec, { parameters, statistics }).predictState(windows(9, 2))).toEqual(first.predictState(windows(9, 2)));
  });

  test("refuses to be adapted to nothing, in training, or by statistics of another length", () => {
    expect(() => new Model(spec).adapt(new Float32Array(0))).toThrow("inputs expected at least one window to adapt to, got none");
    expect(() => new Network(spec, { batch: 2, training: true }).adapt(windows(2, 1), 2)).toThrow(/training: false/);
    expect(() => new Model(spec, { statistics: new Float32Array(3) })).toThrow(`"statistics" expected 24 numbers for this spec, got 3`);
  });

  test("without such layers has no statistics, and adapting changes nothing", () => {
    const model = new Model(plain, { seed: 1 });
    const before = model.predictProbabilities(windows(5, 1));
    model.adapt(windows(50, 2, 9, 9));
    expect(model.statistics).toEqual(new Float32Array(0));
    expect(model.predictProbabilities(windows(5, 1))).toEqual(before);
  });
});

describe("a checkpoint", () => {
  const parameters = initialParameters(spec, 1);
  const statistics = numbers(statisticsOf(spec).length, 3).map(Math.abs);

  test("holds statistics behind the parameters, where the model has been adapted", () => {
    const bytes = encodeCheckpoint({ spec, parameters, statistics, metadata: { task: "bearing" } });
    expect(decodeCheckpoint(bytes)).toEqual({ spec, parameters, statistics, metadata: { task: "bearing" } });
    expect(Buffer.from(bytes).readFloatLE(bytes.length - 4)).toBe(statistics.at(-1));
  });

  test("is read without them where it has not", () => {
    const checkpoint = { spec, parameters, metadata: {} };
    expect(decodeCheckpoint(encodeCheckpoint(checkpoint))).toEqual(checkpoint);
    expect(encodeCheckpoint({ ...checkpoint, statistics: new Float32Array(0) })).toEqual(encodeCheckpoint(checkpoint));
  });

  test("refuses statistics that do not fit, are incomplete, or are no variances", () => {
    expect(() => encodeCheckpoint({ spec, parameters, statistics: statistics.subarray(1), metadata: {} })).toThrow(`"statistics" expected 24 numbers for this spec, got 23`);
    const negative = statistics.with(2, -1);
    expect(() => encodeCheckpoint({ spec, parameters, statistics: negative, metadata: {} })).toThrow(/"0.normalise.variance" expected variances >= 0, got -1 at element 0/);
    const bytes = encodeCheckpoint({ spec, parameters, statistics, metadata: {} });
    const text = Buffer.from(bytes).toString("latin1").replace(`"2.normalise.mean"`, `"2.normalise.sean"`);
    expect(() => decodeCheckpoint(Buffer.from(text, "latin1"))).toThrow(/tensor "2.normalise.mean" is missing/);
  });
});
