/**
 * @module
 * Two sums over bytes: CRC-32 tells a damaged frame from a whole one, SHA-256 names a content.
 */

/**
 * CRC-32 (IEEE 802.3, reflected, as in zip and PNG) by slicing: row r of the table is the sum of one
 * byte followed by r zeros, so that eight bytes are one step and not eight (Kounavis & Berry 2005).
 */
const SLICES = 8;
const TABLE = new Int32Array(256 * SLICES);
for (let byte = 0; byte < 256; byte++) {
  let sum = byte;
  for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? 0xedb88320 ^ (sum >>> 1) : sum >>> 1;
  TABLE[byte] = sum;
}
for (let at = 256; at < TABLE.length; at++) TABLE[at] = TABLE[TABLE[at - 256] & 0xff] ^ (TABLE[at - 256] >>> 8);

export function crc32(bytes: Uint8Array): number {
  const { length } = bytes;
  let sum = -1;
  let at = 0;
  for (; at + SLICES <= length; at += SLICES) {
    sum ^= bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
    sum = TABLE[1792 + (sum & 0xff)] ^ TABLE[1536 + ((sum >>> 8) & 0xff)] ^ TABLE[1280 + ((sum >>> 16) & 0xff)] ^ TABLE[1024 + (sum >>> 24)]
      ^ TABLE[768 + bytes[at + 4]] ^ TABLE[512 + bytes[at + 5]] ^ TABLE[256 + bytes[at + 6]] ^ TABLE[bytes[at + 7]];
  }
  for (; at < length; at++) sum = TABLE[(sum ^ bytes[at]) & 0xff] ^ (sum >>> 8);
  return ~sum >>> 0;
}

/** SHA-256 as 64 hexadecimal digits. */
export async function sha256(content: ArrayBufferView): Promise<string> {
  // WebCrypto refuses views of shared memory, which the parameters of a network with a partner are.
  const plain = content.buffer instanceof ArrayBuffer;
  const bytes = new Uint8Array(content.buffer, content.byteOffset, content.byteLength);
  const digest = await crypto.subtle.digest("SHA-256", (plain ? bytes : bytes.slice()) as Uint8Array<ArrayBuffer>);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A JSON value as text with no space, its keys sorted: one text for one value. */
export function canonicalJson(value: unknown): string {
  const sorted = (_: string, part: unknown) =>
    part !== null && typeof part === "object" && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part;
  return JSON.stringify(value, sorted);
}

/** SHA-256 of a JSON value, whatever the order of its keys: what client and orchestrator compare to know that they mean the same model. */
export function fingerprintOf(value: unknown): Promise<string> {
  return sha256(new TextEncoder().encode(canonicalJson(value)));
}
