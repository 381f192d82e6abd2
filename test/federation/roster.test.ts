import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { sha256 } from "../../src/federation/checksum.ts";
import { generateKeys, publicKeyOf, signerOf, verify } from "../../src/federation/identity.ts";
import { decodeRoster, encodeRoster, newerOf, rosterText, signRoster, standingOf, type Member, type RosterContent } from "../../src/federation/roster.ts";
import * as fake from "../simulation/keys.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (value: string) => new TextEncoder().encode(value);
const checks = { verify: fake.verify, digest: fake.digest };
const member = (id: string, more: Partial<Member> = {}): Member => ({ id, key: fake.keyOf(id), role: "client", organisation: "Ore & Söhne", ...more });
const content = (members: readonly Member[], more: Partial<RosterContent> = {}): RosterContent => ({ format: "millwright roster 1", version: 1, root: fake.keyOf("root"), members, ...more });
const root = fake.signerOf("root");
const sign = (roster: RosterContent) => signRoster(roster, root.sign, fake.digest);
const members = [member("a"), member("b", { notBefore: "2026-01-01T00:00:00Z", notAfter: "2027-01-01T00:00:00Z" }), member("c", { revoked: true })];

describe("a roster", () => {
  test("is the text that docs/identity.md says, byte for byte", async () => {
    const roster = await sign(content([member("a", { key: "A".repeat(43), notAfter: "2027-01-01T00:00:00Z" })], { root: "B".repeat(42) + "A" }));
    const json = `{"format":"millwright roster 1","members":[{"id":"a","key":"${"A".repeat(43)}","notAfter":"2027-01-01T00:00:00Z","organisation":"Ore & Söhne","role":"client"}],"root":"${"B".repeat(42)}A","version":1}`;
    expect(text(rosterText(roster))).toBe(`millwright/roster/1\0${json}`);
    expect(roster.hash).toBe(await sha256(bytes(json)));
    expect(text(encodeRoster(roster))).toBe(`{"roster":${json},"signature":"${roster.signature}"}`);
  });

  test("comes back from its bytes, however they are laid out", async () => {
    const roster = await sign(content(members));
    const back = await decodeRoster(encodeRoster(roster), checks);
    expect({ ...back, find: 0 }).toEqual({ ...roster, find: 0 });
    const loose = JSON.stringify(JSON.parse(text(encodeRoster(roster))), null, 3);
    expect((await decodeRoster(bytes(loose), checks)).hash).toBe(roster.hash);
  });

  test("signed with a real key is believed by that key alone", async () => {
    const { privatePem, publicPem } = await generateKeys();
    const key = publicKeyOf(publicPem), other = publicKeyOf((await generateKeys()).publicPem);
    const roster = await signRoster(content(members, { root: key }), (await signerOf("root", privatePem)).sign, sha256);
    const encoded = encodeRoster(roster);
    expect((await decodeRoster(encoded, { root: key, verify, digest: sha256 })).version).toBe(1);
    await expect(decodeRoster(encoded, { root: other, verify, digest: sha256 })).rejects.toThrow(/another root key/);
    const claimed = bytes(text(encoded).replaceAll(key, other));
    await expect(decodeRoster(claimed, { root: other, verify, digest: sha256 })).rejects.toThrow(/signature does not match/);
  });

  test("is refused with any bit flipped and at every shorter length", async () => {
    const encoded = encodeRoster(await sign(content(members)));
    for (let at = 0; at < encoded.length; at++) {
      const flipped = encoded.slice();
      flipped[at] ^= 1 << at % 8;
      await expect(decodeRoster(flipped, checks), `byte ${at}`).rejects.toThrow(RangeError);
      await expect(decodeRoster(encoded.slice(0, at), checks), `length ${at}`).rejects.toThrow(RangeError);
    }
  });

  test("never crashes on JSON from outside", async () => {
    await fc.assert(fc.asyncProperty(fc.jsonValue(), async (value) => void await expect(decodeRoster(bytes(JSON.stringify(value)), checks)).rejects.toThrow(RangeError)));
    await expect(decodeRoster(new Uint8Array(2 ** 22 + 1), checks)).rejects.toThrow(/at most 4194304 bytes/);
  });

  test.each<[string, readonly Member[], RegExp]>([
    ["an id twice", [member("a"), member("a", { key: fake.keyOf("z") })], /sorted by id, each once; "a" follows "a"/],
    ["ids out of order", [member("b"), member("a")], /"a" follows "b"/],
    ["a key twice", [member("a"), member("b", { key: fake.keyOf("a") })], /"b" has the key of "a"/],
    ["the root key as a member's", [member("a", { key: fake.keyOf("root") })], /the key of the root/],
    ["an id that is a path", [member("../a")], /expected 1 to 64 of A-Z/],
    ["a key with loose bits", [member("a", { key: `${"A".repeat(42)}B` })], /base64url of 32 bytes/],
    ["a day that is none", [member("a", { notAfter: "2026-02-30T00:00:00Z" })], /expected a time such as/],
    ["a time without its zone", [member("a", { notAfter: "2026-02-03T00:00:00" })], /expected a time such as/],
    ["an unknown field", [{ ...member("a"), admin: true } as Member], /[Uu]nrecognized key/],
    ["revoked: false", [member("a", { revoked: false as true })], /revoked/],
    ["an unknown role", [member("a", { role: "king" as "client" })], /role/],
  ])("with %s is not signed", async (_, wrong, expected) => {
    await expect(sign(content(wrong))).rejects.toThrow(expected);
    await expect(sign(content(wrong))).rejects.toThrow(RangeError);
  });
});

test("an id may speak when it is in the roster, not revoked, and within its time", async () => {
  const roster = await sign(content(members));
  const at = (id: string, time: string) => standingOf(roster, id, Date.parse(time));
  expect(at("a", "1990-01-01T00:00:00Z")).toEqual({ member: members[0] });
  expect(at("d", "2026-06-01T00:00:00Z")).toEqual({ reason: "unknown" });
  expect(at("constructor", "2026-06-01T00:00:00Z")).toEqual({ reason: "unknown" });
  expect(at("c", "2026-06-01T00:00:00Z")).toEqual({ reason: "revoked" });
  expect(at("b", "2025-12-31T23:59:59Z")).toEqual({ reason: "early" });
  expect(at("b", "2026-01-01T00:00:00Z")).toEqual({ member: members[1] });
  expect(at("b", "2026-12-31T23:59:59Z")).toEqual({ member: members[1] });
  expect(at("b", "2027-01-01T00:00:00Z")).toEqual({ reason: "expired" });
});

test("a newer roster replaces an older one and never the other way round", async () => {
  const [one, two] = [await sign(content(members)), await sign(content(members, { version: 2 }))];
  const otherTwo = await sign(content(members.slice(1), { version: 2 }));
  expect(newerOf(one, two)).toBe(two);
  expect(newerOf(two, await sign(content(members, { version: 2 })))).toBe(two);
  expect(() => newerOf(two, one)).toThrow(/version 1 is older than version 2/);
  expect(() => newerOf(two, otherTwo)).toThrow(/two rosters of version 2/);
  expect(() => newerOf(one, { ...two, root: fake.keyOf("other") })).toThrow(/another root key/);
});
