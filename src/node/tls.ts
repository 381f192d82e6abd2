/**
 * @module
 * Certificates for a server: files as they are, or a self-signed one to begin with, which clients pin by its
 * fingerprint. It is an X.509 version 3 certificate (RFC 5280) over ECDSA P-256, written here in DER, since it is
 * twelve fields and the libraries for it bring twenty packages; keys and signature are node:crypto's.
 */
import { createHash, createPrivateKey, generateKeyPairSync, randomBytes, sign, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { Agent } from "node:https";
import { isIP, isIPv6 } from "node:net";
import { connect, type ConnectionOptions } from "node:tls";

/** As node:https and node:tls take them. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/**
 * A certificate (the server's first, then those between it and the root) and its key, both PEM.
 * @throws RangeError when one is not of the other, or is none.
 */
export function readCertificate(certFile: string, keyFile: string): Certificate {
  const [cert, key] = [certFile, keyFile].map((file) => readFileSync(file, "utf8"));
  const certificate = attempt(certFile, "a certificate", () => new X509Certificate(cert));
  const privateKey = attempt(keyFile, "a private key without passphrase", () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey)) throw new RangeError(`${keyFile}: expected the key of ${certFile}, got another one`);
  return { cert, key };
}

function attempt<T>(file: string, expected: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new RangeError(`${file}: expected ${expected} as PEM; ${(cause as Error).message}`, { cause });
  }
}

/** SHA-256 of a certificate as openssl prints it: 32 bytes in capital hexadecimal digits with colons. */
export function fingerprintOfCertificate(cert: string): string {
  return new X509Certificate(cert).fingerprint256;
}

/** @throws RangeError when the text is no SHA-256, with colons or without. */
export function checkFingerprint256(text: string): string {
  const digits = text.replaceAll(":", "").toUpperCase();
  if (!/^[0-9A-F]{64}$/.test(digits)) throw new RangeError(`fingerprint expected 64 hexadecimal digits, got ${JSON.stringify(text)}; openssl x509 -fingerprint -sha256 prints it`);
  return digits.match(/../g)!.join(":");
}

/**
 * An agent for requests to a server with exactly this certificate. That it belongs to the server follows from the
 * fingerprint alone, so neither names, dates nor authorities are looked at; nothing is sent before it was compared.
 */
export function pinnedAgent(fingerprint: string): Agent {
  const expected = checkFingerprint256(fingerprint);
  const agent = new Agent({ keepAlive: true });
  agent.createConnection = (options, callback) => {
    const socket = connect({ ...(options as ConnectionOptions), rejectUnauthorized: false }); // the handshake still proves the key
    const fail = (error: Error) => callback!(error, socket);
    socket.once("error", fail);
    socket.once("secureConnect", () => {
      socket.off("error", fail);
      const { fingerprint256 } = socket.getPeerCertificate();
      if (fingerprint256 === expected) return callback!(null, socket);
      socket.destroy();
      fail(new Error(`the server's certificate has the fingerprint ${fingerprint256}, expected ${expected}; it is another server, or has a new certificate`));
    });
    return undefined;
  };
  return agent;
}

export interface SelfSignedOptions {
  /** Names and addresses that the server is reached by; the first is also its subject. */
  readonly hosts: readonly string[];
  readonly notBefore: Date;
  readonly days: number;
}

