/**
 * @module
 * Rosters and private keys in files, and what seal and guard need of this machine.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import type { Digest } from "../federation/clock.ts";
import { signerOf, verify, type Signer } from "../federation/identity.ts";
import { decodeRoster, MAX_ROSTER_BYTES, newerOf, type Roster } from "../federation/roster.ts";

/** Not WebCrypto's: that one works on other threads, and for small entries the way there takes longer than the work. */
const sha256: Digest = async (bytes) => createHash("sha256").update(bytes).digest("hex");

/** For the options of seal and guard, of a store and an orchestrator: hashes, keys, chance and the time of day. */
export const machine = {
  verify,
  digest: sha256,
  random: (bytes: number): Uint8Array => crypto.getRandomValues(new Uint8Array(bytes)),
  wallMs: (): number => Date.now(),
};

/**
 * The roster in a file.
 * @param root the root key that it must be signed with; absent, the one that the file names, which then is what one trusts
 * @throws RangeError naming the file.
 */
export async function readRoster(file: string, root?: string): Promise<Roster> {
  if (!existsSync(file)) throw new RangeError(`${file}: no such roster; millwright roster init makes one`);
  if (statSync(file).size > MAX_ROSTER_BYTES) throw new RangeError(`${file}: expected at most ${MAX_ROSTER_BYTES} bytes`);
  return placed(file, () => decodeRoster(new Uint8Array(readFileSync(file)), { root, verify, digest: sha256 }));
}

/** The private key in a file, as a signer for an id. */
export async function readSigner(file: string, id: string): Promise<Signer> {
  return placed(file, () => signerOf(id, readFileSync(file, "utf8")));
}

/**
 * A file that is read again when it was changed: `roster: watched.roster` for a guard, `reload` on a signal or a timer.
 * A reload that is older, or not signed by the same root, rejects and changes nothing.
 */
export async function watchRoster(file: string, root?: string): Promise<{ readonly roster: () => Roster; readonly reload: () => Promise<Roster> }> {
  let roster = await readRoster(file, root);
  return {
    roster: () => roster,
    reload: async () => {
      const read = await readRoster(file, roster.root);
      return (roster = await placed(file, async () => newerOf(roster, read)));
    },
  };
}

async function placed<T>(file: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof RangeError) throw new RangeError(`${file}: ${error.message}`, { cause: error });
    throw error;
  }
}
