/**
 * Real processes in a temporary folder, which end with whoever started them, however that ends.
 *
 *     const scene = new Scene("kill", 7);
 *     const orchestrator = scene.millwright(["orchestrate", "config.json", …]);
 *     await orchestrator.line((line) => line.includes("listening"));
 *     await orchestrator.kill();
 *     await scene.close();
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { main } from "../../build/cli/program.js";
import { random } from "../../build/kernels/random.js";

const MILLWRIGHT = fileURLToPath(new URL("../../build/cli/millwright.js", import.meta.url));
const CLIENT = fileURLToPath(new URL("client.js", import.meta.url));
/** A test that waits this long for a line hangs; a slow machine does not. */
const PATIENCE_MS = 120_000;
const MAX_LINES = 20_000;

/** All that are running, of all scenes. */
const running = new Set();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export class Running {
  /** Of both streams, in the order of arrival. @type {string[]} */
  lines = [];
  #child;
  #listeners = new Set();

  /** @param {string} command @param {string[]} args @param {{ cwd: string, env?: Record<string, string> }} options */
  constructor(command, args, { cwd, env = {} }) {
    this.#child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    running.add(this.#child);
    /** Resolves with the exit code, or with the signal's name. @type {Promise<number | string>} */
    this.exited = new Promise((resolve) => this.#child.once("close", (code, signal) => {
      running.delete(this.#child);
      resolve(signal ?? code);
      for (const listener of [...this.#listeners]) listener();
    }));
    for (const stream of [this.#child.stdout, this.#child.stderr]) this.#read(stream);
  }

  #read(stream) {
    let rest = "";
    stream.setEncoding("utf8");
    stream.on("data", (text) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop();
      this.lines.push(...lines);
      if (this.lines.length > MAX_LINES) this.lines.splice(0, this.lines.length - MAX_LINES);
      for (const line of lines) for (const listener of [...this.#listeners]) listener(line);
    });
  }

  get pid() {
    return this.#child.pid;
  }

  get ended() {
    return !running.has(this.#child);
  }

  /**
   * The first line, or the nth from now on, for which `test` holds.
   * @param {(line: string) => unknown} test @param {{ count?: number, fresh?: boolean, patienceMs?: number }} [options] @returns {Promise<string>}
   */
  line(test, { count = 1, fresh = false, patienceMs = PATIENCE_MS } = {}) {
    return new Promise((resolve, reject) => {
      let left = count;
      const end = (settle, value) => {
        clearTimeout(timer);
        this.#listeners.delete(look);
        settle(value);
      };
      const look = (line) => {
        if (line === undefined) end(reject, new Error(`ended before the line came:\n${this.tail()}`));
        else if (test(line) && --left === 0) end(resolve, line);
      };
      const timer = setTimeout(() => end(reject, new Error(`no such line within ${patienceMs / 1000} s:\n${this.tail()}`)), patienceMs);
      this.#listeners.add(look);
      if (!fresh) for (const line of [...this.lines]) if (this.#listeners.has(look)) look(line);
      if (this.ended && this.#listeners.has(look)) look(undefined);
    });
  }

  tail(lines = 15) {
    return this.lines.slice(-lines).join("\n");
  }

  /** kill -9, unless another signal is given; resolves when it is dead. */
  async kill(signal = "SIGKILL") {
    this.#child.kill(signal);
    return this.exited;
  }

  /** Waits for it to end by itself. */
  async done(patienceMs = PATIENCE_MS) {
    let timer;
    const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`still running after ${patienceMs / 1000} s:\n${this.tail()}`)), patienceMs)));
    try {
      return await Promise.race([this.exited, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

export class Scene {
  folder;
  random;
  #processes = [];
  #ends = [];

  /** @param {string} name @param {number} seed of everything that is left to chance here */
  constructor(name, seed) {
    this.folder = mkdtempSync(join(tmpdir(), `millwright-${name}-`));
    this.random = random(seed, name);
  }

  path(...names) {
    return join(this.folder, ...names);
  }

  write(name, content) {
    writeFileSync(this.path(name), typeof content === "string" ? content : JSON.stringify(content));
  }

  /** The command, as it is installed. @param {string[]} args @param {Record<string, string>} [env] */
  millwright(args, env) {
    return this.#start([MILLWRIGHT, ...args], env);
  }

  /** Clients that learn something small, several in a process: see client.js. */
  clients(options, env) {
    return this.#start([CLIENT, JSON.stringify(options)], env);
  }

  /** A program of ours, with its options as JSON. @param {URL} file @param {object} options @param {string[]} [flags] of node */
  node(file, options, flags = []) {
    return this.#start([...flags, fileURLToPath(file), JSON.stringify(options)]);
  }

  /** Any other command. @param {string} command @param {string[]} args */
  command(command, args, env) {
    const running = new Running(command, args, { cwd: this.folder, env });
    this.#processes.push(running);
    return running;
  }

  #start(args, env) {
    return this.command(process.execPath, args, env);
  }

  /** A command that ends by itself, in this process. @param {string[]} args @returns {Promise<{ code: number, text: string }>} */
  async attempt(args) {
    let text = "";
    const print = (part) => (text += part);
    const code = await main(args, { stdout: print, stderr: print, directory: this.folder, nowMs: () => performance.now(), onInterrupt: () => {} });
    return { code, text };
  }

  /** The same; rejects where it does not end well. @param {string[]} args @returns {Promise<string>} what it printed */
  async run(args) {
    const { code, text } = await this.attempt(args);
    if (code !== 0) throw new Error(`millwright ${args.join(" ")} ended with ${code}:\n${text}`);
    return text;
  }

  /** Called by close, the last one first. */
  onClose(end) {
    this.#ends.push(end);
  }

  async close() {
    await Promise.all(this.#processes.map((process) => process.kill()));
    for (const end of this.#ends.reverse()) await end();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
