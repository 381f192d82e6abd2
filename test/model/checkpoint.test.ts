/**
 * Checkpoints: what is saved is read back bit for bit, other programs can read it, and a damaged file is
 * refused with a RangeError that names the place.
 */
import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeCheckpoint, encodeCheckpoint, type Checkpoint } from "../../src/model/checkpoint.ts";
import { layoutOf } from "../../src/model/layout.ts";
import { parseSpec } from "../../src/model/spec.ts";

const spec = parseSpec({
  input: { steps: 10, features: 3 },
  layers: [
    { type: "lstm", hidden: 4, bidirectional: true },
    { type: "dropout", rate: 0.2 },
    { type: "attention", size: 5 },
    { type: "dense", units: 6 },
  ],
  head: { type: "classify", classes: ["HEALTHY", "DEGRADED", "CRITICAL", "FAILURE"] },
});
const layout = layoutOf(spec);
const parameters = new Float32Array(layout.length).map((_, p) => ((p * 7919) % 1009) / 1009 - 0.5);
const checkpoint: Checkpoint = { spec, parameters, metadata: { task: "condition", scaler: '{"mean":[[1,2,3]]}', note: "Prüfstand 3 ⚙" } };
const bytes = encodeCheckpoint(checkpoint);

type Header = { __metadata__?: Record<string, unknown> } & Record<string, { dtype: string; shape: number[]; data_offsets: number[] }>;

const headerOf = (file: Uint8Array) => {
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  return { header: JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length))) as Header, dataStart: 8 + length };
};

/** The same data under another header. */
function withHeader(change: (header: Header) => unknown): Uint8Array {
  const { header, dataStart } = headerOf(bytes);
  const text = new TextEncoder().encode(JSON.stringify(change(header) ?? header));
  const file = new Uint8Array(8 + text.length + bytes.length - dataStart);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  file.set(bytes.subarray(dataStart), 8 + text.length);
  return file;
}

