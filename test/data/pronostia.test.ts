import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { BEARINGS, readPronostia, SAMPLES } from "../../src/data/pronostia.ts";
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
const folder = (first: Uint8Array): Source => {
  const others = gzipSync(archive(), { level: 1 });
  return async (path) => (path.endsWith(".gz") ? (path.includes("1_1") ? gzipSync(first, { level: 1 }) : others) : undefined);
};

describe("readPronostia", () => {
  it("reads six bearings with their snapshots in order of time", async () => {
    const lives = await readPronostia(folder(archive({ "acc_00181.csv": csv(undefined, ";"), "temp_00001.csv": "1,2", "acc_00001.csv": plain, "acc_00002.csv": plain })));
    expect(lives.map(({ bearing }) => bearing)).toEqual(BEARINGS);
    expect([...lives[0].hours]).toEqual([0, 10 / 3600, 0.5]);
    expect([lives[0].lifeHours, lives[1].lifeHours]).toEqual([0.5, 1]);
    expect([...lives[0].snapshots[2].subarray(0, 2)]).toEqual([0, Math.fround(0.841)]);
    expect(lives[0].snapshots[2][SAMPLES + 6]).toBe(Math.fround(0.6));
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
    await expect(readPronostia(async () => undefined)).rejects.toThrow(/^Learning_set_Bearing1_1\.tar: no such file.*FEMTO-ST/);
  });
});
