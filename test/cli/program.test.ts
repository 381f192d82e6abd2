import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Engine } from "../../src/cli/engine.ts";
import { main } from "../../src/cli/program.ts";
import type { Prepared, RunConfig, RunHooks, RunOptions } from "../../src/tasks/run.ts";
import { classification, fakeConfig, fakeSummary, record, type Kind } from "./fake.ts";

const ROUNDS = 4;
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const encode = (value: string) => new TextEncoder().encode(value);

let root: string;
beforeEach(() => void (root = mkdtempSync(join(tmpdir(), "millwright-"))));
afterEach(() => rmSync(root, { recursive: true }));

interface Plan {
  /** What happens when that round is about to be trained. */
  readonly before?: { readonly round: number; readonly act: (interrupt: () => void) => void };
  readonly resolve?: (options: Parameters<Engine["resolve"]>[0]) => void;
}

/** A federation whose parameters after a round are the text of all rounds before it. */
function fakeEngine(plan: Plan, interrupt: () => void, seen: { closed: number; workers: number[]; pools: unknown[] }): Engine {
  return {
    tasks: (["condition", "turbofan"] as const).map((name) => ({
      name,
      summary: `about ${name}`,
      needsData: name === "turbofan",
      schedule: { factories: 5, rounds: ROUNDS, localEpochs: 3, batch: 32 },
    })),
    studies: [],
    resolve: async (options: RunOptions) => {
      plan.resolve?.(options);
      return { config: { ...fakeConfig(options.task as Kind, options.rounds ?? ROUNDS, options.seed), compare: options.compare } } as Prepared;
    },
    run: async ({ config }: Prepared, { onProgress, resume }: RunHooks) => {
      const { task, rounds, seed } = config as RunConfig & { task: Kind };
      let parameters = resume ? text(resume.checkpoint) : `seed ${seed}`;
      onProgress?.({ kind: "phase", name: "federated" });
      for (let round = (resume?.round ?? 0) + 1; round <= rounds; round++) {
        if (plan.before?.round === round) plan.before.act(interrupt);
        await new Promise((resolve) => setTimeout(resolve, 0));
        parameters += `, ${round}`;
        onProgress?.({ kind: "round", record: record(task, round, rounds, seed), checkpoint: encode(parameters) });
      }
      return { summary: { ...fakeSummary(task, rounds, seed) }, checkpoint: encode(parameters), onnx: encode(`onnx of ${parameters}`) };
    },
    evaluateRun: async (checkpoint: Uint8Array, config: RunConfig) => ({
      metrics: classification(0.9),
      factories: [{ id: `${config.task} ${text(checkpoint)}`, metrics: classification(0.8) }],
    }),
    exportRun: (checkpoint: Uint8Array) => encode(`onnx of ${text(checkpoint)}`),
    inspectOnnx: (bytes: Uint8Array) => {
      if (text(bytes) !== "onnx") throw new RangeError("not an ONNX model");
      return { opset: 17 };
    },
    formatInspection: () => "opset 17",
    loadOnnxRunner: async () => undefined,
    folderSource: (folder: string) => Object.assign(async () => undefined, { place: folder }),
    threadPool: (workers: number, options?: unknown) => {
      seen.workers.push(workers);
      seen.pools.push(options);
      return { size: workers, close: async () => void seen.closed++ };
    },
  } as unknown as Engine;
}

async function millwright(line: string, plan: Plan = {}) {
  let [stdout, stderr] = ["", ""];
  let interrupt = () => {};
  const seen = { closed: 0, workers: [] as number[], pools: [] as unknown[] };
  const io = {
    stdout: (text: string) => void (stdout += text),
    stderr: (text: string) => void (stderr += text),
    directory: root,
    nowMs: () => 0,
    onInterrupt: (listener: () => void) => void (interrupt = listener),
  };
  const code = await main(line.split(" ").filter(Boolean), io, async () => fakeEngine(plan, () => interrupt(), seen));
  return { code, stdout, stderr, ...seen };
}

