/**
 * @module
 * What an ONNX file says about itself, of any producer: ports, operators, size and metadata. The ONNX
 * runtimes for JavaScript do not show metadata.
 *
 * Files come from outside. Messages become objects many times their size, so they are counted before
 * any is built; weights stay views of the file.
 */
import { fromBinary, ScalarType, type DescField, type DescMessage } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { ModelProtoSchema, type ModelProto, type TensorProto, type ValueInfoProto } from "./schema.ts";

/** Protobuf's own limit; greater models keep their weights in files of their own. */
const MAX_BYTES = 2 ** 31 - 1;
const MAX_VALUES = 2 ** 22;

/** TensorProto.DataType by its number. */
const ELEMENTS = [
  "undefined", "float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool", "float16", "float64",
  "uint32", "uint64", "complex64", "complex128", "bfloat16",
]; // prettier-ignore

export interface InspectedPort {
  readonly name: string;
  readonly type: string;
  /** A string names a free dimension; null where the file declares no shape. */
  readonly shape: readonly (number | string)[] | null;
}

export interface Inspection {
  /** Name and version. */
  readonly producer: string;
  readonly irVersion: number;
  /** Version of each operator domain; the default one is `ai.onnx`. */
  readonly opset: Readonly<Record<string, number>>;
  /** Without those that only name an initializer. */
  readonly inputs: readonly InspectedPort[];
  readonly outputs: readonly InspectedPort[];
  /** How many nodes of each operator the main graph has, most frequent first. */
  readonly nodes: Readonly<Record<string, number>>;
  /** Elements of all initializers of the main graph. */
  readonly parameters: number;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Parse the bytes of an ONNX file. Subgraphs and functions are not entered.
 * @throws RangeError where the bytes are no ONNX model, are cut off, or exceed the limits.
 */
export function inspectOnnx(bytes: Uint8Array): Inspection {
  const { irVersion, opsetImport, producerName, producerVersion, graph, metadataProps } = parse(bytes);
  if (!(irVersion > 0n && irVersion < 2n ** 31n)) throw notOnnx(`its IR version is ${irVersion}`);
  if (!graph) throw notOnnx("it has no graph");
  if (opsetImport.length === 0) throw notOnnx("it imports no operator set");

  const initializers = new Set(graph.initializer.map(({ name }) => name));
  return {
    producer: `${producerName} ${producerVersion}`.trim(),
    irVersion: Number(irVersion),
    opset: Object.fromEntries(opsetImport.map(({ domain, version }) => [domain || "ai.onnx", Number(version)])),
    inputs: graph.input.filter(({ name }) => !initializers.has(name)).map(portOf),
    outputs: graph.output.map(portOf),
    nodes: countBy(graph.node.map(({ domain, opType }) => (domain ? `${domain}.${opType}` : opType))),
    parameters: graph.initializer.reduce((sum, tensor) => sum + elementsOf(tensor), 0),
    metadata: Object.fromEntries(metadataProps.map(({ key, value }) => [key, value])),
  };
}

function parse(bytes: Uint8Array): ModelProto {
  if (bytes.length === 0) throw notOnnx("it is empty");
  if (bytes.length > MAX_BYTES) throw new RangeError(`ONNX model expected at most ${MAX_BYTES} bytes, got ${bytes.length}; keep its weights in external files`);
  const guarded = <T>(read: () => T): T => {
    try {
      return read();
    } catch (error) {
      throw notOnnx(error instanceof Error ? error.message : String(error));
    }
  };
  const values = guarded(() => countValues(ModelProtoSchema, new BinaryReader(bytes), bytes.length, 0));
  if (values > MAX_VALUES) throw new RangeError(`ONNX model expected at most ${MAX_VALUES} values besides its weights, got more`);
  return guarded(() => fromBinary(ModelProtoSchema, bytes, { readUnknownFields: false }));
}

const notOnnx = (reason: string) => new RangeError(`not an ONNX model, or one that is cut off (${reason}); export it again or copy the file again`);

/** Fields of the schema up to `end`, in all messages, on top of `count`. Stops where the limit is passed. */
function countValues(schema: DescMessage, reader: BinaryReader, end: number, count: number): number {
  while (reader.pos < end && count <= MAX_VALUES) {
    const [number, wireType] = reader.tag();
    const field = schema.fields.find((field) => field.number === number);
    const message = field?.message;
    if (message && wireType === WireType.LengthDelimited) {
      const length = reader.uint32();
      count = countValues(message, reader, reader.pos + length, count + 1);
      continue;
    }
    const start = reader.pos;
    reader.skip(wireType, number);
    // A packed list has at most a number a byte.
    if (field) count += isPackable(field) && wireType === WireType.LengthDelimited ? reader.pos - start : 1;
  }
  return count;
}

const isPackable = (field: DescField) => field.fieldKind === "list" && field.listKind === "scalar" && field.scalar === ScalarType.INT64;

function portOf({ name, type }: ValueInfoProto): InspectedPort {
  if (type?.value.case !== "tensorType") return { name, type: "not a tensor", shape: null };
  const { elemType, shape } = type.value.value;
  const dimensions = shape?.dim.map(({ value }) => (value.case === "dimValue" ? Number(value.value) : (value.value ?? "?")));
  return { name, type: ELEMENTS[elemType] ?? `element type ${elemType}`, shape: dimensions ?? null };
}

function elementsOf({ name, dims }: TensorProto): number {
  let elements = 1;
  for (const size of dims) {
    elements *= Number(size);
    if (size < 0n || elements > Number.MAX_SAFE_INTEGER) throw notOnnx(`initializer "${name}" has an impossible shape`);
  }
  return elements;
}

function countBy(names: readonly string[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)));
}

/** A table for people: a title, a name and what it is on each line. Metadata longer than `width` is shortened. */
export function formatInspection(inspection: Inspection, width = 100): string {
  const ports = (list: readonly InspectedPort[]) => list.map(({ name, type, shape }) => [name, `${type} ${shape ? `[${shape.join(", ")}]` : "of any shape"}`]);
  const sections: [title: string, rows: string[][]][] = [
    ["producer", [[inspection.producer || "unknown"]]],
    ["format", [[`IR ${inspection.irVersion}`, ...Object.entries(inspection.opset).map(([domain, version]) => `opset ${domain} ${version}`)]]],
    ["inputs", ports(inspection.inputs)],
    ["outputs", ports(inspection.outputs)],
    ["parameters", [[inspection.parameters.toLocaleString("en")]]],
    ["nodes", Object.entries(inspection.nodes).map(([operator, count]) => [operator, String(count)])],
    ["metadata", Object.entries(inspection.metadata)],
  ];
  const rows = sections.flatMap(([title, rows]) => rows.map((row, index) => [index === 0 ? title : "", ...row.map((cell) => shorten(printable(cell), width))]));
  const widths = [0, 1].map((column) => Math.max(...rows.filter((row) => row.length > column + 1).map((row) => row[column].length)));
  return rows.map((row) => row.map((cell, column) => (column < row.length - 1 ? cell.padEnd(widths[column] ?? 0) : cell)).join("  ")).join("\n");
}

const shorten = (text: string, width: number) => (text.length <= width ? text : `${text.slice(0, width)}… (${text.length} characters)`);

/** Text from a file must not steer the terminal. */
const printable = (text: string) =>
  text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
