import { describe, expect, test } from "vitest";
import { initialParameters, Network } from "../../src/model/network.ts";
import { adam, predictAll, Trainer, type Examples, type Training } from "../../src/model/trainer.ts";
import { parseSpec } from "../../src/model/spec.ts";
import { numbers } from "../memory.ts";

const spec = parseSpec({
  input: { steps: 6, features: 2 },
  layers: [{ type: "lstm", hidden: 8, bidirectional: true }, { type: "dropout", rate: 0.1 }, { type: "attention", size: 6 }],
  head: { type: "classify", classes: ["falling", "flat", "rising"] },
});
const training: Training = { epochs: 3, batch: 8, learningRate: 1e-2, optimizer: adam, clipNorm: 1, loss: {} };

/** Windows whose first feature falls, stays or rises, under noise: needs the order of the steps. */
function trends(count: number, seed: number): Examples {
  const inputs = numbers(count * 12, seed, 0.5);
  const targets = Float32Array.from({ length: count }, (_, n) => n % 3);
  for (let n = 0; n < count; n++) for (let t = 0; t < 6; t++) inputs[n * 12 + 2 * t] += (targets[n] - 1) * (t - 2.5) * 0.4;
  return { inputs, targets, count };
}

function fit(examples: Examples, options: Partial<Training> = {}, stream: (string | number)[] = [1, "a"]) {
  const network = new Network(spec, { batch: 8, training: true });
  network.parameters.set(initialParameters(spec, 1));
  const fitted = new Trainer(network).fit(examples, { ...training, ...options }, stream);
  return { ...fitted, parameters: network.parameters.slice() };
}

describe("trainer", () => {
  test("learns what it is shown, and predicts it on new windows", () => {
    const { parameters, loss } = fit(trends(150, 1), { epochs: 12 });
    expect(loss).toBeLessThan(0.4);
    const network = new Network(spec, { batch: 8, training: false });
    network.parameters.set(parameters);
    const fresh = trends(99, 2);
    const probabilities = predictAll(network, fresh.inputs, fresh.count);
    const right = fresh.targets.filter((target, n) => [0, 1, 2].every((c) => probabilities[3 * n + c] <= probabilities[3 * n + target])).length;
    expect(right / fresh.count).toBeGreaterThan(0.9);
  });

  test("the same stream gives the same bits, another one does not; a last, smaller batch included", () => {
    const examples = trends(21, 1);
    const once = fit(examples);
    expect(once.steps).toBe(9);
    expect(fit(examples)).toEqual(once);
    expect(fit(examples, {}, [1, "b"]).parameters).not.toEqual(once.parameters);
  });

  test("starts every fit with a fresh optimizer", () => {
    const examples = trends(24, 1);
    const network = new Network(spec, { batch: 8, training: true });
    const trainer = new Trainer(network);
    const outcomes = [1, 2].map(() => {
      network.parameters.set(initialParameters(spec, 1));
      trainer.fit(examples, training, ["same"]);
      return network.parameters.slice();
    });
    expect(outcomes[1]).toEqual(outcomes[0]);
  });

  test("FedProx keeps the parameters nearer to where they started", () => {
    const start = initialParameters(spec, 1);
    const distance = (parameters: Float32Array) => Math.hypot(...parameters.map((w, p) => w - start[p]));
    expect(distance(fit(trends(60, 1), { proximal: 1 }).parameters)).toBeLessThan(0.8 * distance(fit(trends(60, 1)).parameters));
  });

  test("SGD with momentum learns too", () => {
    const optimizer = { type: "sgd", momentum: 0.9, weightDecay: 0 } as const;
    expect(fit(trends(150, 1), { epochs: 12, optimizer, learningRate: 0.1 }).loss).toBeLessThan(0.7);
  });

  test("an epoch takes a share of the windows, drawn anew, and all of them by default", () => {
    const examples = trends(60, 1);
    expect(fit(examples, { epochs: 2, batch: 8, share: 0.25 })).toMatchObject({ samples: 60, steps: 4 });
    expect(fit(examples, { share: 1 }).parameters).toEqual(fit(examples).parameters);
    expect(fit(examples, { epochs: 40, share: 0.2 }).loss).toBeLessThan(fit(examples, { epochs: 1, share: 0.2 }).loss);
  });

  test("refuses examples that are none or of another shape, and a loss that diverges", () => {
    expect(() => fit({ inputs: new Float32Array(0), targets: new Float32Array(0), count: 0 })).toThrow(/at least one window/);
    expect(() => fit({ ...trends(6, 1), count: 7 })).toThrow(/7 windows of 6 x 2/);
    const broken = trends(6, 1);
    broken.inputs[5] = NaN;
    expect(() => fit(broken)).toThrow(/loss became NaN/);
  });

  test("refuses a target that is no class, and a training that cannot be followed", () => {
    const { inputs, targets, count } = trends(6, 1);
    for (const wrong of [3, -1, 0.5, NaN]) expect(() => fit({ inputs, targets: targets.with(4, wrong), count })).toThrow(/target of window 5 expected a class from 0 to 2/);
    const refused: [Partial<Training>, RegExp][] = [
      [{ epochs: 0 }, /"epochs" expected integer >= 1, got 0/],
      [{ share: 0 }, /"share" expected a number above 0 and at most 1, got 0/],
      [{ share: NaN }, /"share" expected/],
      [{ batch: 0 }, /"batch" expected integer >= 1, got 0/],
      [{ learningRate: NaN }, /"learningRate" expected a finite number > 0, got NaN/],
      [{ clipNorm: -1 }, /"clipNorm" expected/],
      [{ loss: { classWeights: [1, 1] } }, /"loss.classWeights" expected 3 numbers for this head, got 2/],
    ];
    for (const [options, message] of refused) expect(() => fit(trends(6, 1), options)).toThrow(message);
  });

  test("a gradient beyond float32 is refused before it reaches the parameters", () => {
    const network = new Network({ ...spec, head: { type: "regress", unit: "m" } }, { batch: 1, training: true });
    const start = initialParameters(network.spec, 1);
    network.parameters.set(start);
    const example = { inputs: numbers(12, 1), targets: Float32Array.of(3e38), count: 1 };
    expect(() => new Trainer(network).fit(example, training, ["one"])).toThrow(/its gradient's norm (NaN|Infinity), in step 1/);
    expect(network.parameters).toEqual(start);
  });
});
