import { describe, expect, test } from "vitest";
import { evidenceOf, showSpread, showTarget, type Unit } from "../../src/tasks/evidence.ts";
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

  test("a target against another way of training is about the ratio, case by case", () => {
    const against = (over: Target["over"]): Target => ({ model: "CNN", way: "federated", measure: "mae", over, against: "centralised", must: 1.03 });
    const both = (name: string, federated: number, centralised: number) => unit(name, 1, [
      score(name, "CNN", 0.9, { figures: { mae: federated } }), score(name, "CNN", 0.9, { way: "centralised", figures: { mae: centralised } }),
    ]);
    const only = unit("c", 1, [score("c", "CNN", 0.9, { figures: { mae: 9 } })]);
    const ratios = { ...study, targets: () => [against("mean"), against("worst"), against({ case: "a" }), against({ case: "c" }), against({ case: "d" })] };
    const { verdicts } = evidenceOf(ratios, undefined, [both("a", 2, 2), both("b", 1.1, 1), only, both("d", 1, 0)]);
    expect(verdicts.map(({ measured, must, ...verdict }) => [verdict.case, measured, must])).toEqual([
      ["mean of cases", expect.closeTo(1.05), false], ["b", expect.closeTo(1.1), false], ["a", 1, true], ["c", null, false], ["d", null, false],
    ]);
    expect(showTarget(ratios.targets()[0], study.measures[1], 1.05)).toBe("1.050x");
  });

  test("cases that lie on a curve follow one another along its axis, and have no mean", () => {
    const places = [["a", "few", 10], ["b", "few", 1], ["c", "other", 1]].map(([name, curve, at]) => ({ name: name as string, place: { curve: curve as string, axis: "labels", at: at as number } }));
    const units = [unit("a", 1, [score("a", "CNN", 0.9), score("a", "rule", 0.5, { way: "rule" })]), unit("b", 1, [score("b", "CNN", 0.7)]), unit("c", 1, [score("c", "CNN", 0.6)])];
    const { curves, mean, worst } = evidenceOf(study, undefined, units, places);
    expect(curves.map(({ lines, ...curve }) => ({ ...curve, lines: lines.map(({ model, way, rows }) => [model, way, ...rows.map((row) => row?.figures.accuracy.mean ?? null)]) }))).toEqual([
      { curve: "few", axis: "labels", at: [1, 10], lines: [["CNN", "federated", 0.7, 0.9], ["rule", "rule", null, 0.5]] },
      { curve: "other", axis: "labels", at: [1], lines: [["CNN", "federated", 0.6]] },
    ]);
    expect([mean, worst]).toEqual([[], []]);
    // One case that lies on no curve is reason enough to look at all of them together.
    expect(evidenceOf(study, undefined, units, places.slice(1)).mean).toHaveLength(1);
    expect(evidenceOf(study, undefined, units).curves).toEqual([]);
  });

  test("no interval of seeds that all give the same figure", () => {
    const [{ interval }] = evidenceOf(study, undefined, [1, 2, 3].map((seed) => unit("a", seed, [score("a", "CNN", 0.329)]))).rows;
    expect(interval).toBeNull();
  });

  test("a mean of cases has an interval from resampled cases", () => {
    const { mean } = evidenceOf(study, undefined, [0.5, 0.6, 0.7, 0.8, 0.9, 1].map((accuracy, at) => unit(`${at}`, 1, [score(`${at}`, "CNN", accuracy), score(`${at}`, "flat", 0.5)])));
    const { low, high, of } = mean[0].interval!;
    expect(of).toBe("cases");
    // The mean of six draws has the standard deviation 0.171 / sqrt(6) = 0.07; 1.96 of them to each side.
    expect([low, high]).toEqual([expect.closeTo(0.75 - 0.137, 1), expect.closeTo(0.75 + 0.137, 1)]);
    expect(low < 0.66 && high > 0.84).toBe(true);
    expect(mean[1].interval).toBeNull();
    const three = [0.5, 0.6, 0.7].map((accuracy, at) => unit(`${at}`, 1, [score(`${at}`, "CNN", accuracy)]));
    expect(evidenceOf(study, undefined, three).mean[0].interval).toBeNull();
    // Where cases have intervals of their units, those count.
    const resampled = [0.5, 0.7].map((accuracy, at) => unit(`${at}`, 1, [score(`${at}`, "CNN", accuracy, { intervals: { accuracy: [accuracy - 0.1, accuracy + 0.2] } })]));
    expect(evidenceOf(study, undefined, resampled).mean[0].interval).toEqual({ low: expect.closeTo(0.5), high: expect.closeTo(0.8), of: "units" });
  });

  test("factories that do better alone are named, by the digits that are shown", () => {
    const at = (way: Score["way"], factory: string, accuracy: number, samples = 10) => score("a", "CNN", accuracy, { way, factory, samples });
    const harmed = (scores: Score[][]) => {
      const { rows, advice } = evidenceOf(study, undefined, scores.map((own, seed) => unit("a", seed, own)));
      return { harmed: rows.flatMap((row) => row.harmed.map(({ factory }) => factory)), advice };
    };
    const own = (seed: number) => [at("solo", "x", 0.8 + seed / 10), at("solo", "y", 0.8), at("solo", "z", 0.80001), at("federated", "x", 0.8), at("federated", "y", 0.9), at("federated", "z", 0.8), at("federated", ALL, 0.85)];
    expect(harmed([own(0), own(1)])).toEqual({ harmed: ["x"], advice: ['"CNN" federated is worse than alone, by accuracy, at: x (a: 80.0 % against 85.0 %).'] });
    // One score for all: compared where it is of the same windows.
    expect(harmed([[at("solo", "x", 0.9), at("solo", "y", 0.7), at("federated", ALL, 0.8)]]).harmed).toEqual(["x"]);
    expect(harmed([[at("solo", "x", 0.9), at("solo", "y", 0.7), at("federated", ALL, 0.8, 20)]]).harmed).toEqual([]);
    const many = Array.from({ length: 8 }, (_, factory) => [at("solo", `f${factory}`, 0.9), at("federated", `f${factory}`, 0.8)]).flat();
    expect(harmed([many]).advice[0]).toMatch(/ f5 \(a: 80\.0 % against 90\.0 %\) and 2 more\.$/);
  });

  test("a linear model that does as well is recommended, one that does worse is not", () => {
    const evidence = evidenceOf(study, undefined, [unit("a", 1, [score("a", "CNN", 0.9), score("a", "linear", 0.9)], { bytes: { linear: 477_000, CNN: 7_700_000 } }), unit("b", 1, [score("b", "CNN", 0.9), score("b", "linear", 0.89)], { notes: ["2 rows left out."] })]);
    expect(evidence.advice).toEqual([expect.stringMatching(/^a: the linear model "linear" does as well as "CNN" \(accuracy 90\.0 % against 90\.0 %\); prefer it: it is exact, and solved from sums that are gathered instead of trained in rounds; 477 kB are sent against 7\.7 MB\.$/), "2 rows left out."]);
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
