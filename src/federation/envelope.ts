/**
 * @module
 * The bytes of a sealed envelope: what seal and guard say to each other around a frame.
 *
 *      0        4   5   6   7   8           8+F      8+F+n
 *     +--------+---+---+---+---+-----------+--------+-----------+-----------+
 *     | M W S E| v | k | n | 0 | F bytes   | n bytes| body      | 64 bytes  |
 *     +--------+---+---+---+---+-----------+--------+-----------+-----------+
 *       magic    |   |   |       fields of   id of    a frame,    signature
 *                |   |   |       the kind    sender   a roster …
 *                |   |   length of the id
 *                |   kind
 *                version
 *
 *     k  kind     fields                                        id            body
 *     1  hello    roster version 4, roster hash 32, nonce 32    client
 *     2  welcome  session 16, roster hash 32, nonce 32          orchestrator  its roster, where the client's is older
 *     3  request  session 16, sequence 8                        client        a frame
 *     4  reply    session 16, sequence 8 (the request's)        orchestrator  a frame
 *     5  refusal  about 32 (a nonce, or session, sequence, 0)   orchestrator  the client's id
 *                 and reason 1
 *
 * Integers are big endian. Signed is one text for all kinds: "millwright/seal/1", a zero byte, a roster hash
 * (32), all of the envelope before its body, the length of the other side's id (1) and that id, the SHA-256 of
 * the body (32). So a signature holds for one kind, roster, session, sequence, sender, receiver and frame, and a
 * frame is hashed once and not signed itself. In a hello the other side is not yet known, its id is empty; in a
 * refusal the roster hash is zero, since the two sides may have different ones.
 */
import type { Digest } from "./clock.ts";
import { SIGNATURE_BYTES } from "./identity.ts";

const utf8 = new TextEncoder();
const KINDS = ["hello", "welcome", "request", "reply", "refusal"] as const;
export type EnvelopeKind = (typeof KINDS)[number];

/** Why an envelope was refused, in the order of their codes on the wire. docs/identity.md says of each what to do. */
export const REASONS = [
  "envelope", "unknown", "revoked", "early", "expired", "role", "roster", "session", "window", "replayed", "signature", "sender", "flood",
] as const;
export type Reason = (typeof REASONS)[number];

export const SESSION_BYTES = 16;
export const NONCE_BYTES = 32;
const HASH_BYTES = 32;
const PREFIX_BYTES = 8;
const MAX_ID_BYTES = 64;
const FIELD_BYTES: Readonly<Record<EnvelopeKind, number>> = {
  hello: 4 + HASH_BYTES + NONCE_BYTES,
  welcome: SESSION_BYTES + HASH_BYTES + NONCE_BYTES,
  request: SESSION_BYTES + 8,
  reply: SESSION_BYTES + 8,
  refusal: NONCE_BYTES + 1,
};
const MAGIC = [0x4d, 0x57, 0x53, 0x45]; // "MWSE"
const VERSION = 1;

/** What an envelope adds to a frame at most: for a transport's limit, beside maxFrameBytes. */
export const SEAL_BYTES = PREFIX_BYTES + FIELD_BYTES.request + MAX_ID_BYTES + SIGNATURE_BYTES;

export interface Envelope {
  readonly kind: EnvelopeKind;
  readonly id: string;
  /** All before the body: what the signature covers byte for byte. */
  readonly front: Uint8Array;
  readonly fields: Uint8Array;
  /** A view, no copy. */
  readonly body: Uint8Array;
  readonly signature: Uint8Array;
}

/** The bytes before the body; the fields one after the other. */
export function frontOf(kind: EnvelopeKind, id: string, ...fields: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const name = utf8.encode(id);
  return concat([Uint8Array.of(...MAGIC, VERSION, KINDS.indexOf(kind) + 1, name.length, 0), ...fields, name]);
}

