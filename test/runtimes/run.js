/**
 * Runs one program in every runtime and compares what it computes, bit for bit; then joins federations from each of them.
 *
 *     npm run test:runtimes                                all of them, against expected.json
 *     npm run test:runtimes -- --only node22,firefox
 *     npm run test:runtimes -- --table clients             only the second table
 *     npm run test:runtimes -- --update                    write expected.json, where all agree
 *
 * In the first table, `bits`, a row is a runtime, a build of the kernels and a number of threads for the directions of
 * an LSTM. In each of them the federation runs with its clients' training in 1, 2 and 3 workers. expected.json
 * has a hash for each build, and the runtimes whose engine does not fuse multiply and add in the relaxed
 * build: what they compute with it is the simd build's.
 *
 * In the second, `clients`, a row is a runtime and a transport: the runtime's client and one of this process train in a
 * federation, and the model is held against that of a federation of Node clients in one process (host.js).
 *
 * The exit code is 1 when any row differs or fails; a runtime that cannot be had is said to be skipped.
 */
import { readFile, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { extractExample } from "./example.js";
import { openHost, ROUNDS, TRANSPORTS } from "./host.js";
import { close, runtimes } from "./runtimes.js";

const { values: options } = parseArgs({ options: { only: { type: "string" }, table: { type: "string", default: "bits,clients" }, update: { type: "boolean", default: false } } });
const wanted = options.only?.split(",");
const unknown = wanted?.find((id) => !runtimes.some((runtime) => runtime.id === id));
if (unknown) throw new RangeError(`"--only" expected some of ${runtimes.map(({ id }) => id).join(",")}, got ${unknown}`);

const tables = options.table.split(",");
const odd = tables.find((name) => !["bits", "clients"].includes(name));
if (odd !== undefined) throw new RangeError(`"--table" expected bits, clients or both, got ${odd}`);

const WORKERS = [1, 2, 3];
/** How long steps are timed, after those that count. */
const SECONDS = 1;
const VARIANTS = ["simd", "relaxed"].flatMap((build) => [1, 2].map((threads) => ({ build, threads })));

const file = new URL("expected.json", import.meta.url);
const committed = JSON.parse(await readFile(file, "utf8"));
/** For an update, the first runtime's hashes are what the others are held against. */
const expected = options.update ? { ...committed, simd: "", relaxed: "" } : committed;
const count = { same: 0, different: 0, skipped: 0 };

const COLUMNS = [["runtime", 12], ["version", 17], ["build", 9], ["threads", 9], ["workers", 9], ["hash", 18], ["ms a step", 11], ["verdict", 0]];
const CLIENT_COLUMNS = [["runtime", 12], ["version", 17], ["transport", 11], ["signed", 12], ["rounds", 9], ["model", 18], ["verdict", 0]];
const printIn = (columns) => (...cells) => console.log(cells.map((cell, c) => String(cell).padEnd(columns[c][1])).join("").trimEnd());
const print = printIn(COLUMNS);
const printClient = printIn(CLIENT_COLUMNS);

/** One row of the table, without its verdict. */
async function measure({ title, emulated }, ready, variant) {
  const cells = [title, ready.version, variant.build, variant.threads, WORKERS.join(" ")];
  try {
    const { hash, stepMs } = await ready.run({ ...variant, workers: WORKERS, seconds: emulated ? 0 : SECONDS });
    return { cells: [...cells, hash.slice(0, 16), emulated ? "emulated" : stepMs.toFixed(1)], hash };
  } catch (error) {
    return { cells: [...cells, "", ""], failure: reasonOf(error) };
  }
}

function report({ id }, { build }, { cells, hash, failure }) {
  if (failure) count.different += 1;
  print(...cells, failure ? `FAILED: ${failure}` : judge(id, build, hash));
}

function judge(id, build, hash) {
  const unfused = build === "relaxed" && committed.unfused.includes(id);
  const name = unfused ? "simd" : build;
  expected[name] ||= hash;
  if (hash === expected[name]) {
    count.same += 1;
    return unfused ? "same as simd: this engine does not fuse" : "same";
  }
  count.different += 1;
  if (hash === expected.simd) return `DIFFERS: the simd build's, so nothing was fused`;
  return `DIFFERS: expected ${expected[name].slice(0, 16)}`;
}

/** The line of an error that says what it is; a program that fails says it among others. */
function reasonOf({ killed, stderr, message }) {
  if (killed) return "no answer in time";
  const lines = (stderr || message).trim().split("\n");
  return (lines.find((line) => /error\b/i.test(line)) ?? lines[0]).trim();
}

const began = performance.now();
/** Those that can be had. */
const chosen = [];
for (const runtime of runtimes.filter(({ id }) => !wanted || wanted.includes(id))) {
  try {
    chosen.push({ runtime, ready: await runtime.prepare() });
  } catch (error) {
    chosen.push({ runtime, missing: reasonOf(error) });
  }
}
count.skipped = chosen.filter(({ missing }) => missing).length;

async function tabulateBits() {
  print(...COLUMNS.map(([title]) => title));
  for (const { runtime, ready, missing } of chosen) {
    if (missing) {
      print(runtime.title, "", "", "", "", "", "", `skipped: ${missing}`);
      continue;
    }
    // An emulated processor is slow and nobody times it, so its rows share the real one.
    const together = runtime.emulated ? VARIANTS.map((variant) => measure(runtime, ready, variant)) : [];
    for (const [index, variant] of VARIANTS.entries()) report(runtime, variant, await (together[index] ?? measure(runtime, ready, variant)));
  }
}

async function tabulateClients() {
  extractExample();
  const host = await openHost(await import("./guest.js"));
  console.log(`\nclients of a federation, ${ROUNDS} rounds; in one process its model is ${host.reference.slice(0, 16)}`);
  printClient(...CLIENT_COLUMNS.map(([title]) => title));
  // The emulated one differs in its processor only, which the first table is about.
  for (const { runtime, ready, missing } of chosen.filter(({ runtime }) => !runtime.emulated)) {
    if (missing) printClient(runtime.title, "", "", "", "", "", `skipped: ${missing}`);
    else for (const transport of TRANSPORTS) await joinFrom(runtime, ready, transport, host);
  }
  await host.close();
}

/** One row: the runtime's client joins, signed where it can sign. */
async function joinFrom({ id, title }, ready, transport, { reference, invite, missing }) {
  const row = (...cells) => printClient(title, ready.version, transport, ...cells);
  if (missing[transport]) return row("", "", "", `skipped: ${missing[transport]}`);
  const guest = (invitation) => ready.run({ invitation });
  const attempt = (signed) => invite(guest, { name: `${id}-${transport}${signed ? "" : "-unsigned"}`.toLowerCase(), transport, signed, origins: ready.origin ? [ready.origin] : [] });
  try {
    const first = await attempt(true);
    const { hash, rounds } = first.unsealed ? await attempt(false) : first;
    const same = hash === reference && rounds.length === ROUNDS;
    count[same ? "same" : "different"] += 1;
    row(first.unsealed ? "no" : "Ed25519", rounds.join(" "), hash.slice(0, 16), `${same ? "same" : `DIFFERS: expected ${reference.slice(0, 16)}`}${first.unsealed ? `, ${first.unsealed}` : ""}`);
  } catch (error) {
    count.different += 1;
    row("", "", "", `FAILED: ${reasonOf(error)}`);
  }
}

if (tables.includes("bits")) await tabulateBits();
if (tables.includes("clients")) await tabulateClients();
await close();

console.log(`\n${count.same} the same, ${count.different} different, ${count.skipped} runtimes skipped, ${((performance.now() - began) / 1000).toFixed(0)} s`);
if (options.update && count.different === 0) {
  const { simd, relaxed } = expected;
  await writeFile(file, `${JSON.stringify({ ...committed, simd: simd || committed.simd, relaxed: relaxed || committed.relaxed }, null, 2)}\n`);
  console.log("expected.json is written");
}
process.exitCode = count.different > 0 || count.same === 0 ? 1 : 0;
