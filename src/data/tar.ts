/**
 * @module
 * Archives of the tar family: the regular files of a ustar, GNU or pax archive (IEEE Std 1003.1, pax).
 * A file is a header of 512 bytes, whose numbers are octal text, and its bytes, padded to 512. Long
 * names stand in a block before: GNU's of type L, or pax records of type x.
 */

export interface TarFile {
  readonly path: string;
  /** A view into the archive, not a copy. */
  readonly bytes: Uint8Array;
}

const BLOCK = 512;
const REMEDY = "the archive is damaged or cut short, get it again";

/** Regular files in the order of the archive. @throws RangeError naming archive and byte */
export function readTar(archive: Uint8Array, path: string): TarFile[] {
  const files: TarFile[] = [];
  let longName: string | undefined;
  for (let at = 0; at < archive.length; ) {
    const place = `${path}: byte ${at}`;
    if (archive.length - at < BLOCK) throw new RangeError(`${place}: expected a header of ${BLOCK} bytes, got ${archive.length - at}; ${REMEDY}`);
    const header = archive.subarray(at, at + BLOCK);
    if (header.every((byte) => byte === 0)) break; // the end; what follows is padding
    checkHeader(header, place);
    const length = octal(header, 124, 12, "size", place);
    const from = at + BLOCK;
    if (length > archive.length - from) throw new RangeError(`${place}: expected a file of ${length} bytes, got ${archive.length - from} to the end; ${REMEDY}`);
    const bytes = archive.subarray(from, from + length);
    const type = String.fromCharCode(header[156]);
    if (type === "L") longName = text(bytes);
    else if (type === "x") longName = paxPath(text(bytes)) ?? longName;
    else {
      // Folders, links and devices hold no data; "\0" is a file of the archives before ustar.
      if (type === "0" || type === "\0") files.push({ path: longName ?? name(header), bytes });
      longName = undefined;
    }
    at = from + Math.ceil(length / BLOCK) * BLOCK;
  }
  return files;
}

/** The sum of a header's bytes, its own field counted as blanks. */
function checkHeader(header: Uint8Array, place: string): void {
  const stated = octal(header, 148, 8, "checksum", place);
  const sum = header.reduce((sum, byte, at) => sum + (at >= 148 && at < 156 ? 32 : byte), 0);
  if (sum !== stated) throw new RangeError(`${place}: checksum expected ${stated}, got ${sum}; is this a tar archive?`);
}

function octal(header: Uint8Array, from: number, length: number, what: string, place: string): number {
  const digits = text(header.subarray(from, from + length)).trim();
  if (!/^[0-7]+$/.test(digits)) throw new RangeError(`${place}: ${what} expected octal digits, got ${JSON.stringify(digits)}; is this a tar archive?`);
  return parseInt(digits, 8);
}

function name(header: Uint8Array): string {
  const prefix = text(header.subarray(257, 262)) === "ustar" ? text(header.subarray(345, 500)) : "";
  const own = text(header.subarray(0, 100));
  return prefix ? `${prefix}/${own}` : own;
}

/** Records are "length key=value\n". */
const paxPath = (records: string): string | undefined => /(?:^|\n)\d+ path=([^\n]*)/.exec(records)?.[1];

/** To the first zero. */
function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}
