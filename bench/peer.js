/**
 * Peers: each a process that says in one line of JSON what it is, and answers a line for each line it is
 * asked. It keeps what it has built and warmed up, so that it can take turns with us.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const file = (name) => fileURLToPath(new URL(`peers/${name}`, import.meta.url));
/** How long any slice may take before the peer is given up: what is asked for takes two seconds. */
const PATIENCE_MS = 30_000;

class Peer {
  /** What it says about itself: { peer, version, detail }, or why it is not there. */
  about;
  #process;
  #answers;
  #remedy;
  /** How long the first slice is at least. */
  #coldSeconds;
  #complaint = "";

  constructor(command, args, { env = {}, remedy, coldSeconds = 0 }) {
    this.#remedy = remedy;
    this.#coldSeconds = coldSeconds;
    this.#process = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"] });
    this.#process.on("error", (error) => (this.#complaint = error.message));
    this.#process.stdin.on("error", () => {}); // it ended: the missing answer tells
    this.#process.stderr.on("data", (text) => (this.#complaint = lastLine(`${this.#complaint}\n${text}`)));
    this.#answers = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  /** @throws Error with the remedy where the peer is not there */
  async start() {
    this.about = await this.#next();
    return this;
  }

  /** Milliseconds of one call, the median of so many seconds: { ms, outputs? } */
  async ask({ seconds, ...request }) {
    this.#process.stdin.write(`${JSON.stringify({ ...request, seconds: Math.max(seconds, this.#coldSeconds) })}\n`);
    this.#coldSeconds = 0;
    return this.#next();
  }

  async #next() {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
    });
    try {
      const { value, done } = await Promise.race([this.#answers.next(), late]);
      if (done) {
        await new Promise((resolve) => setTimeout(resolve, 100)); // what it complained about may come after its end
        throw new Error(`${this.#complaint || "it ended"}; ${this.#remedy}`);
      }
      return JSON.parse(value);
    } catch (error) {
      this.close();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  close() {
    this.#process.kill("SIGKILL");
  }
}

const lastLine = (text) => text.trim().split("\n").findLast((line) => /Error|error|not found/.test(line)) ?? text.trim().split("\n").at(-1);

const DEBIAN = "apt-get install --no-install-recommends python3-torch libopenblas0-pthread";
const VENV = "python3 -m venv bench/peers/venv && bench/peers/venv/bin/pip install torch numpy";
const NPM = "npm ci --prefix bench/peers";

/** Ways to give PyTorch two threads. The first lets its own threads and those of OpenBLAS spin against each other. */
const THREADS = [
  { label: "1 thread", threads: 1, env: { OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1" } },
  { label: "2 threads", threads: 2, env: {} },
  { label: "2 threads, passive", threads: 2, env: { OMP_WAIT_POLICY: "PASSIVE", OPENBLAS_NUM_THREADS: "1" } },
];

/** Until the engine has optimised a large WebAssembly module, it runs at half its speed. */
const COLD_SECONDS = 4;

const python = (command, remedy) => ({ threads, env }) => {
  if (command.startsWith(file("")) && !existsSync(command)) throw new Error(`not installed; ${remedy}`);
  return new Peer(command, [file("torch_peer.py"), String(threads)], { env, remedy });
};
const script = (name, ...args) => () => {
  if (!existsSync(file("node_modules"))) throw new Error(`not installed; ${NPM}`);
  return new Peer(process.execPath, [file(name), ...args], { remedy: NPM, coldSeconds: COLD_SECONDS });
};

const numpy = () => new Peer("/usr/bin/python3", [file("numpy_features.py")], { env: { OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1" }, remedy: "apt-get install python3-numpy" });

/** name → what starts it; PyTorch takes one of `THREADS`. */
const starts = {
  "PyTorch 1.13": python("/usr/bin/python3", DEBIAN),
  "PyTorch 2": python(file("venv/bin/python"), VENV),
  "tfjs-wasm": script("tfjs_peer.js"),
  "onnxruntime-web": script("onnx_peer.js", "onnxruntime-web"),
  "onnxruntime-node": script("onnx_peer.js", "onnxruntime-node"),
  NumPy: numpy,
};

/** The peers of one run: started when first asked for, one process for a name and a setting of threads. */
export class Peers {
  /** What was there, and what was not and why. */
  found = new Map();
  #started = new Map();
  /** Settings of threads that were several times slower than the best: not tried again at larger models. */
  #hopeless = new Map();

  /** @throws Error with the reason and the remedy where the peer is not there */
  async get(name, setting = THREADS[0]) {
    const key = `${name}, ${setting.label}`;
    if (!this.#started.has(key)) this.#started.set(key, this.#start(name, setting));
    return this.#started.get(key);
  }

  async #start(name, setting) {
    try {
      const peer = await starts[name](setting).start();
      this.found.set(name, `${peer.about.peer} ${peer.about.version}, ${peer.about.detail.replace(/, threads: \d+/, "")}`);
      return peer;
    } catch (error) {
      this.found.set(name, `not measured: ${error.message}`);
      throw error;
    }
  }

  /** A contender for `compare`. */
  contender(name, request, setting) {
    return async (seconds) => (await (await this.get(name, setting)).ask({ ...request, seconds })).ms;
  }

  /**
   * The settings of threads, the one in which PyTorch is fastest at this first. Each gets a slice; one that is
   * hopeless, or too slow to answer, is not asked again in this run.
   */
  async bestThreads(name, request) {
    const tried = [];
    for (const setting of availableParallelism() > 1 ? THREADS : THREADS.slice(0, 1)) {
      const key = `${name}, ${setting.label}`;
      const verdict = this.#hopeless.get(key);
      if (verdict) {
        tried.push({ setting, ms: Infinity, verdict });
        continue;
      }
      try {
        const slice = this.contender(name, request, setting);
        const first = await slice(0.5);
        const least = Math.min(...tried.map(({ ms }) => ms));
        if (first > 3 * least) this.#hopeless.set(key, `not tried, ${(first / least).toFixed(0)}x slower before`);
        tried.push({ setting, ms: first > 3 * least ? first : await slice(1) });
      } catch (error) {
        this.#hopeless.set(key, error.message);
        tried.push({ setting, ms: Infinity, verdict: error.message });
      }
    }
    return tried.toSorted((a, b) => a.ms - b.ms);
  }

  /** What it returned last, beside its time. */
  async outputs(name, request) {
    return (await (await this.get(name)).ask({ ...request, seconds: 0 })).outputs;
  }

  async close() {
    for (const peer of await Promise.allSettled(this.#started.values())) peer.value?.close();
  }
}
