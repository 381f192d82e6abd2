/**
 * Real processes, killed, starved and misled, and what is left of the federation afterwards:
 *
 *     npm run chaos                                   every section below
 *     npm run chaos -- --only orchestrator,disk       some of them
 *     npm run chaos -- --kills 10 --seed 3            fewer kills, other moments
 *
 * After each section zero acknowledged updates are lost or counted twice, and every round's model is that of an
 * undisturbed run with the same inclusions: ledger.js says how that is held. docs/reliability.md has the figures.
 */
import { parseArgs } from "node:util";
import { sections } from "./sections.js";
import { Scene } from "./process.js";

const { values } = parseArgs({ options: { only: { type: "string" }, kills: { type: "string", default: "50" }, seed: { type: "string", default: "1" }, frames: { type: "string", default: "10000000" } } });
const names = values.only?.split(",") ?? Object.keys(sections);
const unknown = names.find((name) => !(name in sections));
if (unknown) throw new RangeError(`--only expected some of ${Object.keys(sections).join(",")}, got ${JSON.stringify(unknown)}`);

const counts = { passed: 0, failed: 0, skipped: 0 };
const options = { kills: Number(values.kills), seed: Number(values.seed), frames: Number(values.frames) };

/** A line of figures, or why there are none. */
function say(name, verdict, figures) {
  const text = Object.entries(figures).map(([what, value]) => `${what} ${value}`).join("  ");
  console.log(`${name.padEnd(26)}${verdict.padEnd(9)}${text}`);
}

for (const name of names) {
  for (const [title, attempt] of sections[name](options)) {
    const scene = new Scene(title.replaceAll(/[^a-z0-9]+/gi, "-"), options.seed);
    const begunMs = performance.now();
    try {
      const figures = await attempt(scene);
      const skipped = typeof figures === "string";
      counts[skipped ? "skipped" : "passed"] += 1;
      say(title, skipped ? "skipped" : "passed", skipped ? { because: figures } : { ...figures, s: ((performance.now() - begunMs) / 1000).toFixed(0) });
    } catch (error) {
      counts.failed += 1;
      say(title, "FAILED", { seed: options.seed });
      console.log(`${error.stack ?? error}\n`);
    } finally {
      await scene.close();
    }
  }
}
console.log(`\n${counts.passed} passed, ${counts.failed} failed${counts.skipped ? `, ${counts.skipped} skipped` : ""}`);
process.exitCode = counts.failed > 0 ? 1 : 0;
