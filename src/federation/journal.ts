/**
 * @module
 * The records of a journal: their bytes, their chain, and how they are read back.
 *
 * A journal is a sequence of records in segments, files that are named after the first record in them.
 * docs/storage.md has the bytes and the arguments. Little endian, and a record is
 *
 *      0      4     8     12    16      24        32      40          72        104     108
 *     +------+-----+-----+-----+-------+---------+-------+-----------+---------+-------+--------+---------+---------+
 *     | MWJR | F   | N   | P   | epoch | sequence| synced| previous  | digest  | CRC-32| F bytes| N bytes | P zeros |
 *     +------+-----+-----+-----+-------+---------+-------+-----------+---------+-------+--------+---------+---------+
 *              lengths, uint32   uint64                    SHA-256     SHA-256           JSON     numbers   up to a block
 *
 * `previous` is the SHA-256 of the 104 bytes that the record before begins with; as those have the digest
 * of its body, the chain covers everything. Records that are written together end at a block of their
 * own, so no write touches a block that holds what is durable.
 */
import { crc32 } from "./checksum.ts";
import type { Digest } from "./clock.ts";
import type { Disk } from "./disk.ts";

/** What a drive or a file system may rewrite as a whole: a sector, a page. */
export const BLOCK_BYTES = 4096;
/** Of a record. */
export const HEADER_BYTES = 108;
/** Of the header, those that the chain is made of. */
const CHAINED_BYTES = 104;
export const SALT_BYTES = 16;
/** Of a segment's header, before its checksum. */
const SEGMENT_BYTES = 72 + SALT_BYTES;
/** A segment is read in pieces of this many bytes, or of one record that is larger. */
export const PIECE_BYTES = 2 ** 22;
/** Of one record. */
const MAX_NUMBERS_BYTES = 2 ** 31;
const VERSION = 1;
const RECORD = 0x524a574d; // "MWJR", read as a little-endian uint32
const SEGMENT = 0x534a574d; // "MWJS"
const SNAPSHOT = 0x5353574d; // "MWSS"
/** What comes before the first record. */
export const GENESIS = "0".repeat(64);

/** One fact that must survive: small JSON fields, and the numbers they are about. */
export interface Entry { readonly kind: string; readonly fields: Readonly<Record<string, unknown>>; readonly numbers: Uint8Array }

/** Where a record stands. */
export interface Place {
  /** Which start of the orchestrator wrote it. */
  readonly epoch: number;
  /** 1, 2, 3 … */
  readonly sequence: number;
  /** The highest sequence that was known to be durable when this was written. In a snapshot: its number, 1, 2, 3 … */
  readonly synced: number;
  /** Hash of the record before. In a snapshot: of the record with its sequence. */
  readonly previous: string;
}

interface RecordHeader extends Place {
  readonly fieldsBytes: number;
  readonly numbersBytes: number;
  readonly paddingBytes: number;
  readonly digest: string;
}

/** What a segment begins with, in a block of its own. */
export interface SegmentHeader {
  /** Which start of the orchestrator made it. */
  readonly epoch: number;
  /** Sequence of its first record. */
  readonly first: number;
  /** All records up to this one were durable before the segment had its name. */
  readonly synced: number;
  /** Number of the newest snapshot that was known to be durable; 0: none. */
  readonly snapshot: number;
  /** Hash of the record before the first. */
  readonly chain: string;
  /** Begins every checksum of a record, so that no numbers that a client sends can pass for one. */
  readonly salt: Uint8Array;
}

export interface JournalRecord extends Place {
  readonly segment: string;
  readonly offset: number;
  /** Of all its bytes. */
  readonly length: number;
  readonly fieldsBytes: number;
  readonly hash: string;
  /** Fields and numbers, valid until the next record is read. Empty: a mark, which only says what is durable. */
  readonly body: Uint8Array;
}

