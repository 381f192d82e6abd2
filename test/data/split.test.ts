import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { deal, splitGroups } from "../../src/data/split.ts";
import { random } from "../../src/kernels/random.ts";

const items = fc.uniqueArray(fc.integer(), { minLength: 3, maxLength: 60 });
const sorted = (list: number[]) => [...list].sort((a, b) => a - b);

describe("deal", () => {
  it("gives every item to exactly one hand, evenly, and the same way for the same seed", () => {
    fc.assert(
      fc.property(items, fc.integer({ min: 1, max: 12 }), fc.integer(), (list, hands, seed) => {
        const dealt = deal(list, hands, random(seed, "deal"));
        expect(sorted(dealt.flat())).toEqual(sorted(list));
        const lengths = dealt.map((hand) => hand.length);
        expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThanOrEqual(1);
        expect(deal(list, hands, random(seed, "deal"))).toEqual(dealt);
      }),
    );
  });
});

describe("splitGroups", () => {
  it("gives every group to exactly one part, and each share at least one", () => {
    fc.assert(
      fc.property(items, fc.integer(), (list, seed) => {
        const split = splitGroups(list, { validation: 1 / 8, test: 1 / 4 }, random(seed), "blocks");
        expect(sorted([...split.train, ...split.validation, ...split.test])).toEqual(sorted(list));
        expect(split.test.length).toBe(Math.max(1, Math.floor(list.length / 4)));
        expect(split.validation.length).toBe(Math.max(1, Math.floor(list.length / 8)));
      }),
    );
  });

  it("takes nothing for a share of 0", () => {
    expect(splitGroups([1, 2], { validation: 0.5, test: 0 }, random(1), "engines").test).toEqual([]);
  });

  it("refuses a list that leaves nothing to train on", () => {
    expect(() => splitGroups([7, 8], { validation: 1 / 8, test: 1 / 4 }, random(1), "blocks of x")).toThrow(
      new RangeError("blocks of x: expected at least 3 to train, validate and test on different ones, got 2"),
    );
  });
});
