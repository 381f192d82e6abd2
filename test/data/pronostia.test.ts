import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { BEARINGS, livesOf, readPronostia, SAMPLES } from "../../src/data/pronostia.ts";
import type { Source } from "../../src/data/source.ts";
import { tar } from "./archive.ts";

/** Rows of a snapshot; a change makes another of a row, or none. */
function csv(change: (cells: (string | number)[], row: number) => (string | number)[] | undefined = (cells) => cells, separator = ","): string {
  const rows = Array.from({ length: SAMPLES }, (_, row) => {
    const micros = 990_000 + Math.round((row * 1e6) / 25_600);
    return change([9, 59, 58 + Math.floor(micros / 1e6), micros % 1e6, Math.sin(row).toFixed(3), ((row % 7) / 10).toFixed(3)], row);
  });
  return rows.filter((cells) => cells !== undefined).map((cells) => cells.join(separator)).join("\n");
}
const encode = (text: string) => new TextEncoder().encode(text);
const plain = csv();
const archive = (files: Readonly<Record<string, string>> = { "acc_00001.csv": plain, "acc_00361.csv": plain }) =>
  tar(Object.entries(files).map(([name, text]) => ({ path: `Learning_set/Bearing/${name}`, bytes: encode(text) })));
const others = gzipSync(archive(), { level: 1 });
/** Archives of the learning set. */
const folder = (first: Uint8Array): Source => async (path) =>
  /^Learning_set_Bearing\d_\d\.tar\.gz$/.test(path) ? (path.includes("1_1") ? gzipSync(first, { level: 1 }) : others) : undefined;
/** Folders with snapshots of these numbers. */
const folders = (numbers: Readonly<Record<string, readonly number[]>>): Source => async (path) => {
  const [, name, number] = /^(.*)\/acc_(\d{5})\.csv$/.exec(path) ?? [];
  return name !== undefined && numbers[name]?.includes(Number(number)) ? encode(plain) : undefined;
};

describe("readPronostia", () => {
  it("reads six bearings with their snapshots in order of time", async () => {
    const lives = await readPronostia(folder(archive({ "acc_00181.csv": csv(undefined, ";"), "temp_00001.csv": "1,2", "acc_00001.csv": plain, "acc_00002.csv": plain })));
    expect(lives.map(({ bearing }) => bearing)).toEqual(["1_1", "1_2", "2_1", "2_2", "3_1", "3_2"]);
    expect([...lives[0].hours]).toEqual([0, 10 / 3600, 0.5]);
    expect([lives[0].lifeHours, lives[1].lifeHours]).toEqual([0.5, 1]);
    expect([...lives[0].snapshots[2].subarray(0, 2)]).toEqual([0, Math.fround(0.841)]);
    expect(lives[0].snapshots[2][SAMPLES + 6]).toBe(Math.fround(0.6));
  });

  it("reads folders, of the learning and of the full test set, and the bearings that are there", async () => {
    const lives = await readPronostia(folders({ "Learning_set/Bearing1_2": [1, 2, 3, 7], "Full_Test_Set/Bearing3_3": [1, 2, 434], "Full_Test_Set/Bearing1_3": [1, 2375], "Test_set/Bearing2_3": [1, 2, 1202] }));
    expect(lives.map(({ bearing, lifeHours }) => [bearing, lifeHours])).toEqual([["1_2", 60 / 3600], ["1_3", 23_740 / 3600], ["3_3", 4330 / 3600]]);
    expect([...lives[0].hours]).toEqual([0, 10 / 3600, 20 / 3600, 60 / 3600]);
    expect(BEARINGS).toHaveLength(17);
  });

  it("reads archives of the full test set, one life after the other", async () => {
    const source: Source = async (path) => (/^Full_Test_Set_Bearing2_[67]\.tar\.gz$/.test(path) ? gzipSync(archive({ "acc_00001.csv": plain, "acc_00701.csv": plain })) : undefined);
    const lives = livesOf(source);
    for (const bearing of ["2_6", "2_7"]) expect((await lives.next()).value).toMatchObject({ bearing, lifeHours: 7000 / 3600 });
    await expect(lives.next()).rejects.toThrow(/^expected 3 bearings or more, whole lives, got 2_6 and 2_7; .*FEMTO-ST/);
  });

  it("refuses a life that ends where the challenge cut it off, whatever its folder is called", async () => {
    await expect(readPronostia(folders({ "Learning_set/Bearing1_1": [1, 2], "Full_Test_Set/Bearing1_3": [1, 2, 1802] })))
      .rejects.toThrow(/^Full_Test_Set\/Bearing1_3: expected snapshots until bearing 1_3 failed, got the last one of number 1802; the challenge's Test_set is cut off at 1802/);
  });

  it.each<[string, string, RegExp]>([
    ["a snapshot cut short", plain.slice(0, 5000), /acc_00001\.csv(:\d+)?: expected /],
    ["a gap", csv((cells, row) => (row === 3 ? [...cells.slice(0, 5), "NaN"] : cells)), /acc_00001\.csv:4: column 6 expected a finite number, got "NaN"/],
    ["a row twice", csv((cells, row) => (row === 3 ? [...cells.slice(0, 3), 990_078, 1, 1] : cells)), /acc_00001\.csv:4: expected a time after that of the row before/],
    ["another rate", csv((cells, row) => [9, 0, 0, row * 100, cells[4], cells[5]]), /acc_00001\.csv: expected 25600 samples a second, got 10000/],
    ["a sensor that is not connected", csv((cells) => [...cells.slice(0, 5), "0.1"]), /acc_00001\.csv: expected a vertical acceleration that varies, got 0\.1\d* throughout/],
    ["a missing channel", csv((cells) => cells.slice(0, 5)), /acc_00001\.csv:1: expected 6 columns, got 5/],
  ])("refuses %s", async (_, text, message) => {
    await expect(readPronostia(folder(archive({ "acc_00001.csv": text, "acc_00002.csv": plain })))).rejects.toThrow(message);
  });

  it("refuses an archive without snapshots, with one twice, or that is none", async () => {
    await expect(readPronostia(folder(archive({ "readme.txt": "x" })))).rejects.toThrow(/^Learning_set_Bearing1_1\.tar\.gz: expected at least two snapshots .* got 0/);
    await expect(readPronostia(folder(archive({ "a/acc_00001.csv": plain, "b/acc_00001.csv": plain })))).rejects.toThrow(/a second snapshot of number 1/);
    await expect(readPronostia(folder(encode("x".repeat(600))))).rejects.toThrow(/^Learning_set_Bearing1_1\.tar\.gz: byte 0: .*is this a tar archive/);
    await expect(readPronostia(async () => undefined)).rejects.toThrow(/^expected 3 bearings or more, whole lives, got none; .*FEMTO-ST/);
  });
});
