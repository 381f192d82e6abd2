import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { crc32 } from "../../src/federation/checksum.ts";
import { decode, encode, FrameError, maxFrameBytes, REFUSAL_CODES, type Message } from "../../src/federation/message.ts";

const fingerprint = "0123456789abcdef";
const hash = fc.constantFrom(fingerprint, "f".repeat(64));
const client = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/);
const topic = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}$/);
const round = fc.nat();
const float64 = fc.float64Array({ maxLength: 40 });
const float32 = fc.float32Array({ maxLength: 40 });
const loss = fc.double({ noNaN: true, noDefaultInfinity: true });
const fields = { task: client, fingerprint: hash };
const model = fc.constantFrom("0".repeat(64), "0123456789abcdef".repeat(4));
const members = fc.option(fc.array(fc.record({ id: client, samples: fc.nat(), loss }), { maxLength: 3 }), { nil: undefined });

/** Any message that client or orchestrator could send. */
const message: fc.Arbitrary<Message> = fc.oneof(
  fc.record({ ...fields, kind: fc.constant("join" as const), client, build: fc.constantFrom("simd" as const, "relaxed" as const) }),
  fc.record({ ...fields, kind: fc.constant("pull" as const), client }),
  fc.record({ ...fields, kind: fc.constant("gather" as const), client, topic, round, numbers: float64 }),
  fc.record({ ...fields, kind: fc.constant("update" as const), client, round, attempt: round, model, samples: fc.nat(), loss, numbers: fc.oneof(fc.int32Array({ maxLength: 40 }), float32) }),
  fc.record({ ...fields, kind: fc.constant("update" as const), client, round, attempt: round, model, samples: fc.nat(), loss, members, numbers: fc.bigInt64Array({ maxLength: 40 }) }),
  fc.record({ kind: fc.constant("describe" as const), task: client, client }),
  fc.record({ kind: fc.constant("description" as const), task: client, description: fc.jsonValue({ maxDepth: 2 }) }),
  fc.record({ ...fields, kind: fc.constant("welcome" as const), clients: round, parameters: round, startRound: round, rounds: round, arithmetic: fc.constantFrom("lattice" as const, "float32" as const) }),
  fc.record({ ...fields, kind: fc.constant("gathered" as const), topic, round, numbers: float64 }),
  fc.record({ ...fields, kind: fc.constant("model" as const), epoch: round, round, attempt: round, model, settings: fc.jsonValue({ maxDepth: 2 }), numbers: float32 }),
  fc.record({ ...fields, kind: fc.constant("done" as const), epoch: round, round, model, numbers: float32 }),
  fc.record({ ...fields, kind: fc.constant("accepted" as const), round }),
  fc.record({ ...fields, kind: fc.constant("refused" as const), code: fc.constantFrom(...REFUSAL_CODES), reason: fc.string({ unit: "grapheme", maxLength: 40 }) }),
);

const hashOfModel = "0123456789abcdef".repeat(4);
const update = { kind: "update", task: "press", fingerprint, client: "plant-3", round: 7, attempt: 1, model: hashOfModel, samples: 500, loss: 0.25, numbers: Int32Array.of(1, -2, 3) } as const;

/** A frame with some bytes of its prefix set and a checksum that matches, as a liar would send it. */
function forged(set: (view: DataView) => void, frame = encode(update)): Uint8Array {
  set(new DataView(frame.buffer));
  const end = frame.length - 4;
  new DataView(frame.buffer).setUint32(end, crc32(frame.subarray(0, end)), true);
  return frame;
}

/** A frame with these fields, whatever they are. */
function withFields(json: string, message: Message = { kind: "pull", task: "press", fingerprint, client: "a" }): Uint8Array {
  const header = new TextEncoder().encode(json);
  const frame = new Uint8Array(20 + header.length);
  frame.set(encode(message).subarray(0, 16));
  frame.set(header, 16);
  return forged((view) => {
    view.setUint32(8, header.length, true);
    view.setUint32(12, 0, true);
  }, frame);
}

