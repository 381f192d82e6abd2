/**
 * The inspector shows what an export wrote, reads files of others, and refuses everything else with a
 * RangeError: never another error, never a crash.
 */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { exportOnnx } from "../../src/onnx/export.ts";
import { formatInspection, inspectOnnx, type Inspection } from "../../src/onnx/inspect.ts";
import { ModelProtoSchema } from "../../src/onnx/schema.ts";
import { classify, modelOf, STATES } from "./models.ts";

const model = modelOf(
  [{ type: "lstm", hidden: 4, bidirectional: true }, { type: "dropout", rate: 0.2 }, { type: "attention", size: 5 }, { type: "dense", units: 6 }],
  classify,
  { steps: 10, features: 3, regimes: 2 },
);
const metadata = { task: "condition", rounds: "20", clients: "5", sensors: '["a","b","c"]', alarmThreshold: "0.5", rateHz: "50" };
const bytes = exportOnnx({ ...model, metadata });

function rangeErrorOrInspection(input: Uint8Array): Inspection | RangeError {
  try {
    return inspectOnnx(input);
  } catch (error) {
    expect(error).toBeInstanceOf(RangeError);
    return error as RangeError;
  }
}

describe("an inspection", () => {
  it("shows ports, operators, parameters and versions of an export", () => {
    const { nodes, metadata: _, ...rest } = inspectOnnx(bytes);
    expect(rest).toEqual({
      producer: "millwright 0.1.0",
      irVersion: 8,
      opset: { "ai.onnx": 14 },
      inputs: [{ name: "sensors", type: "float32", shape: ["batch", 10, 5] }],
      outputs: [
        { name: "probabilities", type: "float32", shape: ["batch", 4] },
        { name: "state", type: "int64", shape: ["batch"] },
      ],
      parameters: model.parameters.length,
    });
    expect(nodes).toMatchObject({ LSTM: 1, MatMul: 2, Gemm: 2, Relu: 1, Softmax: 2 });
    expect(nodes).not.toHaveProperty("Dropout");
  });

  it("gives back the metadata: the caller's and the model's own", () => {
    const { spec, scaler, window, classes, ...rest } = inspectOnnx(bytes).metadata;
    expect(rest).toEqual(metadata);
    expect(JSON.parse(spec)).toEqual(model.spec);
    expect(JSON.parse(scaler)).toEqual(model.scaler);
    expect(JSON.parse(window)).toEqual({ steps: 10, features: 3, rateHz: 50 });
    expect(JSON.parse(classes)).toEqual(STATES);
  });

  it("reads other producers' files: unknown fields, other domains, inputs without a shape, initializers among the inputs", () => {
    const foreign = toBinary(
      ModelProtoSchema,
      create(ModelProtoSchema, {
        irVersion: 3n,
        opsetImport: [{ domain: "", version: 9n }, { domain: "com.microsoft", version: 1n }],
        graph: {
          node: [{ opType: "Relu" }, { opType: "FusedMatMul", domain: "com.microsoft" }, { opType: "Relu" }],
          initializer: [{ name: "w", dims: [3n, 4n], dataType: 1 }, { name: "scalar", dataType: 1 }],
          input: [{ name: "w" }, { name: "list" }, { name: "x", type: { value: { case: "tensorType", value: { elemType: 99 } } } }],
        },
      }),
    );
    const functions = new BinaryWriter().tag(25, WireType.LengthDelimited).string("a field that our schema leaves out").finish();
    expect(inspectOnnx(Uint8Array.from([...foreign, ...functions]))).toEqual({
      producer: "",
      irVersion: 3,
      opset: { "ai.onnx": 9, "com.microsoft": 1 },
      inputs: [{ name: "list", type: "not a tensor", shape: null }, { name: "x", type: "element type 99", shape: null }],
      outputs: [],
      nodes: { Relu: 2, "com.microsoft.FusedMatMul": 1 },
      parameters: 13,
      metadata: {},
    });
  });

  it("refuses what is no ONNX model, and says so", () => {
    for (const text of ["", "hello", "{}", "\u0089PNG\r\n\u001a\n", "<html></html>"]) {
      expect(() => inspectOnnx(new TextEncoder().encode(text))).toThrow(/not an ONNX model/);
    }
  });

  it("refuses impossible shapes and more values than the limit, before they become objects", () => {
    const withDims = (dims: bigint[]) => {
      const message = fromBinary(ModelProtoSchema, bytes);
      message.graph!.initializer[0].dims = dims;
      return toBinary(ModelProtoSchema, message);
    };
    expect(() => inspectOnnx(withDims([-1n]))).toThrow(/impossible shape/);
    expect(() => inspectOnnx(withDims([2n ** 40n, 2n ** 40n]))).toThrow(/impossible shape/);
    const emptyNodes = new Uint8Array(2 ** 23 + 2).fill(0).map((_, at) => (at % 2 === 0 ? (1 << 3) | 2 : 0));
    const graph = new BinaryWriter().tag(7, WireType.LengthDelimited).bytes(emptyNodes).finish();
    expect(() => inspectOnnx(graph)).toThrow(/at most 4194304 values/);
  });

  it("answers any cut with a RangeError or an inspection", () => {
    for (let length = 0; length < bytes.length; length += length < 64 || length > bytes.length - 2048 ? 1 : 97) rangeErrorOrInspection(bytes.subarray(0, length));
    for (const length of [1, 100, Math.floor(bytes.length / 4)]) expect(rangeErrorOrInspection(bytes.subarray(0, length))).toBeInstanceOf(RangeError);
  });

  it("answers any damage, and any bytes, with a RangeError or an inspection that can be printed", () => {
    const flips = fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 8 });
    const answer = (input: Uint8Array) => {
      const result = rangeErrorOrInspection(input);
      if (!(result instanceof RangeError)) expect(typeof formatInspection(result)).toBe("string");
    };
    fc.assert(
      fc.property(flips, (list) => {
        const damaged = bytes.slice();
        for (const [at, mask] of list) damaged[at] ^= mask;
        answer(damaged);
      }),
      { numRuns: 500 },
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), answer), { numRuns: 500 });
  });
});

describe("a formatted inspection", () => {
  it("lines up as a table", () => {
    const { metadata: _, ...rest } = inspectOnnx(bytes);
    const nodes = { LSTM: 2, Softmax: 1 };
    const text = formatInspection({ ...rest, parameters: 154053, nodes, metadata: { rounds: "20", task: "condition" } });
    expect(text.split("\n")).toEqual([
      "producer    millwright 0.1.0",
      "format      IR 8           opset ai.onnx 14",
      "inputs      sensors        float32 [batch, 10, 5]",
      "outputs     probabilities  float32 [batch, 4]",
      "            state          int64 [batch]",
      "parameters  154,053",
      "nodes       LSTM           2",
      "            Softmax        1",
      "metadata    rounds         20",
      "            task           condition",
    ]);
  });

  it("shortens long metadata and shows control characters instead of sending them", () => {
    const text = formatInspection({ ...inspectOnnx(bytes), metadata: { long: "x".repeat(500), evil: "\u001b[2J\nfake  line\u202e" } });
    expect(text).toContain(`${"x".repeat(100)}… (500 characters)`);
    expect(text).toContain("\\u{1b}[2J\\u{a}fake  line\\u{202e}");
  });

  it("prints a model that has nothing to show", () => {
    const empty = { producer: "", irVersion: 8, opset: {}, inputs: [], outputs: [], nodes: {}, parameters: 0, metadata: {} };
    expect(formatInspection(empty)).toBe("producer    unknown\nformat      IR 8\nparameters  0");
  });
});
