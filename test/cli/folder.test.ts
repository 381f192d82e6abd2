import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { checkWritable, differences, formatJson, readFolder, readRun, RunFolder, writeWhole, type Json } from "../../src/cli/folder.ts";
import { record } from "./fake.ts";

let root: string;
beforeEach(() => void (root = mkdtempSync(join(tmpdir(), "millwright-"))));
afterEach(() => rmSync(root, { recursive: true }));

const config: Json = { task: "condition", rounds: 5 };
const rounds = (count: number) => Array.from({ length: count }, (_, index) => record("condition", index + 1, 5));
const checkpoint = (round: number) => Uint8Array.of(round, round, round);

function interrupt(path: string, completed: number): void {
  const folder = new RunFolder(path, config);
  for (const record of rounds(completed)) folder.append(record, checkpoint(record.round));
}

test("a folder that is missing or empty is free, and looking at it makes nothing", () => {
  expect(readFolder(join(root, "a/b"))).toEqual({ kind: "free" });
  expect(readFolder(root)).toEqual({ kind: "free" });
  new RunFolder(join(root, "a/b"), config);
  expect(readdirSync(root)).toEqual([]);
});

test("a round that is kept can be resumed, with the checkpoint of that round and no other", () => {
  const path = join(root, "a/b");
  interrupt(path, 3);
  expect(readdirSync(path).sort()).toEqual(["checkpoint-3.safetensors", "config.json", "rounds.jsonl"]);
  const state = readFolder(path);
  expect(state).toMatchObject({ kind: "interrupted", config, records: rounds(3) });
  expect(state.kind === "interrupted" && state.checkpoint).toEqual(checkpoint(3));
});

test("wherever rounds.jsonl is cut off, the last whole line has its checkpoint, or nothing is resumed", () => {
  const path = join(root, "run");
  interrupt(path, 2);
  // The moment before the checkpoint of round 1 is removed: both are there.
  writeFileSync(join(path, "checkpoint-1.safetensors"), checkpoint(1));
  const lines = readFileSync(join(path, "rounds.jsonl"));
  fc.assert(
    fc.property(fc.nat(lines.length), (length) => {
      writeFileSync(join(path, "rounds.jsonl"), lines.subarray(0, length));
      const whole = lines.subarray(0, length).toString().split("\n").length - 1;
      const state = readFolder(path);
      expect(state.kind).toBe(whole === 0 ? "free" : "interrupted");
      if (state.kind === "interrupted") expect([...state.checkpoint]).toEqual([whole, whole, whole]);
    }),
  );
});

test("a torn line does not run into the lines of the process that resumes", () => {
  const path = join(root, "run");
  interrupt(path, 2);
  writeFileSync(join(path, "rounds.jsonl"), '{"round":3,"rou', { flag: "a" });
  const state = readFolder(path);
  if (state.kind !== "interrupted") throw new Error(state.kind);
  const folder = new RunFolder(path, config, state.records);
  for (const record of rounds(5).slice(2)) folder.append(record, checkpoint(record.round));
  expect(readFileSync(join(path, "rounds.jsonl"), "utf8")).toBe(rounds(5).map((record) => `${JSON.stringify(record)}\n`).join(""));
});

test("a damaged line is refused by its place", () => {
  const path = join(root, "run");
  interrupt(path, 2);
  const lines = readFileSync(join(path, "rounds.jsonl"), "utf8");
  writeFileSync(join(path, "rounds.jsonl"), lines.replace(/\n{/, "\n["));
  expect(() => readFolder(path)).toThrow(RangeError);
  expect(() => readFolder(path)).toThrow(/rounds\.jsonl:2: expected JSON/);
});

test("a finished run keeps no checkpoint, and is finished only with its summary", () => {
  const path = join(root, "run");
  const folder = new RunFolder(path, config);
  folder.append(rounds(1)[0], checkpoint(1));
  expect(() => folder.finish({ "model.onnx": checkpoint(9), "no/such/folder": "" }, {})).toThrow(/ENOENT/);
  expect(readFolder(path).kind).toBe("interrupted");
  folder.finish({ "model.onnx": checkpoint(9) }, { task: "condition" });
  expect(readFolder(path).kind).toBe("finished");
  expect(readdirSync(path).sort()).toEqual(["config.json", "model.onnx", "rounds.jsonl", "summary.json"]);
});

test("a folder with other files is foreign", () => {
  writeFileSync(join(root, "thesis.tex"), "");
  expect(readFolder(root)).toEqual({ kind: "foreign", found: "thesis.tex" });
});

test("an orchestrator's folder is told from a run's", () => {
  mkdirSync(join(root, "journal"));
  writeFileSync(join(root, "config.json"), "{}");
  writeFileSync(join(root, "rounds.jsonl"), `{"round":1}\n`);
  expect(readFolder(root)).toEqual({ kind: "foreign", found: "journal" });
  expect(() => readRun(root, "")).toThrow(/holds what an orchestrator knows, not one run; at the end its model is there, as model\.safetensors and model\.onnx/);
});

test("a file is replaced as a whole or stays as it was", () => {
  const path = join(root, "model.onnx");
  writeWhole(path, "old");
  writeWhole(path, "new");
  mkdirSync(join(root, "taken"));
  expect(() => writeWhole(join(root, "taken"), "text")).toThrow();
  expect(readFileSync(path, "utf8")).toBe("new");
  expect(readdirSync(root).sort()).toEqual(["model.onnx", "taken"]);
});

test("a place below a file is refused with a remedy", () => {
  writeFileSync(join(root, "file"), "");
  expect(() => checkWritable(join(root, "file/run"))).toThrow(/file: expected a folder, got a file; give another folder/);
  expect(() => checkWritable(join(root, "file"))).toThrow(RangeError);
  expect(() => checkWritable(join(root, "a/b/c"))).not.toThrow();
  expect(existsSync(join(root, "a"))).toBe(false);
});

test("differences name the place and both values", () => {
  const there = { rounds: 5, spec: { layers: [1, 2] }, subset: "FD001" };
  expect(differences(there, { rounds: 6, spec: { layers: [1, 3] } })).toEqual([
    "rounds is 5 there and 6 here",
    "spec.layers is [1,2] there and [1,3] here",
    'subset is "FD001" there and absent here',
  ]);
  expect(differences(there, structuredClone(there))).toEqual([]);
});

test("JSON for people reads back as it was", () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => void expect(JSON.parse(formatJson(value as Json))).toEqual(JSON.parse(JSON.stringify(value)))));
  expect(formatJson({ a: [[1, 2], [3, 4]], b: "x".repeat(120) })).toBe(`{\n  "a": [ [ 1, 2 ], [ 3, 4 ] ],\n  "b": "${"x".repeat(120)}"\n}\n`);
});
