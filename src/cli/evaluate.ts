/**
 * @module
 * `millwright evaluate RUN`: the model of a finished run on the test data of a folder.
 */
import { resolve as resolvePath } from "node:path";
import type { RunConfig } from "../tasks/run.ts";
import { formatMeasures } from "./comparison.ts";
import { openData } from "./data.ts";
import type { Engine } from "./engine.ts";
import { readRun, withModel } from "./folder.ts";
import type { Io } from "./program.ts";

export interface EvaluateOptions {
  readonly data?: string;
  readonly workers: number;
  readonly json: boolean;
}

export async function evaluate(path: string, options: EvaluateOptions, io: Io, engine: Engine): Promise<number> {
  const { config, model } = readRun(resolvePath(io.directory, path), "its models are judged on all test data already: see report.html or summary.json there");
  const source = openData(options.data, io, engine);
  const pool = engine.threadPool(options.workers);
  try {
    const result = await withModel(path, () => engine.evaluateRun(model, config as unknown as RunConfig, source, pool));
    const rows = [...result.factories, { id: "all", metrics: result.metrics }];
    io.stdout(options.json ? `${JSON.stringify(result)}\n` : formatMeasures("factory", rows));
    return 0;
  } finally {
    await pool.close();
  }
}
