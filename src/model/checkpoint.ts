/**
 * @module
 * A model in a file: safetensors, one tensor a row of the layout, the spec in the metadata. Any
 * safetensors reader opens it; a file of another writer is read if it holds the same tensors. Behind
 * the parameters come the statistics of a model that normalises over batches, where it has been adapted.
 *
 *     0       8                       8 + N, a multiple of 8
 *     | N u64 | JSON header, spaces   | float32 … little-endian, without gaps |
 *
 *     header: { "__metadata__": { "spec": "{…}", … }, "0.lstm.W": { "dtype": "F32", "shape": [2,256,8], "data_offsets": [0,16384] }, … }
 *
 * Format: https://github.com/huggingface/safetensors#format
 */
import * as z from "zod/mini";
import { layoutOf, statisticsOf, type Parameter } from "./layout.ts";
import { parseSpec, texts, type ModelSpec } from "./spec.ts";

export interface Checkpoint {
  readonly spec: ModelSpec;
  /** (P) the canonical vector. */
  readonly parameters: Float32Array;
  /** (S) the second vector, of a model that normalises over batches. Absent: it has not been adapted to any windows yet. */
  readonly statistics?: Float32Array;
  /** What else is worth keeping with a model: scaler, task, rounds. The key `spec` is taken. */
  readonly metadata: Readonly<Record<string, string>>;
}

const LENGTH_BYTES = 8;
const ALIGNMENT = 8;
const MAX_HEADER_BYTES = 2 ** 24;

const natural = z.int().check(z.gte(0));
const tensorSchema = z.strictObject({
  dtype: z.literal("F32"),
  shape: z.array(natural).check(z.maxLength(8)),
  data_offsets: z.tuple([natural, natural]),
});
const metadataSchema = z.record(z.string(), z.string());

/**
 * The bytes of a safetensors file. The same checkpoint gives the same bytes, whatever the order of its metadata.
 * @throws RangeError where the parameters do not fit the spec or are not finite.
 */
export function encodeCheckpoint({ spec, parameters, statistics, metadata }: Checkpoint): Uint8Array<ArrayBuffer> {
  if (Object.hasOwn(metadata, "spec")) throw new RangeError(`metadata "spec" is written by the checkpoint itself; leave it out`);
  const { rows, length } = rowsOf(spec, Boolean(statistics?.length));
  const P = layoutOf(spec).length;
  for (const [title, values, expected] of [["parameters", parameters, P], ["statistics", statistics ?? [], length - P]] as const) {
    if (values.length !== expected) throw new RangeError(`"${title}" expected ${expected} numbers for this spec, got ${values.length}`);
  }
  const values = new Float32Array(length);
  values.set(parameters);
  values.set(statistics ?? [], P);
  const entries = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  const tensors = rows.map((row) => {
    checkValues(row.name, values.subarray(row.offset, row.offset + row.length), "the training diverged");
    return [row.name, { dtype: "F32", shape: row.shape, data_offsets: [4 * row.offset, 4 * (row.offset + row.length)] }];
  });
  const json = JSON.stringify({ __metadata__: Object.fromEntries([["spec", JSON.stringify(spec)], ...entries]), ...Object.fromEntries(tensors) });

  const text = new TextEncoder().encode(json);
  const dataStart = Math.ceil((LENGTH_BYTES + text.length) / ALIGNMENT) * ALIGNMENT;
  const headerBytes = dataStart - LENGTH_BYTES;
  if (headerBytes > MAX_HEADER_BYTES) throw new RangeError(`"metadata" expected a header of at most ${MAX_HEADER_BYTES} bytes, got ${headerBytes}`);
  const bytes = new Uint8Array(dataStart + 4 * length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerBytes), true);
  bytes.set(text, LENGTH_BYTES);
  bytes.fill(0x20, LENGTH_BYTES + text.length, dataStart);
  new Float32Array(bytes.buffer, dataStart).set(values);
  return bytes;
}

/**
 * Read and check a safetensors file of a Millwright model.
 * @throws RangeError naming the byte, the tensor or the place in the spec that is wrong.
 */
