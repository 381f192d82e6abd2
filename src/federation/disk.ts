/**
 * @module
 * The seam between the store and what it is kept on.
 */

/**
 * A folder with the durability that file systems really give: what is written is lost at a crash until
 * its file is synced, a new, renamed or removed name until its folder is. Paths are plain names, "a" or
 * "a/b"; the folder itself is "". Folders are there when they are needed.
 *
 * One call at a time writes to a file. Bytes that are handed over are not changed before the promise
 * settles; bytes that are returned belong to the caller.
 */
export interface Disk {
  /** Names of the files in a folder, in no order; [] where there is none. */
  list(folder: string): Promise<readonly string[]>;
  /** Bytes of a file; undefined: no such file. */
  size(path: string): Promise<number | undefined>;
  /** The whole file; undefined: no such file. */
  read(path: string): Promise<Uint8Array | undefined>;
  /** `length` bytes from `offset`, fewer where the file ends; in `memory`, where that is given and used. */
  readAt(path: string, offset: number, length: number, memory?: ArrayBuffer): Promise<Uint8Array>;
  /** Makes the file if there is none. Not durable; after an error any part may have been written. */
  append(path: string, chunks: readonly Uint8Array[]): Promise<void>;
  /** The whole file anew. Not durable, and may be torn: neither the old content nor the new. */
  write(path: string, bytes: Uint8Array): Promise<void>;
  /** Makes a file's bytes durable, not its name. An error is final: what was not written by then may never be, so nobody tries again. */
  sync(path: string): Promise<void>;
  /** Makes the names in a folder durable. */
  syncFolder(folder: string): Promise<void>;
  /** Takes the place of what has the name; at a crash one of the two has it. */
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Lets go of the folder. What is not durable may still be lost. */
  close(): Promise<void>;
}
