/**
 * @module
 * `millwright configure <task>`: the JSON that an orchestrator is started with, made from a task.
 */
import { configOf } from "../tasks/charter.ts";
import { openData } from "./data.ts";
import type { Engine } from "./engine.ts";
import type { Io } from "./program.ts";

export interface ConfigureOptions {
  readonly data?: string;
  readonly name?: string;
  readonly clients?: readonly string[];
  readonly rounds?: number;
  readonly localEpochs?: number;
  readonly batch?: number;
  readonly seed: number;
  readonly subset?: string;
  readonly build?: "simd" | "relaxed";
}

export async function configure(task: string, { data: folder, name = task, clients = [], ...options }: ConfigureOptions, io: Io, engine: Engine): Promise<number> {
  // As many parts as there will be clients: some tasks refuse a part that would be too small.
  const factories = clients.length > 0 ? clients.length : undefined;
  const { config, data } = await engine.resolve({ task, ...options, factories, compare: false }, openData(folder, io, engine));
  io.stdout(`${JSON.stringify(configOf(name, config, data, clients), null, 2)}\n`);
  return 0;
}
