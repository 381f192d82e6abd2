import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { CHANNELS, COOLERS, hydraulicFactories, readHydraulic, STEPS, VALVES } from "../../src/data/hydraulic.ts";
import type { Source } from "../../src/data/source.ts";

/** Per cooler and valve eight blocks: accumulator and leak vary, and each block has two cycles. */
const CYCLES = COOLERS.flatMap((cooler) =>
  [130, 115, 100, 90].flatMap((accumulator) =>
    [0, 1].flatMap((leak) => VALVES.flatMap((valve) => [0, 1].map((flag) => [cooler, valve, leak, accumulator, flag]))),
  ),
);
const value = (cycle: number, channel: number, second: number) => cycle + channel / 100 + second / 10_000;
const line = (cycle: number, channel: number, rate: number) =>
  // Samples lie symmetrically about the second's value, which is therefore their mean.
  Array.from({ length: STEPS * rate }, (_, at) => (value(cycle, channel, Math.floor(at / rate)) + (at % rate) - (rate - 1) / 2).toFixed(5)).join("\t");

type Files = Record<string, string[] | undefined>;
const averaged = (profile = CYCLES): Files => ({
  "raw_1hz/profile.txt": profile.map((row) => row.join("\t")),
  ...Object.fromEntries(
    CHANNELS.map(({ name, rateHz }, channel) => [rateHz === 1 ? `raw_1hz/${name}.txt` : `averaged_to_1hz/${name}.tsv`, profile.map((_, cycle) => line(cycle, channel, 1))]),
  ),
});
const original = (profile = CYCLES): Files => ({
  "profile.txt": profile.map((row) => row.join("\t")),
  ...Object.fromEntries(CHANNELS.map(({ name, rateHz }, channel) => [`${name}.txt`, profile.map((_, cycle) => line(cycle, channel, rateHz))])),
});
const folder = (files: Files): Source => async (path) => {
  const lines = files[path.replace(/\.gz$/, "")];
  return lines && path.endsWith(".gz") ? gzipSync(lines.join("\n"), { level: 1 }) : undefined;
};
const set = (windows: { groups: Int32Array }) => new Set(windows.groups);

