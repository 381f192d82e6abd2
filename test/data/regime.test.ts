import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { clusterSettings, mergeClusters, nearestRegime } from "../../src/data/regime.ts";
import type { Windows } from "../../src/signal/window.ts";
import { random } from "../../src/kernels/random.ts";

/** The six conditions of C-MAPSS: altitude in thousand feet, Mach number, throttle. */
const CONDITIONS = [[0, 0, 100], [10, 0.25, 100], [20, 0.7, 100], [25, 0.62, 60], [35, 0.84, 100], [42, 0.84, 100]];

function flights(seed: number, rows: number, conditions = CONDITIONS): Windows {
  const draw = random(seed, "flights");
  const inputs = new Float32Array(rows * 4);
  const groups = new Int32Array(rows);
  for (let row = 0; row < rows; row++) {
    groups[row] = draw.integer(conditions.length);
    const [altitude, mach, throttle] = conditions[groups[row]];
    inputs.set([altitude + 0.008 * draw.uniform(), mach + 0.002 * draw.uniform(), throttle, draw.normal()], row * 4);
  }
  return { inputs, targets: new Float32Array(rows), groups, count: rows, steps: 1, features: 4 };
}

describe("regimes", () => {
  it("are found from clusters that factories share, and every row falls into its own", () => {
    const factories = [1, 2, 3].map((seed) => flights(seed, 300));
    const regimes = mergeClusters(factories.map((factory) => clusterSettings(factory, 3, 6)), 3, 6);
    expect(regimes.centres.length).toBe(6);
    regimes.centres.forEach((centre, regime) => centre.forEach((value, setting) => expect(Math.abs(value - CONDITIONS[regime][setting])).toBeLessThan(0.01)));
    for (const { inputs, groups } of factories) groups.forEach((condition, row) => expect(nearestRegime(inputs, row * 4, regimes)).toBe(condition));
  });

  it("are found where each factory flies only some of them", () => {
    const factories = [CONDITIONS.slice(0, 3), CONDITIONS.slice(2), CONDITIONS.slice(4)].map((some, seed) => flights(seed, 200, some));
    const { centres } = mergeClusters(factories.map((factory) => clusterSettings(factory, 3, 6)), 3, 6);
    expect(centres.map((centre) => centre.map((value) => Math.round(value * 100) / 100))).toEqual(CONDITIONS.map((condition) => condition.map((value) => expect.closeTo(value, 1))));
  });

  it("do not depend on the order of the factories", () => {
    const parts = [1, 2, 3, 4].map((seed) => clusterSettings(flights(seed, 50), 3, 6));
    const expected = mergeClusters(parts, 3, 6);
    fc.assert(
      fc.property(fc.shuffledSubarray(parts, { minLength: parts.length }), (shuffled) => {
        expect(mergeClusters(shuffled, 3, 6)).toEqual(expected);
      }),
    );
  });

  it("are fewer where fewer settings differ", () => {
    expect(mergeClusters([Float64Array.of(5, 1, 7, 9), Float64Array.of(2, 9)], 1, 6).centres).toEqual([[1], [9]]);
  });

  it.each([
    ["nothing", [], "clusters of client 1: expected 1 to 6 clusters of 2 numbers, got 0 numbers"],
    ["half a cluster", [1, 2, 3], "got 3 numbers"],
    ["too many", Array(14).fill(1), "got 14 numbers"],
    ["no rows", [0, 1], "clusters of client 1: expected a count of rows >= 1, got 0"],
    ["an infinite mean", [1, Infinity], "clusters of client 1: expected finite means, got Infinity"],
  ])("refuse a part of %s", (_, part, message) => {
    expect(() => mergeClusters([Float64Array.from(part)], 1, 6)).toThrow(message);
  });
});
