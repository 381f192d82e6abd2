import { describe, expect, test } from "vitest";
import { DAY, dayNumber, readEnergy, weekdayOf, type EnergyRecord } from "../../src/data/energy.ts";
import { lagColumns, lagWindows } from "../../src/data/lags.ts";
import { numbers } from "../memory.ts";
import { energyFile, memorySource } from "../tasks/sources.ts";

const read = (text: string) => readEnergy(memorySource({ "Steel_industry_data.csv": text }));
/** The file with one line changed; lines count from 1. */
const changed = (line: number, change: (line: string) => string) =>
  energyFile(2).split("\n").map((text, index) => (index === line - 1 ? change(text) : text)).join("\n");

describe("energy reader", () => {
  test("reads whole days whose 00:00 comes last", async () => {
    const record = await read(energyFile(3));
    expect([record.count, record.firstDay]).toEqual([3 * DAY, dayNumber(2018, 1, 1)]);
    expect(record.usage.length).toBe(3 * DAY);
  });

  test("reads UCI's whole year with the heading that UCI gives it", async () => {
    const text = energyFile(365).replace("Lagging_Current_Reactive_Power", "Lagging_Current_Reactive.Power");
    expect(text).toContain("\n31/12/2018 00:00,");
    const { count, firstDay } = await read(text);
    expect([count, firstDay + count / DAY - 1]).toEqual([35_040, dayNumber(2018, 12, 31)]);
    await expect(read(text.slice(0, text.indexOf("31/12/2018 23:45")))).rejects.toThrow(/expected whole days of 96 rows, got 35038 rows/);
  });

  test("names file and line of what is wrong", async () => {
    const cases: [text: string, message: RegExp][] = [
      [changed(5, (line) => line.replace(/,[^,]*/, ",")), /Steel_industry_data\.csv:5: Usage_kWh expected a number >= 0, got ""/],
      [changed(5, (line) => line.replace(/,[^,]*/, ",-3")), /:5: Usage_kWh expected a number >= 0, got "-3"/],
      [changed(9, () => ""), /:9: expected 11 columns, got 1/],
      [changed(7, (line) => line.replace("01:30", "01:45")), /:7: expected day 1 of the file at 01:30, got 01\/01\/2018 01:45; rows are missing/],
      [changed(97, (line) => line.replace("01/01/2018", "02/01/2018")), /:97: expected day 1 of the file at 00:00, got 02\/01\/2018 00:00; .*00:00 is its last row/],
      [changed(7, (line) => line.replace(",5400,", ",5401,")), /:7: NSM expected 5400/],
      [changed(7, (line) => line.replace("Monday", "Tuesday")), /:7: Day_of_week expected Monday/],
      [changed(2, (line) => line.replace("01/01/2018", "2018-01-01")), /:2: date expected DD\/MM\/YYYY HH:MM, got "2018-01-01 00:15"/],
      [changed(1, (line) => line.replace("Usage_kWh", "Usage")), /:1: expected the columns date,Usage_kWh/],
      [energyFile(2).split("\n").slice(0, 150).join("\n"), /expected whole days of 96 rows, got 149 rows/],
      [energyFile(0), /expected whole days of 96 rows, got 0 rows/],
    ];
    for (const [text, message] of cases) await expect(read(text)).rejects.toThrow(message);
    await expect(readEnergy(memorySource({}))).rejects.toThrow("data set 851");
  });

  test("counts days as the calendar does", () => {
    expect([dayNumber(1970, 1, 1), dayNumber(2000, 2, 29), dayNumber(2018, 1, 1), dayNumber(2018, 12, 31)]).toEqual([0, 11016, 17532, 17896]);
    expect([dayNumber(1970, 1, 1), dayNumber(2018, 1, 1), dayNumber(2018, 9, 30), dayNumber(1969, 12, 28)].map(weekdayOf)).toEqual([3, 0, 6, 6]);
  });
});

