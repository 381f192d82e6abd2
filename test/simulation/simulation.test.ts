/** A few hundred federations with everything that goes wrong; `npm run simulate` for thousands. Needs `npm run build`. */
import { beforeAll, describe, expect, test } from "vitest";
import { load } from "./bundle.js";

const SEEDS = 200;

describe("a simulated federation", () => {
  let simulation: Awaited<ReturnType<typeof load>>;
  beforeAll(async () => { simulation = await load(); });

  test("loses nothing, counts nothing twice and ends, for every seed", async () => {
    const refusals = new Set<string>();
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { failure, last, refusals: refused } = await simulation.simulate(seed);
      expect(failure, `seed ${seed}; the last events:\n${last.join("\n")}`).toBeUndefined();
      for (const code of refused.keys()) refusals.add(code);
    }
    expect([...refusals].sort()).toEqual(expect.arrayContaining(["client", "duplicate", "frame", "late", "round"]));
  });
});
