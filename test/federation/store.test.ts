import { hash } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { Disk } from "../../src/federation/disk.ts";
import { DamageError, openStore, readStore, type Entry, type Opened, type StoreOptions } from "../../src/federation/store.ts";
import { random } from "../../src/kernels/random.ts";
import { SimulatedDisk, type Fault } from "../simulation/disk.ts";

/** SHA-256 on this thread. */
const digest = async (bytes: Uint8Array) => hash("sha256", bytes, "hex");
const salt = (bytes: number) => Uint8Array.from({ length: bytes }, (_, index) => 17 * index + 3);
const options: StoreOptions = { digest, random: salt };

/** Entries by number, each with some numbers of its own. */
const made: Entry[] = [];
const entry = (id: number): Entry => (made[id] ??= { kind: "update", fields: { id }, numbers: Uint8Array.from({ length: (id * 137) % 700 }, (_, index) => id * 31 + index) });
/** State that knows the entries below a count. */
const stateOf = (count: number): Entry => ({ kind: "state", fields: { count }, numbers: new Uint8Array(600).fill(count) });

/** How many entries a store came back with: 0, 1, 2 … in order, none missing, each whole. */
async function countOf({ snapshot, entries }: Pick<Opened, "snapshot" | "entries">): Promise<number> {
  let count = 0;
  if (snapshot) {
    count = snapshot.fields.count as number;
    expectSame(snapshot, stateOf(count));
  }
  for await (const found of entries) expectSame(found, entry(count++));
  return count;
}

/** expect().toEqual() costs more than the crash that it judges. */
function expectSame(found: Entry, expected: Entry): void {
  const same = found.kind === expected.kind && JSON.stringify(found.fields) === JSON.stringify(expected.fields) && Buffer.compare(found.numbers, expected.numbers) === 0;
  if (!same) expect(found).toEqual(expected);
}

/** What a process has asked for and been told. */
class Witness {
  asked = 0;
  acknowledged = 0;
  epoch = 0;

  /** Appends the next entries in one call. */
  async append({ store }: Opened, count: number): Promise<void> {
    const from = this.asked;
    this.asked += count;
    await store.append(Array.from({ length: count }, (_, index) => entry(from + index)));
    this.acknowledged = Math.max(this.acknowledged, from + count);
  }

  async open(disk: Disk, more: Partial<StoreOptions> = {}): Promise<Opened> {
    const opened = await openStore(disk, { ...options, ...more });
    if (opened.store.epoch <= this.epoch) expect(opened.store.epoch).toBeGreaterThan(this.epoch);
    this.epoch = opened.store.epoch;
    return opened;
  }

  /** Holds what came back against what was asked for and acknowledged. */
  async check(opened: Opened): Promise<number> {
    const count = await countOf(opened);
    if (count < this.acknowledged || count > this.asked) expect(`${count} entries`).toBe(`between ${this.acknowledged} and ${this.asked}`);
    return count;
  }
}

/** Lives of a store with everything in them: small and joint appends, snapshots, closing, killing, starting again. */
async function live(disk: SimulatedDisk, witness: Witness, keepSegments: number): Promise<void> {
  let opened = await witness.open(disk.mount(), { keepSegments });
  await witness.append(opened, 1);
  await Promise.all([witness.append(opened, 1), witness.append(opened, 4), witness.append(opened, 1)]);
  await opened.store.snapshot(stateOf(witness.asked));
  await witness.append(opened, 2);
  await opened.store.close();
  opened = await witness.open(disk.mount(), { keepSegments });
  await Promise.all([witness.append(opened, 1), opened.store.snapshot(stateOf(witness.asked)), witness.append(opened, 3)]);
  await witness.append(opened, 5);
  disk.kill();
  opened = await witness.open(disk.mount(), { keepSegments });
  await witness.append(opened, 1);
  await opened.store.snapshot(stateOf(witness.asked));
  await opened.store.snapshot(stateOf(witness.asked));
  await witness.append(opened, 2);
  await opened.store.close();
}