/** The parts of an envelope, or undefined where the bytes are none. Allocates nothing but a short text. */
export function openEnvelope(bytes: Uint8Array): Envelope | undefined {
  if (bytes.length < PREFIX_BYTES || MAGIC.some((byte, at) => bytes[at] !== byte) || bytes[4] !== VERSION || bytes[7] !== 0) return undefined;
  const kind = KINDS[bytes[5] - 1];
  if (kind === undefined) return undefined;
  const [start, length] = [PREFIX_BYTES + FIELD_BYTES[kind], bytes[6]];
  const end = bytes.length - SIGNATURE_BYTES;
  if (length > MAX_ID_BYTES || start + length > end) return undefined;
  const id = String.fromCharCode(...bytes.subarray(start, start + length));
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(id)) return undefined;
  return {
    kind, id,
    front: bytes.subarray(0, start + length),
    fields: bytes.subarray(PREFIX_BYTES, start),
    body: bytes.subarray(start + length, end),
    signature: bytes.subarray(end),
  };
}

export const NO_ROSTER = "0".repeat(2 * HASH_BYTES);
const DOMAIN = utf8.encode("millwright/seal/1\0");

/**
 * The text that is signed, at most 300 bytes.
 * @param rosterHash 64 hexadecimal digits
 * @param peer id of the other side, empty where it is not known
 * @param bodyHash SHA-256 of the body, 64 hexadecimal digits
 */
export function sealText(rosterHash: string, front: Uint8Array, peer: string, bodyHash: string): Uint8Array<ArrayBuffer> {
  const name = utf8.encode(peer);
  return concat([DOMAIN, fromHex(rosterHash), front, Uint8Array.of(name.length), name, fromHex(bodyHash)]);
}

/** What a refusal is about: the nonce of a hello; session, sequence and zeros of a request. */
export function aboutOf({ kind, fields }: Envelope): Uint8Array<ArrayBuffer> {
  const about = new Uint8Array(NONCE_BYTES);
  about.set(kind === "hello" ? fields.subarray(4 + HASH_BYTES) : fields.subarray(0, SESSION_BYTES + 8));
  return about;
}

export function helloFields(version: number, rosterHash: string, nonce: Uint8Array): Uint8Array[] {
  const count = new Uint8Array(4);
  new DataView(count.buffer).setUint32(0, version);
  return [count, fromHex(rosterHash), nonce];
}

export function readHello({ fields }: Envelope) {
  return { version: viewOf(fields).getUint32(0), rosterHash: toHex(fields.subarray(4, 4 + HASH_BYTES)), nonce: toHex(fields.subarray(4 + HASH_BYTES)) };
}

export function readWelcome({ fields }: Envelope) {
  return {
    session: fields.slice(0, SESSION_BYTES),
    rosterHash: toHex(fields.subarray(SESSION_BYTES, SESSION_BYTES + HASH_BYTES)),
    nonce: toHex(fields.subarray(SESSION_BYTES + HASH_BYTES)),
  };
}

export function sequenceField(sequence: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(sequence));
  return bytes;
}

/** The sequence counts from 1; undefined for one that no side would have reached. */
export function readRequest({ fields }: Envelope): { readonly session: string; readonly sequence: number } | undefined {
  const sequence = Number(viewOf(fields).getBigUint64(SESSION_BYTES));
  return sequence >= 1 && sequence <= Number.MAX_SAFE_INTEGER ? { session: toHex(fields.subarray(0, SESSION_BYTES)), sequence } : undefined;
}

/** SHA-256 of frames that are handed out many times, as a model is to every client: each is hashed once. */
export function keptDigest(digest: Digest): Digest {
  const known = new WeakMap<Uint8Array, Promise<string>>();
  return (bytes) => {
    const hash = known.get(bytes) ?? digest(bytes);
    known.set(bytes, hash);
    return hash;
  };
}

export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const DIGITS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at++) text += DIGITS[bytes[at]];
  return text;
}

export function fromHex(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length / 2);
  for (let at = 0; at < bytes.length; at++) bytes[at] = parseInt(text.substring(2 * at, 2 * at + 2), 16);
  return bytes;
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
