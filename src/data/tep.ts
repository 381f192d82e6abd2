/**
 * @module
 * The Tennessee Eastman process (Downs & Vogel 1993), a simulated chemical plant under control, as Chiang,
 * Russell & Braatz (2001) ran it: 52 variables every three minutes, once in normal operation and once
 * with each of 21 faults.
 *
 * d00.dat is the normal run, 500 rows, and lies on its side: a row a variable. A fault's training run
 * takes 25 h and the fault comes after the first; its file begins there, so all of its 480 rows are of
 * the faulty plant (the steps of faults 4, 5 and 7 are in the first row).
 *
 * The archive has a second run of each, by other random numbers, on which the literature judges: d00_te.dat to
 * d21_te.dat, 48 h in 960 rows that stand upright. There a fault comes after 8 h, so 160 rows are of the plant before it.
 */
import { isPresent, readText, type Source } from "./source.ts";
import { parseTable } from "./table.ts";

/** 41 measurements and 11 manipulated variables, by the numbers of Downs & Vogel. */
export const CHANNELS: readonly string[] = [
  ...Array.from({ length: 41 }, (_, index) => `XMEAS ${index + 1}`),
  ...Array.from({ length: 11 }, (_, index) => `XMV ${index + 1}`),
];
export const FAULTS: readonly number[] = Array.from({ length: 21 }, (_, index) => index + 1);
/** Faults that control hides so well that they are not told from normal operation; means are given with and without them. */
export const HIDDEN: readonly number[] = [3, 9, 15];
/** Minutes from row to row. */
export const STEP_MINUTES = 3;
/** Rows of a test run, and those of them before its fault. */
export const TEST_ROWS = 960;
export const ONSET = 160;
const REMEDY = "the data are d00.dat to d21.dat of the Tennessee Eastman archive at web.mit.edu/braatzgroup; give their folder";
const TEST_REMEDY = "other test runs of the Tennessee Eastman archive are there; give all of d00_te.dat to d21_te.dat, or none";

export interface Run {
  readonly rows: number;
  /** (rows,52) */
  readonly values: Float32Array;
}

export interface Runs {
  readonly normal: Run;
  /** By FAULTS. */
  readonly faults: readonly Run[];
}

export interface Tep extends Runs {
  /** Of 960 rows each, in the faults' the fault from row 161 on. Absent where none of their files is there. */
  readonly tests?: Runs;
}

/**
 * Read the normal run and the 21 faults, and the test runs where they are there.
 * @throws RangeError naming file and line; for a normal run with a variable that never changes; for a test run that is missing among others.
 */
export async function readTep(source: Source): Promise<Tep> {
  const read = async (number: number) => {
    const { path, text } = await readText(source, [nameOf(number)], REMEDY);
    return { path, run: number === 0 && cells(text) !== CHANNELS.length ? parseLying(text, path) : parseUpright(text, path) };
  };
  const { path, run: normal } = await read(0);
  CHANNELS.forEach((name, channel) => {
    const first = normal.values[channel];
    for (let row = 1; row < normal.rows; row++) if (normal.values[row * CHANNELS.length + channel] !== first) return;
    throw new RangeError(`${path}: ${name} is ${first} in all rows, so that nothing can be learned of it; is this the normal run?`);
  });
  const faults: Run[] = [];
  for (const fault of FAULTS) faults.push((await read(fault)).run);
  const tests = [0, ...FAULTS].map((number) => nameOf(number, "_te"));
  if (!(await isPresent(source, tests))) return { normal, faults };
  const runs: Run[] = [];
  for (const name of tests) runs.push(await readTest(source, name));
  return { normal, faults, tests: { normal: runs[0], faults: runs.slice(1) } };
}

const nameOf = (number: number, suffix = ""): string => `d${String(number).padStart(2, "0")}${suffix}.dat`;

async function readTest(source: Source, name: string): Promise<Run> {
  const { path, text } = await readText(source, [name], TEST_REMEDY);
  const run = parseUpright(text, path);
  if (run.rows !== TEST_ROWS) throw new RangeError(`${path}: expected ${TEST_ROWS} rows, 48 h of ${STEP_MINUTES} minutes each, got ${run.rows}; get the file again`);
  return run;
}

/** Cells of the first row that has any. */
const cells = (text: string): number => (/\S[^\n]*/.exec(text)?.[0] ?? "").trim().split(/\s+/).length;

function parseUpright(text: string, path: string): Run {
  const { rows, values } = parseTable(text, path, CHANNELS.length);
  return { rows, values: Float32Array.from(values) };
}

/** A row a variable: turned to a row a time. */
function parseLying(text: string, path: string): Run {
  const I = CHANNELS.length;
  const { rows, columns, values } = parseTable(text, path, cells(text));
  if (rows !== I) throw new RangeError(`${path}: expected ${I} columns or ${I} rows, one a variable, got ${columns} and ${rows}; ${REMEDY}`);
  return { rows: columns, values: Float32Array.from({ length: columns * I }, (_, at) => values[(at % I) * columns + Math.floor(at / I)]) };
}
