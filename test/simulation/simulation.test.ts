/** Federations with everything that goes wrong, by the seed; `npm run simulate` for thousands. Needs `npm run build`. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { load } from "./bundle.js";
import { museum } from "./museum.js";

const SEEDS = 150;
/** Of the planted defects, one for each thing that is simulated, and seeds among which one finds it. */
const SHOWN: readonly (readonly [name: string, seeds: number])[] = [
  ["acknowledge before the fsync", 40],
  ["do not fold recovered updates into the sum again", 40],
  ["accept late updates silently", 40],
  ["fold in the order of arrival, in floats", 10],
  ["aggregator that acknowledges before the orchestrator has", 60],
];

describe("a simulated federation", () => {
  let simulation: Awaited<ReturnType<typeof load>>;
  beforeAll(async () => { simulation = await load("test"); });

  test("loses nothing, counts nothing twice and ends, for every seed", async () => {
    const refusals = new Set<string>();
    let acknowledged = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const outcome = await simulation.simulate(seed);
      expect(outcome.failure, `seed ${seed}; the last events:\n${outcome.last.join("\n")}`).toBeUndefined();
      for (const code of outcome.refusals.keys()) refusals.add(code);
      acknowledged += outcome.acknowledged;
    }
    expect([...refusals]).toEqual(expect.arrayContaining(["client", "frame", "late", "round"]));
    expect(acknowledged).toBeGreaterThan(3 * SEEDS);
  });

  test("is another for another seed", async () => {
    const [first, second] = [await simulation.run(1), await simulation.run(2)];
    expect(first.hash).not.toBe(second.hash);
  });
});

describe("a small federation", () => {
  test("that dies, or whose disk fails, at each of its steps ends as if nothing had happened", async () => {
    const { everyStep, run } = await load("test-steps");
    const walked = await everyStep(run);
    expect(walked.flatMap(({ failures }) => failures)).toEqual([]);
    // Three rounds: each has its snapshot, its entries and its answers.
    for (const { name, steps } of walked) expect(steps, name).toBeGreaterThanOrEqual(3 * (name.startsWith("client") ? 4 : 7));
    expect(walked.length).toBe(24);
  });
});

describe("the museum", () => {
  test.each(museum)("has a place in the source for: $name", ({ patches }) => {
    for (const { file, find, replace } of patches) {
      const source = readFileSync(fileURLToPath(new URL(`../../${file}`, import.meta.url)), "utf8");
      expect(source.split(find).length - 1, find).toBe(1);
      expect(replace).not.toBe(find);
    }
  });

  test("has 25 defects and more, each of its own name", () => {
    expect(museum.length).toBeGreaterThanOrEqual(25);
    expect(new Set(museum.map(({ name }) => name)).size).toBe(museum.length);
  });

  test.each(SHOWN)("shows one that is found: %s", async (name, seeds) => {
    const { patches } = museum.find((each) => each.name === name)!;
    const { run } = await load(`test-${name.replaceAll(/\W+/g, "-")}`, patches);
    let found = false;
    for (let seed = 1; seed <= seeds && !found; seed++) found = (await run(seed)).failure !== undefined;
    expect(found).toBe(true);
  });
});
