/**
 * @module
 * NumPy's .npy files: one array, its type, shape and order in a line of text, then its bytes. The format
 * is NumPy Enhancement Proposal 1, versions 1 to 3.
 *
 *     "\x93NUMPY" | version, 2 bytes | length of the header | {'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), } | data
 *
 * Read here in sixty lines rather than by npyjs, which takes the header for JSON once quotes are turned,
 * allocates what it says, and leaves Fortran's order to the caller.
 */
import type { Source } from "./source.ts";
import { allBytes, openFile, unpacked } from "./stream.ts";

export interface NpyArray {
  /** Empty for a single number. */
  readonly shape: readonly number[];
  /** Row-major, whatever the order in the file. Integers of 64 bits are float64 here, and refused where they do not fit. */
  readonly values: Float32Array | Float64Array | Int8Array | Int16Array | Int32Array | Uint8Array | Uint16Array | Uint32Array;
  /** NumPy's name of the type in the file, such as "<f4". */
  readonly type: string;
}

const MAGIC = "\x93NUMPY";
/** What the header, a dictionary of Python, says of an array of numbers; the keys come in any order. */
const DESCR = /'descr':\s*'([<>|=][a-zA-Z]\d{1,3})'/, FORTRAN = /'fortran_order':\s*(True|False)/, SHAPE = /'shape':\s*\(([\d, ]*)\)/;
const DATA_BYTES = 2 ** 30;
const MAX_DIMENSIONS = 32;

type Values = NpyArray["values"];
interface Kind { readonly bytes: number; readonly make: (length: number) => Values; readonly read: (view: DataView, at: number, little: boolean) => number }
const KINDS: Readonly<Record<string, Kind>> = {
  f4: { bytes: 4, make: (length) => new Float32Array(length), read: (view, at, little) => view.getFloat32(at, little) },
  f8: { bytes: 8, make: (length) => new Float64Array(length), read: (view, at, little) => view.getFloat64(at, little) },
  i1: { bytes: 1, make: (length) => new Int8Array(length), read: (view, at) => view.getInt8(at) },
  i2: { bytes: 2, make: (length) => new Int16Array(length), read: (view, at, little) => view.getInt16(at, little) },
  i4: { bytes: 4, make: (length) => new Int32Array(length), read: (view, at, little) => view.getInt32(at, little) },
  i8: { bytes: 8, make: (length) => new Float64Array(length), read: (view, at, little) => Number(view.getBigInt64(at, little)) },
  u1: { bytes: 1, make: (length) => new Uint8Array(length), read: (view, at) => view.getUint8(at) },
  u2: { bytes: 2, make: (length) => new Uint16Array(length), read: (view, at, little) => view.getUint16(at, little) },
  u4: { bytes: 4, make: (length) => new Uint32Array(length), read: (view, at, little) => view.getUint32(at, little) },
  u8: { bytes: 8, make: (length) => new Float64Array(length), read: (view, at, little) => Number(view.getBigUint64(at, little)) },
  b1: { bytes: 1, make: (length) => new Uint8Array(length), read: (view, at) => view.getUint8(at) },
};

/** The array of a file of the source, plain or with ".gz". @throws RangeError naming the file */
export async function readNpy(source: Source, path: string, remedy = "check the path"): Promise<NpyArray> {
  const { path: found, bytes } = await openFile(source, [path], remedy);
  return parseNpy(await allBytes(found, unpacked(found, [bytes]), DATA_BYTES), found);
}

/** @throws RangeError naming the file and what is wrong with it */
export function parseNpy(bytes: Uint8Array, path: string): NpyArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = bytes[6];
  if (bytes.length < 12 || [...MAGIC].some((character, at) => bytes[at] !== character.charCodeAt(0)) || !(version >= 1 && version <= 3)) {
    throw new RangeError(`${path}: expected a .npy file of version 1 to 3; write it with numpy.save (not savez, whose .npz is an archive of such files)`);
  }
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const from = (version === 1 ? 10 : 12) + length;
  if (from > bytes.length) throw new RangeError(`${path}: expected a header of ${length} bytes, got ${bytes.length - from + length}; get the file again`);
  const header = String.fromCharCode(...bytes.subarray(from - length, Math.min(from, from - length + 4096)));
  const { type, fortran, shape } = parseHeader(header, path);
  const kind = Object.hasOwn(KINDS, type.slice(1)) ? KINDS[type.slice(1)] : undefined;
  if (!kind) throw new RangeError(`${path}: expected an array of numbers (${Object.keys(KINDS).join(", ")}), got type ${JSON.stringify(type)}; convert it with array.astype("float32")`);
  const count = shape.reduce((product, size) => product * size, 1);
  if (count * kind.bytes !== bytes.length - from) {
    throw new RangeError(`${path}: expected ${count * kind.bytes} bytes of data for shape (${shape.join(", ")}), got ${bytes.length - from}; get the file again`);
  }
  const values = kind.make(count);
  for (let n = 0; n < count; n++) values[n] = kind.read(view, from + n * kind.bytes, type[0] !== ">");
  if (type.slice(1) === "i8" || type.slice(1) === "u8") {
    const wide = values.findIndex((value) => !Number.isSafeInteger(value));
    if (wide >= 0) throw new RangeError(`${path}: element ${wide} expected an integer below 2^53, got about ${values[wide]}; convert the array with array.astype("float64")`);
  }
  return { shape, values: fortran ? rowMajor(values, shape, kind) : values, type };
}

function parseHeader(header: string, path: string): { type: string; fortran: boolean; shape: number[] } {
  const wrong = () => new RangeError(`${path}: expected a header with descr, fortran_order and shape of an array of numbers, got ${JSON.stringify(header.slice(0, 80))}; write the file with numpy.save, without records or objects`);
  const [type, fortran, sizes] = [DESCR, FORTRAN, SHAPE].map((pattern) => pattern.exec(header)?.[1]);
  if (type === undefined || fortran === undefined || sizes === undefined) throw wrong();
  const shape = sizes.split(",").map((size) => size.trim()).filter((size) => size !== "").map(Number);
  if (shape.length > MAX_DIMENSIONS || !shape.every((size) => Number.isSafeInteger(size))) throw wrong();
  return { type, fortran: fortran === "True", shape };
}

/** The same array with the last index fastest, where the first was. */
function rowMajor(values: Values, shape: readonly number[], { make }: Kind): Values {
  const ordered = make(values.length);
  const index = shape.map(() => 0);
  const strides = shape.map((_, axis) => shape.slice(0, axis).reduce((product, size) => product * size, 1));
  let from = 0;
  for (let to = 0; to < ordered.length; to++) {
    ordered[to] = values[from];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis];
      if (++index[axis] < shape[axis]) break;
      from -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return ordered;
}
