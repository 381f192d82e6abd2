#!/usr/bin/env node
/**
 * @module
 * The `millwright` command: the process around `main`.
 */
import { main } from "./program.ts";

// A reader that goes away, as `| head` does, ends the printing and not the run.
process.stdout.on("error", () => {});

// Worker threads alone do not keep a process alive.
const alive = setInterval(() => {}, 2 ** 30);

process.exitCode = await main(process.argv.slice(2), {
  stdout: (text) => process.stdout.write(text),
  stderr: (text) => process.stderr.write(text),
  terminal: process.stdout.isTTY,
  directory: process.cwd(),
  nowMs: () => performance.now(),
  // A second interrupt ends the process at once, as it would without us.
  onInterrupt: (listener) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, listener);
  },
});
clearInterval(alive);
