import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fromBase64url, generateKeys, publicKeyOf, publicKeyOfPrivate, publicPemOf, signerOf, toBase64url, verify } from "../../src/federation/identity.ts";

const bytesOf = (hex: string) => new Uint8Array(Buffer.from(hex, "hex"));
const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
/** A private key from the 32 bytes of RFC 8032, as PKCS #8. */
const pemOf = (secret: string) => `-----BEGIN PRIVATE KEY-----\n${Buffer.from(`302e020100300506032b657004220420${secret}`, "hex").toString("base64")}\n-----END PRIVATE KEY-----\n`;

/** RFC 8032, section 7.1. */
const VECTORS = [
  {
    secret: "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    key: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    message: "",
    signature: "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
  },
  {
    secret: "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    key: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    message: "72",
    signature: "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
  },
  {
    secret: "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
    key: "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
    message: "af82",
    signature: "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
  },
  {
    secret: "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
    key: "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
    message: "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    signature: "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
  },
];

describe("signatures", () => {
  test.each(VECTORS)("are those of RFC 8032, message $message", async ({ secret, key, message, signature }) => {
    const signer = await signerOf("a", pemOf(secret));
    expect(hexOf(await signer.sign(bytesOf(message)))).toBe(signature);
    expect(await publicKeyOfPrivate(pemOf(secret))).toBe(toBase64url(bytesOf(key)));
    expect(await verify(toBase64url(bytesOf(key)), bytesOf(signature), bytesOf(message))).toBe(true);
  });

  test("of a flipped bit anywhere, of another length, message or key do not count, and nothing throws", async () => {
    const { key, message, signature } = { ...VECTORS[1], key: toBase64url(bytesOf(VECTORS[1].key)) };
    for (let at = 0; at < 64; at++) {
      const flipped = bytesOf(signature);
      flipped[at] ^= 1 << at % 8;
      expect(await verify(key, flipped, bytesOf(message))).toBe(false);
    }
    for (const length of [0, 1, 63]) expect(await verify(key, bytesOf(signature).slice(0, length), bytesOf(message))).toBe(false);
    expect(await verify(key, new Uint8Array([...bytesOf(signature), 0]), bytesOf(message))).toBe(false);
    expect(await verify(key, bytesOf(signature), bytesOf("73"))).toBe(false);
    expect(await verify(toBase64url(bytesOf(VECTORS[0].key)), bytesOf(signature), bytesOf(message))).toBe(false);
    for (const wrong of ["", "no key", "A", key.slice(1), `${key}A`, "Ä"]) expect(await verify(wrong, bytesOf(signature), bytesOf(message))).toBe(false);
  });

  test("whose second half is not below the order of the group do not count: a signature has one form", async () => {
    const order = 2n ** 252n + 27742317777372353535851937790883648493n;
    const { key, message, signature } = VECTORS[1];
    const bytes = bytesOf(signature);
    let s = [...bytes.slice(32)].reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n) + order;
    for (let at = 32; at < 64; at++, s >>= 8n) bytes[at] = Number(s & 255n);
    expect(await verify(toBase64url(bytesOf(key)), bytes, bytesOf(message))).toBe(false);
  });
});

describe("keys", () => {
  test("go to PEM and back", async () => {
    const { privatePem, publicPem } = await generateKeys();
    expect(privatePem).toMatch(/^-----BEGIN PRIVATE KEY-----\n[A-Za-z0-9+/]{64}\n-----END PRIVATE KEY-----\n$/);
    const key = publicKeyOf(publicPem);
    expect(fromBase64url(key)).toHaveLength(32);
    expect(publicPemOf(key)).toBe(publicPem);
    expect(await publicKeyOfPrivate(privatePem)).toBe(key);
    const text = new TextEncoder().encode("text");
    expect(await verify(key, await (await signerOf("a", privatePem)).sign(text), text)).toBe(true);
    expect((await generateKeys()).privatePem).not.toBe(privatePem);
  });

  test("are refused by what is wrong with them", async () => {
    const { privatePem, publicPem } = await generateKeys();
    const x25519 = publicPem.replace("MCowBQYDK2VwAyEA", "MCowBQYDK2VuAyEA");
    for (const wrong of [privatePem, "", "x".repeat(5000), publicPem.replace("BEGIN", "BEGUN"), publicPem.slice(0, 60), `${publicPem}${publicPem}`]) {
      expect(() => publicKeyOf(wrong)).toThrow(RangeError);
    }
    expect(() => publicKeyOf(x25519)).toThrow(/public key expected Ed25519, got another kind/);
    await expect(signerOf("a", publicPem)).rejects.toThrow(/begins with "-----BEGIN PRIVATE KEY-----"/);
    await expect(signerOf("a", privatePem.replace("MC4CAQAwBQYDK2Vw", "MC4CAQAwBQYDK2Vu"))).rejects.toThrow(/private key expected Ed25519 as PKCS #8/);
    expect(() => publicPemOf("AAAA")).toThrow(RangeError);
  });

  test.skipIf(spawnSync("openssl", ["version"]).status !== 0)("are openssl's, in both directions", async () => {
    const folder = mkdtempSync(join(tmpdir(), "millwright-"));
    try {
      const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: folder, stdio: ["ignore", "pipe", "ignore"] });
      openssl("genpkey", "-algorithm", "ed25519", "-out", "theirs.key");
      openssl("pkey", "-in", "theirs.key", "-pubout", "-out", "theirs.pub");
      const [theirs, theirPublic] = ["theirs.key", "theirs.pub"].map((name) => readFileSync(join(folder, name), "utf8"));
      expect(publicPemOf(await publicKeyOfPrivate(theirs))).toBe(theirPublic);

      const ours = await generateKeys();
      writeFileSync(join(folder, "ours.key"), ours.privatePem);
      expect(openssl("pkey", "-in", "ours.key", "-pubout").toString()).toBe(ours.publicPem);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
