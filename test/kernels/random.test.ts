import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { random } from "../../src/kernels/random.ts";

describe("random", () => {
  it("gives another stream for another seed and another name, however long the name is", () => {
    const name = fc.oneof(fc.string({ maxLength: 40 }), fc.nat());
    fc.assert(
      fc.property(fc.integer(), fc.integer(), fc.array(name, { maxLength: 4 }), fc.array(name, { maxLength: 4 }), (a, b, names, others) => {
        const draw = (seed: number, names: (string | number)[]) => {
          const stream = random(seed, ...names);
          return [stream.uniform(), stream.uniform()];
        };
        expect(draw(a, names)).toEqual(draw(a, names));
        if (a !== b) expect(draw(a, names)).not.toEqual(draw(b, names));
        if (JSON.stringify(names) !== JSON.stringify(others)) expect(draw(a, names)).not.toEqual(draw(a, others));
      }),
    );
  });

  it("is uniform in [0, 1) and standard normal", () => {
    const stream = random(1, "moments");
    const mean = (draw: () => number) => Array.from({ length: 20_000 }, draw).reduce((sum, x) => sum + x, 0) / 20_000;
    // Five standard errors each.
    expect(Math.abs(mean(() => stream.uniform()) - 1 / 2)).toBeLessThan(0.0103);
    expect(Math.abs(mean(() => stream.uniform() ** 2) - 1 / 3)).toBeLessThan(0.0106);
    expect(Math.abs(mean(() => stream.normal()))).toBeLessThan(0.0354);
    expect(Math.abs(mean(() => stream.normal() ** 2) - 1)).toBeLessThan(0.05);
  });

  it("shuffles evenly", () => {
    const stream = random(1, "shuffle");
    const counts = new Map<string, number>();
    for (let draw = 0; draw < 6000; draw++) {
      const order = stream.shuffle([1, 2, 3]).join("");
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });
});
