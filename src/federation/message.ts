/**
 * @module
 * The messages between client and orchestrator, and their bytes.
 *
 * A client asks, the orchestrator answers; there are twelve kinds of message and one shape of frame:
 *
 *      0        4   5   6   7   8             12            16           16+H         16+H+N
 *     +--------+---+---+---+---+-------------+-------------+------------+------------+---------+
 *     | M W F L| v | k | e | 0 | H, uint32   | N, uint32   | H bytes    | N bytes    | CRC-32  |
 *     +--------+---+---+---+---+-------------+-------------+------------+------------+---------+
 *       magic    |   |   |       length of     length of     fields:      numbers:     of all
 *                |   |   |       the fields    the numbers   JSON object  elements     before it
 *                |   |   element: 0 none, 1 int32, 2 float32, 3 float64, 4 int64
 *                |   kind: the table KINDS below
 *                version of the protocol
 *
 * Everything is little endian. The fields are small and read by people in a trace; the numbers are what
 * weighs, and are the elements of a typed array as they lie in memory. The frame's length is exactly
 * 20 + H + N. docs/protocol.md has the flow of messages and the meaning of every field.
 *
 * A frame comes from outside, so decode believes nothing: lengths are held against the bytes that are
 * there and against limits before anything is allocated, the checksum before anything is parsed, the
 * fields against a strict schema. The checksum finds accidents (it finds every single flipped bit and
 * every burst of up to 32); it does not find an attacker.
 */
import { BUILDS, type BuildName } from "../kernels/build.ts";
import { crc32 } from "./checksum.ts";

export const PROTOCOL_VERSION = 3;

/** Why a request was refused. docs/protocol.md says of each what to do. */
export const REFUSAL_CODES = [
  "frame", "version", "task", "client", "fingerprint", "build", "round", "late", "model", "arithmetic", "length", "values", "samples", "members", "duplicate", "topic", "flood", "failed",
] as const;
export type RefusalCode = (typeof REFUSAL_CODES)[number];

/** How updates are represented and summed: int32 fixed point, or float32 parameters as they are. */
export type Arithmetic = "lattice" | "float32";

/** Every message names the federation and the model it is about: a hexadecimal hash of its spec, chosen by the caller. */
interface Named {
  readonly task: string;
  readonly fingerprint: string;
}
/** Every request names its sender. */
interface Sent extends Named {
  readonly client: string;
}
/** A client whose update is in the sum that an aggregator sends. */
export interface Member {
  readonly id: string;
  readonly samples: number;
  readonly loss: number;
}

export type Request =
  /** What is to be done here? The answer is JSON for whoever sets up the learner. */
  | (Omit<Sent, "fingerprint"> & { readonly kind: "describe" })
  /** First contact: do we speak the same protocol about the same model, and compute it with the same build of the kernels? */
  | (Sent & { readonly kind: "join"; readonly build: BuildName })
  /** Numbers for a named topic, merged when every client has given its own. Round 0 is before training. */
  | (Sent & { readonly kind: "gather"; readonly topic: string; readonly round: number; readonly numbers: Float64Array })
  /** The model of the next round that lacks this client's update. */
  | (Sent & { readonly kind: "pull" })
  /**
   * What a client learned from the model of a round, which its hash names: (P) change on the lattice, or (P) float32 parameters.
   * An aggregator sends Σ samples · change of its members, (P) int64.
   */
  | (Sent & {
      readonly kind: "update"; readonly round: number; readonly attempt: number; readonly model: string;
      readonly samples: number; readonly loss: number; readonly members?: readonly Member[];
      readonly numbers: Int32Array | Float32Array | BigInt64Array;
    });

export type Reply =
  | { readonly kind: "description"; readonly task: string; readonly description: unknown }
  | (Named & {
      readonly kind: "welcome"; readonly clients: number; readonly parameters: number; readonly startRound: number;
      readonly rounds: number; readonly arithmetic: Arithmetic;
    })
  | (Named & { readonly kind: "gathered"; readonly topic: string; readonly round: number; readonly numbers: Float64Array })
  /** Global parameters (P) to train from, their SHA-256, and settings that only the learner understands. */
  | (Named & {
      readonly kind: "model"; readonly epoch: number; readonly round: number; readonly attempt: number; readonly model: string;
      readonly settings: unknown; readonly numbers: Float32Array;
    })
  /** Training is over: the parameters (P) after the last round, and their SHA-256. */
  | (Named & { readonly kind: "done"; readonly epoch: number; readonly round: number; readonly model: string; readonly numbers: Float32Array })
  | (Named & { readonly kind: "accepted"; readonly round: number })
  | (Named & { readonly kind: "refused"; readonly code: RefusalCode; readonly reason: string });

