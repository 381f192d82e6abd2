import { describe, expect, test } from "vitest";
import type { RegressionMetrics } from "../../src/model/metrics.ts";
import { decodeCheckpoint } from "../../src/model/checkpoint.ts";
import { parseSpec } from "../../src/model/spec.ts";
import { inspectOnnx } from "../../src/onnx/inspect.ts";
import { inlinePool } from "../../src/tasks/pool.ts";
import { checkFactories, evaluateRun, exportRun, resolve, run, type OnnxRunner, type ProgressEvent, type RunOptions } from "../../src/tasks/run.ts";
import { memorySource, turbofanFiles } from "./sources.ts";

const options: RunOptions = { task: "turbofan", seed: 3, compare: false, factories: 2, rounds: 2, localEpochs: 1, batch: 16 };
const source = memorySource(turbofanFiles("FD001"));

async function runOnce(changes: Partial<RunOptions> = {}, hooks: Partial<Parameters<typeof run>[1]> = {}) {
  const prepared = await resolve({ ...options, ...changes }, source);
  const events: ProgressEvent[] = [];
  const result = await run(prepared, { pool: inlinePool(), onProgress: (event) => events.push(event), ...hooks });
  return { ...result, prepared, rounds: events.flatMap((event) => (event.kind === "round" ? [event] : [])) };
}

const hash = async (changes: Partial<RunOptions> = {}) => (await runOnce(changes)).summary.model.sha256;

