/**
 * @module
 * Parquet files as columns of numbers, times and text: flat tables, as pandas, DuckDB, Spark and historians
 * write them. hyparquet reads them, and is loaded when the first file is; what a file says about its sizes
 * is checked before (page.ts), since hyparquet takes it as it stands.
 *
 * Compression is Snappy, pandas' default, or none: others would need a library each.
 */
import type { FileMetaData, ParquetParsers, RowGroup, SchemaElement } from "hyparquet";
import { checkChunk, Compact } from "./page.ts";
import { type Column, type Records } from "./records.ts";
import type { Source } from "./source.ts";
import { openFile } from "./stream.ts";

export interface ParquetLimits {
  /** Of the file. Default 2^30. */
  readonly bytes: number;
  /** Default 2^24. */
  readonly rows: number;
  /** Rows times columns that are read. Default 2^27. */
  readonly cells: number;
  /** Bytes of a page, decompressed. Default 2^28. */
  readonly page: number;
}

export interface ParquetOptions {
  /** The columns to read; each must be there. Default: all. */
  readonly columns?: readonly string[];
  readonly limits?: Partial<ParquetLimits>;
}

const LIMITS: ParquetLimits = { bytes: 2 ** 30, rows: 2 ** 24, cells: 2 ** 27, page: 2 ** 28 };
const MAGIC = "PAR1";

/** Times as seconds, where hyparquet's own are dates of milliseconds. */
const TIMES: Partial<ParquetParsers> = {
  timestampFromMilliseconds: (time: bigint) => (time == null ? undefined : Number(time) / 1e3),
  timestampFromMicroseconds: (time: bigint) => (time == null ? undefined : Number(time) / 1e6),
  timestampFromNanoseconds: (time: bigint) => (time == null ? undefined : Number(time) / 1e9),
  dateFromDays: (days: number) => (days == null ? undefined : days * 86_400),
};

/** The rows of a file of the source. @throws RangeError naming the file, and the column where it is one */
export async function readParquet(source: Source, path: string, options: ParquetOptions = {}, remedy = "check the path"): Promise<Records> {
  const { path: found, bytes } = await openFile(source, [path], remedy);
  return parseParquet(bytes, found, options);
}

/** @throws RangeError naming the file, and the column where it is one */
export async function parseParquet(bytes: Uint8Array, path: string, options: ParquetOptions = {}): Promise<Records> {
  try {
    return await parse(bytes, path, options);
  } catch (error) {
    // What a damaged file makes hyparquet throw, or leave out where its types say that it is there.
    throw error instanceof RangeError && error.message.startsWith(path) ? error : notWhole(path, error);
  }
}

async function parse(bytes: Uint8Array, path: string, { columns, limits }: ParquetOptions): Promise<Records> {
  const most = { ...LIMITS, ...limits };
  if (bytes.length > most.bytes) throw new RangeError(`${path}: expected at most ${most.bytes} bytes, got ${bytes.length}; give limits: { bytes } if this is the right file`);
  checkFrame(bytes, path);
  const { parquetMetadata, parquetRead, snappyUncompress } = await import("hyparquet");
  const footer = new DataView(bytes.buffer, bytes.byteOffset + bytes.length - 8).getUint32(0, true);
  new Compact(bytes, bytes.length - 8 - footer, bytes.length - 8).struct();
  const metadata = parquetMetadata(bytes, { geoparquet: false, parsers: TIMES });
  const elements = flatColumns(metadata, path, columns);
  const rows = metadata.row_groups.reduce((sum, { num_rows }) => sum + Number(num_rows), 0);
  if (!(rows >= 0 && rows <= most.rows && rows * elements.length <= most.cells)) {
    throw new RangeError(`${path}: expected at most ${most.rows} rows and ${most.cells} cells, got ${rows} rows of ${elements.length} columns; name the columns you need, or give limits: { rows, cells }`);
  }
  const decompress = (page: Uint8Array, length: number) => {
    const plain = new Uint8Array(length);
    snappyUncompress(page, plain);
    return plain;
  };
  for (const group of metadata.row_groups) for (const element of elements) checkColumn(bytes, path, group, element, most.page, decompress);

  const builders = elements.map((element) => new Builder(element, rows, path));
  const file = { byteLength: bytes.length, slice: (start: number, end?: number) => bytes.slice(start, end).buffer as ArrayBuffer };
  const found = new Map(builders.map((builder) => [builder.name, builder]));
  const failures: unknown[] = [];
  await parquetRead({
    file, metadata, columns: elements.map(({ name }) => name), parsers: TIMES, geoparquet: false,
    // Values are put where they belong as they come; an error in a callback would be lost there.
    onChunk: ({ columnName, columnData, rowStart }) => {
      try {
        found.get(columnName)!.put(columnData, rowStart);
      } catch (error) {
        failures.push(error);
      }
    },
  });
  await Promise.resolve();
  if (failures.length > 0) throw failures[0];
  return { path, rows, columns: builders.map((builder) => builder.column()) };
}

function checkFrame(bytes: Uint8Array, path: string): void {
  const is = (at: number, text: string) => [...text].every((character, n) => bytes[at + n] === character.charCodeAt(0));
  if (bytes.length < 12 || !is(0, MAGIC)) throw new RangeError(`${path}: expected a Parquet file, which begins with ${MAGIC}; is it one, and not compressed as a whole?`);
  if (is(bytes.length - 4, "PARE")) throw new RangeError(`${path}: the file is encrypted; write it without encryption`);
  const footer = new DataView(bytes.buffer, bytes.byteOffset + bytes.length - 8).getUint32(0, true);
  if (!is(bytes.length - 4, MAGIC) || footer > bytes.length - 12) throw new RangeError(`${path}: the file does not end as Parquet does; get it again`);
}

