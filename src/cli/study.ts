/**
 * @module
 * `millwright train <study>`: every case under every seed, and the tables made of their scores.
 */
import { join, relative } from "node:path";
import type { BuildName } from "../kernels/build.ts";
import { showFigure, type Unit } from "../tasks/evidence.ts";
import type { Study, StudyCase } from "../tasks/study.ts";
import { openData } from "./data.ts";
import type { Engine } from "./engine.ts";
import { formatEvidence } from "./evidence.ts";
import { checkFolder, chooseFolder, listFolder, readBytes, type Json, type Wanted } from "./folder.ts";
import { duration } from "./format.ts";
import type { Io } from "./program.ts";
import { readStudyFolder, StudyFolder, type KeptUnits } from "./studyfolder.ts";
import { renderStudy } from "./studyreport.ts";
import { formatTable } from "./table.ts";
import { VERSION } from "./version.ts";

export interface StudyOptions {
  readonly data?: string;
  readonly subset?: string;
  readonly seeds?: readonly number[];
  readonly build?: BuildName;
  readonly workers: number;
  readonly out?: string;
  readonly json: boolean;
}

const INTERRUPTED = 130;
/** Between two lines about a case that is under way. */
const QUIET_MS = 10_000;

export async function trainStudy(study: Study, options: StudyOptions, io: Io, engine: Engine): Promise<number> {
  const began = io.nowMs();
  const { data, build = "simd", workers, json } = options;
  const say = json ? io.stderr : io.stdout;
  const wanted: Wanted<KeptUnits> = { noun: "study", directory: io.directory, out: options.out, read: readStudyFolder };
  checkFolder(wanted);
  const files = openData(data, io, engine);
  if (!files) throw new RangeError(`study ${study.name} needs data; give the folder with its files as --data DIR`);
  const subset = subsetOf(study, options.subset);
  const seeds = options.seeds ?? study.seeds;
  const interruption = new AbortController();
  io.onInterrupt(() => interruption.abort());

  const { source, provenance } = engine.witness(files);
  const cases = await study.cases({ source, subset, signal: interruption.signal });
  const read = await provenance();
  const config: Json = { study: study.name, subset: subset ?? null, seeds, build, version: VERSION, data: { ...read }, cases: cases.map(({ name }) => name) };
  const { path, shown, kept, passed } = chooseFolder(wanted, `runs/${study.name}${subset === undefined ? "" : `-${subset}`}`, config);
  const order = orderOf(cases, seeds);
  const folder = new StudyFolder(path, config, order, kept);
  for (const holds of passed) say(`${holds}\n`);
  say(`millwright train ${study.name}${subset === undefined ? "" : ` --subset ${subset}`}: ${cases.length} case${cases.length === 1 ? "" : "s"}, seeds ${seeds.join(", ")}, ${workers} worker${workers === 1 ? "" : "s"}, build ${build}\n`);
  if (folder.units.length > 0) say(`resuming ${shown}: ${folder.units.length} done\n`);

  const finished = await runInterruptibly(study, cases, { folder, seeds, build, workers, say, interruption }, io, engine);
  if (!finished) {
    io.stderr(`\nmillwright: interrupted; ${folder.units.length === 0 ? "nothing was written" : `what is done is in ${shown}; the same command goes on from there`}\n`);
    return INTERRUPTED;
  }
  const units = [...folder.units].sort((a, b) => order(a) - order(b));
  const evidence = engine.evidenceOf(study, subset, units, cases);
  const wallSeconds = Math.round((io.nowMs() - began) / 100) / 10;
  const whole = { study: study.name, subset: subset ?? null, seeds, build, version: VERSION, data: read, origin: study.origin, evidence, onnx: units.find(({ model }) => model)?.model ?? null, wallSeconds };
  const summary = JSON.parse(JSON.stringify(whole)) as Json; // JSON has no undefined
  folder.finish(renderStudy({ study, subset, seeds, evidence, wallSeconds }), summary);
  say(`\n${formatEvidence(evidence)}\n`);
  say(formatTable([{ title: `files in ${relative(io.directory, path) || path}`, align: "left" }, { title: "", align: "left" }], filesOf(folder, engine)));
  say(`\nwall time ${duration(wallSeconds)}\n`);
  if (json) io.stdout(`${JSON.stringify(summary)}\n`);
  return 0;
}

