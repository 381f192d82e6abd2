/**
 * An orchestrator under load: the command itself in a process of its own, with its journal on the disk and every fsync;
 * clients that train nothing in two others. The figures are the orchestrator's, measured from outside.
 *
 *     npm run bench -- --only federation,sustained,abuse,recovery
 */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { fingerprintOf, sha256 } from "../build/federation/checksum.js";
import { httpExchange } from "../build/federation/http.js";
import { decode, encode } from "../build/federation/message.js";
import { generateKeys, publicKeyOf, signerOf } from "../build/federation/identity.js";
import { encodeRoster, signRoster } from "../build/federation/roster.js";
import { layoutOf } from "../build/model/layout.js";
import { startBroker } from "../test/real/broker.js";
import { configOf, tinySpec } from "../test/real/plant.js";
import { freePort, Scene } from "../test/real/process.js";
import { print, time } from "./table.js";

const LOADERS = 2;
/** Members that behave badly, beside those that do not. */
const RUDE = ["rude-1", "rude-2"];
const PATIENCE_MS = 1_800_000;
/** The reference model: 154,053 parameters. */
const referenceSpec = {
  input: { steps: 100, features: 8 },
  layers: [
    { type: "lstm", hidden: 64, bidirectional: true }, { type: "dropout", rate: 0.2 }, { type: "lstm", hidden: 64, bidirectional: true },
    { type: "attention", size: 64 }, { type: "dense", units: 64, activation: "relu" }, { type: "dropout", rate: 0.3 },
  ],
  head: tinySpec.head,
};

/** @returns bytes, of what the kernel says of a process */
export function memoryOf(pid) {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  const of = (name) => 1024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)[1]);
  return { peak: of("VmHWM"), now: of("VmRSS") };
}

const cpuSecondsOf = (pid) => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
};

const MiB = 2 ** 20;
const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1)];

/** A root, an orchestrator and clients, with their private keys. */
async function makeKeys(folder, ids) {
  mkdirSync(folder);
  const make = async (id) => {
    const { publicPem, privatePem } = await generateKeys();
    writeFileSync(join(folder, `${id}.key`), privatePem, { mode: 0o600 });
    return { id, key: publicKeyOf(publicPem), role: id === "orchestrator" ? "orchestrator" : "client", organisation: id };
  };
  const { publicPem, privatePem } = await generateKeys();
  const signer = await signerOf("root", privatePem);
  const members = await Promise.all(["orchestrator", ...ids].sort().map(make));
  const roster = await signRoster({ format: "millwright roster 1", version: 1, root: publicKeyOf(publicPem), members }, (text) => signer.sign(text), sha256);
  writeFileSync(join(folder, "roster.json"), encodeRoster(roster));
}

/**
 * Clients against an orchestrator of their own, for so many rounds.
 * @param spreadMs over which the updates of a round come, drawn evenly; 0: all at once
 * @param sealed every message is signed
 * @param overNats through a broker, where the journal is copied to, too
 * @param beside starts what goes on at the same time, and returns how to end it
 */
export async function load({ clients, rounds, spec = referenceSpec, spreadMs = 0, sealed = false, overNats = false, beside = async () => async () => {}, seed = 1 }) {
  const scene = new Scene("load", seed);
  try {
    // The last round is never over, so that nobody is told that everything is.
    const { broker, orchestrate, common } = await prepare(scene, { clients, rounds: rounds + 1, closeAt: clients, spec, sealed, overNats, seed });
    const orchestrator = await orchestrate();
    const stop = await beside(scene, common);
    const samples = [];
    const sampling = setInterval(() => !orchestrator.ended && samples.push(memoryOf(orchestrator.pid).now), 200);
    const gone = orchestrator.exited.then(() => Promise.reject(new Error(`the orchestrator ended:\n${orchestrator.tail()}`)));
    const lines = await Promise.race([gone, loaded(scene, { ...common, rounds, spreadMs })]);
    clearInterval(sampling);
    const told = await stop();
    const memory = { ...memoryOf(orchestrator.pid), samples };
    const cpuS = cpuSecondsOf(orchestrator.pid);
    const between = broker && { cpuS: cpuSecondsOf(broker.pid()), peak: memoryOf(broker.pid()).peak };
    await orchestrator.kill("SIGINT");
    return { clients, rounds, cpuS, memory, told, between, load: loadavg()[0], ...figuresOf(lines, rounds) };
  } finally {
    await scene.close();
  }
}

