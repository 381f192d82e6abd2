/**
 * @module
 * The ZeMA hydraulic test rig (Helwig, Pignanelli & Schütze 2015; UCI 447): 2,205 load cycles of 60 s
 * under combinations of cooler, valve, pump and accumulator faults. The task is the state of the
 * valve; the three states of the cooler stand for three plants with different surroundings.
 *
 * Cycles of one combination follow each other, and neighbours are nearly equal. So the unit of a
 * split is the block: a run of cycles with equal (cooler, valve, pump leak, accumulator).
 */
import { random } from "../kernels/random.ts";
import { concatWindows, selectWindows, type Windows } from "../signal/window.ts";
import { readText, type Source } from "./source.ts";
import { splitGroups } from "./split.ts";
import { parseTable, type Table } from "./table.ts";

/** Columns of a window in this order, with the rate at which the rig recorded them; windows have 1 Hz. */
export const CHANNELS = [
  { name: "PS1", unit: "bar", rateHz: 100 },
  { name: "PS2", unit: "bar", rateHz: 100 },
  { name: "PS3", unit: "bar", rateHz: 100 },
  { name: "PS4", unit: "bar", rateHz: 100 },
  { name: "PS5", unit: "bar", rateHz: 100 },
  { name: "PS6", unit: "bar", rateHz: 100 },
  { name: "EPS1", unit: "W", rateHz: 100 },
  { name: "FS1", unit: "l/min", rateHz: 10 },
  { name: "FS2", unit: "l/min", rateHz: 10 },
  { name: "TS1", unit: "°C", rateHz: 1 },
  { name: "TS2", unit: "°C", rateHz: 1 },
  { name: "TS3", unit: "°C", rateHz: 1 },
  { name: "TS4", unit: "°C", rateHz: 1 },
  { name: "VS1", unit: "mm/s", rateHz: 1 },
  { name: "CE", unit: "%", rateHz: 1 },
  { name: "CP", unit: "kW", rateHz: 1 },
  { name: "SE", unit: "%", rateHz: 1 },
] as const;

/** Steps of a window, one a second. */
export const STEPS = 60;
/** Valve condition in %, by class: optimal, small lag, severe lag, close to failure. */
export const VALVES: readonly number[] = [100, 90, 80, 73];
/** Cooler condition in %, by factory: close to failure, reduced, full efficiency. */
export const COOLERS: readonly number[] = [3, 20, 100];

const PROFILE_COLUMNS = 5;
const REMEDY =
  'the data are "Condition monitoring of hydraulic systems" at the UCI Machine Learning Repository (data set 447); unpack them and give their folder';
/** Shares of the blocks of each (cooler, valve). */
const SHARES = { validation: 1 / 8, test: 1 / 4 };

export interface Hydraulic {
  /** All cycles in order of recording, (cycles,60,17); targets are classes by VALVES, groups are blocks. */
  readonly windows: Windows;
  /** (cycles) cooler condition. */
  readonly coolers: Float64Array;
}

export interface HydraulicFactory {
  readonly id: string;
  readonly train: Windows;
  readonly validation: Windows;
  readonly test: Windows;
}

/**
 * Read profile.txt and the 17 sensors, from the flat folder that UCI ships or from subfolders raw_1hz, raw_10hz, raw_100hz
 * and averaged_to_1hz. A row is a cycle, at the sensor's own rate, which is averaged here to 1 Hz, or averaged before.
 * @throws RangeError naming file and line.
 */
