import { gzipSync } from "node:zlib";
import { parse } from "csv-parse/sync";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseNumber, parseTimestamp } from "../../src/data/cell.ts";
import { csvBatches, readCsv, type CsvOptions } from "../../src/data/csv.ts";
import { concatRecords, numbersOf, type Records } from "../../src/data/records.ts";
import type { Source } from "../../src/data/source.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const read = (text: string, options?: CsvOptions) => readCsv(async (path) => (path === "t.csv" ? encode(text) : undefined), "t.csv", options);
/** A file cut into chunks, read in batches and put together. */
async function streamed(bytes: Uint8Array, cuts: readonly number[], options?: CsvOptions): Promise<Records> {
  const edges = [0, ...[...cuts].map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  const parts: Records[] = [];
  for await (const part of csvBatches(edges.slice(1).map((edge, n) => bytes.slice(edges[n], edge)), "t.csv", options)) parts.push(part);
  return concatRecords(parts);
}
const columns = (records: Records) => Object.fromEntries(records.columns.map(({ name, values }) => [name, [...values]]));
const kinds = (records: Records) => records.columns.map(({ kind }) => kind);

describe("readCsv", () => {
  test("reads numbers, times and text, and counts what is missing", async () => {
    const records = await read("time,speed,note\n2026-11-24 06:30:00,1500.5,ok\n2026-11-24 06:30:01,,\"a, \"\"b\"\"\"\n2026-11-24 06:30:02,NaN,\n");
    expect(records.rows).toBe(3);
    expect(kinds(records)).toEqual(["timestamp", "number", "text"]);
    expect(columns(records)).toEqual({ time: [1795501800, 1795501801, 1795501802], speed: [1500.5, NaN, NaN], note: ["ok", 'a, "b"', ""] });
    expect(records.columns.map(({ missing }) => missing)).toEqual([0, 2, 1]);
    expect(numbersOf(records, "speed")).toHaveLength(3);
    expect(() => numbersOf(records, "note")).toThrow('t.csv: column "note" expected numbers, got text such as "ok"');
    expect(() => numbersOf(records, "sped")).toThrow('t.csv: expected a column "sped", got "time", "speed", "note"; is it a file of this data set?');
  });

  test.each([
    ["semicolons and decimal commas", "a;b\n1,5;2\n-0,25;3\n", { a: [1.5, -0.25], b: [2, 3] }],
    ["semicolons and decimal points", "a;b\n1.5;2\n-0.25;3\n", { a: [1.5, -0.25], b: [2, 3] }],
    ["tabs", "a\tb\r\n1\t2\r\n", { a: [1], b: [2] }],
    ["bars, and a byte order mark", "\ufeffa|b\n1|2", { a: [1], b: [2] }],
    ["one column, and blank lines", "a\n1\n\n2\r\n\r\n", { a: [1, 2] }],
    ["line ends in quotes", 'a,b\n"1\n2",3\n', { a: ["1\n2"], b: [3] }],
    ["a name that is none", ",b\n1,2\n", { "column 1": [1], b: [2] }],
    ["only a header", "a,b\n", { a: [], b: [] }],
  ])("reads %s", async (_, text, expected) => {
    expect(columns(await read(text))).toEqual(expected);
  });

  test("reads what is declared, in that order, and nothing else", async () => {
    const options: CsvOptions = { columns: { when: "timestamp dmy", id: "text", x: "any" }, missing: ["", "Bad"] };
    const records = await read("id;x;y;when\n007;Bad;1;24.11.2026 06:30\n008;2,5;2;1/2/2026\n", options);
    expect(records.columns.map(({ name }) => name)).toEqual(["when", "id", "x"]);
    expect(columns(records)).toEqual({ when: [1795501800, 1769904000], id: ["007", "008"], x: [NaN, 2.5] });
    expect(columns(await read("1,2\n3,4\n", { header: false }))).toEqual({ "column 1": [1, 3], "column 2": [2, 4] });
    expect(columns(await readCsv(async () => Uint8Array.of(84, 32, 176, 67, 10, 49, 10), "t.csv", { encoding: "windows-1252" }))).toEqual({ "T °C": [1] });
  });

  test("finds the file with .gz, and says when there is none", async () => {
    const source: Source = Object.assign(async (path: string) => (path === "b.csv.gz" ? new Uint8Array(gzipSync("a\n1\n".repeat(1) + "2\n".repeat(100_000))) : undefined), { place: "/data" });
    expect((await readCsv(source, ["a.csv", "b.csv"])).rows).toBe(100_001);
    await expect(readCsv(source, "c.csv", {}, "get it there")).rejects.toThrow(new RangeError("c.csv: no such file in /data, with or without .gz; get it there"));
    await expect(readCsv(async () => new Uint8Array(gzipSync("a\n1\n").subarray(0, 15)), "t.csv")).rejects.toThrow(new RangeError("t.csv: not a whole gzip file; get it again"));
  });

  test("reads a response's stream, and stops it when nobody asks for more", async () => {
    let cancelled = false;
    const stream = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(encode("1,2\n".repeat(1000))),
      cancel: () => { cancelled = true; },
    });
    for await (const { rows } of csvBatches(stream, "live", { header: false, batch: 500 })) {
      expect(rows).toBe(500);
      break;
    }
    expect(cancelled).toBe(true);
  });

  test.each<[string, string, CsvOptions, string]>([
    ["a row too short", "a,b\n1,2\n3\n", {}, 't.csv:3: expected 2 columns, got 1; the row is damaged, or a cell has a "," and no quotes'],
    ["a row too long", "a,b\n1,2,3\n", {}, "t.csv:2: expected 2 columns, got 3"],
    ["text that comes late", `a\n${"1\n".repeat(2000)}x\n`, {}, 't.csv:2002: column "a" expected a number, got "x"; mend the row, name the cell in "missing", or declare the column\'s kind'],
    ["text where a number is declared", "a\nx\n", { columns: { a: "number" } }, 't.csv:2: column "a" expected a number, got "x"'],
    ["a point where commas are", "a;b\n1,5;1\n2.5;1\n", { columns: { a: "number" }, decimal: "," }, 't.csv:3: column "a" expected a number with a decimal comma, got "2.5"'],
    ["a month that is none", "a\n2026-13-01\n", { columns: { a: "timestamp" } }, 't.csv:2: column "a" expected a time such as 2026-11-24 06:30:00 or 2026-11-24T06:30:00.250Z, got "2026-13-01"'],
    ["a column that is not there", "a;b\n1;2\n", { columns: { c: "any" } }, 't.csv:1: expected a column "c", got "a", "b"; is it a file of this data set, and its separator ";"?'],
    ["a name twice", "a,b,a\n", {}, 't.csv:1: columns 1 and 3 are both "a"'],
    ["a first row without names", "1.5,2\n3,4\n", {}, "t.csv:1: expected names of columns, got numbers only; give header: false, or the first row would be lost"],
    ["nothing", "", {}, "t.csv: the file has no rows"],
    ["a quote that stays open", 'a,b\n1,"2\n3,4\n', {}, "t.csv:2: column 2 expected the quote to be closed, got the end of the file"],
    ["text behind a quote", 'a,b\n1,"2"3\n', {}, 't.csv:2: column 2 expected a separator or the line\'s end behind the closing quote, got "3"'],
    ["a cell beyond the limit", `a\n${"x".repeat(100)}\n`, { limits: { cell: 99 } }, "t.csv:2: column 1 expected at most 99 bytes, got more"],
    ["columns beyond the limit", "a,b,c\n", { limits: { columns: 2 } }, "t.csv:1: expected at most 2 columns, got more"],
    ["rows beyond the limit", "a\n1\n2\n3\n", { limits: { rows: 2 } }, "t.csv:4: expected at most 2 rows, got more"],
    ["bytes beyond the limit", "a\n1\n2\n3\n", { limits: { bytes: 7 } }, "t.csv: expected at most 7 bytes of text, got more"],
    ["UTF-16", "\ufeffa,b", {}, ""],
    ["a binary file", "PAR1\0\0\0\n", {}, "t.csv:1: expected text, got bytes of 0; is it a CSV file?"],
    ["a separator that is none", "a\n", { separator: "x" as "," }, '"separator" expected one of'],
    ["a comma for both", "a\n", { separator: ",", decimal: "," }, '"decimal" expected another character than the separator'],
    ["a kind that is none", "a\n", { columns: { a: "date" as "any" } }, 'column "a": kind expected one of any, number, text, timestamp, timestamp dmy, timestamp mdy, got "date"'],
  ])("refuses %s", async (what, text, options, message) => {
    const bytes = what === "UTF-16" ? new Uint8Array(new Uint16Array([...text].map((character) => character.charCodeAt(0))).buffer) : encode(text);
    const attempt = readCsv(async () => bytes, "t.csv", options);
    await expect(attempt).rejects.toThrow(RangeError);
    await expect(attempt).rejects.toThrow(what === "UTF-16" ? "t.csv:1: expected UTF-8, got UTF-16; save the file as UTF-8" : message);
  });

  test("refuses bytes that are not UTF-8, with a remedy", async () => {
    await expect(readCsv(async () => Uint8Array.of(97, 10, 176, 10), "t.csv")).rejects.toThrow('t.csv:2: column 1 expected UTF-8, got other bytes; give encoding: "windows-1252"');
  });
});

