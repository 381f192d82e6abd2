/**
 * @module
 * `millwright export RUN --onnx FILE`: the model of a finished run or study as ONNX.
 */
import { existsSync } from "node:fs";
import { dirname, join, resolve as resolvePath } from "node:path";
import type { Engine } from "./engine.ts";
import { listFolder, readBytes, readRun, studyIn, withModel, writeWhole } from "./folder.ts";
import { bytes } from "./format.ts";
import type { Io } from "./program.ts";

export async function exportModel(path: string, options: { readonly onnx: string }, io: Io, engine: Engine): Promise<number> {
  const model = modelIn(resolvePath(io.directory, path));
  const file = resolvePath(io.directory, options.onnx);
  if (!existsSync(dirname(file))) throw new RangeError(`${options.onnx}: no such folder; make ${dirname(options.onnx)} first`);
  const onnx = await withModel(path, () => engine.exportRun(model));
  writeWhole(file, onnx);
  io.stdout(`${options.onnx}: ${bytes(onnx.length)}\n`);
  return 0;
}

function modelIn(path: string): Uint8Array {
  const study = studyIn(path);
  if (study === undefined) return readRun(path, "").model;
  const names = listFolder(path);
  // Until all is done, a case that comes earlier in the study's order may leave its model in place of this one.
  if (!names.includes("summary.json")) throw new RangeError(`${path}: the study ${study} is not finished; resume it with: millwright train ${study} … --out ${path}`);
  if (!names.includes("model.safetensors")) throw new RangeError(`${path}: the study ${study} left no model, only scores; see report.html there`);
  return readBytes(join(path, "model.safetensors"));
}
