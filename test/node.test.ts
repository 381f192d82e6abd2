/** The built package: worker threads load it as it ships. Needs `npm run build`. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import type * as node from "../src/node.ts";
import { initialParameters } from "../src/model/network.ts";
import { parseSpec } from "../src/model/spec.ts";
import type * as run from "../src/tasks/run.ts";
import { inlinePool } from "../src/tasks/pool.ts";
import { numbers } from "./memory.ts";
import { memorySource, turbofanFiles } from "./tasks/sources.ts";

const path = (name: string) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const built = <Module>(name: string): Promise<Module> => {
  if (!existsSync(path(`build/${name}`))) throw new Error(`build/${name} is not there; run: npm run build`);
  return import(path(`build/${name}`));
};

describe("worker threads", () => {
  test("any number of them gives the same bits as none, in blocks of time too", async () => {
    const { threadPool } = await built<typeof node>("node.js");
    const { resolve, run } = await built<typeof import("../src/tasks/run.ts")>("tasks/run.js");
    const options: run.RunOptions = { task: "turbofan", seed: 5, compare: true, factories: 3, rounds: 2, localEpochs: 1, batch: 16 };
    const prepared = await resolve(options, memorySource(turbofanFiles("FD001")));
    const outcomes = [];
    for (const pool of [inlinePool(), threadPool(1), threadPool(2, { blockSteps: 7 }), threadPool(5)]) {
      const { summary, checkpoint, onnx } = await run(prepared, { pool });
      await pool.close();
      outcomes.push({ summary: { ...summary, wallSeconds: 0 }, checkpoint, onnx });
    }
    for (const outcome of outcomes.slice(1)) expect(outcome).toEqual(outcomes[0]);
  });

  test("they load the build that a job names", async () => {
    const { threadPool } = await built<typeof node>("node.js");
    const { resolve, run } = await built<typeof import("../src/tasks/run.ts")>("tasks/run.js");
    const prepared = await resolve({ task: "turbofan", build: "relaxed", seed: 5, compare: false, factories: 2, rounds: 1, localEpochs: 1, batch: 16 }, memorySource(turbofanFiles("FD001")));
    const pool = threadPool(2);
    const { summary } = await run(prepared, { pool });
    await pool.close();
    expect(summary.build).toBe("relaxed");
    expect(summary.model.sha256).toBe((await run(prepared, { pool: inlinePool() })).summary.model.sha256);
  });

  test("they adapt a model to windows as this thread does", async () => {
    const { threadPool } = await built<typeof node>("node.js");
    const spec = parseSpec({ input: { steps: 3, features: 2 }, layers: [{ type: "normalise", kind: "batch" }, { type: "mean" }], head: { type: "regress", unit: "h" } });
    const job = { kind: "adapt" as const, spec, parameters: initialParameters(spec, 1), inputs: numbers(60, 1) };
    const pool = threadPool(1);
    expect(await pool.adapt(job)).toEqual(await inlinePool().adapt(job));
    await pool.close();
  });

  test("what a job throws in a worker is thrown here, and the pool goes on", async () => {
    const { threadPool } = await built<typeof node>("node.js");
    const pool = threadPool(1);
    const spec = { input: { steps: 2, features: 1 }, layers: [{ type: "attention" as const, size: 2 }], head: { type: "regress" as const, unit: "", scale: 1 } };
    const job = (values: number[]) => ({ kind: "predict" as const, spec, parameters: new Float32Array(9), inputs: Float32Array.from(values) });
    await expect(pool.predict(job([1, 2, 3]))).rejects.toThrow(/whole windows of 2 x 1/);
    expect(await pool.predict(job([1, 2]))).toEqual(Float32Array.of(0));
    await pool.close();
  });

  test("a pool that is closed leaves no job waiting, and takes none", async () => {
    const { threadPool } = await built<typeof node>("node.js");
    const pool = threadPool(1);
    const spec = { input: { steps: 2, features: 1 }, layers: [{ type: "attention" as const, size: 2 }], head: { type: "regress" as const, unit: "", scale: 1 } };
    const job = { kind: "predict" as const, spec, parameters: new Float32Array(9), inputs: new Float32Array(2) };
    const outcomes = Promise.allSettled([pool.predict(job), pool.predict(job)]);
    await pool.close();
    for (const outcome of [...(await outcomes), ...(await Promise.allSettled([pool.predict(job)]))]) {
      expect(outcome).toMatchObject({ status: "rejected", reason: { message: "the pool of workers was closed" } });
    }
  });

  test("files of a folder are read, a missing one is undefined", async () => {
    const { folderSource } = await built<typeof node>("node.js");
    const source = folderSource(path("test"));
    expect(new TextDecoder().decode(await source("node.test.ts"))).toContain("worker threads");
    expect(await source("nothing.txt")).toBeUndefined();
    expect(await source("node.test.ts/nothing.txt")).toBeUndefined();
    await expect(source("data")).rejects.toThrow(/test\/data: expected a file, got a folder; move what is in it/);
    await expect(source("data")).rejects.toThrow(RangeError);
  });
});

describe("the package", () => {
  test("the wasm in the JavaScript is the file that ships beside it", async () => {
    const { binary } = await built<{ binary(): Uint8Array }>("wasm-relaxed.js");
    expect(Buffer.from(binary()).equals(readFileSync(path("build/millwright.relaxed.wasm")))).toBe(true);
    const { defaultBuild } = await built<typeof import("../src/kernels/build.ts")>("kernels/build.js");
    expect(Buffer.from(defaultBuild().binary()).equals(readFileSync(path("build/millwright.wasm")))).toBe(true);
  });

  test("a packed tarball has every file that package.json names, and no sources", () => {
    const [{ files }] = JSON.parse(execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: path("."), encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));
    const packed = files.map((file: { path: string }) => file.path);
    const { bin, exports, imports } = JSON.parse(readFileSync(path("package.json"), "utf8"));
    const named = [...JSON.stringify([bin, exports, imports]).matchAll(/"(?:\.\/)?([^":]+\.(?:js|d\.ts|wasm|json))"(?!:)/g)].map(([, name]) => name);
    expect(named).toContain("build/cli/millwright.js");
    for (const name of [...named, "build/tasks/run.js", "build/federation/orchestrator.js", "LICENSE"]) expect(packed).toContain(name);
    expect(packed.filter((name: string) => /^(src|assembly|test|bench)\/|ceiling/.test(name))).toEqual([]);
  });

  test("the example runs as it stands", () => {
    const printed = execFileSync(process.execPath, [path("examples/federation.js")], { encoding: "utf8" });
    expect(printed).toMatch(/^(8[5-9]|9\d|100) % right in a factory that took no part, model [0-9a-f]{12}\n$/);
    expect(readFileSync(path("examples/federation.js"), "utf8").trimEnd().split("\n").length).toBeLessThanOrEqual(30);
  });
});
