import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseNpy, readNpy } from "../../src/data/npy.ts";

interface Case { readonly file: string; readonly descr: string; readonly shape: number[]; readonly values: number[] }
const cases: Case[] = JSON.parse(readFileSync(new URL("../vectors/npy.json", import.meta.url), "utf8"));
const bytesOf = ({ file }: Case) => new Uint8Array(Buffer.from(file, "base64"));

/** A file with this header and data. */
function file(header: string, data: Uint8Array = new Uint8Array(0), version = 1): Uint8Array {
  const head = new Uint8Array(10);
  head.set([0x93, ...Buffer.from("NUMPY"), version, 0, header.length & 255, header.length >> 8]);
  return new Uint8Array(Buffer.concat([head, Buffer.from(header), data]));
}
const header = (descr: string, shape: string, fortran = "False") => `{'descr': ${descr}, 'fortran_order': ${fortran}, 'shape': ${shape}, }\n`;

describe("parseNpy", () => {
  test.each(cases)("reads $descr of shape $shape as NumPy wrote it", (given) => {
    const { shape, values, type } = parseNpy(bytesOf(given), "t.npy");
    expect(type).toBe(given.descr);
    expect(shape).toEqual(given.shape);
    expect([...values]).toEqual(given.values);
  });

  test("keeps the types that there are here", () => {
    const read = (descr: string) => parseNpy(bytesOf(cases.find((one) => one.descr === descr)!), "t.npy").values.constructor.name;
    expect(["<f4", "<f8", "|i1", "<i2", "<i4", "|u1", "<u2", "<u4", "<i8", "|b1"].map(read)).toEqual([
      "Float32Array", "Float64Array", "Int8Array", "Int16Array", "Int32Array", "Uint8Array", "Uint16Array", "Uint32Array", "Float64Array", "Uint8Array",
    ]);
  });

  test.each<[string, Uint8Array, string]>([
    ["another file", new TextEncoder().encode("time,speed\n1,2\n"), "t.npy: expected a .npy file of version 1 to 3; write it with numpy.save"],
    ["a version that there is not", file(header("'<f4'", "()"), new Uint8Array(4), 9), "t.npy: expected a .npy file of version 1 to 3"],
    ["a header cut short", file(header("'<f4'", "(2,)")).subarray(0, 30), "t.npy: expected a header of"],
    ["text", file(header("'<U4'", "(1,)"), new Uint8Array(16)), 't.npy: expected an array of numbers (f4, f8, i1, i2, i4, i8, u1, u2, u4, u8, b1), got type "<U4"; convert it with array.astype("float32")'],
    ["complex numbers", file(header("'<c16'", "(1,)"), new Uint8Array(16)), 'got type "<c16"'],
    ["records", file(header("[('a', '<f4')]", "(1,)"), new Uint8Array(4)), "t.npy: expected a header with descr, fortran_order and shape of an array of numbers, got"],
    ["objects", file(header("'|O'", "(1,)"), new Uint8Array(4)), "t.npy: expected a header with descr"],
    ["data cut short", file(header("'<f4'", "(2, 2)"), new Uint8Array(15)), "t.npy: expected 16 bytes of data for shape (2, 2), got 15; get the file again"],
    ["more than there can be", file(header("'<f4'", "(999999999, 999999999)"), new Uint8Array(8)), "got 8"],
    ["an integer beyond 2^53", file(header("'<i8'", "(1,)"), new Uint8Array([0, 0, 0, 0, 0, 0, 0, 64])), 't.npy: element 0 expected an integer below 2^53, got about 4611686018427388000; convert the array with array.astype("float64")'],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => parseNpy(bytes, "t.npy")).toThrow(RangeError);
    expect(() => parseNpy(bytes, "t.npy")).toThrow(message);
  });

  test("never fails otherwise than with a RangeError that names the file", () => {
    fc.assert(
      fc.property(fc.constantFrom(...cases), fc.array(fc.tuple(fc.nat(300), fc.nat(255)), { maxLength: 4 }), fc.nat(300), (given, changes, length) => {
        const bytes = bytesOf(given);
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        try {
          const { shape, values } = parseNpy(length < 250 ? bytes : bytes.subarray(0, length), "t.npy");
          expect(values).toHaveLength(shape.reduce((product, size) => product * size, 1));
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
          expect((error as Error).message).toMatch(/^t\.npy: /);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

test("readNpy finds the file with .gz, and says when there is none", async () => {
  const source = async (path: string) => (path === "a.npy.gz" ? new Uint8Array(gzipSync(bytesOf(cases[0]))) : undefined);
  expect((await readNpy(source, "a.npy")).values).toEqual(parseNpy(bytesOf(cases[0]), "").values);
  await expect(readNpy(source, "b.npy", "ask the rig's owner")).rejects.toThrow(new RangeError("b.npy: no such file, with or without .gz; ask the rig's owner"));
});
