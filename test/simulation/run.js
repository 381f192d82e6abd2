/**
 * Federations by the seed:
 *
 *     npm run simulate -- --seeds 2000            from seed 1 on, each twice
 *     npm run simulate -- --from 77 --seeds 1     one of them, and how it ended
 *     npm run simulate -- --museum                the planted defects, and which seed finds each
 *
 * Ends with 1 where something is not as it should be. docs/simulation.md says how to read it.
 */
import { parseArgs } from "node:util";
import { load } from "./bundle.js";

const { values } = parseArgs({ options: { seeds: { type: "string", default: "2000" }, from: { type: "string", default: "1" }, museum: { type: "boolean" }, only: { type: "string" } } });
const count = Number(values.seeds), from = Number(values.from);
if (!Number.isInteger(count) || count < 1) throw new RangeError(`--seeds expected integer >= 1, got ${values.seeds}`);
if (!Number.isInteger(from)) throw new RangeError(`--from expected integer, got ${values.from}`);

process.exitCode = (await seeds()) ? 0 : 1;

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

async function explain({ seed, failure, last }, shrink) {
  console.log(`\nseed ${seed} fails: ${failure.message}\nlast events:\n  ${last.join("\n  ")}`);
  const { swarm, outcome } = await shrink(seed, failure);
  console.log(`the least of it that fails in the same way: ${outcome.failure.message.split("\n")[0]}\n${JSON.stringify(swarm)}\nlast events:\n  ${outcome.last.join("\n  ")}\n`);
}
