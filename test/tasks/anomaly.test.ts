import { describe, expect, test } from "vitest";
import { CHANNELS } from "../../src/data/skab.ts";
import type { Source } from "../../src/data/source.ts";
import { decodeCheckpoint } from "../../src/model/checkpoint.ts";
import { random } from "../../src/kernels/random.ts";
import { anomaly } from "../../src/tasks/anomaly.ts";
import { evidenceOf } from "../../src/tasks/evidence.ts";
import { exportRun } from "../../src/tasks/artefact.ts";
import { inlinePool } from "../../src/tasks/pool.ts";
import { ALL, type CaseContext, type CaseResult } from "../../src/tasks/study.ts";
import { idlePool, resumed } from "./sources.ts";

/** An experiment whose sensors follow their last value; from row 450 to 500 two of them are off. */
function experiment(seed: number, rows = 520, stained = 0): string {
  const { normal } = random(seed, "experiment");
  const state = CHANNELS.map(() => 0);
  const lines = Array.from({ length: rows }, (_, row) => {
    const faulty = row >= (rows > 500 ? 450 : 405) && row < 500;
    CHANNELS.forEach((_, channel) => (state[channel] = 0.8 * state[channel] + normal()));
    const values = state.map((value, channel) => (10 * channel + value + (faulty && channel < 2 ? (row % 2 ? 12 : -12) : 0)).toFixed(4));
    const time = `2020-03-09 10:${String(Math.floor(row / 60)).padStart(2, "0")}:${String(row % 60).padStart(2, "0")}`;
    return [time, ...values, faulty || row < stained ? 1 : 0, 0].join(";");
  });
  return [["datetime", ...CHANNELS.map(({ name }) => name), "anomaly", "changepoint"].join(";"), ...lines].join("\n");
}
const folder = (files: Record<string, string>): Source => async (path) => (path in files ? new TextEncoder().encode(files[path]) : undefined);
const three = { "valve1/0.csv": experiment(1), "valve1/1.csv": experiment(2), "other/1.csv": experiment(3, 520, 7) };

async function run(files: Record<string, string>, progress: CaseContext["progress"] = () => {}, pool = inlinePool()): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  for (const one of await anomaly.cases({ source: folder(files), subset: undefined })) results.push(await one.run({ seed: 1, pool, build: "simd", progress }));
  return results;
}
const scoresOf = ({ scores }: CaseResult, model: string, way: string) =>
  scores.filter((score) => score.model === model && score.way === way).map(({ factory, figures }) => ({ factory, figures }));

