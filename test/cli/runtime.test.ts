import { expect, test } from "vitest";
import { loadOnnxRunner } from "../../src/cli/runtime.ts";
import { exportOnnx } from "../../src/onnx/export.ts";
import { classify, modelOf, regress, windowsOf } from "../onnx/models.ts";

test.each([
  ["probabilities of each window", classify, 4],
  ["a value for each window", regress, 1],
])("onnxruntime-node gives %s", async (_, head, outputs) => {
  const run = await loadOnnxRunner();
  const model = modelOf([{ type: "lstm", hidden: 3 }, { type: "last" }], head);
  const onnx = exportOnnx({ ...model, metadata: head.type === "classify" ? { alarmThreshold: "0.5" } : {} });
  const result = await run!(onnx, windowsOf(model, 5), [5, 6, 3]);
  expect(result).toBeInstanceOf(Float32Array);
  expect(result).toHaveLength(5 * outputs);
  if (outputs === 4) expect(result[0] + result[1] + result[2] + result[3]).toBeCloseTo(1, 5);
});
