/**
 * @module
 * How a frame becomes a message. A short one is its payload. Of a long one, the payload is the first and the last 512
 * bytes. What is between follows when it is asked for, in a request; in a reply it is an object at the broker: senders,
 * sessions and signatures stand at the ends of frames, so the same model, sealed for a thousand clients, is one object.
 */
import type { MsgHdrs } from "@nats-io/nats-core";
import { concat } from "../federation/envelope.ts";
import { INLINE_BYTES } from "./subject.ts";

/** Bytes of either end. */
const END = 512;

export interface Parcel {
  /** The frame, or both its ends. */
  readonly payload: Uint8Array;
  /** The object that is between the ends, when that is not in the payload. */
  readonly body?: { readonly name: string; readonly bytes: number };
  /** How many bytes between the ends are to be asked for. */
  readonly follows?: number;
}

const BODY = "Millwright-Body", BYTES = "Millwright-Body-Bytes", FOLLOWS = "Millwright-Follows";

/** The most bytes that go as one message: less than `limit` when the broker takes less. */
export const inlineBytes = (limit = INLINE_BYTES, maxPayload = Infinity): number => Math.max(2 * END, Math.min(limit, INLINE_BYTES, maxPayload - 4096));

/** The ends of a long frame and what is between them, a view. */
export function divide(frame: Uint8Array): { ends: Uint8Array; middle: Uint8Array } {
  const ends = new Uint8Array(2 * END);
  ends.set(frame.subarray(0, END));
  ends.set(frame.subarray(frame.length - END), END);
  return { ends, middle: frame.subarray(END, frame.length - END) };
}

/**
 * The same of a frame in parts, whose middle is a view of one of them where that is as long as it must be.
 * @returns also which part that is, and which bytes of it
 */
export function divideParts(parts: readonly Uint8Array[]): { ends: Uint8Array; middle: Uint8Array; of: Uint8Array; from: number } {
  const at = parts.reduce((longest, { length }, index) => (length > parts[longest].length ? index : longest), 0);
  const of = parts[at];
  const [head, tail] = [concat(parts.slice(0, at)), concat(parts.slice(at + 1))];
  if (head.length > END || tail.length > END || of.length <= 2 * END) {
    const frame = concat(parts);
    return { ...divide(frame), of: frame, from: END };
  }
  const [from, to] = [END - head.length, of.length - (END - tail.length)];
  return { ends: concat([head, of.subarray(0, from), of.subarray(to), tail]), middle: of.subarray(from, to), of, from };
}

/** The frame with its ends, and a view of so many bytes between them, to be filled. */
export function prepare(ends: Uint8Array, bytes: number): { frame: Uint8Array; middle: Uint8Array } {
  const frame = new Uint8Array(2 * END + bytes);
  frame.set(ends.subarray(0, END));
  frame.set(ends.subarray(END), END + bytes);
  return { frame, middle: frame.subarray(END, END + bytes) };
}

/** The frame again. */
export function unite(ends: Uint8Array, middle: Uint8Array): Uint8Array {
  const prepared = prepare(ends, middle.length);
  prepared.middle.set(middle);
  return prepared.frame;
}

export function label(headers: MsgHdrs, { body, follows }: Parcel): void {
  if (follows !== undefined) headers.set(FOLLOWS, String(follows));
  if (!body) return;
  headers.set(BODY, body.name);
  headers.set(BYTES, String(body.bytes));
}

/** What a message says of its frame; undefined when that makes no sense or is more than `limit` bytes. */
export function readParcel(payload: Uint8Array, headers: MsgHdrs, limit: number): Parcel | undefined {
  const [name, follows] = [headers.get(BODY), headers.get(FOLLOWS)];
  if (!name && !follows) return payload.length <= limit ? { payload } : undefined;
  const bytes = Number(follows || headers.get(BYTES));
  if (payload.length !== 2 * END || !Number.isSafeInteger(bytes) || bytes < 1 || bytes + 2 * END > limit) return undefined;
  if (follows) return { payload, follows: bytes };
  return /^[0-9a-f]{64}$/.test(name) ? { payload, body: { name, bytes } } : undefined;
}
