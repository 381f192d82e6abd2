/**
 * @module
 * MATLAB's .mat files of version 5 (what `save -v6` and `save -v7` write), numeric arrays of every class.
 * The format is public: MathWorks, "MAT-File Format", revision of 2014 and later, chapter 1.
 *
 * A file is a header of 128 bytes and a row of elements. An element is a tag (type, bytes) and its data,
 * padded to 8 bytes; where at most 4 bytes are data, tag and data share 8 bytes. An array is an element
 * of elements: flags, dimensions, name, real part, imaginary part. A compressed element is an element
 * in a zlib stream. Numbers lie column by column, in the byte order of the writer and in the smallest
 * type that held them, which need not be the array's class.
 *
 *     header ─ [tag data pad] ─ [tag ─ zlib ─ [tag data]] ─ …  ─►  { name, shape, values }
 *
 * What is not a numeric array (text, cells, structures) is listed as skipped, not read.
 */
import { inflate, MAX_BYTES, type Source } from "./source.ts";
import { allBytes, openFile, unpacked } from "./stream.ts";

export interface MatArray {
  readonly name: string;
  /** MATLAB's class the array had, such as "int16" or "double". */
  readonly type: string;
  /** Rows, columns and so on: at least two. */
  readonly shape: readonly number[];
  /** Row-major, as the last dimension of a (rows, columns) array varies fastest here and the first in MATLAB. */
  readonly values: Float64Array;
  /** Of complex arrays. */
  readonly imaginary?: Float64Array;
}

export interface Mat {
  /** In the order of the file, a name once. */
  readonly arrays: ReadonlyMap<string, MatArray>;
  /** Variables that are no numeric arrays, with their class. */
  readonly skipped: readonly { readonly name: string; readonly type: string }[];
}

const HEADER = 128;
const COMPRESSED = 15;
const MATRIX = 14;
/** More dimensions than any data have. */
const MAX_DIMENSIONS = 32;
const SAFE = BigInt(Number.MAX_SAFE_INTEGER);

/** MATLAB's classes by number; the numeric ones from 6 to 15. */
const CLASSES = [
  "unknown", "cell", "struct", "object", "char", "sparse", "double", "single",
  "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "function", "opaque",
];
const isNumeric = (type: number): boolean => type >= 6 && type <= 15;

type Read = (view: DataView, at: number, littleEndian: boolean) => number;
/** The storage types of numbers: bytes of each, and how to read one. */
const NUMBERS: Readonly<Record<number, { bytes: number; read: Read }>> = {
  1: { bytes: 1, read: (view, at) => view.getInt8(at) },
  2: { bytes: 1, read: (view, at) => view.getUint8(at) },
  3: { bytes: 2, read: (view, at, little) => view.getInt16(at, little) },
  4: { bytes: 2, read: (view, at, little) => view.getUint16(at, little) },
  5: { bytes: 4, read: (view, at, little) => view.getInt32(at, little) },
  6: { bytes: 4, read: (view, at, little) => view.getUint32(at, little) },
  7: { bytes: 4, read: (view, at, little) => view.getFloat32(at, little) },
  9: { bytes: 8, read: (view, at, little) => view.getFloat64(at, little) },
  12: { bytes: 8, read: (view, at, little) => exact(view.getBigInt64(at, little)) },
  13: { bytes: 8, read: (view, at, little) => exact(view.getBigUint64(at, little)) },
};
/** NaN marks what a double cannot hold; the caller knows where it is. */
const exact = (value: bigint): number => (value > SAFE || value < -SAFE ? NaN : Number(value));

/** Bytes with what an error needs to name them. */
interface Part {
  readonly view: DataView;
  readonly littleEndian: boolean;
  /** "file: byte 128", or with "(inflated)" what is counted in a zlib stream. */
  place(at: number): string;
}

interface Element {
  readonly type: number;
  /** Where its data begin and end, and where the next element begins. */
  readonly from: number;
  readonly to: number;
  readonly next: number;
}

/** The numeric arrays of a file of the source, plain or with ".gz". @param wanted as below @throws RangeError naming file and byte */
export async function readMatFile(source: Source, path: string, wanted?: (name: string) => boolean, remedy = "check the path"): Promise<Mat> {
  const { path: found, bytes } = await openFile(source, [path], remedy);
  return readMat(await allBytes(found, unpacked(found, [bytes]), MAX_BYTES), found, wanted);
}

