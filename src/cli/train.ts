/**
 * @module
 * `millwright train <task>`: one run, from data to a folder of results.
 */
import { relative, resolve as resolvePath } from "node:path";
import type { BuildName } from "../kernels/build.ts";
import type { Prepared, ProgressEvent, RunConfig } from "../tasks/run.ts";
import { formatComparison } from "./comparison.ts";
import { openData } from "./data.ts";
import type { Engine } from "./engine.ts";
import { checkFolder, chooseFolder, readFolder, readRun, RunFolder, withModel, type Json, type KeptRounds, type Wanted } from "./folder.ts";
import { duration } from "./format.ts";
import type { Io } from "./program.ts";
import { createProgress } from "./progress.ts";
import { renderReport } from "./report.ts";
import { formatTable } from "./table.ts";

export interface TrainOptions {
  readonly data?: string;
  readonly factories?: number;
  readonly rounds?: number;
  readonly localEpochs?: number;
  readonly batch?: number;
  /** Of how many time steps the gates are kept; changes no bit, so it is not part of the configuration. */
  readonly block?: number;
  readonly seed: number;
  readonly subset?: string;
  readonly build?: BuildName;
  /** The folder of a run whose model to go on from, and the numbers of layers that stay as they are. */
  readonly from?: string;
  readonly freeze?: readonly number[];
  readonly compare: boolean;
  readonly workers: number;
  readonly out?: string;
  readonly json: boolean;
}

/** The exit code of a process that SIGINT ended: 128 + 2. */
const INTERRUPTED = 130;

const files: readonly (readonly [string, string])[] = [
  ["report.html", "figures and curves; open it in a browser"],
  ["model.onnx", "the model with its scaler: feed it raw sensor values"],
  ["model.safetensors", "the same parameters, to go on from (--from) or evaluate"],
  ["summary.json", "the figures, for programs"],
  ["rounds.jsonl", "a line a round"],
  ["config.json", "everything this run was made of"],
];

export async function train(task: string, options: TrainOptions, io: Io, engine: Engine): Promise<number> {
  const began = io.nowMs();
  const { workers, out, json, data, block, from: fromFolder, ...runOptions } = options;
  const say = json ? io.stderr : io.stdout;
  const wanted: Wanted<KeptRounds> = { noun: "run", directory: io.directory, out, read: readFolder };
  checkFolder(wanted);

  const from = fromFolder === undefined ? undefined : readRun(resolvePath(io.directory, fromFolder), "--from expects a run, made with: millwright train <task>, without --seeds").model;
  const resolving = () => engine.resolve({ task, ...runOptions, ...(from && { from }) }, openData(data, io, engine));
  const prepared = await (fromFolder === undefined ? resolving() : withModel(fromFolder, resolving));
  const config = JSON.parse(JSON.stringify(prepared.config)) as Json;
  const { path, kept, passed } = chooseFolder(wanted, `runs/${task}-seed${prepared.config.seed}`, config);
  const folder = new RunFolder(path, config, kept?.records);
  const checkpoint = kept?.checkpoint;
  const shown = relative(io.directory, path) || path;
  for (const holds of passed) say(`${holds}\n`);
  say(`${describe(prepared.config, workers)}\n`);
  const start = prepared.config.from;
  if (start) say(`from ${fromFolder}: ${start.taken.length} of ${start.taken.length + start.fresh.length} parameter blocks taken over${start.fresh.length > 0 ? `, new: ${start.fresh.join(", ")}` : ""}\n`);
  if (checkpoint) say(`resuming ${shown} after round ${folder.records.length}\n`);

  const result = await runInterruptibly(prepared, { folder, checkpoint, workers, block, say }, io, engine);
  if (result === null) {
    const rounds = folder.records.length;
    say("\n");
    io.stderr(
      rounds === 0
        ? "millwright: interrupted before the first round was complete; nothing was written\n"
        : `millwright: interrupted after round ${rounds}; resume with: ${resumeCommand(task, options, shown)}\n`,
    );
    return INTERRUPTED;
  }

  const { summary, checkpoint: model, onnx } = result;
  const report = renderReport({ config: prepared.config, records: folder.records, summary });
  folder.finish({ "model.safetensors": model, "model.onnx": onnx, "report.html": report }, summary as unknown as Json);
  say(`\n${formatComparison(summary)}\n`);
  say(formatTable([{ title: `files in ${shown}`, align: "left" }, { title: "", align: "left" }], files));
  say(`\nwall time ${duration((io.nowMs() - began) / 1000)}\n`);
  if (json) io.stdout(`${JSON.stringify(summary)}\n`);
  return 0;
}

interface RunParts {
  readonly folder: RunFolder;
  readonly checkpoint: Uint8Array | undefined;
  readonly workers: number;
  readonly block: number | undefined;
  readonly say: (text: string) => void;
}

/** The result, or null where the person interrupted. Completed rounds are in the folder either way. */
async function runInterruptibly(prepared: Prepared, { folder, checkpoint, workers, block, say }: RunParts, io: Io, engine: Engine) {
  const interruption = new AbortController();
  const interrupted = new Promise<null>((done) => interruption.signal.addEventListener("abort", () => done(null)));
  io.onInterrupt(() => interruption.abort());
  const progress = createProgress((line) => say(`${line}\n`), io.nowMs, roundsAfter(prepared.config, workers));
  const onProgress = (event: ProgressEvent) => {
    if (interruption.signal.aborted) return;
    if (event.kind === "round") folder.append(event.record, event.checkpoint);
    progress(event);
  };
  const pool = engine.threadPool(workers, { blockSteps: block });
  try {
    const resume = checkpoint && { round: folder.records.length, checkpoint, bytes: folder.records.at(-1)!.bytes };
    const runOnnx = await engine.loadOnnxRunner();
    const running = engine.run(prepared, { pool, onProgress, signal: interruption.signal, resume, runOnnx });
    // Waiting for the workers to notice would keep a person waiting for the rest of an epoch.
    return await Promise.race([running, interrupted]);
  } catch (error) {
    if (interruption.signal.aborted) return null;
    throw error;
  } finally {
    await pool.close();
  }
}

/**
 * Solo training takes as many gradient steps as the federation, and so does centralised training, but in one chain.
 * A round keeps min(workers, factories) workers busy.
 */
function roundsAfter({ compare, rounds, factories }: RunConfig, workers: number): number {
  const busy = Math.min(workers, factories);
  return compare ? rounds * Math.max(busy, (2 * busy) / workers) : 0;
}

function describe({ task, factories, rounds, localEpochs, batch, seed, build }: RunConfig, workers: number): string {
  const plural = (value: number, noun: string) => `${value} ${noun}${value === 1 ? "" : "s"}`;
  return (
    `millwright train ${task}: ${plural(factories, "factory").replace("factorys", "factories")}, ${plural(rounds, "round")} of ` +
    `${plural(localEpochs, "local epoch")}, batch ${batch}, seed ${seed}, ${plural(workers, "worker")}, build ${build}`
  );
}

/** What the person typed, with the folder. */
function resumeCommand(task: string, options: TrainOptions, out: string): string {
  const { data, factories, rounds, localEpochs, batch, block, seed, subset, build, from, freeze, compare } = options;
  const given = Object.entries({ data, factories, rounds, "local-epochs": localEpochs, batch, block, seed, subset, build, from, freeze: freeze?.join(","), out })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `--${name} ${quote(String(value))}`);
  return ["millwright train", task, ...given, ...(compare ? ["--compare"] : [])].join(" ");
}

/** For a shell, where the text is not a plain word. */
function quote(text: string): string {
  return /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
