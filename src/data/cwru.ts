/**
 * @module
 * Bearing faults of Case Western Reserve University's Bearing Data Center: a motor of 2 hp, its drive-end
 * bearing (SKF 6205-2RS JEM) with a pit in a ball, in the inner or in the outer ring (at 6 o'clock),
 * 7, 14 or 21 thousandths of an inch wide, at loads of 0, 1, 2 and 3 hp. Each is one recording of about ten
 * seconds: acceleration at the drive end, 12,000 samples a second, and the shaft's speed.
 *
 * One bearing of each fault ran at all loads. So a window of the same recording, or of another load,
 * comes from a bearing the model has seen; only another width of pit is another bearing.
 *
 * The recording without fault is left out: whether it has 12 or 48 thousand samples a second is disputed,
 * and a model could tell it by its rate alone.
 */
import type { Windows } from "../signal/window.ts";
import { readMat } from "./mat.ts";
import { isPresent, readBytes, type Source } from "./source.ts";

export const RATE_HZ = 12_000;
/** In hp; each stands for a factory. A user may have some of them. */
export const LOADS = [0, 1, 2, 3] as const;
export const FAULTS = ["ball", "inner", "outer"] as const;
/** Of the pit, in thousandths of an inch. */
export const WIDTHS = [7, 14, 21] as const;
/** Of the drive-end bearing, in inches. */
export const BEARING = { balls: 9, ballDiameter: 0.3126, pitchDiameter: 1.537 } as const;
export type Load = (typeof LOADS)[number];
export type Fault = (typeof FAULTS)[number];
export type Width = (typeof WIDTHS)[number];
/** The nine classes: every width of every fault. */
export const CLASSES: readonly string[] = FAULTS.flatMap((fault) => WIDTHS.map((width) => `${fault} ${width}`));

export interface Recording {
  readonly load: Load;
  readonly fault: Fault;
  readonly width: Width;
  /** Acceleration at the drive end, in g. */
  readonly samples: Float32Array;
  /** Turns of the shaft a second. */
  readonly shaftHz: number;
}

export interface Cwru {
  /** Those that are there, ascending: two or more. */
  readonly loads: readonly Load[];
  /** By load, fault, width, in the order of the constants: nine a load. */
  readonly recordings: readonly Recording[];
  /** What was mended, a sentence each. */
  readonly notes: readonly string[];
}

/** The Data Center's numbers of the recordings, by fault, width and load. */
const NUMBERS: Readonly<Record<Fault, Readonly<Record<Width, readonly number[]>>>> = {
  ball: { 7: [118, 119, 120, 121], 14: [185, 186, 187, 188], 21: [222, 223, 224, 225] },
  inner: { 7: [105, 106, 107, 108], 14: [169, 170, 171, 172], 21: [209, 210, 211, 212] },
  outer: { 7: [130, 131, 132, 133], 14: [197, 198, 199, 200], 21: [234, 235, 236, 237] },
};
const NAMES: Readonly<Record<Fault, string>> = { ball: "B", inner: "IR", outer: "OR" };
/** Nominal turns a minute by load, where a file does not state what was measured. */
const NOMINAL_RPM: Readonly<Record<Load, number>> = { 0: 1797, 1: 1772, 2: 1750, 3: 1730 };
/** Recordings at 12 kHz have about 122,000 samples; those at 48 kHz have 240,000 and more. */
const SAMPLES = { least: 100_000, most: 150_000 };
const REMEDY = 'the data are "12k Drive End Bearing Fault Data" of Case Western Reserve University\'s Bearing Data Center; download them and give their folder';

/**
 * Read the nine recordings of every load that is there: files named 118.mat as on the Data Center's pages, or load0/B007_118.mat.
 * @throws RangeError naming the file, for one that is missing where others of its load are there, for less than two loads,
 * for a missing variable, another rate, or a signal that stands still
 */
export async function readCwru(source: Source): Promise<Cwru> {
  const notes: string[] = [];
  const recordings: Recording[] = [];
  const loads: Load[] = [];
  for (const load of LOADS) {
    const kinds = FAULTS.flatMap((fault) => WIDTHS.map((width) => ({ load, fault, width })));
    if (!(await isPresent(source, kinds.flatMap(namesOf)))) continue;
    loads.push(load);
    for (const kind of kinds) recordings.push(await readRecording(source, kind, notes));
  }
  if (loads.length < 2) {
    const place = source.place ? ` in ${source.place}` : "";
    throw new RangeError(`expected recordings at two loads or more (118.mat or load0/B007_118.mat and so on)${place}, got ${loads.length === 0 ? "none" : `those at ${loads[0]} hp`}; ${REMEDY}`);
  }
  return { loads, recordings, notes };
}

