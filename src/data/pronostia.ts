/**
 * @module
 * Bearings that ran until they failed, on the PRONOSTIA rig of FEMTO-ST (Nectoux et al., PHM 2012), at three
 * conditions of speed and radial load. Every ten seconds a snapshot was taken: 0.1 s of horizontal and
 * vertical acceleration, 25,600 samples a second.
 *
 * Six bearings are the challenge's learning set. Eleven more are its test set twice over: "Test_set" is cut off
 * some time before the failure, "Full_Test_Set" is whole. Only whole lives are read, from the folders or archives
 * of the learning set and of the full test set; one that ends where the challenge cut it is refused whatever it is called.
 *
 * A life is a folder or an archive of snapshots, acc_00001.csv, acc_00002.csv …, or of some of them; a row is hour,
 * minute, second, microsecond, horizontal and vertical acceleration in g. The number in the name tells
 * the time; how many snapshots a life has, and which one this is, tells nothing that a plant knows.
 */
import { isPresent, readBytes, type Source, type SourceBytes } from "./source.ts";
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
/** Of the learning set, then of the test set with the number of the last snapshot before the challenge cut it off (from its document's times). */
const LEARNING = ["1_1", "1_2", "2_1", "2_2", "3_1", "3_2"];
const CUT: Readonly<Record<string, number>> = {
  "1_3": 1802, "1_4": 1139, "1_5": 2302, "1_6": 2302, "1_7": 1502, "2_3": 1202, "2_4": 612, "2_5": 2002, "2_6": 572, "2_7": 172, "3_3": 352,
};
/** All seventeen, by condition. */
export const BEARINGS: readonly string[] = [...LEARNING, ...Object.keys(CUT)].sort();

const COLUMNS = 6;
const CHANNELS = ["horizontal", "vertical"] as const;
/** The longest life has 2,803 snapshots. */
const MOST_SNAPSHOTS = 3000;
/** Of a study that holds each bearing out in turn and federates the others. */
const LEAST_BEARINGS = 3;
const REMEDY = "the data are of the IEEE PHM 2012 challenge (FEMTO-ST, PRONOSTIA); give the folder that holds Learning_set/Bearing1_1 and so on, Full_Test_Set/Bearing1_3 and so on, or archives Learning_set_Bearing1_1.tar.gz and so on";

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
 * Read the whole lives that are there, in the order of BEARINGS.
 * @throws RangeError as livesOf
 */
export async function readPronostia(source: Source): Promise<Life[]> {
  const lives: Life[] = [];
  for await (const life of livesOf(source)) lives.push(life);
  return lives;
}

/**
 * One life after the other, as all of them together take half a gigabyte.
 * @throws RangeError naming archive or folder, file and line; for less than three bearings, and for a life that is cut off
 */
export async function* livesOf(source: Source): AsyncGenerator<Life> {
  const found: string[] = [];
  for (const bearing of BEARINGS) {
    const life = await readLife(source, bearing);
    if (!life) continue;
    found.push(bearing);
    yield life;
  }
  if (found.length < LEAST_BEARINGS) {
    const place = source.place ? ` in ${source.place}` : "";
    throw new RangeError(`expected ${LEAST_BEARINGS} bearings or more, whole lives${place}, got ${found.length === 0 ? "none" : found.join(" and ")}; ${REMEDY}`);
  }
}

/** A snapshot that is not parsed yet. */
interface File {
  readonly name: string;
  readonly number: number;
  readonly bytes: Uint8Array;
}

async function readLife(source: Source, bearing: string): Promise<Life | undefined> {
  const set = LEARNING.includes(bearing) ? "Learning_set" : "Full_Test_Set";
  const [archive, folder] = [`${set}_Bearing${bearing}.tar`, `${set}/Bearing${bearing}`];
  if (await isPresent(source, [archive])) return lifeOf(bearing, filesOf(await readBytes(source, [archive], REMEDY)));
  return (await isPresent(source, [fileIn(folder, 1)])) ? lifeOf(bearing, await filesIn(source, folder)) : undefined;
}

const fileIn = (folder: string, number: number): string => `${folder}/acc_${String(number).padStart(5, "0")}.csv`;

/** Ascending. */
function filesOf({ path, bytes }: SourceBytes): { path: string; files: File[] } {
  const files = readTar(bytes, path)
    .map(({ path: name, bytes }) => ({ name: `${path}: ${name}`, bytes, number: Number(/(?:^|\/)acc_(\d{5})\.csv$/.exec(name)?.[1] ?? NaN) }))
    .filter(({ number }) => number >= 1)
    .sort((a, b) => a.number - b.number);
  const twice = files.find(({ number }, at) => at > 0 && files[at - 1].number === number);
  if (twice) throw new RangeError(`${twice.name}: a second snapshot of number ${twice.number}; get the archive again`);
  return { path, files };
}

/** A source cannot list a folder, so each number is asked for. */
async function filesIn(source: Source, folder: string): Promise<{ path: string; files: File[] }> {
  const files: File[] = [];
  for (let number = 1; number <= MOST_SNAPSHOTS; number++) {
    const name = fileIn(folder, number);
    if (!(await isPresent(source, [name]))) continue;
    const { path, bytes } = await readBytes(source, [name], REMEDY);
    files.push({ name: path, number, bytes });
  }
  return { path: folder, files };
}

function lifeOf(bearing: string, { path, files }: { path: string; files: readonly File[] }): Life {
  if (files.length < 2) throw new RangeError(`${path}: expected at least two snapshots acc_00001.csv and so on, got ${files.length}; ${REMEDY}`);
  const last = files[files.length - 1].number;
  const cut = CUT[bearing] ?? 0;
  if (last <= cut) {
    throw new RangeError(`${path}: expected snapshots until bearing ${bearing} failed, got the last one of number ${last}; the challenge's Test_set is cut off at ${cut}, take the bearing from Full_Test_Set`);
  }
  const hours = Float64Array.from(files, ({ number }) => ((number - 1) * INTERVAL_S) / 3600);
  return { bearing, hours, lifeHours: hours[hours.length - 1], snapshots: files.map(({ name, bytes }) => snapshot(new TextDecoder().decode(bytes), name)) };
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
