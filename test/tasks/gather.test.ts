import { describe, expect, test } from "vitest";
import { parseSpec } from "../../src/model/spec.ts";
import { gatherSum } from "../../src/tasks/gather.ts";

describe("gatherSum", () => {
  const spec = parseSpec({ input: { steps: 1, features: 1 }, layers: [{ type: "flatten" }], head: { type: "regress", unit: "" } });

  test("sums the numbers of more factories than a frame holds, and counts the bytes", async () => {
    const parts = new Map(Array.from({ length: 12 }, (_, at) => [`plant-${at}`, new Float64Array(70_000).fill(at)]));
    const { sum, bytes } = await gatherSum(parts, spec);
    expect(sum).toEqual(new Float64Array(70_000).fill(66));
    expect(bytes).toBeGreaterThan(12 * 2 * 70_000 * 8);
  });

  test("ends with the reason when it is aborted", async () => {
    await expect(gatherSum(new Map([["a", new Float64Array(1)]]), spec, AbortSignal.abort(new Error("stopped")))).rejects.toThrow("stopped");
  });
});