/** Live until the fault at an operation; how many operations there were, and whether it came. */
async function liveUntil(at: number, fault: Fault, keepSegments = Infinity): Promise<{ disk: SimulatedDisk; witness: Witness; hit: boolean; error: unknown }> {
  const disk = new SimulatedDisk();
  const witness = new Witness();
  let hit = false;
  let error: unknown;
  disk.fault = (_, __, count) => (count === at ? ((hit = true), fault) : undefined);
  await live(disk, witness, keepSegments).catch((caught) => (error = caught));
  disk.fault = undefined;
  return { disk, witness, hit, error };
}

/** What a crash may leave of a disk, tried on a process that comes after it. */
async function checkAfter(disk: SimulatedDisk, witness: Witness, ...names: (string | number)[]): Promise<{ after: SimulatedDisk; later: Witness; opened: Opened; count: number }> {
  const after = disk.after(random("store", ...names));
  const later = Object.assign(new Witness(), witness);
  try {
    const opened = await later.open(after.mount());
    return { after, later, opened, count: await later.check(opened) };
  } catch (error) {
    throw new Error(`after the crash ${JSON.stringify(names)}: ${(error as Error).message}`, { cause: error });
  }
}

/** From here on everything that came back is acknowledged. */
function goOn(witness: Witness, count: number): void {
  witness.asked = witness.acknowledged = count;
}

describe("a crash", () => {
  test("at every operation, with 100,000 outcomes of its sectors and names: a prefix with all that was acknowledged", async () => {
    let [crashes, torn] = [0, 0];
    for (const keepSegments of [Infinity, 0]) {
      for (let at = 0; ; at++) {
        const { disk, witness, hit } = await liveUntil(at, "crash", keepSegments);
        if (!hit) break;
        for (let draw = 0; draw < 610; draw++) {
          const { count } = await checkAfter(disk, witness, "crash", at, draw);
          crashes++;
          if (count < witness.asked) torn++;
        }
      }
    }
    expect(crashes).toBeGreaterThan(100_000);
    expect(torn).toBeGreaterThan(10_000); // else the disk forgets too little to prove anything
  });

  test("while recovering from a crash, and one after that", async () => {
    for (let at = 0; ; at += 3) {
      const { disk, witness, hit } = await liveUntil(at, "crash", 0);
      if (!hit) break;
      for (let step = 0, over = false; !over; step++) {
        const after = disk.after(random("store", "first", at, step));
        after.fault = (_, __, count) => (count === step ? "crash" : undefined);
        const later = Object.assign(new Witness(), witness);
        over = await later.open(after.mount()).then(() => true, () => false);
        const second = await checkAfter(after, later, "second", at, step);
        goOn(second.later, second.count);
        await second.later.append(second.opened, 2);
        await second.opened.store.snapshot(stateOf(second.later.asked));
        await second.later.append(second.opened, 1);
        await checkAfter(second.after, second.later, "third", at, step);
      }
    }
  });

  test("of the machine, after one of the process alone: what was only in memory is not taken for durable", async () => {
    for (let at = 0; ; at += 2) {
      if (!(await liveUntil(at, "crash")).hit) break;
      for (let step = 0, over = false; !over; step++) {
        const { disk, witness } = await liveUntil(at, "crash");
        const start = disk.counts.all;
        disk.fault = (_, __, count) => (count - start === step ? "crash" : undefined);
        over = await goOnFor(disk, witness).then(() => true, () => false);
        for (let draw = 0; draw < 3; draw++) await checkAfter(disk, witness, "machine", at, step, draw);
      }
    }
  });

  test("with both slots whole, whichever of them is damaged then: the other and the journal have everything", async () => {
    let tried = 0;
    for (let at = 0; ; at++) {
      const { disk, witness, hit } = await liveUntil(at, "crash", 0);
      if (!hit) break;
      for (let draw = 0; draw < 10; draw++) {
        const after = disk.after(random("slots", at, draw));
        const { snapshots, records } = await readStore(after.mount(), options);
        let before = 0;
        for await (const { sequence } of records) before < sequence ? (before = sequence) : expect(sequence).toBeGreaterThan(before); // and the audit finds no gap
        if (snapshots.length < 2) continue;
        const { slot } = snapshots[draw % 2];
        after.flip(slot, (8 * draw * 131) % (8 * after.files().get(slot)!.length));
        const { opened } = await checkAfter(after, witness, "slots", at, draw);
        expect(opened.warnings).toEqual([expect.stringMatching(`${slot} is not whole`)]);
        tried++;
      }
    }
    expect(tried).toBeGreaterThan(200);
  });
});