/** Something that was durable is no longer what was written. The message has the place, and what to do. */
export class DamageError extends RangeError {
  override readonly name = "DamageError";
  readonly segment: string;
  readonly offset: number;
  readonly sequence: number;
  constructor(segment: string, offset: number, sequence: number, what: string) {
    super(`${segment}, byte ${offset}, record ${sequence}: ${what}; keep the folder as it is and start from a copy of it (docs/storage.md)`);
    this.segment = segment;
    this.offset = offset;
    this.sequence = sequence;
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const segmentName = (first: number) => `journal-${String(first).padStart(12, "0")}`;
/** @returns the first sequence of the segment with this name; undefined: the name of something else */
export const segmentFirst = (name: string) => (/^journal-\d{12}$/.test(name) ? Number(name.slice(8)) : undefined);

/**
 * The fields of an entry as bytes.
 * @throws TypeError or RangeError when JSON would lose something of them, or the entry does not fit a record.
 */
export function encodeFields({ kind, fields, numbers }: Entry): Uint8Array {
  if (typeof kind !== "string") throw new TypeError(`entry: "kind" expected a string, got ${typeof kind}`);
  if (!(numbers instanceof Uint8Array)) throw new TypeError(`entry "${kind}": "numbers" expected a Uint8Array`);
  if (numbers.length > MAX_NUMBERS_BYTES) throw new RangeError(`entry "${kind}": "numbers" expected at most ${MAX_NUMBERS_BYTES} bytes, got ${numbers.length}`);
  checkJson(kind, "fields", fields);
  return encoder.encode(JSON.stringify({ kind, fields }));
}

function checkJson(kind: string, name: string, value: unknown): void {
  if (typeof value === "number" && !Number.isFinite(value)) throw new RangeError(`entry "${kind}": field "${name}" expected a finite number, got ${value}; JSON has no other`);
  if (typeof value !== "object" || value === null) return;
  if (ArrayBuffer.isView(value)) throw new TypeError(`entry "${kind}": field "${name}" expected JSON, got a typed array; hand it over as the entry's numbers`);
  for (const inner of Object.keys(value)) checkJson(kind, inner, (value as Record<string, unknown>)[inner]);
}

/** The entry in a record; its numbers are a copy that begins at offset 0 of its buffer. */
export function decodeEntry({ body, fieldsBytes }: Pick<JournalRecord, "body" | "fieldsBytes">): Entry {
  const { kind, fields } = JSON.parse(decoder.decode(body.subarray(0, fieldsBytes))) as Entry;
  const numbers = new Uint8Array(body.length - fieldsBytes); // not body.slice(): Node's Buffer makes that a view
  numbers.set(body.subarray(fieldsBytes));
  return { kind, fields, numbers };
}

/** A record's bytes, up to the padding, without what depends on its place; its digest is the slow part. */
export interface Draft {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly fieldsBytes: number;
  readonly digest: string;
}

export async function draft(fields: Uint8Array, numbers: Uint8Array, digest: Digest): Promise<Draft> {
  const bytes = new Uint8Array(HEADER_BYTES + fields.length + numbers.length);
  bytes.set(fields, HEADER_BYTES);
  bytes.set(numbers, HEADER_BYTES + fields.length);
  return { bytes, fieldsBytes: fields.length, digest: await digest(bytes.subarray(HEADER_BYTES)) };
}

/**
 * Give a draft its place in the chain.
 * @param paddingBytes zeros that the caller writes behind it
 * @returns its hash
 */
export function seat({ bytes, fieldsBytes, digest: body }: Draft, place: Place, paddingBytes: number, salt: Uint8Array, digest: Digest): Promise<string> {
  encodeHeader(bytes, RECORD, { ...place, fieldsBytes, numbersBytes: bytes.length - HEADER_BYTES - fieldsBytes, paddingBytes, digest: body }, salt);
  return digest(bytes.subarray(0, CHAINED_BYTES));
}

/** A snapshot is a record alone in a file, under a magic of its own. */
export function seatSnapshot({ bytes, fieldsBytes, digest }: Draft, place: Place, salt: Uint8Array): void {
  encodeHeader(bytes, SNAPSHOT, { ...place, fieldsBytes, numbersBytes: bytes.length - HEADER_BYTES - fieldsBytes, paddingBytes: 0, digest }, salt);
}

/** @returns undefined for anything but a whole snapshot of this journal */
export async function decodeSnapshot(bytes: Uint8Array, salt: Uint8Array, digest: Digest): Promise<(Place & { readonly entry: Entry }) | undefined> {
  const header = decodeHeader(bytes, SNAPSHOT, salt);
  if (!header || bytes.length !== HEADER_BYTES + header.fieldsBytes + header.numbersBytes) return undefined;
  const body = bytes.subarray(HEADER_BYTES);
  if ((await digest(body)) !== header.digest) return undefined;
  const { epoch, sequence, synced, previous, fieldsBytes } = header;
  return { epoch, sequence, synced, previous, entry: decodeEntry({ body, fieldsBytes }) };
}

function encodeHeader(bytes: Uint8Array, magic: number, header: RecordHeader, salt: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  view.setUint32(0, magic, true);
  view.setUint32(4, header.fieldsBytes, true);
  view.setUint32(8, header.numbersBytes, true);
  view.setUint32(12, header.paddingBytes, true);
  setCount(view, 16, header.epoch);
  setCount(view, 24, header.sequence);
  setCount(view, 32, header.synced);
  setHash(bytes, 40, header.previous);
  setHash(bytes, 72, header.digest);
  view.setUint32(CHAINED_BYTES, saltedSum(bytes, salt), true);
}

/** The header that the bytes begin with; undefined: none that is whole. */
function decodeHeader(bytes: Uint8Array, magic: number, salt: Uint8Array): RecordHeader | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  if (view.getUint32(0, true) !== magic || view.getUint32(CHAINED_BYTES, true) !== saltedSum(bytes, salt)) return undefined;
  return {
    fieldsBytes: view.getUint32(4, true),
    numbersBytes: view.getUint32(8, true),
    paddingBytes: view.getUint32(12, true),
    epoch: getCount(view, 16),
    sequence: getCount(view, 24),
    synced: getCount(view, 32),
    previous: getHash(bytes, 40),
    digest: getHash(bytes, 72),
  };
}

const salted = new Uint8Array(SALT_BYTES + CHAINED_BYTES);

function saltedSum(bytes: Uint8Array, salt: Uint8Array): number {
  salted.set(salt);
  salted.set(bytes.subarray(0, CHAINED_BYTES), SALT_BYTES);
  return crc32(salted);
}

/** A segment's first block. */
export function encodeSegment(header: SegmentHeader): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(BLOCK_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, SEGMENT, true);
  view.setUint32(4, VERSION, true);
  setCount(view, 8, header.epoch);
  setCount(view, 16, header.first);
  setCount(view, 24, header.synced);
  setCount(view, 32, header.snapshot);
  setHash(bytes, 40, header.chain);
  bytes.set(header.salt, 72);
  view.setUint32(SEGMENT_BYTES, crc32(bytes.subarray(0, SEGMENT_BYTES)), true);
  return bytes;
}

