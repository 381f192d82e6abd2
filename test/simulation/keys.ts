/**
 * Keys for simulations: HMAC in the place of signatures and everything at once, so that a seed decides what happens.
 * The public key is the private one; whoever reads a roster could sign, and no simulated fault does.
 */
import { createHash, createHmac } from "node:crypto";
import type { Digest } from "../../src/federation/clock.ts";
import type { Signer, Verify } from "../../src/federation/identity.ts";
import { signRoster, type Member, type Roster } from "../../src/federation/roster.ts";

/** The key that belongs to an id: base64url of 32 bytes. */
export const keyOf = (id: string): string => createHash("sha256").update(`key of ${id}`).digest("base64url");

const mac = (key: string, bytes: Uint8Array): Uint8Array => new Uint8Array(createHmac("sha512", key).update(bytes).digest());

/** @param key of another id, to speak with a wrong key */
export const signerOf = (id: string, key = keyOf(id)): Signer => ({ id, sign: async (bytes) => mac(key, bytes) });

export const verify: Verify = async (key, signature, bytes) => {
  return Buffer.compare(mac(key, bytes), signature) === 0;
};

export const digest: Digest = async (bytes) => createHash("sha256").update(bytes).digest("hex");

/** Bytes that follow from a seed; give each start of an orchestrator a seed of its own. */
export function randomOf(seed: string | number): (bytes: number) => Uint8Array {
  let drawn = 0;
  return (bytes) => new Uint8Array(createHash("shake256", { outputLength: bytes }).update(`${seed} ${drawn++}`).digest());
}

/** A roster with these clients and an orchestrator, where `changes` does not say otherwise. */
export function rosterOf(clients: readonly string[], { version = 1, changes = {} }: { version?: number; changes?: Readonly<Record<string, Partial<Member>>> } = {}): Promise<Roster> {
  const ids = [...new Set([...clients, "orchestrator", ...Object.keys(changes)])].sort();
  const members = ids.map((id): Member => ({ id, key: keyOf(id), role: id === "orchestrator" ? "orchestrator" : "client", organisation: "Simulated", ...changes[id] }));
  return signRoster({ format: "millwright roster 1", version, root: keyOf("root"), members }, async (text) => mac(keyOf("root"), text), digest);
}
