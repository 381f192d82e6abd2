/** What `npm run test:runtimes` checks in every runtime, for the one that runs the tests. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const expected = JSON.parse(readFileSync(here("expected.json"), "utf8"));

/** The program's hash, and nothing of its time. */
function hashOf(variant: { build: string; threads: number; workers: number[] }): string {
  const answer = execFileSync(process.execPath, [here("terminal.js"), JSON.stringify({ ...variant, seconds: 0 })], { encoding: "utf8" });
  return JSON.parse(answer).hash;
}

// A change of the kernels' arithmetic changes these: npm run test:runtimes -- --update
test("this runtime computes the committed bits, with one thread and with two", () => {
  expect(hashOf({ build: "simd", threads: 1, workers: [1] })).toBe(expected.simd);
  expect(hashOf({ build: "simd", threads: 2, workers: [3] })).toBe(expected.simd);
});