/** A folder with what an orchestrator needs, and perhaps a broker; `orchestrate` starts it, again too. */
async function prepare(scene, { clients, rounds, closeAt, spec = referenceSpec, sealed = false, overNats = false, seed = 1 }) {
  const ids = Array.from({ length: clients }, (_, k) => `plant-${String(k + 1).padStart(4, "0")}`);
  const config = { ...configOf({ clients: [...ids, ...RUDE], rounds, policy: { closeAt } }), spec };
  scene.write("config.json", config);
  const keys = sealed ? scene.path("keys") : undefined;
  if (keys) await makeKeys(keys, ids);
  const broker = overNats ? await startBroker(scene, { store: "20GB" }) : undefined;
  if (typeof broker === "string") throw new Error(broker);
  const url = broker ? undefined : `http://127.0.0.1:${await freePort()}`;
  const place = broker ? ["--nats", broker.url] : ["--listen", new URL(url).host];
  const identity = keys ? ["--roster", "keys/roster.json", "--key", "keys/orchestrator.key"] : ["--insecure"];
  const orchestrate = async () => {
    const orchestrator = scene.millwright(["orchestrate", "config.json", ...place, "--state", "state", "--keep-rounds", "1", ...identity]);
    await Promise.race([orchestrator.line((line) => line.includes('"orchestrating"')), orchestrator.exited.then(() => Promise.reject(new Error(orchestrator.tail())))]);
    return orchestrator;
  };
  const common = { url, broker: broker?.url, ids, task: config.name, fingerprint: await fingerprintOf(spec), parameters: layoutOf(spec).length, seed, keys };
  return { broker, orchestrate, common };
}

/** What the loaders print, when they are done. */
async function loaded(scene, { ids, ...options }) {
  const loaders = Array.from({ length: LOADERS }, (_, part) => scene.node(new URL("load.js", import.meta.url), { ...options, ids: ids.filter((_, k) => k % LOADERS === part) }));
  const codes = await Promise.all(loaders.map((loader) => loader.done(PATIENCE_MS)));
  if (codes.some((code) => code !== 0)) throw new Error(loaders.map((loader) => loader.tail()).join("\n"));
  return loaders.flatMap((loader) => loader.lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line)));
}

function figuresOf(lines, rounds) {
  const perRound = Array.from({ length: rounds }, (_, index) => lines.filter(({ round }) => round === index + 1));
  const seconds = perRound.map((parts) => (Math.max(...parts.map(({ endedMs }) => endedMs)) - Math.min(...parts.map(({ beganMs }) => beganMs))) / 1000);
  const times = lines.flatMap(({ times = [] }) => times).sort((a, b) => a - b);
  const loaders = lines.filter(({ failures }) => failures !== undefined);
  return {
    seconds, p50: quantile(times, 0.5), p99: quantile(times, 0.99), most: times.at(-1), failures: loaders.reduce((sum, { failures }) => sum + failures, 0),
    lastFailure: loaders.map(({ lastFailure }) => lastFailure).join(" "), loaderCpuS: loaders.reduce((sum, { cpuS }) => sum + cpuS, 0),
  };
}

/** Those who behave badly, 5 % beside 1,000 that do not; some are members. */
function rude(clients) {
  return async (scene, { url, task, fingerprint, parameters }) => {
    const process = scene.node(new URL("rude.js", import.meta.url), { url, task, fingerprint, parameters, ids: RUDE, connections: Math.ceil(clients / 20) });
    return async () => {
      await process.kill("SIGINT");
      return process.lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line)).at(-1);
    };
  };
}

const row = (work, { seconds, p50, p99, cpuS, memory, clients, rounds, failures, between, load: around }, targets = {}) => {
  const worst = Math.max(...seconds);
  const met = [worst <= (targets.seconds ?? Infinity), memory.peak <= (targets.peak ?? Infinity), p99 <= (targets.p99 ?? Infinity)].every(Boolean);
  const broker = between ? `${Math.round(between.peak / MiB)} MiB, ${time((1000 * between.cpuS) / clients / rounds)}` : "";
  return [
    work, seconds.map((s) => s.toFixed(1)).join(" "), time(p50), time(p99), `${Math.round(memory.peak / MiB)} MiB`, time((1000 * cpuS) / clients / rounds), broker,
    failures, around.toFixed(1), Object.keys(targets).length ? (met ? "yes" : "no") : "",
  ];
};
const COLUMNS = ["work", "rounds, s", "ack p50", "ack p99", "peak memory", "CPU a client", "the broker's", "lost", "load", "met"];

