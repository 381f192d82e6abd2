/**
 * @module
 * The roster: who takes part, with which key, in which role, for how long. One root key signs it.
 *
 *     { "roster": { "format": "millwright roster 1", "version": 3, "root": KEY, "members": [ … ] }, "signature": … }
 *
 * Signed is the text "millwright/roster/1", a zero byte, and the roster as canonical JSON (keys sorted, no
 * space), by the root key. The roster's hash is the SHA-256 of that JSON; it stands in every signature of a
 * federation, so that both sides mean the same roster. docs/identity.md says how a roster is kept.
 */
import * as z from "zod/mini";
import { canonicalJson } from "./checksum.ts";
import type { Digest } from "./clock.ts";
import { fromBase64url, toBase64url, type Verify } from "./identity.ts";

export const ROLES = ["client", "aggregator", "orchestrator"] as const;
/** A client trains; an orchestrator leads; an aggregator is a client to the one and an orchestrator to the others. */
export type Role = (typeof ROLES)[number];

/** What zod says of a wrong value; handed to each parse, because zod's own setting is one for the whole process. */
const texts = { error: z.locales.en().localeError };

export const MAX_MEMBERS = 10_000;
export const MAX_ROSTER_BYTES = 2 ** 22;

/** The last of the 43 digits has four bits, so one key has one text. */
const key = z.string().check(z.regex(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/, "expected a public key, base64url of 32 bytes"));
const id = z.string().check(z.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, "expected 1 to 64 of A-Z a-z 0-9 . _ -, the first a letter or digit"));
const time = z.iso.datetime({ precision: 0, error: "expected a time such as 2030-12-31T00:00:00Z" });

const member = z.strictObject({
  id,
  key,
  role: z.enum(ROLES),
  /** For people; without control characters, which a terminal would obey. */
  organisation: z.string().check(z.regex(/^[^\p{Cc}\p{Cs}\u2028\u2029]{1,128}$/u, "expected 1 to 128 characters, none of them a control character")),
  /** From when on, UTC. Absent: from the beginning. */
  notBefore: z.optional(time),
  /** Until when, UTC. Absent: until revoked. */
  notAfter: z.optional(time),
  /** For good: an id that was revoked stays in the roster, so that it is not given out again. */
  revoked: z.optional(z.literal(true)),
});

const content = z.strictObject({
  format: z.literal("millwright roster 1"),
  /** Counts up with every change. */
  version: z.int().check(z.gte(1), z.lte(2 ** 32 - 1)),
  /** Public key that signs this roster and every later one. */
  root: key,
  members: z.array(member).check(z.maxLength(MAX_MEMBERS)),
});

const signed = z.strictObject({ roster: content, signature: z.string().check(z.regex(/^[A-Za-z0-9_-]{85}[AQgw]$/, "expected a signature, base64url of 64 bytes")) });

export type Member = Readonly<z.infer<typeof member>>;
export type RosterContent = Omit<z.infer<typeof content>, "members"> & { readonly members: readonly Member[] };

/** A roster whose signature was checked. */
export interface Roster extends Readonly<RosterContent> {
  /** SHA-256 of the canonical JSON, 64 hexadecimal digits. */
  readonly hash: string;
  /** Of the root key, base64url. */
  readonly signature: string;
  find(id: string): Member | undefined;
}

export type Standing = { readonly member: Member } | { readonly reason: "unknown" | "revoked" | "early" | "expired" };

const DOMAIN = "millwright/roster/1\0";

/** What the root key signs. */
export function rosterText(roster: RosterContent): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(DOMAIN + canonicalJson(plain(roster)));
}

/** Sign a roster; the signature is the root key's, over rosterText. */
export async function signRoster(roster: RosterContent, sign: (text: Uint8Array) => Promise<Uint8Array>, digest: Digest): Promise<Roster> {
  const checked = checkContent(roster);
  return rosterOf(checked, toBase64url(await sign(rosterText(checked))), digest);
}

