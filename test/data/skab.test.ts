import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CHANNELS, readSkab } from "../../src/data/skab.ts";
import type { Source } from "../../src/data/source.ts";

const HEADING = "datetime;Accelerometer1RMS;Accelerometer2RMS;Current;Pressure;Temperature;Thermocouple;Voltage;Volume Flow RateRMS;anomaly;changepoint";
const row = (second: number, label = 0) =>
  [`2020-03-09 10:${String(Math.floor(second / 60)).padStart(2, "0")}:${String(second % 60).padStart(2, "0")}`, ...CHANNELS.map((_, channel) => second + channel / 8), `${label}.0`, "0.0"].join(";");
const file = (...rows: string[]) => [HEADING, ...rows, ""].join("\n");
const folder = (files: Record<string, string>): Source => async (path) => (path in files ? new TextEncoder().encode(files[path]) : undefined);
const read = (text: string) => readSkab(folder({ "other/3.csv": text }));

describe("readSkab", () => {
  it("reads the experiments that are there, in the benchmark's order", async () => {
    const found = await readSkab(folder({ "other/10.csv": file(row(0)), "other/2.csv": file(row(0)), "valve1/11.csv": file(row(0)), "valve2/0.csv": file(row(0)), "mine/1.csv": "" }));
    expect(found.map(({ id }) => id)).toEqual(["valve1-11", "valve2-0", "other-2", "other-10"]);
  });

  it("gives rows of eight sensors with their labels, and counts gaps", async () => {
    const [{ rows, values, anomalous, gaps }] = await read(file(row(1), row(2, 1), row(7), row(13)));
    expect([rows, gaps]).toEqual([4, 1]);
    expect([...values.subarray(8, 16)]).toEqual(CHANNELS.map((_, channel) => 2 + channel / 8));
    expect([...anomalous]).toEqual([0, 1, 0, 0]);
  });

  it("takes Windows' line ends and a byte order mark", async () => {
    expect(await read(`\uFEFF${file(row(0), row(1)).replaceAll("\n", "\r\n")}`)).toEqual(await read(file(row(0), row(1))));
  });

  it("finds columns by their names, and needs no change points", async () => {
    const swapped = file(row(0), row(1, 1)).split("\n").map((line) => line.split(";")).map((cells) => (cells.length === 1 ? cells : [cells[0], ...cells.slice(1, 9).reverse(), cells[9]]).join(";"));
    expect(swapped[0]).toMatch(/^datetime;Volume Flow RateRMS;.*;anomaly$/);
    expect(await read(swapped.join("\n"))).toEqual(await read(file(row(0), row(1, 1))));
  });

  it("reads all 34 files", async () => {
    const names = [...Array.from({ length: 16 }, (_, n) => `valve1/${n}.csv`), ...Array.from({ length: 4 }, (_, n) => `valve2/${n}.csv`), ...Array.from({ length: 14 }, (_, n) => `other/${n + 1}.csv`)];
    const found = await readSkab(folder({ ...Object.fromEntries(names.map((name) => [name, file(row(0))])), "anomaly-free/anomaly-free.csv": "" }));
    expect(found.map(({ id }) => id)).toEqual(names.map((name) => name.replace("/", "-").replace(".csv", "")));
  });

  it.each<[string, string, RegExp]>([
    ["another heading", file(row(0)).replace("Current", "current"), /^other\/3\.csv:1: expected one column "Current" in a heading datetime;.*SKAB/],
    ["a file without labels, such as anomaly-free.csv", file(row(0)).replaceAll(/;[^;]*;[^;]*$/gm, ""), /^other\/3\.csv:1: expected one column "anomaly" in a heading/],
    ["a column twice", file(row(0)).replace("changepoint", "anomaly"), /^other\/3\.csv:1: expected one column "anomaly" in a heading/],
    ["no rows", file(), /^other\/3\.csv: the file has no rows/],
    ["a column too few", file(row(0), "2020-03-09 10:00:01;1;2"), /^other\/3\.csv:3: expected 11 columns, got 3/],
    ["a missing value", file(row(0).replace(";0.125;", ";;")), /^other\/3\.csv:2: "Accelerometer2RMS" expected a finite number, got ""/],
    ["a word", file(row(0).replace(";0.25;", ";NaN;")), /"Current" expected a finite number, got "NaN"; mend or remove the row/],
    ["time that stands still", file(row(4), row(4)), /^other\/3\.csv:3: time expected to be later than in the row before, got 2020-03-09 10:00:04; sort/],
    ["a time of another form", file(row(0).replace("2020-03-09", "9.3.2020")), /^other\/3\.csv:2: "datetime" expected as 2020-03-09 10:14:33/],
    ["a label that is none", file(row(0).replace("0.0;0.0", "0.5;0.0")), /^other\/3\.csv:2: "anomaly" expected 0 or 1, got 0\.5/],
  ])("refuses %s", async (_, text, message) => {
    await expect(read(text)).rejects.toThrow(message);
    await expect(read(text)).rejects.toThrow(RangeError);
  });

  it("says where to get the data when there is none", async () => {
    await expect(readSkab(folder({}))).rejects.toThrow(/^valve1\/0\.csv … other\/14\.csv: no such file, with or without \.gz; the data are "SKAB"/);
  });

  it("reads or refuses any damaged file, and does nothing else", async () => {
    const text = file(row(0), row(1, 1), row(2));
    await fc.assert(fc.asyncProperty(fc.nat(text.length - 1), fc.string({ maxLength: 3, unit: "binary" }), async (at, mutation) => {
      await read(text.slice(0, at) + mutation + text.slice(at + 1)).catch((error: unknown) => expect(error).toBeInstanceOf(RangeError));
    }));
  });
});