export type Message = Request | Reply;
export type Kind = Message["kind"];
type Fields<K extends Kind> = Omit<Extract<Message, { kind: K }>, "kind" | "numbers">;
type Numbers = Int32Array | Float32Array | Float64Array | BigInt64Array;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What a field must be. A frame is checked on every turn of a round, so this is written out and not left to a library of schemas. */
interface Rule {
  readonly holds: (value: unknown) => boolean;
  readonly expected: string;
}
const text = (pattern: RegExp, expected: string): Rule => ({ holds: (value) => typeof value === "string" && pattern.test(value), expected });
const oneOf = (words: readonly string[]): Rule => ({ holds: (value) => typeof value === "string" && words.includes(value), expected: words.join(" or ") });

const fingerprint = text(/^[0-9a-f]{8,128}$/, "8 to 128 hexadecimal digits");
/** Starts with a letter or digit, so that an id may become a file name or a subject without surprises. */
const client = text(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, "1 to 64 of A-Z a-z 0-9 . _ -, the first a letter or digit");
const topic = text(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}$/, "1 to 64 of A-Z a-z 0-9 . _ / -, the first a letter or digit");
const natural: Rule = { holds: (value) => Number.isSafeInteger(value) && (value as number) >= 0, expected: "integer >= 0" };
/** Any number of samples: a wrong one is a reason to refuse an update, not to misread a frame. */
const finite: Rule = { holds: Number.isFinite, expected: "finite number" };
/** SHA-256 of parameters as little-endian float32. */
const model = text(/^[0-9a-f]{64}$/, "64 hexadecimal digits");
const reason: Rule = { holds: (value) => typeof value === "string" && value.length <= 1024, expected: "text of at most 1024 characters" };
const anything: Rule = { holds: () => true, expected: "anything" };
const named = { task: client, fingerprint };
const member: Rules<Member> = { id: client, samples: finite, loss: finite };
const members: Rule = { holds: (value) => value === undefined || (Array.isArray(value) && value.every((each) => misfitOf(member, each) === undefined)), expected: "list of members, each with id, samples and loss" };

const INT32 = 1;
const FLOAT32 = 2;
const FLOAT64 = 3;
const INT64 = 4;

/** A rule for each field, in the order in which they are written. */
type Rules<T> = { readonly [Name in keyof T]-?: Rule };

/** The code of each kind on the wire, what its fields must be, the elements its numbers may have. */
const KINDS: { readonly [K in Kind]: { readonly code: number; readonly fields: Rules<Fields<K>>; readonly elements: readonly number[] } } = {
  join: { code: 1, fields: { ...named, client, build: oneOf(BUILDS) }, elements: [] },
  welcome: { code: 2, fields: { ...named, clients: natural, parameters: natural, startRound: natural, rounds: natural, arithmetic: oneOf(["lattice", "float32"]) }, elements: [] },
  gather: { code: 3, fields: { ...named, client, topic, round: natural }, elements: [FLOAT64] },
  gathered: { code: 4, fields: { ...named, topic, round: natural }, elements: [FLOAT64] },
  pull: { code: 5, fields: { ...named, client }, elements: [] },
  model: { code: 6, fields: { ...named, epoch: natural, round: natural, attempt: natural, model, settings: anything }, elements: [FLOAT32] },
  done: { code: 7, fields: { ...named, epoch: natural, round: natural, model }, elements: [FLOAT32] },
  update: { code: 8, fields: { ...named, client, round: natural, attempt: natural, model, samples: finite, loss: finite, members }, elements: [INT32, FLOAT32, INT64] },
  accepted: { code: 9, fields: { ...named, round: natural }, elements: [] },
  refused: { code: 10, fields: { ...named, code: oneOf(REFUSAL_CODES), reason }, elements: [] },
  describe: { code: 11, fields: { task: client, client }, elements: [] },
  description: { code: 12, fields: { task: client, description: anything }, elements: [] },
};
const kindOf = new Map(Object.entries(KINDS).map(([kind, row]) => [row.code, kind as Kind]));

/** @throws RangeError when the id could not stand in a message. */
export function checkClientId(id: string): string {
  if (!client.holds(id)) throw new RangeError(`client id expected 1 to 64 of A-Z a-z 0-9 . _ -, the first a letter or digit, got ${JSON.stringify(id)}`);
  return id;
}

/** @throws RangeError when the name could not stand in a message. */
export function checkTask(task: string): string {
  if (!client.holds(task)) throw new RangeError(`"task" expected 1 to 64 of A-Z a-z 0-9 . _ -, the first a letter or digit, got ${JSON.stringify(task)}`);
  return task;
}

/** @throws RangeError when the fingerprint could not stand in a message. */
export function checkFingerprint(hash: string): string {
  if (!fingerprint.holds(hash)) throw new RangeError(`"fingerprint" expected 8 to 128 hexadecimal digits, got ${JSON.stringify(hash)}; see fingerprintOf`);
  return hash;
}