describe("a message", () => {
  test("comes back from its bytes", () => {
    fc.assert(fc.property(message, (sent) => {
      const normal = (value: unknown) => JSON.parse(JSON.stringify(value)); // JSON has no -0
      const { numbers: sentNumbers, ...sentFields } = sent as Message & { numbers?: Int32Array };
      const { numbers, ...fields } = decode(encode(sent)) as Message & { numbers?: Int32Array };
      expect(normal(fields)).toEqual(normal(sentFields));
      expect(numbers?.constructor).toBe(sentNumbers?.constructor);
      expect(numbers && new Uint8Array(numbers.buffer)).toEqual(
        sentNumbers && new Uint8Array(sentNumbers.buffer, sentNumbers.byteOffset, sentNumbers.byteLength).slice());
    }));
  });

  test("has the documented bytes", () => {
    const frame = encode({ kind: "update", task: "t", fingerprint: "00000000", client: "a", round: 1, attempt: 2, model: hashOfModel, samples: 2, loss: 0.5, numbers: Int32Array.of(1, -1) });
    const json = `{"task":"t","fingerprint":"00000000","client":"a","round":1,"attempt":2,"model":"${hashOfModel}","samples":2,"loss":0.5}`;
    expect([...frame.subarray(0, 16)]).toEqual([0x4d, 0x57, 0x46, 0x4c, 3, 8, 1, 0, json.length, 0, 0, 0, 8, 0, 0, 0]);
    expect(new TextDecoder().decode(frame.subarray(16, 16 + json.length))).toBe(json);
    expect([...frame.subarray(16 + json.length, -4)]).toEqual([1, 0, 0, 0, 255, 255, 255, 255]);
    expect(new DataView(frame.buffer).getUint32(frame.length - 4, true)).toBe(crc32(frame.subarray(0, -4)));
  });

  test("is read from the middle of a larger buffer, and its numbers are a copy", () => {
    const frame = encode(update);
    const larger = Buffer.alloc(frame.length + 3);
    larger.set(frame, 1);
    const read = decode(larger.subarray(1, 1 + frame.length));
    larger.fill(0);
    expect(read).toEqual(update);
  });

  test("of a model fits the frame limit that transports are told", () => {
    const numbers = new Float32Array(154_053);
    expect(encode({ kind: "model", task: "t", fingerprint, epoch: 1, round: 1, attempt: 1, model: hashOfModel, settings: "x".repeat(60_000), numbers }).length).toBeLessThanOrEqual(maxFrameBytes(numbers.length));
  });

  test("that its own schema refuses is not sent", () => {
    expect(() => encode({ ...update, client: "../etc" })).toThrow(RangeError);
    expect(() => encode({ ...update, loss: NaN })).toThrow(RangeError);
    expect(() => encode({ ...update, numbers: new Float64Array(3) as never })).toThrow(RangeError);
    expect(() => encode({ kind: "model", task: "t", fingerprint, epoch: 1, round: 1, attempt: 1, model: hashOfModel, settings: "x".repeat(70_000), numbers: new Float32Array(1) })).toThrow(/65536 bytes/);
    expect(() => encode({ kind: "gather", task: "t", fingerprint, client: "a", topic: "t", round: 0, numbers: new Float64Array(65_537) })).toThrow(/at most 524288 bytes/);
  });
});

