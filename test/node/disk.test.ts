import { fork } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { sha256 } from "../../src/federation/checksum.ts";
import { openStore, readStore, type Entry } from "../../src/federation/store.ts";
import { nodeDisk } from "../../src/node/disk.ts";

let root: string;
beforeEach(() => void (root = mkdtempSync(join(tmpdir(), "millwright-"))));
afterEach(() => rmSync(root, { recursive: true }));

const bytes = (...values: number[]) => Uint8Array.of(...values);
const entry = (id: number, length = 100): Entry => ({ kind: "update", fields: { id }, numbers: new Uint8Array(length).fill(id) });
const names = (folder: string) => readdirSync(folder).filter((name) => !name.startsWith("lock-")).sort();

test("does what a Disk says, also across renames and in folders", async () => {
  const folder = join(root, "new", "folder");
  const disk = nodeDisk(folder);
  expect([await disk.list(""), await disk.size("a"), await disk.read("a"), await disk.list("deep")]).toEqual([[], undefined, undefined, []]);
  expect(existsSync(join(root, "new"))).toBe(false); // reading makes nothing
  await disk.append("a", [bytes(1, 2), bytes(), bytes(3)]);
  await disk.append("a", [bytes(4)]);
  await disk.append("a", []);
  await disk.sync("a");
  await disk.syncFolder("");
  expect([await disk.read("a"), await disk.size("a"), await disk.readAt("a", 1, 2), await disk.readAt("a", 3, 9)]).toEqual([bytes(1, 2, 3, 4), 4, bytes(2, 3), bytes(4)]);
  await disk.write("b", bytes(9, 9, 9, 9, 9));
  await disk.write("b", bytes(8));
  await disk.append("b", [bytes(7)]);
  await disk.rename("b", "a");
  await disk.append("a", [bytes(6)]);
  await disk.sync("a");
  expect([await disk.read("a"), await disk.read("b"), await disk.list("")]).toEqual([bytes(8, 7, 6), undefined, ["a"]]);
  await disk.append("deep/er/c", [bytes(5)]);
  await disk.syncFolder("deep/er");
  expect([await disk.list("deep/er"), await disk.list("deep")]).toEqual([["c"], []]);
  for (let file = 0; file < 20; file++) await disk.append(`many-${file}`, [bytes(file)]);
  for (let file = 0; file < 20; file++) await disk.append(`many-${file}`, [bytes(file)]);
  for (let file = 0; file < 20; file++) await disk.sync(`many-${file}`);
  expect(await disk.read("many-3")).toEqual(bytes(3, 3));
  await disk.remove("a");
  expect(await disk.read("a")).toBeUndefined();
  await disk.append("a", [bytes(1)]);
  expect(await disk.read("a")).toEqual(bytes(1));
  await disk.close();
  await expect(disk.append("z", [bytes(1)])).rejects.toThrow(/it was closed/);
});

test("takes more chunks than one system call does", async () => {
  const disk = nodeDisk(root);
  await disk.append("a", Array.from({ length: 5000 }, (_, index) => bytes(index, index >> 8)));
  const found = (await disk.read("a"))!;
  expect(found.length).toBe(10_000);
  for (let index = 0; index < 5000; index++) if (found[2 * index] + 256 * found[2 * index + 1] !== index) expect(index).toBeUndefined();
  await disk.close();
});

test("refuses paths that lead elsewhere", async () => {
  const disk = nodeDisk(join(root, "folder"));
  for (const path of ["../a", "/a", "a/../../b", "a//b", ".a", "a\0", "a\\b", "a/"]) await expect(disk.append(path, [bytes(1)])).rejects.toThrow(/"path" expected names of/);
  expect(readdirSync(root)).toEqual([]);
});

test("a store on a real folder comes back, entry for entry", async () => {
  const { store } = await openStore(nodeDisk(root), { digest: sha256 });
  await Promise.all(Array.from({ length: 50 }, (_, id) => store.append([entry(id)])));
  await store.snapshot(entry(50));
  await store.append([entry(51, 700_000)]);
  await store.close();
  expect(names(root)).toEqual(["journal-000000000001", "journal-000000000051", "snapshot-a"]);
  const opened = await openStore(nodeDisk(root), { digest: sha256 });
  expect([opened.store.epoch, opened.snapshot]).toEqual([2, entry(50)]);
  const found = [];
  for await (const entry of opened.entries) found.push(entry);
  expect(found.map(({ kind, fields, numbers }) => [kind, fields, Buffer.compare(numbers, entry(51, 700_000).numbers)])).toEqual([["update", { id: 51 }, 0]]);
  let count = 0;
  for await (const { entry } of (await readStore(nodeDisk(root), { digest: sha256 })).records) count += entry.numbers.length;
  expect(count).toBe(50 * 100 + 700_000);
  await opened.store.close();
  expect(readdirSync(root).filter((name) => name.startsWith("lock-"))).toEqual([]);
});

