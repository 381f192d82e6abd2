/**
 * @module
 * Ed25519 keys (RFC 8032) by WebCrypto, and their texts: PEM with PKCS #8 for the private key, with
 * SubjectPublicKeyInfo for the public one (RFC 8410), as openssl writes them; base64url of the 32 bytes in a roster.
 */

/** Speaks for an id: what it signs, only the holder of the id's key can have signed. */
export interface Signer {
  readonly id: string;
  /** The signature, 64 bytes. */
  sign(bytes: Uint8Array): Promise<Uint8Array>;
}

/** Whether the signature over the bytes was made with the private key that belongs to a public one (base64url of 32 bytes). Never rejects. */
export type Verify = (key: string, signature: Uint8Array, bytes: Uint8Array) => Promise<boolean>;

export const KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;

export interface KeyPair {
  readonly privatePem: string;
  readonly publicPem: string;
}

/** A new pair of keys. */
export async function generateKeys(): Promise<KeyPair> {
  const { privateKey } = (await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"])) as CryptoKeyPair;
  const privatePem = toPem("PRIVATE KEY", new Uint8Array(await crypto.subtle.exportKey("pkcs8", privateKey)));
  return { privatePem, publicPem: publicPemOf(await publicKeyOfPrivate(privatePem)) };
}

/**
 * Who signs with a private key.
 * @throws RangeError when the text is no private Ed25519 key.
 */
export async function signerOf(id: string, privatePem: string): Promise<Signer> {
  const key = await importPrivate(privatePem, false);
  return { id, sign: async (bytes) => new Uint8Array(await crypto.subtle.sign("Ed25519", key, bytes as Uint8Array<ArrayBuffer>)) };
}

/**
 * The public key that belongs to a private one, base64url.
 * @throws RangeError when the text is no private Ed25519 key.
 */
export async function publicKeyOfPrivate(privatePem: string): Promise<string> {
  const { x } = await crypto.subtle.exportKey("jwk", await importPrivate(privatePem, true));
  return x!;
}

/** DER before the 32 bytes of a public key: a sequence of the algorithm 1.3.101.112 and a bit string (RFC 8410, section 4). */
const SPKI = Uint8Array.of(0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00);

/**
 * A public key from its PEM, base64url.
 * @throws RangeError when the text is no public Ed25519 key.
 */
export function publicKeyOf(publicPem: string): string {
  const bytes = fromPem("PUBLIC KEY", publicPem);
  if (bytes.length !== SPKI.length + KEY_BYTES || SPKI.some((byte, at) => bytes[at] !== byte)) {
    throw new RangeError("public key expected Ed25519, got another kind; make one with: millwright roster key FILE");
  }
  return toBase64url(bytes.subarray(SPKI.length));
}

export function publicPemOf(key: string): string {
  const bytes = fromBase64url(key);
  if (bytes?.length !== KEY_BYTES) throw new RangeError(`public key expected base64url of ${KEY_BYTES} bytes, got ${JSON.stringify(key)}`);
  return toPem("PUBLIC KEY", Uint8Array.of(...SPKI, ...bytes));
}

/** Imported keys by their text: importing takes a fifth of a verification's time. */
const imported = new Map<string, Promise<CryptoKey>>();
const MAX_IMPORTED = 4096;

/** By WebCrypto. */
export const verify: Verify = async (key, signature, bytes) => {
  try {
    if (signature.length !== SIGNATURE_BYTES) return false;
    return await crypto.subtle.verify("Ed25519", await importPublic(key), signature as Uint8Array<ArrayBuffer>, bytes as Uint8Array<ArrayBuffer>);
  } catch {
    return false; // a text that is no key
  }
};

function importPublic(key: string): Promise<CryptoKey> {
  const known = imported.get(key);
  if (known) return known;
  const bytes = fromBase64url(key);
  if (bytes?.length !== KEY_BYTES) throw new RangeError("no key");
  if (imported.size >= MAX_IMPORTED) imported.clear();
  const fresh = crypto.subtle.importKey("raw", bytes, "Ed25519", false, ["verify"]);
  imported.set(key, fresh);
  return fresh;
}

async function importPrivate(pem: string, extractable: boolean): Promise<CryptoKey> {
  const bytes = fromPem("PRIVATE KEY", pem);
  try {
    return await crypto.subtle.importKey("pkcs8", bytes, "Ed25519", extractable, ["sign"]);
  } catch (cause) {
    throw new RangeError("private key expected Ed25519 as PKCS #8, got another kind; make one with: millwright roster key FILE", { cause });
  }
}

function toPem(label: string, bytes: Uint8Array): string {
  const lines = btoa(String.fromCharCode(...bytes)).match(/.{1,64}/g)!;
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

/** Longer than any key of ours; a file given by mistake is not searched through. */
const MAX_PEM_LENGTH = 4096;

function fromPem(label: string, text: string): Uint8Array<ArrayBuffer> {
  const found = text.length <= MAX_PEM_LENGTH ? text.match(new RegExp(`^\\s*-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]+)-----END ${label}-----\\s*$`)) : null;
  const bytes = found && fromBase64(found[1].replace(/\s/g, ""));
  if (!bytes) throw new RangeError(`key expected a PEM text that begins with "-----BEGIN ${label}-----"`);
  return bytes;
}

export function toBase64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Undefined for what is not base64url. */
export function fromBase64url(text: string): Uint8Array<ArrayBuffer> | undefined {
  return /^[A-Za-z0-9_-]*$/.test(text) ? fromBase64(text.replaceAll("-", "+").replaceAll("_", "/")) : undefined;
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}
