/**
 * @module
 * CSV and its kin (tab, semicolon, bar; decimal point or comma; gzip or not) as columns of numbers, times
 * and text. A file is read as a stream: what is held is a batch of rows and the record at hand.
 *
 *     bytes ─► unpacked ─► Scanner ─► cells ─► columns ─► batches
 *
 * Kinds are declared, or taken from the first thousand rows: a column is a number if all its cells there
 * are, a time if all are in ISO's form, and text otherwise. A cell that is of another kind later is an
 * error with its line, never a silent NaN. What counts as missing is named beforehand, and counted.
 */
import { EXAMPLES, isTimestampFormat, parseNumber, parseTimestamp, type TimestampFormat } from "./cell.ts";
import { concatRecords, shown, type Column, type Records } from "./records.ts";
import { Scanner } from "./scanner.ts";
import type { Source } from "./source.ts";
import { openFile, unpacked, type Bytes } from "./stream.ts";

/** How a column is read; "timestamp" is ISO 8601, dmy and mdy say the order of day and month. "any" is inferred. */
export type CsvKind = "any" | "number" | "text" | TimestampFormat;

export interface CsvLimits {
  /** Bytes of text, decompressed. Default 2^31. */
  readonly bytes: number;
  /** Default 2^27. */
  readonly rows: number;
  /** Default 4096. */
  readonly columns: number;
  /** Bytes of a cell. Default 65,536. */
  readonly cell: number;
}

export interface CsvOptions {
  /** The columns to read, by their names in the file; each must be there. Default: all, inferred. */
  readonly columns?: Readonly<Record<string, CsvKind>>;
  /** Default: the one of `, ; tab |` that the first line has most of. */
  readonly separator?: "," | ";" | "\t" | "|";
  /** Default: a comma, where another character separates and numbers of the first rows have one and none has a point. */
  readonly decimal?: "." | ",";
  /** Whether the first line names the columns; else they are "column 1" and so on. Default true. */
  readonly header?: boolean;
  /** Cells that mean nothing was measured. Default: empty, NaN, nan, NA, N/A, null, NULL. */
  readonly missing?: readonly string[];
  /** Default UTF-8; Excel in Western Europe writes windows-1252. */
  readonly encoding?: "utf-8" | "windows-1252";
  /** Rows of a batch. Default 65,536. */
  readonly batch?: number;
  readonly limits?: Partial<CsvLimits>;
}

const LIMITS: CsvLimits = { bytes: 2 ** 31, rows: 2 ** 27, columns: 4096, cell: 65_536 };
const MISSING = ["", "NaN", "nan", "NA", "N/A", "null", "NULL"];
const SEPARATORS = [",", ";", "\t", "|"] as const;
/** Rows that kinds are taken from. */
const SAMPLE = 1000;
const LINE_FEED = 10;
/** Bytes that are looked at in one go: what the scanner holds of a file that lies in memory. */
const PIECE = 1 << 16;
/** Bytes in which the first line must end. */
const FIRST_LINE = 1 << 20;

/**
 * The rows of a file of the source, plain or with ".gz".
 * @param paths the file, or candidates of which the first that exists is read
 * @param remedy says where the file comes from, for the message when there is none
 * @throws RangeError `file:line: …`
 */
export async function readCsv(source: Source, paths: string | readonly string[], options: CsvOptions = {}, remedy = "check the path"): Promise<Records> {
  const { path, bytes } = await openFile(source, typeof paths === "string" ? [paths] : paths, remedy);
  const parts: Records[] = [];
  for await (const part of csvBatches([bytes], path, options)) parts.push(part);
  return concatRecords(parts);
}

/**
 * The rows of a stream in batches; at least one, without rows where the file has none but its header.
 * @param path what messages call the stream
 * @throws RangeError `file:line: …`
 */