describe("readHydraulic", () => {
  it("reads windows of 60 steps and 17 sensors in a fixed order, with the valve's class", async () => {
    const { windows, coolers } = await readHydraulic(folder(averaged()));
    expect([windows.count, windows.steps, windows.features]).toEqual([CYCLES.length, 60, 17]);
    for (const [cycle, second, channel] of [[0, 0, 0], [5, 59, 16], [100, 30, 7]]) {
      expect(windows.inputs[(cycle * 60 + second) * 17 + channel]).toBeCloseTo(value(cycle, channel, second), 4);
    }
    expect([...windows.targets]).toEqual(CYCLES.map(([, valve]) => VALVES.indexOf(valve)));
    expect([...coolers]).toEqual(CYCLES.map(([cooler]) => cooler));
  });

  it("averages the files as UCI ships them to the same windows", async () => {
    const few = CYCLES.slice(0, 4);
    const a = (await readHydraulic(folder(averaged(few)))).windows;
    const b = (await readHydraulic(folder(original(few)))).windows;
    a.inputs.forEach((value, at) => expect(Math.abs(b.inputs[at] - value)).toBeLessThan(2e-5));
  });

  it("tells from the columns whether a file was averaged before, wherever it lies", async () => {
    const few = CYCLES.slice(0, 4);
    const files = original(few);
    const moved = Object.fromEntries(Object.entries(files).map(([path, lines]) => [`raw_${CHANNELS.find(({ name }) => path === `${name}.txt`)?.rateHz ?? 1}hz/${path}`, lines]));
    expect(await readHydraulic(folder(moved))).toEqual(await readHydraulic(folder(files)));
    const flat = Object.fromEntries(Object.entries(averaged(few)).map(([path, lines]) => [path.replace(/^.*\//, "").replace(".tsv", ".txt"), lines]));
    expect(await readHydraulic(folder(flat))).toEqual(await readHydraulic(folder(averaged(few))));
    const short = { ...files, "PS1.txt": files["PS1.txt"]!.map((row) => row.replace(/\t[^\t]*$/, "")) };
    await expect(readHydraulic(folder(short))).rejects.toThrow(/^PS1\.txt\.gz:1: expected 6000 columns, got 5999/);
  });

  it("starts a block where cooler, valve, leak or accumulator change, and not with the stable flag", async () => {
    const { windows } = await readHydraulic(folder(averaged()));
    expect([...windows.groups]).toEqual(CYCLES.map((_, cycle) => Math.floor(cycle / 2)));
  });

  it.each<[string, Record<string, string[] | undefined>, RegExp]>([
    ["a missing sensor", { "averaged_to_1hz/PS2.tsv": undefined }, /^PS2\.txt or .*averaged_to_1hz\/PS2\.tsv: no such file.*UCI/],
    ["a cycle too few", { "raw_1hz/TS1.txt": [line(0, 9, 1)] }, /^raw_1hz\/TS1\.txt\.gz: expected 192 rows, one a cycle of raw_1hz\/profile\.txt\.gz, got 1/],
    ["59 seconds", { "raw_1hz/CE.txt": [line(0, 14, 1).replace(/\t[^\t]*$/, "")] }, /^raw_1hz\/CE\.txt\.gz:1: expected 60 columns, got 59/],
    [
      "an unknown valve",
      { "raw_1hz/profile.txt": CYCLES.map((row, cycle) => (cycle === 1 ? "3 85 0 130 1" : row.join(" "))) },
      /^raw_1hz\/profile\.txt\.gz:2: valve condition expected one of 100, 90, 80, 73, got 85/,
    ],
  ])("refuses %s", async (_, changes, message) => {
    await expect(readHydraulic(folder({ ...averaged(), ...changes }))).rejects.toThrow(message);
  });
});

describe("hydraulicFactories", () => {
  const load = (profile = CYCLES) => readHydraulic(folder(averaged(profile)));

  it("makes a factory of each cooler condition and never divides a block", async () => {
    const data = await load();
    const factories = hydraulicFactories(data, 1);
    expect(factories.map(({ id }) => id)).toEqual(["cooler-3", "cooler-20", "cooler-100"]);
    const blocks = factories.flatMap(({ train, validation, test }) => [...set(train), ...set(validation), ...set(test)]);
    expect(blocks.length).toBe(new Set(blocks).size);
    expect(blocks.length).toBe(CYCLES.length / 2);
    const cycles = factories.reduce((sum, { train, validation, test }) => sum + train.count + validation.count + test.count, 0);
    expect(cycles).toBe(CYCLES.length);
  });

  it("draws a quarter of the blocks of each class for the test set and an eighth for validation", async () => {
    for (const { train, validation, test } of hydraulicFactories(await load(), 1)) {
      for (const target of VALVES.keys()) {
        const blocks = (windows: typeof train) => new Set([...windows.groups].filter((_, at) => windows.targets[at] === target)).size;
        expect([blocks(train), blocks(validation), blocks(test)]).toEqual([5, 1, 2]);
      }
    }
  });

  it("draws by the seed", async () => {
    const data = await load();
    const test = (seed: number) => JSON.stringify(hydraulicFactories(data, seed).map((factory) => [...factory.test.groups]));
    expect(test(1)).toBe(test(1));
    expect(test(1)).not.toBe(test(2));
  });

  it.each([
    ["no data", CYCLES.filter(([cooler]) => cooler !== 20), /^cooler-20: no cycle in profile\.txt has cooler condition 20, so this factory has no data/],
    ["a class less", CYCLES.filter(([cooler, valve]) => cooler !== 100 || valve !== 80), /^cooler-100: no cycle has valve condition 80, so this factory lacks a class/],
    ["two blocks of a class", CYCLES.filter(([cooler, valve, , accumulator]) => cooler !== 3 || valve !== 73 || accumulator === 130), /^cooler-3: blocks with valve condition 73: expected at least 3/],
    ["an unknown cooler", CYCLES.map((row, cycle) => (cycle === 4 ? [50, ...row.slice(1)] : row)), /cooler condition of cycle 5 expected one of 3, 20, 100, got 50/],
  ])("refuses a factory with %s", async (_, profile, message) => {
    const data = await load(profile);
    expect(() => hydraulicFactories(data, 1)).toThrow(message);
  });
});
