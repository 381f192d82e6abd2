/**
 * @module
 * The folder behind --data. One that is not there is refused by its name, before a reader misses a file in it.
 */
import { statSync } from "node:fs";
import { resolve as resolvePath } from "node:path";
import type { Source } from "../data/source.ts";
import type { Engine } from "./engine.ts";
import type { Io } from "./program.ts";

export function openData(data: string | undefined, io: Io, engine: Engine): Source | undefined {
  if (data === undefined) return undefined;
  const path = resolvePath(io.directory, data);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat?.isDirectory()) {
    throw new RangeError(`${data}: ${stat ? "not a folder" : "no such folder"}; --data expects the folder with the files of the data set`);
  }
  return engine.folderSource(path);
}