test("a second writer is refused, in this process too, and comes in when the first has closed", async () => {
  const first = await openStore(nodeDisk(root), { digest: sha256 });
  await expect(openStore(nodeDisk(root), { digest: sha256 })).rejects.toThrow(`${root}: another process writes to this folder; stop it first, or give another folder`);
  await first.store.append([entry(1)]);
  await first.store.close();
  const second = await openStore(nodeDisk(root), { digest: sha256 });
  expect(second.store.epoch).toBe(2);
  await second.store.close();
});

test("of two that start at the same time at most one gets the folder", async () => {
  for (let round = 0; round < 20; round++) {
    const disks = Array.from({ length: 4 }, () => nodeDisk(root));
    const results = await Promise.allSettled(disks.map((disk) => disk.append("a", [bytes(1)])));
    expect(results.filter(({ status }) => status === "fulfilled").length).toBeLessThanOrEqual(1);
    await Promise.all(disks.map((disk) => disk.close()));
  }
  expect(names(root).length).toBeLessThanOrEqual(1);
});

test("a folder with a name too long for a socket is locked all the same", async () => {
  const deep = join(root, "a".repeat(60), "b".repeat(60));
  mkdirSync(deep, { recursive: true });
  const first = nodeDisk(deep);
  await first.append("a", [bytes(1)]);
  const second = nodeDisk(deep);
  await expect(second.append("a", [bytes(1)])).rejects.toThrow(/another process writes to this folder/);
  await first.close();
  const third = nodeDisk(deep);
  await third.append("a", [bytes(1)]);
  await third.close();
  expect(readdirSync(deep)).toEqual(["a"]);
});

/** A process that appends to a store and tells of each entry that is durable. */
const WRITER = `
  import { openStore } from ${JSON.stringify(new URL("../../build/federation/store.js", import.meta.url).href)};
  import { nodeDisk } from ${JSON.stringify(new URL("../../build/node/disk.js", import.meta.url).href)};
  import { sha256 } from ${JSON.stringify(new URL("../../build/federation/checksum.js", import.meta.url).href)};
  const { store, snapshot, entries } = await openStore(nodeDisk(process.argv[2]), { digest: sha256, keepSegments: 1 });
  let count = snapshot ? snapshot.fields.count : 0;
  for await (const { fields } of entries) if (fields.id !== count++) throw new Error("entry " + fields.id + " at " + (count - 1));
  process.send({ epoch: store.epoch, count });
  for (;;) {
    const ids = [count, count + 1, count + 2];
    count += 3;
    await Promise.all(ids.map((id) => store.append([{ kind: "update", fields: { id }, numbers: new Uint8Array(id % 5 ? 50 : 200000) }]).then(() => process.send({ durable: id }))));
    if (count % 30 === 0) await store.snapshot({ kind: "state", fields: { count }, numbers: new Uint8Array(1000) });
  }
`;

test("a process killed at any moment has kept what it had acknowledged, and leaves no lock", async () => {
  const script = join(root, "writer.mjs");
  const folder = join(root, "store");
  writeFileSync(script, WRITER);
  let durable = -1;
  for (let epoch = 1; epoch <= 8; epoch++) {
    const child = fork(script, [folder], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    const before = durable;
    let told = 0;
    const begun = await new Promise<{ epoch: number; count: number }>((resolve, reject) => {
      child.once("exit", (code) => reject(new Error(`the writer ended with code ${code}`)));
      child.on("message", (message: { epoch: number; count: number } | { durable: number }) => {
        if ("epoch" in message) resolve(message);
        else {
          durable = Math.max(durable, message.durable);
          if (++told === 7 * epoch) child.kill("SIGKILL");
        }
      });
    });
    expect(begun.epoch).toBe(epoch);
    expect(begun.count).toBeGreaterThan(before);
    await new Promise((resolve) => (child.exitCode !== null || child.signalCode !== null ? resolve(0) : child.once("close", resolve)));
  }
  const opened = await openStore(nodeDisk(folder), { digest: sha256 });
  let count = (opened.snapshot?.fields.count as number) ?? 0;
  for await (const { fields } of opened.entries) expect(fields.id).toBe(count++);
  expect(count).toBeGreaterThan(durable);
  expect(opened.warnings.length).toBeLessThan(2);
  await opened.store.close();
});