/** Start again with what came back, append, and write a snapshot. */
async function goOnFor(disk: SimulatedDisk, witness: Witness): Promise<void> {
  const opened = await witness.open(disk.mount(), { keepSegments: 0 });
  goOn(witness, await witness.check(opened));
  await witness.append(opened, 2);
  await opened.store.snapshot(stateOf(witness.asked));
  await witness.append(opened, 1);
}

describe("an error of the disk", () => {
  for (const code of ["ENOSPC", "EIO"] as const) {
    test(`${code} at operation 1, 2, 3 … until nothing fails: the store stops, and a later start has all that was acknowledged`, async () => {
      for (let at = 0; ; at++) {
        const { disk, witness, hit, error } = await liveUntil(at, code, 0);
        if (!hit) {
          expect(error).toBeUndefined();
          break;
        }
        expect(error).toMatchObject({ message: expect.stringContaining(code) });
        // The process starts again, on a machine that never stopped, and then on one that did.
        disk.kill();
        const opened = await witness.open(disk.mount());
        goOn(witness, await witness.check(opened));
        await witness.append(opened, 2);
        for (let draw = 0; draw < 20; draw++) await checkAfter(disk, witness, code, at, draw);
      }
    });

    test(`${code} from operation 1, 2, 3 … on, through starts that fail too`, async () => {
      for (let at = 0; ; at++) {
        const disk = new SimulatedDisk();
        const witness = new Witness();
        let hit = false;
        disk.fault = (operation, _, count) => (count >= at && !/^(list|size|read)/.test(operation) ? ((hit = true), code) : undefined);
        await live(disk, witness, 0).catch(() => {});
        if (!hit) break;
        disk.kill();
        await expect(witness.open(disk.mount())).rejects.toThrow(code);
        disk.fault = undefined;
        for (let draw = 0; draw < 5; draw++) await checkAfter(disk, witness, "full", code, at, draw);
      }
    });
  }

  test("after a failed sync nothing more is taken, and the reason is told with the remedy", async () => {
    const disk = new SimulatedDisk();
    const { store } = await openStore(disk.mount(), options);
    disk.fault = (operation) => (operation === "sync" ? "EIO" : undefined);
    const first = store.append([entry(0)]);
    const second = store.append([entry(1)]);
    await expect(first).rejects.toThrow(/the store has stopped: EIO: sync 'journal-000000000001'; what was acknowledged is safe, see to the disk and start again/);
    await expect(second).rejects.toThrow(/EIO/);
    disk.fault = undefined;
    const syncs = disk.counts.sync;
    await expect(store.append([entry(2)])).rejects.toThrow(/EIO/);
    await expect(store.snapshot(stateOf(0))).rejects.toThrow(/EIO/);
    await store.close();
    expect(disk.counts.sync).toBe(syncs);
  });
});

