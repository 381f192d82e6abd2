import { describe, expect, test } from "vitest";
import { initialParameters, Network } from "../../src/model/network.ts";
import { blockStepsFor, largestBatch, planOf, predictionBatch, type Part, type PlanOptions } from "../../src/model/plan.ts";
import { parseSpec, type ModelSpecInput } from "../../src/model/spec.ts";
import { windowLength } from "../../src/model/shape.ts";
import { adam, predictAll, Trainer } from "../../src/model/trainer.ts";
import { numbers } from "../memory.ts";
import { referenceOf, specs } from "./specs.ts";

const MIB = 2 ** 20;
const GUARD = 0x7fc0beef;

function floatsOf(spec: ModelSpecInput, options: PlanOptions, part: Part): number {
  return planOf(spec, options).regions.reduce((sum, region) => sum + (region.part === part ? region.floats : 0), 0);
}

const options = (steps: number): PlanOptions[] => [1, 3, 8].flatMap((batch) => [
  { batch, training: false },
  ...[undefined, 1, 4, steps].map((blockSteps) => ({ batch, training: true, blockSteps })),
]);

describe.each(Object.entries(specs))("the plan of %s", (_, spec) => {
  test("is what a network takes", () => {
    for (const each of options(spec.input.steps)) {
      const plan = planOf(spec, each);
      const network = new Network(spec, each);
      const label = JSON.stringify(each);
      expect(network.plan, label).toEqual(plan);
      expect(network.kernels.mark(), label).toBe(plan.end);
      expect(network.kernels.memory.buffer.byteLength, label).toBe(plan.bytes);
      let end = 0;
      for (const { pointer, floats } of plan.regions) {
        expect(pointer, label).toBeGreaterThanOrEqual(end);
        end = pointer + 4 * floats;
      }
      expect(plan.end, label).toBeLessThan(end + 64);
    }
  });

  test("has room for all that is written, and nothing is added to it", () => {
    for (const each of options(spec.input.steps)) {
      const network = new Network(spec, each);
      const { regions, bytes } = network.plan;
      const words = network.kernels.int32(0, bytes / 4);
      const gaps = regions.map(({ pointer, floats }, index) => words.subarray(pointer / 4 + floats, (regions[index + 1]?.pointer ?? bytes) / 4));
      for (const gap of gaps) gap.fill(GUARD);
      network.parameters.set(initialParameters(network.spec, 1));
      const count = 2 * each.batch + 1;
      const examples = { count, inputs: numbers(count * windowLength(network.spec), 1), targets: Float32Array.from({ length: count }, (_, n) => n % 2) };
      if (each.training) new Trainer(network).fit(examples, { epochs: 1, batch: each.batch, learningRate: 1e-2, optimizer: adam, clipNorm: 1, loss: {} }, [1]);
      else predictAll(network, examples.inputs, count);
      const label = JSON.stringify(each);
      expect(gaps.every((gap) => gap.every((word) => word === GUARD)), label).toBe(true);
      expect(network.kernels.memory.buffer.byteLength, label).toBe(bytes);
      expect(network.parameters.every(Number.isFinite), label).toBe(true);
    }
  });
});