/**
 * What a segment says of itself. It was durable before it had its name, so it is whole or damaged.
 * @throws DamageError
 */
export async function readSegmentHeader(disk: Disk, segment: string): Promise<SegmentHeader> {
  const named = segmentFirst(segment)!;
  const bytes = await disk.readAt(segment, 0, SEGMENT_BYTES + 4);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < SEGMENT_BYTES + 4 || view.getUint32(SEGMENT_BYTES, true) !== crc32(bytes.subarray(0, SEGMENT_BYTES)) || view.getUint32(0, true) !== SEGMENT) {
    throw new DamageError(segment, 0, named, "the segment's header does not match its checksum");
  }
  const version = view.getUint32(4, true);
  if (version !== VERSION) throw new RangeError(`${segment}: expected version ${VERSION} of the journal, got ${version}; read it with the release that wrote it`);
  const first = getCount(view, 16);
  if (first !== named) throw new DamageError(segment, 0, named, `the segment begins with record ${first}; it was renamed or copied`);
  return { epoch: getCount(view, 8), first, synced: getCount(view, 24), snapshot: getCount(view, 32), chain: getHash(bytes, 40), salt: bytes.slice(72, 72 + SALT_BYTES) };
}

/**
 * The records of segments that follow each other, checked and in order, up to the torn tail of the last.
 * A segment ends where the next begins; what it has behind that was not known to be durable and was
 * copied into the next. Memory: a piece, or the largest record.
 * @param proven records up to this one are known to have been durable
 * @throws DamageError where a durable record is not what was written, or not there
 */