const read = (path: string) => readFileSync(join(root, path), "utf8");
const files = ["config.json", "model.onnx", "model.safetensors", "report.html", "rounds.jsonl", "summary.json"];
const interruption = (round: number): Plan => ({ before: { round, act: (interrupt) => interrupt() } });

describe("train", () => {
  test("prints a line a round, both tables and the files, and leaves a whole run folder", async () => {
    const { code, stdout, stderr, closed, workers } = await millwright("train condition --compare --workers 3");
    expect({ code, stderr, closed, workers }).toEqual({ code: 0, stderr: "", closed: 1, workers: [3] });
    expect(stdout.match(/^ *\d\/4 /gm)).toHaveLength(ROUNDS);
    expect(stdout).toMatch(/^Freiberg \(held out\) +0 +400 +52\.0 % +84\.2 % +86\.1 %$/m);
    expect(stdout).toMatch(/^worst factory +71\.0 % +88\.5 % +90\.0 %$/m);
    expect(stdout).toMatch(/^federated +2,000 +90\.3 % +95\.3 % +3\.9 % +89\.5 %$/m);
    for (const file of files) expect(stdout).toContain(`\n${file} `);
    expect(stdout).toMatch(/\nwall time \d+ s\n$/);
    expect(readdirSync(join(root, "runs/condition-seed1")).sort()).toEqual(files);
    expect(JSON.parse(read("runs/condition-seed1/summary.json"))).toEqual(fakeSummary("condition", ROUNDS));
    expect(JSON.parse(read("runs/condition-seed1/config.json")).compare).toBe(true);
    expect(read("runs/condition-seed1/rounds.jsonl").trimEnd().split("\n").map((line) => JSON.parse(line).round)).toEqual([1, 2, 3, 4]);
    expect(read("runs/condition-seed1/model.onnx")).toBe("onnx of seed 1, 1, 2, 3, 4");
    expect(read("runs/condition-seed1/report.html")).toContain("90.3 %");
  });

  test("with --json, stdout is the summary and nothing else", async () => {
    const { stdout, stderr } = await millwright("train condition --json");
    expect(JSON.parse(stdout)).toEqual(JSON.parse(read("runs/condition-seed1/summary.json")));
    expect(stderr).toContain("4/4");
  });

  test("options reach the task, and only those that were given", async () => {
    mkdirSync(join(root, "data"));
    let options;
    await millwright("train turbofan --data data --factories 3 --rounds 2 --local-epochs 4 --batch 8 --seed 9 --subset FD002 --build relaxed --out x", { resolve: (given) => void (options = given) });
    expect(options).toEqual({ task: "turbofan", factories: 3, rounds: 2, localEpochs: 4, batch: 8, seed: 9, subset: "FD002", build: "relaxed", compare: false });
    await millwright("train condition", { resolve: (given) => void (options = given) });
    expect(options).toEqual({ task: "condition", seed: 1, compare: false });
  });

  test("blocks of time are the workers' business: they are not part of what makes a run", async () => {
    let options;
    const { code, stderr } = await millwright("train condition --out a --block 25", { ...interruption(3), resolve: (given) => void (options = given) });
    expect(code).toBe(130);
    expect(options).toEqual({ task: "condition", seed: 1, compare: false });
    expect(stderr).toContain("resume with: millwright train condition --block 25 --seed 1 --out a\n");
    const resumed = await millwright("train condition --out a");
    expect(resumed).toMatchObject({ code: 0, pools: [{ blockSteps: undefined }] });
    expect((await millwright("train condition --block 25")).pools).toEqual([{ blockSteps: 25 }]);
  });

  test("without --out, a finished run is left alone", async () => {
    await millwright("train condition");
    await millwright("train condition");
    await millwright("train condition --compare");
    expect(readdirSync(join(root, "runs")).sort()).toEqual(["condition-seed1", "condition-seed1-2", "condition-seed1-3"]);
  });

  test("a finished or foreign folder in --out is refused before the data is read", async () => {
    await millwright("train condition --out here");
    const before = read("here/summary.json");
    const resolve = () => expect.unreachable();
    const finished = await millwright("train condition --out here", { resolve });
    expect(finished).toMatchObject({ code: 2, stdout: "", stderr: "millwright: here: holds a finished run; give another --out, or remove the folder to run anew\n" });
    expect(read("here/summary.json")).toBe(before);
    writeFileSync(join(root, "thesis.tex"), "");
    const foreign = await millwright("train condition --out .", { resolve });
    expect(foreign.code).toBe(2);
    expect(foreign.stderr).toMatch(/^millwright: \.: holds \S+, which is not of a run; .*--out\n$/);
  });
});

