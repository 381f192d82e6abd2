import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Engine } from "../../src/cli/engine.ts";
import { main } from "../../src/cli/program.ts";
import { decodeCheckpoint, encodeCheckpoint } from "../../src/model/checkpoint.ts";
import { initialParameters } from "../../src/model/network.ts";
import { blockStepsFor, largestBatch, planOf, predictionBatch } from "../../src/model/plan.ts";
import { parseSpec } from "../../src/model/spec.ts";
import { referenceOf } from "../model/specs.ts";

let root: string;
beforeEach(() => void (root = mkdtempSync(join(tmpdir(), "millwright-"))));
afterEach(() => rmSync(root, { recursive: true }));

const spec = parseSpec(referenceOf(100));
const engine = {
  studies: [],
    tasks: ["condition", "turbofan"].map((name) => ({ name, summary: "", needsData: name === "turbofan", schedule: { factories: 5, rounds: 1, localEpochs: 1, batch: 4 } })),
  resolve: async () => ({ config: { spec } }),
  parseSpec, decodeCheckpoint, planOf, largestBatch, blockStepsFor, predictionBatch,
} as unknown as Engine;

async function millwright(line: string) {
  let [stdout, stderr] = ["", ""];
  const io = {
    stdout: (text: string) => void (stdout += text),
    stderr: (text: string) => void (stderr += text),
    directory: root, nowMs: () => 0, onInterrupt: () => {},
  };
  const code = await main(line.split(" "), io, async () => engine);
  return { code, stdout, stderr };
}

const write = (name: string, content: unknown) => writeFileSync(join(root, name), content instanceof Uint8Array ? content : JSON.stringify(content));

describe("millwright plan", () => {
  test("prints each part's memory, the sum, and the largest batch with and without blocks", async () => {
    write("long.json", referenceOf(10_000));
    const { code, stdout, stderr } = await millwright("plan long.json --batch 16 --block 100");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^training in batches of 16, windows of 10,000 x 8, blocks of 100 steps$/m);
    expect(stdout).toMatch(/^parameters +154,053 +0\.59 +0\.2 %$/m);
    expect(stdout).toMatch(/^optimizer +462,159 +1\.76 +0\.7 %$/m);
    expect(stdout).toMatch(/^0 lstm, borders +608,256 +2\.32 +0\.9 %$/m);
    expect(stdout).toMatch(/^2 lstm, signals +20,480,000 +78\.13 +\d+\.\d %$/m);
    expect(stdout).not.toMatch(/gates +\d/);
    const { bytes } = planOf(referenceOf(10_000), { batch: 16, training: true, blockSteps: 100 });
    expect(stdout).toMatch(new RegExp(`^all +${(bytes / 4).toLocaleString("en-US")} +${(bytes / 2 ** 20).toFixed(2)} +100\\.0 %$`, "m"));
    expect(stdout).toMatch(/^largest batch in 256 MiB/m);
    expect(stdout).toMatch(/^all gates kept +3 +2\d\d\.\d\d$/m);
    expect(stdout).toMatch(/^--block 100: .* +16 +25\d\.\d\d$/m);
    expect(stdout).toMatch(/^prediction, in batches of 4, has \d+\.\d\d MiB of its own$/m);
  });

  test("the parts of the table add up", async () => {
    const { stdout } = await millwright("plan condition --batch 5");
    const floats = [...stdout.split("\n\n")[1].matchAll(/^(.*?) +([\d,]+) +[\d,.]+ +[\d.]+ %$/gm)].map(([, part, count]) => [part, Number(count.replaceAll(",", ""))] as const);
    const all = floats.pop()!;
    expect(all[0]).toBe("all");
    expect(floats.reduce((sum, [, count]) => sum + count, 0)).toBe(all[1]);
  });

  test("with --json, prints the same for programs", async () => {
    const { stdout } = await millwright("plan condition --batch 32 --limit 64 --json");
    const plan = JSON.parse(stdout);
    expect(plan).toMatchObject({ batch: 32, blockSteps: null, limitBytes: 64 * 2 ** 20, bytes: planOf(spec, { batch: 32, training: true }).bytes });
    expect(plan.regions).toContainEqual({ part: "gates", layer: "2 lstm", floats: 100 * 32 * 272 });
    expect(plan.fits).toHaveLength(2);
    for (const { batch, bytes } of plan.fits) {
      expect(batch).toBeGreaterThan(32);
      expect(bytes).toBeLessThanOrEqual(64 * 2 ** 20);
    }
  });

  test("takes a spec from a run, a checkpoint, a file or a task, and says where none fits", async () => {
    const parameters = initialParameters(spec, 1);
    mkdirSync(join(root, "run"));
    write("run/config.json", { task: "condition", spec });
    write("model.safetensors", encodeCheckpoint({ spec, parameters, metadata: {} }));
    write("spec.json", referenceOf(100));
    const plans = await Promise.all(["run", "run/config.json", "model.safetensors", "spec.json", "condition"].map((source) => millwright(`plan ${source}`)));
    for (const plan of plans) expect(plan).toEqual(plans[0]);
    expect((await millwright("plan spec.json --limit 1")).stdout).toMatch(/^all gates kept +0 +–$/m);
  });

  test.each([
    ["plan nowhere.json", /^millwright: nowhere\.json: no such file; SPEC is .* or a task: condition, turbofan\n$/],
    ["plan turbofan", /^millwright: task turbofan: its model depends on the data; give the folder of a run/],
    ["plan empty", /^millwright: empty: no run, it has no config\.json; SPEC is/],
    ["plan text.json", /^millwright: text\.json: expected JSON; /],
    ["plan wrong.json", /^millwright: wrong\.json: model spec: .*"hidden" expected integer >= 1, got 0/],
    ["plan other.safetensors", /^millwright: other\.safetensors: checkpoint: /],
    ["plan spec.json --batch 0", /--batch.*integer from 1/],
    ["plan spec.json --block 1.5", /--block.*integer from 1/],
    ["plan spec.json --limit 5000", /--limit.*integer from 1 to 4096/],
    ["plan vast.json --batch 65536", /"batch" expected at most 1073 for windows of 1000000 steps, got 65536/],
    ["plan", /missing required argument 'SPEC'/],
  ])("%s is refused in one line", async (line, expected) => {
    mkdirSync(join(root, "empty"));
    writeFileSync(join(root, "text.json"), "text");
    write("wrong.json", { ...referenceOf(100), layers: [{ type: "lstm", hidden: 0 }, { type: "last" }] });
    write("other.safetensors", Uint8Array.of(1, 2, 3));
    write("spec.json", referenceOf(100));
    write("vast.json", referenceOf(1_000_000));
    const { code, stdout, stderr } = await millwright(line);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(expected);
  });
});