export async function* readJournal(disk: Disk, segments: readonly string[], digest: Digest, proven = 0): AsyncGenerator<JournalRecord, void> {
  /** The record before: its place to blame, and its hash. */
  let before: { readonly segment: string; readonly offset: number; readonly sequence: number; readonly hash: string } | undefined;
  for (const [index, segment] of segments.entries()) {
    const header = await readSegmentHeader(disk, segment);
    if (before && header.chain !== before.hash) throw altered(before);
    before ??= { segment, offset: 0, sequence: header.first - 1, hash: header.chain };
    const last = index + 1 < segments.length ? segmentFirst(segments[index + 1])! - 1 : undefined;
    const reader = await Reader.open(disk, segment);
    /** Records up to this one must be whole. */
    const durable = Math.max(last ?? 0, header.synced, proven);
    for (let offset = BLOCK_BYTES; last === undefined || before.sequence < last; ) {
      const sequence: number = before.sequence + 1;
      const record = await readRecord(reader, offset, sequence, header, digest);
      if (typeof record === "string") {
        const witness = sequence <= durable ? { synced: durable } : await findWitness(reader, offset, sequence, header);
        if (witness) throw new DamageError(segment, offset, sequence, `${record}, and it was durable: ${tell(witness)}`);
        break;
      }
      // It is whole, of this epoch and in its turn, so it was written behind another predecessor than the one that is there.
      if (record.previous !== before.hash) throw altered(before);
      yield record;
      before = { segment, offset, sequence, hash: record.hash };
      offset += record.length;
    }
  }
}

function altered({ segment, offset, sequence }: { readonly segment: string; readonly offset: number; readonly sequence: number }): DamageError {
  return new DamageError(segment, offset, sequence, "it was altered: the record after it has the hash of another");
}

function tell({ synced, sequence }: { readonly synced: number; readonly sequence?: number }): string {
  return sequence === undefined ? `everything up to record ${synced} is known to have been` : `record ${sequence} was written later and says so`;
}

/** The record at an offset, or in words why there is none that checks. */
async function readRecord(reader: Reader, offset: number, sequence: number, segment: SegmentHeader, digest: Digest): Promise<JournalRecord | string> {
  if (offset + HEADER_BYTES > reader.size) return "the file ends before it";
  const header = decodeHeader(await reader.at(offset, HEADER_BYTES), RECORD, segment.salt);
  if (!header) return "its header does not match its checksum";
  if (!belongs(header, segment) || header.sequence !== sequence) return `the record there is ${header.sequence} of epoch ${header.epoch}`;
  const bodyBytes = header.fieldsBytes + header.numbersBytes;
  const length = HEADER_BYTES + bodyBytes + header.paddingBytes;
  if (offset + length > reader.size) return "the file ends within it";
  const bytes = await reader.at(offset, length);
  const body = bytes.subarray(HEADER_BYTES, HEADER_BYTES + bodyBytes);
  if ((await digest(body)) !== header.digest) return "its body does not match its SHA-256";
  const hash = await digest(bytes.subarray(0, CHAINED_BYTES));
  const { epoch, synced, previous, fieldsBytes } = header;
  return { segment: reader.path, offset, length, epoch, sequence, synced, previous, fieldsBytes, hash, body };
}

