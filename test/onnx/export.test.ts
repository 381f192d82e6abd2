/**
 * Exported graphs: the same prediction in onnxruntime as by definition, a valid file for ONNX's own
 * checker, the same bytes every time.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { scale } from "../../src/data/scaler.ts";
import { quantilesOf } from "../../src/model/head.ts";
import { layoutOf } from "../../src/model/layout.ts";
import { reconstructionErrors } from "../../src/model/model.ts";
import { Network } from "../../src/model/network.ts";
import type { ModelSpecInput } from "../../src/model/spec.ts";
import { predictAll } from "../../src/model/trainer.ts";
import { exportOnnx } from "../../src/onnx/export.ts";
import { ModelProtoSchema } from "../../src/onnx/schema.ts";
import { classify, modelOf, predict, regress, sideOf, windowsOf, type Model } from "./models.ts";

const attention = { type: "attention", size: 5 } as const;
const last = { type: "last" } as const;
const lstm = { type: "lstm", hidden: 4 } as const;
const gru = { type: "gru", hidden: 5 } as const;
const both = { ...lstm, bidirectional: true } as const;
const dropout = { type: "dropout", rate: 0.3 } as const;
const convolution = (filters: number, kernel: number, options = {}) => ({ type: "convolution", filters, kernel, ...options }) as const;
const pool = (kind: "max" | "average", size: number, stride?: number) => ({ type: "pool", kind, size, stride }) as const;
const relu = { type: "activation", kind: "relu" } as const;
const dense = (activation: "relu" | "tanh" | "sigmoid" | "linear") => ({ type: "dense", units: 7, activation }) as const;

const forecast: ModelSpecInput["head"] = { type: "forecast", outputs: ["1 h", "4 h"], unit: "kWh", scale: 3 };

const overBatch = { type: "normalise", kind: "batch" } as const;
const overLayer = { type: "normalise", kind: "layer" } as const;

const models: Record<string, Model> = {
  "one direction, attention": modelOf([lstm, attention], classify),
  "one direction, last": modelOf([lstm, last], classify),
  "two directions, attention": modelOf([both, attention], classify),
  "two directions, last": modelOf([both, last], classify),
  "last after dropout": modelOf([both, dropout, last, dropout], classify),
  "attention without an LSTM": modelOf([attention], classify),
  "the reference model in small": modelOf([both, dropout, both, attention, dense("relu"), dropout], classify, { steps: 9, features: 8 }),
  "mixed directions and widths": modelOf([both, { ...lstm, hidden: 3 }, { ...both, hidden: 2 }, last, dense("tanh")], regress),
  "dense layers of every activation": modelOf([lstm, attention, dense("relu"), dense("sigmoid"), dense("tanh"), dense("linear")], regress),
  "three classes": modelOf([lstm, last], { type: "classify", classes: ["low", "middle", "high"] }),
  "two regimes": modelOf([both, attention], regress, { regimes: 2 }),
  "six regimes": modelOf([lstm, last], classify, { regimes: 6, features: 5 }),
  "a forecast of two values": modelOf([lstm, last], forecast),
  "a forecast of one value": modelOf([lstm, last], { ...forecast, outputs: ["1 h"] }),
  "a forecast of quantiles": modelOf([both, attention], { ...forecast, quantiles: [0.1, 0.5, 0.9] }, { regimes: 2 }),
  "a forecast of one quantile": modelOf([lstm, last], { ...forecast, quantiles: [0.5] }),
  "gru, one direction, last": modelOf([gru, last], classify),
  "gru, two directions, attention": modelOf([{ ...gru, bidirectional: true }, dropout, lstm, { ...gru, bidirectional: true }, attention], classify, { features: 5 }),
  "gru, two directions, last": modelOf([{ ...gru, bidirectional: true }, last], regress, { regimes: 2 }),
  "an autoencoder": modelOf([both, last, dense("tanh"), { type: "repeat" }, lstm], { type: "reconstruct" }, { regimes: 2 }),
  "a reconstruction without bottleneck": modelOf([dropout, both], { type: "reconstruct" }),
  "sequence to sequence of another length": modelOf([lstm, attention, { type: "repeat", steps: 4 }, both, last], forecast),
  "a linear model": modelOf([{ type: "flatten" }], regress),
  "convolutions and pools, then all steps": modelOf(
    [convolution(4, 5, { stride: 2, padding: "same" }), relu, pool("max", 2), dropout, convolution(5, 3, { padding: "same" }), { type: "activation", kind: "tanh" }, pool("average", 3, 2), { type: "flatten" }, dense("relu")],
    classify, { steps: 33 },
  ),
  "causal dilated convolutions, mean over time": modelOf(
    [convolution(4, 2, { padding: "causal" }), relu, convolution(3, 2, { padding: "causal", dilation: 2 }), convolution(5, 3, { padding: "causal", dilation: 3, stride: 2 }), { type: "mean" }, { type: "activation", kind: "sigmoid" }],
    regress, { steps: 13 },
  ),
  "a convolution between two LSTMs, maximum over time": modelOf([both, convolution(4, 3, { stride: 2 }), lstm, { type: "max" }], classify, { steps: 11 }),
  "a pool before attention, activation of the inputs": modelOf([{ type: "activation", kind: "tanh" }, pool("average", 2), attention], classify),
  "an LSTM, maximum over time": modelOf([lstm, { type: "max" }], classify),
  "the mean of the inputs": modelOf([{ type: "mean" }], regress),
  "a convolutional autoencoder": modelOf([convolution(4, 3, { stride: 2 }), relu, { type: "mean" }, { type: "repeat" }, convolution(5, 3, { padding: "same" })], { type: "reconstruct" }, { regimes: 2 }),
  "an image": modelOf(
    [convolution(4, 3, { padding: "same", stride: 2 }), relu, pool("max", 2, 1), convolution(3, 2, { dilation: 2 }), { type: "flatten" }],
    classify, { steps: 99, features: 2, width: 11 },
  ),
  "an image, mean over its pixels": modelOf([convolution(4, 3, { padding: "same" }), pool("average", 2), { type: "mean" }], classify, { steps: 42, features: 1, width: 6, regimes: 2 }),
  "normalised over batches, as a sequence and as a vector": modelOf([overBatch, both, overBatch, attention, overBatch, dense("tanh"), overBatch], classify),
  "normalised over layers, as a sequence and as a vector": modelOf([overLayer, both, dropout, overLayer, attention, overLayer, dense("tanh"), overLayer], regress),
  "convolutions that are normalised over batches and layers": modelOf(
    [convolution(4, 5, { stride: 2, padding: "same" }), overBatch, relu, pool("max", 2), convolution(5, 3, { padding: "same" }), overLayer, relu, { type: "mean" }, overBatch],
    classify, { steps: 33 },
  ),
  "an image, normalised over batches": modelOf([convolution(4, 3, { padding: "same" }), overBatch, relu, pool("max", 2), { type: "flatten" }], classify, { steps: 42, features: 2, width: 6 }),
  "normalised over batches behind a bottleneck": modelOf([lstm, last, overBatch, { type: "repeat" }, overBatch, lstm], { type: "reconstruct" }),
  "a side of raw values": modelOf([lstm, attention, dense("relu")], classify, { side: { input: { steps: 11, features: 2 }, layers: [convolution(4, 3), relu, { type: "mean" }] } }),
  "a side of features beside regimes": modelOf([convolution(4, 3), dropout, { type: "flatten" }, dropout, dense("tanh"), { type: "repeat" }, gru], { type: "reconstruct" }, {
    regimes: 2, side: { input: { steps: 1, features: 5 }, layers: [{ type: "flatten" }, dense("relu")] },
  }),
  "a side that is normalised over batches": modelOf([overBatch, lstm, last, overBatch], regress, { side: { input: { steps: 9, features: 2 }, layers: [overBatch, gru, last, overBatch] } }),
  "sizes of one": modelOf([{ ...both, hidden: 1 }, { type: "attention", size: 1 }, { ...dense("relu"), units: 1 }], regress, { steps: 1, features: 1 }),
};

/** Each head's first output. */
const output = { classify: "probabilities", regress: "value", forecast: "values", reconstruct: "reconstruction" } as const;