/** Twenty days of loads that all differ. */
const record = (): EnergyRecord => {
  const count = 20 * DAY;
  const [usage, lagging, leading] = [1, 2, 3].map((seed) => numbers(count, seed, 50).map((value) => 60 + value));
  return { usage, lagging, leading, count, firstDay: dayNumber(2018, 9, 10) };
};
const rows = Array.from({ length: 20 * DAY }, (_, row) => row);

describe("lag windows", () => {
  test("see nothing of the load later than the horizon before the target", () => {
    for (const horizon of [1, 4, DAY]) {
      const target = 16 * DAY + 7;
      const before = lagWindows(record(), { horizon, rows: [target] });
      const blinded = record();
      for (const values of [blinded.usage, blinded.lagging, blinded.leading]) values.fill(1e6, target - horizon + 1);
      const after = lagWindows(blinded, { horizon, rows: [target] });
      expect(after.inputs).toEqual(before.inputs);
      blinded.usage[target - horizon] = 0;
      expect(lagWindows(blinded, { horizon, rows: [target] }).inputs).not.toEqual(before.inputs);
    }
  });

  test("have the columns that are named", () => {
    const { usage } = record();
    const target = 17 * DAY + 50;
    for (const horizon of [1, 4, DAY]) {
      const { inputs, targets, groups, features } = lagWindows(record(), { horizon, rows: [target] });
      const columns = lagColumns(horizon);
      expect(features).toBe(columns.length);
      expect(inputs.every(Number.isFinite)).toBe(true);
      const value = (name: string) => inputs[columns.findIndex((column) => column.name === name)];
      expect(value("log load 672 before")).toBeCloseTo(Math.log1p(usage[target - 672]), 5);
      expect(value("quarter hour 51")).toBe(1);
      expect(value("weekday 4")).toBe(1); // 27 September 2018, a Thursday
      expect([value("day off"), value("holiday"), value("day after a holiday"), value("day off now")]).toEqual([0, 0, 1, horizon === DAY ? 1 : 0]);
      expect([targets[0], groups[0]]).toEqual([usage[target], 17]);
      const profile = lagWindows(record(), { horizon, rows: [target], profiles: true });
      const names = lagColumns(horizon, true).map(({ name }) => name);
      const set = names.filter((name, column) => name.startsWith("quarter hour") && profile.inputs[column] === 1);
      expect([profile.features, set]).toEqual([features + 2 * DAY, ["quarter hour 51 of a workday"]]);
      if (horizon === DAY) continue;
      expect(value("load 3 before now")).toBe(usage[target - horizon - 3]);
      expect(value("mean of 4 until now")).toBeCloseTo(usage.slice(target - horizon - 3, target - horizon + 1).reduce((sum, load) => sum + load) / 4, 4);
    }
  });

  test("leave out targets without enough past, and refuse what is not there", () => {
    expect(lagWindows(record(), { horizon: 4, rows }).count).toBe(6 * DAY - 4);
    expect(() => lagWindows(record(), { horizon: 97, rows })).toThrow(`"horizon" expected integer from 1 to 96`);
    expect(() => lagWindows(record(), { horizon: 1, rows: [20 * DAY] })).toThrow(`"rows" expected indices below 1920, got 1920`);
  });

  test("know the holidays to the end of the year, and that New Year's Day follows", () => {
    const values = new Float32Array(365 * DAY).fill(1);
    const record = { usage: values, lagging: values, leading: values, count: 365 * DAY, firstDay: dayNumber(2018, 1, 1) };
    const names = lagColumns(DAY).map(({ name }) => name);
    const flag = (name: string, month: number, day: number) => {
      const { inputs } = lagWindows(record, { horizon: DAY, rows: [(dayNumber(2018, month, day) - record.firstDay) * DAY] });
      return inputs[names.indexOf(name)];
    };
    expect([[10, 3], [10, 9], [12, 25], [12, 31]].map(([month, day]) => flag("holiday", month, day))).toEqual([1, 1, 1, 0]);
    expect([[10, 2], [12, 24], [12, 30], [12, 31]].map(([month, day]) => flag("day before a holiday", month, day))).toEqual([1, 1, 0, 1]);
    expect([[12, 26], [12, 31]].map(([month, day]) => flag("day after a holiday", month, day))).toEqual([1, 0]);
  });
});