describe("cells", () => {
  const quoted = fc.string({ unit: fc.constantFrom("a", ",", ";", '"', "\n", "\r\n", " ", "ü", "1", "."), maxLength: 12 }).map((text) => ({ text, written: `"${text.replaceAll('"', '""')}"` }));
  const plain = fc.string({ unit: fc.constantFrom("a", "b", " ", "-", "ü", "1"), minLength: 1, maxLength: 8 }).map((text) => ({ text, written: text }));
  const table = fc.integer({ min: 1, max: 5 }).chain((width) => fc.array(fc.array(fc.oneof(quoted, plain), { minLength: width, maxLength: width }), { minLength: 1, maxLength: 8 }));

  test("are those that were written, and those that csv-parse finds", async () => {
    await fc.assert(
      fc.asyncProperty(table, fc.constantFrom("\n", "\r\n"), fc.constantFrom(",", ";", "\t") as fc.Arbitrary<"," | ";" | "\t">, fc.boolean(), async (rows, end, separator, last) => {
        const text = rows.map((row) => row.map(({ written }) => written).join(separator)).join(end) + (last ? end : "");
        const names = rows[0].map((_, index) => `column ${index + 1}`);
        const options: CsvOptions = { header: false, separator, columns: Object.fromEntries(names.map((name) => [name, "text"])), missing: [] };
        const found = columns(await read(text, options));
        expect(names.map((name) => found[name])).toEqual(names.map((_, index) => rows.map((row) => row[index].text)));
        const oracle: string[][] = parse(text, { delimiter: separator, skip_empty_lines: true, record_delimiter: end });
        expect(names.map((name) => found[name])).toEqual(names.map((_, index) => oracle.map((row) => row[index])));
      }),
      { numRuns: 300 },
    );
  });

  test("are the same however the file is cut, packed or not", async () => {
    const files = [
      "time;a;b\n2026-11-24 06:30:00;1,5;x\r\n2026-11-24 06:30:01;;\"y;\"\"z\"\"\n\"\n2026-11-24 06:30:02;-3,25;\"\"",
      "\ufeffa,b\n" + Array.from({ length: 1200 }, (_, n) => `${n * 0.1},${n}`).join("\n"),
    ].map(encode);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...files), fc.array(fc.nat(20_000), { maxLength: 12 }), fc.integer({ min: 1, max: 2000 }), fc.boolean(), async (file, cuts, batch, packed) => {
        const whole = await streamed(file, [], {});
        const bytes = packed ? new Uint8Array(gzipSync(file)) : file;
        expect(await streamed(bytes, cuts, { batch })).toEqual(whole);
      }),
      { numRuns: 60 },
    );
    for (const file of files) expect(await streamed(file, Array.from(file.keys()))).toEqual(await streamed(file, []));
  });

  test("that are numbers are what Number makes of them", () => {
    const number = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
      fc.double({ min: -1e6, max: 1e6, noNaN: true }).map((x) => x.toFixed(4)),
      fc.constantFrom("-0", "+1.5", ".25", "3.", "1E3", " 7 ", "123456789012345678", "0.000000000000001"),
    );
    fc.assert(fc.property(number, (text) => {
      const bytes = encode(text);
      expect(parseNumber(bytes, 0, bytes.length, 46)).toBe(Number(text));
      const comma = encode(text.replace(".", ","));
      expect(parseNumber(comma, 0, comma.length, 44)).toBe(Number(text));
    }), { numRuns: 1000 });
    for (const text of ["", "NaN", "inf", "1e999", "abc", "1,5", "0x10", "1.2.3", "-", ".", "e5", "1e", "--1", "1_000", "1 2"]) {
      expect(parseNumber(encode(text), 0, encode(text).length, 46), text).toBeNaN();
    }
  });

  test("that are times are what Date makes of them", () => {
    fc.assert(fc.property(fc.date({ min: new Date("1900-01-01T00:00:00Z"), max: new Date("2200-01-01T00:00:00Z"), noInvalidDate: true }), fc.integer({ min: -14 * 60, max: 14 * 60 }), (date, minutes) => {
      const iso = date.toISOString();
      expect(parseTimestamp(iso, "timestamp")).toBeCloseTo(date.getTime() / 1000, 6);
      expect(parseTimestamp(iso.slice(0, 19).replace("T", " "), "timestamp")).toBe(Math.floor(date.getTime() / 1000));
      const sign = minutes < 0 ? "-" : "+";
      const zone = `${sign}${String(Math.floor(Math.abs(minutes) / 60)).padStart(2, "0")}:${String(Math.abs(minutes) % 60).padStart(2, "0")}`;
      expect(parseTimestamp(iso.slice(0, 19) + zone, "timestamp")).toBe(Date.parse(iso.slice(0, 19) + zone) / 1000);
    }));
    expect(parseTimestamp("29.02.2024", "timestamp dmy")).toBe(Date.parse("2024-02-29T00:00:00Z") / 1000);
    expect(parseTimestamp("2/29/2024 7:05", "timestamp mdy")).toBe(Date.parse("2024-02-29T07:05:00Z") / 1000);
    for (const text of ["2023-02-29", "2026-11-31", "2026-1-1", "2026-11-24 24:00", "2026-11-24 06:60", "2026-11-24 06:30:60", "2026-11-24 06:30:00+15:00", "24.11.2026", "now"]) {
      expect(parseTimestamp(text, "timestamp"), text).toBeNaN();
    }
  });
});

test("a file with bytes changed never fails otherwise than with a RangeError that names it", async () => {
  const files = ['t;a;b\n2026-11-24 06:30:00;1,5;"x;y"\n2026-11-24 06:30:01;;z\n', "a,b,c\n1,2,3\n4,5,6\n"].map(encode);
  const change = fc.array(fc.tuple(fc.nat(100), fc.nat(255)), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...files), change, fc.nat(100), fc.boolean(), async (file, changes, length, packed) => {
      const bytes = packed ? new Uint8Array(gzipSync(file)) : file.slice();
      for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
      try {
        const records = await streamed(bytes.subarray(0, length < 80 ? bytes.length : length), [7, 11]);
        for (const { values } of records.columns) expect(values).toHaveLength(records.rows);
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
        expect((error as Error).message).toMatch(/^t\.csv/);
      }
    }),
    { numRuns: 1000 },
  );
});
