/**
 * @module
 * A lock on a folder, so that two processes do not write one journal.
 *
 * Node has no flock, and a file with a process id outlives its process and means nothing in another
 * container. So a process that wants the folder listens on a socket in it, `lock-<random>`: whether someone
 * listens is known to the kernel, ends with the process however it ends, and is seen from every container
 * of the machine. First it listens, then it looks at the sockets of others: of two that come at the same
 * time at least one sees the other. One that nobody listens on is from a process that is dead.
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, readdir, realpath, rm, symlink } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Lock {
  release(): Promise<void>;
}

/** The longest name of a socket, on all systems. */
const MAX_ADDRESS = 100;

/** @throws RangeError when another process, or this one, has the folder */
export async function lockFolder(folder: string): Promise<Lock> {
  const taken = () => new RangeError(`${folder}: another process writes to this folder; stop it first, or give another folder`);
  if (process.platform === "win32") {
    // Pipes have a space of names of their own, where one name is one listener.
    const name = createHash("sha256").update((await realpath(folder)).toLowerCase()).digest("hex");
    const server = await listen(`\\\\.\\pipe\\millwright-${name}`).catch((error) => Promise.reject(error.code === "EADDRINUSE" ? taken() : error));
    return { release: () => close(server) };
  }
  const name = `lock-${randomBytes(6).toString("hex")}`;
  return withShortPath(folder, async (short) => {
    const server = await listen(join(short, name)).catch((error) => {
      throw new RangeError(`${folder}: cannot be locked (${error.message}); put it on a file system that has sockets, as local disks do`, { cause: error });
    });
    const release = async () => {
      await close(server);
      await rm(join(folder, name), { force: true });
    };
    for (const other of await readdir(folder)) {
      if (!other.startsWith("lock-") || other === name) continue;
      if (await isAlive(join(short, other))) {
        await release();
        throw taken();
      }
      await rm(join(folder, other), { force: true });
    }
    return { release };
  });
}

function listen(address: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", reject);
    server.listen(address, () => {
      server.unref();
      resolve(server);
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

/** Only a refusal or an absence says that nobody listens. */
function isAlive(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(address);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code !== "ECONNREFUSED" && error.code !== "ENOENT"));
  });
}

/** The address of a socket holds about a hundred bytes, so a deep folder is reached by a link for the moment. */
async function withShortPath<T>(folder: string, work: (short: string) => Promise<T>): Promise<T> {
  if (Buffer.byteLength(folder) + 18 < MAX_ADDRESS) return work(folder);
  const place = await mkdtemp(join(tmpdir(), "mw-"));
  try {
    const short = join(place, "f");
    await symlink(await realpath(folder), short);
    return await work(short);
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}
