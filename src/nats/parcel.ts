/**
 * @module
 * How a frame becomes a message. A short one is its payload. Of a long one, the payload is the first and the last 512
 * bytes, and what is between is an object: senders, sessions and signatures stand at the ends of frames, so the same
 * model, sealed for a thousand clients, is one object.
 */
import type { MsgHdrs } from "@nats-io/nats-core";
import { INLINE_BYTES } from "./subject.ts";

/** Bytes of either end. */
const END = 512;

export interface Parcel {
  /** The frame, or both its ends. */
  readonly payload: Uint8Array;
  /** What is between the ends, when it is not in the payload. */
  readonly body?: { readonly name: string; readonly bytes: number };
}

const BODY = "Millwright-Body", BYTES = "Millwright-Body-Bytes";

/** The most bytes that go as one message: less than `limit` when the broker takes less. */
export const inlineBytes = (limit = INLINE_BYTES, maxPayload = Infinity): number => Math.max(2 * END, Math.min(limit, INLINE_BYTES, maxPayload - 4096));

/** The ends of a long frame and what is between them, a view. */
export function divide(frame: Uint8Array): { ends: Uint8Array; middle: Uint8Array } {
  const ends = new Uint8Array(2 * END);
  ends.set(frame.subarray(0, END));
  ends.set(frame.subarray(frame.length - END), END);
  return { ends, middle: frame.subarray(END, frame.length - END) };
}

/** The frame again. */
export function unite(ends: Uint8Array, middle: Uint8Array): Uint8Array {
  const frame = new Uint8Array(2 * END + middle.length);
  frame.set(ends.subarray(0, END));
  frame.set(middle, END);
  frame.set(ends.subarray(END), END + middle.length);
  return frame;
}

export function label(headers: MsgHdrs, { body }: Parcel): void {
  if (!body) return;
  headers.set(BODY, body.name);
  headers.set(BYTES, String(body.bytes));
}

/** What a message says of its frame; undefined when that makes no sense or is more than `limit` bytes. */
export function readParcel(payload: Uint8Array, headers: MsgHdrs, limit: number): Parcel | undefined {
  const name = headers.get(BODY);
  if (!name) return payload.length <= limit ? { payload } : undefined;
  const bytes = Number(headers.get(BYTES));
  if (!/^[0-9a-f]{64}$/.test(name) || payload.length !== 2 * END || !Number.isSafeInteger(bytes) || bytes < 1 || bytes + 2 * END > limit) return undefined;
  return { payload, body: { name, bytes } };
}