/**
 * Whether the segment is a record's own: copied into it when it was made, or written by the same start.
 * A file system may show a torn tail what an older file had in the same place.
 */
function belongs({ epoch, sequence, synced }: RecordHeader, segment: SegmentHeader): boolean {
  return sequence > synced && (sequence <= segment.synced ? epoch <= segment.epoch : epoch === segment.epoch);
}

/** A header behind `offset` that says that the record `sequence` was durable when it was written. */
async function findWitness(reader: Reader, offset: number, sequence: number, segment: SegmentHeader): Promise<RecordHeader | undefined> {
  const [m, w, j, r] = [RECORD & 0xff, (RECORD >>> 8) & 0xff, (RECORD >>> 16) & 0xff, RECORD >>> 24];
  for (let start = offset + 1; start + HEADER_BYTES <= reader.size; ) {
    const piece = await reader.at(start, Math.min(PIECE_BYTES, reader.size - start));
    const end = piece.length - HEADER_BYTES;
    for (let at = piece.indexOf(m); at >= 0 && at <= end; at = piece.indexOf(m, at + 1)) {
      if (piece[at + 1] !== w || piece[at + 2] !== j || piece[at + 3] !== r) continue;
      const header = decodeHeader(piece.subarray(at), RECORD, segment.salt);
      if (header && belongs(header, segment) && header.sequence > sequence && header.synced >= sequence) return header;
    }
    start += end + 1;
  }
  return undefined;
}

/** Reads a file forward, a piece at a time. */
export class Reader {
  readonly path: string;
  readonly size: number;
  readonly #disk: Disk;
  #start = 0;
  #piece = new Uint8Array(0);
  #memory = new ArrayBuffer(0);

  private constructor(disk: Disk, path: string, size: number) {
    this.#disk = disk;
    this.path = path;
    this.size = size;
  }

  static async open(disk: Disk, path: string): Promise<Reader> {
    return new Reader(disk, path, (await disk.size(path)) ?? 0);
  }

  /** Bytes that the file has, valid until the next call. */
  async at(offset: number, length: number): Promise<Uint8Array> {
    if (offset < this.#start || offset + length > this.#start + this.#piece.length) {
      const bytes = Math.min(Math.max(length, PIECE_BYTES), this.size - offset);
      // The same memory for all pieces: a journal of a gigabyte is otherwise as much garbage.
      if (this.#memory.byteLength < bytes) this.#memory = new ArrayBuffer(bytes);
      this.#piece = new Uint8Array(0);
      this.#piece = await this.#disk.readAt(this.path, offset, bytes, this.#memory) as Uint8Array<ArrayBuffer>;
      this.#start = offset;
      if (this.#piece.length < length) throw new RangeError(`${this.path}: expected ${length} bytes from byte ${offset}, got ${this.#piece.length}; something else changes the file`);
    }
    return this.#piece.subarray(offset - this.#start, offset - this.#start + length);
  }
}

/** Counts are below 2^53, in eight bytes. */
function setCount(view: DataView, at: number, count: number): void {
  view.setUint32(at, count >>> 0, true);
  view.setUint32(at + 4, Math.floor(count / 2 ** 32), true);
}

function getCount(view: DataView, at: number): number {
  return view.getUint32(at, true) + 2 ** 32 * view.getUint32(at + 4, true);
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const digit = (code: number) => (code < 58 ? code - 48 : code - 87);

function setHash(bytes: Uint8Array, at: number, hash: string): void {
  for (let index = 0; index < 32; index++) bytes[at + index] = 16 * digit(hash.charCodeAt(2 * index)) + digit(hash.charCodeAt(2 * index + 1));
}

function getHash(bytes: Uint8Array, at: number): string {
  let hash = "";
  for (let index = at; index < at + 32; index++) hash += HEX[bytes[index]];
  return hash;
}
