/** What a page that trains loads: its weight, and what a strict content security policy would forbid. Needs `npm run build`. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { rolldown, type OutputChunk } from "rolldown";
import { beforeAll, expect, test } from "vitest";

const BUNDLE_BYTES = 60_000;
const WASM_BYTES = 40_000;

const path = (name: string) => fileURLToPath(new URL(`../build/${name}`, import.meta.url));
const names = async (file: string): Promise<string[]> => {
  if (!existsSync(path(file))) throw new Error(`build/${file} is not there; run: npm run build`);
  return Object.keys(await import(path(file)));
};

/** Chunks of a page's module, by name: what it imports is loaded at once, what it imports dynamically later. */
async function bundle(modules: Readonly<Record<string, string>>): Promise<Map<string, OutputChunk>> {
  const build = await rolldown({
    input: "page",
    platform: "browser",
    onLog: (level, log) => { throw new Error(`${level}: ${log.message}`); },
    plugins: [{
      name: "page",
      resolveId: (id) => (id in modules ? `\0${id}` : id === "millwright" ? path("index.js") : null),
      load: (id) => modules[id.slice(1)] ?? null,
    }],
  });
  const { output } = await build.generate({ format: "esm", minify: true });
  return new Map(output.filter((file) => file.type === "chunk").map((chunk) => [chunk.fileName, chunk]));
}

/** The chunks that a page waits for. */
function atOnce(chunks: ReadonlyMap<string, OutputChunk>): OutputChunk[] {
  const files = new Set([...chunks.values()].filter(({ isEntry }) => isEntry).map(({ fileName }) => fileName));
  for (const file of files) for (const imported of chunks.get(file)?.imports ?? []) files.add(imported);
  return [...files].map((file) => chunks.get(file)!);
}

const gzipped = (chunks: Iterable<OutputChunk>) => [...chunks].reduce((sum, { code }) => sum + gzipSync(code, { level: 9 }).length, 0);
const kilobytes = (bytes: number) => `${(bytes / 1000).toFixed(1)} kB`;

/**
 * What a page needs that trains for a factory: everything that the main entry exports, but for ONNX, which a page loads when
 * it is asked for a file, for the readers of published data sets and the simulator of machines, which a page that trains on
 * its own plant's data has no use for, and for the orchestrator's side, which is not in a plant.
 */
let training: string[];
let chunks: Map<string, OutputChunk>;
beforeAll(async () => {
  const onnx = new Set([...(await names("onnx/export.js")), ...(await names("onnx/inspect.js"))]);
  const sets = new Set([...(await names("data/cmapss.js")), ...(await names("data/hydraulic.js")), ...(await names("data/simulator.js"))]);
  const other = new Set(["Orchestrator", "Aggregator", "audit", "Presence", "parseStatus", "openStore", "fedAvg"]);
  training = (await names("index.js")).filter((name) => !onnx.has(name) && !sets.has(name) && !other.has(name));
  chunks = await bundle({ page: `export { ${training.join(", ")} } from "millwright"` });
});

test("the bundle for training and the wasm in it are small", () => {
  const bytes = gzipped(atOnce(chunks));
  const wasm = readFileSync(path("millwright.wasm")).length;
  console.log(`browser bundle for training: ${kilobytes(bytes)} gzip, at most ${kilobytes(BUNDLE_BYTES)}; wasm: ${kilobytes(wasm)}, at most ${kilobytes(WASM_BYTES)}`);
  expect(bytes).toBeLessThanOrEqual(BUNDLE_BYTES);
  expect(wasm).toBeLessThanOrEqual(WASM_BYTES);
});

test("it is whole: it imports nothing of Node and no package", () => {
  for (const { fileName, imports, dynamicImports } of chunks.values()) {
    for (const file of [...imports, ...dynamicImports]) expect([...chunks.keys()], `${fileName} imports ${file}`).toContain(file);
  }
});

test("it makes no code from strings, so that the policy needs no 'unsafe-eval'", () => {
  for (const { code } of chunks.values()) expect(code.match(/\beval\b|\bFunction\b|\b(setTimeout|setInterval)\(["'`]/g)).toBeNull();
  // What a policy forbids a page, V8 forbids here; WebAssembly stays allowed, as by 'wasm-unsafe-eval'.
  const folder = mkdtempSync(join(tmpdir(), "millwright-"));
  try {
    for (const { fileName, code } of chunks.values()) writeFileSync(join(folder, fileName), code);
    const file = join(folder, "page.mjs");
    const [page] = atOnce(chunks);
    writeFileSync(file, `
      import { adam, Model } from "./${page.fileName}";
      const refused = (() => { try { return new Function("return 'code from a string'")(); } catch (error) { return error.name; } })();
      const model = new Model({ input: { steps: 3, features: 1 }, layers: [{ type: "lstm", hidden: 2 }, { type: "last" }], head: { type: "regress", unit: "h" } });
      const { loss } = model.fit({ inputs: new Float32Array(6).fill(1), targets: Float32Array.of(1, 2), count: 2 }, { epochs: 2, batch: 2, learningRate: 0.01, optimizer: adam, clipNorm: 1, loss: {} }, [1]);
      console.log(refused, loss > 0);
    `);
    writeFileSync(join(folder, "package.json"), `{ "type": "module" }`);
    expect(execFileSync(process.execPath, ["--disallow-code-generation-from-strings", file], { encoding: "utf8" })).toBe("EvalError true\n");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("ONNX in a module of its own becomes a chunk of its own", async () => {
  const both = await bundle({
    page: `export { ${training.join(", ")} } from "millwright"; export const onnx = () => import("onnx")`,
    onnx: `export { exportOnnx } from "millwright"`,
  });
  const schema = ({ code }: OutputChunk) => code.includes("opsetImport");
  expect([...both.values()].filter(schema)).toHaveLength(1);
  expect(atOnce(both).filter(schema)).toEqual([]);
  expect(gzipped(atOnce(both))).toBeLessThanOrEqual(BUNDLE_BYTES);
});

test("a bundle with the broker's exchange leaves the transport over TCP out, and says what to do instead", async () => {
  const build = await rolldown({
    input: "page",
    platform: "browser",
    plugins: [{
      name: "page",
      resolveId: (id) => (id === "page" ? "\0page" : null),
      load: (id) => (id === "\0page" ? `export { connectNats, natsExchange } from ${JSON.stringify(path("nats.js"))};` : null),
    }],
  });
  const { output } = await build.generate({ format: "esm" });
  const chunks = output.filter((file) => file.type === "chunk");
  expect(chunks.flatMap(({ imports, dynamicImports }) => [...imports, ...dynamicImports]).filter((name) => /^node:|^@/.test(name))).toEqual([]);
  expect(chunks.some(({ code }) => code.includes("a page has no TCP"))).toBe(true);
});
