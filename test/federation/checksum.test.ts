import { expect, test } from "vitest";
import { crc32, fingerprintOf, sha256 } from "../../src/federation/checksum.ts";

const text = (string: string) => new TextEncoder().encode(string);

test("CRC-32 has its standard check value", () => {
  expect(crc32(text("123456789"))).toBe(0xcbf43926);
  expect(crc32(new Uint8Array(0))).toBe(0);
});

test("CRC-32 equals its definition, bit by bit, at every length", () => {
  const bytes = Uint8Array.from({ length: 40 }, (_, index) => (index * 89 + 7) & 0xff);
  for (let length = 0; length <= bytes.length; length++) {
    let sum = 0xffffffff;
    for (const byte of bytes.subarray(0, length)) {
      sum ^= byte;
      for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
    }
    expect(crc32(bytes.subarray(0, length))).toBe(~sum >>> 0);
  }
});

test("SHA-256 equals the vector of FIPS 180-2", async () => {
  expect(await sha256(text("abc"))).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});

test("SHA-256 is of the view, not of its buffer", async () => {
  expect(await sha256(text("xabcx").subarray(1, 4))).toBe(await sha256(text("abc")));
});

test("a fingerprint does not depend on the order of keys, but on everything else", async () => {
  const hash = await fingerprintOf({ a: 1, b: [{ c: 2, d: 3 }] });
  expect(await fingerprintOf({ b: [{ d: 3, c: 2 }], a: 1 })).toBe(hash);
  expect(await fingerprintOf({ a: 1, b: [{ c: 2, d: 4 }] })).not.toBe(hash);
});
