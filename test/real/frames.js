/**
 * Mutated frames and envelopes for a decoder: what a broken or hostile sender can send. Real ones to begin with, and
 * changes that a seed chooses; half of the frames have their checksum put right again, so that what is behind the
 * checksum is reached.
 */
import { crc32 } from "../../build/federation/checksum.js";
import { frontOf, helloFields, openEnvelope, readHello, readRequest, readWelcome, sequenceField } from "../../build/federation/envelope.js";
import { claimedClient } from "../../build/federation/guard.js";
import { decode, encode, FrameError } from "../../build/federation/message.js";
import { random } from "../../build/kernels/random.js";

const named = { task: "trial", fingerprint: "ab".repeat(32) };
const client = "plant-3";
const model = "cd".repeat(32);

/** One of each kind, small. */
const messages = [
  { kind: "describe", task: "any", client },
  { kind: "description", task: "trial", description: { spec: { layers: [{ type: "dense", units: 8 }] }, rounds: 5 } },
  { kind: "join", ...named, client, build: "simd" },
  { kind: "welcome", ...named, clients: 3, parameters: 6, startRound: 1, rounds: 9, arithmetic: "lattice" },
  { kind: "gather", ...named, client, topic: "train/0", round: 0, numbers: Float64Array.of(1, -2.5, 1e300) },
  { kind: "gathered", ...named, topic: "moments", round: 0, numbers: Float64Array.of(3, 4) },
  { kind: "pull", ...named, client },
  { kind: "model", ...named, epoch: 1, round: 2, attempt: 1, model, settings: { epochs: 1, nested: [[[1]]] }, numbers: Float32Array.of(0.5, -1, 2, 3, 4, 5) },
  { kind: "done", ...named, epoch: 2, round: 9, model, numbers: Float32Array.of(0.5, -1, 2, 3, 4, 5) },
  { kind: "update", ...named, client, round: 2, attempt: 1, model, samples: 500, loss: 0.25, numbers: Int32Array.of(1, -1, 7, 8, 9, 2 ** 31 - 1) },
  { kind: "update", ...named, client, round: 2, attempt: 1, model, samples: 900, loss: 0.5, members: [{ id: "a", samples: 400, loss: 1 }, { id: "b", samples: 500, loss: 0.1 }], numbers: BigInt64Array.of(1n, -(2n ** 40n), 0n, 5n, 6n, 7n) },
  { kind: "accepted", ...named, round: 2 },
  { kind: "refused", ...named, code: "late", reason: "round 2 is closed" },
];
const frames = messages.map(encode);

const concat = (...parts) => Uint8Array.from(parts.flatMap((part) => [...part]));
const hashed = new Uint8Array(32).fill(7);
const session = new Uint8Array(16).fill(9);
const signature = new Uint8Array(64).fill(3);
const envelopes = [
  concat(frontOf("hello", client, ...helloFields(1, named.fingerprint, hashed)), signature),
  concat(frontOf("welcome", "orchestrator", session, hashed, hashed), signature),
  ...frames.map((frame) => concat(frontOf("request", client, session, sequenceField(12)), frame, signature)),
  concat(frontOf("reply", "orchestrator", session, sequenceField(12)), frames[7], signature),
  concat(frontOf("refusal", "orchestrator", hashed, Uint8Array.of(3)), new TextEncoder().encode(client), signature),
];

const INTERESTING = [0, 1, 2, 3, 4, 7, 8, 9, 12, 16, 20, 127, 128, 255];
const WORDS = [0, 1, 7, 8, 65_535, 65_536, 65_537, 2 ** 29, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];
const TEXTS = ["", "null", "[]", "{}", '"', "\\u0000", "__proto__", "1e999", "-0", "NaN", '{"client":{}}', '{"__proto__":{"client":"x"}}', "[".repeat(2000), "\ud83d", "constructor"].map((text) => new TextEncoder().encode(text));

