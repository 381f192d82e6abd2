/**
 * @module
 * A disk that forgets: what a file system is allowed to do to a process that dies, drawn from a seed.
 *
 * A file has what reads see and what a crash leaves. At a crash each 512-byte sector that was written and
 * not synced is, independently of the others, kept, lost (as it was before, zeros behind the old end) or
 * garbage (random bytes, half of the write, or the write with a flipped bit), also where it holds bytes that
 * were durable before; the length is the old one, the new one or between; and each change of a name that was
 * not synced is made or not, whichever came first. A sync that fails loses what it should have written and
 * says so once: reads still see it, a later sync is content, a crash takes it.
 *
 *     const disk = new SimulatedDisk();
 *     const { store } = await openStore(disk.mount(), { digest });
 *     disk.crash(random(seed, "disk"));                       // mounts from before are dead
 *     await openStore(disk.mount(), { digest });
 *
 * All work is done when a call returns; promises are there for the interface, and `calls` does without.
 */
import type { Disk } from "../../src/federation/disk.ts";
import type { Random } from "../../src/kernels/random.ts";

export const SECTOR_BYTES = 512;

export type Operation = "list" | "size" | "read" | "readAt" | "append" | "write" | "sync" | "syncFolder" | "rename" | "remove";
/** An error of the operating system, or the end of the process in the middle of the operation. */
export type Fault = "ENOSPC" | "EIO" | "crash";

/** A file's bytes. Only what was appended since the last sync is not durable, unless `old` or `holes` say more. */
interface Inode {
  /** What reads see: the first `length` bytes. */
  bytes: Uint8Array<ArrayBuffer>;
  length: number;
  /** So many bytes are durable. */
  synced: number;
  /** The durable bytes of a file that was written anew. */
  old: Uint8Array<ArrayBuffer> | undefined;
  /** Ranges that a failed sync should have written. */
  holes: (readonly [from: number, to: number])[];
  /** Another disk has the same bytes. */
  shared: boolean;
}

/** A disk whose operations are over when they return. */
export type Calls = { readonly [Name in keyof Disk]: (...given: Parameters<Disk[Name]>) => Awaited<ReturnType<Disk[Name]>> };

/** A change of names that is not durable; undefined removes. */
type Change = readonly (readonly [path: string, inode: Inode | undefined])[];

/** Thrown in a process that has died; it is not to be caught by anything but its supervisor. */
export class Crash extends Error {
  override readonly name = "Crash";
}

export class SimulatedDisk {
  /** Asked before each operation; `count` operations came before it. */
  fault: ((operation: Operation, path: string, count: number) => Fault | undefined) | undefined;
  /** Operations so far, of each kind and of all. */
  readonly counts: Record<Operation | "all", number> = { list: 0, size: 0, read: 0, readAt: 0, append: 0, write: 0, sync: 0, syncFolder: 0, rename: 0, remove: 0, all: 0 };
  #names = new Map<string, Inode>();
  #durable = new Map<string, Inode>();
  #changes: Change[] = [];
  #mount = 0;

  /** The folder as a process sees it. It is dead after crash() or kill(). */
  mount(): Disk {
    const calls = this.calls();
    return Object.fromEntries(Object.entries(calls).map(([name, call]) => [name, async (...given: never[]) => (call as (...given: never[]) => unknown)(...given)])) as unknown as Disk;
  }

