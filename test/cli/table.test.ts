import { expect, test } from "vitest";
import { formatTable } from "../../src/cli/table.ts";

test("words to the left, numbers to the right, a rule for null, no spaces at the ends of lines", () => {
  const table = formatTable(
    [{ title: "factory", align: "left" }, { title: "test" }, { title: "solo" }],
    [["Żyrardów", "5", "71.0 %"], ["B", "1,500", "–"], null, ["mean", "", "9.5 %"]],
  );
  expect(table).toBe(
    [
      "factory    test    solo",
      "────────  ─────  ──────",
      "Żyrardów      5  71.0 %",
      "B         1,500       –",
      "────────  ─────  ──────",
      "mean              9.5 %",
      "",
    ].join("\n"),
  );
});
