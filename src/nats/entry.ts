/**
 * @module
 * Entries of a journal as bytes, and how far a copy of the journal goes.
 *
 * An entry is two lengths, uint32 little endian, then its kind and fields as JSON and its numbers. A place in the journal
 * is the snapshot it starts from, how many entries come after that, and a chain of SHA-256 over all of them: two journals
 * with the same place say the same.
 */
import { sha256 } from "../federation/checksum.ts";
import type { Entry } from "../federation/store.ts";

export interface Mark {
  /** SHA-256 of the snapshot, START where there is none. */
  readonly base: string;
  /** Entries after it. */
  readonly count: number;
  /** Over those entries. */
  readonly chain: string;
}

export const START = "0".repeat(64);

export const beginMark = (base: string): Mark => ({ base, count: 0, chain: base });

/** The place after one more entry, given as bytes. */
export async function advance({ base, count, chain }: Mark, entry: Uint8Array): Promise<Mark> {
  return { base, count: count + 1, chain: await sha256(new TextEncoder().encode(chain + (await sha256(entry)))) };
}

/** Entries one after the other, and a view of each. */
export function encodeEntries(entries: readonly Entry[]): { whole: Uint8Array; each: readonly Uint8Array[] } {
  const texts = entries.map(({ kind, fields }) => new TextEncoder().encode(JSON.stringify({ kind, fields })));
  const whole = new Uint8Array(entries.reduce((sum, { numbers }, index) => sum + 8 + texts[index].length + numbers.length, 0));
  const view = new DataView(whole.buffer);
  let end = 0;
  const each = entries.map(({ numbers }, index) => {
    const [text, from] = [texts[index], end];
    view.setUint32(from, text.length, true);
    view.setUint32(from + 4, numbers.length, true);
    whole.set(text, from + 8);
    whole.set(numbers, from + 8 + text.length);
    end = from + 8 + text.length + numbers.length;
    return whole.subarray(from, end);
  });
  return { whole, each };
}

/** Entries one after the other, with the bytes of each. */
export function* decodeEntries(bytes: Uint8Array): Generator<{ entry: Entry; bytes: Uint8Array }> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length; ) {
    const left = bytes.length - at - 8;
    const json = left < 0 ? 0 : view.getUint32(at, true);
    const numbers = left < 0 ? 0 : view.getUint32(at + 4, true);
    if (left < 0 || json + numbers > left) throw new RangeError(`entries end within one, at byte ${at} of ${bytes.length}`);
    const { kind, fields } = JSON.parse(new TextDecoder().decode(bytes.subarray(at + 8, at + 8 + json)));
    const end = at + 8 + json + numbers;
    yield { entry: { kind, fields, numbers: bytes.slice(end - numbers, end) }, bytes: bytes.subarray(at, end) };
    at = end;
  }
}
