/** The studies on C-MAPSS engines, on a few short ones that are made here. */
import { describe, expect, test } from "vitest";
import { decodeCheckpoint, encodeCheckpoint } from "../../src/model/checkpoint.ts";
import { initialParameters } from "../../src/model/network.ts";
import { parseSpec } from "../../src/model/spec.ts";
import { inspectOnnx } from "../../src/onnx/inspect.ts";
import { engineStudy, figuresOf, sumsOf } from "../../src/tasks/enginestudy.ts";
import { inlinePool } from "../../src/tasks/pool.ts";
import { resolve, run, type RunOptions } from "../../src/tasks/run.ts";
import type { Score } from "../../src/tasks/study.ts";
import { transferStudy } from "../../src/tasks/transferstudy.ts";
import { decodeArtefact } from "../../src/tasks/artefact.ts";
import { layoutOf } from "../../src/model/layout.ts";
import { memorySource, turbofanFiles } from "./sources.ts";

const source = memorySource({ ...turbofanFiles("FD001", { train: 40, test: 20 }), ...turbofanFiles("FD003", { train: 60, test: 8 }) });

async function scoresOf(study: typeof engineStudy, name: string, subset?: string) {
  const found = (await study.cases({ source, subset })).find((each) => each.name === name)!;
  const pool = inlinePool();
  const result = await found.run({ seed: 1, pool, build: "simd", progress: () => {} });
  await pool.close();
  const of = (model: string, way: string, factory = "all"): Score => result.scores.find((score) => score.model === model && score.way === way && score.factory === factory)!;
  return { ...result, of };
}

describe("figures of engines", () => {
  test("are against labels capped at 125, and against labels as they are", () => {
    const { rmse, rmseRaw, mae, score } = figuresOf(sumsOf(Float32Array.of(130, 160, 20, 20), Float32Array.of(170, 30)));
    expect(rmse).toBeCloseTo(Math.sqrt(100 / 2), 6);
    expect(rmseRaw).toBeCloseTo(Math.sqrt((100 + 100) / 2), 6);
    expect(mae).toBeCloseTo(5, 6);
    expect(score).toBeCloseTo(2 * (Math.exp(10 / 13) - 1), 6);
  });
});

describe("the study turbofan", () => {
  test("asks its cases of the sets that are there", async () => {
    const cases = await engineStudy.cases({ source, subset: undefined });
    expect(cases.map(({ name }) => name)).toEqual([
      "FD001, 5 factories", "FD003, 5 factories", "FD001, 10 factories", "FD001, 20 factories", "a fleet for each set", "FD001 by life length",
    ]);
    const regimes = memorySource({ ...turbofanFiles("FD002", { train: 18, test: 8, regimes: 6 }), ...turbofanFiles("FD004", { train: 18, test: 8, regimes: 6 }) });
    expect((await engineStudy.cases({ source: regimes, subset: undefined })).map(({ name }) => name)).toEqual([
      "FD002, 5 factories", "FD004, 5 factories", "a fleet for each set", "FD002 by regime", "FD004 by regime",
    ]);
    await expect(async () => engineStudy.cases({ source: memorySource({}), subset: undefined })).rejects.toThrow(/train_FD001\.txt: no such file/);
  });

  test("scores networks, the exact linear model and the mean, and leaves a model", { timeout: 120_000 }, async () => {
    const { of, scores, bytes, model } = await scoresOf(engineStudy, "FD003, 5 factories");
    expect(of("linear, history", "federated").figures).toEqual(of("linear, history", "centralised").figures);
    expect(of("network, history", "federated").figures.rmse).toBeLessThan(of("mean of labels", "rule").figures.rmse);
    for (const way of ["federated", "centralised"]) expect(of("network, history", way).samples).toBe(8);
    // Alone, each factory's model is judged on all engines.
    const alone = scores.filter(({ model, way }) => model === "network, history" && way === "solo");
    expect(alone.map(({ factory, samples }) => [factory, samples])).toEqual([1, 2, 3, 4, 5].map((n) => [`factory-${n}`, 8]));
    expect(bytes!["linear, history"]).toBeGreaterThan(0);
    expect(model).toBeUndefined();
  });

  test("judges sets that are scaled apart each on its own engines", { timeout: 120_000 }, async () => {
    const { of } = await scoresOf(engineStudy, "a fleet for each set");
    expect([of("network, history", "federated", "FD001").samples, of("network, history", "federated", "FD003").samples, of("network, history", "federated").samples]).toEqual([20, 8, 28]);
  });

  test("deploys the federated model on history features, by name", { timeout: 120_000 }, async () => {
    const { of, scores, model } = await scoresOf(engineStudy, "FD001, 5 factories");
    const { inputs, metadata } = inspectOnnx(model!.onnx);
    expect(inputs[0].shape?.at(-1)).toBe(10 * 14 + 1);
    expect(JSON.stringify(metadata)).toContain("level 30");
    expect(of("LSTM, 30 cycles", "federated").samples).toBe(20);
    // Alone, each model is judged on all engines, whatever the model.
    for (const model of ["network, history", "linear, history", "LSTM, 30 cycles"]) {
      expect(scores.filter((score) => score.model === model && score.way === "solo").map(({ factory, samples }) => [factory, samples])).toEqual([1, 2, 3, 4, 5].map((n) => [`factory-${n}`, 20]));
    }
  });
});

