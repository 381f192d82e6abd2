/**
 * @module
 * What a Parquet file says about itself, checked before it is believed. The reader takes counts and sizes as
 * they stand in the file: a list's length, a page's values, a run's repetitions. A few bytes could make it
 * allocate gigabytes. So the structure is walked first, and every count held against what there is.
 *
 *     footer:  thrift, all list lengths within the bytes that are left
 *     chunk:   [header, thrift | levels, as runs | values: plain, or indices as runs] …
 *
 * Format: apache/parquet-format, Encodings.md and src/main/thrift/parquet.thrift; Thrift's compact protocol.
 */

/** Numbers of a structure by their field, and structures in it. What is neither is passed over. */
interface Fields { [field: number]: number | Fields | undefined }

const MAX_DEPTH = 32;
/** Values that a packed run may have beyond the page's. */
const PADDING = 1024;

/** Thrift's compact protocol, as far as numbers and lengths go. */
export class Compact {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  at: number;

  constructor(bytes: Uint8Array, from: number, end: number) {
    this.#bytes = bytes;
    this.#end = end;
    this.at = from;
  }

  struct(depth = 0): Fields {
    if (depth > MAX_DEPTH) throw new RangeError(`structures in structures expected at most ${MAX_DEPTH} deep, got more`);
    const fields: Fields = {};
    for (let field = 0; ;) {
      const byte = this.#byte();
      if (byte === 0) return fields;
      field = byte >> 4 ? field + (byte >> 4) : this.#integer();
      fields[field] = this.#value(byte & 15, depth);
    }
  }

  #value(type: number, depth: number): number | Fields | undefined {
    if (type === 1 || type === 2) return 2 - type;
    if (type === 3) return this.#byte();
    if (type >= 4 && type <= 6) return this.#integer();
    if (type === 7) return void this.#skip(8);
    if (type === 8) return void this.#skip(this.varint());
    if (type === 12) return this.struct(depth + 1);
    if (type !== 9) throw new RangeError(`a field's type expected one of the format, got ${type}`);
    const byte = this.#byte();
    const count = byte >> 4 === 15 ? this.varint() : byte >> 4;
    // Every element takes a byte at least.
    if (count > this.#end - this.at) throw new RangeError(`a list of ${count} expected as many bytes, got ${this.#end - this.at}`);
    for (let n = 0; n < count; n++) (byte & 15) <= 2 ? this.#byte() : this.#value(byte & 15, depth + 1);
    return undefined;
  }

