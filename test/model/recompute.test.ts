/** Recomputation in blocks of time changes memory and nothing else. The partner is taken from the build: `npm run build`. */
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { loadBuild } from "../../src/kernels/build.ts";
import { initialParameters, Network, type Machinery } from "../../src/model/network.ts";
import { blockStepsFor, largestBatch } from "../../src/model/plan.ts";
import { windowLength } from "../../src/model/shape.ts";
import { parseSpec, type ModelSpec, type ModelSpecInput } from "../../src/model/spec.ts";
import { adam, Trainer, type Training } from "../../src/model/trainer.ts";
import { numbers } from "../memory.ts";
import { referenceOf, specs } from "./specs.ts";

const training: Training = { epochs: 2, batch: 5, learningRate: 1e-2, optimizer: adam, clipNorm: 1, loss: {} };

/** Six steps of training, with batches of 5, 5 and 1. */
function fit(given: ModelSpecInput, machinery: Machinery, make = Network, train = Trainer) {
  const spec = parseSpec(given);
  const count = 11;
  const examples = { count, inputs: numbers(count * windowLength(spec), 1), targets: Float32Array.from({ length: count }, (_, n) => n % 4) };
  const network = new make(spec, { batch: 5, training: true, ...machinery });
  network.parameters.set(initialParameters(spec, 1));
  const { loss } = new train(network).fit(examples, training, ["bits"]);
  return { loss, parameters: network.parameters.slice() };
}

describe.each(Object.entries(specs))("%s", (_, spec) => {
  const T = spec.input.steps;
  test.each([1, 2, 7, T - 1, T, T + 5])("learns the same bits in blocks of %i steps", (blockSteps) => {
    const whole = fit(spec, {});
    expect(whole.parameters).not.toEqual(initialParameters(parseSpec(spec), 1));
    expect(fit(spec, { blockSteps })).toEqual(whole);
  });
});

test("the reference model learns the same bits in blocks", () => {
  const whole = fit(referenceOf(40), {});
  for (const blockSteps of [6, 20]) expect(fit(referenceOf(40), { blockSteps })).toEqual(whole);
});

test("the relaxed build learns its own bits in blocks", async () => {
  const build = await loadBuild("relaxed");
  for (const spec of Object.values(specs)) {
    const whole = fit(spec, { build });
    for (const blockSteps of [1, 5]) expect(fit(spec, { build, blockSteps })).toEqual(whole);
  }
});

test("two threads learn the same bits in blocks", async () => {
  const built = <Module>(name: string): Promise<Module> => import(fileURLToPath(new URL(`../../build/${name}`, import.meta.url)));
  const index = await built<typeof import("../../src/index.ts")>("index.js");
  const { startPartner } = await built<typeof import("../../src/node.ts")>("node.js");
  const partner = await startPartner();
  try {
    for (const spec of Object.values(specs)) {
      const whole = fit(spec, {});
      for (const blockSteps of [1, 4, 7]) expect(fit(spec, { partner, blockSteps }, index.Network, index.Trainer)).toEqual(whole);
    }
  } finally {
    await partner.close();
  }
});

test("inference, which walks long sequences in blocks, predicts the bits of a forward pass in one block", () => {
  const B = 400; // so that a block has only a few steps
  for (const given of Object.values(specs)) {
    const still = (layers: ModelSpecInput["layers"]) => layers.filter(({ type }) => type !== "dropout");
    const spec = parseSpec({ ...given, layers: still(given.layers), side: given.side && { ...given.side, layers: still(given.side.layers) } });
      const inputs = numbers(B * windowLength(spec), 1);
    const [inference, whole] = [false, true].map((training) => {
      const network = new Network(spec, { batch: B, training });
      network.parameters.set(initialParameters(spec, 1));
      if (!training) network.adapt(inputs, B); // by the statistics that the batch has in training
      network.load(inputs, Array.from({ length: B }, (_, b) => b));
      network.forward(B);
      return network.predictions(B);
    });
    expect(inference).toEqual(whole);
  }
});

test("the reference model trains on windows of 10,000 steps in 256 MiB, in batches of 16", () => {
  const limit = 256 * 2 ** 20;
  const spec: ModelSpec = parseSpec(referenceOf(10_000));
  const blockSteps = (batch: number) => blockStepsFor(spec, batch);
  const batch = largestBatch(spec, limit, blockSteps);
  expect(batch).toBe(16);
  const network = new Network(spec, { batch, training: true, blockSteps: blockSteps(batch) });
  const start = initialParameters(spec, 1);
  network.parameters.set(start);
  const examples = { count: batch, inputs: numbers(batch * 10_000 * 8, 1), targets: Float32Array.from({ length: batch }, (_, n) => n % 4) };
  const { loss } = new Trainer(network).fit(examples, { ...training, epochs: 1, batch }, ["long"]);
  expect(loss).toBeGreaterThan(0);
  expect(network.parameters).not.toEqual(start);
  expect(network.kernels.memory.buffer.byteLength).toBeLessThanOrEqual(limit);
});
