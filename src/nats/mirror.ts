/**
 * @module
 * A store that is copied to the broker, so that an orchestrator on another machine can go on.
 *
 *     const held = await lease(connection, { task, holder: "north", onLost: stop });
 *     const { store, snapshot, entries } = await mirror(connection, await openStore(disk, …), { task, token: held.token });
 *
 * An entry is durable here first and then at the broker, and acknowledged after both. So the copy never has what the
 * folder has not, unless somebody else went on: then this folder is out of date, and said to be.
 */
import { BATCH_BYTES, Batches } from "../federation/batch.ts";
import { sha256 } from "../federation/checksum.ts";
import { encodeFields } from "../federation/journal.ts";
import type { Entry, Store } from "../federation/store.ts";
import type { NatsConnection } from "@nats-io/nats-core";
import { advance, beginMark, decodeEntries, encodeEntries, START, type Mark } from "./entry.ts";
import { JournalCopy, LostCopyError, type JournalOptions, type Line } from "./journal.ts";

/** What a journal says: as openStore returns it. */
export interface Recovered {
  readonly snapshot: Entry | undefined;
  /** What came after it. */
  readonly entries: AsyncIterable<Entry>;
}

export interface MirrorOptions extends JournalOptions {
  /**
   * Reads the journal anew, from its last snapshot to its end, while nothing is being written: to fill the copy again when
   * the broker has lost it. Without, an append rejects then, and the copy is filled at the next start.
   */
  readonly reread?: () => Promise<Recovered>;
}

/** The folder's journal is not how the copy at the broker begins: somebody went on elsewhere. */
export class DivergedError extends RangeError {
  override readonly name = "DivergedError";
  constructor(task: string) {
    super(`the journal of "${task}" in this folder is not the beginning of the one at the broker, so another orchestrator went on; restore into an empty folder, or delete the stream at the broker if this folder is to count`);
  }
}

/**
 * Wrap a store that was just opened. What the broker lacks is copied while `entries` is read, which must be before
 * anything is appended. Other fields of `opened` are passed on.
 * @throws FencedError when another orchestrator has a greater token; entries and appends reject with it, too, when one has later
 * @throws DivergedError, while `entries` is read, when the broker has what the folder has not
 */
export async function mirror<O extends Recovered & { readonly store: Store }>(connection: NatsConnection, opened: O, options: MirrorOptions): Promise<O> {
  const copy = new JournalCopy(connection, options);
  const there = await copy.take(opened.store.epoch);
  const store = new MirroredStore(opened.store, copy, options);
  return { ...opened, store, entries: store.replay(opened, there) };
}

class MirroredStore implements Store {
  readonly #store: Store;
  readonly #copy: JournalCopy;
  readonly #options: MirrorOptions;
  readonly #batches = new Batches<Entry>({ append: (entries) => this.#append(entries), snapshot: (entry) => this.#snapshot(entry), stopped: (cause) => cause ?? new Error("the store has stopped") });
  #mark: Mark = beginMark(START);
  #before: Mark | undefined;

  constructor(store: Store, copy: JournalCopy, options: MirrorOptions) {
    this.#store = store;
    this.#copy = copy;
    this.#options = options;
    this.#batches.ended = new Error(`"entries" of the mirrored store expected to be read before anything is appended`);
  }

  get epoch(): number {
    return this.#store.epoch;
  }

  append(entries: readonly Entry[]): Promise<void> {
    return this.#ask("append", entries);
  }

  snapshot(entry: Entry): Promise<void> {
    return this.#ask("snapshot", [entry]);
  }

  async close(): Promise<void> {
    this.#batches.ended ??= new Error("the store was closed");
    await this.#batches.idle();
    await this.#store.close();
  }