describe("a checkpoint", () => {
  it("is read from a view into a larger buffer, as a file read by Node is", () => {
    const larger = Buffer.alloc(bytes.length + 24, 0xff);
    larger.set(bytes, 16);
    expect(decodeCheckpoint(larger.subarray(16, 16 + bytes.length))).toEqual(checkpoint);
  });

  it("is read back bit for bit", () => {
    expect(decodeCheckpoint(bytes)).toEqual(checkpoint);
    fc.assert(
      fc.property(
        fc.float32Array({ minLength: layout.length, maxLength: layout.length, noNaN: true, noDefaultInfinity: true }),
        fc.dictionary(fc.string().filter((key) => key !== "spec" && key !== "__proto__"), fc.string(), { noNullPrototype: true }),
        (values, metadata) => {
          const copy = decodeCheckpoint(encodeCheckpoint({ spec, parameters: values, metadata }));
          expect(new Uint8Array(copy.parameters.buffer)).toEqual(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
          expect(copy.metadata).toEqual(metadata);
        },
      ),
      { numRuns: 30 },
    );
  });

  it("has the same bytes whatever the order of its metadata", () => {
    const metadata = Object.fromEntries(Object.entries(checkpoint.metadata).reverse());
    expect(encodeCheckpoint({ spec, parameters, metadata })).toEqual(bytes);
  });

  it("begins its data at a multiple of eight, one tensor a row of the layout", () => {
    const { header, dataStart } = headerOf(bytes);
    expect(dataStart % 8).toBe(0);
    expect(Object.keys(header)).toEqual(["__metadata__", ...layout.parameters.map(({ name }) => name)]);
    expect(bytes.length).toBe(dataStart + 4 * layout.length);
  });

  it("is read from a view that begins anywhere", () => {
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    expect(decodeCheckpoint(shifted.subarray(3))).toEqual(checkpoint);
  });

  it("is read when another writer has sorted the tensors differently", () => {
    const { header, dataStart } = headerOf(bytes);
    const { __metadata__, ...tensors } = header;
    const chunks: Uint8Array[] = [];
    let at = 0;
    const sorted = Object.entries(tensors).sort(([a], [b]) => (a < b ? 1 : -1)).map(([name, { dtype, shape, data_offsets: [begin, end] }]) => {
      chunks.push(bytes.subarray(dataStart + begin, dataStart + end));
      at += end - begin;
      return [name, { dtype, shape, data_offsets: [at - (end - begin), at] }];
    });
    const text = new TextEncoder().encode(JSON.stringify({ ...Object.fromEntries(sorted), __metadata__ }));
    const length = new Uint8Array(new BigUint64Array([BigInt(text.length)]).buffer);
    expect(decodeCheckpoint(Uint8Array.from([length, text, ...chunks].flatMap((chunk) => [...chunk])))).toEqual(checkpoint);
  });
});

const python = ["python3", "/usr/bin/python3"].find((command) => spawnSync(command, ["-c", "import numpy"]).status === 0);
if (!python) console.warn("skipped: a checkpoint read by NumPy, as no python3 here has the module numpy");

it.runIf(python)("is read by a parser of safetensors in Python", () => {
  const script = [
    "import json, struct, sys, numpy",
    "file = sys.stdin.buffer.read()",
    "size = struct.unpack('<Q', file[:8])[0]",
    "header = json.loads(file[8:8 + size])",
    "data = file[8 + size:]",
    "def tensor(t): return numpy.frombuffer(data[slice(*t['data_offsets'])], '<f4').reshape(t['shape'])",
    "shapes = {name: list(tensor(t).shape) for name, t in header.items() if name != '__metadata__'}",
    "print(json.dumps({'shapes': shapes, 'last': float(tensor(header['head.b'])[-1]), 'note': header['__metadata__']['note']}))",
  ].join("\n");
  const { stdout, stderr } = spawnSync(python!, ["-c", script], { input: bytes, encoding: "utf8" });
  expect(stderr).toBe("");
  expect(JSON.parse(stdout)).toEqual({
    shapes: Object.fromEntries(layout.parameters.map(({ name, shape }) => [name, [...shape]])),
    last: parameters.at(-1),
    note: "Prüfstand 3 ⚙",
  });
});

describe("an encoder refuses", () => {
  it("parameters of another length or that are not finite, and a second spec", () => {
    expect(() => encodeCheckpoint({ ...checkpoint, parameters: parameters.subarray(1) })).toThrow(`"parameters" expected ${layout.length} numbers`);
    const diverged = parameters.slice();
    diverged[layout.length - 1] = Number.POSITIVE_INFINITY;
    expect(() => encodeCheckpoint({ ...checkpoint, parameters: diverged })).toThrow(/"head.b" expected finite numbers, got Infinity at element 3/);
    expect(() => encodeCheckpoint({ ...checkpoint, metadata: { spec: "{}" } })).toThrow(/"spec" is written by the checkpoint itself/);
  });
});

describe("a decoder refuses, with a RangeError that names the place,", () => {
  const refused: [what: string, file: () => Uint8Array, message: RegExp][] = [
    ["an empty file", () => new Uint8Array(), /at least 8 bytes, got 0; it is cut off/],
    ["a file of another kind", () => new TextEncoder().encode("id,cycle,setting\n1,2,3\n"), /bytes 0-7 announce a header/],
    ["a header beyond the end", () => bytes.subarray(0, 100), /announce a header of \d+ bytes, but at most 92/],
    ["cut tensors", () => bytes.subarray(0, bytes.length - 4), /needs \d+ bytes of tensors from byte \d+ on, but it has \d+; it is cut off/],
    ["bytes after the tensors", () => Uint8Array.from([...bytes, 0, 0, 0, 0]), /bytes of tensors/],
    ["a header that is no object", () => withHeader(() => [1]), /expected a JSON object/],

    ["metadata that are no strings", () => withHeader((header) => void (header.__metadata__!.rounds = 3)), /__metadata__/],
    ["no metadata", () => withHeader((header) => void delete header.__metadata__), /no "spec"/],
    ["a spec that is not JSON", () => withHeader((header) => void (header.__metadata__!.spec = "{")), /metadata "spec" is not JSON/],
    ["an impossible spec", () => withHeader((header) => void (header.__metadata__!.spec = '{"input":{"steps":0}}')), /model spec/],
    ["a spec of another model", () => withHeader((header) => void (header.__metadata__!.spec = JSON.stringify({ ...spec, input: { steps: 10, features: 4 } }))), /bytes of tensors/],
    ["a missing tensor", () => withHeader((header) => void delete header["head.b"]), /tensor "head.b" is missing/],
    ["an extra tensor", () => withHeader((header) => void (header.extra = { dtype: "F32", shape: [0], data_offsets: [0, 0] })), /"extra" that its spec does not have/],
    ["another element type", () => withHeader((header) => void (header["head.b"].dtype = "F16")), /tensor "head.b": .*/],
    ["another shape", () => withHeader((header) => void header["3.dense.W"].shape.reverse()), /"3.dense.W" expected shape \[6, 8\], got \[8, 6\]/],
    ["offsets that do not fit the shape", () => withHeader((header) => void (header["head.b"].data_offsets[0] -= 4)), /"head.b" expected 16 bytes, got 20/],
    ["overlapping tensors", () => withHeader((header) => void (header["head.b"].data_offsets = [0, 16])), /expected to begin at byte/],
    ["offsets beyond the end", () => withHeader((header) => void (header["head.b"].data_offsets = header["head.b"].data_offsets.map((at) => at + 4))), /"head.b" expected to begin at byte/],
    ["numbers that are not finite", () => { const file = bytes.slice(); file.set([0, 0, 0xc0, 0x7f], file.length - 4); return file; }, /"head.b" expected finite numbers, got NaN at element 3/],
  ];
  it.each(refused)("%s", (_, file, message) => {
    expect(() => decodeCheckpoint(file())).toThrow(RangeError);
    expect(() => decodeCheckpoint(file())).toThrow(message);
  });

  it("every cut", () => {
    for (let length = 0; length < bytes.length; length += 13) expect(() => decodeCheckpoint(bytes.subarray(0, length))).toThrow(RangeError);
  });

  it("damage of any kind, or else gives a checkpoint of finite numbers", () => {
    const place = fc.oneof(fc.nat(headerOf(bytes).dataStart - 1), fc.nat(bytes.length - 1));
    fc.assert(
      fc.property(fc.array(fc.tuple(place, fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 4 }), (flips) => {
        const damaged = bytes.slice();
        for (const [at, mask] of flips) damaged[at] ^= mask;
        try {
          const { parameters } = decodeCheckpoint(damaged);
          expect(parameters.every(Number.isFinite)).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
