/**
 * @module
 * What can be known of a load `horizon` quarter hours ahead: its own past up to now, and the calendar.
 *
 *     … ─ two weeks of the same quarter hour ─ … ─ the last twelve hours ─ now ─ horizon ─► target
 *
 * A window is one row (T = 1) of columns: loads as they are and as log(1 + load), since they span from
 * idling to a thousandfold; means of the last hour to the last week; reactive energy of the last hour; and the
 * calendar of the target: quarter hour, weekday, public holidays. Nothing is later than `horizon` before
 * the target but the calendar.
 */
import { cos, log, sin } from "../kernels/elementary.ts";
import type { Windows } from "../signal/window.ts";
import { DAY, dayNumber, weekdayOf, type EnergyRecord } from "./energy.ts";

/** Quarter hours back from now. */
const RECENT = [...Array.from({ length: 16 }, (_, back) => back), 19, 23, 31, 47];
/** Days back from the target, and quarter hours around the same time on the most telling of them. */
const DAYS = Array.from({ length: 14 }, (_, day) => day + 1);
const AROUND: Readonly<Record<number, readonly number[]>> = { 1: [-4, -2, -1, 0, 1, 2, 4], 2: [-4, -2, -1, 0, 1, 2, 4], 7: [-4, -2, -1, 0, 1, 2, 4], 14: [-4, -2, -1, 0, 1, 2, 4] };
/** Lengths of the means that end now. */
const MEANS = [4, 8, 16, 32, DAY, 2 * DAY, 7 * DAY];
const REACTIVE = [0, 1, 2, 4];
const HARMONICS = [1, 2, 3];
/** Rows that every window looks back at the most, with the longest horizon of a day. */
export const REACH = 14 * DAY + 4;

/** Public holidays of the Republic of Korea in 2018, substitute holidays and the day of local elections included, and the New Year's Day that follows. */
const HOLIDAYS = new Set([
  ...[[1, 1], [2, 15], [2, 16], [2, 17], [3, 1], [5, 5], [5, 7], [5, 22], [6, 6], [6, 13], [8, 15], [9, 23], [9, 24], [9, 25], [9, 26], [10, 3], [10, 9], [12, 25]]
    .map(([month, day]) => dayNumber(2018, month, day)),
  dayNumber(2019, 1, 1),
]);

export interface LagOptions {
  /** Quarter hours from now to the target, 1 to a day. */
  readonly horizon: number;
  /** A flag for each quarter hour of each kind of day (workday, Saturday, day off), which a linear model cannot put together itself. Default false. */
  readonly profiles?: boolean;
  /** Targets: these rows of the record; those without enough past before them are left out. */
  readonly rows: readonly number[];
}

/** A column and where it comes from. */
interface Column {
  readonly name: string;
  readonly unit: string;
  at(row: number): number;
}

/** Names and units of the columns of windows at this horizon. */
export function lagColumns(horizon: number, profiles = false): { readonly name: string; readonly unit: string }[] {
  const nothing = new Float32Array(0);
  return columnsOf({ usage: nothing, lagging: nothing, leading: nothing, count: 0, firstDay: 0 }, horizon, profiles).map(({ name, unit }) => ({ name, unit }));
}

/**
 * Windows (N,1,I) whose targets are the loads in kWh and whose groups are days of the record.
 * @throws RangeError for another horizon or a row that the record has not
 */
export function lagWindows(record: EnergyRecord, { horizon, rows, profiles = false }: LagOptions): Windows {
  if (!(Number.isInteger(horizon) && horizon >= 1 && horizon <= DAY)) throw new RangeError(`"horizon" expected integer from 1 to ${DAY} quarter hours, got ${horizon}`);
  const known = rows.filter((row) => row >= REACH);
  const beyond = known.find((row) => !(row < record.count));
  if (beyond !== undefined) throw new RangeError(`"rows" expected indices below ${record.count}, got ${beyond}`);
  const columns = columnsOf(record, horizon, profiles);
  const inputs = new Float32Array(known.length * columns.length);
  known.forEach((row, n) => columns.forEach(({ at }, i) => (inputs[n * columns.length + i] = at(row))));
  return {
    inputs,
    targets: Float32Array.from(known, (row) => record.usage[row]),
    groups: Int32Array.from(known, (row) => Math.floor(row / DAY)),
    count: known.length,
    steps: 1,
    features: columns.length,
  };
}

