/**
 * @module
 * A folder of this machine as a Disk, with fsync of files and of directories.
 */
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Disk } from "../federation/disk.ts";
import { lockFolder, type Lock } from "./lock.ts";

/** Files that stay open for the next append or sync: the journal's segment, what becomes the next one, a snapshot. */
const HANDLES = 4;

/**
 * The folder is made, and locked against another process that writes, when it is first written to; reading
 * does neither. The lock goes with close(), or with the process.
 * @throws RangeError from the first write when another process has the lock
 */
export function nodeDisk(folder: string): Disk {
  const at = (path: string) => join(folder, checkPath(path));
  /** By path; the one used last is last. */
  const handles = new Map<string, FileHandle>();
  let lock: Promise<Lock> | undefined;

  const own = () => (lock ??= makeFolder(folder).then(() => lockFolder(folder)));
  const keep = async (path: string, handle: FileHandle) => {
    handles.delete(path);
    handles.set(path, handle);
    for (const oldest of handles.keys()) {
      if (handles.size <= HANDLES) break;
      await drop(oldest);
    }
    return handle;
  };
  const drop = async (path: string) => {
    const handle = handles.get(path);
    handles.delete(path);
    await handle?.close();
  };
  const openFor = async (path: string, flag: "a" | "w") => {
    const place = at(path);
    await own();
    if (path.includes("/")) await mkdir(dirname(place), { recursive: true });
    return open(place, flag);
  };

  return {
    list: async (path) => (await orUndefined(readdir(at(path), { withFileTypes: true })))?.filter((entry) => entry.isFile()).map((entry) => entry.name) ?? [],
    size: async (path) => (await orUndefined(stat(at(path))))?.size,
    read: async (path) => {
      const bytes = await orUndefined(readFile(at(path)));
      return bytes && new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    },
    readAt: async (path, offset, length, memory) => {
      const file = await open(at(path), "r");
      try {
        const bytes = memory && memory.byteLength >= length ? new Uint8Array(memory, 0, length) : new Uint8Array(length);
        let count = 0;
        for (let read = 1; read > 0 && count < length; count += read) ({ bytesRead: read } = await file.read(bytes, count, length - count, offset + count));
        return bytes.subarray(0, count);
      } finally {
        await file.close();
      }
    },
    append: async (path, chunks) => {
      const handle = await keep(path, handles.get(path) ?? (await openFor(path, "a")));
      let left = chunks.filter((chunk) => chunk.length > 0);
      while (left.length > 0) left = skip(left, (await handle.writev(left as Uint8Array<ArrayBuffer>[])).bytesWritten);
    },
    write: async (path, bytes) => {
      await drop(path);
      const handle = await keep(path, await openFor(path, "w"));
      await writeFile(handle, bytes);
    },
    // The handle that wrote, where there is one, since an error of writing is told to those that were open then.
    sync: async (path) => (await keep(path, handles.get(path) ?? (await openFor(path, "a")))).sync(),
    syncFolder: async (path) => {
      await own();
      // A folder that is new itself is a name in the one above.
      for (let inner = path; ; inner = dirname(inner).replace(/^\.$/, "")) {
        await syncFolder(at(inner));
        if (inner === "") break;
      }
    },
    rename: async (from, to) => {
      await own();
      const handle = handles.get(from);
      await drop(to);
      await rename(at(from), at(to));
      handles.delete(from);
      if (handle) await keep(to, handle);
    },
    remove: async (path) => {
      await own();
      await drop(path);
      await rm(at(path));
    },
    close: async () => {
      const held = lock;
      lock = Promise.reject(new Error(`${folder}: it was closed`));
      lock.catch(() => {});
      for (const path of [...handles.keys()]) await drop(path);
      await (await held?.catch(() => undefined))?.release();
    },
  };
}

/** @throws RangeError for what is not a plain name below the folder */
function checkPath(path: string): string {
  if (path !== "" && !path.split("/").every((name) => /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(name))) {
    throw new RangeError(`"path" expected names of A-Z a-z 0-9 . _ -, the first no dot, with / between, got ${JSON.stringify(path)}`);
  }
  return path;
}

async function orUndefined<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** What is left of chunks when some bytes of them are written. */
function skip(chunks: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let index = 0;
  for (; index < chunks.length && bytes >= chunks[index].length; index++) bytes -= chunks[index].length;
  return chunks.slice(index).map((chunk, place) => (place === 0 ? chunk.subarray(bytes) : chunk));
}

/** Makes a folder, and its name durable in the folders above that were there or are new. */
async function makeFolder(folder: string): Promise<void> {
  const made = await mkdir(folder, { recursive: true });
  if (made === undefined) return;
  for (let inner = folder; ; inner = dirname(inner)) {
    await syncFolder(dirname(inner));
    if (join(inner) === join(made) || dirname(inner) === inner) break;
  }
}

async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return; // it has no such call, and writes names through its own journal
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
