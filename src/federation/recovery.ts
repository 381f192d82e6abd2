/**
 * @module
 * What a folder of journal and snapshots says after whatever happened to it. Nothing here writes.
 */
import type { Digest } from "./clock.ts";
import type { Disk } from "./disk.ts";
import {
  BLOCK_BYTES, DamageError, decodeEntry, decodeSnapshot, GENESIS, HEADER_BYTES, readJournal, readSegmentHeader, Reader, segmentFirst, segmentName,
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
  /** The last record before the torn tail. */
  readonly sequence: number;
  readonly hash: string;
  /**
   * Where the last segment has records that no other proves to be durable: they may be there only because
   * nobody has pulled the plug yet.
   */
  readonly unproven: { readonly first: number; readonly chain: string; readonly from: number; readonly to: number } | undefined;
  /** Where the bodies of the entries after the snapshot are. */
  readonly bodies: readonly { readonly segment: string; readonly offset: number; readonly length: number; readonly fieldsBytes: number }[];
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
  if (!last) return { ...folder, sequence: 0, hash: GENESIS, unproven: undefined, bodies: [] };
  const start = segments.findLastIndex((name) => segmentFirst(name)! <= since + 1);
  if (start < 0) throw new DamageError(segments[0], 0, since + 1, "the journal begins behind this record, and no snapshot has what it said");

  const durable = Math.max(last.synced, since);
  let [sequence, hash, to] = [last.first - 1, last.chain, BLOCK_BYTES];
  const bodies = [];
  let tail: { sequence: number; previous: string; offset: number }[] = [];
  for await (const record of follow(disk, segments.slice(start), snapshots, digest)) {
    const { segment, offset, fieldsBytes, body } = record;
    if (record.sequence > since && body.length > 0) bodies.push({ segment, offset: offset + HEADER_BYTES, length: body.length, fieldsBytes });
    if (segment !== segments.at(-1)) continue;
    ({ sequence, hash } = record);
    to = offset + record.length;
    const proven = Math.max(durable, record.synced);
    if (tail.length > 0 && tail[0].sequence <= proven) tail = tail.filter((one) => one.sequence > proven);
    if (sequence > proven) tail.push({ sequence, previous: record.previous, offset });
  }
  const [first] = tail;
  const unproven = first && { first: first.sequence, chain: first.previous, from: first.offset, to };
  return { ...folder, sequence, hash, unproven, bodies };
}

/** What came after the newest snapshot; recover() has checked it. The unproven part has moved to the segment that was begun since. */
export async function* entriesOf(disk: Disk, { segments, unproven, bodies }: Recovered, begun: string): AsyncGenerator<Entry, void> {
  let reader: Reader | undefined;
  for (const { segment, offset, length, fieldsBytes } of bodies) {
    const moved = unproven && segment === segments.at(-1) && offset > unproven.from ? BLOCK_BYTES - unproven.from : undefined;
    const path = moved === undefined ? segment : begun;
    if (reader?.path !== path) reader = await Reader.open(disk, path);
    yield decodeEntry({ body: await reader.at(offset + (moved ?? 0), length), fieldsBytes });
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