/** The columns to read, which are no lists or structures. */
function flatColumns({ schema }: FileMetaData, path: string, asked: readonly string[] | undefined): SchemaElement[] {
  if (schema[0]?.repetition_type === "REPEATED") throw new RangeError(`${path}: expected a table, got a repeated one; get the file again`);
  const flat = new Map<string, SchemaElement>();
  const nested = new Set<string>();
  for (let at = 1; at < schema.length; at++) {
    const element = schema[at];
    const isFlat = !element.num_children && element.repetition_type !== "REPEATED";
    if (isFlat) flat.set(element.name, element);
    else nested.add(element.name);
    // What belongs to a nested column comes behind it.
    for (let open = element.num_children ?? 0; open > 0 && at + 1 < schema.length; open--) open += schema[++at].num_children ?? 0;
  }
  const names = asked ?? [...flat.keys(), ...nested];
  return names.map((name) => {
    const element = flat.get(name);
    if (!element && nested.has(name)) throw new RangeError(`${path}: column "${name}" expected one value a row, got lists or structures; name the columns you need, or write them flat`);
    if (!element) throw new RangeError(`${path}: expected a column "${name}", got ${[...flat.keys()].map((name) => JSON.stringify(name)).join(", ")}; is it a file of this data set?`);
    return element;
  });
}

function checkColumn(bytes: Uint8Array, path: string, group: RowGroup, element: SchemaElement, maxPage: number, decompress: (page: Uint8Array, length: number) => Uint8Array): void {
  const place = `${path}: column "${element.name}"`;
  const chunks = group.columns.filter(({ meta_data }) => meta_data?.path_in_schema.join(".") === element.name);
  const [chunk] = chunks;
  if (chunks.length !== 1 || !chunk?.meta_data || chunk.file_path) throw new RangeError(`${place}: expected its values in this file once, got them ${chunks.length} times or elsewhere; get the file again`);
  const { codec, type, data_page_offset, dictionary_page_offset, total_compressed_size } = chunk.meta_data;
  if (type !== element.type) throw new RangeError(`${place}: expected values of ${element.type}, got ${type}; get the file again`);
  if (codec !== "SNAPPY" && codec !== "UNCOMPRESSED") throw new RangeError(`${place}: compression expected Snappy or none, got ${codec}; write the file with compression="snappy"`);
  const from = Number(dictionary_page_offset || data_page_offset);
  try {
    checkChunk(bytes, {
      from, to: from + Number(total_compressed_size), rows: Number(group.num_rows), optional: element.repetition_type !== "REQUIRED", boolean: type === "BOOLEAN",
      decompress: codec === "SNAPPY" ? decompress : undefined, maxPage,
    });
  } catch (error) {
    throw notWhole(place, error);
  }
}

const notWhole = (place: string, error: unknown) => new RangeError(`${place}: not a whole Parquet file, or of another form (${error instanceof Error ? error.message : String(error)}); get it again`, { cause: error });

class Builder {
  readonly name: string;
  readonly #kind: Column["kind"];
  readonly #place: string;
  readonly #numbers: Float64Array;
  readonly #texts: string[] = [];
  #missing: number;

  constructor(element: SchemaElement, rows: number, path: string) {
    this.name = element.name;
    this.#place = `${path}: column "${element.name}"`;
    this.#kind = kindOf(element, this.#place);
    this.#numbers = new Float64Array(this.#kind === "text" ? 0 : rows).fill(NaN);
    if (this.#kind === "text") this.#texts = new Array<string>(rows).fill("");
    this.#missing = rows;
  }

  put(values: ArrayLike<unknown>, from: number): void {
    for (let n = 0; n < values.length; n++) {
      const value = values[n];
      if (value === undefined || value === null) continue;
      const row = from + n;
      if (this.#kind === "text") this.#texts[row] = String(value);
      else this.#numbers[row] = this.#number(value, row);
      this.#missing--;
    }
  }

  #number(value: unknown, row: number): number {
    const number = Number(value);
    if (typeof value === "bigint" && !Number.isSafeInteger(number)) throw new RangeError(`${this.#place}, row ${row + 1}: expected an integer below 2^53, got ${value}; write the column as float64`);
    return number;
  }

  column(): Column {
    const { name } = this;
    const kind = this.#kind;
    // A NaN in the file is as missing as no value.
    if (kind === "text") return { name, kind, values: this.#texts, missing: this.#missing };
    return { name, kind, values: this.#numbers, missing: this.#numbers.reduce((sum, value) => sum + (Number.isNaN(value) ? 1 : 0), 0) };
  }
}

function kindOf({ type, converted_type, logical_type }: SchemaElement, place: string): Column["kind"] {
  if (type === "INT96" || converted_type === "DATE" || converted_type?.startsWith("TIMESTAMP") || logical_type?.type === "TIMESTAMP" || logical_type?.type === "DATE") return "timestamp";
  if (type === "BYTE_ARRAY" && (["UTF8", "ENUM"].includes(converted_type ?? "") || logical_type?.type === "STRING")) return "text";
  if (type === "BYTE_ARRAY" || type === "FIXED_LEN_BYTE_ARRAY" || type === undefined) {
    throw new RangeError(`${place}: expected numbers, times or text, got ${logical_type?.type ?? converted_type ?? type ?? "no type"}; name the columns you need, or write it as float64`);
  }
  return "number";
}
