/**
 * @module
 * `millwright export RUN --onnx FILE`: the model of a finished run as ONNX.
 */
import { existsSync } from "node:fs";
import { dirname, resolve as resolvePath } from "node:path";
import type { Engine } from "./engine.ts";
import { readRun, withModel, writeWhole } from "./folder.ts";
import { bytes } from "./format.ts";
import type { Io } from "./program.ts";

export async function exportModel(path: string, options: { readonly onnx: string }, io: Io, engine: Engine): Promise<number> {
  const { model } = readRun(resolvePath(io.directory, path));
  const file = resolvePath(io.directory, options.onnx);
  if (!existsSync(dirname(file))) throw new RangeError(`${options.onnx}: no such folder; make ${dirname(options.onnx)} first`);
  const onnx = await withModel(path, () => engine.exportRun(model));
  writeWhole(file, onnx);
  io.stdout(`${options.onnx}: ${bytes(onnx.length)}\n`);
  return 0;
}
