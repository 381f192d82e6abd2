/**
 * An orchestrator under load: the command itself in a process of its own, with its journal on the disk and every fsync;
 * clients that train nothing in two others. The figures are the orchestrator's, measured from outside.
 *
 *     npm run bench -- --only federation
 */
import { readFileSync } from "node:fs";
import { fingerprintOf } from "../build/federation/checksum.js";
import { layoutOf } from "../build/model/layout.js";
import { configOf, tinySpec } from "../test/real/plant.js";
import { freePort, Scene } from "../test/real/process.js";

const LOADERS = 2;
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

/** Clients against an orchestrator of their own, for so many rounds. */
export async function load(title, { clients, rounds, spec = referenceSpec, spreadMs = 0, beside = async () => () => {}, seed = 1 }) {
  const scene = new Scene("load", seed);
  try {
    const ids = Array.from({ length: clients }, (_, k) => `plant-${String(k + 1).padStart(4, "0")}`);
    const config = { ...configOf({ clients: ids, rounds: rounds + 1 }), spec };
    scene.write("config.json", config);
    const url = `http://127.0.0.1:${await freePort()}`;
    const orchestrator = scene.millwright(["orchestrate", "config.json", "--listen", new URL(url).host, "--state", "state", "--insecure", "--keep-rounds", "1"]);
    await Promise.race([orchestrator.line((line) => line.includes('"listening"')), orchestrator.exited.then(() => Promise.reject(new Error(orchestrator.tail())))]);
    const parameters = layoutOf(spec).length;
    const common = { url, task: config.name, fingerprint: await fingerprintOf(spec), parameters, rounds, spreadMs, seed };
    const before = memoryOf(orchestrator.pid);
    const stop = await beside({ scene, ...common, ids });
    const samples = [];
    const sampling = setInterval(() => !orchestrator.ended && samples.push(memoryOf(orchestrator.pid).now), 200);
    const loaders = Array.from({ length: LOADERS }, (_, part) => scene.node(new URL("load.js", import.meta.url), { ...common, ids: ids.filter((_, k) => k % LOADERS === part) }));
    for (const loader of loaders) if ((await loader.done(1_200_000)) !== 0) throw new Error(loader.tail());
    clearInterval(sampling);
    await stop();
    const after = memoryOf(orchestrator.pid);
    const cpuS = cpuSecondsOf(orchestrator.pid);
    await orchestrator.kill("SIGINT");
    const lines = loaders.flatMap((loader) => loader.lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line)));
    return { title, clients, rounds, parameters, spreadMs, cpuS, before, after, samples, ...figuresOf(lines, rounds) };
  } finally {
    await scene.close();
  }
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

if (process.argv[1]?.endsWith("bench/federation.js")) {
  const [clients = "1000", rounds = "2", spreadMs = "0"] = process.argv.slice(2);
  const result = await load("try", { clients: Number(clients), rounds: Number(rounds), spreadMs: Number(spreadMs) });
  const { samples, before, after, ...rest } = result;
  console.log(rest, { beforeMiB: before.now / MiB, peakMiB: after.peak / MiB, afterMiB: after.now / MiB });
}