  /** The same, without promises. */
  calls(): Calls {
    const mount = ++this.#mount;
    const enter = (operation: Operation, path: string): Fault | undefined => {
      if (mount !== this.#mount) throw new Crash(`${operation} "${path}" by a process that is dead`);
      const fault = this.fault?.(operation, path, this.counts.all);
      this.counts[operation]++;
      this.counts.all++;
      return fault;
    };
    /** For operations that happen or do not. */
    const begin = (operation: Operation, path: string) => this.#raise(enter(operation, path), operation, path);
    return {
      list: (folder) => {
        begin("list", folder);
        const prefix = folder === "" ? "" : `${folder}/`;
        return [...this.#names.keys()].filter((path) => path.startsWith(prefix) && !path.includes("/", prefix.length)).map((path) => path.slice(prefix.length));
      },
      size: (path) => {
        begin("size", path);
        return this.#names.get(path)?.length;
      },
      read: (path) => {
        begin("read", path);
        const inode = this.#names.get(path);
        return inode?.bytes.slice(0, inode.length);
      },
      readAt: (path, offset, length) => {
        begin("readAt", path);
        const inode = this.#need(path, "readAt");
        return inode.bytes.slice(offset, Math.min(offset + length, inode.length));
      },
      append: (path, chunks) => {
        const fault = enter("append", path);
        const inode = this.#names.get(path) ?? this.#create(path);
        // A write that fails, or that its process does not survive, has done some of its work.
        let left = fault ? chunks.reduce((sum, chunk) => sum + chunk.length, 0) >> 1 : Infinity;
        for (const chunk of chunks) {
          extend(inode, chunk.length > left ? chunk.subarray(0, left) : chunk);
          left -= Math.min(left, chunk.length);
        }
        this.#raise(fault, "append", path);
      },
      write: (path, bytes) => {
        const fault = enter("write", path);
        const inode = this.#names.get(path) ?? this.#create(path);
        inode.old ??= inode.bytes.slice(0, inode.synced);
        Object.assign(inode, { bytes: bytes.slice(0, fault ? bytes.length >> 1 : undefined), synced: 0, holes: [], shared: false });
        inode.length = inode.bytes.length;
        this.#raise(fault, "write", path);
      },
      sync: (path) => {
        const fault = enter("sync", path);
        const inode = this.#need(path, "sync");
        if (fault === "EIO" || fault === "ENOSPC") inode.holes.push([inode.old ? 0 : inode.synced, inode.length]);
        if (fault !== "crash") {
          inode.synced = inode.length;
          inode.old = undefined;
        }
        this.#raise(fault, "sync", path);
      },
      syncFolder: (folder) => {
        begin("syncFolder", folder);
        const inside = (path: string) => path.slice(0, Math.max(0, path.lastIndexOf("/"))) === folder;
        const left: Change[] = [];
        for (const change of this.#changes) {
          for (const [path, inode] of change) if (inside(path)) assign(this.#durable, path, inode);
          const rest = change.filter(([path]) => !inside(path));
          if (rest.length > 0) left.push(rest);
        }
        this.#changes = left;
      },
      rename: (from, to) => {
        begin("rename", from);
        this.#change([[from, undefined], [to, this.#need(from, "rename")]]);
      },
      remove: (path) => {
        begin("remove", path);
        this.#need(path, "remove");
        this.#change([[path, undefined]]);
      },
      close: () => {},
    };
  }

  /** The power fails: only what is durable is left, and what chance adds. */
  crash(random: Random): void {
    const after = this.after(random);
    this.#names = after.#names;
    this.#durable = after.#durable;
    this.#changes = [];
    this.#mount++;
  }

  /** The process is killed and the machine goes on: nothing that was written is lost, nor made durable. */
  kill(): void {
    this.#mount++;
  }

  /** Another disk, as this one is after a crash. */
  after(random: Random): SimulatedDisk {
    const names = new Map(this.#durable);
    for (const change of this.#changes) {
      if (random.uniform() < 0.5) for (const [path, inode] of change) assign(names, path, inode);
    }
    const disk = new SimulatedDisk();
    const survivors = new Map<Inode, Inode>();
    for (const [path, inode] of names) {
      const survivor = survivors.get(inode) ?? survive(inode, random);
      survivors.set(inode, survivor);
      disk.#names.set(path, survivor);
      disk.#durable.set(path, survivor);
    }
    return disk;
  }

  /** A bit of a file changes by itself. */
  flip(path: string, bit: number): void {
    const inode = this.#need(path, "flip");
    if (bit >= 8 * inode.length) throw new RangeError(`"${path}" has ${inode.length} bytes, no bit ${bit}`);
    own(inode, inode.length);
    inode.bytes[bit >>> 3] ^= 1 << (bit & 7);
  }

  /** What reads see, by path: no copies, so to be looked at before anything else happens. */
  files(): Map<string, Uint8Array> {
    return new Map([...this.#names].map(([path, inode]) => [path, inode.bytes.subarray(0, inode.length)]));
  }

  #create(path: string): Inode {
    const inode: Inode = { bytes: new Uint8Array(0), length: 0, synced: 0, old: undefined, holes: [], shared: false };
    this.#change([[path, inode]]);
    return inode;
  }

  #change(change: Change): void {
    for (const [path, inode] of change) assign(this.#names, path, inode);
    this.#changes.push(change);
  }

  #need(path: string, operation: string): Inode {
    const inode = this.#names.get(path);
    if (!inode) throw failure("ENOENT", operation, path);
    return inode;
  }

  #raise(fault: Fault | undefined, operation: Operation, path: string): void {
    if (fault === undefined) return;
    if (fault !== "crash") throw failure(fault, operation, path);
    this.kill();
    throw new Crash(`the process ended in ${operation} "${path}"`);
  }
}

function failure(code: string, operation: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${operation} '${path}'`), { code });
}

function assign(names: Map<string, Inode>, path: string, inode: Inode | undefined): void {
  if (inode) names.set(path, inode);
  else names.delete(path);
}

/** Room for `length` bytes that no other disk sees. */
function own(inode: Inode, length: number): void {
  if (!inode.shared && length <= inode.bytes.length) return;
  const bytes = new Uint8Array(length <= inode.length ? length : Math.max(length, 2 * inode.length));
  bytes.set(inode.bytes.subarray(0, inode.length));
  inode.bytes = bytes;
  inode.shared = false;
}

function extend(inode: Inode, chunk: Uint8Array): void {
  own(inode, inode.length + chunk.length);
  inode.bytes.set(chunk, inode.length);
  inode.length += chunk.length;
}

/** What a crash leaves of a file. */
function survive(inode: Inode, random: Random): Inode {
  const { old, bytes, synced, holes } = inode;
  if (!old && holes.length === 0 && synced === inode.length) {
    inode.shared = true;
    return { ...inode, holes: [] };
  }
  const before = old ?? bytes.subarray(0, synced);
  const length = pickLength(before.length, inode.length, random);
  const left = new Uint8Array(length);
  left.set(before.subarray(0, length));
  const written = bytes.subarray(0, inode.length);
  for (const [from, to] of holes) left.fill(0, from, to); // they are before the old end, and were never written
  for (const [from, to] of [...holes, [old ? 0 : synced, inode.length] as const]) {
    for (let sector = Math.floor(from / SECTOR_BYTES); sector * SECTOR_BYTES < to; sector++) {
      const at = sector * SECTOR_BYTES;
      if (at < length) settle(left.subarray(at, at + SECTOR_BYTES), written.subarray(at, at + SECTOR_BYTES), random);
    }
  }
  return { bytes: left, length, synced: length, old: undefined, holes: [], shared: false };
}

function pickLength(before: number, after: number, random: Random): number {
  const draw = random.uniform();
  if (draw < 0.25) return before;
  if (draw < 0.75) return after;
  return Math.min(before, after) + random.integer(Math.abs(after - before) + 1);
}

/** One sector at a crash: left as it was, or as it was written, or neither. */
function settle(left: Uint8Array, written: Uint8Array, random: Random): void {
  const draw = random.uniform();
  if (draw < 0.3) return;
  const kept = written.length > left.length ? written.subarray(0, left.length) : written;
  if (draw < 0.8) left.set(kept);
  else if (draw < 0.87) left.set(kept.subarray(0, random.integer(kept.length + 1)));
  else if (draw < 0.93) {
    left.set(kept);
    const bit = random.integer(8 * left.length);
    left[bit >>> 3] ^= 1 << (bit & 7);
  } else {
    let word = random.integer(2 ** 32) | 1;
    for (let at = 0; at < left.length; at++) {
      word ^= word << 13;
      word ^= word >>> 17;
      word ^= word << 5;
      left[at] = word;
    }
  }
}