  /** An unsigned number of at most 64 bits, in parts of 7. */
  varint(): number {
    let value = 0;
    for (let part = 0, scale = 1; part < 10; part++, scale *= 128) {
      const byte = this.#byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
    throw new RangeError("a number expected at most 10 bytes, got more");
  }

  /** A signed one: 0, -1, 1, -2 … */
  #integer(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  #byte(): number {
    if (this.at >= this.#end) throw new RangeError("a structure expected its end, got the end of the bytes");
    return this.#bytes[this.at++];
  }

  #skip(count: number): void {
    if (!(count <= this.#end - this.at)) throw new RangeError(`a text of ${count} bytes expected as many, got ${this.#end - this.at}`);
    this.at += count;
  }
}

export interface Chunk {
  readonly from: number;
  readonly to: number;
  /** Of the row group, each with one value or none. */
  readonly rows: number;
  /** Whether a value can be missing, which levels then tell. */
  readonly optional: boolean;
  /** Whether it is a column of BOOLEAN, whose runs have no width of their own. */
  readonly boolean: boolean;
  /** Decompresses a page; undefined where pages are not compressed. */
  readonly decompress: ((page: Uint8Array, length: number) => Uint8Array) | undefined;
  /** Bytes of a page, decompressed. */
  readonly maxPage: number;
}

const DATA = 0, DICTIONARY = 2, DATA_V2 = 3;
const PLAIN = 0, PLAIN_DICTIONARY = 2, RUNS = 3, DELTA = 5, DELTA_LENGTH = 6, RUN_DICTIONARY = 8, SPLIT = 9;

/** All pages of a column in a row group. @throws RangeError where a count is more than what there is */
export function checkChunk(bytes: Uint8Array, chunk: Chunk): void {
  if (!(chunk.from >= 4 && chunk.from <= chunk.to && chunk.to <= bytes.length)) throw new RangeError(`a column expected its bytes within the file, got ${chunk.from} to ${chunk.to}`);
  let values = 0;
  for (let at = chunk.from; at < chunk.to && values < chunk.rows;) {
    const reader = new Compact(bytes, at, chunk.to);
    const header = reader.struct();
    const type = count(header, 1);
    const page = bytes.subarray(reader.at, reader.at + count(header, 3));
    at = reader.at + count(header, 3);
    if (at > chunk.to) throw new RangeError(`a page of ${count(header, 3)} bytes expected as many, got ${chunk.to - reader.at}`);
    if (count(header, 2) > chunk.maxPage) throw new RangeError(`a page expected at most ${chunk.maxPage} bytes, got ${count(header, 2)}`);
    if (type === DATA) values += checkData(page, header, chunk);
    else if (type === DATA_V2) values += checkDataV2(page, header, chunk);
    else if (type === DICTIONARY) checkDictionary(header);
    else throw new RangeError(`a page's type expected data or dictionary, got ${type}`);
  }
  if (values !== chunk.rows) throw new RangeError(`pages expected ${chunk.rows} values, got ${values}`);
}

function checkDictionary(header: Fields): void {
  const dictionary = fields(header, 7);
  // Every entry takes a byte at least.
  if (count(dictionary, 1) > count(header, 2)) throw new RangeError(`a dictionary of ${count(dictionary, 1)} values expected as many bytes, got ${count(header, 2)}`);
}

function checkData(page: Uint8Array, header: Fields, { rows, optional, boolean, decompress }: Chunk): number {
  const data = fields(header, 5);
  const values = checkedValues(count(data, 1), rows);
  const plain = decompress ? decompress(page, count(header, 2)) : page;
  const present = optional ? checkRuns(plain, 4, values, 1) : values;
  checkValues(plain, optional ? 4 + word(plain, 0) : 0, count(data, 2), present, boolean, 1);
  return values;
}

function checkDataV2(page: Uint8Array, header: Fields, { rows, optional, decompress }: Chunk): number {
  const data = fields(header, 8);
  const values = checkedValues(count(data, 1), rows);
  const levels = count(data, 5), repetition = count(data, 6);
  if (levels + repetition > page.length || levels + repetition > count(header, 2)) throw new RangeError(`levels of ${levels + repetition} bytes expected as many, got ${page.length}`);
  if (optional) checkRuns(page, repetition, values, 1);
  if (count(data, 2) > values) throw new RangeError(`missing values expected at most ${values}, got ${count(data, 2)}`);
  const rest = page.subarray(levels + repetition);
  const plain = decompress && data[7] !== 0 ? decompress(rest, count(header, 2) - levels - repetition) : rest;
  checkValues(plain, 0, count(data, 4), values - count(data, 2), count(data, 4) === RUNS, 2);
  return values;
}

/** As hyparquet reads them: runs are indices where the column is not boolean, and an index of no bits has none in version 1. */
function checkValues(plain: Uint8Array, at: number, encoding: number, values: number, boolean: boolean, version: 1 | 2): void {
  if (encoding === PLAIN || encoding === SPLIT) return;
  if (encoding === PLAIN_DICTIONARY || encoding === RUN_DICTIONARY || encoding === RUNS) {
    if (boolean) {
      checkRuns(plain, at + 4, values, 1);
    } else if (values > 0) {
      if (!(plain[at] <= 32)) throw new RangeError(`an index expected at most 32 bits, got ${plain[at]}`);
      if (plain[at] > 0 || version === 2) checkRuns(plain, at + 1, values, plain[at]);
    }
  } else if (encoding === DELTA || encoding === DELTA_LENGTH) {
    const reader = new Compact(plain, at, plain.length);
    const block = reader.varint(), parts = reader.varint();
    if (!(parts >= 1 && parts <= 4096 && block >= parts && block <= 1 << 20)) throw new RangeError(`blocks of differences expected sizes of the format, got ${block} in ${parts} parts`);
  } else {
    throw new RangeError(`encoding ${encoding} is not read here; write the file with plain or dictionary encoding`);
  }
}

/**
 * Runs of one value or of packed ones, until there are as many as there should be: what they have in bytes is not
 * looked at by the reader either. A repetition is what could grow without bytes; packed values take theirs, and
 * DuckDB pads its last run to 256, which the reader passes over.
 * @returns how many of the values are 1
 */
function checkRuns(bytes: Uint8Array, from: number, values: number, width: number): number {
  const reader = new Compact(bytes, from, bytes.length);
  let ones = 0;
  for (let seen = 0; seen < values;) {
    const header = reader.varint();
    const length = Math.floor(header / 2);
    if (header % 2 === 0) {
      if (seen + length > values) throw new RangeError(`a run expected at most ${values - seen} values, got ${length}`);
      if (bytes[reader.at] === 1) ones += length;
      reader.at += Math.ceil(width / 8);
      seen += length;
    } else {
      if (length * width > bytes.length - reader.at || 8 * length > values + PADDING) throw new RangeError(`packed values expected as many as ${values} or ${bytes.length - reader.at} bytes hold, got ${8 * length}`);
      for (let n = 0; n < Math.min(8 * length, values - seen); n++) ones += (bytes[reader.at + (n >> 3)] >> (n & 7)) & 1;
      reader.at += length * width;
      seen += 8 * length;
    }
  }
  return ones;
}

const checkedValues = (values: number, rows: number): number => {
  if (values > rows) throw new RangeError(`a page expected at most ${rows} values, got ${values}`);
  return values;
};

function count(fields: Fields, field: number): number {
  const value = fields[field];
  if (typeof value !== "number" || !(value >= 0)) throw new RangeError(`field ${field} of a page expected a number >= 0, got ${typeof value === "number" ? value : "none"}`);
  return value;
}

function fields(fields: Fields, field: number): Fields {
  const value = fields[field];
  if (typeof value !== "object") throw new RangeError(`field ${field} of a page expected a structure, got none`);
  return value;
}

function word(bytes: Uint8Array, at: number): number {
  if (at + 4 > bytes.length) throw new RangeError(`a length expected 4 bytes, got ${bytes.length - at}`);
  return bytes[at] + bytes[at + 1] * 256 + bytes[at + 2] * 65_536 + bytes[at + 3] * 16_777_216;
}
