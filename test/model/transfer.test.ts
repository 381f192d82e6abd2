import { describe, expect, test } from "vitest";
import { layoutOf } from "../../src/model/layout.ts";
import { initialParameters } from "../../src/model/network.ts";
import { Model } from "../../src/model/model.ts";
import { parseSpec, type ModelSpec } from "../../src/model/spec.ts";
import { adam, type Training } from "../../src/model/trainer.ts";
import { frozenRanges, transfer } from "../../src/model/transfer.ts";
import { numbers } from "../memory.ts";

const specOf = (classes: string[], features = 2, hidden = 4): ModelSpec => parseSpec({
  input: { steps: 5, features },
  layers: [{ type: "lstm", hidden }, { type: "last" }, { type: "dense", units: 6 }],
  head: { type: "classify", classes },
});
const training: Training = { epochs: 2, batch: 4, learningRate: 1e-2, optimizer: { ...adam, weightDecay: 0.1 }, clipNorm: 1, loss: {} };
const examples = { inputs: numbers(12 * 10, 1), targets: Float32Array.from({ length: 12 }, (_, n) => n % 2), count: 12 };

/** Name to values. */
const rowsOf = (spec: ModelSpec, parameters: Float32Array) =>
  new Map(layoutOf(spec).parameters.map(({ name, offset, length }) => [name, parameters.slice(offset, offset + length)]));

describe("transfer", () => {
  const source = specOf(["sound", "worn"]);
  const known = initialParameters(source, 1);

  test("to a spec of other classes takes all but the head, which stays as it was initialised", () => {
    const spec = specOf(["sound", "worn", "broken"]);
    const initial = initialParameters(spec, 2);
    const { parameters, taken, fresh } = transfer({ spec: source, parameters: known }, spec, initial);
    expect(fresh).toEqual(["head.W", "head.b"]);
    const [rows, from, own] = [rowsOf(spec, parameters), rowsOf(source, known), rowsOf(spec, initial)];
    for (const name of taken) expect(rows.get(name)).toEqual(from.get(name));
    for (const name of fresh) expect(rows.get(name)).toEqual(own.get(name));
    expect(new Set([...taken, ...fresh])).toEqual(new Set(rows.keys()));
    expect(initial).toEqual(initialParameters(spec, 2));
  });

  test("of another shape takes over what fits, and nothing is refused", () => {
    const { taken } = transfer({ spec: source, parameters: known }, specOf(["sound", "worn"], 3), initialParameters(specOf(["sound", "worn"], 3), 2));
    expect(taken).toEqual(expect.arrayContaining(["0.lstm.R", "head.W"]));
    expect(taken).not.toContain("0.lstm.W"); // it has a column for each of the other inputs
    const other = parseSpec({ input: { steps: 5, features: 2 }, layers: [{ type: "flatten" }], head: { type: "regress", unit: "h" } });
    expect(() => transfer({ spec: source, parameters: known }, other, initialParameters(other, 1))).toThrow(
      "no parameters of the same name and shape: there lstm, last, dense on 5 x 2 values, here flatten on 5 x 2 values; give a run of the same layers",
    );
  });
});

describe("frozen layers", () => {
  const spec = specOf(["sound", "worn"]);

  test("keep their bits, also under weight decay, while the others learn", () => {
    const model = new Model(spec, { seed: 3 });
    const before = rowsOf(spec, model.parameters.slice());
    model.fit(examples, { ...training, freeze: [0] }, ["fit"]);
    for (const [name, values] of rowsOf(spec, model.parameters)) {
      if (name.startsWith("0.")) expect(values).toEqual(before.get(name));
      else expect(values).not.toEqual(before.get(name));
    }
  });

  test("are clipped without: what stays takes no part in the gradient's norm", () => {
    const fitted = (freeze: number[], clipNorm: number) => {
      const model = new Model(spec, { seed: 3 });
      model.fit(examples, { ...training, epochs: 1, batch: 12, learningRate: 1, optimizer: { type: "sgd", momentum: 0, weightDecay: 0 }, freeze, clipNorm }, ["fit"]);
      return rowsOf(spec, model.parameters);
    };
    const start = rowsOf(spec, initialParameters(spec, 3));
    const head = (rows: Map<string, Float32Array>) => rows.get("head.W")!.map((value, at) => value - start.get("head.W")![at]);
    // A norm that is never reached changes nothing; one that all steps reach is reached by the trained layers alone.
    const length = (moved: Map<string, Float32Array>) => Math.sqrt([...moved].reduce((sum, [name, values]) => sum + values.reduce((part, value, at) => part + (value - start.get(name)![at]) ** 2, 0), 0));
    expect(head(fitted([0], 1e6))).toEqual(head(fitted([], 1e6)));
    expect(length(fitted([0], 1e-2))).toBeCloseTo(1e-2, 5);
    expect(length(new Map([...fitted([], 1e-2)].filter(([name]) => !name.startsWith("0."))))).toBeLessThan(0.99e-2);
  });

  test("are named by numbers of layers that have parameters", () => {
    const layout = layoutOf(spec);
    expect(frozenRanges(layout, [0])).toEqual([[0, layout.parameters.find(({ name }) => name.startsWith("2."))!.offset]]);
    for (const layer of [1, 3, -1]) expect(() => frozenRanges(layout, [layer])).toThrow(`"freeze" expected the number of a layer that has parameters (0, 2), got ${layer}`);
  });
});
