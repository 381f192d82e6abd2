/**
 * @module
 * `millwright inspect FILE.onnx`: inputs, outputs, operators and metadata, which the ONNX runtime for JavaScript does not show.
 */
import { resolve as resolvePath } from "node:path";
import type { Inspection } from "../onnx/inspect.ts";
import type { Engine } from "./engine.ts";
import { readBytes } from "./folder.ts";
import type { Io } from "./program.ts";

export async function inspect(path: string, options: { readonly json: boolean }, io: Io, engine: Engine): Promise<number> {
  const inspection = read(path, readBytes(resolvePath(io.directory, path)), engine);
  const text = options.json ? JSON.stringify(inspection) : engine.formatInspection(inspection);
  io.stdout(text.endsWith("\n") ? text : `${text}\n`);
  return 0;
}

/** The reader knows bytes; only here is it known which file they are of. */
function read(path: string, bytes: Uint8Array, engine: Engine): Inspection {
  try {
    return engine.inspectOnnx(bytes);
  } catch (error) {
    if (error instanceof RangeError) throw new RangeError(`${path}: ${error.message}`, { cause: error });
    throw error;
  }
}
