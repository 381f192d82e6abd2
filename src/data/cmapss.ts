/**
 * @module
 * NASA's C-MAPSS turbofan engines (Saxena, Goebel, Simon & Eklund 2008): simulated run-to-failure
 * histories, and test histories that stop some cycles earlier. The task is the number of cycles left.
 *
 * A file has a row a cycle and 26 columns: unit, cycle, three operating settings, 21 sensors. Seven
 * sensors are constant at sea level and are left out, as nearly all published work does. The sets
 * flown at six operating conditions keep the settings as leading columns: they choose the regime of
 * the scaler and are not seen by the model.
 */
import type { Windows } from "../signal/window.ts";
import { dealFleets } from "./fleet.ts";
import { readText, type Source } from "./source.ts";
import { parseTable, type Table } from "./table.ts";

export const SUBSETS = ["FD001", "FD002", "FD003", "FD004"] as const;
export type Subset = (typeof SUBSETS)[number];

/** The 14 sensors that vary, by NASA's numbers; names and units as in Saxena et al. 2008, table 2. */
export const CHANNELS = [
  { sensor: 2, name: "T24", unit: "°R" },
  { sensor: 3, name: "T30", unit: "°R" },
  { sensor: 4, name: "T50", unit: "°R" },
  { sensor: 7, name: "P30", unit: "psia" },
  { sensor: 8, name: "Nf", unit: "rpm" },
  { sensor: 9, name: "Nc", unit: "rpm" },
  { sensor: 11, name: "Ps30", unit: "psia" },
  { sensor: 12, name: "phi", unit: "pps/psi" },
  { sensor: 13, name: "NRf", unit: "rpm" },
  { sensor: 14, name: "NRc", unit: "rpm" },
  { sensor: 15, name: "BPR", unit: "" },
  { sensor: 17, name: "htBleed", unit: "" },
  { sensor: 20, name: "W31", unit: "lbm/s" },
  { sensor: 21, name: "W32", unit: "lbm/s" },
] as const;
export const SENSORS: readonly number[] = CHANNELS.map(({ sensor }) => sensor);
/** Operating conditions of a subset: with more than one, raw rows begin with the settings. */
export const REGIMES: Readonly<Record<Subset, number>> = { FD001: 1, FD002: 6, FD003: 1, FD004: 6 };
export const SETTINGS = [{ name: "altitude", unit: "kft" }, { name: "Mach number", unit: "" }, { name: "throttle", unit: "°" }] as const;
/** Cycles in a window. */
export const WINDOW = 30;
/** Wear is not visible long before failure, so training labels stop here (Heimes 2008). */
export const CAP = 125;

const COLUMNS = 26;
const REMEDY =
  "C-MAPSS is the \"Turbofan Engine Degradation Simulation Data Set\" of NASA's Prognostics Center of Excellence; unpack it and give its folder";

export interface Engine {
  readonly unit: number;
  readonly cycles: number;
  /** (cycles, features) raw. */
  readonly rows: Float32Array;
  /** Cycles left after the last row: 0 for an engine that ran to failure. */
  readonly remaining: number;
}

export interface Cmapss {
  readonly subset: Subset;
  /** Columns of a raw row: 14 sensors, behind 3 settings where there are several regimes. */
  readonly features: number;
  readonly train: readonly Engine[];
  readonly test: readonly Engine[];
}

/** Windows whose targets are capped, with the uncapped labels beside them. */
export interface EngineWindows extends Windows {
  /** (N) cycles left, not capped. */
  readonly rawTargets: Float32Array;
}

export interface EngineFactory {
  readonly id: string;
  readonly train: EngineWindows;
  readonly validation: EngineWindows;
  /** The last window of each of its test engines. */
  readonly test: EngineWindows;
}

/**
 * Read and check one subset.
 * @throws RangeError naming file and line.
 */
export async function readCmapss(source: Source, subset: Subset): Promise<Cmapss> {
  if (!SUBSETS.includes(subset)) throw new RangeError(`"subset" expected one of ${SUBSETS.join(", ")}, got ${JSON.stringify(subset)}`);
  const read = async (name: string, columns: number) => {
    const { path, text } = await readText(source, [`${name}_${subset}.txt`], REMEDY);
    return parseTable(text, path, columns);
  };
  const [train, test, labels] = [await read("train", COLUMNS), await read("test", COLUMNS), await read("RUL", 1)];
  const features = (REGIMES[subset] > 1 ? SETTINGS.length : 0) + SENSORS.length;
  const testEngines = engines(test, features, [...labels.values]);
  if (testEngines.length !== labels.rows) {
    const expected = `a row for each of the ${testEngines.length} engines of ${test.path}`;
    throw new RangeError(`${labels.path}: expected ${expected}, got ${labels.rows}; are they of the same subset?`);
  }
  const negative = labels.values.findIndex((value) => !(Number.isInteger(value) && value >= 0));
  if (negative >= 0) {
    throw new RangeError(`${labels.path}:${labels.lines[negative]}: expected a number of cycles, an integer >= 0, got ${labels.values[negative]}`);
  }
  return { subset, features, train: engines(train, features, []), test: testEngines };
}