async function run(bytes: Uint8Array, model: Model, windows: Float32Array, B: number) {
  const { spec, scaler } = model;
  const session = await InferenceSession.create(bytes, { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 });
  const columns = spec.input.features + (scaler.regimes?.settings ?? 0);
  const side = sideOf(model, B);
  return session.run({
    sensors: new Tensor("float32", windows, [B, spec.input.steps, columns]),
    ...(side && { side: new Tensor("float32", side, [B, spec.side!.input.steps, spec.side!.input.features]) }),
  });
}

const maxDifference = (a: Float32Array, b: Float32Array | Float64Array) => Math.max(...a.map((value, at) => Math.abs(value - b[at])));

function ownPrediction(model: Model, inputs: Float32Array, B: number): Float32Array {
  const { spec, parameters, statistics, scaler } = model;
  const { steps } = spec.input;
  const network = new Network(spec, { batch: B, training: false });
  network.parameters.set(parameters);
  network.statistics.set(statistics);
  const side = spec.side && { ...spec.side.input, inputs: sideOf(model, B)! };
  const windows = { inputs, count: B, steps, features: inputs.length / B / steps, targets: new Float32Array(B), groups: new Int32Array(B), side };
  return predictAll(network, scale(windows, scaler), B);
}

/** Make every class win sometimes: larger weights, and biases for which the mean logits are equal. */
function sharpenHead(model: Model, windows: Float32Array, B: number): void {
  const [W, b] = ["head.W", "head.b"].map((name) => {
    const { offset, length } = layoutOf(model.spec).parameters.find((row) => row.name === name)!;
    return model.parameters.subarray(offset, offset + length);
  });
  W.forEach((value, p) => (W[p] = 12 * value));
  const logs = predict(model, windows, B).map(Math.log);
  logs.forEach((value, at) => (b[at % b.length] -= value / B));
}