describe("the study transfer", () => {
  test("asks along a curve of engines with labels", async () => {
    const cases = await transferStudy.cases({ source, subset: "turbofan" });
    expect(cases.map(({ place }) => place!.at)).toEqual([1, 2, 5, 10, 20, 50]);
    expect(new Set(cases.map(({ place }) => `${place!.curve}, ${place!.axis}`))).toEqual(new Set(["FD001 to FD003, engines with labels"]));
  });

  test("scores the other's model as it is, and what the plant trains from it and from scratch", { timeout: 120_000 }, async () => {
    const { scores, of } = await scoresOf(transferStudy, "FD003 with 10 engines", "turbofan");
    expect(scores.map(({ model, way }) => `${model}, ${way}`)).toEqual([
      "the other's, as it is, rule", "from scratch, solo", "transferred, solo", "transferred, first layer frozen, solo", "transferred, a tenth of the rate, solo",
    ]);
    const errors = scores.map(({ figures }) => figures.rmse);
    expect(new Set(errors).size).toBe(5);
    expect(of("transferred", "solo").samples).toBe(8);
  });
});

describe("a run that goes on from another", () => {
  const options: RunOptions = { task: "turbofan", subset: "FD003", seed: 3, compare: false, factories: 2, rounds: 1, localEpochs: 1, batch: 16 };
  const trained = async (changes: Partial<RunOptions>) => {
    const prepared = await resolve({ ...options, ...changes }, source);
    return { ...(await run(prepared, { pool: inlinePool(), onProgress: () => {} })), config: prepared.config };
  };
  const first = trained({ subset: "FD001" });

  test("starts from its parameters, names it, and keeps frozen layers to the bit", { timeout: 60_000 }, async () => {
    const from = (await first).checkpoint;
    const [scratch, transferred, frozen] = [await trained({}), await trained({ from }), await trained({ from, freeze: [0] })];
    expect(transferred.config.from).toMatchObject({ sha256: (await first).summary.model.sha256, fresh: [] });
    expect(scratch.config.from).toBeNull();
    expect(new Set([scratch, transferred, frozen].map(({ summary }) => summary.model.sha256)).size).toBe(3);
    const layout = layoutOf(parseSpec(frozen.config.spec));
    const end = layout.parameters.findLast(({ name }) => name.startsWith("0."))!;
    const layer = (checkpoint: Uint8Array) => decodeArtefact(checkpoint).parameters.slice(0, end.offset + end.length);
    expect(layer(frozen.checkpoint)).toEqual(layer(from));
    expect(layer(transferred.checkpoint)).not.toEqual(layer(from));
  });

  test("takes over what fits of a model of another width, and freezes none of what does not", async () => {
    const { checkpoint, config } = await first;
    const spec = parseSpec({ ...config.spec, layers: [{ type: "lstm", hidden: 40 }, ...config.spec.layers.slice(1)] });
    const { scaler, sha256 } = decodeCheckpoint(checkpoint).metadata;
    const other = encodeCheckpoint({ spec, parameters: initialParameters(spec, 1), metadata: { scaler, sha256 } });
    expect((await resolve({ ...options, from: other }, source)).config.from).toMatchObject({ taken: ["3.dense.b", "head.W", "head.b"] });
    await expect(resolve({ ...options, from: other, freeze: [0] }, source)).rejects.toThrow("--freeze expected layers that the run has learned, but 0.lstm.W is of another shape there; leave out 0");
  });

  test("is refused with layers to freeze and no run, or with a layer that has nothing to freeze", async () => {
    await expect(resolve({ ...options, freeze: [0] }, source)).rejects.toThrow(/--freeze expected a run .* --from RUN/);
    await expect(resolve({ ...options, from: (await first).checkpoint, freeze: [9] }, source)).rejects.toThrow(/"freeze" expected the number of a layer that has parameters \(0, 3\), got 9/);
  });
});
