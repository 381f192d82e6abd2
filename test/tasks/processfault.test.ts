import { describe, expect, test } from "vitest";
import type { Source } from "../../src/data/source.ts";
import { CHANNELS, FAULTS } from "../../src/data/tep.ts";
import { random } from "../../src/kernels/random.ts";
import { decodeCheckpoint } from "../../src/model/checkpoint.ts";
import { exportRun } from "../../src/tasks/artefact.ts";
import { processFault } from "../../src/tasks/processfault.ts";
import { inlinePool } from "../../src/tasks/pool.ts";
import { ALL, type CaseResult } from "../../src/tasks/study.ts";
import { idlePool } from "./sources.ts";

/** Rows of 52 variables that five hidden ones drive; a fault shifts one of the variables. */
function rows(count: number, seed: number, shift = 0): string {
  const { normal } = random(seed, "plant");
  return Array.from({ length: count }, () => {
    const hidden = Array.from({ length: 5 }, normal);
    return CHANNELS.map((_, channel) => 100 * channel + hidden[channel % 5] + 0.3 * normal() + (channel === seed ? shift : 0)).join(" ");
  }).join("\n");
}
/** Fault 1 shifts a variable, fault 2 nothing. */
const files: Record<string, string> = {
  "d00.dat": rows(100, 0),
  ...Object.fromEntries(FAULTS.map((fault) => [`d${String(fault).padStart(2, "0")}.dat`, rows(20, fault, fault === 1 ? 20 : 0)])),
};
/** In test runs a fault begins behind 160 rows; that of fault 1 is the same one. */
const tests: Record<string, string> = Object.fromEntries([0, ...FAULTS].map((fault) =>
  [`d${String(fault).padStart(2, "0")}_te.dat`, `${rows(160, fault + 100)}\n${rows(800, fault === 1 ? 1 : fault + 200, fault === 1 ? 20 : 0)}`]));
const source: Source = async (path) => (path in files ? new TextEncoder().encode(files[path]) : undefined);

describe("study process-fault", () => {
  test("leaves out the hidden faults unless asked for all", async () => {
    const names = async (subset: string) => (await processFault.cases({ source, subset })).map(({ name }) => name);
    expect(await names("all")).toEqual(FAULTS.map((fault) => `fault ${fault}`));
    expect(await names("observable")).toEqual(FAULTS.filter((fault) => ![3, 9, 15].includes(fault)).map((fault) => `fault ${fault}`));
  });

  test("refuses files that are too short, by name, before anything is computed", async () => {
    const cases = (name: string, count: number) => processFault.cases({ source: async (path) => (path === name ? new TextEncoder().encode(rows(count, 4)) : source(path)), subset: "all" });
    await expect(cases("d04.dat", 1)).rejects.toThrow("d04.dat: expected at least 2 rows, got 1; the file is cut off, get it again");
    await expect(cases("d00.dat", 99)).rejects.toThrow("d00.dat: expected at least 100 rows, got 99");
  });

  test("finds a fault and not its absence; federated is in one place, to the last bit; limits promise less to a factory alone", { timeout: 120_000 }, async () => {
    const cases = await processFault.cases({ source, subset: "observable" });
    const pool = inlinePool();
    const [first, second] = [cases[0], cases[1]].map((one) => one.run({ seed: 1, pool, build: "simd", progress() {} }));
    const of = ({ scores }: CaseResult, way: string) => scores.filter((score) => score.way === way).map(({ model, figures }) => ({ model, figures }));
    for (const result of [await first, await second]) {
      const [federated, centralised] = [of(result, "federated"), of(result, "centralised")];
      expect(federated.map(({ model }) => model)).toEqual(["PCA", "CVA", "CVA + EWMA", "autoencoder + EWMA"]);
      expect(federated.slice(0, 3)).toEqual(centralised.slice(0, 3));
      expect(result.scores.filter(({ way }) => way === "solo")).toHaveLength(15);
      for (const { way, factory } of result.scores) expect(factory === ALL).toBe(way !== "solo");
    }
    for (const { model, figures } of of(await first, "federated").slice(0, 3)) {
      expect(figures.detection, model).toBeGreaterThan(0.85);
      expect(of(await second, "federated").find((other) => other.model === model)!.figures.detection, model).toBeLessThan(0.5);
      const alone = of(await first, "solo").find((other) => other.model === model)!;
      expect(alone.figures.falseAlarmBound).toBeGreaterThan(figures.falseAlarmBound);
    }
    const { spec, metadata } = decodeCheckpoint((await first).model!.checkpoint);
    expect(spec.head).toMatchObject({ type: "forecast" });
    expect(JSON.parse(metadata.alarmLimits)).toHaveLength(4);
    expect(exportRun((await first).model!.checkpoint)).toEqual((await first).model!.onnx);
    expect((await second).model).toBeUndefined();
    // A study that is resumed behind its first seed scores what does not depend on the seed no second time.
    const shares: number[] = [];
    const later = await cases[2].run({ seed: 2, firstSeed: 1, pool: idlePool(), build: "simd", progress: (share) => void shares.push(share) });
    expect(shares).toEqual(Array.from({ length: 62 }, (_, index) => (index + 1) / 62));
    expect([[...new Set(later.scores.map(({ model }) => model))], later.model]).toEqual([["autoencoder + EWMA"], undefined]);
    expect((await first).notes![0]).toMatch(/^CVA \+ EWMA federated alarms on \d+ of 100 held-out rows of normal operation: .* if rows were independent/);
  });

  test("judges test runs from the fault on, and false alarms on the normal run and before the fault", { timeout: 120_000 }, async () => {
    const all = { ...files, ...tests };
    const cases = await processFault.cases({ source: async (path) => (path in all ? new TextEncoder().encode(all[path]) : undefined), subset: "observable" });
    const pool = inlinePool();
    const [first, second] = await Promise.all([cases[0], cases[1]].map((one) => one.run({ seed: 1, pool, build: "simd", progress() {} })));
    const best = ({ scores }: CaseResult) => scores.find(({ model, way }) => model === "CVA + EWMA" && way === "federated")!.figures;
    expect(best(first).testDetection).toBeGreaterThan(0.95);
    expect(best(first).testDelay).toBeLessThan(20);
    expect(best(second).testDetection).toBeLessThan(0.3);
    for (const { figures } of [...first.scores, ...second.scores]) {
      // 960 rows of the normal run, 160 of each other one.
      for (const [rate, count] of [[figures.testFalseAlarmRate, 960], [figures.beforeFalseAlarmRate, 160]]) expect(Math.abs(rate * count - Math.round(rate * count))).toBeLessThan(1e-9);
    }
    expect(best(first).testFalseAlarmRate).toBe(best(second).testFalseAlarmRate);
    expect(first.notes![1]).toMatch(/^CVA \+ EWMA federated alarms on \d+ of 960 rows of the normal test run: /);
    // What is judged without test runs is judged the same.
    const [without] = await processFault.cases({ source, subset: "observable" });
    const plain = await without.run({ seed: 1, pool, build: "simd", progress() {} });
    expect(first.scores).toMatchObject(plain.scores);
    expect(plain.scores.every(({ figures }) => !("testDetection" in figures))).toBe(true);
  });
});
