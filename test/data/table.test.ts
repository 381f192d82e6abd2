import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseTable } from "../../src/data/table.ts";

const blank = fc.constantFrom(" ", "\t", "  ", " \t");

describe("parseTable", () => {
  it("reads rows of cells between any blanks, as Number reads each cell", () => {
    const cell = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
      fc.double({ min: -1e6, max: 1e6, noNaN: true }).map((x) => x.toFixed(4)),
      fc.integer().map(String),
      fc.constantFrom("-0", "+1.5", ".25", "3.", "1E3", "123456789012345678", "0.000000000000001"),
    );
    const rows = fc.integer({ min: 1, max: 6 }).chain((columns) =>
      fc.array(fc.array(cell, { minLength: columns, maxLength: columns }), { minLength: 1, maxLength: 8 }),
    );
    fc.assert(
      fc.property(rows, blank, fc.constantFrom("\n", "\r\n", " \n", "\n\n"), fc.boolean(), (rows, gap, end, last) => {
        const text = rows.map((row) => row.join(gap)).join(end) + (last ? end : "");
        const table = parseTable(text, "t.txt", rows[0].length);
        expect([table.rows, table.columns]).toEqual([rows.length, rows[0].length]);
        expect([...table.values]).toEqual(rows.flat().map(Number));
        expect([...table.lines]).toEqual(rows.map((_, row) => 1 + row * (end === "\n\n" ? 2 : 1)));
      }),
    );
  });

  it("names file and line of a row with another number of columns", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }), fc.nat(20), (columns, wrong, before) => {
        fc.pre(columns !== wrong);
        const row = (count: number) => Array(count).fill("1").join(" ") + "\n";
        const text = row(columns).repeat(before) + row(wrong) + row(columns);
        expect(() => parseTable(text, "t.txt", columns)).toThrow(new RegExp(`^t\\.txt:${before + 1}: expected ${columns} columns, got ${wrong};`));
      }),
    );
  });

  it.each(["NaN", "nan", "inf", "-Infinity", "1e999", "abc", "1,5", "0x10", "1.2.3", "-", ".", "e5", "1e", "--1", "1_000", "٣"])("refuses %s where a number belongs", (cell) => {
    expect(() => parseTable(`1 2\n3 ${cell}\n`, "t.txt", 2)).toThrow(
      new RangeError(`t.txt:2: column 2 expected a finite number, got ${JSON.stringify(cell)}; mend or remove the row`),
    );
  });

  it("refuses an empty file", () => {
    for (const text of ["", "\n", " \r\n\t\n"]) expect(() => parseTable(text, "t.txt", 3)).toThrow("t.txt: the file has no rows");
  });

  it("never fails otherwise than with a RangeError that names the file", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom("1", "-", ".", "e", " ", "\n", "\t", "x"), maxLength: 60 }), fc.integer({ min: 1, max: 5 }), (text, columns) => {
        try {
          expect(parseTable(text, "t.txt", columns).values.every(Number.isFinite)).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
          expect((error as Error).message).toMatch(/^t\.txt:/);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
