import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { CAP, dealEngines, engineWindows, readCmapss, SENSORS, WINDOW } from "../../src/data/cmapss.ts";
import type { Source } from "../../src/data/source.ts";

/** Column `sensor` (NASA's number) of a row is unit * 1000 + cycle + sensor / 100, so that every cell tells where it comes from. */
const row = (unit: number, cycle: number) =>
  [unit, cycle, cycle / 10, 0.5, 100, ...Array.from({ length: 21 }, (_, index) => unit * 1000 + cycle + (index + 1) / 100)].join(" ") + "  ";
const history = (lengths: number[]) => lengths.flatMap((cycles, unit) => Array.from({ length: cycles }, (_, cycle) => row(unit + 1, cycle + 1)));
const cell = (unit: number, cycle: number, sensor: number) => Math.fround(unit * 1000 + cycle + sensor / 100);

const TRAIN = [40, 33, 150, 30, 31];
const TEST = [20, 45, 30];

function folder(changes: Record<string, string[] | undefined> = {}, subset = "FD001"): Source {
  const files: Record<string, string[] | undefined> = {
    [`train_${subset}.txt`]: history(TRAIN),
    [`test_${subset}.txt`]: history(TEST),
    [`RUL_${subset}.txt`]: ["112 ", "130 ", "0 "],
    ...changes,
  };
  return async (path) => {
    const lines = files[path.replace(/\.gz$/, "")];
    return lines && path.endsWith(".gz") ? gzipSync(lines.join("\n") + "\n") : undefined;
  };
}
const edited = (lines: string[], line: number, text: string) => lines.map((old, index) => (index === line - 1 ? text : old));

describe("readCmapss", () => {
  it("reads engines, 14 sensors and what remains of each", async () => {
    const { train, test, features } = await readCmapss(folder(), "FD001");
    expect(features).toBe(14);
    expect(train.map(({ unit, cycles, remaining }) => [unit, cycles, remaining])).toEqual(TRAIN.map((cycles, index) => [index + 1, cycles, 0]));
    expect(test.map(({ cycles, remaining }) => [cycles, remaining])).toEqual([[20, 112], [45, 130], [30, 0]]);
    expect([...train[1].rows.subarray(4 * 14, 5 * 14)]).toEqual(SENSORS.map((sensor) => cell(2, 5, sensor)));
  });

  it("puts the settings first where there are several operating conditions", async () => {
    const { train, features } = await readCmapss(folder({}, "FD004"), "FD004");
    expect(features).toBe(17);
    expect([...train[0].rows.subarray(17, 2 * 17)]).toEqual([0.2, 0.5, 100, ...SENSORS.map((sensor) => cell(1, 2, sensor))].map(Math.fround));
  });

  it.each([
    ["a missing file", { "RUL_FD001.txt": undefined }, /^RUL_FD001\.txt: no such file.*NASA/],
    ["a label too few", { "RUL_FD001.txt": ["1", "2"] }, /^RUL_FD001\.txt\.gz: expected a row for each of the 3 engines of test_FD001\.txt\.gz, got 2/],
    ["a label that is no count", { "RUL_FD001.txt": ["1", "2.5", "3"] }, /^RUL_FD001\.txt\.gz:2: .*got 2\.5/],
    ["a skipped cycle", { "train_FD001.txt": edited(history(TRAIN), 7, row(1, 8)) }, /^train_FD001\.txt\.gz:7: unit 1 expected cycle 7, got 8/],
    ["a skipped unit", { "train_FD001.txt": history(TRAIN).toSpliced(40, 33) }, /^train_FD001\.txt\.gz:41: expected unit 2, or 1 again, got 3/],
    ["a unit that does not start with 1", { "test_FD001.txt": [row(0, 1)] }, /^test_FD001\.txt\.gz:1: expected unit 1/],
    ["25 columns", { "test_FD001.txt": edited(history(TEST), 3, "1 3 0") }, /^test_FD001\.txt\.gz:3: expected 26 columns, got 3/],
  ])("refuses %s", async (_, changes, message) => {
    await expect(readCmapss(folder(changes), "FD001")).rejects.toThrow(message);
    await expect(readCmapss(folder(changes), "FD001")).rejects.toThrow(RangeError);
  });

  it("refuses an unknown subset", async () => {
    await expect(readCmapss(folder(), "FD005" as never)).rejects.toThrow('"subset" expected one of FD001, FD002, FD003, FD004, got "FD005"');
  });
});

