import type { NatsConnection } from "@nats-io/nats-core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Entry, Store } from "../../src/federation/store.ts";
import { DivergedError, FencedError, LostCopyError, mirror, restore, type MirrorOptions } from "../../src/nats.ts";
import { Broker, natsVersion, pause } from "./server.ts";

/** A folder in memory: what is durable of a journal. Each opening is a store of its own. */
class Folder {
  snapshot: Entry | undefined;
  entries: Entry[] = [];
  epoch = 0;

  open() {
    const folder = this;
    const store: Store = {
      epoch: ++this.epoch,
      append: async (entries) => void folder.entries.push(...entries),
      snapshot: async (entry) => void ((folder.snapshot = entry), (folder.entries = [])),
      close: async () => {},
    };
    return { store, ...this.read(), warnings: ["kept"] };
  }

  read() {
    const { snapshot, entries } = this;
    return { snapshot, entries: (async function* () { yield* [...entries]; })() };
  }

  /** What it says, for comparing. */
  get text(): string {
    const say = (entry: Entry | undefined) => entry && [entry.kind, entry.fields, Buffer.from(entry.numbers).toString("base64")];
    return JSON.stringify([say(this.snapshot), this.entries.map(say)]);
  }
}

const entryOf = (index: number, bytes = 10): Entry => ({ kind: "update", fields: { index, client: `plant-${index}` }, numbers: new Uint8Array(bytes).fill(index) });

async function drain<T>(items: AsyncIterable<T>): Promise<T[]> {
  const drained: T[] = [];
  for await (const item of items) drained.push(item);
  return drained;
}

