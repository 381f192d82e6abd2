import { describe, expect, test } from "vitest";
import { FactoryClient, type Learner } from "../../src/federation/client.ts";
import { fingerprintOf } from "../../src/federation/checksum.ts";
import { Orchestrator, type OrchestratorOptions } from "../../src/federation/orchestrator.ts";
import { Model } from "../../src/model/model.ts";
import { adam, type Examples, type Training } from "../../src/model/trainer.ts";
import { numbers } from "../memory.ts";

const spec = {
  input: { steps: 5, features: 2 },
  layers: [{ type: "lstm" as const, hidden: 6, bidirectional: true }, { type: "dropout" as const, rate: 0.2 }, { type: "attention" as const, size: 4 }],
  head: { type: "classify" as const, classes: ["calm", "uneasy", "alarmed"] },
};
const training: Training = { epochs: 2, batch: 4, learningRate: 1e-2, optimizer: adam, clipNorm: 1, loss: { labelSmoothing: 0.1 } };
const examples: Examples = { inputs: numbers(22 * 10, 1), targets: Float32Array.from({ length: 22 }, (_, n) => n % 3), count: 22 };
const ROUNDS = 4;

class ModelLearner implements Learner {
  readonly model = new Model(spec, { seed: 1 });
  readonly samples = examples.count;
  get parameters() {
    return this.model.parameters;
  }
  async fit({ round }: { round: number }) {
    return this.model.fit(examples, training, ["one", round]);
  }
}

async function federated(options: Partial<OrchestratorOptions>) {
  const fingerprint = await fingerprintOf(spec);
  const orchestrator = new Orchestrator({ clients: ["one"], parameters: new Model(spec, { seed: 1 }).parameters, rounds: ROUNDS, fingerprint, ...options });
  await new FactoryClient({ id: "one", exchange: orchestrator.handle, learner: new ModelLearner(), fingerprint }).run();
  return (await orchestrator.finished).parameters;
}

/** Training without any federation; `end` is what happens to the parameters at each round's end. */
function local(end: (after: Float32Array, before: Float32Array) => Float32Array) {
  const model = new Model(spec, { seed: 1 });
  for (let round = 1; round <= ROUNDS; round++) {
    const before = model.parameters.slice();
    model.fit(examples, training, ["one", round]);
    model.parameters.set(end(model.parameters.slice(), before));
  }
  return model.parameters;
}

/** By the definition, in plain arithmetic: the change rounded to the nearest 2^-24, ties to even. */
function snapped(after: Float32Array, before: Float32Array): Float32Array {
  const roundEven = (x: number) => {
    const floor = Math.floor(x);
    const rest = x - floor;
    return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
  };
  return after.map((w, p) => before[p] + Math.fround(roundEven((w - before[p]) * 2 ** 24) / 2 ** 24));
}

describe("a federation of one real model", () => {
  test("in float32 equals local training bit for bit", async () => {
    expect(await federated({ arithmetic: "float32" })).toEqual(local((after) => after));
  });

  test("on the lattice equals local training snapped to the lattice at each round's end, bit for bit", async () => {
    const parameters = await federated({});
    expect(parameters).toEqual(local(snapped));
    expect(parameters).not.toEqual(local((after) => after));
  });
});