/** Cut the table where the unit changes; units count 1, 2, 3 … and so do the cycles of each. */
function engines(table: Table, features: number, remaining: readonly number[]): Engine[] {
  const { values, rows, path, lines } = table;
  const sources = [...Array.from({ length: features - SENSORS.length }, (_, setting) => 2 + setting), ...SENSORS.map((sensor) => 4 + sensor)];
  const result: Engine[] = [];
  for (let row = 0; row < rows; ) {
    const unit = result.length + 1;
    const start = row;
    for (; row < rows && values[row * COLUMNS] === unit; row++) {
      const cycle = values[row * COLUMNS + 1];
      const expected = row - start + 1;
      if (cycle !== expected) {
        throw new RangeError(`${path}:${lines[row]}: unit ${unit} expected cycle ${expected}, got ${cycle}; rows are missing, doubled or out of order`);
      }
    }
    const cycles = row - start;
    if (cycles === 0) {
      throw new RangeError(`${path}:${lines[row]}: expected unit ${unit}, or ${unit - 1} again, got ${values[row * COLUMNS]}; units count up from 1`);
    }
    const kept = new Float32Array(cycles * features);
    for (let cycle = 0; cycle < cycles; cycle++) {
      sources.forEach((from, to) => (kept[cycle * features + to] = values[(start + cycle) * COLUMNS + from]));
    }
    result.push({ unit, cycles, rows: kept, remaining: remaining[unit - 1] ?? 0 });
  }
  return result;
}

export interface EngineWindowOptions {
  /** Only the window that ends with the engine's last row. */
  readonly last?: boolean;
  /** Cycles from the end of one window to the end of the next, counted back from the last row. Default 1. */
  readonly stride?: number;
}

/**
 * Windows of 30 cycles; an engine with fewer rows gives one, filled on the left with its first row.
 * Groups are unit numbers.
 */
export function engineWindows(engines: readonly Engine[], features: number, { last = false, stride = 1 }: EngineWindowOptions = {}): EngineWindows {
  if (!(Number.isInteger(stride) && stride >= 1)) throw new RangeError(`"stride" expected integer >= 1, got ${stride}`);
  const ends = engines.flatMap((engine) => {
    const found: { engine: Engine; end: number }[] = [];
    for (let end = engine.cycles; end === engine.cycles || (!last && end >= WINDOW); end -= stride) found.push({ engine, end });
    return found.reverse();
  });
  const inputs = new Float32Array(ends.length * WINDOW * features);
  ends.forEach(({ engine, end }, index) => {
    const to = index * WINDOW * features;
    const missing = Math.max(0, WINDOW - end);
    for (let step = 0; step < missing; step++) inputs.set(engine.rows.subarray(0, features), to + step * features);
    inputs.set(engine.rows.subarray((end - WINDOW + missing) * features, end * features), to + missing * features);
  });
  const rawTargets = Float32Array.from(ends, ({ engine, end }) => engine.remaining + engine.cycles - end);
  return {
    inputs,
    targets: rawTargets.map((cycles) => Math.min(cycles, CAP)),
    rawTargets,
    groups: Int32Array.from(ends, ({ engine }) => engine.unit),
    count: ends.length,
    steps: WINDOW,
    features,
  };
}

export interface DealOptions {
  readonly factories: number;
  readonly seed: number;
  /** Of training and validation windows. */
  readonly stride?: number;
  /** Share of each factory's training engines that validates, at least one. Default 0.1. */
  readonly validation?: number;
}

/**
 * Deal the engines, training and test ones alike, to factories that share none.
 * @throws RangeError when there are not two training engines and one test engine for each.
 */
export function dealEngines(data: Cmapss, { factories, seed, stride = 1, validation = 0.1 }: DealOptions): EngineFactory[] {
  return dealFleets(data, factories, seed, validation).map(({ id, train, validation, test }) => ({
    id,
    train: engineWindows(train, data.features, { stride }),
    validation: engineWindows(validation, data.features, { stride }),
    test: engineWindows(test, data.features, { last: true }),
  }));
}
