import { hash } from "node:crypto";
import { expect, test } from "vitest";
import {
  BLOCK_BYTES, decodeEntry, draft, encodeFields, encodeSegment, GENESIS, HEADER_BYTES, readJournal, readSegmentHeader, seat, segmentFirst, segmentName,
  type JournalRecord, type Place, type SegmentHeader,
} from "../../src/federation/journal.ts";
import { SimulatedDisk } from "../simulation/disk.ts";

const digest = async (bytes: Uint8Array) => hash("sha256", bytes, "hex");
const salt = new Uint8Array(16).fill(0xa5);
const header: SegmentHeader = { epoch: 1, first: 1, synced: 0, snapshot: 0, chain: GENESIS, salt };

interface Written extends Place {
  readonly bytes: Uint8Array;
  readonly hash: string;
}

/** Records of an id each, chained; a batch is those that are written together. */
async function batchesOf(...sizes: number[]): Promise<Written[][]> {
  let [sequence, synced, previous] = [0, 0, GENESIS];
  const batches = [];
  for (const size of sizes) {
    const batch: Written[] = [];
    for (let index = 0, bytes = 0; index < size; index++) {
      const made = await draft(encodeFields({ kind: "update", fields: { id: ++sequence }, numbers: new Uint8Array(0) }), new Uint8Array(sequence % 300).fill(0x4d), digest);
      bytes += made.bytes.length;
      const padding = index + 1 < size ? 0 : (BLOCK_BYTES - (bytes % BLOCK_BYTES)) % BLOCK_BYTES;
      const place = { epoch: 1, sequence, synced, previous };
      const own = await seat(made, place, padding, salt, digest);
      batch.push({ ...place, hash: own, bytes: Uint8Array.of(...made.bytes, ...new Uint8Array(padding)) });
      previous = own;
    }
    synced = sequence;
    batches.push(batch);
  }
  return batches;
}

async function diskOf(records: readonly (readonly Uint8Array[])[], headers = [header]): Promise<{ disk: SimulatedDisk; segments: string[] }> {
  const disk = new SimulatedDisk();
  const mount = disk.mount();
  for (const [index, header] of headers.entries()) await mount.append(segmentName(header.first), [encodeSegment(header), ...records[index]]);
  return { disk, segments: headers.map(({ first }) => segmentName(first)) };
}

async function read({ disk, segments }: { disk: SimulatedDisk; segments: string[] }): Promise<Omit<JournalRecord, "body">[]> {
  const found = [];
  for await (const { body, ...record } of readJournal(disk.mount(), segments, digest)) {
    expect(decodeEntry({ body, fieldsBytes: record.fieldsBytes }).fields).toEqual({ id: record.sequence });
    found.push(record);
  }
  return found;
}
const idsOf = async (place: { disk: SimulatedDisk; segments: string[] }) => (await read(place)).map(({ sequence }) => sequence);
const broken = (record: Uint8Array, at = HEADER_BYTES + 3) => record.with(at, record[at] ^ 1);

test("a record has the bytes that docs/storage.md says", async () => {
  const [[{ bytes, hash: own }]] = await batchesOf(1);
  const body = '{"kind":"update","fields":{"id":1}}';
  const view = new DataView(bytes.buffer);
  expect(Buffer.from(bytes.subarray(0, 4)).toString()).toBe("MWJR");
  expect([view.getUint32(4, true), view.getUint32(8, true), view.getUint32(12, true)]).toEqual([body.length, 1, 4096 - 108 - body.length - 1]);
  expect([view.getBigUint64(16, true), view.getBigUint64(24, true), view.getBigUint64(32, true)]).toEqual([1n, 1n, 0n]);
  expect(Buffer.from(bytes.subarray(40, 72)).toString("hex")).toBe(GENESIS);
  expect(Buffer.from(bytes.subarray(72, 104)).toString("hex")).toBe(hash("sha256", `${body}\x4d`, "hex"));
  expect(Buffer.from(bytes.subarray(108, 108 + body.length)).toString()).toBe(body);
  expect(own).toBe(hash("sha256", bytes.subarray(0, 104), "hex"));
  expect(bytes.length).toBe(BLOCK_BYTES);
});