export async function* csvBatches(bytes: Bytes, path: string, options: CsvOptions = {}): AsyncGenerator<Records> {
  const reader = new CsvReader(path, options);
  const limit = options.limits?.bytes ?? LIMITS.bytes;
  let length = 0;
  for await (const chunk of unpacked(path, bytes)) {
    length += chunk.length;
    if (length > limit) throw new RangeError(`${path}: expected at most ${limit} bytes of text, got more; give limits: { bytes } if this is the right file`);
    for (let at = 0; at < chunk.length; at += PIECE) yield* reader.read(chunk.subarray(at, at + PIECE));
  }
  yield* reader.end();
}

/** A column while it is read. */
interface Builder {
  readonly name: string;
  /** Its place in a record. */
  readonly index: number;
  kind: CsvKind;
  numbers: Float64Array;
  texts: string[];
  missing: number;
}

class CsvReader {
  readonly #path: string;
  readonly #options: CsvOptions;
  readonly #limits: CsvLimits;
  readonly #missing: ReadonlySet<string>;
  readonly #decoder: TextDecoder;
  readonly #batch: number;
  /** The bytes before the first line's end. */
  #head = new Uint8Array(0);
  #scanner: Scanner | undefined;
  #separator = ",";
  #decimal = ".";
  /** Cells of a record, once the first is read. */
  #width = 0;
  #builders: Builder[] = [];
  /** The rows that kinds are taken from, until they are. */
  #sample: { line: number; cells: { text: string; quoted: boolean }[] }[] | undefined = [];
  #rows = 0;
  #total = 0;

  constructor(path: string, options: CsvOptions) {
    const { limits, missing = MISSING, encoding = "utf-8", batch = 65_536, separator, decimal, columns = {} } = options;
    if (!(Number.isInteger(batch) && batch >= 1)) throw new RangeError(`"batch" expected integer >= 1, got ${batch}`);
    if (separator !== undefined && !SEPARATORS.includes(separator)) throw new RangeError(`"separator" expected one of ${JSON.stringify(SEPARATORS)}, got ${JSON.stringify(separator)}`);
    if (decimal === "," && separator === ",") throw new RangeError('"decimal" expected another character than the separator, got "," for both');
    for (const [name, kind] of Object.entries(columns)) {
      if (!["any", "number", "text"].includes(kind) && !isTimestampFormat(kind)) throw new RangeError(`column "${name}": kind expected one of any, number, text, timestamp, timestamp dmy, timestamp mdy, got ${JSON.stringify(kind)}`);
    }
    this.#path = path;
    this.#options = options;
    this.#limits = { ...LIMITS, ...limits };
    this.#missing = new Set(missing);
    this.#decoder = new TextDecoder(encoding, { fatal: true });
    this.#batch = batch;
  }