const MAGIC = 0x4c46574d; // "MWFL", read as a little-endian uint32
const PREFIX_BYTES = 16;
const TRAILER_BYTES = 4;
/** Of the fields. */
export const MAX_FIELDS_BYTES = 65_536;
/** Of the numbers in a gather: what is shared beside the model is small. */
export const MAX_GATHER_LENGTH = 65_536;
/** Of the numbers in any frame: a model of 2^27 parameters. */
const MAX_NUMBERS_BYTES = 2 ** 29;

/** A frame that is not one of ours, or not whole. */
export class FrameError extends RangeError {
  override readonly name = "FrameError";
  readonly code: "frame" | "version" | "length";
  constructor(code: "frame" | "version" | "length", message: string) {
    super(message);
    this.code = code;
  }
}

/** The longest frame in a federation of `parameters` parameters: what a transport needs to accept, and no more. */
export function maxFrameBytes(parameters: number): number {
  return PREFIX_BYTES + MAX_FIELDS_BYTES + maxNumbersBytes(parameters) + TRAILER_BYTES;
}

/** Of a frame in such a federation: an aggregator's sum, or a gather. */
export function maxNumbersBytes(parameters: number): number {
  return 8 * Math.max(parameters, MAX_GATHER_LENGTH);
}

/**
 * The bytes of a message.
 * @throws RangeError when a field or the kind of numbers does not fit the message's kind.
 */
export function encode(message: Message): Uint8Array<ArrayBuffer> {
  const { kind, numbers, ...fields } = message as Message & { readonly numbers?: Numbers };
  const { code, elements } = KINDS[kind];
  const element = elementOf(numbers);
  if (!carries(elements, element)) throw new RangeError(`message "${kind}": numbers of this type do not belong here`);
  checkFields(kind, fields);
  const header = encoder.encode(JSON.stringify(inOrder(kind, fields)));
  if (header.length > MAX_FIELDS_BYTES) throw new RangeError(`message "${kind}": fields expected at most ${MAX_FIELDS_BYTES} bytes, got ${header.length}`);
  const bytes = numbers ? new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength) : new Uint8Array(0);
  const limit = numbersLimit(element, MAX_NUMBERS_BYTES);
  if (bytes.length > limit) throw new RangeError(`message "${kind}": numbers expected at most ${limit} bytes, got ${bytes.length}`);

  const end = PREFIX_BYTES + header.length + bytes.length;
  const frame = new Uint8Array(end + TRAILER_BYTES);
  const view = new DataView(frame.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint8(4, PROTOCOL_VERSION);
  view.setUint8(5, code);
  view.setUint8(6, element);
  view.setUint32(8, header.length, true);
  view.setUint32(12, bytes.length, true);
  frame.set(header, PREFIX_BYTES);
  frame.set(bytes, PREFIX_BYTES + header.length);
  view.setUint32(end, crc32(frame.subarray(0, end)), true);
  return frame;
}

/**
 * The message in a frame; its numbers are a copy.
 * @param maxNumbersBytes refuse a frame with more, before anything is allocated
 * @throws FrameError (a RangeError) for anything that is not exactly one whole frame of this version.
 */
export function decode(frame: Uint8Array, maxNumbersBytes = MAX_NUMBERS_BYTES): Message {
  const { kind, element, headerBytes, numbersBytes } = decodeWholePrefix(frame, maxNumbersBytes);
  const start = PREFIX_BYTES + headerBytes;
  const end = start + numbersBytes;
  if (!isWhole(frame)) throw damaged();

  const fields = parseFields(frame.subarray(PREFIX_BYTES, start));
  checkFields(kind, fields);
  if (element === 0) return { kind, ...fields } as Message;
  const bytes = new Uint8Array(numbersBytes); // not frame.slice(): Node's Buffer makes that a view
  bytes.set(frame.subarray(start, end));
  return { kind, ...fields, numbers: numbersOf(bytes.buffer, element) } as Message;
}

/** What a flipped bit makes of a version or a length says nothing of who sent it: such a frame is damaged, and may be sent again. */
function decodeWholePrefix(frame: Uint8Array, maxNumbersBytes: number) {
  try {
    return decodePrefix(frame, maxNumbersBytes);
  } catch (error) {
    throw error instanceof FrameError && error.code !== "frame" && !isWhole(frame) ? damaged() : error;
  }
}

/** Frames of every version end with their checksum. */
function isWhole(frame: Uint8Array): boolean {
  const end = frame.length - TRAILER_BYTES;
  return new DataView(frame.buffer, frame.byteOffset, frame.byteLength).getUint32(end, true) === crc32(frame.subarray(0, end));
}

