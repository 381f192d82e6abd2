/**
 * @module
 * What must survive: a journal of entries, and snapshots that say what they come to.
 *
 *     const { store, snapshot, entries } = await openStore(disk, { digest: sha256 });
 *     for await (const entry of entries) …                         // what came after the snapshot
 *     await store.append([{ kind: "update", fields, numbers }]);   // durable when it resolves
 *
 * The folder holds segments of the journal, `journal-<first record>`, and two slots, `snapshot-a` and
 * `snapshot-b`, that are written in turn. A segment is written under another name, synced, renamed, and
 * its folder synced; so it is whole from its first moment. Each start and each snapshot makes one.
 * docs/storage.md has the bytes, and the argument why nothing is lost.
 */
import { Batches } from "./batch.ts";
import type { Digest } from "./clock.ts";
import type { Disk } from "./disk.ts";
import {
  BLOCK_BYTES, DamageError, draft, encodeFields, encodeSegment, SALT_BYTES, seat, seatSnapshot, segmentFirst, segmentName,
  type Draft, type Entry, type SegmentHeader,
} from "./journal.ts";
import { entriesOf, readStore, recover, slotOf, type AuditRecord, type Recovered, type Snapshot } from "./recovery.ts";

export { DamageError, readStore, type AuditRecord, type Entry, type Snapshot };

export interface StoreOptions {
  readonly digest: Digest;
  /** Segments to keep for replay, beside those that recovery needs; all unless given. */
  readonly keepSegments?: number;
  /** The epoch is greater than this: the last of a journal that this folder was restored from. */
  readonly above?: number;
  /** Unpredictable bytes for a new journal, so that no client can send numbers that look like its records; zeros unless given. */
  readonly random?: (bytes: number) => Uint8Array;
}

export interface Store {
  /**
   * Resolves when the entries are durable. Calls are kept in order and may share an fsync (group commit).
   * A rejection is final: the store takes nothing more, and what was rejected may or may not be there at the next start.
   * Numbers are not copied, so they are not to change before it settles.
   * @throws TypeError or RangeError for fields that JSON cannot hold; that changes nothing.
   */
  append(entries: readonly Entry[]): Promise<void>;
  /** Write state as of all appended entries into the other of two slots, durable when resolved; the journal goes on in a new segment. */
  snapshot(entry: Entry): Promise<void>;
  /** Which start of the orchestrator this is: one more than the last, durable before it is used. */
  readonly epoch: number;
  /** Finishes what was asked for, and lets go of the disk. */
  close(): Promise<void>;
}

export interface Opened {
  readonly store: Store;
  /** State as of the newest whole snapshot. */
  readonly snapshot: Entry | undefined;
  /** What came after it, read as it is asked for; to be read before the next snapshot is written. */
  readonly entries: AsyncIterable<Entry>;
  /** What was amiss and is made good, in sentences for a log. */
  readonly warnings: readonly string[];
}

/** What is being written and has no name yet. */
const PART = "journal.part";
const ZEROS = new Uint8Array(BLOCK_BYTES);
const NOTHING: Uint8Array = new Uint8Array(0);

/**
 * The newest valid snapshot and the entries behind it, then ready to append. The disk is the store's from
 * now on: it is closed with it, or when this rejects.
 * @throws DamageError when something that was durable is not what was written; nothing was changed then
 */
export async function openStore(disk: Disk, options: StoreOptions): Promise<Opened> {
  const { digest, keepSegments = Infinity, above = 0, random } = options;
  if (!(keepSegments >= 0)) throw new RangeError(`"keepSegments" expected number >= 0, got ${keepSegments}`);
  try {
    const recovered = await recover(disk, digest);
    const { segments, last, snapshots, unproven, warnings } = recovered;
    const journal = new Journal(disk, digest, Math.max(last?.epoch ?? 0, above) + 1, last?.salt ?? random?.(SALT_BYTES) ?? new Uint8Array(SALT_BYTES), recovered);
    // A copy, since after an fsync that failed the unproven may be in memory alone, and no later fsync would write it.
    const copy = unproven ? await disk.readAt(segments.at(-1)!, unproven.from, unproven.to - unproven.from) : NOTHING;
    await journal.begin({ first: unproven?.first ?? recovered.sequence + 1, chain: unproven?.chain ?? recovered.hash, snapshot: last?.snapshot ?? 0 }, copy);
    const store = new JournalStore(journal, recovered, keepSegments);
    return { store, snapshot: snapshots[0]?.entry, entries: entriesOf(disk, recovered, journal.segment), warnings };
  } catch (error) {
    await disk.close();
    throw error;
  }
}

/** The end of the journal, where the next record goes. */
class Journal {
  readonly disk: Disk;
  readonly digest: Digest;
  readonly epoch: number;
  readonly salt: Uint8Array;
  /** Of the last record, and its hash. */
  sequence: number;
  hash: string;
  /** Name of the last segment. */
  segment = "";
  /** The highest sequence that is durable, and the highest that something durable says of. */
  #synced: number;
  #proven = 0;

  constructor(disk: Disk, digest: Digest, epoch: number, salt: Uint8Array, { sequence, hash, unproven }: Recovered) {
    this.disk = disk;
    this.digest = digest;
    this.epoch = epoch;
    this.salt = salt;
    this.sequence = sequence;
    this.hash = hash;
    this.#synced = unproven ? unproven.first - 1 : sequence;
  }

