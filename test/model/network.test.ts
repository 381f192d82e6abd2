import { describe, expect, test } from "vitest";
import { initialParameters, Network } from "../../src/model/network.ts";
import { reconstructionErrors } from "../../src/model/model.ts";
import { layoutOf } from "../../src/model/layout.ts";
import { parseSpec, type ModelSpecInput } from "../../src/model/spec.ts";
import { numbers } from "../memory.ts";

const CLASSES = ["HEALTHY", "DEGRADED", "CRITICAL", "FAILURE"];
const [T, I] = [7, 3];

type Layers = ModelSpecInput["layers"];

function classifier(layers: Layers): ModelSpecInput {
  return { input: { steps: T, features: I }, layers, head: { type: "classify", classes: CLASSES } };
}

const reference: ModelSpecInput = {
  input: { steps: 100, features: 8 },
  layers: [
    { type: "lstm", hidden: 64, bidirectional: true },
    { type: "dropout", rate: 0.2 },
    { type: "lstm", hidden: 64, bidirectional: true },
    { type: "attention", size: 64 },
    { type: "dense", units: 64 },
    { type: "dropout", rate: 0.3 },
  ],
  head: { type: "classify", classes: CLASSES },
};

function build(spec: ModelSpecInput, options: { batch: number; training: boolean }): Network {
  const network = new Network(spec, options);
  network.parameters.set(initialParameters(network.spec, 1));
  return network;
}

const stacked: Layers = [
  { type: "lstm", hidden: 5, bidirectional: true },
  { type: "dropout", rate: 0.25 },
  { type: "lstm", hidden: 6, bidirectional: true },
  { type: "attention", size: 4 },
  { type: "dense", units: 5, activation: "tanh" },
  { type: "dropout", rate: 0.25 },
];

const mask = { seedLow: 11, seedHigh: 22, step: 3 };
const all = (count: number) => Array.from({ length: count }, (_, b) => b);

/** Loss at given parameters, and the gradient. */
function lossAt(network: Network, parameters: Float32Array, inputs: Float32Array, targets: Float32Array): number {
  network.parameters.set(parameters);
  const { head } = network.spec;
  const B = inputs.length / (T * I);
  network.load(inputs, all(B));
  network.forward(B, mask);
  return network.backward(targets, head.type === "regress" ? { huberDelta: 0.5 } : {}, mask);
}

/** Central difference along the gradient itself: the slope is then its norm, far above float32's rounding. */
function checkGradient(spec: ModelSpecInput, targets: Float32Array): void {
  const network = build(spec, { batch: 5, training: true });
  const inputs = numbers(5 * T * I, 1);
  const start = network.parameters.slice();
  lossAt(network, start, inputs, targets);
  const gradient = network.gradients.slice();
  const norm = Math.hypot(...gradient);
  const step = 2e-2;
  const moved = (sign: number) => start.map((w, p) => w + (sign * step * gradient[p]) / norm);
  const slope = (lossAt(network, moved(1), inputs, targets) - lossAt(network, moved(-1), inputs, targets)) / (2 * step);
  expect(Math.abs(slope / norm - 1)).toBeLessThan(5e-3);
}

