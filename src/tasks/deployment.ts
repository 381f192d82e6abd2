/**
 * @module
 * A linear detector as files for the edge: a checkpoint and its ONNX, compared with a runtime where there is one.
 * The graph takes raw windows and holds the scaler; what makes an alarm of its outputs is in the metadata.
 */
import { scale } from "../data/scaler.ts";
import { sha256 } from "../federation/checksum.ts";
import { encodeCheckpoint } from "../model/checkpoint.ts";
import { layoutOf } from "../model/layout.ts";
import type { ModelSpec } from "../model/spec.ts";
import { exportOnnx, type OnnxOptions } from "../onnx/export.ts";
import type { Windows } from "../signal/window.ts";
import type { CaseContext, CaseResult } from "./study.ts";

/** @param windows raw ones, to compare on */
export async function deployLinear(options: OnnxOptions, windows: Windows, { runOnnx, pool, build }: CaseContext): Promise<NonNullable<CaseResult["model"]>> {
  const { spec, parameters, scaler } = options;
  const metadata = { ...options.metadata, build, sha256: await sha256(parameters) };
  const checkpoint = encodeCheckpoint({ spec, parameters, metadata: { ...metadata, scaler: JSON.stringify(scaler) } });
  const onnx = exportOnnx({ ...options, metadata });
  if (!runOnnx) return { checkpoint, onnx, maxAbsDifference: null };
  const theirs = await runOnnx(onnx, windows.inputs, [windows.count, windows.steps, windows.features]);
  const ours = await pool.predict({ kind: "predict", spec, build, parameters, inputs: scale(windows, scaler) });
  return { checkpoint, onnx, maxAbsDifference: ours.reduce((greatest, value, at) => Math.max(greatest, Math.abs(value - theirs[at])), 0) };
}

/** The canonical vector of a linear spec. @param W (O,p) @param b (O) */
export function linearParameters(spec: ModelSpec, W: Float64Array, b: Float64Array): Float32Array {
  const { parameters: places, length } = layoutOf(spec);
  const parameters = new Float32Array(length);
  for (const [name, values] of [["head.W", W], ["head.b", b]] as const) parameters.set(values, places.find((place) => place.name === name)!.offset);
  return parameters;
}