describe("run", () => {
  test("the same seed gives the same hash twice, another seed another", async () => {
    expect(await hash()).toBe(await hash());
    expect(await hash({ seed: 4 })).not.toBe(await hash());
  });

  test("comparing does not change the federated model", async () => {
    const { summary } = await runOnce({ compare: true });
    expect(summary.model.sha256).toBe(await hash());
    expect(summary.metrics.solo).not.toBeNull();
    expect(summary.factories.every(({ solo, centralised }) => solo !== null && centralised !== null)).toBe(true);
  });

  test("a run resumed after a round gives the same bits as one that was not interrupted", async () => {
    const whole = await runOnce();
    for (const { record, checkpoint } of whole.rounds) {
      const resumed = await runOnce({}, { resume: { round: record.round, checkpoint, bytes: record.bytes } });
      expect(resumed.rounds.map(({ record }) => record.round)).toEqual(record.round === 1 ? [2] : []);
      expect(resumed.checkpoint).toEqual(whole.checkpoint);
      expect(resumed.onnx).toEqual(whole.onnx);
      expect({ ...resumed.summary, wallSeconds: 0 }).toEqual({ ...whole.summary, wallSeconds: 0 });
    }
  });

  test("solo, federated and centralised take the same number of gradient steps a sample", async () => {
    const pool = inlinePool();
    const steps = new Map<number, number>();
    const counting = { ...pool, fit: async (job: Parameters<typeof pool.fit>[0]) => {
      steps.set(job.examples.count, (steps.get(job.examples.count) ?? 0) + job.training.epochs);
      return pool.fit(job);
    } };
    const { prepared } = await runOnce({ compare: true }, { pool: counting });
    const [a, b] = prepared.data.factories.map(({ train }) => train.count);
    expect(a).not.toBe(b);
    expect(Object.fromEntries(steps)).toEqual({ [a]: 4, [b]: 4, [a + b]: 2 }); // federated and solo: two rounds each
  });

  test("evaluating the checkpoint gives the summary's figures, exporting it the run's ONNX", async () => {
    const { summary, checkpoint, onnx, prepared } = await runOnce();
    const evaluated = await evaluateRun(checkpoint, prepared.config, source, inlinePool());
    expect(evaluated.metrics).toEqual(summary.metrics.federated);
    expect(exportRun(checkpoint)).toEqual(onnx);
  });

  test("the build of the kernels stands in configuration, summary, checkpoint and ONNX, and reaches every job", async () => {
    for (const build of ["simd", "relaxed"] as const) {
      const pool = inlinePool();
      const jobs = new Set<string | undefined>();
      const watched = {
        ...pool,
        fit: (job: Parameters<typeof pool.fit>[0]) => (jobs.add(job.build), pool.fit(job)),
        predict: (job: Parameters<typeof pool.predict>[0]) => (jobs.add(job.build), pool.predict(job)),
      };
      const { summary, checkpoint, onnx, prepared } = await runOnce({ build, compare: true }, { pool: watched });
      expect([...jobs]).toEqual([build]);
      expect([prepared.config.build, summary.build, decodeCheckpoint(checkpoint).metadata.build]).toEqual([build, build, build]);
      expect(inspectOnnx(onnx).metadata).toMatchObject({ build });
      const { metrics } = await evaluateRun(checkpoint, prepared.config, source, inlinePool()); // in the simd build
      expect((metrics as RegressionMetrics).rmse).toBeCloseTo((summary.metrics.federated as RegressionMetrics).rmse, 3);
    }
    expect((await resolve(options, source)).config.build).toBe("simd");
  });

  test("a data set with operating regimes is scaled by regime, from counts and moments alone", async () => {
    const prepared = await resolve({ ...options, subset: "FD002" }, memorySource(turbofanFiles("FD002", { regimes: 6 })));
    const { checkpoint, summary } = await run(prepared, { pool: inlinePool() });
    const scaler = JSON.parse(decodeCheckpoint(checkpoint).metadata.scaler);
    expect(scaler.mean).toHaveLength(6);
    expect(scaler.regimes.centres.map(([altitude]: number[]) => Math.round(altitude))).toEqual([0, 10, 20, 30, 40, 50]);
    expect((summary.metrics.federated as RegressionMetrics).rmse).toBeGreaterThan(0);
  });

  test("the ONNX file, run by onnxruntime on raw windows, predicts what we predict", async () => {
    const { InferenceSession, Tensor } = await import("onnxruntime-node");
    for (const [subset, regimes] of [["FD001", 1], ["FD002", 6]] as const) {
      const prepared = await resolve({ ...options, subset }, memorySource(turbofanFiles(subset, { regimes })));
      const { summary } = await run(prepared, {
        pool: inlinePool(),
        runOnnx: async (model, inputs, shape) => {
          const session = await InferenceSession.create(model);
          const results = await session.run({ sensors: new Tensor("float32", inputs, shape) });
          return results[session.outputNames[0]].data as Float32Array;
        },
      });
      expect(summary.onnx.maxAbsDifference).toBeLessThanOrEqual(1e-5);
    }
  });

  test("of a model that normalises over batches compares, resumes, evaluates and exports, each factory with its own statistics", async () => {
    const { InferenceSession, Tensor } = await import("onnxruntime-node");
    const plain = await resolve({ ...options, compare: true }, source);
    const { input, head } = plain.config.spec;
    const layers = [{ type: "convolution", filters: 4, kernel: 3 }, { type: "normalise", kind: "batch" }, { type: "activation", kind: "relu" }, { type: "mean" }];
    const prepared = { ...plain, config: { ...plain.config, spec: parseSpec({ input, head, layers }) } };
    const events: ProgressEvent[] = [];
    const runOnnx: OnnxRunner = async (model, inputs, shape) => {
      const results = await (await InferenceSession.create(model)).run({ sensors: new Tensor("float32", inputs, shape) });
      return results.value.data as Float32Array;
    };
    const hooks = { pool: inlinePool(), runOnnx, onProgress: (event: ProgressEvent) => void events.push(event) };
    const whole = await run(prepared, hooks);
    expect(whole.summary.onnx.maxAbsDifference).toBeLessThanOrEqual(1e-5);
    const { statistics, metadata } = decodeCheckpoint(whole.checkpoint);
    expect([statistics?.length, metadata.adaptedTo]).toEqual([8, prepared.data.factories[0].id]);
    expect((await evaluateRun(whole.checkpoint, prepared.config, source, inlinePool())).metrics).toEqual(whole.summary.metrics.federated);
    for (const event of events) {
      if (event.kind !== "round") continue;
      expect(decodeCheckpoint(event.checkpoint).statistics).toBeUndefined(); // nobody's, until somebody uses it
      const { summary, checkpoint } = await run(prepared, { ...hooks, onProgress: undefined, resume: { round: event.record.round, checkpoint: event.checkpoint, bytes: event.record.bytes } });
      expect(checkpoint).toEqual(whole.checkpoint);
      expect({ ...summary, wallSeconds: 0 }).toEqual({ ...whole.summary, wallSeconds: 0 });
    }
  });

  const refused: [string, Partial<RunOptions>, RegExp][] = [
    ["an unknown task", { task: "nonsense" }, /task expected one of condition, hydraulic, turbofan/],
    ["more factories than engines", { factories: 50 }, /"factories" expected at most 5, got 50/],
    ["no factories", { factories: 0 }, /"factories" expected integer >= 1, got 0/],
    ["a subset that is none", { subset: "FD009" }, /"subset" expected one of FD001/],
    ["a build that there is not", { build: "fast" as "simd" }, /"build" expected simd or relaxed, got "fast"/],
    ["a subset of a task without", { task: "condition", subset: "FD001" }, /has no subsets/],
    ["a subset that is not there", { subset: "FD003" }, /train_FD003\.txt: no such file/],
    ["other factories than the rig has", { task: "hydraulic", factories: 4 }, /"factories" expected 3, got 4/],
  ];
  for (const [what, changes, message] of refused) test(`refuses ${what}`, () => expect(resolve({ ...options, ...changes }, source)).rejects.toThrow(message));

  test("refuses a value that float32 cannot hold, naming the factory and the window", async () => {
    const files = turbofanFiles("FD001");
    const train = files["train_FD001.txt"].replace(/^(1 1 .*)$/m, (row) => row.replace(/\S+$/, "1e39"));
    await expect(resolve(options, memorySource({ ...files, "train_FD001.txt": train }))).rejects.toThrow(/^factory factory-\d: (training|validation) window 1 holds Infinity; leave it out or fill the gap$/);
  });

  test("refuses a factory without data, or without a class that others have", () => {
    const windows = (...targets: number[]) => ({ inputs: new Float32Array(targets.length), targets: Float32Array.from(targets), groups: new Int32Array(targets.length), count: targets.length, steps: 1, features: 1 });
    const factory = (id: string, train: number[], test: number[] = [0]) => ({ id, train: windows(...train), validation: windows(0), test: windows(...test) });
    expect(() => checkFactories({ kind: "classify" }, { factories: [factory("a", [0, 1]), factory("b", [1, 0])] })).not.toThrow();
    expect(() => checkFactories({ kind: "classify" }, { factories: [factory("a", [0, 1]), factory("b", [])] })).toThrow("factory b: no training windows; give it data or leave it out");
    expect(() => checkFactories({ kind: "classify" }, { factories: [factory("a", [0, 1], [])] })).toThrow("factory a: no test windows");
    expect(() => checkFactories({ kind: "classify" }, { factories: [factory("a", [0, 1, 3]), factory("b", [0, 1])] })).toThrow("factory b: no training window of class 3 (FAILURE), which others have");
    expect(() => checkFactories({ kind: "regress" }, { factories: [factory("a", [10]), factory("b", [20])] })).not.toThrow();
  });

  test("refuses a task that needs data when there is none", () => expect(resolve(options)).rejects.toThrow(/--data DIR/));
});
