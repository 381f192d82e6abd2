/**
 * @module
 * Files as streams of bytes: from a source, a response, a browser's file, or any iteration of chunks;
 * unpacked while they run where they are gzip.
 */
import type { Source } from "./source.ts";

/** What `fetch` gives as a body, `File.stream()`, a stream of Node, or a list of chunks. */
export type Bytes = ReadableStream<Uint8Array> | AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** The chunks of a stream; not every browser's streams can be iterated. */
export async function* chunksOf(bytes: Bytes): AsyncGenerator<Uint8Array> {
  if (!("getReader" in bytes)) {
    yield* bytes;
    return;
  }
  const reader = bytes.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** The chunks, decompressed when they begin as gzip does. @throws RangeError when the gzip file is not whole */
export async function* unpacked(path: string, bytes: Bytes): AsyncGenerator<Uint8Array> {
  const chunks = chunksOf(bytes);
  try {
    const head: Uint8Array[] = [];
    let length = 0;
    while (length < 2) {
      const { done, value } = await chunks.next();
      if (done) break;
      head.push(value);
      length += value.length;
    }
    const first = joined(head, length);
    if (first[0] === 0x1f && first[1] === 0x8b) {
      yield* gunzipped(path, first, chunks);
    } else {
      if (length > 0) yield first;
      yield* chunks;
    }
  } finally {
    await chunks.return(undefined);
  }
}

async function* gunzipped(path: string, first: Uint8Array, rest: AsyncGenerator<Uint8Array>): AsyncGenerator<Uint8Array> {
  let begun = false;
  const packed = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = begun ? await rest.next() : { done: false, value: first };
      begun = true;
      if (done) controller.close();
      else controller.enqueue(value as Uint8Array);
    },
  });
  const plain = chunksOf(packed.pipeThrough(new DecompressionStream("gzip") as unknown as TransformStream<Uint8Array, Uint8Array>));
  try {
    for (;;) {
      const { done, value } = await plain.next().catch(() => {
        throw new RangeError(`${path}: not a whole gzip file; get it again`);
      });
      if (done) return;
      yield value;
    }
  } finally {
    await plain.return(undefined);
  }
}

/**
 * The bytes of the first of the files that exists, each also looked for with ".gz" appended.
 * @throws RangeError when there is none; `remedy` ends the message
 */
export async function openFile(source: Source, paths: readonly string[], remedy: string): Promise<{ path: string; bytes: Uint8Array }> {
  for (const path of paths.flatMap((path) => [path, `${path}.gz`])) {
    const bytes = await source(path);
    if (bytes) return { path, bytes };
  }
  const place = source.place ? ` in ${source.place}` : "";
  throw new RangeError(`${paths.join(" or ")}: no such file${place}, with or without .gz; ${remedy}`);
}

/** All bytes of a stream. @throws RangeError beyond the limit */
export async function allBytes(path: string, bytes: AsyncIterable<Uint8Array>, limit: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of bytes) {
    length += chunk.length;
    if (length > limit) throw new RangeError(`${path}: expected at most ${limit} bytes, got more; give a larger limit if this is the right file`);
    chunks.push(chunk);
  }
  return joined(chunks, length);
}

function joined(chunks: readonly Uint8Array[], length: number): Uint8Array {
  if (chunks.length === 1) return chunks[0];
  const all = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}