/**
 * Read the numeric arrays of a .mat file.
 * @param path for messages
 * @param wanted which variables to read, by name; all by default. Others cost no memory.
 * @throws RangeError naming file and byte, for another format (version 4, version 7.3 with its remedy), damage, or arrays of more than 256 MiB.
 */
export async function readMat(bytes: Uint8Array, path: string, wanted: (name: string) => boolean = () => true): Promise<Mat> {
  const littleEndian = checkHeader(bytes, path);
  const file: Part = { view: viewOf(bytes), littleEndian, place: (at) => `${path}: byte ${at}` };
  const arrays = new Map<string, MatArray>();
  const skipped: { name: string; type: string }[] = [];
  let budget = MAX_BYTES;
  for (let at = HEADER; at < bytes.length; ) {
    let part = file;
    let element = elementAt(file, at, bytes.length);
    at = element.next;
    if (element.type === COMPRESSED) {
      const { from, to } = element;
      const plain = await inflate(bytes.subarray(from, to), "deflate", file.place(from), `${file.place(from)}: not a whole zlib stream; the file is damaged, get it again`, budget);
      budget -= plain.length;
      part = { view: viewOf(plain), littleEndian, place: (inner) => `${file.place(from)}, inflated byte ${inner}` };
      element = elementAt(part, 0, plain.length);
    }
    // Types we do not know are somebody's extension, and say how long they are.
    if (element.type !== MATRIX || element.from === element.to) continue;
    const { name, type, array, bytes: taken } = matrix(part, element, wanted, budget);
    budget -= taken;
    if (arrays.has(name) || skipped.some((other) => other.name === name)) throw new RangeError(`${part.place(element.from)}: a second variable "${name}"; save the file again`);
    if (!isNumeric(type)) skipped.push({ name, type: CLASSES[type] });
    else if (array) arrays.set(name, array);
  }
  return { arrays, skipped };
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** @returns whether the writer's byte order is little-endian */
function checkHeader(bytes: Uint8Array, path: string): boolean {
  const remedy = "save it with MATLAB's `save -v7` or scipy.io.savemat";
  const hdf5 = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a];
  if ([0, 512].some((start) => hdf5.every((byte, at) => bytes[start + at] === byte))) {
    throw new RangeError(`${path}: byte 0: a .mat file of version 7.3, which is HDF5 and is not read here; ${remedy}`);
  }
  if (bytes.length < HEADER) throw new RangeError(`${path}: expected a .mat header of ${HEADER} bytes, got ${bytes.length} bytes; get the file again`);
  const order = String.fromCharCode(bytes[126], bytes[127]);
  if (order !== "IM" && order !== "MI") {
    // Version 4 has no header: it begins with an integer of four bytes that is below 5000.
    const old = bytes.subarray(0, 4).includes(0) ? "; files of version 4 are not read here" : "";
    throw new RangeError(`${path}: byte 126: expected the byte order mark "IM" or "MI" of a .mat file of version 5${old}; ${remedy}`);
  }
  const littleEndian = order === "IM";
  const version = viewOf(bytes).getUint16(124, littleEndian);
  if (version !== 0x0100) throw new RangeError(`${path}: byte 124: expected version 0x0100 of the format, got 0x${version.toString(16).padStart(4, "0")}; ${remedy}`);
  return littleEndian;
}

/** The element that begins at this byte and ends at `end` at the latest. */
function elementAt({ view, littleEndian, place }: Part, at: number, end: number): Element {
  if (end - at < 8) throw new RangeError(`${place(at)}: expected a tag of 8 bytes, got ${Math.max(0, end - at)}; the file is cut short, get it again`);
  const first = view.getUint32(at, littleEndian);
  const small = Math.floor(first / 0x10000);
  if (small > 0) {
    if (small > 4) throw new RangeError(`${place(at)}: expected a small element of at most 4 bytes, got ${small}; the file is damaged, get it again`);
    return { type: first % 0x10000, from: at + 4, to: at + 4 + small, next: at + 8 };
  }
  const length = view.getUint32(at + 4, littleEndian);
  const from = at + 8;
  if (length > end - from) throw new RangeError(`${place(at)}: expected an element of ${length} bytes, got ${end - from} to the end; the file is cut short or damaged, get it again`);
  const padded = first === COMPRESSED ? length : Math.ceil(length / 8) * 8;
  return { type: first, from, to: from + length, next: Math.min(end, from + padded) };
}

