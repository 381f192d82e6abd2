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

export interface SourceText {
  /** The candidate that was found, with ".gz" where it was compressed. */
  readonly path: string;
  readonly text: string;
}

/** The largest file of a known data set has about 100 MB, so more is a mistake or an attack. */
const MAX_BYTES = 2 ** 28;

/**
 * The first of the files that exists, each also looked for with ".gz" appended.
 * @param remedy says where the data come from; it ends the message when no file is found.
 * @throws RangeError when none exists, one is larger than 256 MiB (also after decompression), or one is not the gzip it says.
 */
export async function readText(source: Source, paths: readonly string[], remedy: string): Promise<SourceText> {
  for (const path of paths.flatMap((path) => [path, `${path}.gz`])) {
    const bytes = await source(path);
    if (!bytes) continue;
    checkSize(path, bytes.length);
    const plain = path.endsWith(".gz") ? await gunzip(path, bytes) : bytes;
    return { path, text: new TextDecoder().decode(plain) };
  }
  const place = source.place ? ` in ${source.place}` : "";
  throw new RangeError(`${paths.join(" or ")}: no such file${place}, with or without .gz; ${remedy}`);
}

async function gunzip(path: string, bytes: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([bytes as BlobPart]).stream().pipeThrough(new DecompressionStream("gzip"));
  const chunks: Uint8Array[] = [];
  let length = 0;
  // The size is checked while the stream runs, so that a small file cannot unfold into all of memory.
  const reader = (stream as ReadableStream<Uint8Array>).getReader();
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      throw new RangeError(`${path}: not a whole gzip file; get it again`);
    });
    if (done) break;
    length += value.length;
    checkSize(path, length);
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

function checkSize(path: string, length: number): void {
  if (length > MAX_BYTES) {
    throw new RangeError(`${path}: expected at most ${MAX_BYTES} bytes of text, got ${length} or more; is this the right file?`);
  }
}