/** 1,000 clients of the reference model, by either way. */
export async function federation({ clients = 1000, rounds = 2, ways = ["HTTP", "NATS"], signed = [false, true], spreadsMs = [0, 30_000] } = {}) {
  const all = [];
  for (const way of ways) {
    for (const sealed of signed) {
      for (const spreadMs of spreadsMs) {
        const result = await load({ clients, rounds, spreadMs, sealed, overNats: way === "NATS" });
        const work = `${way}${sealed ? ", signed" : ""}, ${spreadMs === 0 ? "all at once" : `updates over ${spreadMs / 1000} s`}`;
        all.push(row(work, result, { seconds: 60, peak: 512 * MiB, ...(spreadMs > 0 && { p99: 1000 }) }));
        console.error(all.at(-1).join("  ")); // each takes minutes
      }
    }
  }
  const title = `An orchestrator with ${clients} clients x ${layoutOf(referenceSpec).length.toLocaleString("en")} parameters over loopback, journal on disk`;
  const notes = [
    "Targets: a round <= 60 s, peak memory <= 512 MiB, ack p99 <= 1 s where updates come over 30 s. Load is the machine's over a minute, at the end, with what is measured.",
    "Over NATS each client has a connection of its own, and the journal is copied to the broker.",
  ];
  return { title, rows: all, notes, print: printed(COLUMNS) };
}

/** 100 clients of a small model, for long. */
export async function sustained({ clients = 100, rounds = 1000 } = {}) {
  const { seconds, memory: { samples, peak }, cpuS, p99 } = await load({ clients, rounds, spec: tinySpec });
  const total = seconds.reduce((sum, s) => sum + s, 0);
  const mean = (from, to) => samples.slice(Math.floor(from * samples.length), Math.ceil(to * samples.length)).reduce((sum, bytes, _, { length }) => sum + bytes / length, 0) / MiB;
  const parts = [[0.1, 0.2], [0.45, 0.55], [0.9, 1]].map(([from, to]) => `${mean(from, to).toFixed(0)} MiB`);
  const columns = ["rounds", "rounds/s", "ack p99", "memory at 10-20 %", "at half", "at the end", "peak", "CPU a round"];
  const rows = [[rounds, (rounds / total).toFixed(1), time(p99), ...parts, `${(peak / MiB).toFixed(0)} MiB`, time((1000 * cpuS) / rounds)]];
  return { title: `${clients} clients of a small model for ${rounds} rounds`, rows, notes: [], print: printed(columns) };
}

/** The same rounds without and with clients that behave badly. */
export async function abuse({ clients = 1000, rounds = 3 } = {}) {
  const options = { clients, rounds };
  const alone = await load(options);
  const beset = await load({ ...options, beside: rude(clients) });
  const of = ({ seconds }) => seconds.reduce((sum, s) => sum + s, 0) / seconds.length;
  const notes = [`${(of(beset) / of(alone)).toFixed(2)}x the time of a round; target: at most 1.5x. What the others did: ${JSON.stringify(beset.told)}`];
  return { title: `${clients} clients and 5 % more that are slow, flood, send too much or garbage`, rows: [row("alone", alone), row("with them", beset)], notes, print: printed(COLUMNS) };
}

/** One client's pull and update. */
async function update({ url, task, fingerprint, parameters }, client) {
  const exchange = async (message) => decode(await httpExchange(url)(encode({ task, fingerprint, client, ...message })), 4 * parameters);
  const { round, attempt, model } = await exchange({ kind: "pull" });
  const reply = await exchange({ kind: "update", round, attempt, model, samples: 500, loss: 1, numbers: new Int32Array(parameters) });
  if (reply.kind !== "accepted") throw new Error(`${reply.kind}: ${reply.reason}`);
}

/** From the start of a process to the first update that it acknowledges, after a kill -9 with so many updates in an open round. */
export async function recovery({ clients = 1000, times = 5 } = {}) {
  const scene = new Scene("recovery", 1);
  try {
    const { orchestrate, common } = await prepare(scene, { clients, rounds: 2, closeAt: clients + RUDE.length });
    let orchestrator = await orchestrate();
    const late = common.ids.splice(-times);
    await loaded(scene, { ...common, rounds: 1, spreadMs: 0 });
    const folder = scene.path("state/journal");
    const journalBytes = readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
    const seconds = [];
    for (const id of late) {
      await orchestrator.kill("SIGKILL");
      const began = performance.now();
      orchestrator = await orchestrate();
      await update(common, id);
      seconds.push((performance.now() - began) / 1000);
    }
    const sorted = seconds.toSorted((a, b) => a - b);
    const rows = [[clients - times, `${Math.round(journalBytes / MiB)} MiB`, sorted.map((s) => s.toFixed(2)).join(" "), sorted[times >> 1] <= 2 ? "yes" : "no"]];
    return { title: "A start after kill -9, to the first update that is acknowledged", rows, notes: [], print: printed(["updates", "journal", "s", "within 2 s"]) };
  } finally {
    await scene.close();
  }
}

const printed = (columns) => ({ title, rows, notes }) => print(title, columns, rows, notes);

if (process.argv[1]?.endsWith("bench/federation.js")) {
  const all = { federation, sustained, abuse, recovery };
  for (const name of process.argv[2]?.split(",") ?? Object.keys(all)) {
    const section = await all[name](JSON.parse(process.argv[3] ?? "{}"));
    section.print(section);
  }
}