describe("damage", () => {
  /** A closed store with two segments of records behind each other and both slots: small, as every bit of it is tried. */
  async function small(): Promise<SimulatedDisk> {
    const disk = new SimulatedDisk();
    const { store } = await openStore(disk.mount(), options);
    await store.append([entry(0)]);
    await store.snapshot(stateOf(1));
    await Promise.all([store.append([entry(1)]), store.append([entry(51)])]);
    await store.snapshot({ ...stateOf(3), numbers: new Uint8Array(9) });
    await store.append([entry(92)]);
    await store.append([entry(46)]);
    await store.close();
    return disk;
  }
  const readAll = async (disk: SimulatedDisk) => {
    const found = [];
    const { records, snapshots, warnings } = await readStore(disk.mount(), options);
    for await (const record of records) found.push(record);
    return { found, snapshots, warnings };
  };
  const caught = (work: Promise<unknown>) => work.then(() => undefined, (error) => error);
  /** A flipped bit, and flipped back. */
  async function withFlip<T>(disk: SimulatedDisk, path: string, bit: number, work: () => Promise<T>): Promise<T> {
    disk.flip(path, bit);
    const result = await work();
    disk.flip(path, bit);
    return result;
  }

  test("of any bit of any record is found, and the record named", async () => {
    const disk = await small();
    const { found } = await readAll(disk);
    expect(found.map(({ entry }) => entry.fields.id)).toEqual([0, 1, 51, 92, 46]);
    for (const { segment, offset, sequence, entry } of found) {
      const bytes = 108 + JSON.stringify({ kind: entry.kind, fields: entry.fields }).length + entry.numbers.length;
      for (let bit = 8 * offset; bit < 8 * (offset + bytes); bit++) {
        const error = await withFlip(disk, segment, bit, () => caught(readAll(disk)));
        if (!(error instanceof DamageError) || error.segment !== segment || error.offset !== offset || error.sequence !== sequence) expect({ bit, error }).toMatchObject({ error: { segment, offset, sequence } });
      }
    }
    await expect(withFlip(disk, found[0].segment, 8 * found[0].offset + 900, () => caught(readAll(disk)))).resolves.toMatchObject({
      message: "journal-000000000001, byte 4096, record 1: its body does not match its SHA-256, and it was durable: everything up to record 3 is known to have been; keep the folder as it is and start from a copy of it (docs/storage.md)",
    });
  });

  test("of any bit that a start needs is found by it, and nothing is changed then", async () => {
    const disk = await small();
    const { found } = await readAll(disk);
    const before = disk.files();
    const { segment } = found.at(-1)!;
    for (const { offset, entry } of found.slice(-2)) {
      const bytes = 108 + JSON.stringify({ kind: entry.kind, fields: entry.fields }).length + entry.numbers.length;
      for (let bit = 8 * offset; bit < 8 * (offset + bytes); bit += 5) {
        const error = await withFlip(disk, segment, bit, () => caught(openStore(disk.mount(), options)));
        if (!(error instanceof DamageError)) expect({ bit, error }).toMatchObject({ error: { name: "DamageError" } });
      }
    }
    expect(disk.files()).toEqual(before);
  });

  test("of any bit of a segment's header is found", async () => {
    const disk = await small();
    for (const segment of [...disk.files().keys()].filter((name) => name.startsWith("journal-"))) {
      for (let bit = 0; bit < 8 * 92; bit++) {
        const error = await withFlip(disk, segment, bit, () => caught(readAll(disk)));
        if (!(error instanceof DamageError) || error.segment !== segment) expect({ bit, error }).toMatchObject({ error: { segment } });
      }
    }
  });

  test("of any bit of one snapshot is told, and made good by the other; of both is an alarm", async () => {
    const disk = await small();
    const bits = (slot: string) => 8 * disk.files().get(slot)!.length;
    for (const [slot, whole] of [["snapshot-a", "snapshot-b"], ["snapshot-b", "snapshot-a"]]) {
      for (let bit = 0; bit < bits(slot); bit++) {
        const { snapshots, warnings } = await withFlip(disk, slot, bit, () => readAll(disk));
        if (snapshots.length !== 1 || snapshots[0].slot !== whole || !warnings[0]?.startsWith(`${slot} is not whole`)) expect({ bit, snapshots, warnings }).toBeUndefined();
      }
    }
    for (let draw = 0; draw < 500; draw++) {
      const chance = random("both", draw);
      const error = await withFlip(disk, "snapshot-a", chance.integer(bits("snapshot-a")), () =>
        withFlip(disk, "snapshot-b", chance.integer(bits("snapshot-b")), () => caught(openStore(disk.mount(), options))));
      expect(error).toMatchObject({ name: "DamageError", segment: "snapshot-b", message: expect.stringMatching(/there were 2 snapshots, and no slot has a whole one/) });
    }
    disk.flip("snapshot-b", 1000);
    const opened = await openStore(disk.mount(), options);
    expect(opened.snapshot!.fields).toEqual({ count: 1 });
    const ids = [];
    for await (const { fields } of opened.entries) ids.push(fields.id);
    expect(ids).toEqual([1, 51, 92, 46]);
    // The next snapshot takes the place of the damaged one, not of the whole one.
    await opened.store.snapshot({ ...stateOf(5) });
    expect((await readAll(disk)).snapshots.map(({ slot, entry }) => [slot, entry.fields.count])).toEqual([["snapshot-b", 5], ["snapshot-a", 1]]);
  });

  test("a segment that is gone is found, wherever it was", async () => {
    const without = async (gone: string) => {
      const disk = await small();
      await disk.mount().remove(gone);
      return caught(readAll(disk));
    };
    expect(await without("journal-000000000002")).toMatchObject({ segment: "journal-000000000001", sequence: 2, message: expect.stringMatching(/the file ends before it/) });
    // The newest snapshot looks then as if it had been the last thing to happen; only who remembers more can tell.
    expect(await without("journal-000000000004")).toBeUndefined();
    const disk = await small();
    for (const name of disk.files().keys()) if (name.startsWith("journal-")) await disk.mount().remove(name);
    await expect(openStore(disk.mount(), options)).rejects.toThrow(/snapshot-a, snapshot-b without a journal/);
  });
});

