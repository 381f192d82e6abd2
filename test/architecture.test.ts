/**
 * The rooms of ARCHITECTURE.md, held against the imports: who may know whom, what may be named where.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
/** Files below a folder whose names match, in order; an example that was tried has installed and built more there. */
const files = (folder: string, pattern = /\.ts$/) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name)).filter((name) => pattern.test(name) && !/\/(node_modules|dist)\//.test(name)).sort();
const read = (file: string) => readFileSync(join(root, file), "utf8");

/** What each room of src/ may import, itself apart; with `types`, only types from there. */
const ROOMS: Record<string, { from?: string[]; types?: string[]; packages?: string[] }> = {
  kernels: { packages: ["#wasm", "@assemblyscript/loader", "seedrandom"] },
  signal: { from: ["kernels"] },
  data: { from: ["kernels", "signal"], packages: ["hyparquet"] },
  model: { from: ["kernels"], packages: ["zod"] },
  federation: { from: ["kernels"], packages: ["zod"] },
  onnx: { types: ["model", "data"], packages: ["@bufbuild/protobuf"] },
  tasks: { from: ["kernels", "signal", "data", "model", "federation", "onnx"], packages: ["zod"] },
};
/** What crosses a room's wall beside the table: layout and shapes are the model's format, and the export writes it. */
const EXCEPTIONS = ["src/onnx/export.ts -> src/model/layout.ts", "src/onnx/export.ts -> src/model/shape.ts"];
/** The files that know Node and may import everything. */
const isNode = (file: string) => /^src\/(cli\/|node\/|node\.ts|nats\/|nats\.ts)/.test(file);

interface Import { file: string; target: string; typeOnly: boolean }

function importsOf(file: string): Import[] {
  const pattern = /(?:^|\n)\s*(?:import|export)\s+(type\s+)?([^;"']*?from\s+)?["']([^"']+)["']/g;
  const dynamic = /\bimport\(\s*["']([^"']+)["']\s*\)/g;
  const source = read(file);
  return [
    ...[...source.matchAll(pattern)].map(([, type, names, target]) => ({
      file, target, typeOnly: Boolean(type) || /^\{(\s*type\s+\w+\s*,?)+\s*\}/.test(names ?? ""),
    })),
    ...[...source.matchAll(dynamic)].map(([, target]) => ({ file, target, typeOnly: false })),
  ];
}

const room = (file: string) => (file.split("/").length > 2 ? file.split("/")[1] : "");
const sources = files("src");

describe("architecture", () => {
  test("no room imports a later one, or a package it has no business with", () => {
    const wrong: string[] = [];
    for (const { file, target, typeOnly } of sources.filter((file) => !isNode(file) && room(file) !== "").flatMap(importsOf)) {
      const rules = ROOMS[room(file)];
      if (!rules) throw new Error(`${file}: the table has no room "${room(file)}"`);
      const line = `${file} -> ${target.startsWith(".") ? relative(root, join(root, dirname(file), target)) : target}`;
      if (EXCEPTIONS.includes(line)) continue;
      if (!target.startsWith(".")) {
        if (!(rules.packages ?? []).some((name) => target === name || target.startsWith(`${name}/`))) wrong.push(line);
        continue;
      }
      const to = room(relative(root, join(root, dirname(file), target)));
      const allowed = [room(file), ...(rules.from ?? []), ...(typeOnly ? (rules.types ?? []) : [])];
      if (!allowed.includes(to)) wrong.push(line);
    }
    expect(wrong).toEqual([]);
  });

  test("a kernel imports only the vocabulary, activations, products and their panels", () => {
    const wrong = files("assembly").filter((file) => !["assembly/index.ts", "assembly/signal.ts"].includes(file)).flatMap(importsOf)
      .filter(({ target }) => !["./simd", "./activation", "./gemm", "./gates"].includes(target)).map(({ file, target }) => `${file} -> ${target}`);
    expect(wrong).toEqual([]);
  });

  /** Lines of code, not of comments, that match. */
  const offending = (among: string[], pattern: RegExp) =>
    among.flatMap((file) => {
      const code = read(file).replace(/\/\*[^]*?\*\/|(^|\s)\/\/.*/g, "");
      return code.split("\n").filter((line) => pattern.test(line)).map((line) => `${file}: ${line.trim()}`);
    });
  const portable = sources.filter((file) => !isNode(file));

  test("only the command line and src/node.ts know Node", () => {
    const everywhere = [...portable, ...sources.filter((file) => /^src\/nats(\/|\.)/.test(file))]; // browsers reach brokers, too
    expect(offending(everywhere, /["']node:|\bprocess\.\w|\bBuffer\b|\b__dirname\b/)).toEqual([]);
  });

  test("nothing that feeds a model, a data set or a hash uses mathematics that differs between engines, or a clock", () => {
    expect(offending(portable, /Math\.(exp|log|log2|log10|log1p|expm1|sin|cos|tan|tanh|sinh|cosh|asin|acos|atan|atan2|pow|cbrt|hypot|random)\b/)).toEqual([]);
    // One measures how long a run takes, the other is the clock that is handed in.
    const untimed = portable.filter((file) => !["src/tasks/run.ts", "src/federation/clock.ts"].includes(file));
    expect(offending(untimed, /Date\.now|performance\.now|new Date\b/)).toEqual([]);
  });

  test("names are nouns of the field", () => {
    const forbidden = /^(utils?|commons?|helpers?|core|lib|types|misc|manager)$/;
    for (const file of [...sources, ...files("assembly"), ...files("test")]) {
      for (const part of file.replace(/(\.test|\.d)?\.ts$/, "").split("/")) expect(part, file).not.toMatch(forbidden);
    }
    for (const file of [...sources, ...files("assembly")]) expect(file).toMatch(/\/[a-z0-9]+(\.d)?\.ts$/);
  });

  test("nothing names the machine it was written on", () => {
    for (const file of [...sources, ...files("assembly", /\.(ts|js)$/), ...files("test"), ...files("docs", /\.md$/), ...files("examples"), "README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md"]) {
      if (file === "test/architecture.test.ts") continue;
      expect(/\/(home|root|Users)\/|https?:\/\/registry\./.test(read(file)), file).toBe(false);
    }
  });
});
