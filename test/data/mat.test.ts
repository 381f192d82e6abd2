import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readMat } from "../../src/data/mat.ts";

interface Case {
  title: string;
  file: string;
  arrays: Record<string, { shape: number[]; values: number[]; imaginary?: number[] }>;
  skipped: [string, string][];
}
const cases = JSON.parse(readFileSync(new URL("../vectors/mat.json", import.meta.url), "utf8")) as Case[];
const bytesOf = (title: string) => new Uint8Array(Buffer.from(cases.find((one) => one.title === title)!.file, "base64"));

/** A file of one array, little-endian, as parts that a test can change. */
function written({ word = 6, dimensions = [2, 3], storage = 9, data = new Uint8Array(48) }: { word?: number; dimensions?: number[]; storage?: number; data?: Uint8Array }): Uint8Array {
  const words = (...numbers: number[]) => new Uint8Array(Int32Array.from(numbers).buffer);
  const padded = (bytes: Uint8Array) => new Uint8Array([...bytes, ...new Uint8Array((8 - (bytes.length % 8)) % 8)]);
  const body = [
    words(6, 8, word, 0),
    words(5, 4 * dimensions.length), padded(words(...dimensions)),
    words(0x10001, 0x78), // the name "x" as a small element
    words(storage, data.length), padded(data),
  ].flatMap((part) => [...part]);
  const header = new Uint8Array(128).fill(32);
  header.set([0, 1, 0x49, 0x4d], 124);
  return new Uint8Array([...header, ...words(14, body.length), ...body]);
}

