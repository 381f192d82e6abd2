/**
 * @module
 * `millwright certificate HOST…`: a self-signed certificate to begin with, and the fingerprint that clients pin.
 */
import { existsSync } from "node:fs";
import { join, resolve as resolvePath } from "node:path";
import { fingerprintOfCertificate, selfSigned } from "../node/tls.ts";
import { KeyFiles, syncFolder } from "./keyfile.ts";
import type { Io } from "./program.ts";

export interface CertificateOptions {
  readonly days: number;
  readonly out: string;
}

export async function makeCertificate(hosts: readonly string[], { days, out }: CertificateOptions, io: Io): Promise<number> {
  const folder = resolvePath(io.directory, out);
  if (!existsSync(folder)) throw new RangeError(`${out}: no such folder; make it first`);
  // An hour for clocks that are late; clients that pin look at no clock.
  const { cert, key } = selfSigned({ hosts, days, notBefore: new Date(Date.now() - 3_600_000) });
  const keep = new KeyFiles();
  await keep.undoing(async () => {
    keep.write(join(folder, "tls.key"), key);
    keep.write(join(folder, "tls.pem"), cert, 0o644);
    syncFolder(folder);
  });
  io.stdout(`${join(out, "tls.pem")}, ${join(out, "tls.key")}: ${hosts.join(", ")}, for ${days} days\n`);
  io.stdout(`for clients: --tls-fingerprint ${fingerprintOfCertificate(cert)}\n`);
  return 0;
}
