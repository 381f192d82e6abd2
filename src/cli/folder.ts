/**
 * @module
 * The run folder. Whatever happens, each file in it is whole:
 *
 *     config.json                    everything resolved; written before the first round
 *     rounds.jsonl                   a line a round
 *     checkpoint-<round>.safetensors global parameters after the last line's round, until the run is finished
 *     model.safetensors  model.onnx  report.html
 *     summary.json                   written last: a folder that has it holds a finished run
 *
 * The checkpoint of a round is on disk before the round's line, and the one before it is removed after: the last
 * whole line always has its checkpoint, at whichever moment the power fails.
 */
import { accessSync, closeSync, constants, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { RoundRecord } from "../tasks/result.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** What a folder holds; `Kept` is what an interrupted process left there to go on from. */
export type FolderState<Kept> =
  /** Nothing there, or an empty folder. */
  | { readonly kind: "free" }
  | { readonly kind: "finished" }
  | ({ readonly kind: "interrupted"; readonly config: Json } & Kept)
  /** Something else lives here. */
  | { readonly kind: "foreign"; readonly found: string };

/** The completed rounds of a run, and the parameters after the last. */
export interface KeptRounds {
  readonly records: readonly RoundRecord[];
  readonly checkpoint: Uint8Array;
}

const checkpointName = (round: number) => `checkpoint-${round}.safetensors`;
const isCheckpoint = (name: string) => /^checkpoint-\d+\.safetensors$/.test(name);

/** What an orchestrator's folder has. */
const JOURNAL = "journal";

/** What a folder holds, looked at without changing it. */
export function readFolder(path: string): FolderState<KeptRounds> {
  const names = listFolder(path).filter((name) => !name.endsWith(".part"));
  if (names.length === 0) return { kind: "free" };
  if (names.includes("summary.json")) return { kind: "finished" };
  const other = names.find((name) => name === "scores.jsonl" || name === JOURNAL);
  if (other || !names.includes("config.json")) return { kind: "foreign", found: other ?? names[0] };
  const config = readJson(join(path, "config.json"));
  // A round that was being written has no newline yet, or no line at all.
  const lines = names.includes("rounds.jsonl") ? readFileSync(join(path, "rounds.jsonl"), "utf8").split("\n").slice(0, -1) : [];
  const records = lines.map((line, index) => parseJson(line, `${join(path, "rounds.jsonl")}:${index + 1}`) as unknown as RoundRecord);
  const last = records.at(-1);
  if (!last) return { kind: "free" };
  return { kind: "interrupted", config, records, checkpoint: readBytes(join(path, checkpointName(last.round))) };
}

/** The study whose folder this is; undefined where it is none. */
export function studyIn(path: string): string | undefined {
  if (!listFolder(path).includes("config.json")) return undefined;
  const config = readJson(join(path, "config.json"));
  return isRecord(config) && typeof config.study === "string" ? config.study : undefined;
}

/**
 * What is needed of a finished run to go on with its model.
 * @param ofStudy what to do instead where the folder is a study's
 */
export function readRun(path: string, ofStudy: string): { config: Json; model: Uint8Array } {
  const study = studyIn(path);
  if (study !== undefined) throw new RangeError(`${path}: holds the study ${study}, not one run; ${ofStudy}`);
  if (listFolder(path).includes(JOURNAL)) throw new RangeError(`${path}: holds what an orchestrator knows, not one run; at the end its model is there, as model.safetensors and model.onnx`);
  const state = readFolder(path);
  if (state.kind === "interrupted") throw new RangeError(`${path}: the run is not finished; resume it with: millwright train … --out ${path}`);
  if (state.kind !== "finished") throw new RangeError(`${path}: expected the folder of a run, with config.json, model.safetensors and summary.json`);
  return { config: readJson(join(path, "config.json")), model: readBytes(join(path, "model.safetensors")) };
}

/** A Buffer's slice() is a view and a Uint8Array's a copy, so what leaves the command line is the plain kind. */
export function readBytes(path: string): Uint8Array {
  return new Uint8Array(readFileSync(path));
}

/** Does something with the model of a run; what is wrong with its checkpoint is told of its file. */
export async function withModel<T>(path: string, act: () => T | Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof RangeError && error.message.startsWith("checkpoint: "))) throw error;
    throw new RangeError(`${join(path, "model.safetensors")}: ${error.message.slice("checkpoint: ".length)}`, { cause: error });
  }
}

export function readJson(path: string, place = path): Json {
  return parseJson(readFileSync(path, "utf8"), place);
}

export function parseJson(text: string, place: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    throw new RangeError(`${place}: expected JSON; ${(error as Error).message}`);
  }
}

export function listFolder(path: string): string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    if (isAbsence(error)) return [];
    throw error;
  }
}

/** No such name, or a file where the path needs a folder. */
export function isAbsence(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ENOTDIR";
}

/** What a command looks for: a folder to write to. */
export interface Wanted<Kept> {
  readonly noun: "run" | "study";
  /** What relative paths start from. */
  readonly directory: string;
  /** As --out says. */
  readonly out: string | undefined;
  read(path: string): FolderState<Kept>;
}

export interface Chosen<Kept> {
  readonly path: string;
  /** As it is shown to people. */
  readonly shown: string;
  /** Absent where nothing was done there. */
  readonly kept: Kept | undefined;
  /** Folders of the default name that wait for another configuration, and in what it differs. */
  readonly passed: readonly string[];
}

