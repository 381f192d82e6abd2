/**
 * @module
 * The Skoltech Anomaly Benchmark (Katser & Kozitsin 2020): experiments of some twenty minutes on a
 * water loop with pump and valves, eight sensors about once a second. Each file begins in normal
 * operation; then somebody closes a valve, unbalances the rotor or draws air in, and later undoes it.
 *
 * A file has a heading and semicolons: time, eight sensors, whether the row is anomalous, whether the
 * state changes there, which is not read. Columns are found by their names. Rows are not quite a second apart (one second in twenty is missing); models
 * take them as steps, and longer gaps are counted.
 */
import { isPresent, readText, type Source } from "./source.ts";

/** Columns of a row in this order, wherever they stand in the file. */
export const CHANNELS = [
  { name: "Accelerometer1RMS", unit: "g" },
  { name: "Accelerometer2RMS", unit: "g" },
  { name: "Current", unit: "A" },
  { name: "Pressure", unit: "bar" },
  { name: "Temperature", unit: "°C" },
  { name: "Thermocouple", unit: "°C" },
  { name: "Voltage", unit: "V" },
  { name: "Volume Flow RateRMS", unit: "l/min" },
] as const;

/** Groups of experiments, with how many files the benchmark has of each and the number of the first. */
const GROUPS = [
  { group: "valve1", first: 0, files: 16 },
  { group: "valve2", first: 0, files: 4 },
  { group: "other", first: 1, files: 14 },
] as const;
const NEEDED = ["datetime", ...CHANNELS.map(({ name }) => name), "anomaly"];
/** Seconds between two rows that are worth telling: a missing row is the rule, five in a row are not. */
const GAP_S = 5;
const REMEDY = 'the data are "SKAB" at github.com/waico/SKAB; give the folder that holds valve1 and other';

export interface Experiment {
  /** Such as "valve1-0" of the file valve1/0.csv. */
  readonly id: string;
  readonly rows: number;
  /** (rows,8) as measured. */
  readonly values: Float32Array;
  /** (rows) 1 where the benchmark says that the row is anomalous. */
  readonly anomalous: Uint8Array;
  /** Pairs of rows that are more than five seconds apart. */
  readonly gaps: number;
}

/**
 * Read the experiments that are there, at most the benchmark's 34, in its order.
 * @throws RangeError naming file and line, and when there is none.
 */
export async function readSkab(source: Source): Promise<Experiment[]> {
  const experiments: Experiment[] = [];
  for (const { group, first, files } of GROUPS) {
    for (let file = first; file < first + files; file++) {
      const name = `${group}/${file}.csv`;
      if (!(await isPresent(source, [name]))) continue;
      const { path, text } = await readText(source, [name], REMEDY);
      experiments.push({ id: `${group}-${file}`, ...parseExperiment(text, path) });
    }
  }
  if (experiments.length === 0) {
    throw new RangeError(`valve1/0.csv … other/14.csv: no such file${source.place ? ` in ${source.place}` : ""}, with or without .gz; ${REMEDY}`);
  }
  return experiments;
}

function parseExperiment(text: string, path: string): Omit<Experiment, "id"> {
  const lines = text.split(/\r?\n/);
  const heading = lines[0].replace(/^\uFEFF/, "").split(";");
  const wrong = NEEDED.find((name) => heading.filter((other) => other === name).length !== 1);
  if (wrong !== undefined) {
    throw new RangeError(`${path}:1: expected one column "${wrong}" in a heading ${NEEDED.join(";")};changepoint, got ${JSON.stringify(lines[0].slice(0, 200))}; ${REMEDY}`);
  }
  const [time, label] = ["datetime", "anomaly"].map((name) => heading.indexOf(name));
  const sensors = CHANNELS.map(({ name }) => heading.indexOf(name));
  const filled = [...lines.keys()].slice(1).filter((at) => lines[at] !== "");
  if (filled.length === 0) throw new RangeError(`${path}: the file has no rows; get it again`);
  const values = new Float32Array(filled.length * CHANNELS.length);
  const anomalous = new Uint8Array(filled.length);
  let gaps = 0;
  let before = -Infinity;
  filled.forEach((at, row) => {
    const place = `${path}:${at + 1}`;
    const cells = lines[at].split(";");
    if (cells.length !== heading.length) throw new RangeError(`${place}: expected ${heading.length} columns, got ${cells.length}; get the file again`);
    const seconds = parseTime(cells[time], place);
    if (!(seconds > before)) throw new RangeError(`${place}: time expected to be later than in the row before, got ${cells[time]}; sort the rows, or remove the doubled one`);
    if (row > 0 && seconds - before > GAP_S) gaps++;
    before = seconds;
    CHANNELS.forEach(({ name }, channel) => (values[row * CHANNELS.length + channel] = parseNumber(cells[sensors[channel]], place, name)));
    const truth = parseNumber(cells[label], place, "anomaly");
    if (truth !== 0 && truth !== 1) throw new RangeError(`${place}: "anomaly" expected 0 or 1, got ${cells[label]}; get the file again`);
    anomalous[row] = truth;
  });
  return { rows: filled.length, values, anomalous, gaps };
}

const TIME = /^(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)$/;

/** Seconds since 1970 of a time that names no zone: only differences are used. */
function parseTime(cell: string, place: string): number {
  const match = TIME.exec(cell);
  if (!match) throw new RangeError(`${place}: "datetime" expected as 2020-03-09 10:14:33, got ${JSON.stringify(cell.slice(0, 40))}; mend or remove the row`);
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number);
  return Date.UTC(year, month - 1, day, hour, minute, second) / 1000;
}

function parseNumber(cell: string, place: string, name: string): number {
  const value = cell.trim() === "" ? NaN : Number(cell);
  if (!Number.isFinite(value)) throw new RangeError(`${place}: "${name}" expected a finite number, got ${JSON.stringify(cell.slice(0, 20))}; mend or remove the row`);
  return value;
}