  *read(chunk: Uint8Array): Generator<Records> {
    if (this.#scanner) {
      this.#scanner.push(chunk);
    } else {
      const head = new Uint8Array(this.#head.length + chunk.length);
      head.set(this.#head);
      head.set(chunk, this.#head.length);
      this.#head = head;
      if (!head.includes(LINE_FEED)) {
        if (head.length > FIRST_LINE) throw new RangeError(`${this.#path}:1: expected a line of text, got ${head.length} bytes without an end; is it a text file?`);
        return;
      }
      this.#open();
    }
    yield* this.#records();
  }

  *end(): Generator<Records> {
    if (!this.#scanner) this.#open();
    this.#scanner!.end();
    yield* this.#records();
    if (this.#width === 0) throw new RangeError(`${this.#path}: the file has no rows; get it again`);
    yield* this.#infer();
    if (this.#rows > 0 || this.#total === 0) yield this.#flush();
  }

  /** What the first line says about the file. */
  #open(): void {
    let head = this.#head;
    if (head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf) head = head.subarray(3);
    if ((head[0] === 0xff && head[1] === 0xfe) || (head[0] === 0xfe && head[1] === 0xff)) throw new RangeError(`${this.#path}:1: expected UTF-8, got UTF-16; save the file as UTF-8`);
    if (head.subarray(0, 4096).includes(0)) throw new RangeError(`${this.#path}:1: expected text, got bytes of 0; is it a CSV file?`);
    this.#separator = this.#options.separator ?? mostFrequent(head);
    this.#scanner = new Scanner(this.#path, this.#separator, this.#limits);
    this.#scanner.push(head);
    this.#head = new Uint8Array(0);
  }

  *#records(): Generator<Records> {
    const scanner = this.#scanner!;
    while (scanner.next()) {
      if (this.#width === 0) {
        this.#name();
        if (this.#options.header ?? true) continue;
      }
      if (scanner.count !== this.#width) {
        throw new RangeError(`${this.#path}:${scanner.line}: expected ${this.#width} columns, got ${scanner.count}; the row is damaged, or a cell has a ${JSON.stringify(this.#separator)} and no quotes`);
      }
      if (++this.#total > this.#limits.rows) throw new RangeError(`${this.#path}:${scanner.line}: expected at most ${this.#limits.rows} rows, got more; give limits: { rows } if this is the right file`);
      if (this.#sample) {
        this.#sample.push({ line: scanner.line, cells: this.#builders.map(({ index }) => ({ text: this.#text(index), quoted: scanner.quoted[index] === 1 })) });
        if (this.#sample.length === SAMPLE) yield* this.#infer();
      } else {
        this.#row();
        if (this.#rows === this.#batch) yield this.#flush();
      }
    }
  }

  /** The first record: names, or how many columns there are. */
  #name(): void {
    const scanner = this.#scanner!;
    const { header = true, columns } = this.#options;
    this.#width = scanner.count;
    const names = Array.from({ length: this.#width }, (_, index) => (header && this.#text(index).trim()) || `column ${index + 1}`);
    if (header && names.every((name) => /^[+-]?[\d.,]+(e[+-]?\d+)?$/i.test(name))) {
      throw new RangeError(`${this.#path}:${scanner.line}: expected names of columns, got numbers only; give header: false, or the first row would be lost`);
    }
    names.forEach((name, index) => {
      const first = names.indexOf(name);
      if (first < index) throw new RangeError(`${this.#path}:${scanner.line}: columns ${first + 1} and ${index + 1} are both "${name}"; give each column a name of its own`);
    });
    const asked = columns ? Object.entries(columns) : names.map((name) => [name, "any"] as const);
    this.#builders = asked.map(([name, kind]) => {
      const index = names.indexOf(name);
      if (index < 0) throw new RangeError(`${this.#path}:${scanner.line}: expected a column "${name}", got ${names.map((name) => JSON.stringify(shown(name))).join(", ")}; is it a file of this data set, and its separator ${JSON.stringify(this.#separator)}?`);
      return { name, index, kind, numbers: new Float64Array(0), texts: [], missing: 0 };
    });
  }

  /** Kinds from the sample, and its rows into the columns. */
  *#infer(): Generator<Records> {
    const sample = this.#sample;
    if (!sample) return;
    this.#sample = undefined;
    const isMissing = (text: string) => this.#missing.has(text.trim());
    const cells = (column: number) => sample.map(({ cells }) => cells[column].text).filter((text) => !isMissing(text));
    const all = this.#builders.flatMap(({ kind }, column) => (kind === "text" ? [] : cells(column)));
    const comma = this.#separator !== "," && all.some((text) => /^\s*[+-]?\d*,\d+\s*$/.test(text)) && !all.some((text) => /^\s*[+-]?\d*\.\d+\s*$/.test(text));
    this.#decimal = this.#options.decimal ?? (comma ? "," : ".");
    const encoder = new TextEncoder();
    const isNumber = (text: string) => {
      const bytes = encoder.encode(text);
      return !Number.isNaN(parseNumber(bytes, 0, bytes.length, this.#decimal.charCodeAt(0)));
    };
    this.#builders.forEach((builder, column) => {
      if (builder.kind !== "any") return;
      const found = cells(column);
      builder.kind = found.every(isNumber) ? "number" : found.every((text) => !Number.isNaN(parseTimestamp(text, "timestamp"))) ? "timestamp" : "text";
    });
    for (const { line, cells } of sample) {
      this.#builders.forEach((builder, column) => {
        const { text } = cells[column];
        const bytes = encoder.encode(text);
        this.#put(builder, text, line, builder.kind === "number" ? parseNumber(bytes, 0, bytes.length, this.#decimal.charCodeAt(0)) : NaN);
      });
      this.#rows++;
      if (this.#rows === this.#batch) yield this.#flush();
    }
  }

  /** A record into the columns. */
  #row(): void {
    const { bytes, starts, ends, line } = this.#scanner!;
    const decimal = this.#decimal.charCodeAt(0);
    for (const builder of this.#builders) {
      const { index, kind } = builder;
      const number = kind === "number" ? parseNumber(bytes, starts[index], ends[index], decimal) : NaN;
      // Most cells of most files end here, and no text is made of them.
      if (number === number && this.#rows < builder.numbers.length) builder.numbers[this.#rows] = number;
      else this.#put(builder, this.#text(index), line, number);
    }
    this.#rows++;
  }

  #put(builder: Builder, text: string, line: number, number: number): void {
    const { kind, name } = builder;
    const missing = Number.isNaN(number) && this.#missing.has(text.trim());
    if (missing) builder.missing++;
    if (kind === "text") {
      builder.texts.push(missing ? "" : text);
      return;
    }
    const value = missing ? NaN : isTimestampFormat(kind) ? parseTimestamp(text, kind) : number;
    if (Number.isNaN(value) && !missing) {
      const expected = isTimestampFormat(kind) ? EXAMPLES[kind] : `a number${this.#decimal === "," ? " with a decimal comma" : ""}`;
      throw new RangeError(`${this.#path}:${line}: column "${name}" expected ${expected}, got ${JSON.stringify(shown(text))}; mend the row, name the cell in "missing", or declare the column's kind`);
    }
    if (this.#rows === builder.numbers.length) {
      const grown = new Float64Array(Math.min(this.#batch, Math.max(SAMPLE, 2 * this.#rows)));
      grown.set(builder.numbers);
      builder.numbers = grown;
    }
    builder.numbers[this.#rows] = value;
  }

  #text(index: number): string {
    const { bytes, starts, ends, quoted, line } = this.#scanner!;
    try {
      const text = this.#decoder.decode(bytes.subarray(starts[index], ends[index]));
      return quoted[index] ? text.replaceAll('""', '"') : text;
    } catch {
      throw new RangeError(`${this.#path}:${line}: column ${index + 1} expected UTF-8, got other bytes; give encoding: "windows-1252", or save the file as UTF-8`);
    }
  }

  #flush(): Records {
    const rows = this.#rows;
    const columns = this.#builders.map((builder): Column => {
      const { name, kind, numbers, texts, missing } = builder;
      builder.missing = 0;
      builder.texts = [];
      builder.numbers = new Float64Array(0);
      if (kind === "text") return { name, kind, values: texts, missing };
      return { name, kind: isTimestampFormat(kind) ? "timestamp" : "number", values: numbers.subarray(0, rows), missing };
    });
    this.#rows = 0;
    return { path: this.#path, rows, columns };
  }
}

/** The separator that the first line has most of, outside quotes; a comma where it has none. */
function mostFrequent(head: Uint8Array): string {
  const counts = SEPARATORS.map(() => 0);
  let quoted = false;
  for (const code of head) {
    if (code === LINE_FEED && !quoted) break;
    if (code === 34) quoted = !quoted;
    const index = quoted ? -1 : SEPARATORS.indexOf(String.fromCharCode(code) as ",");
    if (index >= 0) counts[index]++;
  }
  return SEPARATORS[counts.indexOf(Math.max(...counts))];
}
