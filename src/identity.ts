/**
 * @module millwright/identity
 * Who takes part in a federation across machines: keys, a signed roster, and a seal around the exchange. An entry of
 * its own, as a page that trains alone needs none of it.
 *
 *     const exchange = seal(transport, { signer: await signerOf("plant-3", privatePem), verify, roster, digest, random, wallMs });
 *     await new FactoryClient({ id: "plant-3", exchange, learner, fingerprint }).run();
 */
export { generateKeys, publicKeyOf, publicKeyOfPrivate, publicPemOf, signerOf, verify, type KeyPair, type Signer, type Verify } from "./federation/identity.ts";
export { decodeRoster, encodeRoster, newerOf, signRoster, standingOf, type Member, type Role, type Roster, type RosterContent, type Standing } from "./federation/roster.ts";
export { IdentityError, seal, SealError, type SealOptions } from "./federation/seal.ts";
export { guard, type Guard, type GuardOptions, type Handle, type Refusal } from "./federation/guard.ts";
export { SEAL_BYTES, type Reason } from "./federation/envelope.ts";
export { sha256 as digest } from "./federation/checksum.ts";
export type { Digest } from "./federation/clock.ts";
