/**
 * A federation of real processes: its configuration, roster, keys and certificate in a scene's folder.
 */
import { readFileSync } from "node:fs";
import { fingerprintOf } from "../../build/federation/checksum.js";
import { layoutOf } from "../../build/model/layout.js";
import { freePort, pause } from "./process.js";

/** A model of some hundred parameters: what is tried here is not its training. */
export const tinySpec = {
  input: { steps: 100, features: 8 },
  layers: [{ type: "mean" }, { type: "dense", units: 8, activation: "relu" }],
  head: { type: "classify", classes: ["HEALTHY", "DEGRADED", "CRITICAL", "FAILURE"] },
};

const channels = ["vibration x", "vibration y", "vibration axial", "current", "pressure", "flow", "temperature", "speed"].map((name) => ({ name, unit: "" }));

export const configOf = ({ clients, rounds, policy = {} }) => ({
  name: "trial", task: "condition", subset: null, seed: 1, rounds, localEpochs: 1, batch: 32, build: "simd", clients, aggregators: [],
  policy: { minClients: clients.length, deadlineS: null, ...policy },
  data: { settings: 0, regimes: 1, channels, rateHz: 500, origin: "simulated" },
  spec: tinySpec,
});

export class Plant {
  #scene;
  #tls = false;
  #insecure = true;
  #pin = "";
  /** Address of a broker that takes the place of the orchestrator's own. @type {string | undefined} */
  broker;

  /** @param {import("./process.js").Scene} scene @param {{ clients: string[], rounds: number, policy?: object, secure?: boolean, tls?: boolean }} options */
  static async open(scene, options) {
    const plant = new Plant(scene);
    await plant.#prepare(options);
    return plant;
  }

  constructor(scene) {
    this.#scene = scene;
  }

  async #prepare({ clients, rounds, policy, secure = true, tls = false }) {
    const scene = this.#scene;
    this.clients = clients;
    this.rounds = rounds;
    this.port = await freePort();
    this.config = configOf({ clients, rounds, policy });
    this.parameters = layoutOf(this.config.spec).length;
    this.fingerprint = await fingerprintOf(this.config.spec);
    scene.write("config.json", this.config);
    this.#tls = tls;
    this.#insecure = !secure;
    if (secure) {
      await scene.run(["roster", "init", "keys"]);
      for (const id of clients) await scene.run(["roster", "add", id, "--dir", "keys"]);
    }
    if (tls) this.#pin = (await scene.run(["certificate", "127.0.0.1"])).match(/--tls-fingerprint ([0-9a-f:]+)/i)[1];
  }

  get url() {
    return this.broker ?? `${this.#tls ? "https" : "http"}://127.0.0.1:${this.port}`;
  }

  get state() {
    return this.#scene.path("state");
  }

  get fingerprintOfCertificate() {
    return this.#pin;
  }

  /** Resolves when it listens, or has ended. @param {{ env?: Record<string, string>, exit?: boolean, state?: string, config?: string, allowOrigin?: string }} [options] */
  async orchestrate({ env, exit = false, state = "state", config = "config.json", allowOrigin } = {}) {
    const identity = this.#insecure ? ["--insecure"] : ["--roster", "keys/roster.json", "--key", "keys/orchestrator.key"];
    const tls = this.#tls ? ["--tls-cert", "tls.pem", "--tls-key", "tls.key"] : [];
    const place = this.broker ? ["--nats", this.broker] : ["--listen", `127.0.0.1:${this.port}`];
    const orchestrator = this.#scene.millwright(["orchestrate", config, ...place, "--state", state, ...identity, ...tls, ...(exit ? ["--exit"] : []), ...(allowOrigin ? ["--allow-origin", allowOrigin] : [])], env);
    await Promise.race([orchestrator.line((line) => line.includes('"orchestrating"')), orchestrator.exited]);
    return orchestrator;
  }

  /** `millwright join` of one client. @param {string} id @param {{ share?: string, url?: string, state?: string, keys?: string, out?: string, env?: Record<string, string> }} [options] */
  join(id, { share, url = this.url, state = id, keys = "keys", out, env } = {}) {
    const identity = this.#insecure ? ["--insecure"] : ["--roster", `${keys}/roster.json`, "--key", `${keys}/${id}.key`];
    const tls = this.#tls ? ["--tls-fingerprint", this.#pin] : [];
    return this.#scene.millwright(["join", url, "--id", id, "--share", share ?? `${this.clients.indexOf(id) + 1}/${this.clients.length}`, "--state", state, ...identity, ...tls, ...(out ? ["--out", out] : [])], env);
  }

  /** Clients of client.js, in one process. */
  small(ids = this.clients, { url = this.url, folder = "clients", delayMs, env } = {}) {
    return this.#scene.clients({
      url, ids, folder: this.#scene.path(folder), task: this.config.name, fingerprint: this.fingerprint, parameters: this.parameters, delayMs,
      ...(!this.#insecure && { roster: this.#scene.path("keys", "roster.json"), keys: this.#scene.path("keys") }),
      ...(this.#tls && { ca: this.#scene.path("tls.pem") }),
    }, env);
  }

  acks(folder = "clients") {
    const text = readFileSync(this.#scene.path(folder, "acks.jsonl"), "utf8");
    return text.trimEnd().split("\n").filter(Boolean).map((line) => JSON.parse(line));
  }
}

/** Resolves when the orchestrator has written so many more lines, ended, or nothing happened for long; then a little later. */
export async function somewhere(process, lines, random, mostMs = 20) {
  await process.line((line) => line.startsWith("{"), { count: lines, fresh: true, patienceMs: 30_000 }).catch(() => {});
  await pause(random.uniform() * mostMs);
}
