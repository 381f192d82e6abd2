/**
 * @module
 * The folder of a study. As in a run's folder, each file in it is whole at every moment:
 *
 *     config.json      what the study was made of; written before the first case
 *     scores.jsonl     a line for each case and seed that is done
 *     model.onnx  model.safetensors   of the first case under the first seed that leaves a model
 *     report.html
 *     summary.json     written last: a folder that has it holds a finished study
 */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Unit } from "../tasks/evidence.ts";
import type { CaseResult } from "../tasks/study.ts";
import { formatJson, listFolder, parseJson, readJson, writeSynced, writeWhole, type FolderState, type Json } from "./folder.ts";

type Model = NonNullable<CaseResult["model"]>;

/** The cases and seeds that are done. */
export interface KeptUnits {
  readonly units: readonly Unit[];
}

/** What a folder holds, looked at without changing it. */
export function readStudyFolder(path: string): FolderState<KeptUnits> {
  const names = listFolder(path).filter((name) => !name.endsWith(".part"));
  if (names.length === 0) return { kind: "free" };
  if (names.includes("summary.json")) return { kind: "finished" };
  const run = names.find((name) => name === "rounds.jsonl");
  if (run || !names.includes("config.json")) return { kind: "foreign", found: run ?? names[0] };
  if (!names.includes("scores.jsonl")) return { kind: "free" }; // a configuration whose first case did not end
  // A line that was being written has no newline yet.
  const lines = readFileSync(join(path, "scores.jsonl"), "utf8").split("\n").slice(0, -1);
  const units = lines.map((line, index) => parseJson(line, `${join(path, "scores.jsonl")}:${index + 1}`) as unknown as Unit);
  return units.length === 0 ? { kind: "free" } : { kind: "interrupted", config: readJson(join(path, "config.json")), units };
}

/** A study's folder while it goes on. Nothing is made on disk before the first case is done. */
export class StudyFolder {
  readonly path: string;
  readonly units: Unit[];
  readonly #config: Json;
  readonly #order: (unit: Unit) => number;
  #opened = false;

  /** @param order of the units as the study asks for them: cases end in any order, and the first that leaves a model leaves it here */
  constructor(path: string, config: Json, order: (unit: Unit) => number, { units }: KeptUnits = { units: [] }) {
    this.path = path;
    this.units = [...units];
    this.#config = config;
    this.#order = order;
  }

  /** Keep what is done: from here on it is not done again. */
  append(unit: Unit, model: Model | undefined): void {
    if (this.units.length === 0) {
      mkdirSync(this.path, { recursive: true });
      writeWhole(join(this.path, "config.json"), formatJson(this.#config));
    }
    if (model && this.#order(unit) < Math.min(...this.units.filter(({ model }) => model).map(this.#order))) {
      writeWhole(join(this.path, "model.safetensors"), model.checkpoint);
      writeWhole(join(this.path, "model.onnx"), model.onnx);
    }
    this.units.push(unit);
    const lines = join(this.path, "scores.jsonl");
    // The first line of this process may follow one that was torn, so it comes with all lines before it.
    if (this.#opened) writeSynced(lines, "a", toLine(unit));
    else writeWhole(lines, this.units.map(toLine).join(""));
    this.#opened = true;
  }

  /** The summary last, since it says that the study is finished. */
  finish(report: string, summary: Json): void {
    writeWhole(join(this.path, "report.html"), report);
    writeWhole(join(this.path, "summary.json"), formatJson(summary));
  }
}

const toLine = (unit: Unit) => `${JSON.stringify(unit)}\n`;
