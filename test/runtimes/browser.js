/**
 * The program in browsers: the page and its workers, bundled as an application would be, and served on
 * this machine only, under a policy that allows WebAssembly and nothing else beside the page's own files.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { extractExample } from "./example.js";

const HEADERS = {
  "content-security-policy": "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self' http://127.0.0.1:* ws://127.0.0.1:*; img-src 'self'; report-uri /violation",
  // Without these two a page has no memory that threads share.
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cache-control": "no-store",
};
const TYPES = { ".html": "text/html", ".js": "text/javascript" };

/** The package by its own name, as from outside. */
const built = (name, file) => ({ find: new RegExp(`^${name}$`), replacement: fileURLToPath(new URL(`../../build/${file}.js`, import.meta.url)) });

/** @returns the page's files by their path on the server */
async function bundle() {
  extractExample();
  const { output } = await build({
    root: fileURLToPath(new URL("page", import.meta.url)),
    configFile: false,
    logLevel: "error", // a broker's package names a module of Node that no page reaches
    resolve: { alias: [built("millwright", "index"), built("millwright/identity", "identity")] },
    worker: { format: "es" },
    build: { write: false, target: "es2022" },
  });
  return new Map(output.map(({ fileName, code, source }) => [`/${fileName}`, code ?? source]));
}

/** @returns a function that opens the page in a browser, one at a time, and another that ends the server */
export async function servePage() {
  const files = await bundle();
  /** What the browser that is open has sent. */
  let received = { answer: (_) => {}, violations: new Set() };
  const server = createServer(async (request, response) => {
    const path = new URL(request.url, "http://localhost").pathname.replace(/\/$/, "/index.html");
    if (request.method === "POST") {
      let body = "";
      for await (const part of request.setEncoding("utf8")) body += part;
      response.writeHead(204, HEADERS).end();
      const message = JSON.parse(body);
      if (path === "/answer") received.answer(message);
      else received.violations.add(`${message["csp-report"]["effective-directive"]} forbids ${message["csp-report"]["blocked-uri"]}`);
    } else if (files.has(path)) response.writeHead(200, { ...HEADERS, "content-type": TYPES[extname(path)] }).end(files.get(path));
    else response.writeHead(404, HEADERS).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const origin = `http://127.0.0.1:${server.address().port}`;

  /**
   * Opens the page in a new browser with a profile of its own.
   * @throws Error when there is no answer, the program fails, or the page does what the policy forbids
   */
  const open = async (launch, variant, timeoutMs) => {
    const profile = await mkdtemp(join(tmpdir(), "millwright-"));
    const browser = await launch(profile, `${origin}/#${encodeURIComponent(JSON.stringify(variant))}`);
    const violations = new Set();
    try {
      const answer = await new Promise((resolve, reject) => {
        received = { answer: resolve, violations };
        browser.once("error", reject);
        browser.once("exit", (code) => reject(new Error(`the browser ended with code ${code}`)));
        setTimeout(reject, timeoutMs, new Error(`no answer in ${timeoutMs / 1000} s`)).unref();
      });
      if (violations.size > 0) throw new Error(`content security policy: ${[...violations].join(", ")}`);
      if (answer.error) throw new Error(answer.error);
      return answer;
    } finally {
      await end(browser);
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    }
  };
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { origin, open, close };
}

/** Those that are open; whoever is ended early takes them along. */
const running = new Set();
process.on("exit", () => {
  for (const { pid } of running) process.kill(-pid, "SIGKILL");
});

/** A browser is many processes; it was started as a group of its own, and the group ends. */
async function end(browser) {
  running.delete(browser);
  if (browser.pid === undefined || browser.exitCode !== null || browser.signalCode !== null) return;
  const gone = once(browser, "exit");
  process.kill(-browser.pid, "SIGKILL");
  await gone;
}

const start = ([command, ...words], args, profile, env = {}) => {
  const browser = spawn(command, [...words, ...args], { stdio: "ignore", detached: true, env: { ...process.env, HOME: profile, ...env } });
  if (browser.pid !== undefined) running.add(browser);
  browser.once("exit", () => running.delete(browser));
  return browser;
};

/** How a browser is started by its command's words, on a profile that is new: nothing may be asked or fetched on the way to the page. */
export const LAUNCH = {
  async chromium(command, profile, address) {
    const quiet = ["--no-first-run", "--disable-background-networking", "--disable-component-update"];
    const contained = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]; // in a container there is no second sandbox
    return start(command, ["--headless", ...quiet, ...contained, `--user-data-dir=${profile}`, address], profile);
  },
  async firefox(command, profile, address) {
    await writeFile(join(profile, "user.js"), NO_FIRST_START.map((name) => `user_pref("${name}", false);\n`).join(""));
    return start(command, ["--headless", "--no-remote", "--profile", profile, address], profile);
  },
  /** Shared memory and relaxed SIMD have to be asked for. */
  async webkit(command, profile, address) {
    return start(command, [address], profile, { JSC_useSharedArrayBuffer: "1", JSC_useWasmRelaxedSIMD: "1" });
  },
};
const NO_FIRST_START = [
  "app.normandy.enabled", "browser.aboutwelcome.enabled", "browser.shell.checkDefaultBrowser", "datareporting.policy.dataSubmissionEnabled",
  "network.captive-portal-service.enabled", "network.connectivity-service.enabled", "toolkit.telemetry.enabled",
];