describe("readMat", () => {
  it.each(cases)("reads what SciPy wrote, $title", async ({ title, arrays, skipped }) => {
    const mat = await readMat(bytesOf(title), "a.mat");
    expect([...mat.arrays.keys()]).toEqual(Object.keys(arrays));
    for (const [name, { shape, values, imaginary }] of Object.entries(arrays)) {
      const found = mat.arrays.get(name)!;
      expect([name, found.shape, [...found.values], found.imaginary && [...found.imaginary]]).toEqual([name, shape, values, imaginary]);
    }
    expect(mat.skipped.map(({ name, type }) => [name, type])).toEqual(skipped);
  });

  it("reads a file at any place of a larger buffer", async () => {
    const bytes = bytesOf("compressed");
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    expect((await readMat(shifted.subarray(3), "a.mat")).arrays).toEqual((await readMat(bytes, "a.mat")).arrays);
  });

  it("reads only what is wanted", async () => {
    expect([...(await readMat(bytesOf("plain"), "a.mat", (name) => name.startsWith("u"))).arrays.keys()]).toEqual(["uint8", "uint16", "uint32", "uint64"]);
  });

  it("names the class an array had", async () => {
    const { arrays } = await readMat(bytesOf("plain"), "a.mat");
    expect(["int16", "double", "single", "logical"].map((name) => arrays.get(name)!.type)).toEqual(["int16", "double", "single", "uint8"]);
  });

  it("reads doubles that were stored as bytes, as MATLAB does with small integers", async () => {
    const { arrays } = await readMat(written({ storage: 2, data: new Uint8Array([1, 2, 3, 4, 5, 6]) }), "a.mat");
    expect([...arrays.get("x")!.values]).toEqual([1, 3, 5, 2, 4, 6]);
  });

  it.each<[string, Uint8Array, RegExp]>([
    ["version 7.3", new Uint8Array([...new Uint8Array(512), 0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]), /^a\.mat: byte 0: .*version 7\.3, which is HDF5.*save -v7/],
    ["an HDF5 file without MATLAB's header", new Uint8Array([0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]), /version 7\.3/],
    ["version 4", new Uint8Array(200), /^a\.mat: byte 126: .*version 4 are not read/],
    ["text", new TextEncoder().encode("column a, column b\n".repeat(20)), /^a\.mat: byte 126: expected the byte order mark/],
    ["nothing", new Uint8Array(0), /^a\.mat: expected a \.mat header of 128 bytes, got 0/],
    ["a newer version", bytesOf("plain").with(124, 7), /^a\.mat: byte 124: expected version 0x0100 of the format, got 0x0107/],
    ["a file cut short", bytesOf("plain").subarray(0, 300), /^a\.mat: byte 264: expected an element of \d+ bytes, got \d+ to the end; .* cut short/],
    ["a zlib stream cut short", (() => {
      const cut = bytesOf("compressed").slice(0, 128 + 8 + 20);
      new DataView(cut.buffer).setUint32(132, 20, true);
      return cut;
    })(), /^a\.mat: byte 136: not a whole zlib stream/],
    ["fewer numbers than dimensions", written({ dimensions: [2, 4] }), /^a\.mat: byte 184: "x" of 2 x 4 expected 64 bytes, got 48/],
    ["a negative dimension", written({ dimensions: [2, -3] }), /"x" expected a dimension >= 0, got -3/],
    ["an array too large for memory", written({ dimensions: [2 ** 20, 2 ** 20] }), /"x" of 1048576 x 1048576 .* more than 268435456 bytes/],
    ["dimensions whose product is not a finite number", written({ dimensions: Array<number>(32).fill(2 ** 31 - 1) }), /more than 268435456 bytes/],
    ["33 dimensions", written({ dimensions: Array<number>(33).fill(1) }), /"x" expected 2 to 32 dimensions/],
    ["an unknown class", written({ word: 99 }), /expected an array class from 1 to 17, got 99/],
    ["an integer that is no double", written({ storage: 12, dimensions: [1, 1], data: new Uint8Array(8).fill(0x7f) }), /^a\.mat: byte 184: "x" expected an integer within ±9007199254740991/],
    ["a variable twice", (() => {
      const one = written({});
      return new Uint8Array([...one, ...one.subarray(128)]);
    })(), /a second variable "x"/],
  ])("refuses %s", async (_, bytes, message) => {
    await expect(readMat(bytes, "a.mat")).rejects.toThrow(message);
  });

  it("does not unfold a small file into all of memory", async () => {
    const zeros = new Uint8Array(2 ** 28 + 2 ** 20);
    const packed = new Uint8Array(await new Response(new Blob([zeros]).stream().pipeThrough(new CompressionStream("deflate"))).arrayBuffer());
    const bytes = new Uint8Array(136 + packed.length);
    bytes.set(bytesOf("plain").subarray(0, 128));
    new DataView(bytes.buffer).setUint32(128, 15, true);
    new DataView(bytes.buffer).setUint32(132, packed.length, true);
    bytes.set(packed, 136);
    await expect(readMat(bytes, "a.mat")).rejects.toThrow(/^a\.mat: byte 136: expected at most 268435456 bytes/);
  }, 30_000);

  it("reads or refuses any damaged file, with a RangeError that names it", async () => {
    const files = cases.map(({ title }) => bytesOf(title));
    const change = fc.record({ at: fc.nat(), byte: fc.nat(255) });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...files), fc.array(change, { minLength: 1, maxLength: 4 }), fc.option(fc.nat()), async (file, changes, cut) => {
        const bytes = file.slice(0, cut === null ? undefined : cut % file.length);
        // Half of the damage goes to the first bytes behind the header, where the structure is densest.
        for (const { at, byte } of changes) if (bytes.length > 0) bytes[(at % 2 ? 120 + (at % 256) : at) % bytes.length] = byte;
        try {
          await readMat(bytes, "a.mat");
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
          expect((error as Error).message).toMatch(/^a\.mat: /);
        }
      }),
      { numRuns: 500 },
    );
  }, 60_000);
});

it("is public beside the readers of other files: from bytes, and from a source, which finds the file with .gz or says that there is none", async () => {
  const { parseMat, readMat: readFile } = await import("../../src/signal.ts");
  const source = async (path: string) => (path === "a.mat.gz" ? new Uint8Array(gzipSync(bytesOf("plain"))) : undefined);
  const only = (name: string) => name === "int16";
  const whole = await readMat(bytesOf("plain"), "a.mat", only);
  expect([...whole.arrays.keys()]).toEqual(["int16"]);
  expect(await parseMat(bytesOf("plain"), "a.mat", only)).toEqual(whole);
  expect(await readFile(source, "a.mat", only)).toEqual(whole);
  await expect(readFile(source, "b.mat", only, "ask the rig's owner")).rejects.toThrow(new RangeError("b.mat: no such file, with or without .gz; ask the rig's owner"));
});
