import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { readText, type Source } from "../../src/data/source.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const memory = (files: Record<string, Uint8Array>): Source => async (path) => files[path];

describe("readText", () => {
  it("takes the first candidate that exists, plain before compressed", async () => {
    const source = memory({ "b.txt": encode("plain"), "b.txt.gz": gzipSync("packed"), "c.txt": encode("later") });
    expect(await readText(source, ["a.txt", "b.txt", "c.txt"], "")).toEqual({ path: "b.txt", text: "plain" });
  });

  it("decompresses .gz", async () => {
    const text = "1 2 3\n".repeat(50_000);
    expect(await readText(memory({ "a.txt.gz": gzipSync(text) }), ["a.txt"], "")).toEqual({ path: "a.txt.gz", text });
  });

  it("names the files, the place and the remedy when nothing is there", async () => {
    const source: Source = Object.assign(memory({}), { place: "/data/rig" });
    await expect(readText(source, ["a.txt", "old/a.txt"], "get it from the museum")).rejects.toThrow(
      new RangeError("a.txt or old/a.txt: no such file in /data/rig, with or without .gz; get it from the museum"),
    );
  });

  it("refuses a truncated or false gzip file", async () => {
    const packed = gzipSync("1 2 3\n".repeat(1000));
    for (const bytes of [packed.subarray(0, packed.length - 9), encode("1 2 3\n"), new Uint8Array(0)]) {
      await expect(readText(memory({ "a.txt.gz": bytes }), ["a.txt"], "")).rejects.toThrow(/^a\.txt\.gz: not a whole gzip file/);
    }
  });

  it("refuses a small file that unfolds to more than 256 MiB", async () => {
    const member = gzipSync(Buffer.alloc(2 ** 24));
    const bomb = Buffer.concat(Array(17).fill(member));
    await expect(readText(memory({ "a.txt.gz": bomb }), ["a.txt"], "")).rejects.toThrow(/^a\.txt\.gz: expected at most 268435456 bytes/);
  }, 30_000);
});
