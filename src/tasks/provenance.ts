/**
 * @module
 * Which data a study was made of: a source that remembers what it was asked for, and one hash of it all. A
 * study that is resumed has to be of the same bytes, or its tables would mix two data sets.
 */
import type { Source } from "../data/source.ts";
import { fingerprintOf, sha256 } from "../federation/checksum.ts";

export interface Provenance {
  readonly files: number;
  /** SHA-256 over the path and the SHA-256 of the bytes of every file, by path. */
  readonly sha256: string;
}

export interface Witnessed {
  /** The same files, each remembered. */
  readonly source: Source;
  /** Of the files that were found so far, as stored: a file that is compressed on disk is hashed so. */
  provenance(): Promise<Provenance>;
}

export function witness(source: Source): Witnessed {
  const hashes = new Map<string, string>();
  const read: Source = async (path) => {
    const bytes = await source(path);
    if (bytes) hashes.set(path, await sha256(bytes));
    return bytes;
  };
  return {
    source: Object.assign(read, { place: source.place }),
    provenance: async () => ({ files: hashes.size, sha256: await fingerprintOf([...hashes].sort(([a], [b]) => (a < b ? -1 : 1))) }),
  };
}