/** An array element's parts; `array` only where it is numeric and wanted, `bytes` what it takes. */
function matrix(part: Part, { from, to }: Element, wanted: (name: string) => boolean, budget: number) {
  const { view, littleEndian, place } = part;
  const flags = elementAt(part, from, to);
  if (flags.type !== 6 || flags.to - flags.from !== 8) throw new RangeError(`${place(from)}: expected the flags of an array, two uint32, got type ${flags.type} of ${flags.to - flags.from} bytes; the file is damaged, get it again`);
  const word = view.getUint32(flags.from, littleEndian);
  const type = word % 256;
  if (type >= CLASSES.length || type === 0) throw new RangeError(`${place(flags.from)}: expected an array class from 1 to ${CLASSES.length - 1}, got ${type}; the file is damaged, get it again`);
  // Opaque objects have their own layout, without dimensions.
  if (type === CLASSES.indexOf("opaque")) return { name: text(part, elementAt(part, flags.next, to)), type, bytes: 0 };
  const dimensions = elementAt(part, flags.next, to);
  const title = elementAt(part, dimensions.next, to);
  const name = text(part, title);
  if (!isNumeric(type) || !wanted(name)) return { name, type, bytes: 0 };

  const shape = shapeOf(part, dimensions, name);
  const count = shape.reduce((product, size) => product * size, 1);
  const complex = Math.floor(word / 0x800) % 2 === 1;
  const bytes = count * 8 * (complex ? 2 : 1);
  if (bytes > budget) throw new RangeError(`${place(dimensions.from)}: "${name}" of ${shape.join(" x ")} and what came before it are more than ${MAX_BYTES} bytes; read it alone or save fewer variables`);
  const real = elementAt(part, title.next, to);
  const values = numbers(part, real, count, shape, name);
  if (!complex) return { name, type, bytes, array: { name, type: CLASSES[type], shape, values } };
  const imaginary = numbers(part, elementAt(part, real.next, to), count, shape, name);
  return { name, type, bytes, array: { name, type: CLASSES[type], shape, values, imaginary } };
}

function text({ view, place }: Part, { type, from, to }: Element): string {
  if (![1, 2, 16].includes(type)) throw new RangeError(`${place(from)}: expected a name, got type ${type}; the file is damaged, get it again`);
  // MATLAB's names have at most 63 letters; the rest of a longer one is nothing we would show.
  return new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + from, Math.min(to - from, 63)).slice());
}

function shapeOf({ view, littleEndian, place }: Part, { type, from, to }: Element, name: string): number[] {
  const length = (to - from) / 4;
  if (type !== 5 || !Number.isInteger(length) || length < 2 || length > MAX_DIMENSIONS) {
    throw new RangeError(`${place(from)}: "${name}" expected 2 to ${MAX_DIMENSIONS} dimensions as int32, got type ${type} of ${to - from} bytes; the file is damaged, get it again`);
  }
  return Array.from({ length }, (_, dimension) => {
    const size = view.getInt32(from + 4 * dimension, littleEndian);
    if (size < 0) throw new RangeError(`${place(from + 4 * dimension)}: "${name}" expected a dimension >= 0, got ${size}; the file is damaged, get it again`);
    return size;
  });
}

/** The file has to hold every number before memory is taken for them. */
function numbers({ view, littleEndian, place }: Part, { type, from, to }: Element, count: number, shape: readonly number[], name: string): Float64Array {
  const number = NUMBERS[type];
  if (!number) throw new RangeError(`${place(from)}: "${name}" expected numbers, got type ${type}; the file is damaged, get it again`);
  if (count * number.bytes !== to - from) {
    throw new RangeError(`${place(from)}: "${name}" of ${shape.join(" x ")} expected ${count * number.bytes} bytes, got ${to - from}; the file is damaged, get it again`);
  }
  const values = new Float64Array(count);
  // Walk in the file's order; `to` is the same element's place row by row.
  const strides = shape.map((_, dimension) => shape.slice(dimension + 1).reduce((product, size) => product * size, 1));
  const index = shape.map(() => 0);
  let target = 0;
  for (let at = 0; at < count; at++) {
    const byte = from + at * number.bytes;
    const value = number.read(view, byte, littleEndian);
    if (type >= 12 && value !== value) throw new RangeError(`${place(byte)}: "${name}" expected an integer within ±${SAFE}, got one beyond; save it as double`);
    values[target] = value;
    for (let dimension = 0; dimension < shape.length; dimension++) {
      target += strides[dimension];
      if (++index[dimension] < shape[dimension]) break;
      target -= strides[dimension] * shape[dimension];
      index[dimension] = 0;
    }
  }
  return values;
}
