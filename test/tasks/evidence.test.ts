import { describe, expect, test } from "vitest";
import { evidenceOf, showSpread, type Unit } from "../../src/tasks/evidence.ts";
import { pendingUnits, runStudy } from "../../src/tasks/studies.ts";
import { ALL, type Score, type Study, type StudyCase, type Target } from "../../src/tasks/study.ts";
import { inlinePool } from "../../src/tasks/pool.ts";

const targets: Target[] = [
  { model: "CNN", way: "federated", measure: "accuracy", over: "mean", must: 0.9, stretch: 0.95 },
  { model: "CNN", way: "federated", measure: "accuracy", over: "worst", must: 0.9 },
  { model: "CNN", way: "federated", measure: "mae", over: { case: "a" }, must: 2 },
  { model: "none", way: "solo", measure: "accuracy", over: "mean", must: 0.5 },
];
const study: Study = {
  name: "trial", summary: "a trial", origin: "nowhere", seeds: [1, 2, 3], linear: ["linear"],
  measures: [
    { name: "accuracy", title: "accuracy", meaning: "right", unit: "%", digits: 1, better: "higher" },
    { name: "mae", title: "MAE", meaning: "error", unit: "h", digits: 2, better: "lower" },
  ],
  targets: () => targets,
  cases: async () => [],
};
const score = (name: string, model: string, accuracy: number, rest: Partial<Score> = {}): Score => ({ case: name, model, way: "federated", factory: ALL, samples: 10, figures: { accuracy, mae: 1 }, ...rest });
const unit = (name: string, seed: number, scores: Score[], rest: Partial<Unit> = {}): Unit => ({ case: name, seed, seconds: 1, scores, ...rest });

describe("evidence", () => {
  test("a figure is the mean over seeds with its range, and Student's interval", () => {
    const { rows } = evidenceOf(study, undefined, [0.8, 0.9, 1].map((accuracy, seed) => unit("a", seed, [score("a", "CNN", accuracy)], { bytes: { CNN: 100 } })));
    expect(rows).toHaveLength(1);
    const [{ figures, interval, bytes }] = rows;
    expect(figures.accuracy).toEqual({ mean: expect.closeTo(0.9), least: 0.8, greatest: 1, seeds: 3 });
    expect(showSpread(study.measures[0], figures.accuracy)).toBe("90.0 (80.0 to 100.0)");
    // mean ± t(0.975, 2) s / sqrt(3), s = 0.1
    expect(interval).toEqual({ low: expect.closeTo(0.9 - 4.303 * 0.1 / Math.sqrt(3), 6), high: expect.closeTo(0.9 + 4.303 * 0.1 / Math.sqrt(3), 6), of: "seeds" });
    expect(bytes).toBe(100);
  });

  test("intervals of test units go before those over seeds", () => {
    const [{ interval }] = evidenceOf(study, undefined, [unit("a", 1, [score("a", "CNN", 0.8, { intervals: { accuracy: [0.7, 0.9] } })])]).rows;
    expect(interval).toEqual({ low: 0.7, high: 0.9, of: "units" });
  });

  test("without a score for all, the mean over the factories; the worst factory is named", () => {
    const own = (factory: string, accuracy: number) => score("a", "CNN", accuracy, { factory, way: "solo" });
    const [row] = evidenceOf(study, undefined, [unit("a", 1, [own("x", 0.4), own("y", 0.8)]), unit("a", 2, [own("x", 0.6), own("y", 0.8)])]).rows;
    expect(row.figures.accuracy.mean).toBeCloseTo(0.65);
    expect(row.worst).toEqual({ factory: "x", spread: { mean: 0.5, least: 0.4, greatest: 0.6, seeds: 2 } });
  });

  test("over cases: mean, worst, and targets by each", () => {
    const evidence = evidenceOf(study, undefined, [unit("a", 1, [score("a", "CNN", 0.96)]), unit("b", 1, [score("b", "CNN", 0.88)])]);
    expect(evidence.mean[0].figures.accuracy.mean).toBeCloseTo(0.92);
    expect(evidence.worst[0].case).toBe("worst case: b");
    expect(evidence.verdicts.map(({ must, stretch, measured }) => [must, stretch, measured])).toEqual([
      [true, false, expect.closeTo(0.92)], [false, null, 0.88], [true, null, 1], [false, null, null],
    ]);
  });

  test("a linear model that does as well is recommended, one that does worse is not", () => {
    const evidence = evidenceOf(study, undefined, [unit("a", 1, [score("a", "CNN", 0.9), score("a", "linear", 0.9)]), unit("b", 1, [score("b", "CNN", 0.9), score("b", "linear", 0.89)], { notes: ["2 rows left out."] })]);
    expect(evidence.advice).toEqual([expect.stringMatching(/^a: the linear model "linear" does as well as "CNN" \(accuracy 90\.0 % against 90\.0 %\)/), "2 rows left out."]);
  });
});

describe("running a study", () => {
  const made = (name: string, rest: Partial<StudyCase> = {}): StudyCase => ({ name, run: async ({ seed }) => ({ scores: [score(name, "CNN", seed / 10)] }), ...rest });
  const run = async (cases: StudyCase[], done: Unit[] = [], seeds = [1, 2]) => {
    const units: Unit[] = [];
    const pool = { ...inlinePool(), size: 2 };
    await runStudy(cases, { seeds, pool, build: "simd", done, onUnit: (unit) => void units.push(unit), nowMs: () => 0 });
    return units;
  };

  test("every case under every seed; each is told the first seed of all, also where that is done", async () => {
    const told: string[] = [];
    const telling = made("b", { run: async ({ seed, firstSeed }) => (told.push(`${seed} of ${firstSeed}`), { scores: [] }) });
    const units = await run([made("a"), telling], [unit("b", 3, [])], [3, 2]);
    expect(units.map((unit) => `${unit.case}${unit.seed}`).sort()).toEqual(["a2", "a3", "b2"]);
    expect(told).toEqual(["2 of 3"]);
  });

  test("what is done is not done again", async () => {
    expect((await run([made("a")], [unit("a", 1, [])])).map(({ seed }) => seed)).toEqual([2]);
    expect(pendingUnits([made("a")], [1], [unit("a", 1, [])])).toEqual([]);
  });

  test("a case that fails ends the study, and stops the others", async () => {
    let stopped = false;
    const slow = made("slow", { run: ({ signal }) => new Promise((_, reject) => signal!.addEventListener("abort", () => { stopped = true; reject(signal!.reason); })) });
    const bad = made("bad", { run: async () => { throw new RangeError("no data"); } });
    await expect(run([slow, bad], [], [1])).rejects.toThrow("no data");
    expect(stopped).toBe(true);
  });

  test("a figure that is no number is refused", async () => {
    await expect(run([made("a", { run: async () => ({ scores: [score("a", "CNN", NaN)] }) })])).rejects.toThrow(/accuracy of CNN, federated, all is NaN/);
  });
});
