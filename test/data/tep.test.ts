import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { Source } from "../../src/data/source.ts";
import { CHANNELS, FAULTS, readTep } from "../../src/data/tep.ts";

const I = CHANNELS.length;
const value = (row: number, channel: number) => 1000 * row + channel;
const upright = (rows: number) => Array.from({ length: rows }, (_, row) => CHANNELS.map((_, channel) => `  ${value(row, channel)}.0000e+00`).join("")).join("\n");
const lying = (rows: number) => CHANNELS.map((_, channel) => Array.from({ length: rows }, (_, row) => value(row, channel)).join("  ")).join("\n");
const name = (fault: number) => `d${String(fault).padStart(2, "0")}.dat`;
const files = (normal: string): Record<string, string> => ({ [name(0)]: normal, ...Object.fromEntries(FAULTS.map((fault) => [name(fault), upright(3)])) });
const long = upright(960);
const testFiles = Object.fromEntries([0, ...FAULTS].map((number) => [name(number).replace(".dat", "_te.dat"), long]));
const folder = (texts: Record<string, string>): Source => async (path) => {
  const text = texts[path.replace(/\.gz$/, "")];
  return text !== undefined && path.endsWith(".gz") ? gzipSync(text) : undefined;
};

describe("readTep", () => {
  it("reads the normal run, which lies on its side, and 21 faults", async () => {
    const { normal, faults } = await readTep(folder(files(lying(7))));
    expect([normal.rows, faults.length, faults[20].rows]).toEqual([7, 21, 3]);
    for (const [row, channel] of [[0, 0], [6, 51], [3, 17]]) expect(normal.values[row * I + channel]).toBe(value(row, channel));
    expect(faults[4].values[2 * I + 9]).toBe(value(2, 9));
  });

  it("takes a normal run that was turned upright already", async () => {
    expect((await readTep(folder(files(upright(7))))).normal).toEqual((await readTep(folder(files(lying(7))))).normal);
  });

  it("reads the test runs where they are there", async () => {
    const tests = (await readTep(folder({ ...files(lying(4)), ...testFiles }))).tests!;
    expect([tests.normal.rows, tests.faults.length, tests.faults[20].rows]).toEqual([960, 21, 960]);
    expect(tests.faults[20].values[959 * I + 51]).toBe(value(959, 51));
    expect((await readTep(folder(files(lying(4))))).tests).toBeUndefined();
  });

  it.each<[string, Record<string, string>, RegExp]>([
    ["a fault that is missing", Object.fromEntries(Object.entries(files(lying(4))).filter(([path]) => path !== "d13.dat")), /^d13\.dat or d13\.dat\.gz|^d13\.dat: no such file/],
    ["a fault's run that lies", { ...files(lying(4)), "d02.dat": lying(5) }, /^d02\.dat\.gz:1: expected 52 columns, got 5/],
    ["a normal run of other variables", files("1 2 3\n4 5 6\n"), /^d00\.dat\.gz: expected 52 columns or 52 rows, one a variable, got 3 and 2/],
    ["a variable that never changes", files(lying(4).replace(/^.*$/m, "5 5 5 5")), /^d00\.dat\.gz: XMEAS 1 is 5 in all rows/],
    ["a test run that is missing among others", { ...files(lying(4)), ...Object.fromEntries(Object.entries(testFiles).filter(([path]) => path !== "d17_te.dat")) }, /^d17_te\.dat: no such file.*all of d00_te\.dat to d21_te\.dat, or none/],
    ["a test run that is a training run", { ...files(lying(4)), ...testFiles, "d02_te.dat": upright(480) }, /^d02_te\.dat\.gz: expected 960 rows, 48 h of 3 minutes each, got 480/],
    ["a cell that is no number", { ...files(lying(4)), "d21.dat": upright(2).replace("1000.0000e+00", "nan") }, /^d21\.dat\.gz:2: column 1 expected a finite number, got "nan"/],
  ])("refuses %s", async (_, texts, message) => {
    await expect(readTep(folder(texts))).rejects.toThrow(message);
  });
});
