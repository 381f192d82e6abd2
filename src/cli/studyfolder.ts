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
import { differences, formatJson, listFolder, parseJson, readJson, writeSynced, writeWhole, type Json } from "./folder.ts";

type Model = NonNullable<CaseResult["model"]>;

export class StudyFolder {
  readonly path: string;
  readonly units: Unit[];
  readonly #config: Json;
  #opened = false;
  #kept = false;

  private constructor(path: string, config: Json, units: Unit[], kept: boolean) {
    this.path = path;
    this.#config = config;
    this.units = units;
    this.#kept = kept;
  }

  /**
   * A new or empty folder, or one that waits for just this study. Nothing is made on disk yet.
   * @throws RangeError for any other; `shown` is what messages call it
   */
  static open(path: string, config: Json, shown: string): StudyFolder {
    const names = listFolder(path).filter((name) => !name.endsWith(".part"));
    if (names.includes("summary.json")) throw new RangeError(`${shown}: holds a finished run; give another --out, or remove the folder to run anew`);
    if (names.length > 0 && !names.includes("config.json")) throw new RangeError(`${shown}: holds ${names[0]}, which is not of a study; give a new or empty folder with --out`);
    if (!names.includes("scores.jsonl")) {
      if (names.includes("rounds.jsonl")) throw new RangeError(`${shown}: holds a run, not a study; give another --out`);
      return new StudyFolder(path, config, [], false);
    }
    const different = differences(readJson(join(path, "config.json")), config);
    if (different.length > 0) throw new RangeError(`${shown}: holds an interrupted study of another configuration (${different.join("; ")}); give another --out or the same options`);
    // A line that was being written has no newline yet.
    const lines = readFileSync(join(path, "scores.jsonl"), "utf8").split("\n").slice(0, -1);
    const units = lines.map((line, index) => parseJson(line, `${join(path, "scores.jsonl")}:${index + 1}`) as unknown as Unit);
    return new StudyFolder(path, config, units, names.includes("model.onnx"));
  }

  /** Keep what is done: from here on it is not done again. */
  append(unit: Unit, model: Model | undefined): void {
    if (this.units.length === 0) {
      mkdirSync(this.path, { recursive: true });
      writeWhole(join(this.path, "config.json"), formatJson(this.#config));
    }
    if (model && !this.#kept) {
      writeWhole(join(this.path, "model.safetensors"), model.checkpoint);
      writeWhole(join(this.path, "model.onnx"), model.onnx);
      this.#kept = true;
    }
    this.units.push(unit);
    const lines = join(this.path, "scores.jsonl");
    // The first line of this process may follow one that was torn, so it comes with all lines before it.
    if (this.#opened) writeSynced(lines, "a", toLine(unit));
    else writeWhole(lines, this.units.map(toLine).join(""));
    this.#opened = true;
  }

  get hasModel(): boolean {
    return this.#kept;
  }

  /** The summary last, since it says that the study is finished. */
  finish(report: string, summary: Json): void {
    writeWhole(join(this.path, "report.html"), report);
    writeWhole(join(this.path, "summary.json"), formatJson(summary));
  }
}

const toLine = (unit: Unit) => `${JSON.stringify(unit)}\n`;
