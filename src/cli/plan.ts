/**
 * @module
 * `millwright plan SPEC`: the memory that training a model takes, before any is taken.
 */
import { statSync } from "node:fs";
import { join, resolve as resolvePath } from "node:path";
import type { ModelSpec } from "../model/spec.ts";
import type { Plan } from "../model/plan.ts";
import type { Engine } from "./engine.ts";
import { listFolder, readBytes, readJson, studyIn } from "./folder.ts";
import { count, percent } from "./format.ts";
import type { Io } from "./program.ts";
import { formatTable } from "./table.ts";

export interface PlanOptions {
  readonly batch: number;
  readonly block?: number;
  /** MiB */
  readonly limit: number;
  readonly json: boolean;
}

const MIB = 2 ** 20;

export async function plan(source: string, { batch, block, limit, json }: PlanOptions, io: Io, engine: Engine): Promise<number> {
  const spec = await specOf(source, io, engine);
  const training = engine.planOf(spec, { batch, training: true, blockSteps: block });
  const predicted = engine.predictionBatch(spec);
  const prediction = { batch: predicted, bytes: engine.planOf(spec, { batch: predicted, training: false }).bytes };
  const fits = [false, true].map((inBlocks) => {
    const blockSteps = (batch: number) => (inBlocks ? engine.blockStepsFor(spec, batch) : undefined);
    const largest = engine.largestBatch(spec, limit * MIB, blockSteps);
    const steps = blockSteps(largest || 1) ?? null;
    const bytes = largest > 0 ? engine.planOf(spec, { batch: largest, training: true, blockSteps: steps ?? undefined }).bytes : null;
    return { batch: largest, blockSteps: steps, bytes };
  });
  if (json) {
    const regions = training.regions.map(({ part, layer, floats }) => ({ part, layer, floats }));
    io.stdout(`${JSON.stringify({ batch, blockSteps: block ?? null, bytes: training.bytes, regions, limitBytes: limit * MIB, fits, prediction })}\n`);
    return 0;
  }
  const { steps, features } = spec.input;
  io.stdout(`training in batches of ${batch}, windows of ${count(steps)} x ${features}${block && block < steps ? `, blocks of ${count(block)} steps` : ""}\n\n`);
  io.stdout(formatRegions(training));
  const rows = fits.map(({ batch, blockSteps, bytes }) => [
    blockSteps === null ? "all gates kept" : `--block ${blockSteps}: gates computed again, about 1.3 times the time, the same bits`,
    count(batch), bytes === null ? "–" : mebibytes(bytes),
  ]);
  io.stdout(`\n${formatTable([{ title: `largest batch in ${count(limit)} MiB`, align: "left" }, { title: "batch" }, { title: "MiB" }], rows)}`);
  io.stdout(`\nprediction, in batches of ${prediction.batch}, has ${mebibytes(prediction.bytes)} MiB of its own\n`);
  return 0;
}

/** A row for each part of each layer: first what is nobody's alone, the head last. */
function formatRegions({ regions, bytes }: Plan): string {
  const parts = new Map<string, number>();
  const place = (layer: string) => (layer === "" ? -1 : /^\d/.test(layer) ? parseInt(layer) : Infinity);
  for (const { layer, part, floats } of regions.toSorted((a, b) => place(a.layer) - place(b.layer) || 0)) {
    const name = layer ? `${layer}, ${part}` : part;
    parts.set(name, (parts.get(name) ?? 0) + floats);
  }
  const line = (name: string, floats: number) => [name, count(floats), mebibytes(4 * floats), percent((4 * floats) / bytes)];
  const sum = [...parts.values()].reduce((total, floats) => total + floats, 0);
  const rows = [...[...parts].map(([name, floats]) => line(name, floats)), line("up to whole pages", bytes / 4 - sum), null, line("all", bytes / 4)];
  return formatTable([{ title: "part", align: "left" }, { title: "floats" }, { title: "MiB" }, { title: "share" }], rows);
}

function mebibytes(bytes: number): string {
  return (bytes / MIB).toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
}

/** The spec in a JSON file, of a run, of a checkpoint, or of a task. */
async function specOf(source: string, io: Io, engine: Engine): Promise<ModelSpec> {
  const path = resolvePath(io.directory, source);
  const stat = statSync(path, { throwIfNoEntry: false });
  const task = engine.tasks.find(({ name }) => name === source);
  if (!stat && task) return specOfTask(task, engine);
  const expected = `SPEC is a JSON file, a run folder, a checkpoint (.safetensors) or a task: ${engine.tasks.map(({ name }) => name).join(", ")}`;
  if (!stat) throw new RangeError(`${source}: no such file; ${expected}`);
  const file = stat.isDirectory() ? join(path, "config.json") : path;
  if (!statSync(file, { throwIfNoEntry: false })) throw new RangeError(`${source}: no run, it has no config.json; ${expected}`);
  const study = stat.isDirectory() ? studyIn(path) : undefined;
  if (study !== undefined) {
    const model = listFolder(path).includes("model.safetensors");
    throw new RangeError(`${source}: holds the study ${study}, which trains several models; give ${model ? `the one it left: ${join(source, "model.safetensors")}` : "a JSON file with a spec"}`);
  }
  const shown = stat.isDirectory() ? join(source, "config.json") : source;
  try {
    if (source.endsWith(".safetensors")) return engine.decodeCheckpoint(readBytes(file)).spec;
    const json = readJson(file, shown);
    // A run's configuration has the spec among other things.
    return engine.parseSpec(typeof json === "object" && json !== null && "spec" in json ? json.spec : json);
  } catch (error) {
    if (!(error instanceof RangeError) || error.message.startsWith(shown)) throw error;
    throw new RangeError(`${shown}: ${error.message}`, { cause: error });
  }
}

async function specOfTask({ name, needsData }: Engine["tasks"][number], engine: Engine): Promise<ModelSpec> {
  if (needsData) throw new RangeError(`task ${name}: its model depends on the data; give the folder of a run, or a JSON file`);
  return (await engine.resolve({ task: name, seed: 1, compare: false })).config.spec;
}