describe("an interrupted run", () => {
  test("leaves its rounds, says how to go on, and ends as an uninterrupted one, byte for byte", async () => {
    const { code, stderr, closed } = await millwright("train condition --out a --seed 3", interruption(3));
    expect({ code, closed }).toEqual({ code: 130, closed: 1 });
    expect(stderr).toBe("millwright: interrupted after round 2; resume with: millwright train condition --seed 3 --out a\n");
    expect(readdirSync(join(root, "a")).sort()).toEqual(["checkpoint-2.safetensors", "config.json", "rounds.jsonl"]);

    const resumed = await millwright(stderr.split("resume with: millwright ")[1].trim());
    expect(resumed.stdout).toContain("resuming a after round 2");
    expect(resumed.stdout).not.toMatch(/^ *2\/4 /m);
    await millwright("train condition --out b --seed 3");
    for (const file of files) expect(read(`a/${file}`)).toBe(read(`b/${file}`));
  });

  test("is found again without --out, unless its configuration was another", async () => {
    await millwright("train condition", interruption(2));
    await millwright("train condition --rounds 3");
    expect(readdirSync(join(root, "runs/condition-seed1"))).toContain("checkpoint-1.safetensors");
    expect(readdirSync(join(root, "runs/condition-seed1-2"))).toContain("summary.json");
    const { stdout } = await millwright("train condition");
    expect(stdout).toContain("resuming runs/condition-seed1 after round 1");
  });

  test("is not mixed with another configuration", async () => {
    await millwright("train condition --out a", interruption(3));
    const before = readdirSync(join(root, "a")).map((name) => [name, read(`a/${name}`)]);
    const { code, stderr } = await millwright("train condition --out a --seed 2 --compare");
    expect(code).toBe(2);
    expect(stderr).toMatch(/^millwright: a: holds an interrupted run of another configuration \(seed is 1 there and 2 here; compare is false there and true here\); .*\n$/);
    expect(readdirSync(join(root, "a")).map((name) => [name, read(`a/${name}`)])).toEqual(before);
  });

  test("that completed no round leaves nothing behind", async () => {
    const { code, stderr } = await millwright("train condition", interruption(1));
    expect(code).toBe(130);
    expect(stderr).toContain("nothing was written");
    expect(readdirSync(root)).toEqual([]);
  });
});

describe("refusals are one line, exit with 2 and leave nothing behind", () => {
  const refused = async (line: string, expected: RegExp, plan?: Plan) => {
    const { code, stdout, stderr } = await millwright(line, plan);
    expect(stderr).toMatch(expected);
    expect(stderr).toMatch(/^millwright: /);
    expect(stderr).not.toMatch(/^ +at /m);
    expect({ code, stdout, left: readdirSync(root) }).toEqual({ code: 2, stdout: "", left: [] });
  };

  test.each([
    ["train steam", /'steam' is invalid.*condition, turbofan/],
    ["train", /missing required argument 'task'/],
    ["train condition --round 3", /unknown option '--round'\n.*--rounds/s],
    ["trian condition", /unknown command 'trian'\n.*train/s],
    ["train condition --rounds 0", /--rounds.*'0' is invalid.*integer from 1/],
    ["train condition --rounds 1e3", /integer from 1/],
    ["train condition --factories -2", /integer from 1/],
    ["train condition --batch 2.5", /integer from 1/],
    ["train condition --seed 4294967296", /integer from 0 to 4294967295/],
    ["train condition --build fast", /--build <NAME>.* Allowed choices are simd, relaxed/],
    ["train condition --workers 65", /integer from 1 to 64/],
    ["train condition extra", /too many arguments/],
    ["train turbofan --data nowhere", /nowhere: no such folder; --data/],
    ["evaluate nowhere", /expected the folder of a run/],
    ["export nowhere", /required option '--onnx <FILE>' not specified/],
    ["export nowhere --onnx x.onnx", /expected the folder of a run/],
    ["inspect nowhere.onnx", /ENOENT.*nowhere\.onnx/],
  ])("%s", (line, expected) => refused(line, expected));

  test("what a reader says", () =>
    refused("train condition", /^millwright: train_FD001\.txt:17: expected 26 columns, got 25\n$/, {
      resolve: () => {
        throw new RangeError("train_FD001.txt:17: expected 26 columns, got 25");
      },
    }));

  test("what is found before the first round is complete", () =>
    refused2("train condition", /update of wrong length/, {
      before: {
        round: 1,
        act: () => {
          throw new RangeError("round 1, client A: update of wrong length");
        },
      },
    }));

  const refused2 = async (line: string, expected: RegExp, plan: Plan) => {
    const { code, stderr, closed } = await millwright(line, plan);
    expect(stderr).toMatch(expected);
    expect({ code, closed, left: readdirSync(root) }).toEqual({ code: 2, closed: 1, left: [] });
  };
});

