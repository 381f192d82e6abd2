import { describe, expect, test } from "vitest";
import { readCmapss, SETTINGS } from "../../src/data/cmapss.ts";
import { dealByLife, dealByRegime, dealFleets, type Fleet } from "../../src/data/fleet.ts";
import { clusterSettings, mergeClusters } from "../../src/data/regime.ts";
import { memorySource, turbofanFiles } from "../tasks/sources.ts";

const data = await readCmapss(memorySource(turbofanFiles("FD001", { train: 40, test: 12 })), "FD001");
const units = (engines: Fleet["train"]) => engines.map(({ unit }) => unit);
const all = (fleets: readonly Fleet[]) => fleets.flatMap(({ train, validation }) => units([...train, ...validation])).sort((a, b) => a - b);
const numbered = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

describe.each([["evenly", dealFleets], ["by life", dealByLife]] as const)("fleets dealt %s", (_, dealt) => {
  test("hold each engine once, test each engine once, and each has engines to train and to validate", () => {
    for (const seed of [1, 2, 3]) {
      const fleets = dealt(data, 6, seed);
      expect(all(fleets)).toEqual(numbered(40));
      expect(fleets.flatMap(({ test }) => units(test)).sort((a, b) => a - b)).toEqual(numbered(12));
      for (const { train, validation, test } of fleets) expect(Math.min(train.length, validation.length, test.length)).toBeGreaterThan(0);
    }
  });

  test("are the seed's", () => {
    const hands = (seed: number) => dealt(data, 6, seed).map(({ train }) => units(train));
    expect(hands(1)).toEqual(hands(1));
    expect(hands(1)).not.toEqual(hands(2));
  });

  test("are refused where there are not two engines each", () => {
    expect(() => dealt(data, 13, 1)).toThrow(/at most 12, got 13: FD001 has 40 training and 12 test engines/);
    expect(() => dealt(data, 0, 1)).toThrow(RangeError);
  });
});

test("fleets by life differ in their mean life more than fleets dealt evenly", () => {
  const spread = (fleets: readonly Fleet[]) => {
    const means = fleets.map(({ train, validation }) => [...train, ...validation].reduce((sum, { cycles }, _, { length }) => sum + cycles / length, 0));
    return Math.max(...means) - Math.min(...means);
  };
  const mean = (deal: typeof dealFleets) => [1, 2, 3, 4, 5].reduce((sum, seed) => sum + spread(deal(data, 5, seed)) / 5, 0);
  expect(mean(dealByLife)).toBeGreaterThan(1.5 * mean(dealFleets));
});

/** FD002's engines, each cycle at the regime that is asked for. */
async function fleetsByRegime(regimeAt: (engine: number, cycle: number) => number) {
  const two = await readCmapss(memorySource(turbofanFiles("FD002", { train: 12, test: 4 })), "FD002");
  const rows = two.train.map((engine, index) => {
    const changed = engine.rows.slice();
    for (let cycle = 0; cycle < engine.cycles; cycle++) {
      const regime = regimeAt(index, cycle);
      changed.set([20 * regime, 0.5 * regime, 100], cycle * two.features);
    }
    return { ...engine, rows: changed };
  });
  const cycles = rows.reduce((sum, engine) => sum + engine.cycles, 0);
  const inputs = Float32Array.from(rows.flatMap((engine) => [...engine.rows]));
  const windows = { inputs, targets: new Float32Array(cycles), groups: new Int32Array(cycles), count: cycles, steps: 1, features: two.features };
  const regimes = mergeClusters([clusterSettings(windows, SETTINGS.length, 2)], SETTINGS.length, 2);
  return dealByRegime({ ...two, train: rows }, regimes, 1);
}

describe("fleets by regime", () => {
  test("hold the engines that fly it more than the others do, even where all fly one regime most", async () => {
    // Of eight cycles, even engines fly regime 1 once and odd ones three times.
    const fleets = await fleetsByRegime((index, cycle) => Number(cycle % 8 < (index % 2 === 0 ? 1 : 3)));
    expect(fleets).toHaveLength(2);
    expect(all(fleets)).toEqual(numbered(12));
    for (const fleet of fleets) expect(new Set(all([fleet]).map((unit) => unit % 2)).size).toBe(1);
  });

  test("lose no engine: one that would be alone goes to the largest", async () => {
    const fleets = await fleetsByRegime((index) => Number(index === 4));
    expect(fleets.map((fleet) => all([fleet]))).toEqual([numbered(12)]);
  });
});