  /** The entries, compared with what is there, and copied from where that ends. */
  async *replay({ snapshot, entries }: Recovered, there: Line | undefined): AsyncGenerator<Entry> {
    await this.#begin(snapshot, there === undefined);
    // The copy may start from a snapshot that this folder has not: one that was interrupted, or is damaged here.
    const due: Mark[] = there ? [...(there.base === this.#mark.base || !there.before ? [] : [there.before]), there] : [];
    this.#before = there?.before;
    const pass = () => {
      while (due.length > 0 && due[0].base === this.#mark.base && due[0].count === this.#mark.count) {
        if (due.shift()!.chain !== this.#mark.chain) throw new DivergedError(this.#options.task);
        if (due.length > 0) this.#mark = beginMark(due[0].base);
      }
    };
    pass();
    if (due.length > 0 && due[0].base !== this.#mark.base) throw new DivergedError(this.#options.task);
    const batch = new Batch((each) => this.#write(each));
    for await (const entry of entries) {
      if (due.length > 0) {
        this.#mark = await advance(this.#mark, encodeEntries([entry]).whole);
        pass();
      } else await batch.add(entry);
      yield entry;
    }
    if (due.length > 0) throw new DivergedError(this.#options.task);
    await batch.flush();
    this.#batches.ended = undefined;
  }

  /** Stand at the beginning, and copy it if asked. */
  async #begin(snapshot: Entry | undefined, write: boolean): Promise<void> {
    const bytes = snapshot && encodeEntries([snapshot]).whole;
    this.#mark = beginMark(bytes ? await sha256(bytes) : START);
    this.#before = undefined;
    if (bytes && write) await this.#copy.write({ kind: "snapshot", epoch: this.epoch, ...this.#mark }, bytes);
  }

  /** Entries to the copy. */
  async #write(entries: readonly Entry[]): Promise<void> {
    const { whole, each } = encodeEntries(entries);
    let mark = this.#mark;
    for (const bytes of each) mark = await advance(mark, bytes);
    await this.#copy.write({ kind: "entries", epoch: this.epoch, ...mark, ...(this.#before && { before: this.#before }) }, whole);
    this.#mark = mark;
  }

  /** Fields that JSON cannot hold are found now, when that changes nothing; bytes are made of the rest when it is their turn. */
  async #ask(kind: "append" | "snapshot", entries: readonly Entry[]): Promise<void> {
    return this.#batches.add(kind, entries, entries.reduce((sum, entry) => sum + encodeFields(entry).length + entry.numbers.length, 0));
  }

  async #append(entries: readonly Entry[]): Promise<void> {
    await this.#store.append(entries);
    try {
      await this.#write(entries);
    } catch (error) {
      await this.#refill(error); // these entries are in the folder, so they are in what is read anew
    }
  }

  /** At the broker first: a snapshot that is only there is no more than is here, see replay. */
  async #snapshot(entry: Entry): Promise<void> {
    const bytes = encodeEntries([entry]).whole;
    const base = await sha256(bytes);
    const write = () => this.#copy.write({ kind: "snapshot", epoch: this.epoch, ...beginMark(base), before: this.#mark }, bytes);
    try {
      await write();
    } catch (error) {
      await this.#refill(error);
      await write();
    }
    this.#before = this.#mark;
    this.#mark = beginMark(base);
    await this.#store.snapshot(entry);
  }

  /** Fill a copy that the broker has lost, from the folder. */
  async #refill(error: unknown): Promise<void> {
    const { reread, task } = this.#options;
    if (!(error instanceof LostCopyError)) throw error;
    if (!reread) throw new LostCopyError(`${error.message}; start the orchestrator of "${task}" again, which fills the copy from its folder`, { cause: error });
    for (;;) {
      try {
        await this.#copy.take(this.epoch, true);
        const { snapshot, entries } = await reread();
        await this.#begin(snapshot, true);
        const batch = new Batch((each) => this.#write(each));
        for await (const entry of entries) await batch.add(entry);
        return await batch.flush();
      } catch (again) {
        if (!(again instanceof LostCopyError)) throw again;
      }
    }
  }
}

/** Entries gathered until they are worth a message. */
class Batch {
  readonly #write: (entries: readonly Entry[]) => Promise<void>;
  #entries: Entry[] = [];
  #bytes = 0;

  constructor(write: (entries: readonly Entry[]) => Promise<void>) {
    this.#write = write;
  }

  async add(entry: Entry): Promise<void> {
    this.#entries.push(entry);
    this.#bytes += entry.numbers.length + 1024; // with its fields, about
    if (this.#bytes >= BATCH_BYTES) await this.flush();
  }

  async flush(): Promise<void> {
    if (this.#entries.length > 0) await this.#write(this.#entries);
    this.#entries = [];
    this.#bytes = 0;
  }
}

export interface RestoreOptions extends JournalOptions {
  /** Just opened, in an empty folder; not yet mirrored. */
  readonly store: Store;
}

export interface Restored {
  readonly snapshots: number;
  readonly entries: number;
  /** The greatest epoch that anything in the copy was written in. */
  readonly epoch: number;
}

/**
 * Fill an empty store from the copy at the broker. Takes the turn first: whoever wrote before is out. Close the store and
 * open it again to read what was restored.
 * @throws FencedError when another orchestrator has a greater token; LostCopyError when the copy is not whole: leave the folder then
 */
export async function restore(connection: NatsConnection, { store, ...options }: RestoreOptions): Promise<Restored> {
  const copy = new JournalCopy(connection, options);
  const there = await copy.take(store.epoch);
  let mark = beginMark(START);
  const restored = { snapshots: 0, entries: 0, epoch: there?.epoch ?? 0 };
  if (!there) return restored;
  for await (const { line, body } of copy.read()) {
    const decoded = [...decodeEntries(body)];
    if (line.kind === "snapshot") {
      if (decoded.length !== 1 || (await sha256(body)) !== line.base) throw new LostCopyError(`a snapshot in the copy at the broker is not what was written`);
      await store.snapshot(decoded[0].entry);
      mark = beginMark(line.base);
      restored.snapshots++;
    } else {
      for (const { bytes } of decoded) mark = await advance(mark, bytes);
      if (mark.base !== line.base || mark.chain !== line.chain) throw new LostCopyError(`entries are missing in the copy at the broker, or are not what was written`);
      await store.append(decoded.map(({ entry }) => entry));
      restored.entries += decoded.length;
    }
    restored.epoch = Math.max(restored.epoch, line.epoch);
  }
  if (mark.base !== there.base || mark.chain !== there.chain) throw new LostCopyError(`the copy at the broker ends before its last entry`);
  return restored;
}
