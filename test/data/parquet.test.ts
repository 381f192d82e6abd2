import { readFileSync } from "node:fs";
import { parquetWriteBuffer, type ColumnSource } from "hyparquet-writer";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseParquet, readParquet } from "../../src/data/parquet.ts";
import type { Records } from "../../src/data/records.ts";

const rows = 2500;
const list = <Value>(value: (n: number) => Value) => Array.from({ length: rows }, (_, n) => value(n));
const data = {
  float: list((n) => Math.fround(n / 7)),
  double: list((n) => (n === 3 ? NaN : n * 0.1)),
  int: list((n) => n * 3 - 1000),
  long: list((n) => (n % 10 === 0 ? null : BigInt(n) * 1_000_000n)),
  flag: list((n) => n % 3 === 0),
  text: list((n) => (n % 5 === 0 ? null : `machine ${n % 4}`)),
  time: list((n) => new Date(1_700_000_000_000 + n * 250)),
};
const sources: ColumnSource[] = [
  { name: "float", data: data.float, type: "FLOAT" },
  { name: "double", data: data.double, type: "DOUBLE" },
  { name: "int", data: data.int, type: "INT32" },
  { name: "long", data: data.long, type: "INT64", nullable: true },
  { name: "flag", data: data.flag, type: "BOOLEAN" },
  { name: "text", data: data.text, type: "STRING", nullable: true },
  { name: "time", data: data.time, type: "TIMESTAMP" },
];
const write = (columnData: ColumnSource[], options: object = {}) => new Uint8Array(parquetWriteBuffer({ columnData, ...options }));
const values = (records: Records) => Object.fromEntries(records.columns.map(({ name, values }) => [name, [...values]]));
const expected = {
  float: data.float,
  double: data.double,
  int: data.int,
  long: data.long.map((value) => (value === null ? NaN : Number(value))),
  flag: data.flag.map(Number),
  text: data.text.map((value) => value ?? ""),
  time: data.time.map((date) => date.getTime() / 1000),
};

const written: Record<"snappy" | "plain" | "v2" | "zstd" | "nested", string> = JSON.parse(readFileSync(new URL("../vectors/parquet.json", import.meta.url), "utf8"));
const duckdb = (name: keyof typeof written) => new Uint8Array(Buffer.from(written[name], "base64"));