export async function readHydraulic(source: Source): Promise<Hydraulic> {
  const found = await readText(source, ["profile.txt", "raw_1hz/profile.txt"], REMEDY);
  const profile = parseTable(found.text, found.path, PROFILE_COLUMNS);
  const count = profile.rows;
  const features = CHANNELS.length;
  const inputs = new Float32Array(count * STEPS * features);
  for (const [feature, { name, rateHz }] of CHANNELS.entries()) {
    const { path, text } = await readText(source, [`${name}.txt`, `raw_${rateHz}hz/${name}.txt`, `averaged_to_1hz/${name}.tsv`], REMEDY);
    const rate = columnsOf(text) === STEPS ? 1 : rateHz;
    const table = parseTable(text, path, STEPS * rate);
    if (table.rows !== count) {
      throw new RangeError(`${path}: expected ${count} rows, one a cycle of ${profile.path}, got ${table.rows}; get both files from one source`);
    }
    for (let second = 0; second < count * STEPS; second++) inputs[second * features + feature] = mean(table.values, second * rate, rate);
  }
  const targets = Float32Array.from({ length: count }, (_, row) => valveClass(profile, row));
  const coolers = Float64Array.from({ length: count }, (_, row) => profile.values[row * PROFILE_COLUMNS]);
  return { windows: { inputs, targets, groups: blocks(profile), count, steps: STEPS, features }, coolers };
}

/** Of the first row. */
const columnsOf = (text: string): number => (/\S[^\n]*/.exec(text)?.[0] ?? "").trim().split(/\s+/).length;

function mean(values: Float64Array, from: number, count: number): number {
  let sum = 0;
  for (let at = from; at < from + count; at++) sum += values[at];
  return sum / count;
}

function valveClass(profile: Table, row: number): number {
  const valve = profile.values[row * PROFILE_COLUMNS + 1];
  const index = VALVES.indexOf(valve);
  if (index < 0) throw new RangeError(`${profile.path}:${profile.lines[row]}: valve condition expected one of ${VALVES.join(", ")}, got ${valve}`);
  return index;
}

/** (cycles) the number of each cycle's block, from 0. */
function blocks(profile: Table): Int32Array {
  const groups = new Int32Array(profile.rows);
  for (let row = 1; row < profile.rows; row++) {
    const at = row * PROFILE_COLUMNS;
    const same = [0, 1, 2, 3].every((column) => profile.values[at + column] === profile.values[at - PROFILE_COLUMNS + column]);
    groups[row] = groups[row - 1] + (same ? 0 : 1);
  }
  return groups;
}

/**
 * One factory a cooler condition. Within each (cooler, valve) the seed draws a quarter of the blocks
 * for the test set and an eighth for validation, at least one each.
 * @throws RangeError when a factory has no cycles, lacks a class, or has too few blocks of one.
 */
export function hydraulicFactories({ windows, coolers }: Hydraulic, seed: number): HydraulicFactory[] {
  const other = coolers.findIndex((cooler) => !COOLERS.includes(cooler));
  if (other >= 0) {
    throw new RangeError(`profile.txt: cooler condition of cycle ${other + 1} expected one of ${COOLERS.join(", ")}, got ${coolers[other]}`);
  }
  return COOLERS.map((cooler) => {
    const id = `cooler-${cooler}`;
    const cycles = [...coolers.keys()].filter((cycle) => coolers[cycle] === cooler);
    if (cycles.length === 0) {
      throw new RangeError(`${id}: no cycle in profile.txt has cooler condition ${cooler}, so this factory has no data; is the file whole?`);
    }
    const parts = VALVES.map((valve, target) => {
      const chosen = cycles.filter((cycle) => windows.targets[cycle] === target);
      if (chosen.length === 0) {
        throw new RangeError(`${id}: no cycle has valve condition ${valve}, so this factory lacks a class; is profile.txt whole?`);
      }
      const ids = [...new Set(chosen.map((cycle) => windows.groups[cycle]))];
      const split = splitGroups(ids, SHARES, random(seed, "hydraulic", cooler, valve), `${id}: blocks with valve condition ${valve}`);
      const of = (groups: readonly number[]) => selectWindows(windows, chosen.filter((cycle) => groups.includes(windows.groups[cycle])));
      return { train: of(split.train), validation: of(split.validation), test: of(split.test) };
    });
    return {
      id,
      train: concatWindows(parts.map((part) => part.train)),
      validation: concatWindows(parts.map((part) => part.validation)),
      test: concatWindows(parts.map((part) => part.test)),
    };
  });
}
