import { execFileSync, spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request, type Agent, type RequestOptions } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkFingerprint256, fingerprintOfCertificate, pinnedAgent, readCertificate, selfSigned } from "../../src/node/tls.ts";

const notBefore = new Date(Math.floor(Date.now() / 1000) * 1000 - 3_600_000);
const certificate = selfSigned({ hosts: ["localhost", "127.0.0.1", "::1", "*.plant.example"], notBefore, days: 30 });
const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "millwright-"))));
afterAll(() => rmSync(folder, { recursive: true }));

function keep(name: string, content: string): string {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

describe("a self-signed certificate", () => {
  test("says for whom, from when and until when", () => {
    const x509 = new X509Certificate(certificate.cert);
    expect(x509.subject).toBe("CN=localhost");
    expect(x509.issuer).toBe("CN=localhost");
    expect(x509.subjectAltName).toBe("DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, DNS:*.plant.example");
    expect(new Date(x509.validFrom)).toEqual(notBefore);
    expect(new Date(x509.validTo)).toEqual(new Date(notBefore.getTime() + 30 * 86_400_000));
    expect(x509.ca).toBe(false);
    expect(x509.verify(x509.publicKey)).toBe(true);
    expect(x509.checkHost("mill.plant.example")).toBe("*.plant.example");
    expect(x509.checkHost("mill.elsewhere.example")).toBeUndefined();
    expect(x509.checkIP("127.0.0.1")).toBe("127.0.0.1");
    expect(BigInt(`0x${x509.serialNumber}`)).toBeGreaterThan(2n ** 120n);
  });

  test("of many hosts, addresses of every form, and years beyond 2049, is read back", () => {
    const hosts = Array.from({ length: 200 }, (_, n) => `host-${n}.example`);
    const x509 = new X509Certificate(selfSigned({ hosts: [...hosts, "fe80::1:2", "2001:db8::", "::ffff:10.1.2.3", "1:2:3:4:5:6:7:8"], notBefore: new Date("2049-12-01T00:00:00Z"), days: 60 }).cert);
    expect(x509.subjectAltName).toBe([...hosts.map((host) => `DNS:${host}`), ...["FE80:0:0:0:0:0:1:2", "2001:DB8:0:0:0:0:0:0", "0:0:0:0:0:FFFF:A01:203", "1:2:3:4:5:6:7:8"].map((address) => `IP Address:${address}`)].join(", "));
    expect([x509.validFrom, x509.validTo]).toEqual(["Dec  1 00:00:00 2049 GMT", "Jan 30 00:00:00 2050 GMT"]);
  });

  test("is refused for what could not stand in it", () => {
    for (const host of ["", "a b", "-a", "a..b", "x".repeat(64), "a,DNS:b", "ä.example"]) expect(() => selfSigned({ hosts: [host], notBefore, days: 1 }), host).toThrow(RangeError);
    for (const days of [0, 1.5, NaN, 4000]) expect(() => selfSigned({ hosts: ["a"], notBefore, days })).toThrow(/"days" expected integer from 1 to 3650/);
    expect(() => selfSigned({ hosts: [], notBefore, days: 1 })).toThrow(RangeError);
    expect(() => selfSigned({ hosts: Array.from({ length: 9000 }, (_, n) => `h${n}.example`), notBefore, days: 1 })).toThrow(/give fewer hosts/);
  });

  test.skipIf(!hasOpenssl)("is a certificate to openssl", () => {
    const file = keep("own.pem", certificate.cert);
    const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: ["ignore", "pipe", "pipe"] }).toString();
    expect(openssl("verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "localhost", "-partial_chain", "-trusted", file, file)).toMatch(/: OK$/m);
    expect(openssl("x509", "-in", file, "-noout", "-fingerprint", "-sha256").trim()).toBe(`sha256 Fingerprint=${fingerprintOfCertificate(certificate.cert)}`);
    expect(openssl("x509", "-in", file, "-noout", "-text")).toMatch(/Version: 3[^]*ecdsa-with-SHA256[^]*prime256v1[^]*CA:FALSE[^]*TLS Web Server Authentication[^]*Subject Key Identifier/);
    expect(openssl("asn1parse", "-in", file, "-i")).not.toMatch(/Error/i);
  });
});

describe("over a connection", () => {
  const server = createServer(certificate, (incoming, response) => response.end(`${incoming.method} ${incoming.headers.secret ?? ""}`));
  const seen: string[] = [];
  server.on("request", (incoming) => seen.push(String(incoming.headers.secret)));
  beforeAll(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)));
  afterAll(() => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  }));

  const ask = (options: RequestOptions) => new Promise<string>((resolve, reject) => {
    const { port } = server.address() as AddressInfo;
    const outgoing = request({ host: "127.0.0.1", port, headers: { secret: "letter" }, ...options }, (response) => {
      let body = "";
      response.on("data", (chunk) => (body += chunk)).on("end", () => resolve(body));
    });
    outgoing.on("error", reject).end();
  });
  const withAgent = async (agent: Agent, options: RequestOptions = {}) => ask({ agent, ...options });

  test("it is believed as an authority of its own", async () => {
    expect(await ask({ ca: certificate.cert })).toBe("GET letter");
    await expect(ask({})).rejects.toThrow(/self-signed certificate/);
  });

  test("it is believed by its fingerprint, with colons or without, on a connection that is kept", async () => {
    const fingerprint = fingerprintOfCertificate(certificate.cert);
    for (const text of [fingerprint, fingerprint.replaceAll(":", "").toLowerCase()]) {
      const agent = pinnedAgent(text);
      expect(await Promise.all([withAgent(agent), withAgent(agent)])).toEqual(["GET letter", "GET letter"]);
      expect(await withAgent(agent, { method: "PUT" })).toBe("PUT letter");
      agent.destroy();
    }
  });

  test("another fingerprint is refused before anything is sent", async () => {
    seen.length = 0;
    const agent = pinnedAgent("00".repeat(32));
    await expect(withAgent(agent)).rejects.toThrow(/the server's certificate has the fingerprint [0-9A-F:]{95}, expected 00:00:.*; it is another server, or has a new certificate/);
    expect(seen).toEqual([]);
    expect(() => pinnedAgent("00")).toThrow(/fingerprint expected 64 hexadecimal digits/);
    expect(() => checkFingerprint256("0g".repeat(32))).toThrow(RangeError);
    agent.destroy();
  });

  test("a server that is not there is an error of its own", async () => {
    const agent = pinnedAgent("00".repeat(32));
    await expect(withAgent(agent, { port: 1 })).rejects.toThrow(/ECONNREFUSED/);
    agent.destroy();
  });
});

describe("files", () => {
  test("are taken as they are, when one is of the other", () => {
    const [cert, key] = [keep("a.pem", certificate.cert), keep("a.key", certificate.key)];
    expect(readCertificate(cert, key)).toEqual(certificate);
    const other = keep("b.key", selfSigned({ hosts: ["b"], notBefore, days: 1 }).key);
    expect(() => readCertificate(cert, other)).toThrow(/b\.key: expected the key of .*a\.pem, got another one/);
    expect(() => readCertificate(key, key)).toThrow(/a\.key: expected a certificate as PEM/);
    expect(() => readCertificate(cert, cert)).toThrow(/a\.pem: expected a private key without passphrase as PEM/);
    expect(() => readCertificate(join(folder, "none"), key)).toThrow(/ENOENT/);
  });
});
