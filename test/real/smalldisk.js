/**
 * A file system of a few megabytes in memory, for a disk that is full. Needs the right to mount.
 */
import { execFileSync } from "node:child_process";
import { closeSync, fstatSync, ftruncateSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { join } from "node:path";

/** @returns its folder, in an object; or why there is none. @param {import("./process.js").Scene} scene */
export function smallDisk(scene, name, sizeMiB) {
  const folder = scene.path(name);
  mkdirSync(folder);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${sizeMiB}m`, "tmpfs", folder], { stdio: "pipe" });
  } catch (error) {
    return `a file system could not be mounted here (${String(error.stderr ?? error.message).trim()})`;
  }
  scene.onClose(() => execFileSync("umount", ["-l", folder]));
  return { folder };
}

/** Leaves so many bytes free. @returns how to free the others again */
export function fillUp({ folder }, bytes) {
  const path = join(folder, "ballast");
  const file = openSync(path, "w");
  const block = Buffer.alloc(65_536);
  try {
    for (;;) writeSync(file, block);
  } catch (error) {
    if (error.code !== "ENOSPC") throw error;
  }
  ftruncateSync(file, Math.max(0, fstatSync(file).size - Math.max(0, bytes - freeOf(folder))));
  closeSync(file);
  return () => rmSync(path);
}

function freeOf(folder) {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}
