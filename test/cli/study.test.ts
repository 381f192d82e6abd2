/** The command around a study that is not one: what is printed, kept and resumed. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Engine } from "../../src/cli/engine.ts";
import { formatEvidence } from "../../src/cli/evidence.ts";
import { main } from "../../src/cli/program.ts";
import { evidenceOf } from "../../src/tasks/evidence.ts";
import { inlinePool } from "../../src/tasks/pool.ts";
import { witness } from "../../src/tasks/provenance.ts";
import { pendingUnits, runStudy, studies } from "../../src/tasks/studies.ts";
import { ALL, type Study } from "../../src/tasks/study.ts";

let root: string;
beforeEach(() => void (root = mkdtempSync(join(tmpdir(), "millwright-"))));
afterEach(() => rmSync(root, { recursive: true }));

interface Trial {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The cases that were run, with their seeds. */
  readonly ran: readonly string[];
}

/** Two cases; `before` is called when one is about to be run and may interrupt. The data are one file. */
async function millwright(line: string, before: (unit: string, interrupt: () => void) => unknown = () => {}, { data = "1;2", threads = 1 } = {}): Promise<Trial> {
  const ran: string[] = [];
  let interrupt = () => {};
  const study: Study = {
    name: "trial", summary: "A trial", origin: "made up <here>", seeds: [1, 2], linear: ["linear"], subsets: ["old", "new"],
    measures: [{ name: "mae", title: "MAE", meaning: "mean error", unit: "h", digits: 1, better: "lower" }],
    targets: (subset) => [
      { model: "GRU", way: "federated", measure: "mae", over: "mean", must: 3, stretch: subset === "new" ? 1 : 2 },
      { model: "GRU", way: "federated", measure: "mae", over: { case: "two" }, against: "solo", must: 0.5 },
    ],
    cases: async ({ subset, source }) => (await source("log.csv"), ["one", "two"]).map((name, index) => ({
      name,
      place: subset === "new" ? { curve: "old <to> new", axis: "machines with labels", at: [10, 2][index] } : undefined,
      run: async ({ seed }) => {
        await before(`${name}${seed}`, interrupt);
        await new Promise((resolve) => setTimeout(resolve, 1));
        ran.push(`${name}${seed}`);
        const mae = seed + (name === "two" ? 1 : 0);
        return {
          scores: (["solo", "federated"] as const).flatMap((way) => ["linear", "GRU"].map((model) => ({ case: name, model, way, factory: ALL, samples: 7, figures: { mae: way === "solo" ? mae + 1 : mae } }))),
          bytes: { GRU: 2_000_000, linear: 1000 },
          notes: ["3 rows left out."],
          model: { checkpoint: new TextEncoder().encode(`checkpoint ${name}${seed}`), onnx: new TextEncoder().encode(`onnx ${name}${seed}`), maxAbsDifference: 1e-7 },
        };
      },
    })),
  };
  const engine = {
    tasks: [{ name: "both", summary: "A task and a study", needsData: true, schedule: { factories: 2, rounds: 1, localEpochs: 1, batch: 1 } }],
    studies: [study, { ...study, name: "both" }], runStudy, pendingUnits, evidenceOf, witness, loadOnnxRunner: async () => undefined,
    inspectOnnx: (bytes: Uint8Array) => ({ inputs: [{ name: `input of ${new TextDecoder().decode(bytes)}`, type: "float32", shape: ["batch", 5, 8] }] }),
    exportRun: (checkpoint: Uint8Array) => new TextEncoder().encode(`made of ${new TextDecoder().decode(checkpoint)}`),
    folderSource: () => async () => new TextEncoder().encode(data), threadPool: () => ({ ...inlinePool(), size: threads }),
  } as unknown as Engine;
  let [stdout, stderr] = ["", ""];
  const io = {
    stdout: (text: string) => void (stdout += text), stderr: (text: string) => void (stderr += text),
    directory: root, nowMs: () => performance.now(), onInterrupt: (listener: () => void) => void (interrupt = listener),
  };
  return { code: await main(line.split(" "), io, async () => engine), stdout, stderr, ran };
}