  /** Makes a segment, durable with its name when it resolves, that begins with a copy of records. */
  async begin(header: Pick<SegmentHeader, "first" | "chain" | "snapshot">, copy = NOTHING): Promise<void> {
    // A part of what was written together does not end at a block.
    const mark = copy.length % BLOCK_BYTES === 0 ? [] : await this.#seat([await draft(NOTHING, NOTHING, this.digest)], copy.length);
    await this.disk.write(PART, encodeSegment({ ...header, epoch: this.epoch, synced: this.sequence, salt: this.salt }));
    if (copy.length > 0) await this.disk.append(PART, [copy, ...mark]);
    await this.disk.sync(PART);
    this.segment = segmentName(header.first);
    await this.disk.rename(PART, this.segment);
    await this.disk.syncFolder("");
    this.#synced = this.#proven = this.sequence;
  }

  /** Writes records together; they are durable when it resolves. */
  async append(drafts: readonly Draft[]): Promise<void> {
    await this.disk.append(this.segment, await this.#seat(drafts));
    await this.disk.sync(this.segment);
    this.#proven = this.#synced;
    this.#synced = this.sequence;
  }

  /** Ends with a record that says that all before it is durable: what is damaged later cannot pass for a torn tail. */
  async finish(): Promise<void> {
    if (this.#proven < this.sequence) await this.append([await draft(NOTHING, NOTHING, this.digest)]);
  }

  /** The bytes of records in their places, up to the end of a block. */
  async #seat(drafts: readonly Draft[], offset = 0): Promise<Uint8Array[]> {
    const bytes = drafts.reduce((sum, draft) => sum + draft.bytes.length, offset);
    const paddingBytes = Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES - bytes;
    for (const [index, draft] of drafts.entries()) {
      const place = { epoch: this.epoch, sequence: this.sequence + 1, synced: this.#synced, previous: this.hash };
      this.hash = await seat(draft, place, index + 1 < drafts.length ? 0 : paddingBytes, this.salt, this.digest);
      this.sequence = place.sequence;
    }
    return [...drafts.map((draft) => draft.bytes), ZEROS.subarray(0, paddingBytes)];
  }
}

/** An entry as it goes to the journal. */
interface Body {
  readonly fields: Uint8Array;
  readonly numbers: Uint8Array;
}

class JournalStore implements Store {
  readonly #journal: Journal;
  readonly #segments: string[];
  readonly #keepSegments: number;
  readonly #batches = new Batches<Body>({
    append: (bodies) => this.#append(bodies),
    snapshot: (body) => this.#snapshot(body),
    stopped: (cause) => (this.#failed = new Error(`the store has stopped: ${(cause as Error).message}; what was acknowledged is safe, see to the disk and start again`, { cause })),
  });
  #failed: Error | undefined;
  /** Number of the snapshot that the next one leaves alone, and the sequence as of which it is, if it is known to be durable. */
  #number: number;
  #held: number | undefined;

  constructor(journal: Journal, { segments, last, snapshots }: Recovered, keepSegments: number) {
    this.#journal = journal;
    this.#segments = [...new Set([...segments, journal.segment])];
    this.#keepSegments = keepSegments;
    // A slot that no segment knows of may be there only because nobody has pulled the plug yet: if there is a better one, leave that alone.
    const proven = last?.snapshot ?? 0;
    const held = snapshots.find((snapshot) => snapshot.synced === proven) ?? snapshots[0];
    this.#number = held?.synced ?? 0;
    this.#held = held && held.synced <= proven ? held.sequence : undefined;
  }

  get epoch(): number {
    return this.#journal.epoch;
  }

  append(entries: readonly Entry[]): Promise<void> {
    return this.#ask("append", entries);
  }

  snapshot(entry: Entry): Promise<void> {
    return this.#ask("snapshot", [entry]);
  }

  async close(): Promise<void> {
    const again = this.#batches.ended !== undefined;
    this.#batches.ended ??= new Error("the store was closed");
    try {
      await this.#batches.idle();
      if (!again && !this.#failed) await this.#journal.finish();
    } finally {
      await this.#journal.disk.close();
    }
  }

  async #ask(kind: "append" | "snapshot", entries: readonly Entry[]): Promise<void> {
    const bodies = entries.map((entry) => ({ fields: encodeFields(entry), numbers: entry.numbers }));
    return this.#batches.add(kind, bodies, bodies.reduce((sum, { fields, numbers }) => sum + fields.length + numbers.length, 0));
  }

  async #append(bodies: readonly Body[]): Promise<void> {
    await this.#journal.append(await Promise.all(bodies.map(({ fields, numbers }) => draft(fields, numbers, this.#journal.digest))));
  }

  async #snapshot({ fields, numbers }: Body): Promise<void> {
    const { disk, digest, salt, epoch, sequence, hash } = this.#journal;
    const number = this.#number + 1;
    const slot = slotOf(number);
    const bytes = await draft(fields, numbers, digest);
    seatSnapshot(bytes, { epoch, sequence, synced: number, previous: hash }, salt);
    await disk.write(slot, bytes.bytes);
    await disk.sync(slot);
    await disk.syncFolder("");
    await this.#journal.begin({ first: sequence + 1, chain: hash, snapshot: number });
    if (this.#segments.at(-1) !== this.#journal.segment) this.#segments.push(this.#journal.segment);
    // Until the next snapshot is durable this one may turn out to be damaged, so what came after the one before it is kept.
    const since = this.#held;
    this.#number = number;
    this.#held = sequence;
    if (since !== undefined) await this.#removeBefore(since);
  }

  /** Remove segments with nothing that came after a sequence, but for those that are kept. */
  async #removeBefore(since: number): Promise<void> {
    const count = this.#segments.findLastIndex((name) => segmentFirst(name)! <= since + 1) - this.#keepSegments;
    if (!(count > 0)) return;
    for (const name of this.#segments.splice(0, count)) {
      await this.#journal.disk.remove(name);
      await this.#journal.disk.syncFolder(""); // one at a time, as a crash that keeps only the later removal would leave a gap
    }
  }
}