/** Where a unit stands: seed by seed as they were given, the cases of each in their order. */
function orderOf(cases: readonly StudyCase[], seeds: readonly number[]): (unit: Pick<Unit, "case" | "seed">) => number {
  const places = new Map(cases.map(({ name }, index) => [name, index]));
  return (unit) => seeds.indexOf(unit.seed) * cases.length + places.get(unit.case)!;
}

function subsetOf({ name, subsets }: Study, given: string | undefined): string | undefined {
  if (!subsets) {
    if (given !== undefined) throw new RangeError(`study ${name} has no subsets; leave out --subset`);
    return undefined;
  }
  if (given !== undefined && !subsets.includes(given)) throw new RangeError(`--subset of ${name} expected one of ${subsets.join(", ")}, got ${given}`);
  return given ?? subsets[0];
}

/** What is there, and what it is. */
function filesOf({ path }: StudyFolder, engine: Engine): (readonly string[])[] {
  const there = listFolder(path);
  const inputs = there.includes("model.onnx") ? engine.inspectOnnx(readBytes(join(path, "model.onnx"))).inputs : [];
  const input = inputs.map(({ name, type, shape }) => `${name} ${type} [${shape?.join(", ") ?? ""}]`).join(" and ");
  return [
    ["report.html", "tables and plots; open it in a browser"],
    ["model.onnx", `the deployable model; input: ${input}`],
    ["model.safetensors", "the same parameters; millwright export makes the ONNX of them"],
    ["summary.json", "the tables, for programs"],
    ["scores.jsonl", "a line a case and seed: every model on every factory"],
    ["config.json", "what this study was made of"],
  ].filter(([name]) => there.includes(name));
}

interface Parts {
  readonly folder: StudyFolder;
  readonly seeds: readonly number[];
  readonly build: BuildName;
  readonly workers: number;
  readonly say: (text: string) => void;
  readonly interruption: AbortController;
}

/** Whether all cases are done; false where the person interrupted. */
async function runInterruptibly(study: Study, cases: readonly StudyCase[], parts: Parts, io: Io, engine: Engine): Promise<boolean> {
  const { folder, seeds, build, workers, say, interruption } = parts;
  const { signal } = interruption;
  const total = engine.pendingUnits(cases, seeds, []).length;
  const began = io.nowMs();
  const before = folder.units.length;
  let quietUntilMs = began + QUIET_MS;
  const pool = engine.threadPool(workers);
  const onUnit = (unit: Unit, model: Parameters<StudyFolder["append"]>[1]) => {
    if (signal.aborted) return;
    folder.append(unit, model);
    const done = folder.units.length;
    const left = ((io.nowMs() - began) / 1000 / (done - before)) * (total - done);
    const width = String(total).length;
    say(`  ${String(done).padStart(width)}/${total}  ${unit.case}, seed ${unit.seed}: ${bestOf(study, unit)}${duration(unit.seconds)}${done < total ? `, ${duration(left)} left` : ""}\n`);
    quietUntilMs = io.nowMs() + QUIET_MS;
  };
  const onProgress = (unit: Pick<Unit, "case" | "seed">, share: number, what: string) => {
    if (signal.aborted || io.nowMs() < quietUntilMs) return;
    quietUntilMs = io.nowMs() + QUIET_MS;
    say(`  ${unit.case}, seed ${unit.seed}: ${what}, ${Math.round(100 * share)} %\n`);
  };
  const interrupted = new Promise<false>((resolve) => signal.addEventListener("abort", () => resolve(false)));
  try {
    const runOnnx = await engine.loadOnnxRunner();
    const running = engine.runStudy(cases, { seeds, pool, build, signal, runOnnx, done: folder.units.slice(), onUnit, onProgress, nowMs: io.nowMs }).then(() => true);
    // Waiting for the workers to notice would keep a person waiting for the rest of an epoch.
    return await Promise.race([running, interrupted]);
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  } finally {
    await pool.close();
  }
}

/** The first model that more than one factory's data made, for the line of progress. */
function bestOf({ measures }: Study, { scores }: Unit): string {
  const measure = measures.find(({ name }) => scores.some(({ figures }) => name in figures)) ?? measures[0];
  const score = scores.find(({ way, factory, figures }) => way === "federated" && factory === "all" && measure.name in figures) ?? scores.find(({ figures }) => measure.name in figures);
  if (!score) return "";
  return `${score.model} ${measure.title} ${showFigure(measure, score.figures[measure.name])}, `;
}