export function decodeCheckpoint(bytes: Uint8Array): Checkpoint {
  const { header, dataStart } = readHeader(bytes);
  const { __metadata__, ...tensors } = header;
  const { spec: specText, ...metadata } = parse(metadataSchema, __metadata__ ?? {}, "__metadata__");
  if (specText === undefined) throw invalid(`its metadata has no "spec"; it is a safetensors file, but not of Millwright`);
  const spec = parseSpec(parseJson(specText, `metadata "spec"`));

  const adapted = statisticsOf(spec).parameters.some(({ name }) => Object.hasOwn(tensors, name));
  const { rows, length } = rowsOf(spec, adapted);
  const dataBytes = bytes.length - dataStart;
  if (dataBytes !== 4 * length) {
    throw invalid(`its spec needs ${4 * length} bytes of tensors from byte ${dataStart} on, but it has ${dataBytes}; ${REMEDY}`);
  }
  const places = rows.map((row) => ({ row, begin: placeOf(row, tensors) }));
  const known = new Set(rows.map(({ name }) => name));
  const extra = Object.keys(tensors).find((name) => !known.has(name));
  if (extra !== undefined) throw invalid(`it has a tensor "${extra}" that its spec does not have`);

  // All tensors have their length and their sum is the file's: without overlap they leave no gap either.
  let end = 0;
  for (const { row, begin } of places.toSorted((a, b) => a.begin - b.begin)) {
    if (begin !== end) throw invalid(`tensor "${row.name}" expected to begin at byte ${end} of the data, got ${begin}`);
    end = begin + 4 * row.length;
  }

  const data = new Float32Array(new Uint8Array(bytes.subarray(dataStart)).buffer);
  const values = new Float32Array(length);
  for (const { row, begin } of places) {
    const tensor = data.subarray(begin / 4, begin / 4 + row.length);
    checkValues(row.name, tensor, "take an earlier checkpoint");
    values.set(tensor, row.offset);
  }
  const P = layoutOf(spec).length;
  return { spec, parameters: values.slice(0, P), ...(adapted ? { statistics: values.slice(P) } : {}), metadata };
}

/** The rows of the canonical vector and, of a model that has been adapted, those of its statistics behind them. */
function rowsOf(spec: ModelSpec, adapted: boolean): { rows: readonly Parameter[]; length: number } {
  const layout = layoutOf(spec);
  if (!adapted) return { rows: layout.parameters, length: layout.length };
  const { parameters, length } = statisticsOf(spec);
  return { rows: [...layout.parameters, ...parameters.map((row) => ({ ...row, offset: layout.length + row.offset }))], length: layout.length + length };
}

const REMEDY = "it is cut off or damaged, copy it again";
const invalid = (reason: string) => new RangeError(`checkpoint: ${reason}`);

function readHeader(bytes: Uint8Array): { header: Record<string, unknown>; dataStart: number } {
  if (bytes.length < LENGTH_BYTES) throw invalid(`expected at least ${LENGTH_BYTES} bytes, got ${bytes.length}; ${REMEDY}`);
  const headerBytes = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  const limit = Math.min(MAX_HEADER_BYTES, bytes.length - LENGTH_BYTES);
  if (headerBytes > BigInt(limit)) {
    throw invalid(`bytes 0-7 announce a header of ${headerBytes} bytes, but at most ${limit} are possible; ${REMEDY}, or it is no safetensors file`);
  }
  const dataStart = LENGTH_BYTES + Number(headerBytes);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(LENGTH_BYTES, dataStart));
  } catch {
    throw invalid(`its header is not UTF-8; ${REMEDY}, or it is no safetensors file`);
  }
  const header = parseJson(text, "its header");
  if (typeof header !== "object" || header === null || Array.isArray(header)) throw invalid(`its header expected a JSON object; it is no safetensors file`);
  return { header: header as Record<string, unknown>, dataStart };
}

/** First byte of a row's tensor within the data. */
function placeOf({ name, shape, length }: Parameter, tensors: Readonly<Record<string, unknown>>): number {
  if (!Object.hasOwn(tensors, name)) throw invalid(`tensor "${name}" is missing; its spec does not belong to its tensors`);
  const tensor = parse(tensorSchema, tensors[name], `tensor "${name}"`);
  if (tensor.shape.join() !== shape.join()) throw invalid(`tensor "${name}" expected shape [${shape.join(", ")}], got [${tensor.shape.join(", ")}]`);
  const [begin, end] = tensor.data_offsets;
  if (end - begin !== 4 * length) throw invalid(`tensor "${name}" expected ${4 * length} bytes, got ${end - begin} (${begin} to ${end}); ${REMEDY}`);
  return begin;
}

function checkValues(name: string, values: Float32Array, remedy: string): void {
  const place = values.findIndex((value) => !Number.isFinite(value));
  if (place >= 0) throw invalid(`tensor "${name}" expected finite numbers, got ${values[place]} at element ${place}; ${remedy}`);
  const negative = name.endsWith(".variance") ? values.findIndex((value) => value < 0) : -1;
  if (negative >= 0) throw invalid(`tensor "${name}" expected variances >= 0, got ${values[negative]} at element ${negative}; ${remedy}`);
}

function parse<T>(schema: z.ZodMiniType<T>, value: unknown, at: string): T {
  const result = schema.safeParse(value, texts);
  if (!result.success) throw invalid(`${at}: ${z.prettifyError(result.error)}`);
  return result.data;
}

function parseJson(text: string, at: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(`${at} is not JSON (${(error as Error).message}); ${REMEDY}`);
  }
}
