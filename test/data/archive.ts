/** Writes the archives that tests read. */

interface Entry {
  path: string;
  bytes: Uint8Array;
  /** "0", a regular file, by default. */
  type?: string;
  prefix?: string;
}

/** A ustar archive, with the two empty blocks at its end. */
export function tar(entries: readonly Entry[]): Uint8Array {
  const blocks = entries.flatMap(({ path, bytes, type = "0", prefix = "" }) => {
    const header = new Uint8Array(512);
    const put = (text: string, at: number) => header.set(new TextEncoder().encode(text), at);
    put(path, 0);
    put(bytes.length.toString(8).padStart(11, "0"), 124);
    put(" ".repeat(8), 148);
    put(type, 156);
    put("ustar\0", 257);
    put(prefix, 345);
    put(`${header.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, "0")}\0`, 148);
    const data = new Uint8Array(Math.ceil(bytes.length / 512) * 512);
    data.set(bytes);
    return [header, data];
  });
  const parts = [...blocks, new Uint8Array(1024)];
  const archive = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (archive.set(part, at), at + part.length), 0);
  return archive;
}