const damaged = () => new FrameError("frame", "frame: checksum does not match; it was damaged on its way");

/** Read the fixed part and hold its lengths against the frame and the limits. */
function decodePrefix(frame: Uint8Array, maxNumbersBytes: number) {
  if (frame.length < PREFIX_BYTES + TRAILER_BYTES) throw new FrameError("frame", `frame: expected at least ${PREFIX_BYTES + TRAILER_BYTES} bytes, got ${frame.length}`);
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (view.getUint32(0, true) !== MAGIC) throw new FrameError("frame", `frame: expected it to begin with "MWFL"`);
  const version = view.getUint8(4);
  if (version !== PROTOCOL_VERSION) {
    throw new FrameError("version", `frame: expected protocol version ${PROTOCOL_VERSION}, got ${version}; run the same release of millwright on both sides`);
  }
  const kind = kindOf.get(view.getUint8(5));
  if (kind === undefined) throw new FrameError("frame", `frame: unknown kind of message ${view.getUint8(5)}`);
  const element = view.getUint8(6);
  if (!carries(KINDS[kind].elements, element)) throw new FrameError("frame", `frame: message "${kind}" with numbers of type ${element}`);
  if (view.getUint8(7) !== 0) throw new FrameError("frame", "frame: byte 7 expected 0");
  const headerBytes = view.getUint32(8, true);
  const numbersBytes = view.getUint32(12, true);
  if (headerBytes > MAX_FIELDS_BYTES) throw new FrameError("frame", `frame: fields expected at most ${MAX_FIELDS_BYTES} bytes, got ${headerBytes}`);
  const limit = numbersLimit(element, maxNumbersBytes);
  if (numbersBytes > limit) throw new FrameError("length", `frame: numbers expected at most ${limit} bytes, got ${numbersBytes}`);
  if (numbersBytes % elementBytes(element) !== 0) throw new FrameError("frame", `frame: ${numbersBytes} bytes are no whole count of numbers`);
  const expected = PREFIX_BYTES + headerBytes + numbersBytes + TRAILER_BYTES;
  if (frame.length !== expected) throw new FrameError("frame", `frame: expected ${expected} bytes, got ${frame.length}`);
  return { kind, element, headerBytes, numbersBytes };
}

function parseFields(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch {
    throw new FrameError("frame", "frame: fields expected a JSON object");
  }
}

/** @throws FrameError when a field is missing, unknown or not what it must be */
function checkFields(kind: Kind, fields: unknown): asserts fields is Record<string, unknown> {
  const misfit = misfitOf(KINDS[kind].fields, fields);
  if (misfit !== undefined) throw new FrameError("frame", `message "${kind}": ${misfit.slice(0, 512)}`);
}

/** What of an object is not as it must be, in words. */
function misfitOf(rules: Readonly<Record<string, Rule>>, value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return `fields expected an object, got ${Array.isArray(value) ? "a list" : typeof value}`;
  const fields = value as Readonly<Record<string, unknown>>;
  for (const name in rules) {
    const { holds, expected } = rules[name];
    if (!holds(fields[name])) return `"${name}" expected ${expected}, got ${shown(fields[name])}`;
  }
  for (const name of Object.keys(fields)) if (!Object.hasOwn(rules, name)) return `field ${JSON.stringify(name)} is not known`;
  return undefined;
}

/** Of what may be nested without end, no more than its type. */
const shown = (value: unknown): string => (typeof value === "string" ? JSON.stringify(value) : typeof value === "object" && value !== null ? "an object" : String(value));

/** The same message is the same bytes, however it was put together. */
function inOrder(kind: Kind, fields: Readonly<Record<string, unknown>>): object {
  const ordered: Record<string, unknown> = {};
  for (const name in KINDS[kind].fields) ordered[name] = fields[name];
  return ordered;
}

const carries = (elements: readonly number[], element: number): boolean => (elements.length === 0 ? element === 0 : elements.includes(element));

function elementOf(numbers: Numbers | undefined): number {
  if (numbers === undefined) return 0;
  if (numbers instanceof Int32Array) return INT32;
  if (numbers instanceof BigInt64Array) return INT64;
  return numbers instanceof Float32Array ? FLOAT32 : FLOAT64;
}

const numbersLimit = (element: number, most: number): number => (element === 0 ? 0 : element === FLOAT64 ? 8 * MAX_GATHER_LENGTH : most);
const elementBytes = (element: number): number => (element === 0 ? 1 : element === FLOAT64 || element === INT64 ? 8 : 4);

function numbersOf(buffer: ArrayBuffer, element: number): Numbers {
  if (element === INT32) return new Int32Array(buffer);
  if (element === INT64) return new BigInt64Array(buffer);
  return element === FLOAT32 ? new Float32Array(buffer) : new Float64Array(buffer);
}