describe("study anomaly", () => {
  test("finds the fault by all models, and federated is in one place, to the last bit", { timeout: 30_000 }, async () => {
    const results = await run(three);
    expect(results).toHaveLength(2);
    for (const result of results) {
      for (const model of ["VAR", "VAR, own + shared"]) {
        const federated = scoresOf(result, model, "federated");
        expect(federated.map(({ factory }) => factory)).toEqual(["valve1-0", "valve1-1", "other-1", ALL]);
        expect(federated).toEqual(scoresOf(result, model, "centralised"));
        const { figures } = federated[3];
        expect(figures.eventRecall).toBe(1);
        expect(figures.recall).toBeGreaterThan(0.8);
        expect(figures.auc).toBeGreaterThan(0.85); // the mean of 30 rows outlasts the fault
      }
      for (const { factory, intervals } of result.scores) expect(intervals === undefined).toBe(factory !== ALL);
    }
  });

  test("leaves a detector with all that an edge needs to alarm", { timeout: 30_000 }, async () => {
    const [{ model }] = await run(three);
    const { spec, parameters, metadata } = decodeCheckpoint(model!.checkpoint);
    expect(spec.head.type).toBe("forecast");
    expect(parameters).toHaveLength(8 * 5 * 8 + 8);
    expect(Number(metadata.alarmLimit)).toBeGreaterThan(0);
    expect(metadata.factory).toBe("valve1-0");
    expect(exportRun(model!.checkpoint)).toEqual(model!.onnx);
  });

  test("says how far it is, round by round", { timeout: 30_000 }, async () => {
    const shares: number[] = [];
    const whats = new Set<string>();
    await run(three, (share, what) => (shares.push(share), whats.add(what)), idlePool());
    expect(shares).toEqual(Array.from({ length: 50 }, (_, index) => (index + 1) / 50)); // three alone, federated and in one place, ten rounds each
    expect([...whats]).toEqual(["autoencoder alone", "autoencoder federated", "autoencoder centralised"]);
  });

  test("tells of anomalous rows among those that train, and of gaps", { timeout: 30_000 }, async () => {
    const gap = experiment(2).split("\n").filter((_, line) => line < 100 || line > 110).join("\n");
    const [{ notes }] = await run({ ...three, "valve1/1.csv": gap });
    expect(notes).toEqual([
      "3 of the benchmark's 34 experiments are here; the targets are of 24 and more, so none is judged.",
      "7 of the 1200 rows that train and set limits are labelled anomalous, in other-1; they are used all the same, as the benchmark does.",
      "Gaps of more than five seconds, which forecasts run across: valve1-1 (1).",
    ]);
  });

  test("tells of sensors that say nothing while it learns, and of stuck ones", { timeout: 30_000 }, async () => {
    /** Column 7 is Voltage. */
    const held = (text: string, from: number, to: number) => text.split("\n").map((line, row) => (row > from && row <= to ? line.replace(/^((?:[^;]*;){7})[^;]*/, "$1220") : line)).join("\n");
    const [{ notes }] = await run({ ...three, "valve1/0.csv": held(three["valve1/0.csv"], 0, 400), "valve1/1.csv": held(three["valve1/1.csv"], 401, 501), "other/1.csv": held(three["other/1.csv"], 300, 399) }, () => {}, idlePool());
    expect(notes!.slice(2)).toEqual([
      "Of one value in all 400 rows that train, so that nothing is learned of it and any change counts in its own unit: valve1-0 Voltage.",
      "Stuck, that is of one value for 100 rows or more, and judged all the same: valve1-0 Voltage (400 rows in 1), valve1-1 Voltage (100 rows in 1).",
    ]);
  });

  test("resumed behind its first seed, it scores what it would have scored uninterrupted", { timeout: 60_000 }, async () => {
    const source = folder({ "valve1/0.csv": experiment(1), "other/1.csv": experiment(3) });
    const lines = await resumed(anomaly, source, { seeds: [2, 1], after: 3 });
    expect(lines.resumed).toEqual(lines.whole);
    expect(lines.whole.map((line) => line.includes('"model":"VAR"'))).toEqual([true, true, false, false]);
  });

  test("is judged by its targets only where most of the benchmark is there", { timeout: 60_000 }, async () => {
    const judged = async (count: number) => {
      const files = Object.fromEntries(Array.from({ length: count }, (_, file) => [file < 16 ? `valve1/${file}.csv` : `other/${file - 15}.csv`, experiment(file, 420)]));
      const [result] = await run(files, () => {}, idlePool());
      return { verdicts: evidenceOf(anomaly, undefined, [{ case: result.scores[0].case, seed: 1, seconds: 0, ...result, model: undefined }]).verdicts.map(({ measured }) => measured !== null), note: result.notes![0] };
    };
    expect(await judged(23)).toEqual({ verdicts: [false, false, false], note: "23 of the benchmark's 34 experiments are here; the targets are of 24 and more, so none is judged." });
    expect(await judged(24)).toMatchObject({ verdicts: [true, true, true], note: "24 of the benchmark's 34 experiments are here." });
  });

  test("refuses an experiment that is all training", async () => {
    await expect(run({ "valve1/0.csv": experiment(1, 400) })).rejects.toThrow("valve1-0: expected more than 400 rows, which train, got 400");
  });
});