describe("network", () => {
  test("the reference model has 154,053 parameters", () => {
    expect(layoutOf(parseSpec(reference)).length).toBe(154_053);
  });

  const heads = {
    classify: { head: { type: "classify", classes: CLASSES }, targets: Float32Array.of(0, 1, 2, 3, 1) },
    regress: { head: { type: "regress", unit: "cycles", scale: 10 }, targets: Float32Array.of(0, 5, 7, 20, -3) },
    forecast: { head: { type: "forecast", outputs: ["1 h", "4 h"], unit: "kWh", scale: 10 }, targets: Float32Array.of(0, 5, 7, 20, -3, 1, 8, -4, 2, 9) },
    quantiles: { head: { type: "forecast", outputs: ["1 h"], unit: "kWh", scale: 10, quantiles: [0.1, 0.5, 0.9] }, targets: Float32Array.of(40, -30, 70, 60, -50) },
  } as const;
  const bodies: Record<string, Layers> = {
    "stacked, bidirectional, attention, dropout": stacked,
    "one direction, last state": [{ type: "lstm", hidden: 4 }, { type: "last" }, { type: "dense", units: 3, activation: "sigmoid" }],
    "both directions, last states": [{ type: "lstm", hidden: 4, bidirectional: true }, { type: "dropout", rate: 0.2 }, { type: "last" }],
    "all steps side by side": [{ type: "flatten" }, { type: "dense", units: 3, activation: "tanh" }],
    "the mean and activations": [{ type: "lstm", hidden: 4 }, { type: "activation", kind: "relu" }, { type: "mean" }, { type: "activation", kind: "tanh" }],
    "pools, and the maximum over time": [{ type: "lstm", hidden: 4 }, { type: "pool", kind: "average", size: 3, stride: 1 }, { type: "pool", kind: "max", size: 2 }, { type: "max" }],
    "convolutions and pools": [{ type: "convolution", filters: 4, kernel: 3, padding: "same" }, { type: "activation", kind: "tanh" }, { type: "pool", kind: "max", size: 2 }, { type: "convolution", filters: 5, kernel: 2, dilation: 2, padding: "causal" }, { type: "mean" }],
    "gru, both directions, last states": [{ type: "gru", hidden: 5, bidirectional: true }, { type: "gru", hidden: 4 }, { type: "last" }],
    "attention on raw inputs": [{ type: "attention", size: 3 }],
    "normalised over a batch": [{ type: "convolution", filters: 4, kernel: 3 }, { type: "normalise", kind: "batch" }, { type: "activation", kind: "tanh" }, { type: "mean" }, { type: "normalise", kind: "batch" }, { type: "dense", units: 5, activation: "tanh" }],
    "normalised over a layer": [{ type: "normalise", kind: "layer" }, { type: "lstm", hidden: 4 }, { type: "normalise", kind: "layer" }, { type: "flatten" }, { type: "normalise", kind: "layer" }],
  };
  for (const [kind, { head, targets }] of Object.entries(heads)) {
    for (const [body, layers] of Object.entries(bodies)) {
      test(`has the gradient of its loss: ${kind}, ${body}`, () => {
        checkGradient({ ...classifier(layers), head } as ModelSpecInput, targets);
      });
    }
  }

  const decoders: Record<string, Layers> = {
    "an autoencoder": [{ type: "lstm", hidden: 6, bidirectional: true }, { type: "last" }, { type: "dense", units: 3, activation: "tanh" }, { type: "repeat" }, { type: "lstm", hidden: 5 }],
    "no bottleneck, noise on the input": [{ type: "dropout", rate: 0.2 }, { type: "lstm", hidden: 4, bidirectional: true }],
    "two bottlenecks": [{ type: "attention", size: 3 }, { type: "repeat", steps: 4 }, { type: "lstm", hidden: 4 }, { type: "last" }, { type: "repeat" }],
  };
  for (const [name, layers] of Object.entries(decoders)) {
    test(`has the gradient of its loss: reconstruct, ${name}`, () => checkGradient({ ...classifier(layers), head: { type: "reconstruct" } }, new Float32Array(0)));
  }

  test("reconstructs windows as they were loaded: the loss is the mean squared error of the prediction", () => {
    const network = build({ ...classifier(decoders["an autoencoder"]), head: { type: "reconstruct" } }, { batch: 5, training: true });
    const inputs = numbers(5 * T * I, 1);
    network.load(inputs, [4, 1, 2]);
    network.forward(3);
    const errors = reconstructionErrors(network.predictions(3), Float32Array.from([4, 1, 2].flatMap((n) => [...inputs.subarray(n * T * I, (n + 1) * T * I)])), 3);
    expect(network.backward(new Float32Array(0), {})).toBeCloseTo(errors.reduce((sum, error) => sum + error, 0) / 3, 6);
  });

  test("attention is used: without it outputs and gradients differ, and its weights get gradients", () => {
    const withAttention = build(classifier(stacked), { batch: 2, training: true });
    const withoutAttention = build(classifier(stacked.map((layer) => (layer.type === "attention" ? { type: "last" } : layer))), { batch: 2, training: true });
    const shared = withoutAttention.layout.parameters;
    for (const { name, offset, length } of shared) {
      const row = withAttention.layout.parameters.find((parameter) => parameter.name === name)!;
      withoutAttention.parameters.set(withAttention.parameters.subarray(row.offset, row.offset + length), offset);
    }
    const outcomes = [withAttention, withoutAttention].map((network) => {
      network.load(numbers(2 * T * I, 1), [0, 1]);
      network.forward(2, mask);
      const predictions = network.predictions(2);
      network.backward(Float32Array.of(1, 2), {}, mask);
      const row = network.layout.parameters[0];
      return { predictions, gradient: network.gradients.slice(row.offset, row.offset + row.length) };
    });
    expect(outcomes[0].predictions).not.toEqual(outcomes[1].predictions);
    expect(outcomes[0].gradient).not.toEqual(outcomes[1].gradient);
    for (const name of ["3.attention.W", "3.attention.b", "3.attention.v"]) {
      const row = withAttention.layout.parameters.find((parameter) => parameter.name === name)!;
      expect(withAttention.gradients.subarray(row.offset, row.offset + row.length).some((g) => g !== 0), name).toBe(true);
    }
  });

  test("inference has no dropout, and training without dropout predicts the same bits", () => {
    const inference = build(classifier(stacked), { batch: 3, training: false });
    const plain = build(classifier(stacked.map((layer) => (layer.type === "dropout" ? { ...layer, rate: 0 } : layer))), { batch: 3, training: true });
    const training = build(classifier(stacked), { batch: 3, training: true });
    const [a, b, c] = [inference, plain, training].map((network) => {
      network.load(numbers(3 * T * I, 1), all(3));
      network.forward(3, mask);
      return network.predictions(3);
    });
    expect(a).toEqual(b);
    expect(a).not.toEqual(c);
  });

  test("a backward pass writes gradients and nothing else, attention on the raw inputs included", () => {
    for (const layers of Object.values(bodies)) {
      const [steps, features, B] = [100, 8, 32];
      const network = build({ ...classifier(layers), input: { steps, features } }, { batch: B, training: true });
      const before = network.parameters.slice();
      network.load(numbers(B * steps * features, 1), all(B));
      network.forward(B, mask);
      network.backward(Float32Array.from(all(B), (b) => b % 4), {}, mask);
      expect(network.parameters).toEqual(before);
    }
  });

  test("refuses more windows than its batch, and a backward pass where it was built for inference", () => {
    const network = build(classifier(stacked), { batch: 2, training: false });
    expect(() => network.load(numbers(3 * T * I, 1), all(3))).toThrow(/"indices" expected at most 2 windows.*got 3/);
    expect(() => network.backward(Float32Array.of(1), {})).toThrow(/training: true/);
    const training = build(classifier(stacked), { batch: 2, training: true });
    training.load(numbers(2 * T * I, 1), all(2));
    training.forward(2);
    expect(() => training.backward(Float32Array.of(1), {})).toThrow('"targets" expected 2 numbers for the 2 windows of the last forward pass, got 1');
  });

  test("a window's prediction does not depend on its batch", () => {
    const network = build(classifier(stacked), { batch: 4, training: false });
    const inputs = numbers(4 * T * I, 1);
    const predict = (indices: number[]) => {
      network.load(inputs, indices);
      network.forward(indices.length);
      return network.predictions(indices.length);
    };
    const together = predict([0, 1, 2, 3]);
    for (const index of all(4)) expect(predict([index])).toEqual(together.slice(4 * index, 4 * index + 4));
  });

  test("initial parameters follow from the seed and lie within the layout's bounds", () => {
    const spec = parseSpec(reference);
    expect(initialParameters(spec, 7)).toEqual(initialParameters(spec, 7));
    expect(initialParameters(spec, 7)).not.toEqual(initialParameters(spec, 8));
    const parameters = initialParameters(spec, 7);
    for (const { name, offset, length, bound } of layoutOf(spec).parameters) {
      if (!name.endsWith("lstm.B")) expect(parameters.subarray(offset, offset + length).every((w) => Math.abs(w) <= bound), name).toBe(true);
    }
  });
});

