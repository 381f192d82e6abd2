/**
 * Readers and alignment on files as people publish them, which the project does not contain. They run where the
 * environment variable MILLWRIGHT_DATA names the folder, or ../shared/data exists beside the checkout.
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { readCsv } from "../../src/data/csv.ts";
import { numbersOf } from "../../src/data/records.ts";
import type { Source } from "../../src/data/source.ts";
import { Kernels } from "../../src/kernels/kernels.ts";
import { SensorArray } from "../../src/signal/array.ts";
import { GAP } from "../../src/signal/channel.ts";

const root = process.env.MILLWRIGHT_DATA ?? resolve("../shared/data");
const source: Source = (path) => readFile(join(root, path)).then((bytes) => new Uint8Array(bytes)).catch(() => undefined);
const missing = (name: string) => {
  const absent = !existsSync(join(root, name));
  if (absent) console.warn(`skipped: no folder ${join(root, name)}; set MILLWRIGHT_DATA to the folder that holds "${name}"`);
  return absent;
};

describe.skipIf(missing("skab"))("SKAB", () => {
  test("has semicolons, times and numbers", async () => {
    const { columns, rows } = await readCsv(source, "skab/valve1/0.csv");
    expect(columns.map(({ kind }) => kind)).toEqual(["timestamp", ...Array.from({ length: 10 }, () => "number")]);
    expect(columns.every(({ missing }) => missing === 0)).toBe(true);
    expect(rows).toBeGreaterThan(1000);
  });

  test("aligned to 1 Hz, its missing seconds are marked and everything else is as it was", async () => {
    const records = await readCsv(source, "skab/valve1/0.csv");
    const times = numbersOf(records, "datetime");
    const names = ["Current", "Pressure", "Temperature"];
    const array = new SensorArray(new Kernels(), { channels: names.map((name) => ({ name, unit: "", rateHz: 1, filter: "linear" })), rateHz: 1, steps: 1, startS: times[0] });
    const found: { time: number; values: number[]; gap: boolean }[] = [];
    const take = ({ count, timesS, inputs, marks }: ReturnType<SensorArray["push"]>) => {
      for (let n = 0; n < count; n++) found.push({ time: timesS[n], values: [...inputs.subarray(3 * n, 3 * n + 3)], gap: (marks[3 * n] & GAP) !== 0 });
    };
    for (let row = 0; row < records.rows; row++) for (const name of names) take(array.push(name, [times[row]], [numbersOf(records, name)[row]]));
    take(array.end());
    const seconds = new Map(Array.from(times, (time, row) => [time, row]));
    expect(found).toHaveLength(times[records.rows - 1] - times[0] + 1);
    for (const { time, values, gap } of found) {
      const row = seconds.get(time);
      expect(gap, `${time}`).toBe(row === undefined);
      if (row !== undefined) expect(values).toEqual(names.map((name) => Math.fround(numbersOf(records, name)[row])));
    }
    const absent = found.length - seconds.size;
    expect(absent).toBeGreaterThan(0);
    expect(array.report().channels.map(({ missing }) => missing)).toEqual([absent, absent, absent]);
  });

  test("is not taken for another set", async () => {
    await expect(readCsv(source, "skab/valve1/0.csv", { columns: { Usage_kWh: "number" } })).rejects.toThrow(/^skab\/valve1\/0\.csv:1: expected a column "Usage_kWh", got "datetime", /);
  });
});

test.skipIf(missing("steel_energy"))("the steel plant's days come before its months", async () => {
  const file = "steel_energy/steel_2018_jan_sep.csv";
  expect((await readCsv(source, file)).columns[0].kind).toBe("text");
  const records = await readCsv(source, file, { columns: { date: "timestamp dmy", Usage_kWh: "number", Load_Type: "text" } });
  const times = numbersOf(records, "date");
  expect(times[0]).toBe(Date.parse("2018-01-01T00:15:00Z") / 1000);
  expect(Math.max(...times)).toBeLessThan(Date.parse("2018-10-02T00:00:00Z") / 1000);
  await expect(readCsv(source, file, { columns: { date: "timestamp mdy" } })).rejects.toThrow(/:\d+: column "date" expected a time such as 11\/24\/2026 06:30, got "13\/01\/2018 00:15"/);
});

test.skipIf(missing("gas_turbine"))("the gas turbine's years are packed", async () => {
  await expect(readCsv(source, "gas_turbine/gt_2011.csv")).rejects.toThrow("gas_turbine/gt_2011.csv.gz:1: expected names of columns, got numbers only; give header: false");
  const { rows, columns, path } = await readCsv(source, "gas_turbine/gt_2011.csv", { header: false });
  expect(path).toBe("gas_turbine/gt_2011.csv.gz");
  expect(rows).toBeGreaterThan(7000);
  expect(columns.every(({ kind, missing }) => kind === "number" && missing === 0)).toBe(true);
});