function columnsOf(record: EnergyRecord, horizon: number, profiles: boolean): Column[] {
  return [...pastColumns(record, horizon), ...calendarColumns(record, horizon, profiles)];
}

/** A day ahead the last hours say nothing of their own, and models that see them do worse: only the days remain. */
function pastColumns({ usage, lagging, leading }: EnergyRecord, horizon: number): Column[] {
  const logs = logsOf(usage);
  const sums = new Float64Array(usage.length + 1);
  usage.forEach((value, row) => (sums[row + 1] = sums[row] + value));
  const lagged = (values: Float32Array, back: number) => (row: number) => values[row - back];
  const daily = DAYS.flatMap((days) => (AROUND[days] ?? [0]).map((offset) => days * DAY - offset)).filter((back) => back >= horizon);
  const days = daily.map((back) => ({ name: `log load ${back} before`, unit: "", at: lagged(logs, back) }));
  if (horizon === DAY) return days;
  return [
    ...days,
    ...RECENT.map((back) => ({ name: `load ${back} before now`, unit: "kWh", at: lagged(usage, horizon + back) })),
    ...RECENT.map((back) => ({ name: `log load ${back} before now`, unit: "", at: lagged(logs, horizon + back) })),
    ...MEANS.map((length) => ({
      name: `mean of ${length} until now`, unit: "kWh", at: (row: number) => (sums[row - horizon + 1] - sums[row - horizon + 1 - length]) / length,
    })),
    ...[{ name: "lagging", values: lagging }, { name: "leading", values: leading }].flatMap(({ name, values }) => {
      const logs = logsOf(values);
      return REACTIVE.flatMap((back) => [
        { name: `${name} ${back} before now`, unit: "kvarh", at: lagged(values, horizon + back) },
        { name: `log ${name} ${back} before now`, unit: "", at: lagged(logs, horizon + back) },
      ]);
    }),
  ];
}

/** log(1 + value). */
const logsOf = (values: Float32Array): Float32Array => values.map((value) => log(1 + value));

function calendarColumns({ firstDay }: EnergyRecord, horizon: number, profiles: boolean): Column[] {
  const dayOf = (row: number) => firstDay + Math.floor(row / DAY);
  const weekend = (day: number) => weekdayOf(day) >= 5;
  const flag = (name: string, holds: (row: number) => boolean): Column => ({ name, unit: "", at: (row) => (holds(row) ? 1 : 0) });
  const off = (day: number) => weekend(day) || HOLIDAYS.has(day);
  const kind = (day: number) => (HOLIDAYS.has(day) || weekdayOf(day) === 6 ? "day off" : weekdayOf(day) === 5 ? "Saturday" : "workday");
  const quarters = (suffix: string, holds: (row: number) => boolean) =>
    Array.from({ length: DAY }, (_, quarter) => flag(`quarter hour ${quarter + 1}${suffix}`, (row) => row % DAY === quarter && holds(row)));
  return [
    ...Array.from({ length: 7 }, (_, weekday) => flag(`weekday ${weekday + 1}`, (row) => weekdayOf(dayOf(row)) === weekday)),
    flag("day off", (row) => off(dayOf(row))),
    flag("day off now", (row) => off(dayOf(row - horizon))),
    flag("holiday", (row) => HOLIDAYS.has(dayOf(row))),
    flag("day after a holiday", (row) => HOLIDAYS.has(dayOf(row) - 1)),
    flag("day before a holiday", (row) => HOLIDAYS.has(dayOf(row) + 1)),
    ...HARMONICS.flatMap((harmonic) => [sin, cos].map((wave, index): Column =>
      ({ name: `${index ? "cos" : "sin"} ${harmonic} of the day`, unit: "", at: (row) => wave((2 * Math.PI * harmonic * (row % DAY)) / DAY) }))),
    ...(profiles ? ["workday", "Saturday", "day off"].flatMap((name) => quarters(` of a ${name}`, (row) => kind(dayOf(row)) === name)) : quarters("", () => true)),
  ];
}
