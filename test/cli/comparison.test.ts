import { expect, test } from "vitest";
import { formatComparison } from "../../src/cli/comparison.ts";
import { fakeSummary } from "./fake.ts";

test("a task judged on each factory's own windows gets one table of factories", () => {
  const text = formatComparison(fakeSummary("condition", 3));
  expect(text).toMatch(/^accuracy, each factory's own test windows /);
  expect(text).not.toContain("all factories'");
});

test("a task judged on all factories' windows gets that table first, and the one on own windows behind it", () => {
  const text = formatComparison(fakeSummary("turbofan", 3));
  expect(text).toMatch(/^RMSE, all factories' test windows /);
  const [, own] = text.split("RMSE, each factory's own test windows");
  expect(own).toMatch(/\s31\.00\s+17\.00\s+16\.00\n/); // the first factory's own figures
  expect(own).not.toMatch(/\s24\.00\s+15\.60\s+15\.10\n/);
});

test("every row of a table has the length of its rule", () => {
  for (const table of formatComparison(fakeSummary("turbofan", 3)).trimEnd().split("\n\n")) {
    const lines = table.split("\n").filter((line) => line.trim() !== "");
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(lines[1].length);
  }
});
