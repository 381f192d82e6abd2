/**
 * The examples, held against the built package: short, importing only what there is, and doing what they say. In
 * Deno and Bun they run where those are installed; what they share with Node runs here. Needs `npm run build`.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { afterAll, beforeAll, expect, test } from "vitest";
import { inspectOnnx } from "../src/onnx/inspect.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const programs = ["examples/federation.js", "examples/deno.ts", "examples/bun.ts", "examples/browser/main.ts", "examples/browser/factory.ts"];

/** One file of JavaScript, the package in it. A name that the package does not export is an error. */
async function bundle(program: string): Promise<string> {
  const build = await rolldown({
    input: join(root, program),
    platform: "neutral",
    resolve: { alias: { millwright: join(root, "build/index.js") } },
    onLog: (level, log) => { throw new Error(`${program}: ${level}: ${log.message}`); },
  });
  const { output } = await build.generate({ format: "esm", codeSplitting: false });
  return output[0].code;
}

/** Deno's names in the words of Node: a file, and a server on a free port, which the system chooses before anything else runs. */
const DENO_ON_NODE = `
import { createServer } from "node:http";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
let handle;
const server = createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  const reply = await handle({ bytes: async () => new Uint8Array(Buffer.concat(parts)) });
  response.end(new Uint8Array(await reply.arrayBuffer()));
}).listen(0, "127.0.0.1");
await once(server, "listening");
globalThis.Deno = {
  writeFile,
  serve(options, handler) {
    handle = handler;
    return { addr: server.address(), shutdown: async () => { server.closeAllConnections(); server.close(); } };
  },
};
`;

let folder: string;
beforeAll(() => { folder = mkdtempSync(join(tmpdir(), "millwright-")); });
afterAll(() => rmSync(folder, { recursive: true }));

test.each(programs)("%s finds what it imports", async (program) => {
  expect(await bundle(program)).not.toContain('from "millwright"');
});

test("each is a page to read: at most 60 lines", () => {
  const files = readdirSync(join(root, "examples"), { recursive: true, encoding: "utf8" }).filter((name) => /\.(js|ts|html|css)$/.test(name) && !/(^|\/)(node_modules|dist)\//.test(name));
  expect(files.length).toBeGreaterThan(programs.length);
  for (const file of files) expect(readFileSync(join(root, "examples", file), "utf8").trimEnd().split("\n").length, file).toBeLessThanOrEqual(60);
});

test("the programs of all runtimes train the same model", () => {
  const facts = (file: string) => {
    const text = readFileSync(join(root, "examples", file), "utf8").replace(/^export /gm, "");
    return [/steps: \d+, features: \d+/, /classes: \[.*?\]/, /layers: \[.*\]/, /rounds = \d+/, /const training = .*/].map((pattern) => text.match(pattern)?.[0]);
  };
  expect(facts("deno.ts")).not.toContain(undefined);
  expect(facts("bun.ts")).toEqual(facts("deno.ts"));
  expect(facts("browser/federation.ts")).toEqual(facts("deno.ts"));
});

test("one round of examples/deno.ts, on Node, learns and leaves a model", async () => {
  const code = await bundle("examples/deno.ts");
  expect(code).toContain("const rounds = 6;");
  writeFileSync(join(folder, "names.mjs"), DENO_ON_NODE);
  writeFileSync(join(folder, "deno.mjs"), `import "./names.mjs";\n${code.replace("const rounds = 6;", "const rounds = 1;")}`);
  checkRun(execFileSync(process.execPath, ["deno.mjs"], { cwd: folder, encoding: "utf8" }), 1);
});

test("examples/vibration.js joins features and raw values, and tells most new windows right", () => {
  const printed = execFileSync(process.execPath, [join(root, "examples/vibration.js")], { encoding: "utf8" });
  expect(Number(printed.match(/: (\d+) % of new windows right\n$/)?.[1])).toBeGreaterThanOrEqual(85);
});

const isInstalled = (runtime: string) => spawnSync(runtime, ["--version"]).status === 0;
test.skipIf(!isInstalled("deno"))("examples/deno.ts runs in Deno with the permissions it names", () => {
  const program = join(root, "examples/deno.ts");
  const permissions = readFileSync(program, "utf8").match(/deno run (.*) examples\/deno\.ts/)![1].split(" ");
  checkRun(execFileSync("deno", ["run", ...permissions, program], { cwd: folder, encoding: "utf8" }), 6);
});
test.skipIf(!isInstalled("bun"))("examples/bun.ts runs in Bun", () => {
  checkRun(execFileSync("bun", [join(root, "examples/bun.ts")], { cwd: folder, encoding: "utf8" }), 6);
});

/** A line a round, a row a factory, and a model whose hash is the one that was printed. */
function checkRun(printed: string, rounds: number): void {
  expect(printed.match(/^round \d: (\d+(\.\d)? % +){3}184 kB$/gm)).toHaveLength(rounds);
  for (const id of ["factory-1", "factory-2", "factory-3"]) expect(printed).toContain(id);
  const sha256 = printed.match(/wrote model\.onnx, parameters ([0-9a-f]{64})\n$/)?.[1];
  const { inputs, outputs, metadata } = inspectOnnx(readFileSync(join(folder, "model.onnx")));
  expect([inputs[0].shape, outputs[0].shape]).toEqual([["batch", 100, 8], ["batch", 4]]);
  expect(metadata).toMatchObject({ sha256, rounds: String(rounds) });
}