/** One change. @returns {Uint8Array} */
function mutate(bytes, chance) {
  const at = chance.integer(Math.max(1, bytes.length));
  const copy = bytes.slice();
  switch (chance.integer(9)) {
    case 0: copy[at] ^= 1 << chance.integer(8); return copy;
    case 1: copy[at] = INTERESTING[chance.integer(INTERESTING.length)]; return copy;
    case 2: return bytes.slice(0, at);
    case 3: return splice(bytes, bytes.length, bytes.length, bytes.subarray(0, at % 64));
    case 4: { // a stretch said twice
      const end = Math.min(bytes.length, at + 1 + chance.integer(32));
      return splice(bytes, at, at, bytes.subarray(at, end));
    }
    case 5: return splice(bytes, at, Math.min(bytes.length, at + 1 + chance.integer(32)), new Uint8Array(0));
    case 6: return splice(bytes, at, at, TEXTS[chance.integer(TEXTS.length)]);
    case 7: { // a length, where lengths are
      const place = [8, 12][chance.integer(2)];
      if (copy.length >= place + 4) new DataView(copy.buffer).setUint32(place, WORDS[chance.integer(WORDS.length)], true);
      return copy;
    }
    default: copy[Math.min(copy.length - 1, 4 + chance.integer(4))] = chance.integer(16); return copy;
  }
}

function splice(bytes, from, to, middle) {
  const whole = new Uint8Array(bytes.length - (to - from) + middle.length);
  whole.set(bytes.subarray(0, from));
  whole.set(middle, from);
  whole.set(bytes.subarray(to), from + middle.length);
  return whole;
}

/** Lengths and checksum as they must be; what is between them stays wrong. */
function repaired(frame, chance) {
  if (frame.length < 20) return frame;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  if (chance.integer(2) === 0) {
    const numbers = Math.min(view.getUint32(12, true), frame.length - 20);
    view.setUint32(8, frame.length - 20 - numbers, true);
    view.setUint32(12, numbers, true);
  }
  view.setUint32(frame.length - 4, crc32(frame.subarray(0, -4)), true);
  return frame;
}

const FEW = 100_000;

/** Of this process, garbage collection and all: not of others that have the processor meanwhile. */
function cpuMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** The same in parts, with what was left on the heap between them. Needs node --expose-gc. */
export function fuzzLong(count, seed) {
  const total = { frames: 0, decoded: 0, refused: 0, opened: 0 };
  const heaps = [];
  let slowestMs = 0;
  const begunMs = performance.now();
  for (let part = 0; part * FEW < count; part++) {
    let lastMs = cpuMs();
    const counts = fuzz(Math.min(FEW, count - part * FEW), `${seed}/${part}`, () => {
      const nowMs = cpuMs();
      slowestMs = Math.max(slowestMs, nowMs - lastMs);
      lastMs = nowMs;
    });
    for (const name of Object.keys(total)) total[name] += counts[name];
    globalThis.gc?.();
    const { heapUsed, external } = process.memoryUsage();
    heaps.push((heapUsed + external) / 2 ** 20);
  }
  const first = heaps[Math.min(heaps.length - 1, 1)];
  return { ...total, perS: Math.round((1000 * count) / (performance.now() - begunMs)), slowestCpuMs: slowestMs.toFixed(1), heapMiB: `${first.toFixed(1)} -> ${heaps.at(-1).toFixed(1)}`, grownMiB: heaps.at(-1) - first };
}

/**
 * Hands so many mutated frames to the decoder, and so many envelopes among them to what opens those.
 * @returns counts of frames, and of those that were decoded, refused, opened
 * @throws whatever a decoder throws that is no FrameError
 */
export function fuzz(count, seed, each = () => {}) {
  const chance = random(seed, "frames");
  const counts = { frames: count, decoded: 0, refused: 0, opened: 0 };
  for (let index = 0; index < count; index++) {
    each(index);
    const sealed = chance.integer(5) === 0;
    const pool = sealed ? envelopes : frames;
    let bytes = pool[chance.integer(pool.length)];
    for (let changes = 1 + chance.integer(3); changes > 0; changes--) bytes = mutate(bytes, chance);
    if (sealed) {
      const envelope = openEnvelope(bytes);
      if (!envelope) continue;
      counts.opened++;
      if (envelope.kind === "hello") readHello(envelope);
      else if (envelope.kind === "welcome") readWelcome(envelope);
      else if (envelope.kind === "request" || envelope.kind === "reply") readRequest(envelope);
      claimedClient(envelope.body);
      bytes = envelope.body;
    } else if (chance.integer(2) === 0) bytes = repaired(bytes, chance);
    try {
      decode(bytes, 1 << 20);
      counts.decoded++;
    } catch (error) {
      if (!(error instanceof FrameError)) throw new Error(`frame ${index} of seed ${seed}: ${Buffer.from(bytes).toString("hex").slice(0, 400)}`, { cause: error });
      counts.refused++;
    }
  }
  return counts;
}
