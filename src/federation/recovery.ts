/**
 * @module
 * What a folder of journal and snapshots says after whatever happened to it. Nothing here writes.
 */
import type { Digest } from "./clock.ts";
import type { Disk } from "./disk.ts";
import {
  BLOCK_BYTES, DamageError, decodeEntry, decodeSnapshot, GENESIS, readJournal, readSegmentHeader, segmentFirst, segmentName,
  type Entry, type JournalRecord, type Place, type SegmentHeader,
} from "./journal.ts";

const SLOTS = ["snapshot-a", "snapshot-b"] as const;
/** The slot of a snapshot's number: they take turns. */
export const slotOf = (number: number) => SLOTS[(number + 1) % 2];

/** A whole snapshot: `sequence` and `previous` are those of the last record that it knows, `synced` is its number. */
export interface Snapshot extends Place {
  readonly slot: string;
  readonly entry: Entry;
}

interface Folder {
  /** Names, in order. */
  readonly segments: readonly string[];
  /** Header of the last segment. */
  readonly last: SegmentHeader | undefined;
  /** The whole ones, the newest first. */
  readonly snapshots: readonly Snapshot[];
  /** What is amiss and made good by something else, in sentences for a log. */
  readonly warnings: readonly string[];
}

export interface Recovered extends Folder {
  /** The segments with what came after the newest snapshot. */
  readonly needed: readonly string[];
  /** The newest snapshot knows the records up to this one; 0: there is none. */
  readonly since: number;
  /** The last record before the torn tail. */
  readonly sequence: number;
  readonly hash: string;
  /**
   * Where the last segment has records that no other proves to be durable: they may be there only because
   * nobody has pulled the plug yet.
   */
  readonly unproven: { readonly first: number; readonly chain: string; readonly from: number; readonly to: number } | undefined;
}

/** An entry with its place in the audit trail. */
export type AuditRecord = Omit<JournalRecord, "body" | "fieldsBytes"> & { readonly entry: Entry };

/**
 * The journal as an audit trail: every entry from the oldest segment that is kept, the chain and the
 * snapshots' place in it checked on the way. Memory: a piece of a segment.
 * @throws DamageError, at once or while reading, with the place of the record that was altered
 */
export async function readStore(disk: Disk, { digest }: { readonly digest: Digest }): Promise<{
  readonly snapshots: readonly Snapshot[]; readonly warnings: readonly string[]; readonly records: AsyncIterable<AuditRecord>;
}> {
  const { segments, snapshots, warnings } = await look(disk, digest);
  async function* records() {
    for await (const { body, fieldsBytes, ...place } of follow(disk, segments, snapshots, digest)) {
      if (body.length > 0) yield { ...place, entry: decodeEntry({ body, fieldsBytes }) };
    }
  }
  return { snapshots, warnings, records: records() };
}

/**
 * Find the end of the journal.
 * @throws DamageError when something that was durable is not what was written
 */
export async function recover(disk: Disk, digest: Digest): Promise<Recovered> {
  const folder = await look(disk, digest);
  const { segments, last, snapshots } = folder;
  const since = snapshots[0]?.sequence ?? 0;
  if (!last) return { ...folder, needed: [], since, sequence: 0, hash: GENESIS, unproven: undefined };
  const start = segments.findLastIndex((name) => segmentFirst(name)! <= since + 1);
  if (start < 0) throw new DamageError(segments[0], 0, since + 1, "the journal begins behind this record, and no snapshot has what it said");

  const needed = segments.slice(start);
  const durable = Math.max(last.synced, since);
  let [sequence, hash, to] = [last.first - 1, last.chain, BLOCK_BYTES];
  let tail: { sequence: number; previous: string; offset: number }[] = [];
  for await (const record of follow(disk, needed, snapshots, digest)) {
    if (record.segment !== segments.at(-1)) continue;
    ({ sequence, hash } = record);
    to = record.offset + record.length;
    const proven = Math.max(durable, record.synced);
    if (tail.length > 0 && tail[0].sequence <= proven) tail = tail.filter((one) => one.sequence > proven);
    if (sequence > proven) tail.push({ sequence, previous: record.previous, offset: record.offset });
  }
  const [first] = tail;
  const unproven = first && { first: first.sequence, chain: first.previous, from: first.offset, to };
  return { ...folder, needed, since, sequence, hash, unproven };
}

/** What came after the newest snapshot, as far as it was recovered. */
export async function* entriesOf(disk: Disk, segments: readonly string[], { since, sequence, snapshots }: Recovered, digest: Digest): AsyncGenerator<Entry, void> {
  if (sequence === since) return;
  for await (const record of follow(disk, segments, snapshots, digest)) {
    if (record.sequence > since && record.body.length > 0) yield decodeEntry(record);
    if (record.sequence === sequence) return;
  }
}

async function look(disk: Disk, digest: Digest): Promise<Folder> {
  const names = await disk.list("");
  const segments = names.filter((name) => segmentFirst(name) !== undefined).sort();
  const slots = SLOTS.filter((slot) => names.includes(slot));
  if (segments.length === 0) {
    if (slots.length > 0) throw new DamageError(segmentName(1), 0, 1, `there is ${slots.join(", ")} without a journal`);
    return { segments, last: undefined, snapshots: [], warnings: [] };
  }
  const last = await readSegmentHeader(disk, segments.at(-1)!);
  const snapshots: Snapshot[] = [];
  const warnings: string[] = [];
  for (const slot of slots) {
    const snapshot = await decodeSnapshot((await disk.read(slot))!, last.salt, digest);
    if (snapshot) snapshots.push({ slot, ...snapshot });
    else warnings.push(`${slot} is not whole: it was damaged, or the process ended while it was written; the other slot and the journal have what it said`);
  }
  const other = snapshots.find(({ sequence, previous }) => sequence === last.first - 1 && previous !== last.chain);
  if (other) throw new DamageError(segments.at(-1)!, 0, other.sequence, `it was altered: ${other.slot} has another hash of it`);
  const newest = slotOf(last.snapshot);
  if (last.snapshot > 0 && !slots.includes(newest)) warnings.push(`${newest} is gone; the other slot and the journal have what it said`);
  if (last.snapshot > 0 && snapshots.length === 0) throw new DamageError(newest, 0, last.first - 1, `there were ${last.snapshot} snapshots, and no slot has a whole one`);
  return { segments, last, snapshots: snapshots.sort((a, b) => b.synced - a.synced), warnings };
}

/** The records of segments that follow each other; the snapshots must have been made over the same ones. */
async function* follow(disk: Disk, segments: readonly string[], snapshots: readonly Snapshot[], digest: Digest): AsyncGenerator<JournalRecord, void> {
  const durable = Math.max(0, ...snapshots.map(({ sequence }) => sequence));
  for await (const record of readJournal(disk, segments, digest, durable)) {
    for (const { slot, sequence, previous } of snapshots) {
      const hash = sequence === record.sequence ? record.hash : sequence === record.sequence - 1 ? record.previous : previous;
      if (hash !== previous) throw new DamageError(record.segment, record.offset, sequence, `it was altered: ${slot} has another hash of it`);
    }
    yield record;
  }
}
