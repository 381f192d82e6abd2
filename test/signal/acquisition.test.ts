/** The program of docs/acquisition.md, as it stands there, on the built package. Needs `npm run build`. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

test("the example of the page runs, and does what the page says", () => {
  const program = /```js\n([^]*?)```/.exec(readFileSync(`${root}/docs/acquisition.md`, "utf8"))![1];
  expect(program.trimEnd().split("\n").length).toBeLessThanOrEqual(40);
  // The package by its own name, as from outside.
  const printed = execFileSync(process.execPath, ["--input-type=module"], { cwd: root, input: program, encoding: "utf8" }).trimEnd().split("\n");
  const windows = printed.slice(0, -1).map((line) => line.split(" "));
  expect(windows).toHaveLength(30);
  windows.forEach(([second, rms], n) => {
    expect(Number(second)).toBe(n);
    expect(Number(rms)).toBeCloseTo(Math.SQRT1_2, 3);
  });
  for (let n = 0; n < 29; n++) expect(Number(windows[n][2])).toBeCloseTo(41 + (n + 0.99) / 10, 1);
  expect(windows.map(([, , , marks]) => marks)).toEqual(windows.map((_, n) => (n === 20 ? "0050" : "0000")));
  expect(printed.at(-1)).toBe("vibration 768000 0 0, current 30000 0 0, pressure 299 1 1, temperature 30 0 0");
});