type Kind = Pick<Recording, "load" | "fault" | "width">;
const numberOf = ({ load, fault, width }: Kind): number => NUMBERS[fault][width][load];

/** What the file of a recording may be called. */
function namesOf(kind: Kind): string[] {
  const { load, fault, width } = kind;
  const number = numberOf(kind);
  const name = `${NAMES[fault]}${String(width).padStart(3, "0")}${fault === "outer" ? "@6" : ""}_${number}.mat`;
  return [`load${load}/${name}`, name, `${number}.mat`];
}

async function readRecording(source: Source, kind: Kind, notes: string[]): Promise<Recording> {
  const number = numberOf(kind);
  const { path, bytes } = await readBytes(source, namesOf(kind), REMEDY);
  // Some of these files hold a second recording, so the number chooses.
  const [signal, speed] = [`X${number}_DE_time`, `X${number}RPM`];
  const { arrays } = await readMat(bytes, path, (variable) => variable === signal || variable === speed);
  const values = arrays.get(signal)?.values;
  if (!values) throw new RangeError(`${path}: expected a variable "${signal}", the acceleration at the drive end, got none; is it the file of another recording?`);
  if (values.length < SAMPLES.least || values.length > SAMPLES.most) {
    throw new RangeError(`${path}: "${signal}" expected ${SAMPLES.least} to ${SAMPLES.most} samples, ten seconds at ${RATE_HZ} Hz, got ${values.length}; is it a recording at 48 kHz?`);
  }
  const wrong = values.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0) throw new RangeError(`${path}: sample ${wrong + 1} of "${signal}" expected a finite number, got ${values[wrong]}; get the file again`);
  if (values.every((value) => value === values[0])) throw new RangeError(`${path}: "${signal}" expected a signal that varies, got ${values[0]} throughout; get the file again`);
  const measured = arrays.get(speed)?.values[0];
  if (measured === undefined) notes.push(`${path} does not state its speed; the nominal ${NOMINAL_RPM[kind.load]} turns a minute of its load were taken.`);
  const rpm = measured ?? NOMINAL_RPM[kind.load];
  if (!(rpm > 1600 && rpm < 1900)) throw new RangeError(`${path}: "${speed}" expected 1600 to 1900 turns a minute, got ${rpm}; get the file again`);
  return { ...kind, samples: Float32Array.from(values), shaftHz: rpm / 60 };
}

export const classOf = ({ fault, width }: Pick<Recording, "fault" | "width">): number => FAULTS.indexOf(fault) * WIDTHS.length + WIDTHS.indexOf(width);

export interface RecordingWindowOptions {
  /** Samples of a window. */
  readonly samples: number;
  /** From the start of one window to the start of the next. */
  readonly stride: number;
  /** The part of each recording that windows lie in, wholly. Default: all of it. */
  readonly part?: { readonly from: number; readonly to: number };
  /** Default: all recordings. */
  readonly where?: (recording: Recording) => boolean;
  /** Default: the class among nine. */
  readonly target?: (recording: Recording) => number;
}

/** Windows (N,samples,1) of raw acceleration. Groups are indices into `recordings`. */
export function recordingWindows(recordings: readonly Recording[], { samples, stride, part = { from: 0, to: 1 }, where = () => true, target = classOf }: RecordingWindowOptions): Windows {
  const starts = recordings.flatMap((recording, group) => {
    if (!where(recording)) return [];
    const first = Math.ceil(part.from * recording.samples.length);
    const last = Math.floor(part.to * recording.samples.length) - samples;
    return Array.from({ length: Math.max(0, Math.floor((last - first) / stride) + 1) }, (_, index) => ({ group, at: first + index * stride }));
  });
  const inputs = new Float32Array(starts.length * samples);
  starts.forEach(({ group, at }, index) => inputs.set(recordings[group].samples.subarray(at, at + samples), index * samples));
  return {
    inputs,
    targets: Float32Array.from(starts, ({ group }) => target(recordings[group])),
    groups: Int32Array.from(starts, ({ group }) => group),
    count: starts.length,
    steps: samples,
    features: 1,
  };
}