/** Before any data is read: a folder that is given has to be free, or to wait to be gone on with. @throws RangeError */
export function checkFolder<Kept>({ noun, directory, out, read }: Wanted<Kept>): void {
  if (out === undefined) return;
  const path = resolve(directory, out);
  const state = read(path);
  if (state.kind === "finished") throw new RangeError(`${out}: holds a finished ${noun}; give another --out, or remove the folder to run anew`);
  if (state.kind === "foreign") throw new RangeError(`${out}: holds ${state.found}, which is not of a ${noun}; give a new or empty folder with --out`);
  checkWritable(path);
}

/** The folder given, or the first of <name>, <name>-2, <name>-3 … that is free or waits for just this configuration. */
export function chooseFolder<Kept>(wanted: Wanted<Kept>, name: string, config: Json): Chosen<Kept> {
  const { noun, directory, out, read } = wanted;
  checkFolder(wanted);
  const passed: string[] = [];
  for (let attempt = 1; ; attempt++) {
    const shown = out ?? `${name}${attempt === 1 ? "" : `-${attempt}`}`;
    const path = resolve(directory, shown);
    const state = read(path);
    const different = state.kind === "interrupted" ? differences(state.config, config) : [];
    if (different.length > 0) {
      const holds = `${shown}: holds an interrupted ${noun} of another configuration (${different.join("; ")})`;
      if (out !== undefined) throw new RangeError(`${holds}; give another --out or the same options`);
      passed.push(holds);
    } else if (state.kind === "free" || state.kind === "interrupted") {
      checkWritable(path);
      return { path, shown, kept: state.kind === "interrupted" ? state : undefined, passed };
    }
  }
}

/** A run's folder while the run goes on. Nothing is made on disk before the first round is complete. */
export class RunFolder {
  readonly path: string;
  readonly #config: Json;
  /** The completed rounds, of an earlier process too. */
  readonly #records: RoundRecord[];
  #opened = false;

  constructor(path: string, config: Json, records: readonly RoundRecord[] = []) {
    this.path = path;
    this.#config = config;
    this.#records = [...records];
  }

  get records(): readonly RoundRecord[] {
    return this.#records;
  }

  /** Keep a completed round: from here on it can be resumed. */
  append(record: RoundRecord, checkpoint: Uint8Array): void {
    if (this.#records.length === 0) {
      mkdirSync(this.path, { recursive: true });
      writeWhole(join(this.path, "config.json"), formatJson(this.#config));
    }
    this.#records.push(record);
    writeWhole(join(this.path, checkpointName(record.round)), checkpoint);
    // The first line of this process may follow one that was torn, so it comes with all lines before it.
    const lines = join(this.path, "rounds.jsonl");
    if (this.#opened) writeSynced(lines, "a", toLine(record));
    else writeWhole(lines, this.#records.map(toLine).join(""));
    this.#opened = true;
    this.#removeCheckpoints(checkpointName(record.round));
  }

  /** Write the results; the summary last, since it says that the run is finished. */
  finish(files: Readonly<Record<string, string | Uint8Array>>, summary: Json): void {
    for (const [name, content] of Object.entries(files)) writeWhole(join(this.path, name), content);
    writeWhole(join(this.path, "summary.json"), formatJson(summary));
    this.#removeCheckpoints();
  }

  #removeCheckpoints(except?: string): void {
    for (const name of listFolder(this.path)) {
      if (isCheckpoint(name) && name !== except) rmSync(join(this.path, name));
    }
  }
}

const toLine = (record: RoundRecord) => `${JSON.stringify(record)}\n`;

/** A file appears under its name when all of it is on disk. */
export function writeWhole(path: string, content: string | Uint8Array): void {
  const part = join(dirname(path), `.${basename(path)}.part`);
  try {
    writeSynced(part, "w", content);
    renameSync(part, path);
  } catch (error) {
    rmSync(part, { force: true });
    throw error;
  }
}

export function writeSynced(path: string, flag: "w" | "a", content: string | Uint8Array): void {
  const file = openSync(path, flag);
  try {
    const data = typeof content === "string" ? new TextEncoder().encode(content) : content;
    for (let at = 0; at < data.length; ) at += writeSync(file, data, at);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Refuse before training what would only fail after it: a folder that cannot be made or written to. */
export function checkWritable(path: string): void {
  for (let existing = path; ; existing = dirname(existing)) {
    try {
      if (!statSync(existing).isDirectory()) throw new RangeError(`${existing}: expected a folder, got a file; give another folder`);
      return accessSync(existing, constants.W_OK);
    } catch (error) {
      if (!isAbsence(error)) throw error;
    }
  }
}

/** JSON for people: what fits on a line is on one line. */
export function formatJson(value: Json, indent = ""): string {
  return `${layOut(value, indent)}\n`;
}

function layOut(value: Json, indent: string): string {
  const flat = JSON.stringify(value, null, 1).replace(/\n\s*/g, " ");
  if (typeof value !== "object" || value === null || flat.length <= 120) return flat;
  const inner = `${indent}  `;
  const array = Array.isArray(value);
  const entries = array
    ? value.map((item) => layOut(item, inner))
    : Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}: ${layOut(item, inner)}`);
  return `${array ? "[" : "{"}\n${entries.map((entry) => inner + entry).join(",\n")}\n${indent}${array ? "]" : "}"}`;
}

/** Where two configurations differ, as `path: there, here`; empty where they are equal. */
export function differences(there: Json | undefined, here: Json | undefined, path = ""): string[] {
  if (isRecord(there) && isRecord(here)) {
    return [...new Set([...Object.keys(there), ...Object.keys(here)])].flatMap((name) =>
      differences(there[name], here[name], path ? `${path}.${name}` : name),
    );
  }
  const [was, is] = [JSON.stringify(there) ?? "absent", JSON.stringify(here) ?? "absent"];
  return was === is ? [] : [`${path} is ${was} there and ${is} here`];
}

function isRecord(value: Json | undefined): value is { readonly [name: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