test("prints a line a case and the tables, and leaves a whole folder", async () => {
  const { code, stdout, stderr, ran } = await millwright("train trial --data . --out run");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(ran).toEqual(["one1", "two1", "one2", "two2"]);
  expect(stdout).toMatch(/1\/4 {2}one, seed 1: linear MAE 1\.0 h, /);
  expect(stdout).toMatch(/\n +GRU +federated +7 +1\.5 \(1\.0 to 2\.0\) .* 2\.0 MB\n/);
  expect(stdout).toMatch(/mean of cases +linear +alone/);
  expect(stdout).toMatch(/MAE, GRU federated, mean of cases +≤ 3\.0 h +≤ 2\.0 h +2\.0 h +met, and the stretch\n/);
  expect(stdout).toMatch(/MAE, GRU federated over alone, two +≤ 0\.500x +0\.714x +missed\n/);
  expect(stdout).toContain('- one: the linear model "linear" does as well as "GRU"');
  expect(stdout).toContain("- 3 rows left out.\n");
  expect(stdout).toContain("the deployable model; input: input of onnx one1 float32 [batch, 5, 8]\n");
  const report = readFileSync(join(root, "run/report.html"), "utf8");
  expect(report).toContain("made up &#60;here&#62;");
  expect(report).toContain('<svg class="dots"');
  expect(report).toContain("MAE, GRU federated over alone, two</dt><dd class=\"value\">0.714x</dd>");
  expect(readFileSync(join(root, "run/model.onnx"), "utf8")).toBe("onnx one1");
  expect(JSON.parse(readFileSync(join(root, "run/summary.json"), "utf8"))).toMatchObject({ study: "trial", subset: "old", seeds: [1, 2], onnx: { maxAbsDifference: 1e-7 } });
  expect(readFileSync(join(root, "run/scores.jsonl"), "utf8").trim().split("\n")).toHaveLength(4);
});

test("an interrupted study goes on where it was, also behind a torn line, and ends as one that was not", async () => {
  const first = await millwright("train trial --data . --out run", (unit, interrupt) => unit === "one2" && interrupt());
  expect(first).toMatchObject({ code: 130, stderr: expect.stringContaining("the same command goes on from there") });
  expect(existsSync(join(root, "run/summary.json"))).toBe(false);
  const lines = join(root, "run/scores.jsonl");
  writeFileSync(lines, `${readFileSync(lines, "utf8")}{"case":"on`);
  const second = await millwright("train trial --data . --out run");
  expect(second.code).toBe(0);
  expect(second.ran).toEqual(["one2", "two2"]);
  expect(second.stdout).toContain("resuming run: 2 done");
  await millwright("train trial --data . --out whole");
  const evidence = (name: string) => JSON.parse(readFileSync(join(root, name, "summary.json"), "utf8")).evidence;
  expect(evidence("run")).toEqual(evidence("whole"));
});

test("one seed, a subset, JSON", async () => {
  const { stdout, ran } = await millwright("train trial --data . --seed 5 --subset new --json --out run");
  expect(ran).toEqual(["one5", "two5"]);
  expect(JSON.parse(stdout)).toMatchObject({ subset: "new", seeds: [5], evidence: { verdicts: [{ must: false, stretch: false, measured: 5.5 }, { must: false, stretch: null }] } });
});

test("cases on a curve are printed as a line a model and drawn", async () => {
  const { stdout } = await millwright("train trial --data . --subset new --out run");
  expect(stdout).toMatch(/\nold <to> new: MAE, h, by machines with labels +trained +2 +10\n/);
  expect(stdout).toMatch(/\nGRU +federated +2\.5 \(2\.0 to 3\.0\) +1\.5 \(1\.0 to 2\.0\)\n/);
  expect(stdout).not.toMatch(/^mean of cases/m);
  const report = readFileSync(join(root, "run/report.html"), "utf8");
  const picture = /<svg class="curve"[^]*?<\/svg>/.exec(report)![0];
  expect(picture).toContain('aria-label="old &#60;to&#62; new: MAE by machines with labels, 4 models at 2 places');
  expect(picture.match(/<polyline points="[\d., ]+"/g)).toHaveLength(4);
  // For each of four lines a dot at two places and one beside the name.
  expect(picture.match(/<circle /g)).toHaveLength(12);
  expect(picture).not.toMatch(/NaN|undefined|Infinity/);
  await millwright("train trial --data . --out other");
  expect(readFileSync(join(root, "other/report.html"), "utf8")).not.toContain('<svg class="curve"');
});