describe("an exported graph, run by onnxruntime", () => {
  it.each(Object.entries(models))("equals the float64 reference: %s", async (_, model) => {
    const bytes = exportOnnx(model);
    for (const B of [1, 2, 7]) {
      const windows = windowsOf(model, B);
      const outputs = await run(bytes, model, windows, B);
      const actual = outputs[output[model.spec.head.type]];
      const expected = predict(model, windows, B);
      const { head, input } = model.spec;
      const inner = head.type === "reconstruct" ? [input.features] : quantilesOf(head).length > 0 ? [quantilesOf(head).length] : [];
      expect(actual.dims).toEqual([B, expected.length / B / (inner[0] ?? 1), ...inner]);
      expect(maxDifference(actual.data as Float32Array, expected)).toBeLessThan(1e-5);
    }
  });

  it.each(Object.entries(models))("equals our own prediction: %s", async (_, model) => {
    const B = 7;
    const windows = windowsOf(model, B);
    const outputs = await run(exportOnnx(model), model, windows, B);
    const actual = outputs[output[model.spec.head.type]].data as Float32Array;
    expect(maxDifference(actual, ownPrediction(model, windows, B))).toBeLessThan(1e-5);
  });

  it("gives an autoencoder's mean squared error of each window", async () => {
    const model = models["an autoencoder"];
    const B = 5;
    const windows = windowsOf(model, B);
    const { error, reconstruction } = await run(exportOnnx(model), model, windows, B);
    const { steps, features } = model.spec.input;
    const columns = windows.length / B / steps;
    const raw = { inputs: windows, count: B, steps, features: columns, targets: new Float32Array(B), groups: new Int32Array(B) };
    const expected = reconstructionErrors(reconstruction.data as Float32Array, scale(raw, model.scaler), B);
    expect(error.dims).toEqual([B]);
    expect(features).toBeLessThan(columns);
    expect(maxDifference(error.data as Float32Array, expected)).toBeLessThan(1e-5);
  });

  it("equals our own prediction of the reference model", async () => {
    const layers = [{ ...both, hidden: 64 }, dropout, { ...both, hidden: 64 }, { ...attention, size: 64 }, { ...dense("relu"), units: 64 }, dropout];
    const model = modelOf(layers, classify, { steps: 100, features: 8 });
    expect(model.parameters.length).toBe(154053);
    model.parameters.forEach((value, p) => (model.parameters[p] = value / 5));
    const windows = windowsOf(model, 3);
    const { probabilities } = await run(exportOnnx(model), model, windows, 3);
    expect(maxDifference(probabilities.data as Float32Array, ownPrediction(model, windows, 3))).toBeLessThan(1e-5);
  });

  it.each([3, 4, 5])("predicts the alarmed state by the threshold: %i classes", async (C) => {
    const model = modelOf([both, last], { type: "classify", classes: Array.from({ length: C }, (_, c) => `state ${c}`) });
    const B = 128;
    const windows = windowsOf(model, B);
    sharpenHead(model, windows, B);
    const p = predict(model, windows, B);
    const rows = Array.from({ length: B }, (_, b) => Array.from(p.subarray(C * b, C * (b + 1))));
    const best = (row: number[], from: number, to: number) => row.indexOf(Math.max(...row.slice(from, to)), from);
    const scores = rows.map((row) => row[C - 2] + row[C - 1]).sort((a, b) => a - b);
    const seen = new Set<number>();
    for (const place of [0, 40, 80, 127]) {
      const threshold = place === 0 ? 1e-9 : (scores[place - 1] + scores[place]) / 2;
      const { state } = await run(exportOnnx({ ...model, metadata: { alarmThreshold: String(threshold) } }), model, windows, B);
      const expected = rows.map((row) => (row[C - 2] + row[C - 1] >= threshold ? best(row, C - 2, C) : best(row, 0, C - 2)));
      expect(state.type).toBe("int64");
      expect(state.dims).toEqual([B]);
      expect(Array.from(state.data as BigInt64Array, Number)).toEqual(expected);
      expected.forEach((value) => seen.add(value));
    }
    expect(seen.size).toBe(C);
  });
});