describe("files that DuckDB wrote", () => {
  test.each(["snappy", "plain", "v2"] as const)("are read: %s", async (name) => {
    const records = await parseParquet(duckdb(name), "t.parquet");
    const each = <Value>(value: (n: number) => Value) => Array.from({ length: 90 }, (_, n) => value(n));
    const start = Date.parse("2026-11-24T06:30:00Z") / 1000;
    expect(records.columns.map(({ name, kind, missing }) => [name, kind, missing])).toEqual([
      ["i", "number", 0], ["d", "number", 13], ["f", "number", 0], ["t", "text", 30], ["b", "number", 0], ["l", "number", 0],
      ["ts", "timestamp", 0], ["day", "timestamp", 0], ["none", "number", 90], ["cents", "number", 0],
    ]);
    const { cents, ...others } = values(records);
    expect(others).toEqual({
      i: each((n) => n), d: each((n) => (n % 7 === 0 ? NaN : n * 0.5)), f: each((n) => n % 5), t: each((n) => (n % 3 === 0 ? "" : `machine ${n % 4}`)),
      b: each((n) => (n % 2 === 0 ? 1 : 0)), l: each((n) => n * 1e6), ts: each((n) => start + n * 0.25), day: each((n) => start - 23_400 + n * 86_400), none: each(() => NaN),
    });
    each((n) => expect(cents[n]).toBeCloseTo(n / 100, 12));
  });

  test("are refused where a repetition goes on behind the levels' end", async () => {
    const bytes = duckdb("v2");
    bytes[520] = 22; // a packed run of 8 in place of 256; the reader would go on into the values
    await expect(parseParquet(bytes, "t.parquet")).rejects.toThrow(/^t\.parquet: column "ts": not a whole Parquet file, or of another form \(a run expected at most/);
  });

  test("are refused where they are compressed otherwise, or nested, with the remedy", async () => {
    await expect(parseParquet(duckdb("zstd"), "t.parquet")).rejects.toThrow(new RangeError('t.parquet: column "i": compression expected Snappy or none, got ZSTD; write the file with compression="snappy"'));
    await expect(parseParquet(duckdb("nested"), "t.parquet")).rejects.toThrow(new RangeError('t.parquet: column "list" expected one value a row, got lists or structures; name the columns you need, or write them flat'));
    expect(values(await parseParquet(duckdb("nested"), "t.parquet", { columns: ["x"] }))).toEqual({ x: [3] });
  });
});

describe("parseParquet", () => {
  test.each([
    ["compressed, in one row group", {}],
    ["not compressed", { compressed: false, codec: "UNCOMPRESSED" }],
    ["in row groups", { rowGroupSize: 700 }],
    ["in small pages", { pageSize: 1000 }],
  ])("reads numbers, times and text, %s", async (_, options) => {
    const records = await parseParquet(write(sources, options), "t.parquet");
    expect(records.rows).toBe(rows);
    expect(records.columns.map(({ kind }) => kind)).toEqual(["number", "number", "number", "number", "number", "text", "timestamp"]);
    expect(records.columns.map(({ missing }) => missing)).toEqual([0, 1, 0, 250, 0, 500, 0]);
    expect(values(records)).toEqual(expected);
  });

  test("reads the columns that are named, in that order", async () => {
    const source = async (path: string) => (path === "a/t.parquet" ? write(sources) : undefined);
    const records = await readParquet(source, "a/t.parquet", { columns: ["int", "float"] });
    expect(records.columns.map(({ name }) => name)).toEqual(["int", "float"]);
    expect(values(records)).toEqual({ int: expected.int, float: expected.float });
    await expect(readParquet(source, "b.parquet", {}, "export it")).rejects.toThrow(new RangeError("b.parquet: no such file, with or without .gz; export it"));
  });

  test.each<[string, () => Uint8Array, object, string]>([
    ["a column that is not there", () => write(sources), { columns: ["speed"] }, 't.parquet: expected a column "speed", got "float", "double", "int", "long", "flag", "text", "time"; is it a file of this data set?'],
    ["rows beyond the limit", () => write(sources), { limits: { rows: 2499 } }, "t.parquet: expected at most 2499 rows and 134217728 cells, got 2500 rows of 7 columns"],
    ["cells beyond the limit", () => write(sources), { limits: { cells: 17_499 } }, "name the columns you need, or give limits: { rows, cells }"],
    ["pages beyond the limit", () => write(sources), { limits: { page: 100 } }, 't.parquet: column "float": not a whole Parquet file, or of another form (a page expected at most 100 bytes'],
    ["bytes beyond the limit", () => write(sources), { limits: { bytes: 100 } }, "t.parquet: expected at most 100 bytes"],
    ["another file", () => new TextEncoder().encode("time,speed\n1,2\n"), {}, "t.parquet: expected a Parquet file, which begins with PAR1"],
    ["half a file", () => write(sources).subarray(0, 5000), {}, "t.parquet: the file does not end as Parquet does; get it again"],
    ["an integer beyond 2^53", () => write([{ name: "id", data: [2n ** 60n], type: "INT64" }]), {}, 't.parquet: column "id", row 1: expected an integer below 2^53, got 1152921504606846976; write the column as float64'],
    ["bytes that are no text", () => write([{ name: "image", data: [Uint8Array.of(1)], type: "BYTE_ARRAY" }]), {}, 't.parquet: column "image": expected numbers, times or text, got BYTE_ARRAY'],
    ["JSON", () => write([{ name: "notes", data: [{ a: 1 }], type: "JSON" }]), {}, 't.parquet: column "notes": expected numbers, times or text, got JSON'],
  ])("refuses %s", async (_, bytes, options, message) => {
    const attempt = parseParquet(bytes(), "t.parquet", options);
    await expect(attempt).rejects.toThrow(RangeError);
    await expect(attempt).rejects.toThrow(message);
  });

  test("of a damaged file, never fails otherwise than with a RangeError that names it", async () => {
    const small = (value: (n: number) => unknown) => Array.from({ length: 40 }, (_, n) => value(n));
    const columns: ColumnSource[] = [
      { name: "a", data: small((n) => n % 3), type: "INT32" },
      { name: "b", data: small((n) => (n % 4 === 0 ? null : n * 0.5)), type: "DOUBLE", nullable: true },
      { name: "c", data: small((n) => `m${n % 2}`), type: "STRING" },
      { name: "d", data: small((n) => n % 2 === 0), type: "BOOLEAN" },
    ];
    const files = [write(columns), write(columns, { codec: "UNCOMPRESSED", rowGroupSize: 25 }), duckdb("snappy"), duckdb("plain"), duckdb("v2")];
    let refused = 0, read = 0;
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...files), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 }), async (file, changes) => {
        const bytes = file.slice();
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        try {
          const records = await parseParquet(bytes, "t.parquet");
          for (const { values } of records.columns) expect(values).toHaveLength(records.rows);
          read++;
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
          expect((error as Error).message).toMatch(/^t\.parquet: /);
          refused++;
        }
      }),
      { numRuns: 1000 },
    );
    expect(refused).toBeGreaterThan(100);
    expect(read).toBeGreaterThan(100);
  }, 120_000);
});