describe("a frame is refused with a RangeError", () => {
  test("when it is truncated at any length, or longer", () => {
    const frame = encode(update);
    for (let length = 0; length < frame.length; length++) expect(() => decode(frame.subarray(0, length))).toThrow(FrameError);
    const longer = new Uint8Array(frame.length + 1);
    longer.set(frame);
    expect(() => decode(longer)).toThrow(FrameError);
  });

  test("when any single bit is flipped", () => {
    const frame = encode(update);
    for (let bit = 0; bit < 8 * frame.length; bit++) {
      const damaged = frame.slice();
      damaged[bit >> 3] ^= 1 << (bit & 7);
      expect(() => decode(damaged)).toThrow(FrameError);
    }
  });

  test("when it is random bytes, with or without our prefix and a right checksum", () => {
    const refusedOrRead = (bytes: Uint8Array) => {
      try {
        decode(bytes);
      } catch (error) {
        if (!(error instanceof FrameError)) throw error;
      }
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => refusedOrRead(bytes)), { numRuns: 500 });
    fc.assert(fc.property(message, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 8 }), (sent, changes) => {
      const frame = encode(sent);
      refusedOrRead(forged((view) => changes.forEach(([at, byte]) => view.setUint8(at % frame.length, byte)), frame));
    }), { numRuns: 500 });
  });

  test("when a length in it is too large, before anything is allocated", () => {
    expect(() => decode(forged((view) => view.setUint32(12, 2 ** 32 - 4, true)))).toThrow(/numbers expected at most 536870912 bytes, got 4294967292/);
    expect(() => decode(forged((view) => view.setUint32(12, 2 ** 28, true)))).toThrow(/expected 268435\d+ bytes, got/);
    expect(() => decode(forged((view) => view.setUint32(8, 2 ** 31, true)))).toThrow(/fields expected at most 65536 bytes/);
    expect(() => decode(encode(update), 8)).toThrow(/numbers expected at most 8 bytes, got 12/);
  });

  test("as damaged and not as something worse, whatever bit flips: it may be sent again", () => {
    const frame = encode(update);
    for (let bit = 0; bit < 8 * frame.length; bit++) {
      const flipped = frame.slice();
      flipped[bit >>> 3] ^= 1 << (bit & 7);
      expect(() => decode(flipped, 64)).toThrow(expect.objectContaining({ code: "frame" }));
    }
  });

  test.each([
    ["samples are no number", `"samples":"8","loss":0`, /"samples" expected finite number, got "8"/],
    ["a member has a field too many", `"samples":8,"loss":0,"members":[{"id":"b","samples":8,"loss":0,"more":1}]`, /"members" expected list of members/],
    ["members are no list", `"samples":8,"loss":0,"members":{}`, /"members" expected list of members, .*, got an object/],
  ])("of an update when %s", (_, rest, expected) => {
    const json = `{"task":"t","fingerprint":"${fingerprint}","client":"a","round":1,"attempt":1,"model":"${"0".repeat(64)}",${rest}}`;
    expect(() => decode(withFields(json, update))).toThrow(expected);
  });

  test("when version, kind, element or the zero byte are not known", () => {
    expect(() => decode(forged((view) => view.setUint8(4, 1)))).toThrow(/expected protocol version 3, got 1/);
    expect(() => decode(forged((view) => view.setUint8(5, 99)))).toThrow(/unknown kind of message 99/);
    expect(() => decode(forged((view) => view.setUint8(6, 3)))).toThrow(/"update" with numbers of type 3/);
    expect(() => decode(forged((view) => view.setUint8(6, 0)))).toThrow(FrameError);
    expect(() => decode(forged((view) => view.setUint8(7, 1)))).toThrow(/byte 7/);
  });

  test.each([
    ["no JSON", "{"],
    ["no object", "[]"],
    ["an unknown field", `{"task":"t","fingerprint":"${fingerprint}","client":"a","admin":true}`],
    ["a prototype", `{"task":"t","fingerprint":"${fingerprint}","client":"a","__proto__":{"client":"b"}}`],
    ["a field missing", `{"task":"t","client":"a"}`],
    ["an id that is a path", `{"task":"t","fingerprint":"${fingerprint}","client":"../a"}`],
    ["an endless id", `{"task":"t","fingerprint":"${fingerprint}","client":"${"a".repeat(65)}"}`],
    ["a hash that is none", `{"task":"t","fingerprint":"<script>","client":"a"}`],
    ["nesting without end", "[".repeat(60_000)],
    ["nesting without end in a field", `{"task":"t","fingerprint":${"[".repeat(30_000)}${"]".repeat(30_000)},"client":"a"}`],
    ["a number where a text belongs", `{"task":"t","fingerprint":12345678,"client":"a"}`],
    ["what every object has", `{"task":"t","fingerprint":"${fingerprint}","client":"a","toString":1}`],
  ])("when its fields have %s", (_, json) => {
    expect(() => decode(withFields(json))).toThrow(FrameError);
  });
});