test("a fault of ours exits with 1 and shows where", async () => {
  const { code, stderr } = await millwright("train condition", { resolve: () => void (undefined as any).length });
  expect(code).toBe(1);
  expect(stderr).toMatch(/Cannot read properties of undefined.*\n +at /);
  const plain = await millwright("train condition", {
    resolve: () => {
      throw new Error("unreachable state");
    },
  });
  expect(plain.code).toBe(1);
});

test("--help and --version exit with 0 and print to stdout", async () => {
  const help = await millwright("train --help");
  expect(help).toMatchObject({ code: 0, stderr: "" });
  expect(help.stdout).toMatch(/--local-epochs <E>/);
  expect(help.stdout).toMatch(/turbofan +about turbofan\n.*--rounds 4/);
  const version = await millwright("--version");
  expect(version.code).toBe(0);
  expect(version.stdout).toBe(`${JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")).version}\n`);
});

describe("a finished run", () => {
  beforeEach(async () => void (await millwright("train condition --out run")));

  test("is evaluated", async () => {
    const { code, stdout, closed } = await millwright("evaluate run");
    expect({ code, closed }).toEqual({ code: 0, closed: 1 });
    expect(stdout).toMatch(/^condition seed 1, 1, 2, 3, 4 +400 +80\.0 %/m);
    expect(stdout).toMatch(/^all +400 +90\.0 %/m);
    expect(JSON.parse((await millwright("evaluate run --json")).stdout).metrics.accuracy).toBe(0.9);
  });

  test("is exported, over an older file too", async () => {
    writeFileSync(join(root, "m.onnx"), "old");
    expect(await millwright("export run --onnx m.onnx")).toMatchObject({ code: 0, stdout: "m.onnx: 26 B\n" });
    expect(read("m.onnx")).toBe("onnx of seed 1, 1, 2, 3, 4");
    expect((await millwright("export run --onnx no/m.onnx")).stderr).toContain("no/m.onnx: no such folder");
    expect(existsSync(join(root, "no"))).toBe(false);
  });

  test("that is not finished is neither", async () => {
    await millwright("train condition --out half", interruption(2));
    const { code, stderr } = await millwright("evaluate half");
    expect(code).toBe(2);
    expect(stderr).toMatch(/half: the run is not finished; resume it/);
  });
});

test("an ONNX file is inspected, and another file refused", async () => {
  writeFileSync(join(root, "m.onnx"), "onnx");
  expect(await millwright("inspect m.onnx")).toMatchObject({ code: 0, stdout: "opset 17\n" });
  expect(JSON.parse((await millwright("inspect m.onnx --json")).stdout)).toEqual({ opset: 17 });
  writeFileSync(join(root, "m.onnx"), "text");
  expect(await millwright("inspect m.onnx")).toMatchObject({ code: 2, stderr: "millwright: m.onnx: not an ONNX model\n" });
});
