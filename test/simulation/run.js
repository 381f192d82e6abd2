/**
 * Federations by the seed:
 *
 *     npm run simulate -- --seeds 2000            from seed 1 on, each twice
 *     npm run simulate -- --from 77 --seeds 1     one of them, and how it ended
 *     npm run simulate -- --museum                the planted defects, and which seed finds each, of 10,000
 *     npm run simulate -- --museum --only fsync   some of them; may be given more than once
 *     npm run simulate -- --every-step            a small federation that dies at each of its steps
 *
 * Ends with 1 where something is not as it should be. docs/simulation.md says how to read it.
 */
import { parseArgs } from "node:util";
import { load } from "./bundle.js";
import { museum } from "./museum.js";

const { values } = parseArgs({ options: { seeds: { type: "string" }, from: { type: "string", default: "1" }, museum: { type: "boolean" }, only: { type: "string", multiple: true }, "every-step": { type: "boolean" } } });
const count = Number(values.seeds ?? 2000), from = Number(values.from);
if (!Number.isInteger(count) || count < 1) throw new RangeError(`--seeds expected integer >= 1, got ${values.seeds}`);
if (!Number.isInteger(from)) throw new RangeError(`--from expected integer, got ${values.from}`);

process.exitCode = (await (values.museum ? exhibition() : values["every-step"] ? steps() : seeds())) ? 0 : 1;

async function seeds() {
  const { simulate, shrink } = await load();
  const [start, before] = [performance.now(), process.cpuUsage()];
  let failures = 0, events = 0, acknowledged = 0, virtualMs = 0;
  const refusals = new Map();
  for (let seed = from; seed < from + count; seed++) {
    const outcome = await simulate(seed);
    events += outcome.events;
    acknowledged += outcome.acknowledged;
    virtualMs += outcome.virtualMs;
    for (const [code, times] of outcome.refusals) refusals.set(code, (refusals.get(code) ?? 0) + times);
    if (!outcome.failure) continue;
    if (++failures <= 5) await explain(outcome, shrink);
    else console.log(`seed ${seed}: ${outcome.failure.message.split("\n")[0]}`);
  }
  const used = process.cpuUsage(before);
  const cpu = (used.user + used.system) / 1e6, wall = (performance.now() - start) / 1000;
  console.log(`${count} seeds, each run twice, ${failures} failed: ${(count / cpu).toFixed(0)} a second of a core, ${(count / wall).toFixed(0)} a second on the clock`);
  console.log(`a seed: ${(events / count).toFixed(0)} events, ${(virtualMs / count / 1000).toFixed(0)} s of virtual time, ${(acknowledged / count).toFixed(1)} updates acknowledged`);
  console.log(`refusals: ${[...refusals].sort().map(([code, times]) => `${code} ${times}`).join(", ")}`);
  return failures === 0;
}

/** Every planted defect, until a seed finds it. */
async function exhibition() {
  const wanted = museum.filter(({ name }) => (values.only ?? [""]).some((part) => name.includes(part)));
  let found = 0;
  for (const [index, { name, patches }] of wanted.entries()) {
    const { run } = await load(`museum-${index}`, patches);
    let outcome;
    for (let seed = from; seed < from + (values.seeds === undefined ? 10_000 : count) && !outcome?.failure; seed++) outcome = await run(seed);
    if (outcome.failure) found++;
    console.log(`| ${name} | ${outcome.failure ? `${outcome.seed} | ${outcome.failure.invariant} | ${outcome.failure.message.split("\n")[0].slice(0, 140)}` : "not found | |"} |`);
  }
  console.log(`${found} of ${wanted.length} found`);
  return found >= (24 / 25) * wanted.length;
}

/** A death and a failing disk at each step. */
async function steps() {
  const { everyStep, run } = await load();
  const walked = await everyStep(run);
  for (const { name, steps, failures } of walked) console.log(`${String(steps).padStart(5)} ${name}${failures.map((failure) => `\n      ${failure.split("\n")[0]}`).join("")}`);
  const count = (of) => walked.reduce((sum, each) => sum + of(each), 0);
  console.log(`${count(({ steps }) => steps)} steps, ${count(({ failures }) => failures.length)} failed`);
  return walked.every(({ failures }) => failures.length === 0);
}

async function explain({ seed, failure, last }, shrink) {
  console.log(`\nseed ${seed} fails: ${failure.message}\nlast events:\n  ${last.join("\n  ")}`);
  const { swarm, outcome } = await shrink(seed, failure);
  console.log(`the least of it that fails in the same way: ${outcome.failure.message.split("\n")[0]}\n${JSON.stringify(swarm)}\nlast events:\n  ${outcome.last.join("\n  ")}\n`);
}