describe("engineWindows", () => {
  it("slides over every engine, with capped and raw labels", async () => {
    const { train, features } = await readCmapss(folder(), "FD001");
    const windows = engineWindows(train, features);
    expect(windows.count).toBe(TRAIN.reduce((sum, cycles) => sum + cycles - WINDOW + 1, 0));
    const third = [...windows.groups].indexOf(3);
    expect(windows.rawTargets[third]).toBe(120);
    expect([...windows.rawTargets.subarray(third, third + 3)]).toEqual([120, 119, 118]);
    const at = (window: number, step: number) => windows.inputs[(window * WINDOW + step) * features];
    expect([at(third, 0), at(third + 5, 0), at(third + 5, WINDOW - 1)]).toEqual([1, 6, 35].map((cycle) => cell(3, cycle, SENSORS[0])));
  });

  it("counts strides back from the last row", async () => {
    const { train, features } = await readCmapss(folder(), "FD001");
    expect([...engineWindows(train.slice(0, 1), features, { stride: 4 }).rawTargets]).toEqual([8, 4, 0]);
  });

  it("takes the last window of a test engine, left-padded with its first row, labels beyond the cap kept beside", async () => {
    const { test, features } = await readCmapss(folder(), "FD001");
    const windows = engineWindows(test, features, { last: true });
    const cycles = (window: number) => Array.from({ length: WINDOW }, (_, step) => Math.round((windows.inputs[(window * WINDOW + step) * features] % 1000) - 0.02));
    expect(cycles(0)).toEqual([...Array(11).fill(1), ...Array.from({ length: 19 }, (_, step) => step + 2)]);
    expect(cycles(1)).toEqual(Array.from({ length: 30 }, (_, step) => step + 16));
    expect([...windows.targets]).toEqual([112, CAP, 0]);
    expect([...windows.rawTargets]).toEqual([112, 130, 0]);
  });
});

describe("dealEngines", () => {
  it("gives each engine to one factory and to one of training and validation", async () => {
    const data = await readCmapss(folder(), "FD001");
    const factories = dealEngines(data, { factories: 2, seed: 3 });
    const units = factories.flatMap(({ train, validation }) => [...new Set(train.groups), ...new Set(validation.groups)]);
    expect(units.sort()).toEqual([1, 2, 3, 4, 5]);
    expect(factories.flatMap(({ test }) => [...test.groups]).sort()).toEqual([1, 2, 3]);
    expect(factories.every(({ train, validation, test }) => train.count && validation.count && test.count)).toBe(true);
  });

  it("is drawn by the seed", async () => {
    const data = await readCmapss(folder(), "FD001");
    const drawn = (seed: number) => JSON.stringify(dealEngines(data, { factories: 2, seed }).map(({ train }) => [...train.groups]));
    expect(drawn(1)).toBe(drawn(1));
    expect(new Set([1, 2, 3, 4, 5].map(drawn)).size).toBeGreaterThan(1);
  });

  it("refuses more factories than there are engines for", async () => {
    const data = await readCmapss(folder(), "FD001");
    expect(() => dealEngines(data, { factories: 3, seed: 1 })).toThrow(/^"factories" expected at most 2, got 3: FD001 has 5 training and 3 test engines/);
    for (const factories of [0, 1.5, NaN]) expect(() => dealEngines(data, { factories, seed: 1 })).toThrow('"factories" expected integer >= 1');
  });
});
