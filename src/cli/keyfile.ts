/**
 * @module
 * Files of new private keys: for their owner alone, never over another file, and gone again when what they were made
 * for fails.
 */
import { closeSync, fsyncSync, openSync, rmSync, writeSync } from "node:fs";
import { generateKeys, publicKeyOf } from "../federation/identity.ts";

export class KeyFiles {
  readonly #made: string[] = [];

  /** A private Ed25519 key in a new file; its public key. */
  async make(file: string): Promise<{ readonly key: string; readonly publicPem: string }> {
    const { privatePem, publicPem } = await generateKeys();
    this.write(file, privatePem);
    return { key: publicKeyOf(publicPem), publicPem };
  }

  /** @throws RangeError where there is a file already. */
  write(file: string, text: string, mode = 0o600): void {
    let handle: number;
    try {
      handle = openSync(file, "wx", mode);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      throw new RangeError(`${file}: exists; a key is never overwritten, give another name or move it away`);
    }
    this.#made.push(file);
    try {
      const bytes = new TextEncoder().encode(text);
      for (let at = 0; at < bytes.length; ) at += writeSync(handle, bytes, at);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
  }

  /** Do something; if it fails, the files that were made here are removed. */
  async undoing(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      for (const file of this.#made) rmSync(file, { force: true });
      throw error;
    }
  }
}

/** Names that were made or changed in a folder survive a power failure. Windows has no such call and keeps them without. */
export function syncFolder(folder: string): void {
  if (process.platform === "win32") return;
  const handle = openSync(folder, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