/** @throws RangeError for hosts or days that could not stand in a certificate. */
export function selfSigned({ hosts, notBefore, days }: SelfSignedOptions): Certificate {
  if (hosts.length === 0) throw new RangeError(`"hosts" expected at least one name or address`);
  if (!Number.isInteger(days) || days < 1 || days > 3650) throw new RangeError(`"days" expected integer from 1 to 3650, got ${days}`);
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const spki = publicKey.export({ type: "spki", format: "der" });
  const name = sequence(tlv(0x31, sequence(COMMON_NAME, tlv(0x0c, Buffer.from(checkHost(hosts[0]).slice(0, 64))))));
  const serial = Buffer.concat([Buffer.of(0x40 | (randomBytes(1)[0] & 0x3f)), randomBytes(15)]); // positive, without leading zero
  const body = sequence(
    tlv(0xa0, tlv(0x02, Buffer.of(2))), // version 3
    tlv(0x02, serial),
    ECDSA_SHA256,
    name,
    sequence(timeOf(notBefore), timeOf(new Date(notBefore.getTime() + days * 86_400_000))),
    name,
    spki,
    tlv(0xa3, sequence(
      extension([0x55, 0x1d, 0x13], true, sequence()), // basic constraints: no authority
      extension([0x55, 0x1d, 0x25], false, sequence(SERVER_AUTH)),
      extension([0x55, 0x1d, 0x11], false, sequence(...hosts.map(generalName))),
      extension([0x55, 0x1d, 0x0e], false, tlv(0x04, createHash("sha1").update(spki.subarray(-POINT_BYTES)).digest())), // subject key, RFC 5280 4.2.1.2 (1)
    )),
  );
  const der = sequence(body, ECDSA_SHA256, tlv(0x03, Buffer.concat([Buffer.of(0), sign("sha256", body, privateKey)])));
  const lines = der.toString("base64").match(/.{1,64}/g)!;
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
  };
}

/** Tag, length, value (X.690). */
function tlv(tag: number, value: Uint8Array): Buffer {
  const { length } = value;
  const prefix = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  if (length > 65_535) throw new RangeError(`certificate: expected at most 65535 bytes in a field, got ${length}; give fewer hosts`);
  return Buffer.concat([Buffer.of(tag, ...prefix), value]);
}

const sequence = (...parts: readonly Uint8Array[]): Buffer => tlv(0x30, Buffer.concat(parts));

/** Of a public key on P-256, at the end of its DER. */
const POINT_BYTES = 65;
const COMMON_NAME = tlv(0x06, Buffer.of(0x55, 0x04, 0x03));
const SERVER_AUTH = tlv(0x06, Buffer.of(0x2b, 6, 1, 5, 5, 7, 3, 1));
const ECDSA_SHA256 = sequence(tlv(0x06, Buffer.of(0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2)));

const extension = (id: readonly number[], critical: boolean, value: Uint8Array): Buffer =>
  sequence(tlv(0x06, Buffer.from(id)), ...(critical ? [tlv(0x01, Buffer.of(0xff))] : []), tlv(0x04, value));

/** Two digits for the year until 2049, four from 2050 on (RFC 5280, section 4.1.2.5). */
function timeOf(date: Date): Buffer {
  const digits = `${date.toISOString().replace(/\.\d+|[-:T]/g, "")}`;
  return date.getUTCFullYear() < 2050 ? tlv(0x17, Buffer.from(digits.slice(2))) : tlv(0x18, Buffer.from(digits));
}

function generalName(host: string): Buffer {
  if (!isIP(checkHost(host))) return tlv(0x82, Buffer.from(host));
  return tlv(0x87, isIPv6(host) ? bytesOfIPv6(host) : Buffer.from(host.split(".").map(Number)));
}

function checkHost(host: string): string {
  if (isIP(host) || (host.length <= 253 && /^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i.test(host))) return host;
  throw new RangeError(`host expected a name or an address, got ${JSON.stringify(host)}`);
}

function bytesOfIPv6(address: string): Buffer {
  const { hostname } = new URL(`http://[${address.replace(/%.*/, "")}]`); // the URL parser writes the last 32 bits in hexadecimal digits too
  const [head, tail] = hostname.slice(1, -1).split("::").map((half) => half.split(":").filter(Boolean));
  const words = tail ? [...head, ...Array<string>(8 - head.length - tail.length).fill("0"), ...tail] : head;
  return Buffer.from(words.flatMap((word) => [parseInt(word, 16) >> 8, parseInt(word, 16) & 255]));
}
