/** The runtimes, in the order of the table: how each is found, and how the program runs in it. */
import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { LAUNCH, servePage } from "./browser.js";
import { browser, emulated, HOME, packaged, webkit } from "./install.js";

const PROGRAM = fileURLToPath(new URL("terminal.js", import.meta.url));
/** For a hang, not for a slow machine. */
const TIMEOUT_MS = 600_000;
/** The same, for a client that joins a federation: that is seconds of work. */
const JOIN_TIMEOUT_MS = 120_000;
const timeoutOf = ({ invitation }) => (invitation ? JOIN_TIMEOUT_MS : TIMEOUT_MS);

/** `origin` is a page's. @typedef {{ version: string, origin?: string, run(variant: object): Promise<{ hash: string, stepMs: number }> }} Ready */

/** `id` is what --only and expected.json say. `prepare` throws where the runtime cannot be had. */
export const runtimes = [
  terminal("node20", "Node 20", () => packaged("node20-linux-x64/bin/node"), ["--experimental-wasm-relaxed-simd", "--experimental-websocket"]),
  terminal("node22", "Node 22", () => packaged("node22-linux-x64/bin/node")),
  terminal("node24", "Node 24", () => packaged("node24-linux-x64/bin/node")),
  terminal("node26", "Node 26", () => packaged("node26-linux-x64/bin/node")),
  terminal("deno", "Deno", () => packaged("@deno/linux-x64-glibc/deno"), ["run", "--no-lock", "--allow-read", "--allow-net=127.0.0.1"]),
  terminal("bun", "Bun", () => packaged("@oven/bun-linux-x64/bin/bun"), ["--no-install"]),
  page("chromium", "Chromium", () => browser("chromium")),
  page("firefox", "Firefox", () => browser("firefox-esr", "firefox")),
  page("webkit", "WebKit", webkit),
  { ...terminal("arm64", "ARM64 Node", () => emulated("node24-linux-arm64")), emulated: true },
];

function terminal(id, title, find, flags = []) {
  const prepare = async () => {
    const [command, ...words] = [await find()].flat();
    await mkdir(HOME, { recursive: true });
    const execute = (args, timeout = TIMEOUT_MS) =>
      promisify(execFile)(command, [...words, ...args], { timeout, env: { ...process.env, HOME, DENO_DIR: HOME, NO_COLOR: "1" } });
    return {
      version: versionIn((await execute(["--version"])).stdout),
      run: async (variant) => JSON.parse((await execute([...flags, PROGRAM, JSON.stringify(variant)], timeoutOf(variant))).stdout),
    };
  };
  return { id, title, prepare };
}

let served;

function page(id, title, find) {
  const prepare = async () => {
    const command = [await find()].flat();
    const { stdout } = await promisify(execFile)(command[0], [...command.slice(1), "--version"], { env: { ...process.env, HOME } });
    served ??= servePage();
    const { open, origin } = await served;
    return { version: versionIn(stdout), origin, run: (variant) => open((profile, address) => LAUNCH[id](command, profile, address), variant, timeoutOf(variant)) };
  };
  return { id, title, prepare };
}

/** When no more pages are wanted. */
export async function close() {
  (await served)?.close();
}

const versionIn = (text) => /\d+(\.\d+)+/.exec(text)[0];