test("counts beyond 32 bits and a header's fields survive", async () => {
  const large = { epoch: 2 ** 40 + 7, first: 2 ** 33 + 1, synced: 2 ** 52, snapshot: 2 ** 32, chain: "0123456789abcdef".repeat(4), salt };
  const { disk, segments: [segment] } = await diskOf([[]], [large]);
  expect(segment).toBe("journal-008589934593");
  expect(await readSegmentHeader(disk.mount(), segment)).toEqual(large);
  expect([segmentFirst(segment), segmentFirst("journal-1"), segmentFirst("journal.part")]).toEqual([large.first, undefined, undefined]);
});

test("another version is not taken for damage", async () => {
  const { disk, segments } = await diskOf([[]]);
  const bytes = (await disk.mount().read(segments[0]))!;
  new DataView(bytes.buffer).setUint32(4, 2, true);
  new DataView(bytes.buffer).setUint32(88, 0, true);
  await disk.mount().write(segments[0], bytes);
  await expect(read({ disk, segments })).rejects.toThrow(/header does not match its checksum/);
  const { crc32 } = await import("../../src/federation/checksum.ts");
  new DataView(bytes.buffer).setUint32(88, crc32(bytes.subarray(0, 88)), true);
  await disk.mount().write(segments[0], bytes);
  await expect(read({ disk, segments })).rejects.toThrow("journal-000000000001: expected version 1 of the journal, got 2; read it with the release that wrote it");
});

test("a broken record whose batch is the last is the torn tail, also with whole records behind it", async () => {
  const [first, second] = await batchesOf(3, 4);
  for (let torn = 0; torn < 4; torn++) {
    const bytes = [...first, ...second].map(({ bytes, sequence }) => (sequence === 4 + torn ? broken(bytes) : bytes));
    expect(await idsOf(await diskOf([bytes]))).toEqual([1, 2, 3, 4, 5, 6, 7].slice(0, 3 + torn));
  }
});

test("a broken record with a later batch behind it was durable, and is an alarm, whichever parts of that batch are whole", async () => {
  const [first, second] = await batchesOf(3, 4);
  for (let damaged = 1; damaged <= 3; damaged++) {
    for (let whole = 4; whole <= 7; whole++) {
      const bytes = [...first, ...second].map(({ bytes, sequence }) => (sequence === damaged || (sequence > 3 && sequence !== whole) ? broken(bytes, 30) : bytes));
      await expect(read(await diskOf([bytes]))).rejects.toMatchObject({
        name: "DamageError", segment: "journal-000000000001", sequence: damaged, message: expect.stringMatching(`and it was durable: record ${whole} was written later and says so`),
      });
    }
  }
});

test("cut at any byte, it is read up to the last whole record", async () => {
  const batches = (await batchesOf(2, 1, 3)).flat();
  const whole = Buffer.concat(batches.map(({ bytes }) => bytes));
  for (let length = 0; length <= whole.length; length += 61) {
    let [count, end] = [0, 0];
    while (count < batches.length && end + batches[count].bytes.length <= length) end += batches[count++].bytes.length;
    expect((await idsOf(await diskOf([[whole.subarray(0, length)]]))).length).toBe(count);
  }
});

test("a record of another start, or out of turn, that a file system shows in the tail is not taken", async () => {
  const [[one], [two]] = await batchesOf(1, 1);
  const stale = await draft(encodeFields({ kind: "update", fields: { id: 2 }, numbers: new Uint8Array(0) }), new Uint8Array(0), digest);
  for (const place of [{ ...two, epoch: 2 }, { ...two, epoch: 2, sequence: 9, synced: 8 }]) {
    await seat(stale, place, 0, salt, digest);
    expect(await idsOf(await diskOf([[one.bytes, stale.bytes.slice()]]))).toEqual([1]);
  }
  expect(await idsOf(await diskOf([[one.bytes, one.bytes]]))).toEqual([1]);
});

