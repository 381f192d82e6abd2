/** Statistics of batches in a federation: each factory has its own, and none of them travels. */
import { describe, expect, test, vi } from "vitest";
import { decode } from "../../src/federation/message.ts";
import { layoutOf, statisticsOf } from "../../src/model/layout.ts";
import { Model } from "../../src/model/model.ts";
import { initialParameters } from "../../src/model/network.ts";
import { parseSpec } from "../../src/model/spec.ts";
import { adam, type Training } from "../../src/model/trainer.ts";
import { adapt, decodeArtefact, encodeArtefact, predict } from "../../src/tasks/artefact.ts";
import { federate, type FederationOptions } from "../../src/tasks/federation.ts";
import { networkScores } from "../../src/tasks/network.ts";
import { inlinePool } from "../../src/tasks/pool.ts";
import type { TaskFactory, TaskWindows } from "../../src/tasks/task.ts";
import { numbers } from "../memory.ts";

/** Every frame that is encoded in this process: all that travels, in both directions. */
const frames = vi.hoisted(() => [] as Uint8Array[]);
vi.mock("../../src/federation/message.ts", async (load) => {
  const message = await load<typeof import("../../src/federation/message.ts")>();
  const encode: typeof message.encode = (...values) => {
    const frame = message.encode(...values);
    frames.push(frame.slice());
    return frame;
  };
  return { ...message, encode };
});

const [T, I] = [8, 2];
const spec = parseSpec({
  input: { steps: T, features: I },
  layers: [
    { type: "convolution", filters: 5, kernel: 3 }, { type: "normalise", kind: "batch" }, { type: "activation", kind: "relu" },
    { type: "mean" }, { type: "normalise", kind: "batch" },
  ],
  head: { type: "classify", classes: ["calm", "uneasy"] },
});
const S = statisticsOf(spec).length;
const training = (): Training => ({ epochs: 2, batch: 8, learningRate: 1e-2, optimizer: adam, clipNorm: 1, loss: {} });

/** Windows whose first feature rises or falls, on a machine that stretches and moves what it measures. */
function trends(count: number, seed: number, stretch: number, shift: number): TaskWindows {
  const targets = Float32Array.from({ length: count }, (_, n) => n % 2);
  const inputs = numbers(count * T * I, seed).map((noise, at) => {
    const [n, t, i] = [Math.floor(at / (T * I)), Math.floor(at / I) % T, at % I];
    return stretch * (noise + (i === 0 ? (2 * targets[n] - 1) * (t - 3.5) * 0.3 : 0)) + shift;
  });
  return { inputs, targets, count, steps: T, features: I, groups: new Int32Array(count) };
}

const factory = (id: string, seed: number, stretch: number, shift: number): TaskFactory => {
  const [train, validation, test] = [0, 1, 2].map((split) => trends(split === 0 ? 40 : 20, 10 * seed + split, stretch, shift));
  return { id, train, validation, test };
};
const factories = [factory("Aachen", 1, 1, 0), factory("Brno", 2, 3, 5)];
const data = { settings: 0, regimes: 1 };

function run(options: Partial<FederationOptions> = {}) {
  const counts = (predictions: Float32Array, { targets }: TaskWindows) =>
    Float64Array.of(targets.length, targets.filter((target, n) => predictions[2 * n + target] > 0.5).length);
  return federate({ factories, spec, seed: 1, rounds: 3, training, pool: inlinePool(), data, counts, ...options });
}