describe("the store", () => {
  test("starts empty, and each start has the next epoch", async () => {
    const disk = new SimulatedDisk();
    for (let epoch = 1; epoch <= 5; epoch++) {
      const { store, snapshot, entries, warnings } = await openStore(disk.mount(), options);
      expect([store.epoch, snapshot, warnings]).toEqual([epoch, undefined, []]);
      for await (const entry of entries) expect(entry).toBeUndefined();
      if (epoch % 2 === 0) await store.close();
    }
    expect([...disk.files().keys()]).toEqual(["journal-000000000001"]);
    disk.crash(random("epoch"));
    expect((await openStore(disk.mount(), options)).store.epoch).toBe(6);
  });

  test("gives back kind, fields and numbers as they were", async () => {
    const disk = new SimulatedDisk();
    const { store } = await openStore(disk.mount(), options);
    const entries: Entry[] = [
      { kind: "", fields: {}, numbers: new Uint8Array(0) },
      { kind: "überlang", fields: { text: "„Ω“\u0000", list: [1, [2, { a: null }]], __proto__x: true, small: 5e-324 }, numbers: Uint8Array.of(0, 255, 1) },
    ];
    await store.append(entries);
    await store.append([]);
    const found = [];
    for await (const entry of (await openStore(disk.mount(), options)).entries) found.push(entry);
    expect(found).toEqual(entries);
    expect(found[1].numbers.byteOffset).toBe(0);
  });

  test("refuses what JSON would lose, and goes on", async () => {
    const { store } = await openStore(new SimulatedDisk().mount(), options);
    const wrong = (fields: object, more: object = {}) => store.append([entry(0), { kind: "update", fields, numbers: new Uint8Array(0), ...more } as Entry]);
    await expect(wrong({ loss: NaN })).rejects.toThrow(/entry "update": field "loss" expected a finite number, got NaN/);
    await expect(wrong({ deep: [{ change: -Infinity }] })).rejects.toThrow(RangeError);
    await expect(wrong({ numbers: new Float32Array(1) })).rejects.toThrow(/hand it over as the entry's numbers/);
    await expect(wrong({ big: 1n })).rejects.toThrow(TypeError);
    await expect(wrong({}, { numbers: new Float32Array(1) })).rejects.toThrow(/"numbers" expected a Uint8Array/);
    await store.append([entry(0)]);
    await expect(openStore(new SimulatedDisk().mount(), { digest, keepSegments: NaN })).rejects.toThrow(/"keepSegments" expected number >= 0, got NaN/);
  });

  test("a thousand appends of one turn share an fsync, and so do those that come while one is made", async () => {
    const disk = new SimulatedDisk();
    const mount = disk.mount();
    const { store } = await openStore({ ...mount, sync: (path) => new Promise((resolve, reject) => setTimeout(() => mount.sync(path).then(resolve, reject), 2)) }, options);
    const before = disk.counts.sync;
    await Promise.all(Array.from({ length: 1000 }, (_, id) => store.append([entry(id)])));
    expect(disk.counts.sync - before).toBe(1);
    const waiting = [];
    for (let id = 1000; id < 2000; id++) {
      waiting.push(store.append([entry(id)]));
      if (id % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(waiting);
    expect(disk.counts.sync - before).toBeLessThan(101);
    expect(await countOf(await openStore(disk.mount(), options))).toBe(2000);
  });

  test("resolves appends in order, each only after the sync that makes it durable", async () => {
    const disk = new SimulatedDisk();
    const { store } = await openStore(disk.mount(), options);
    const told: number[] = [];
    await Promise.all(Array.from({ length: 40 }, (_, id) => store.append([{ ...entry(id), numbers: new Uint8Array(700_000) }]).then(() => told.push(id))));
    expect(told).toEqual(Array.from({ length: 40 }, (_, id) => id));
    expect(disk.counts.append).toBeGreaterThan(2); // 28 MB are not written at once
  });

  test("large entries are read back a piece at a time", async () => {
    const disk = new SimulatedDisk();
    const { store } = await openStore(disk.mount(), options);
    const large = (id: number): Entry => ({ kind: "update", fields: { id }, numbers: new Uint8Array(700_000).fill(id) });
    for (let id = 0; id < 60; id++) await store.append([large(id)]);
    let [largest, total] = [0, 0];
    const mount = disk.mount();
    const opened = await openStore({
      ...mount,
      read: async (path) => (expect(path).not.toMatch(/journal/), mount.read(path)),
      readAt: async (path, offset, length) => {
        largest = Math.max(largest, length);
        total += length;
        return mount.readAt(path, offset, length);
      },
    }, options);
    let id = 0;
    for await (const { numbers } of opened.entries) {
      expect([numbers[0], numbers.length]).toEqual([id, 700_000]);
      id++;
    }
    expect(id).toBe(60);
    expect(largest).toBeLessThanOrEqual(2 ** 22);
    expect(total).toBeLessThan(3 * 42_000_000); // two passes
  });

  test("two slots take turns, each snapshot begins a segment, and old segments go when a newer snapshot is durable", async () => {
    const disk = new SimulatedDisk();
    const { store } = await openStore(disk.mount(), { ...options, keepSegments: 1 });
    const order: string[] = [];
    disk.fault = (operation, path) => void order.push(`${operation} ${path}`);
    for (let count = 1; count <= 6; count++) {
      await store.append([entry(count - 1)]);
      order.length = 0;
      const before = disk.files();
      await store.snapshot(stateOf(count));
      const [slot, other] = count % 2 ? ["snapshot-a", "snapshot-b"] : ["snapshot-b", "snapshot-a"];
      expect(disk.files().get(other)).toEqual(before.get(other));
      const next = `journal-${String(count + 1).padStart(12, "0")}`;
      expect(order.slice(0, 7)).toEqual([`write ${slot}`, `sync ${slot}`, "syncFolder ", "write journal.part", "sync journal.part", "rename journal.part", "syncFolder "]);
      expect(disk.files().has(next)).toBe(true);
      // Those from the older slot on are needed, and one is kept.
      expect([...disk.files().keys()].filter((name) => name.startsWith("journal-")).sort()).toEqual(
        Array.from({ length: count + 1 }, (_, index) => `journal-${String(index + 1).padStart(12, "0")}`).slice(count >= 3 ? count - 2 : 0),
      );
    }
    expect(await countOf(await openStore(disk.mount(), options))).toBe(6);
  });

  test("a snapshot is of what was appended before it, also when all are asked for at once", async () => {
    const disk = new SimulatedDisk();
    const { store } = await openStore(disk.mount(), options);
    void store.append([entry(0), entry(1)]);
    void store.snapshot(stateOf(2));
    void store.append([entry(2)]);
    await store.close();
    await expect(store.append([entry(3)])).rejects.toThrow("the store was closed");
    expect(await countOf(await openStore(disk.mount(), options))).toBe(3);
  });

  test("is read for audit over all segments while it runs, without a write", async () => {
    const disk = new SimulatedDisk();
    const mount = disk.mount();
    const { store } = await openStore(mount, options);
    await store.append([entry(0), entry(1)]);
    await store.snapshot(stateOf(2));
    await store.append([entry(2)]);
    const forbidden = async () => expect("a write").toBe("no write");
    const { records, snapshots, warnings } = await readStore({ ...mount, append: forbidden, write: forbidden, sync: forbidden, syncFolder: forbidden, rename: forbidden, remove: forbidden }, options);
    const found = [];
    for await (const { segment, sequence, epoch, entry } of records) found.push([segment, sequence, epoch, entry.fields.id]);
    expect(found).toEqual([["journal-000000000001", 1, 1, 0], ["journal-000000000001", 2, 1, 1], ["journal-000000000003", 3, 1, 2]]);
    expect([snapshots.map(({ sequence }) => sequence), warnings]).toEqual([[2], []]);
    await store.append([entry(3)]);
  });
});
