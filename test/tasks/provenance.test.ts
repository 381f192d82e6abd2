import { expect, test } from "vitest";
import { witness } from "../../src/tasks/provenance.ts";
import { memorySource } from "./sources.ts";

const of = async (files: Record<string, string>, asked: readonly string[]) => {
  const { source, provenance } = witness(memorySource(files));
  for (const path of asked) await source(path);
  return provenance();
};

test("one hash of all files that were asked for and are there, in any order and as often as you like", async () => {
  const files = { "a/1.csv": "1;2", "a/2.csv": "3;4", "unread.csv": "5" };
  const whole = await of(files, ["a/1.csv", "a/2.csv", "none.csv"]);
  expect(whole).toEqual({ files: 2, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
  expect(await of({ ...files, "unread.csv": "6" }, ["a/2.csv", "a/1.csv", "a/2.csv"])).toEqual(whole);
  for (const other of [{ ...files, "a/1.csv": "1;3" }, { ...files, "none.csv": "" }, { "a/1.csv": "3;4", "a/2.csv": "1;2" }, { "a/1.csv": "1;2" }]) {
    expect(await of(other as Record<string, string>, ["a/1.csv", "a/2.csv", "none.csv"])).not.toEqual(whole);
  }
});

test("the files and what messages call their place are the source's own", async () => {
  const { source } = witness(Object.assign(memorySource({ a: "x" }), { place: "data" }));
  expect([source.place, new TextDecoder().decode(await source("a")), await source("b")]).toEqual(["data", "x", undefined]);
});
