/**
 * @module
 * The seam to where data files are: a function from a relative path to bytes. Reading a folder, an
 * object store or a test's own memory differ in this function and in nothing else.
 */

export interface Source {
  /** The bytes of a file, or undefined where there is no such file. Paths are relative, with "/". */
  (path: string): Promise<Uint8Array | undefined>;
  /** What error messages call the place, such as the folder's path. */
  readonly place?: string;
}

export interface SourceBytes {
  /** The candidate that was found, with ".gz" where it was compressed. */
  readonly path: string;
  /** Decompressed. */
  readonly bytes: Uint8Array;
}

export interface SourceText {
  /** The candidate that was found, with ".gz" where it was compressed. */
  readonly path: string;
  readonly text: string;
}

/** The largest file of a known data set has about 100 MB, so more is a mistake or an attack. */
export const MAX_BYTES = 2 ** 28;

/**
 * The first of the files that exists, each also looked for with ".gz" appended.
 * @param remedy says where the data come from; it ends the message when no file is found.
 * @throws RangeError when none exists, one is larger than 256 MiB (also after decompression), or one is not the gzip it says.
 */
export async function readBytes(source: Source, paths: readonly string[], remedy: string): Promise<SourceBytes> {
  for (const path of paths.flatMap((path) => [path, `${path}.gz`])) {
    const bytes = await source(path);
    if (!bytes) continue;
    checkSize(path, bytes.length, MAX_BYTES);
    if (!path.endsWith(".gz")) return { path, bytes };
    return { path, bytes: await inflate(bytes, "gzip", path, `${path}: not a whole gzip file; get it again`) };
  }
  const place = source.place ? ` in ${source.place}` : "";
  throw new RangeError(`${paths.join(" or ")}: no such file${place}, with or without .gz; ${remedy}`);
}

/** Whether one of the files exists, by itself or with ".gz" appended. */
export async function isPresent(source: Source, paths: readonly string[]): Promise<boolean> {
  for (const path of paths.flatMap((path) => [path, `${path}.gz`])) if (await source(path)) return true;
  return false;
}

/** As readBytes, decoded as UTF-8. */
export async function readText(source: Source, paths: readonly string[], remedy: string): Promise<SourceText> {
  const { path, bytes } = await readBytes(source, paths, remedy);
  return { path, text: new TextDecoder().decode(bytes) };
}

/**
 * Decompress. "deflate" is the zlib form (RFC 1950), as the Streams standard calls it.
 * @param damaged the message where the bytes are not the format they should be, or end early
 * @throws RangeError for that, and for more than `limit` bytes
 */
export async function inflate(bytes: Uint8Array, format: "gzip" | "deflate", path: string, damaged: string, limit = MAX_BYTES): Promise<Uint8Array> {
  const stream = new Blob([bytes as BlobPart]).stream().pipeThrough(new DecompressionStream(format));
  const chunks: Uint8Array[] = [];
  let length = 0;
  // The size is checked while the stream runs, so that a small file cannot unfold into all of memory.
  const reader = (stream as ReadableStream<Uint8Array>).getReader();
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      throw new RangeError(damaged);
    });
    if (done) break;
    length += value.length;
    checkSize(path, length, limit);
    chunks.push(value);
  }
  const plain = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    plain.set(chunk, at);
    at += chunk.length;
  }
  return plain;
}

function checkSize(path: string, length: number, limit: number): void {
  if (length > limit) throw new RangeError(`${path}: expected at most ${limit} bytes, got ${length} or more; is this the right file?`);
}
