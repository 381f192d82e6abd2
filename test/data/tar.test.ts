import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readTar } from "../../src/data/tar.ts";
import { tar } from "./archive.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const read = (archive: Uint8Array) => readTar(archive, "a.tar").map(({ path, bytes }) => [path, decode(bytes)]);

describe("readTar", () => {
  it("reads files of any length, in order, and passes over folders", () => {
    const files = ["", "x", "y".repeat(511), "z".repeat(512), "w".repeat(513)].map((text, at) => ({ path: `f/${at}.csv`, bytes: encode(text) }));
    const archive = tar([{ path: "f/", bytes: new Uint8Array(0), type: "5" }, ...files]);
    expect(read(archive)).toEqual(files.map(({ path, bytes }) => [path, decode(bytes)]));
  });

  it("reads a long name: a prefix, a block of GNU's, a record of pax's", () => {
    const one = { path: "short", bytes: encode("1") };
    expect(read(tar([{ ...one, prefix: "a/b" }]))).toEqual([["a/b/short", "1"]]);
    expect(read(tar([{ path: "././@LongLink", bytes: encode("long/name\0"), type: "L" }, one, one]))).toEqual([["long/name", "1"], ["short", "1"]]);
    expect(read(tar([{ path: "pax", bytes: encode("11 mtime=1\n18 path=long/name\n"), type: "x" }, one, one]))).toEqual([["long/name", "1"], ["short", "1"]]);
  });

  it("ends at the first empty block, or at the last file where the writer left it out", () => {
    const archive = tar([{ path: "a", bytes: encode("1") }]);
    expect(read(archive.subarray(0, 1024))).toEqual([["a", "1"]]);
    expect(read(new Uint8Array(0))).toEqual([]);
  });

  it.each<[string, Uint8Array, RegExp]>([
    ["a file cut short", tar([{ path: "a", bytes: new Uint8Array(600) }]).subarray(0, 1000), /^a\.tar: byte 0: expected a file of 600 bytes, got 488 to the end; .* cut short/],
    ["half a header", tar([{ path: "a", bytes: new Uint8Array(600) }]).subarray(0, 100), /^a\.tar: byte 0: expected a header of 512 bytes, got 100/],
    ["a changed header", tar([{ path: "a", bytes: new Uint8Array(1) }]).with(0, 66), /^a\.tar: byte 0: checksum expected \d+, got \d+; is this a tar archive/],
    ["text", encode("no archive".repeat(100)), /^a\.tar: byte 0: checksum expected octal digits/],
  ])("refuses %s", (_, archive, message) => {
    expect(() => readTar(archive, "a.tar")).toThrow(message);
  });

  it("reads or refuses any damaged archive", () => {
    const archive = tar([{ path: "a", bytes: encode("x".repeat(700)) }, { path: "b", bytes: encode("y") }]);
    fc.assert(
      fc.property(fc.nat(archive.length - 1), fc.nat(255), fc.nat(archive.length), (at, byte, cut) => {
        try {
          readTar(archive.with(at, byte).subarray(0, cut), "a.tar");
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
          expect((error as Error).message).toMatch(/^a\.tar: byte \d+: /);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