const probe = "import onnx, sys; sys.exit(onnx.defs.onnx_opset_version() < 14)";
const python = ["python3", "/usr/bin/python3"].find((command) => spawnSync(command, ["-c", probe]).status === 0);
if (!python) console.warn("skipped: ONNX's own checker, as no python3 here has the module onnx >= 1.9 (Debian: apt install python3-onnx)");

it.runIf(python)("passes ONNX's own checker with shape inference", () => {
  const folder = mkdtempSync(join(tmpdir(), "millwright-onnx-"));
  try {
    const files = Object.values(models).map((model, index) => {
      const file = join(folder, `${index}.onnx`);
      const metadata: Record<string, string> = model.spec.head.type === "classify" ? { alarmThreshold: "0.5" } : {};
      writeFileSync(file, exportOnnx({ ...model, metadata }));
      return file;
    });
    const script = [
      "import onnx, sys",
      "for file in sys.argv[1:]:",
      "    model = onnx.load(file)",
      "    onnx.checker.check_model(model, full_check=True)",
      "    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)",
      "    assert len(inferred.graph.value_info) >= len(model.graph.node) - len(model.graph.output), file",
    ].join("\n");
    const { status, stderr } = spawnSync(python!, ["-c", script, ...files], { encoding: "utf8" });
    expect(stderr).toBe("");
    expect(status).toBe(0);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

describe("exported bytes", () => {
  const model = models["two regimes"];
  const message = (metadata = {}) => fromBinary(ModelProtoSchema, exportOnnx({ ...model, metadata }));

  it("are the same whenever the options are, in any order of metadata", () => {
    const bytes = exportOnnx({ ...model, metadata: { task: "turbofan", rounds: "20" } });
    expect(exportOnnx({ ...model, metadata: { rounds: "20", task: "turbofan" } })).toEqual(bytes);
  });

  it("hold the canonical vector as it is: the initializers' bytes have its hash", () => {
    const hash = createHash("sha256");
    for (const { rawData } of message().graph!.initializer) hash.update(rawData);
    expect(hash.digest("hex")).toBe(createHash("sha256").update(new Uint8Array(model.parameters.buffer)).digest("hex"));
  });

  it("name the version of the package that wrote them", () => {
    const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string };
    expect(message().producerVersion).toBe(version);
  });

  it("give every tensor one name, defined before it is used, and use all but the graph's outputs", () => {
    for (const each of Object.values(models)) {
      const { graph } = fromBinary(ModelProtoSchema, exportOnnx(each));
      const defined = new Set([...graph!.input.map(({ name }) => name), ...graph!.initializer.map(({ name }) => name)]);
      const unused = new Set(defined);
      for (const node of graph!.node) {
        for (const input of node.input) {
          expect(defined).toContain(input);
          unused.delete(input);
        }
        for (const output of node.output.filter(Boolean)) {
          expect(defined).not.toContain(output);
          defined.add(output);
          unused.add(output);
        }
      }
      const outputs = graph!.output.map(({ name }) => name);
      for (const name of outputs) expect(defined).toContain(name);
      expect([...unused].filter((name) => !outputs.includes(name) && name !== "values.order")).toEqual([]); // TopK has to give its order
    }
  });
});

describe("an export refuses", () => {
  const model = modelOf([lstm, last], classify);
  const withRegimes = modelOf([lstm, last], classify, { regimes: 2 });

  it("parameters that do not fit or are not finite", () => {
    expect(() => exportOnnx({ ...model, parameters: model.parameters.subarray(1) })).toThrow(/"parameters" expected \d+ numbers/);
    const parameters = model.parameters.slice();
    parameters[0] = Number.NaN;
    expect(() => exportOnnx({ ...model, parameters })).toThrow(/0\.lstm\.W/);
  });

  it("a model that normalises over batches and has not been adapted, and statistics where there are none", () => {
    const { statistics, ...normalised } = models["normalised over batches behind a bottleneck"];
    expect(() => exportOnnx(normalised)).toThrow(/"statistics" expected 16 numbers for this spec, got 0; adapt the model/);
    expect(() => exportOnnx({ ...model, statistics })).toThrow(/"statistics" expected 0 numbers for this spec, got 16/);
  });

  it("a scaler of another shape or with impossible numbers", () => {
    const { mean, std } = model.scaler;
    expect(() => exportOnnx({ ...model, scaler: { mean: [[1]], std } })).toThrow(/"scaler.mean" expected 1 x 3 numbers, got 1 x 1/);
    expect(() => exportOnnx({ ...model, scaler: { mean, std: [[1, 0, 1]] } })).toThrow(/"scaler.std" expected positive/);
    expect(() => exportOnnx({ ...model, scaler: { mean, std: [[1, 1e-60, 1]] } })).toThrow(/"scaler.std" expected positive/);
    expect(() => exportOnnx({ ...model, scaler: { mean: [[0, 1e60, 0]], std } })).toThrow(/"scaler.mean" expected finite/);
    expect(() => exportOnnx({ ...model, scaler: withRegimes.scaler })).not.toThrow();
    const withSide = models["a side of raw values"];
    expect(() => exportOnnx({ ...withSide, scaler: { mean, std } })).toThrow(/"scaler.side.mean" expected 1 x 2 numbers, got 0 x/);
    const regimes = withRegimes.scaler.regimes!;
    expect(() => exportOnnx({ ...model, scaler: { mean, std, regimes } })).toThrow(RangeError);
    for (const wrong of [{ settings: 0 }, { settings: 1 }, { centres: [] }, { spread: [1, 0] }]) {
      expect(() => exportOnnx({ ...model, scaler: { ...withRegimes.scaler, regimes: { ...regimes, ...wrong } } })).toThrow(RangeError);
    }
  });

  it("metadata that contradict the model", () => {
    expect(() => exportOnnx({ ...model, metadata: { spec: "{}" } })).toThrow(/"spec" is written by the export itself/);
    expect(() => exportOnnx({ ...model, metadata: { rounds: 3 as unknown as string } })).toThrow(TypeError);
    for (const alarmThreshold of ["", "high", "0", "1.5", "NaN"]) expect(() => exportOnnx({ ...model, metadata: { alarmThreshold } })).toThrow(/alarmThreshold/);
    for (const head of [regress, { type: "classify" as const, classes: ["good", "bad"] }]) {
      expect(() => exportOnnx({ ...modelOf([lstm, last], head), metadata: { alarmThreshold: "0.5" } })).toThrow(/three or more classes/);
    }
  });
});