test("numbers that look like a record with another salt are no witness against a torn tail", async () => {
  const [[one], [two]] = await batchesOf(1, 1);
  const forged = await draft(new Uint8Array(0), new Uint8Array(0), digest);
  const carry = async (salt: Uint8Array) => {
    await seat(forged, { epoch: 1, sequence: 9, synced: 8, previous: GENESIS }, 0, salt, digest);
    const carrier = await draft(encodeFields({ kind: "update", fields: { id: 2 }, numbers: new Uint8Array(0) }), forged.bytes.slice(), digest);
    await seat(carrier, two, 0, header.salt, digest);
    return diskOf([[one.bytes, broken(carrier.bytes, 25)]]);
  };
  expect(await idsOf(await carry(new Uint8Array(16)))).toEqual([1]);
  await expect(idsOf(await carry(salt))).rejects.toThrow(/record 9 was written later and says so/); // what the salt is for
});

test("an altered record is named, with digest and checksums made to fit", async () => {
  const [first, second, third] = await batchesOf(3, 2, 1);
  const all = [...first, ...second, ...third];
  for (const victim of all.slice(0, -1)) {
    const other = await draft(encodeFields({ kind: "update", fields: { id: victim.sequence }, numbers: new Uint8Array(0) }), new Uint8Array(victim.sequence % 300).fill(0x4e), digest);
    await seat(other, victim, new DataView(victim.bytes.buffer).getUint32(12, true), salt, digest);
    const bytes = all.map((record) => (record === victim ? Uint8Array.of(...other.bytes, ...record.bytes.subarray(other.bytes.length)) : record.bytes));
    await expect(read(await diskOf([bytes]))).rejects.toMatchObject({ name: "DamageError", sequence: victim.sequence, message: expect.stringMatching(/it was altered: the record after it has the hash of another/) });
  }
});

test("the chain is followed from segment to segment, and a segment ends where the next begins", async () => {
  const [first, second] = await batchesOf(3, 2);
  const next = { ...header, epoch: 2, first: 4, synced: 5, chain: first[2].hash };
  const bytes = (records: readonly Written[]) => records.map(({ bytes }) => bytes);
  // The first segment still has what was copied, one record of it torn.
  const copied = [...bytes(first), second[0].bytes, broken(second[1].bytes)];
  expect((await read(await diskOf([copied, bytes(second)], [header, next]))).map(({ segment, sequence }) => [segment.slice(-1), sequence])).toEqual([["1", 1], ["1", 2], ["1", 3], ["4", 4], ["4", 5]]);
  await expect(read(await diskOf([copied, bytes(second)], [header, { ...next, chain: second[0].hash }]))).rejects.toMatchObject({ segment: "journal-000000000001", sequence: 3 });
  await expect(read(await diskOf([copied.with(2, broken(first[2].bytes)), bytes(second)], [header, next]))).rejects.toMatchObject({ segment: "journal-000000000001", sequence: 3 });
  await expect(read(await diskOf([copied.slice(0, 2), bytes(second)], [header, next]))).rejects.toMatchObject({ segment: "journal-000000000001", sequence: 3, message: expect.stringMatching(/the file ends before it/) });
  await expect(read(await diskOf([copied, [second[0].bytes]], [header, next]))).rejects.toMatchObject({ segment: "journal-000000000004", sequence: 5 });
});

test("a witness is found wherever it lies behind a large gap", async () => {
  const [[one], [two]] = await batchesOf(1, 1);
  for (const gap of [2 ** 22 - HEADER_BYTES - 1, 2 ** 22 - 50, 2 ** 22, 9_000_000]) {
    await expect(read(await diskOf([[broken(one.bytes, 5), new Uint8Array(gap).fill(0x4d), two.bytes]]))).rejects.toThrow(/record 1: its header does not match its checksum, and it was durable: record 2 was written later/);
  }
});
