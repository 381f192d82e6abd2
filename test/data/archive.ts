/** Writes the archives and files that tests read. */

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
  return join([...blocks, new Uint8Array(1024)]);
}

/** A .mat file of version 5, little-endian, of columns of doubles. */
export function mat(variables: Readonly<Record<string, ArrayLike<number>>>): Uint8Array {
  const words = (...numbers: number[]) => [...new Uint8Array(Int32Array.from(numbers).buffer)];
  const header = new Uint8Array(128).fill(32);
  header.set([0, 1, 0x49, 0x4d], 124);
  const elements = Object.entries(variables).map(([name, values]) => {
    const title = new Uint8Array(Math.ceil(name.length / 8) * 8);
    title.set(new TextEncoder().encode(name));
    const data = new Uint8Array(Float64Array.from(values).buffer);
    const front = Uint8Array.from([...words(6, 8, 6, 0, 5, 8, values.length, 1, 1, name.length), ...title, ...words(9, data.length)]);
    return [Uint8Array.from(words(14, front.length + data.length)), front, data];
  });
  return join([header, ...elements.flat()]);
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}