describe.skipIf(!natsVersion)(`the journal's copy over NATS ${natsVersion}`, () => {
  let broker: Broker, connection: NatsConnection;
  beforeEach(async () => {
    broker = await Broker.start();
    connection = await broker.connect();
  });
  afterEach(() => broker.stop());

  const open = async (folder: Folder, token: number, options: Partial<MirrorOptions> = {}) => {
    const opened = await mirror(connection, folder.open(), { task: "t", token, ...options });
    await drain(opened.entries);
    return opened.store;
  };
  /** What another machine gets. */
  const restored = async (token: number) => {
    const folder = new Folder();
    const { store } = folder.open();
    const found = await restore(connection, { task: "t", token, store });
    return { folder, found };
  };

  test("what was appended and snapshot is on another machine, large numbers too", async () => {
    const folder = new Folder();
    const store = await open(folder, 1);
    await store.append([entryOf(1), entryOf(2, 700_000)]);
    await Promise.all([3, 4, 5].map((index) => store.append([entryOf(index, 300_000)])));
    expect((await restored(2)).folder.text).toBe(folder.text);
    const next = await open(folder, 3);
    await next.snapshot(entryOf(100, 1_000_000));
    await next.append([entryOf(6)]);
    const { folder: other, found } = await restored(4);
    expect(other.text).toBe(folder.text);
    expect(found).toEqual({ snapshots: 1, entries: 1, epoch: 2 });
  });

  test("nothing is appended before the entries were read; other fields are passed on", async () => {
    const opened = await mirror(connection, new Folder().open(), { task: "t", token: 1 });
    await expect(opened.store.append([entryOf(1)])).rejects.toThrow(/expected to be read before/);
    expect(opened.warnings).toEqual(["kept"]);
  });

  test("whoever takes over fences: the one before cannot append any more, and its folder is out of date", async () => {
    const north = new Folder();
    const first = await open(north, 1);
    await first.append([entryOf(1)]);
    const { folder: south } = await restored(2);
    await expect(first.append([entryOf(2)])).rejects.toBeInstanceOf(FencedError);
    await expect(first.append([entryOf(3)])).rejects.toBeInstanceOf(FencedError);
    const second = await open(south, 2);
    await second.append([entryOf(4)]);
    await expect(mirror(connection, north.open(), { task: "t", token: 1 })).rejects.toBeInstanceOf(FencedError);
    const late = await mirror(connection, north.open(), { task: "t", token: 3 });
    await expect(drain(late.entries)).rejects.toBeInstanceOf(DivergedError);
    expect((await restored(4)).folder.text).toBe(south.text);
  });

  test("a crash between the folder and the broker, after an entry or within a snapshot: the next start goes on", async () => {
    const folder = new Folder();
    const store = await open(folder, 1);
    await store.append([entryOf(1)]);
    folder.entries.push(entryOf(2), entryOf(3)); // here, not there
    const again = await open(folder, 2);
    await again.append([entryOf(4)]);
    expect((await restored(3)).folder.text).toBe(folder.text);

    const interrupted = folder.open();
    interrupted.store.snapshot = async () => { throw new Error("disk is gone"); };
    const opened = await mirror(connection, interrupted, { task: "t", token: 4 });
    await drain(opened.entries);
    await expect(opened.store.snapshot(entryOf(100))).rejects.toThrow(/disk is gone/);
    const third = await open(folder, 5); // the snapshot is there, not here
    await third.append([entryOf(5)]);
    const fourth = await open(folder, 6);
    await fourth.append([entryOf(6)]);
    const { folder: other } = await restored(7);
    expect(other.snapshot).toEqual(entryOf(100));
    expect(other.entries).toEqual([entryOf(5), entryOf(6)]);
    const last = await open(folder, 8);
    await last.snapshot(entryOf(200));
    expect((await restored(9)).folder.text).toBe(folder.text);
  });

  test("kill -9 of the broker between and within appends: each that resolved is there", async () => {
    const folder = new Folder();
    const store = await open(folder, 1);
    const appends = Array.from({ length: 30 }, async (_, index) => {
      await pause(20 * index);
      await store.append([entryOf(index, index % 10 === 0 ? 600_000 : 100)]);
    });
    for (let round = 0; round < 2; round++) {
      await pause(200);
      await broker.kill();
      await broker.run();
    }
    await Promise.all(appends);
    expect(folder.entries.length).toBe(30);
    expect((await restored(2)).folder.text).toBe(folder.text);
  });

  test("the broker's store is deleted: filled from the folder, while running or at the next start", async () => {
    const folder = new Folder();
    const store = await open(folder, 1, { reread: async () => folder.read() });
    const wipe = async () => {
      await broker.kill();
      broker.deleteStore();
      await broker.run();
    };
    await store.append([entryOf(1)]);
    await store.snapshot(entryOf(100, 700_000));
    await store.append([entryOf(2), entryOf(3, 600_000)]);
    await wipe();
    await store.append([entryOf(4)]);
    expect((await restored(1)).folder.text).toBe(folder.text);

    const without = await open(folder, 2);
    await wipe();
    await expect(without.append([entryOf(5)])).rejects.toBeInstanceOf(LostCopyError);
    await open(folder, 3);
    expect(folder.entries.length).toBe(4);
    expect((await restored(4)).folder.text).toBe(folder.text);
  });

  test("what a snapshot makes needless is removed", async () => {
    const { jetstreamManager } = await import("@nats-io/jetstream");
    const store = await open(new Folder(), 1);
    for (let index = 0; index < 6; index++) {
      await store.append([entryOf(index, 600_000)]);
      await store.snapshot(entryOf(100 + index, 600_000));
    }
    const manager = await jetstreamManager(connection);
    expect((await manager.streams.info("millwright-t-journal")).state.messages).toBe(1);
    expect((await manager.streams.info("OBJ_millwright-t-journal")).state.bytes).toBeLessThan(1_000_000);
  });

  test("a copy that is not what was written is refused", async () => {
    const { jetstreamManager, jetstream } = await import("@nats-io/jetstream");
    const folder = new Folder();
    const store = await open(folder, 1);
    await store.append([entryOf(1)]);
    await store.append([entryOf(2)]);
    const manager = await jetstreamManager(connection);
    await manager.streams.deleteMessage("millwright-t-journal", 2);
    await expect(restored(2)).rejects.toBeInstanceOf(LostCopyError);
    await jetstream(connection).publish("millwright.t.journal", "not a line");
    await expect(restored(3)).rejects.toThrow(/none of a journal/);
  });
});