test.each([
  ["train trial", /needs data/],
  ["train trial --data nowhere", /no such folder/],
  ["train trial --data . --subset other", /expected one of old, new, got other/],
  ["train trial --data . --seeds 1,1", /each seed once/],
  ["train trial --data . --seeds 1 --seed 2", /exclude each other/],
  ["train trial --data . --seeds one", /integer/],
  ["train trial --data . --rounds 3", /study trial has its own factories and rounds for each case, .*; leave out --rounds$/m],
  ["train trial --data . --factories 2 --local-epochs 1 --batch 8 --block 10 --compare", /leave out --factories --local-epochs --batch --block --compare$/m],
  ["train both --data . --seeds 1,2 --compare", /study both has .*; leave out --compare, or --seeds for one run$/m],
  ["train trial --data . --from run", /--from and --freeze are for one run/],
])("%s is refused in one line", async (line, message) => {
  const { code, stderr } = await millwright(line);
  expect({ code, lines: stderr.trim().split("\n").length }).toEqual({ code: 2, lines: 1 });
  expect(stderr).toMatch(message);
});

test("a finished folder, one of another configuration and a foreign one are refused", async () => {
  await millwright("train trial --data . --out run");
  expect((await millwright("train trial --data . --out run")).stderr).toMatch(/run: holds a finished study/);
  await millwright("train trial --data . --out half", (unit, interrupt) => unit === "two1" && interrupt());
  expect((await millwright("train trial --data . --out half --seeds 3")).stderr).toMatch(/half: holds an interrupted study of another configuration \(seeds is/);
  writeFileSync(join(root, "note.txt"), "mine");
  expect((await millwright("train trial --data . --out .")).stderr).toMatch(/holds .*, which is not of a study/);
});

test("a study is resumed with the data and the version that it began with, and no other; what differs is named", async () => {
  const halfway = (unit: string, interrupt: () => void) => unit === "two1" && interrupt();
  await millwright("train trial --data . --out half", halfway, { data: "1;2" });
  const file = join(root, "half/config.json");
  const config = JSON.parse(readFileSync(file, "utf8"));
  expect(config.data).toEqual({ files: 1, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
  const other = await millwright("train trial --data . --out half", () => {}, { data: "1;3" });
  expect(other).toMatchObject({ code: 2, ran: [], stderr: expect.stringMatching(/half: holds an interrupted study of another configuration \(data\.sha256 is "[0-9a-f]{64}" there and "[0-9a-f]{64}" here\); give another --out/) });
  writeFileSync(file, JSON.stringify({ ...config, version: "0.0.1" }));
  expect((await millwright("train trial --data . --out half")).stderr).toMatch(/another configuration \(version is "0\.0\.1" there and "\d+\.\d+\.\d+" here\)/);
  writeFileSync(file, JSON.stringify(config));
  expect(await millwright("train trial --data . --out half")).toMatchObject({ code: 0, ran: ["two1", "one2", "two2"] });
});

test("without --out a finished folder is left alone, and so is one that waits for another configuration, which is said", async () => {
  await millwright("train trial --data . --seed 1");
  expect(await millwright("train trial --data . --seed 2", (unit, interrupt) => unit === "two2" && interrupt())).toMatchObject({ code: 130, stdout: expect.not.stringContaining("another configuration") });
  const third = await millwright("train trial --data . --seed 3");
  expect(third).toMatchObject({ code: 0, stdout: expect.stringContaining("runs/trial-old-2: holds an interrupted study of another configuration (seeds is [2] there and [3] here)\n") });
  expect(["trial-old", "trial-old-2", "trial-old-3"].map((name) => JSON.parse(readFileSync(join(root, "runs", name, "config.json"), "utf8")).seeds)).toEqual([[1], [2], [3]]);
  expect(await millwright("train trial --data . --seed 2")).toMatchObject({ code: 0, ran: ["two2"], stdout: expect.stringContaining("resuming runs/trial-old-2: 1 done") });
});

test("a folder that is given is looked at before the data are read", async () => {
  await millwright("train trial --data . --out run --seed 1");
  expect((await millwright("train trial --data nowhere --out run")).stderr).toMatch(/run: holds a finished study/);
});

test("the model is that of the first case and seed, whichever ends first", async () => {
  let second = () => {};
  const ended = new Promise<void>((resolve) => (second = resolve));
  await millwright("train trial --data . --out run", async (unit) => {
    if (unit === "one1") await ended;
    else if (unit === "one2") second();
  }, { threads: 2 });
  expect(readFileSync(join(root, "run/scores.jsonl"), "utf8")).toMatch(/^\{"case":"two","seed":1/);
  expect(readFileSync(join(root, "run/model.onnx"), "utf8")).toBe("onnx one1");
});

test("commands that expect a run name the study in its folder and what to do; export makes the ONNX of its model", async () => {
  await millwright("train trial --data . --out run");
  await millwright("train trial --data . --out half", (unit, interrupt) => unit === "two1" && interrupt());
  for (const folder of ["run", "half"]) {
    for (const [line, message] of [
      [`evaluate ${folder} --data .`, /holds the study trial, not one run; its models are judged on all test data already: see report\.html/],
      [`plan ${folder}`, new RegExp(`^millwright: ${folder}: holds the study trial, which trains several models; give the one it left: ${folder}/model\\.safetensors$`, "m")],
      [`train both --data . --from ${folder}`, /holds the study trial, not one run; --from expects a run, made with: millwright train <task>, without --seeds/],
    ] as const) {
      const { code, stderr } = await millwright(line);
      expect({ code, lines: stderr.trim().split("\n").length }, line).toEqual({ code: 2, lines: 1 });
      expect(stderr, line).toMatch(message);
    }
  }
  expect(await millwright("export run --onnx here.onnx")).toMatchObject({ code: 0, stderr: "" });
  expect(readFileSync(join(root, "here.onnx"), "utf8")).toBe("made of checkpoint one1");
  expect((await millwright("export half --onnx here.onnx")).stderr).toMatch(/half: the study trial is not finished; resume it with: millwright train trial … --out/);
  rmSync(join(root, "run/model.safetensors"));
  expect((await millwright("export run --onnx here.onnx")).stderr).toMatch(/run: the study trial left no model, only scores/);
});

test("help names a study's default folder, and says once that studies need data", async () => {
  const { stdout } = await millwright("train --help");
  expect(stdout.replace(/\s+/g, " ")).toContain("of a study runs/<study> or runs/<study>-<subset>; where that is taken, …-2, …-3)");
  for (const { summary } of studies) expect(summary).not.toMatch(/needs --data|\b24\b/);
});

test("a mean of cases is printed with its interval, and where that comes from", () => {
  const measures = [{ name: "mae", title: "MAE", meaning: "mean error", unit: "h", digits: 1, better: "lower" }] as const;
  const units = ["one", "two", "three", "four"].map((name, at) => ({ case: name, seed: 1, seconds: 1, scores: [{ case: name, model: "GRU", way: "federated" as const, factory: ALL, samples: 7, figures: { mae: 1 + at } }] }));
  const text = formatEvidence(evidenceOf({ name: "trial", summary: "", origin: "", seeds: [1], linear: [], measures, targets: () => [], cases: async () => [] }, undefined, units));
  expect(text).toMatch(/mean of cases +GRU +federated +28 +2\.5 +1\.\d to 3\.\d †\n/);
  expect(text).toMatch(/\n† From resampled cases: what a mean of other such cases might be\.\n$/);
});
