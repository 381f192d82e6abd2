/**
 * @module
 * Electricity that a steel plant takes, every quarter of an hour (DAEWOO Steel, Gwangyang; Sathishkumar, Shin & Cho
 * 2021; UCI 851): energy, reactive energy both ways, CO2 and power factors.
 *
 * A row is dated with the end of its quarter hour, and a day ends with 00:00 under its own date: the rows
 * of 5 March run from "05/03/2018 00:15" to "05/03/2018 00:00". Taken literally the last would be the first.
 * Rows have to follow each other without a gap, whole days only, and the file's own columns for time and
 * weekday have to agree with the date, so that a row out of place is found.
 */
import { readText, type Source } from "./source.ts";

/** Quarter hours in a day. */
export const DAY = 96;
const QUARTER_MINUTES = 15;

export interface EnergyRecord {
  /** (N) kWh in each quarter hour; the first is of 00:00 to 00:15. */
  readonly usage: Float32Array;
  /** (N) kvarh, lagging and leading. */
  readonly lagging: Float32Array;
  readonly leading: Float32Array;
  /** N, a multiple of DAY. */
  readonly count: number;
  /** Days from 1 January 1970 to the first row's. */
  readonly firstDay: number;
}

/** UCI writes "Reactive.Power" in the third heading, and some copies "CO2(CO2)". */
const COLUMNS = [
  "date", "Usage_kWh", "Lagging_Current_Reactive_Power_kVarh", "Leading_Current_Reactive_Power_kVarh", "CO2(tCO2)",
  "Lagging_Current_Power_Factor", "Leading_Current_Power_Factor", "NSM", "WeekStatus", "Day_of_week", "Load_Type",
] as const;
const WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const REMEDY = 'the data are "Steel Industry Energy Consumption" at the UCI Machine Learning Repository (data set 851); give the folder of its CSV file';
const DATE = /^(\d{2})\/(\d{2})\/(\d{4}) (\d{2}):(\d{2})$/;
const NUMBER = /^\d+(\.\d+)?(e[+-]?\d+)?$/i;

/**
 * Read and check the plant's record.
 * @throws RangeError naming file and line.
 */
export async function readEnergy(source: Source): Promise<EnergyRecord> {
  const { path, text } = await readText(source, ["Steel_industry_data.csv", "steel_2018_jan_sep.csv"], REMEDY);
  const lines = text.split(/\r?\n/);
  while (lines.length > 0 && lines[lines.length - 1] === "") lines.pop();
  const header = lines[0]?.replace(/^\uFEFF/, "").split(",") ?? [];
  const plain = (name: string | undefined) => name?.replace("tCO2", "CO2").replace(".", "_");
  const wrong = COLUMNS.findIndex((name, column) => plain(header[column]) !== plain(name));
  if (wrong >= 0 || header.length !== COLUMNS.length) {
    throw new RangeError(`${path}:1: expected the columns ${COLUMNS.join(",")}, got ${JSON.stringify(lines[0] ?? "").slice(0, 200)}; is it the file of data set 851?`);
  }
  const count = lines.length - 1;
  const usage = new Float32Array(count), lagging = new Float32Array(count), leading = new Float32Array(count);
  let firstDay = 0;
  for (let row = 0; row < count; row++) {
    const at = `${path}:${row + 2}`;
    const cells = lines[row + 1].split(",");
    if (cells.length !== COLUMNS.length) throw new RangeError(`${at}: expected ${COLUMNS.length} columns, got ${cells.length}; mend or get the file again`);
    if (row === 0) firstDay = dateOf(cells[0], at).day;
    checkTime(cells, row, firstDay, at);
    [usage, lagging, leading].forEach((values, index) => (values[row] = amountOf(cells[index + 1], COLUMNS[index + 1], at)));
  }
  if (count === 0 || count % DAY !== 0) throw new RangeError(`${path}: expected whole days of ${DAY} rows, got ${count} rows; the file is cut off, get it again`);
  return { usage, lagging, leading, count, firstDay };
}

/** Row k of the file is quarter k mod 96 of day k div 96, by all three of its columns that tell the time. */
function checkTime(cells: readonly string[], row: number, firstDay: number, at: string): void {
  const { day, minutes } = dateOf(cells[0], at);
  const expectedDay = firstDay + Math.floor(row / DAY);
  const expected = (((row % DAY) + 1) * QUARTER_MINUTES) % 1440; // the last row of a day is its 00:00
  if (day !== expectedDay || minutes !== expected) {
    throw new RangeError(`${at}: expected day ${Math.floor(row / DAY) + 1} of the file at ${clock(expected)}, got ${cells[0]}; rows are missing, doubled or out of order (a day's 00:00 is its last row)`);
  }
  if (Number(cells[7]) !== minutes * 60) throw new RangeError(`${at}: NSM expected ${minutes * 60}, the seconds since midnight of ${cells[0]}, got ${cells[7]}`);
  const weekday = WEEKDAYS[weekdayOf(day)];
  if (cells[9] !== weekday) throw new RangeError(`${at}: Day_of_week expected ${weekday} for ${cells[0]}, got ${cells[9]}`);
}

function dateOf(cell: string, at: string): { day: number; minutes: number } {
  const [, day, month, year, hours, minutes] = DATE.exec(cell)?.map(Number) ?? [];
  if (!(month >= 1 && month <= 12 && day >= 1 && day <= 31 && hours < 24 && minutes < 60)) {
    throw new RangeError(`${at}: date expected DD/MM/YYYY HH:MM, got ${JSON.stringify(cell.slice(0, 30))}`);
  }
  return { day: dayNumber(year, month, day), minutes: hours * 60 + minutes };
}

function amountOf(cell: string, column: string, at: string): number {
  const value = NUMBER.test(cell) ? Number(cell) : NaN;
  if (!Number.isFinite(value)) throw new RangeError(`${at}: ${column} expected a number >= 0, got ${JSON.stringify(cell.slice(0, 20))}; mend or remove the day`);
  return value;
}

const clock = (minutes: number): string => [Math.floor(minutes / 60), minutes % 60].map((part) => String(part).padStart(2, "0")).join(":");

/** Days from 1 January 1970 in the Gregorian calendar (Hinnant, chrono-compatible low-level date algorithms). */
export function dayNumber(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  return era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719_468;
}

/** 0 Monday to 6 Sunday; 1 January 1970 was a Thursday. */
export const weekdayOf = (day: number): number => (((day + 3) % 7) + 7) % 7;
