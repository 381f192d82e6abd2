import { describe, expect, test } from "vitest";
import type { Source } from "../../src/data/source.ts";
import { readEnergy } from "../../src/data/energy.ts";
import { energy, energyFactories, notesOf } from "../../src/tasks/energy.ts";
import { inlinePool } from "../../src/tasks/pool.ts";
import { energyFile, memorySource } from "./sources.ts";

const source = memorySource({ "Steel_industry_data.csv": energyFile(98) });

describe("energy", () => {
  test("deals whole weeks to three factories that share no target", async () => {
    const record = await readEnergy(source);
    const factories = energyFactories(record, 4, { train: [0, 5000], validation: [4000, 5000], test: [5000, record.count] });
    const weeks = factories.map(({ train, test }) => [train, test].flatMap(({ groups }) => [...new Set(Array.from(groups, (day) => Math.floor(day / 7)))]));
    weeks.forEach((own, factory) => expect(own.every((week) => week % 3 === factory)).toBe(true));
    expect(factories.reduce((sum, { test }) => sum + test.count, 0)).toBe(record.count - 5000);
  });

  test("scores rules, linear models and networks; the federated linear model is the centralised one", { timeout: 60_000 }, async () => {
    const cases = await energy.cases({ source, subset: undefined });
    const pool = inlinePool();
    const { scores, bytes, model } = await cases[2].run({ seed: 1, pool, build: "simd", progress: () => {} });
    await pool.close();
    const all = (name: string, way: string) => scores.find((score) => score.model === name && score.way === way && score.factory === "all")!;
    expect(all("linear", "federated").figures).toEqual(all("linear", "centralised").figures);
    expect(all("network", "federated").figures.mae).toBeLessThan(all("persistence", "rule").figures.mae);
    expect(all("persistence", "rule").samples).toBe(all("network", "solo").samples);
    const [low, high] = all("network", "federated").intervals!.mae;
    expect(low < all("network", "federated").figures.mae && all("network", "federated").figures.mae < high).toBe(true);
    expect([bytes!.linear > 0, bytes!.network > 0]).toEqual([true, true]);
    expect(model!.onnx.length).toBeGreaterThan(0);
  });
});

test.each([2, 30, 60])("refuses %i days before anything is trained, with how many are needed", async (days) => {
  const cases = (days: number) => energy.cases({ source: memorySource({ "Steel_industry_data.csv": energyFile(days) }), subset: undefined });
  const refusal: Error = await cases(days).then(() => undefined!, (error: unknown) => error as Error);
  expect(refusal).toBeInstanceOf(RangeError);
  const needed = /^energy: expected a record of (\d+) days, so that each of 3 factories has .*, got (\d+); give a longer record$/.exec(refusal.message)!;
  expect(needed[2]).toBe(String(days));
  expect(await cases(Number(needed[1]))).toHaveLength(3);
  await expect(cases(Number(needed[1]) - 1)).rejects.toThrow(`expected a record of ${needed[1]} days`);
});

/** The record with a column's values replaced where they are held. */
const held = (column: number, value: (row: number) => string | undefined) => memorySource({ "Steel_industry_data.csv": energyFile(98).split("\n").map((line, at) => {
  const cells = line.split(",");
  const held = at === 0 || line === "" ? undefined : value(at - 1);
  return held === undefined ? line : cells.with(column, held).join(",");
}).join("\n") });

test("a load that never changes is refused, columns that say nothing and stuck meters are told of", async () => {
  const cases = (source: Source) => energy.cases({ source, subset: undefined });
  await expect(cases(held(1, () => "5"))).rejects.toThrow("energy: the load is 5 kWh in all 7526 quarter hours that train, so that there is nothing to forecast");
  const notes = async (source: Source) =>
    notesOf(await readEnergy(source)).filter((line) => !line.startsWith("The leading")); // that is of one value on this plant's Sundays
  expect(await notes(held(2, () => "0"))).toEqual(["The lagging reactive energy is 0 kvarh in all 7526 quarter hours that train: nothing is learned of it."]);
  expect(await notes(held(1, (row) => (row >= 1000 && row < 1024 ? "7.5" : undefined)))).toEqual(["The load is stuck, that is of one value for 24 quarter hours or more: 24 in 1; they train and test all the same."]);
  expect(await notes(held(1, (row) => (row >= 1000 && row < 1023 ? "7.5" : undefined)))).toEqual([]);
});