describe("spec", () => {
  const refused: [string, unknown, RegExp][] = [
    ["no hidden units", classifier([{ type: "lstm", hidden: 0 }, { type: "last" }]), /"hidden" expected integer >= 1, got 0/],
    ["an unknown layer", classifier([{ type: "transformer" }] as unknown as Layers), /layers/],
    ["dense before the sequence is reduced", classifier([{ type: "dense", units: 3 }, { type: "last" }]), /layers\[0\] \(dense\) needs a vector/],
    ["an lstm after attention", classifier([{ type: "attention", size: 2 }, { type: "lstm", hidden: 2 }]), /layers\[1\] \(lstm\) needs a sequence/],
    ["two reductions", classifier([{ type: "attention", size: 2 }, { type: "attention", size: 2 }]), /layers\[\d+\] has reduced it to a vector/],
    ["no reduction", classifier([{ type: "lstm", hidden: 2 }]), /one "attention", "last", "mean", "max" or "flatten"/],
    ["a final state of nothing", classifier([{ type: "last" }]), /directly after one/],
    ["more parameters than fit", { ...classifier([{ type: "lstm", hidden: 4096, bidirectional: true }, { type: "lstm", hidden: 4096, bidirectional: true }, { type: "last" }]) }, /at most .* parameters/],
    ["one class", { ...classifier([{ type: "attention", size: 2 }]), head: { type: "classify", classes: ["A"] } }, /classes/],
    ["steps that are no number", { ...classifier([{ type: "attention", size: 2 }]), input: { steps: "7", features: 3 } }, /"steps" expected integer, got "7"/],
    ["quantiles that do not ascend", { ...classifier([{ type: "attention", size: 2 }]), head: { type: "forecast", outputs: ["1 h"], unit: "kW", quantiles: [0.5, 0.1] } }, /expected ascending numbers/],
    ["a quantile of 1", { ...classifier([{ type: "attention", size: 2 }]), head: { type: "forecast", outputs: ["1 h"], unit: "kW", quantiles: [0.5, 1] } }, /quantiles/],
    ["a repeated sequence", classifier([{ type: "repeat" }, { type: "last" }]), /layers\[0\] \(repeat\) needs a vector/],
    ["a reconstruction of a vector", { ...classifier([{ type: "attention", size: 2 }]), head: { type: "reconstruct" } }, /put "repeat" behind it/],
    ["a reconstruction in other steps", { ...classifier([{ type: "attention", size: 2 }, { type: "repeat", steps: 3 }]), head: { type: "reconstruct" } }, /needs the 7 steps of the input, but the layers end in 3/],
    ["a sequence repeated and not reduced", classifier([{ type: "attention", size: 2 }, { type: "repeat" }]), /between the sequence and the head/],
    ["a rate of 1", classifier([{ type: "dropout", rate: 1 }, { type: "attention", size: 2 }]), /rate/],
  ];
  for (const [what, spec, message] of refused) test(`refuses ${what}`, () => expect(() => parseSpec(spec)).toThrow(message));
});