describe("in a federation, statistics of batches", () => {
  test("are each factory's own: those of the final model on its training windows", async () => {
    const pool = inlinePool();
    const { factoryStatistics: statistics, parameters, scaler } = await run({ pool });
    expect([...statistics.keys()].sort()).toEqual(["Aachen", "Brno"]);
    for (const { id, train } of factories) {
      expect(statistics.get(id)).toEqual(await adapt({ spec, build: "simd", parameters, scaler }, train, pool));
    }
    expect(statistics.get("Aachen")).not.toEqual(statistics.get("Brno"));
  });

  test("decide what a factory evaluates: its counts are those of the model with its own", async () => {
    for (const everyRound of [false, true]) {
      const pool = inlinePool();
      const { factoryStatistics: statistics, parameters, scaler, test, validation } = await run({ pool, everyRound });
      for (const { id, ...splits } of factories) {
        for (const [split, counts] of [["test", test], ["validation", validation]] as const) {
          const predictions = await predict({ spec, build: "simd", parameters, scaler, statistics: statistics.get(id) }, splits[split], pool);
          const right = splits[split].targets.filter((target, n) => predictions[2 * n + target] > 0.5).length;
          expect([...counts.get(id)!], `${id} ${split}`).toEqual([20, right]);
        }
      }
    }
  });

  test("do not travel: no frame holds one, and an update has a number for each parameter", async () => {
    frames.length = 0;
    const { factoryStatistics: statistics } = await run({ everyRound: true });
    const P = layoutOf(spec).length;
    const updates = frames.map((frame) => decode(frame, 1e6)).filter(({ kind }) => kind === "update");
    expect(updates).toHaveLength(6);
    for (const update of updates) expect("numbers" in update && update.numbers.length).toBe(P);
    const sent = Buffer.concat(frames);
    const patterns = (value: number) => [Float32Array.of(value), Float64Array.of(value), Int32Array.of(Math.round(value * 2 ** 24))].map(({ buffer }) => Buffer.from(buffer));
    // What is looked for can be found: what a factory was sent is there.
    expect(sent.includes(Buffer.from(initialParameters(spec, 1).buffer, 0, 4))).toBe(true);
    let searched = 0;
    for (const value of [...statistics.values()].flatMap((own) => [...own])) {
      if (value === 0) continue; // a feature that relu has silenced
      searched += 1;
      for (const pattern of patterns(value)) expect(sent.includes(pattern), `${value}`).toBe(false);
    }
    expect(searched).toBeGreaterThan(S);
  });

  test("are measured by any pool to the same bits, and a prediction without them is refused", async () => {
    const parameters = initialParameters(spec, 1);
    const { inputs } = factories[0].train;
    const model = new Model(spec, { parameters });
    model.adapt(inputs);
    const pool = inlinePool();
    const statistics = await pool.adapt({ kind: "adapt", spec, parameters, inputs });
    expect(statistics).toEqual(model.statistics);
    expect(await pool.predict({ kind: "predict", spec, parameters, statistics, inputs })).toEqual(model.predictProbabilities(inputs));
    await expect(pool.predict({ kind: "predict", spec, parameters, inputs })).rejects.toThrow(`prediction expected ${S} statistics for this spec, got none; adapt the model to the factory's own windows first`);
  });

  test("in a checkpoint are those of the factory it is for, by name", async () => {
    const { parameters, scaler, sha256, factoryStatistics: statistics } = await run();
    const channels = [{ name: "a", unit: "g" }, { name: "b", unit: "g" }];
    const artefact = { spec, build: "simd" as const, parameters, scaler, sha256, threshold: 0, rounds: 3, statistics: statistics.get("Brno"), adaptedTo: "Brno" };
    const checkpoint = encodeArtefact("trend", { factories, channels, rateHz: null, origin: "a test" }, artefact);
    expect(decodeArtefact(checkpoint)).toEqual(artefact);
  });
});

test("a study's network is judged with its user's statistics, or adapted to the windows it has to predict", async () => {
  // Each factory is tested on what another kind of machine measures.
  const moved = factories.map((each, index) => ({ ...each, test: trends(60, 90 + index, 0.2, -4) }));
  const figures = (predictions: Float32Array, { targets, count }: TaskWindows) => ({ accuracy: targets.filter((target, n) => predictions[2 * n + target] > 0.5).length / count });
  const options = { case: "moved", model: "CNN", factories: moved, spec, seed: 1, rounds: 6, training, pool: inlinePool(), figures };
  const accuracies = async (adaptive: boolean) =>
    Object.fromEntries((await networkScores({ ...options, adaptive })).scores.filter(({ factory }) => factory === "all").map(({ way, figures }) => [way, figures.accuracy]));
  const [own, adapted] = [await accuracies(false), await accuracies(true)];
  for (const way of ["solo", "federated", "centralised"]) {
    expect(adapted[way], way).toBeGreaterThan(0.9);
    expect(own[way], way).toBeLessThan(0.7);
  }
});
