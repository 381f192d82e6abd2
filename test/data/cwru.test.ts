import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { CLASSES, FAULTS, LOADS, RATE_HZ, readCwru, recordingWindows, WIDTHS } from "../../src/data/cwru.ts";
import type { Source } from "../../src/data/source.ts";
import { mat } from "./archive.ts";

const LENGTH = 100_000;
/** A sawtooth that differs by recording. */
const signal = (number: number, length = LENGTH) => Float64Array.from({ length }, (_, at) => ((at * number) % 1000) / 1000);
const file = (number: number, length?: number) => mat({ [`X${number}_DE_time`]: signal(number, length), [`X${number}RPM`]: [1797], X001_FE_time: [1, 2] });

/** As the Data Center's pages name the files; `changes` by number. */
const folder = (changes: Readonly<Record<number, Uint8Array | undefined>> = {}): Source => async (path) => {
  const number = Number(/^(\d+)\.mat$/.exec(path)?.[1] ?? NaN);
  return number in changes ? changes[number] : Number.isNaN(number) ? undefined : file(number);
};

/** Without the recordings at these loads. */
const without = (...loads: number[]) => Object.fromEntries(loads.flatMap((load) => NUMBERS[load].map((number) => [number, undefined])));
const NUMBERS = [0, 1, 2, 3].map((load) => [118, 185, 222, 105, 169, 209, 130, 197, 234].map((first) => first + load));

describe("readCwru", () => {
  it("reads 36 recordings by load, fault and width", async () => {
    const { loads, recordings, notes } = await readCwru(folder());
    expect(loads).toEqual(LOADS);
    expect(recordings.map(({ load, fault, width }) => [load, fault, width])).toEqual(LOADS.flatMap((load) => FAULTS.flatMap((fault) => WIDTHS.map((width) => [load, fault, width]))));
    expect([recordings[0].samples[7], recordings[26].samples[7], recordings[35].samples[7]]).toEqual([signal(118), signal(236), signal(237)].map((values) => Math.fround(values[7])));
    expect(recordings[0].shaftHz).toBe(1797 / 60);
    expect(notes).toEqual([]);
  });

  it("reads the loads that are there, at least two", async () => {
    const { loads, recordings } = await readCwru(folder(without(3)));
    expect([loads, recordings.length, recordings[26].load]).toEqual([[0, 1, 2], 27, 2]);
    expect((await readCwru(folder(without(0, 2)))).loads).toEqual([1, 3]);
    await expect(readCwru(folder(without(0, 1, 2)))).rejects.toThrow(/^expected recordings at two loads or more .* got those at 3 hp; .*Case Western/);
    await expect(readCwru(async () => undefined)).rejects.toThrow(/^expected recordings at two loads or more .* got none; .*Case Western/);
  });

  it("finds files with the names of folders and faults, compressed", async () => {
    const plain = await readCwru(folder());
    const named: Source = async (path) => {
      const number = /^load[0123]\/(?:B|IR|OR)0\d\d(?:@6)?_(\d+)\.mat\.gz$/.exec(path)?.[1];
      return number === undefined ? undefined : gzipSync(file(Number(number)), { level: 1 });
    };
    expect((await readCwru(named)).recordings[13]).toEqual(plain.recordings[13]);
  }, 30_000);

  it("takes the nominal speed where a file has none, and says so", async () => {
    const { recordings, notes } = await readCwru(folder({ 119: mat({ X119_DE_time: signal(119) }), 121: mat({ X121_DE_time: signal(121) }) }));
    expect(recordings.find(({ load }) => load === 1)!.shaftHz).toBe(1772 / 60);
    expect(recordings.find(({ load }) => load === 3)!.shaftHz).toBe(1730 / 60);
    expect(notes).toEqual([[119, 1772], [121, 1730]].map(([number, rpm]) => `${number}.mat does not state its speed; the nominal ${rpm} turns a minute of its load were taken.`));
  });

  it.each<[string, Record<number, Uint8Array | undefined>, RegExp]>([
    ["a missing file", { 106: undefined }, /^load1\/IR007_106\.mat or .* or 106\.mat: no such file.*Case Western/],
    ["a load of which one file is there", { ...without(3), 237: file(237) }, /^load3\/B007_121\.mat or B007_121\.mat or 121\.mat: no such file/],
    ["another recording's file", { 106: file(107) }, /^106\.mat: expected a variable "X106_DE_time".*another recording/],
    ["a recording at 48 kHz", { 118: file(118, 480_000) }, /^118\.mat: "X118_DE_time" expected 100000 to 150000 samples.*got 480000; is it a recording at 48 kHz/],
    ["a sensor that stands still", { 118: mat({ X118_DE_time: new Float64Array(LENGTH).fill(2) }) }, /^118\.mat: "X118_DE_time" expected a signal that varies, got 2/],
    ["a gap", { 118: mat({ X118_DE_time: signal(118).fill(NaN, 500, 501) }) }, /^118\.mat: sample 501 of "X118_DE_time" expected a finite number, got NaN/],
    ["an impossible speed", { 118: mat({ X118_DE_time: signal(118), X118RPM: [30] }) }, /^118\.mat: "X118RPM" expected 1600 to 1900 turns a minute, got 30/],
    ["text", { 118: new TextEncoder().encode("time,value\n".repeat(50)) }, /^118\.mat: byte 126/],
  ])("refuses %s", async (_, changes, message) => {
    await expect(readCwru(folder(changes))).rejects.toThrow(message);
  });
});

describe("recordingWindows", () => {
  const recordings = FAULTS.map((fault, at) => ({ load: 0 as const, fault, width: 14 as const, shaftHz: 30, samples: Float32Array.from({ length: 1000 }, (_, index) => 1000 * at + index) }));

  it("cuts windows that lie wholly in their part of a recording, with class and recording", () => {
    const windows = recordingWindows(recordings, { samples: 100, stride: 50, part: { from: 0.2, to: 0.5 } });
    expect([windows.count, windows.steps, windows.features]).toEqual([15, 100, 1]);
    expect([...windows.inputs.filter((_, at) => at % 100 === 0)].slice(5, 10)).toEqual([1200, 1250, 1300, 1350, 1400]);
    expect(Math.max(...windows.inputs.subarray(0, 500))).toBe(499);
    expect([...windows.groups]).toEqual([0, 1, 2].flatMap((group) => Array<number>(5).fill(group)));
    expect([...new Set(windows.targets)].map((target) => CLASSES[target])).toEqual(["ball 14", "inner 14", "outer 14"]);
  });

  it("takes some recordings, and groups are indices among all", () => {
    expect([...recordingWindows(recordings, { samples: 500, stride: 500, where: ({ fault }) => fault !== "ball" }).groups]).toEqual([1, 1, 2, 2]);
  });

  it("takes another target, and gives none where a part is too short", () => {
    expect([...recordingWindows(recordings, { samples: 1000, stride: 1, target: ({ fault }) => FAULTS.indexOf(fault) }).targets]).toEqual([0, 1, 2]);
    expect(recordingWindows(recordings, { samples: 1001, stride: 1 }).count).toBe(0);
    expect(RATE_HZ).toBe(12_000);
  });
});