/** The bytes of a roster as it travels. */
export function encodeRoster({ signature, ...roster }: Roster): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(canonicalJson({ roster: plain(roster), signature }));
}

/**
 * A roster from its bytes.
 * @param root the key that it must be signed with; absent, the one that it names itself, for a file that came by a way one trusts
 * @throws RangeError for anything that is no roster, or not signed by that key.
 */
export async function decodeRoster(bytes: Uint8Array, { root, verify, digest }: { root?: string; verify: Verify; digest: Digest }): Promise<Roster> {
  if (bytes.length > MAX_ROSTER_BYTES) throw new RangeError(`roster: expected at most ${MAX_ROSTER_BYTES} bytes, got ${bytes.length}`);
  const result = signed.safeParse(parse(bytes), texts);
  if (!result.success) throw new RangeError(`roster: ${z.prettifyError(result.error).slice(0, 512)}`);
  const { roster, signature } = result.data;
  checkMembers(roster);
  if (root !== undefined && roster.root !== root) throw new RangeError("roster: signed by another root key than the one that is trusted here");
  if (!(await verify(roster.root, fromBase64url(signature)!, rosterText(roster)))) {
    throw new RangeError("roster: the signature does not match; it was changed after it was signed");
  }
  return rosterOf(roster, signature, digest);
}

/**
 * The roster to go on with: an older one never replaces a newer.
 * @throws RangeError when the candidate is older, of another root, or another roster of the same version.
 */
export function newerOf(current: Roster, candidate: Roster): Roster {
  if (candidate.root !== current.root) throw new RangeError("roster: of another root key; a federation keeps its root key");
  if (candidate.hash === current.hash) return current;
  if (candidate.version > current.version) return candidate;
  if (candidate.version < current.version) throw new RangeError(`roster: version ${candidate.version} is older than version ${current.version}, which is known here; an older roster never replaces a newer one`);
  throw new RangeError(`roster: two rosters of version ${current.version}; sign the right one again with a higher version`);
}

/**
 * Whether an id may speak now.
 * @param wallMs time of day, milliseconds since 1970: the only thing that depends on the machine's clock
 */
export function standingOf(roster: Roster, id: string, wallMs: number): Standing {
  const member = roster.find(id);
  if (!member) return { reason: "unknown" };
  if (member.revoked) return { reason: "revoked" };
  if (member.notBefore !== undefined && wallMs < Date.parse(member.notBefore)) return { reason: "early" };
  if (member.notAfter !== undefined && wallMs >= Date.parse(member.notAfter)) return { reason: "expired" };
  return { member };
}

async function rosterOf(roster: RosterContent, signature: string, digest: Digest): Promise<Roster> {
  const hash = await digest(new TextEncoder().encode(canonicalJson(plain(roster))));
  const byId = new Map(roster.members.map((member) => [member.id, member]));
  return { ...roster, hash, signature, find: (id) => byId.get(id) };
}

/** Without what is derived. */
const plain = ({ format, version, root, members }: RosterContent): RosterContent => ({ format, version, root, members });

function checkContent(roster: RosterContent): RosterContent {
  const result = content.safeParse(plain(roster), texts);
  if (!result.success) throw new RangeError(`roster: ${z.prettifyError(result.error).slice(0, 512)}`);
  checkMembers(result.data);
  return result.data;
}

/** Sorted, so that one list has one text; each key once, so that nobody speaks with two voices. */
function checkMembers({ members, root }: RosterContent): void {
  members.forEach(({ id }, at) => {
    if (at > 0 && !(members[at - 1].id < id)) throw new RangeError(`roster: members expected sorted by id, each once; "${id}" follows "${members[at - 1].id}"`);
  });
  const keys = new Map([[root, "the root"]]);
  for (const { id, key } of members) {
    if (keys.has(key)) throw new RangeError(`roster: "${id}" has the key of ${keys.get(key)}; a key belongs to one id`);
    keys.set(key, `"${id}"`);
  }
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new RangeError("roster: expected a JSON object");
  }
}
