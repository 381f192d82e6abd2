/**
 * @module
 * Bearings that ran until they failed, on the PRONOSTIA rig of FEMTO-ST (Nectoux et al., PHM 2012): two
 * bearings at each of three conditions of speed and radial load. Every ten seconds a snapshot was taken:
 * 0.1 s of horizontal and vertical acceleration, 25,600 samples a second.
 *
 * A file is an archive of snapshots, acc_00001.csv, acc_00002.csv …, or of some of them; a row is hour,
 * minute, second, microsecond, horizontal and vertical acceleration in g. The number in the name tells
 * the time; how many snapshots an archive has, and which one this is, tells nothing that a plant knows.
 */
import { readBytes, type Source } from "./source.ts";
import { parseTable } from "./table.ts";
import { readTar } from "./tar.ts";

export const RATE_HZ = 25_600;
/** Rows of a snapshot. */
export const SAMPLES = 2560;
/** Seconds from one snapshot of the rig to the next. */
export const INTERVAL_S = 10;
/** By the first digit of a bearing's name. */
export const CONDITIONS: Readonly<Record<string, { readonly rpm: number; readonly newtons: number }>> = {
  "1": { rpm: 1800, newtons: 4000 },
  "2": { rpm: 1650, newtons: 4200 },
  "3": { rpm: 1500, newtons: 5000 },
};
/** The learning set. */
export const BEARINGS: readonly string[] = ["1_1", "1_2", "2_1", "2_2", "3_1", "3_2"];

const COLUMNS = 6;
const CHANNELS = ["horizontal", "vertical"] as const;
const REMEDY = "the data are the learning set of the IEEE PHM 2012 challenge (FEMTO-ST, PRONOSTIA); pack the folder of each bearing as Learning_set_Bearing1_1.tar.gz and so on, and give their folder";

export interface Life {
  /** Such as "1_1": bearing 1 of condition 1. */
  readonly bearing: string;
  /** (K) hours since the first snapshot of the rig, ascending. */
  readonly hours: Float64Array;
  /** Until the last snapshot, when the bearing had failed. */
  readonly lifeHours: number;
  /** (K) snapshots, each (2,2560): horizontal, then vertical acceleration in g. */
  readonly snapshots: readonly Float32Array[];
}

/**
 * Read the six bearings of the learning set.
 * @throws RangeError naming archive, file and line
 */
export async function readPronostia(source: Source): Promise<Life[]> {
  const lives: Life[] = [];
  for (const bearing of BEARINGS) lives.push(await readLife(source, bearing));
  return lives;
}

async function readLife(source: Source, bearing: string): Promise<Life> {
  const archive = `Learning_set_Bearing${bearing}.tar`;
  const { path, bytes } = await readBytes(source, [archive], REMEDY);
  const files = readTar(bytes, path)
    .map(({ path: name, bytes }) => ({ name, bytes, number: Number(/(?:^|\/)acc_(\d{5})\.csv$/.exec(name)?.[1] ?? NaN) }))
    .filter(({ number }) => number >= 1)
    .sort((a, b) => a.number - b.number);
  if (files.length < 2) throw new RangeError(`${path}: expected at least two snapshots acc_00001.csv and so on, got ${files.length}; ${REMEDY}`);
  const twice = files.find(({ number }, at) => at > 0 && files[at - 1].number === number);
  if (twice) throw new RangeError(`${path}: ${twice.name}: a second snapshot of number ${twice.number}; get the archive again`);
  const hours = Float64Array.from(files, ({ number }) => ((number - 1) * INTERVAL_S) / 3600);
  return { bearing, hours, lifeHours: hours[hours.length - 1], snapshots: files.map(({ name, bytes }) => snapshot(new TextDecoder().decode(bytes), `${path}: ${name}`)) };
}

function snapshot(text: string, path: string): Float32Array {
  // Some bearings' files separate cells by semicolons.
  const { values, rows, lines } = parseTable(text.replace(/[,;]/g, " "), path, COLUMNS);
  if (rows !== SAMPLES) throw new RangeError(`${path}: expected ${SAMPLES} rows, 0.1 s at ${RATE_HZ} Hz, got ${rows}; is it a file of temperatures, or cut short?`);
  const micros = (row: number) => ((values[row * COLUMNS] * 60 + values[row * COLUMNS + 1]) * 60 + values[row * COLUMNS + 2]) * 1e6 + values[row * COLUMNS + 3];
  // Midnight may pass, but time must not stand still or go back.
  for (let row = 1; row < rows; row++) {
    const step = micros(row) - micros(row - 1);
    if (!(step > 0 || step < -86_000e6)) throw new RangeError(`${path}:${lines[row]}: expected a time after that of the row before, got ${step} µs less or equal; mend or remove the file`);
  }
  const span = micros(rows - 1) - micros(0);
  const expected = ((SAMPLES - 1) * 1e6) / RATE_HZ;
  if (span > 0 && Math.abs(span / expected - 1) > 0.05) throw new RangeError(`${path}: expected ${RATE_HZ} samples a second, got ${Math.round(((SAMPLES - 1) * 1e6) / span)}; is it of another rig?`);
  const channels = new Float32Array(2 * SAMPLES);
  CHANNELS.forEach((channel, index) => {
    const own = channels.subarray(index * SAMPLES, (index + 1) * SAMPLES);
    for (let row = 0; row < rows; row++) own[row] = values[row * COLUMNS + 4 + index];
    if (own.every((value) => value === own[0])) throw new RangeError(`${path}: expected a ${channel} acceleration that varies, got ${own[0]} throughout; is the sensor connected?`);
  });
  return channels;
}
