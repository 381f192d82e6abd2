/**
 * Millwright against its peers and against the machine, in one run:
 *
 *     npm run bench                              every section below
 *     npm run bench -- --only train,forward      some of them
 *     npm run bench -- --only federation,sustained,abuse,recovery    an orchestrator and 1,000 clients
 *     npm run bench -- --grow                    how cost grows with H, T, B and K
 *     npm run bench -- --json FILE               the figures as well
 *
 * Nothing is asserted: a figure that misses its target is printed as such. Peers that are not installed
 * leave their columns empty; bench/peers/README.md says how to get them.
 */
import { writeFileSync } from "node:fs";
import { arch, availableParallelism, cpus, loadavg, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { acquisition } from "./acquisition.js";
import { aggregate } from "./aggregate.js";
import { builds, noRelaxed } from "./builds.js";
import { ceiling } from "./ceiling.js";
import { convolutions } from "./convolution.js";
import { exactness } from "./exactness.js";
import { abuse, federation, recovery, sustained } from "./federation.js";
import { forward } from "./forward.js";
import { grow } from "./grow.js";
import { kernels } from "./kernels.js";
import { Peers } from "./peer.js";
import { profile } from "./profile.js";
import { signal } from "./signal.js";
import { printJudged } from "./table.js";
import { tiny } from "./tiny.js";
import { train } from "./train.js";

const SECTIONS = { train, convolution: convolutions, forward, aggregate, signal, exactness, acquisition, tiny, kernels, profile, grow, federation, sustained, abuse, recovery };
/** Minutes each, and only when they are asked for. */
const LONG = ["grow", "federation", "sustained", "abuse", "recovery"];
const QUICK = Object.keys(SECTIONS).filter((name) => !LONG.includes(name));

const { values } = parseArgs({ options: { only: { type: "string" }, grow: { type: "boolean" }, json: { type: "string" } } });
const wanted = values.only?.split(",") ?? (values.grow ? ["grow"] : QUICK);
const unknown = wanted.find((name) => !(name in SECTIONS));
if (unknown) throw new RangeError(`--only expected some of ${Object.keys(SECTIONS).join(", ")}, got "${unknown}"`);

const machine = { processor: cpus()[0].model, threads: availableParallelism(), memoryGiB: Math.round(totalmem() / 2 ** 30), arch: arch(), load: loadavg()[0] };
const runtime = `Node ${process.versions.node}, V8 ${process.versions.v8}`;
console.log(`${machine.processor}, ${machine.threads} threads, ${machine.memoryGiB} GiB, load ${machine.load.toFixed(1)}; ${runtime}`);
if (machine.load > 0.5) console.log("Other work is running here: expect figures to scatter.");
if (noRelaxed) console.log(`No relaxed rows: ${noRelaxed}`);

const ceilings = Object.fromEntries([...builds.keys()].map((build) => [build, ceiling(build)]));
for (const [build, { tile, first }] of Object.entries(ceilings)) {
  console.log(`ceiling, ${build === "simd" ? "multiply and add" : "fused"}: ${first.toFixed(1)} GFLOP/s on one thread (loop ${tile})`);
}

const peers = new Peers();
const sections = {};
try {
  for (const name of wanted) {
    const section = await SECTIONS[name]({ peers, ceilings });
    sections[name] = section;
    if (section.print) section.print(section);
    else printJudged(section.title, section.rows, section.notes);
  }
} finally {
  await peers.close();
}
if (peers.found.size > 0) console.log("\nPeers");
for (const [name, about] of peers.found) console.log(`  ${name}: ${about}`);

if (values.json) {
  const report = {
    date: new Date().toISOString(), machine, runtime, builds: [...builds.keys()],
    ceilings: Object.fromEntries(Object.entries(ceilings).map(([build, { tile, first }]) => [build, { tile, gflops: first }])),
    peers: Object.fromEntries(peers.found), sections,
  };
  writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
}