describe("the plan", () => {
  const spec = referenceOf(100);
  const P = 154_053;

  test("counts each part of the reference model", () => {
    const training = { batch: 32, training: true };
    const sequence = 100 * 32 * 128;
    const expected: Partial<Record<Part, number>> = {
      parameters: P, gradients: P, optimizer: 3 * P,
      windows: 100 * 32 * 8 + 32 + 32 * 4 + 4,
      gates: 4 * 100 * 32 * (256 + 16), // an odd number of cache lines in a row
      cells: 4 * 100 * 32 * 64,
      borders: 0,
      signals: 3 * sequence + 32 * (128 + 64 + 64 + 4), // two lstm, one dropout; attention, dense, dropout, head
      "signal gradients": 2 * sequence + 32 * (128 + 64 + 4), // in turn; dropout works in place
      attention: 100 * 32 * 65,
    };
    for (const [part, floats] of Object.entries(expected)) expect(floatsOf(spec, training, part as Part), part).toBe(floats);
  });

  test("in blocks has states at borders instead of gates, and three sequences for values and gradients", () => {
    const blocks = { batch: 32, training: true, blockSteps: 10 };
    const sequence = 100 * 32 * 128;
    expect(floatsOf(spec, blocks, "gates") + floatsOf(spec, blocks, "cells")).toBe(0);
    expect(floatsOf(spec, blocks, "borders")).toBe(4 * 9 * 32 * (64 + 128));
    expect(floatsOf(spec, blocks, "signals") + floatsOf(spec, blocks, "signal gradients")).toBe(3 * sequence + 2 * 32 * (128 + 64 + 4) + 32 * 64);
    expect(floatsOf(spec, blocks, "attention")).toBe(100 * 32);
  });

  test("for inference has neither gradients nor gates, and two sequences for any number of layers", () => {
    const deep = { ...spec, layers: [...Array(5).fill({ type: "lstm", hidden: 16 }), { type: "last" }] } as ModelSpecInput;
    for (const part of ["gradients", "optimizer", "signal gradients", "gates", "cells"] as const) expect(floatsOf(deep, { batch: 4, training: false }, part)).toBe(0);
    expect(floatsOf(deep, { batch: 4, training: false }, "signals")).toBe(2 * 100 * 4 * 16 + 4 * (16 + 4));
  });

  test("finds the largest batch that fits, of the reference model at 10,000 steps in 256 MiB too", () => {
    const bytes = (steps: number, batch: number, blockSteps?: number) => planOf(referenceOf(steps), { batch, training: true, blockSteps }).bytes;
    for (const [steps, limit] of [[100, 16 * MIB], [1000, 256 * MIB], [10_000, 256 * MIB]]) {
      const long = parseSpec(referenceOf(steps));
      const kept = largestBatch(long, limit);
      expect(bytes(steps, kept)).toBeLessThanOrEqual(limit);
      expect(bytes(steps, kept + 1)).toBeGreaterThan(limit);
      const blockSteps = (batch: number) => blockStepsFor(long, batch);
      const again = largestBatch(long, limit, blockSteps);
      expect(again).toBeGreaterThan(2 * kept);
      expect(bytes(steps, again, blockSteps(again))).toBeLessThanOrEqual(limit);
      expect(bytes(steps, again + 1, blockSteps(again + 1))).toBeGreaterThan(limit);
    }
    expect(largestBatch(parseSpec(referenceOf(10_000)), 256 * MIB)).toBe(3);
    expect(largestBatch(parseSpec(referenceOf(10_000)), 256 * MIB, () => 100)).toBe(16);
    expect(largestBatch(parseSpec(spec), MIB)).toBe(0);
  });

  test("takes blocks of about the root of T, longer ones for few windows", () => {
    const blockSteps = (steps: number, batch: number) => blockStepsFor(parseSpec(referenceOf(steps)), batch);
    expect([blockSteps(10_000, 16), blockSteps(10_000, 1), blockSteps(100, 32), blockSteps(100, 1)]).toEqual([100, 512, 16, 100]);
  });

  test("predicts fewer windows at a time where they are long", () => {
    expect([1, 1000, 2000, 10_000, 1_000_000].map((steps) => predictionBatch(parseSpec(referenceOf(steps))))).toEqual([32, 32, 20, 4, 1]);
  });

  test("refuses sizes that cannot be", () => {
    expect(() => planOf(spec, { batch: 0, training: true })).toThrow('"batch" expected integer >= 1, got 0');
    expect(() => planOf(spec, { batch: 4, training: true, blockSteps: 2.5 })).toThrow('"blockSteps" expected integer >= 1, got 2.5');
    expect(() => new Network(spec, { batch: 4, training: true, blockSteps: 0 })).toThrow('"blockSteps" expected integer >= 1, got 0');
    expect(() => planOf(spec, { batch: 2 ** 24, training: true })).toThrow(/"batch" expected at most 10737418 for windows of 100 steps/);
    expect(() => planOf({ ...spec, layers: [] }, { batch: 1, training: true })).toThrow(/model spec/);
  });
});
