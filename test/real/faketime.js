/**
 * A clock that a test moves, by libfaketime (Debian: faketime): time of day as a process sees it, not the time that
 * its timers run by.
 */
import { existsSync, readdirSync } from "node:fs";

const libraries = () => (existsSync("/usr/lib") ? readdirSync("/usr/lib") : []).map((name) => `/usr/lib/${name}/faketime/libfaketimeMT.so.1`);

/** Environment of a process whose clock moveClock moves; or why there is none. @param {import("./process.js").Scene} scene */
export function faketime(scene) {
  const library = libraries().find((path) => existsSync(path));
  if (!library) return "libfaketime is not installed (Debian: faketime)";
  moveClock(scene, 0);
  return { LD_PRELOAD: library, FAKETIME_TIMESTAMP_FILE: scene.path("clock"), FAKETIME_NO_CACHE: "1", FAKETIME_DONT_FAKE_MONOTONIC: "1", DONT_FAKE_MONOTONIC: "1" };
}

export const moveClock = (scene, days) => scene.write("clock", `${days < 0 ? "-" : "+"}${Math.abs(days)}d\n`);
