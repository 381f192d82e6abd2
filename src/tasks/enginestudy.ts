/**
 * @module
 * Study `turbofan`: how good a model of C-MAPSS engines is, in every set that is there, and how it bears
 * fleets that differ. Windows of 30 cycles, the field's protocol, forget what came before; beside them
 * stand models of the whole history up to now, on features that a gateway keeps with a few sums
 * (data/history.ts). The age of an engine and what it once measured are known in a plant.
 *
 *     rows ─ regimes, moments: one scaler of rows ─ history features ─┬─ dense network ─┐
 *                                                                     └─ ridge (exact) ─┴─► cycles left, capped at 125 and at 175
 *
 * Two targets, since one cap cannot serve both ways to count: up to 125 an early prediction is right by
 * definition, while errors against uncapped labels are least for a model that may promise more.
 */
import { CAP, CHANNELS, readCmapss, REGIMES, SUBSETS, SETTINGS, type Cmapss, type Engine, type Subset, engineWindows } from "../data/cmapss.ts";
import { dealByLife, dealByRegime, dealFleets, type Fleet } from "../data/fleet.ts";
import { historyFeatures, historyLength, historyNames, type HistoryOptions } from "../data/history.ts";
import { mergeMoments, windowMoments } from "../data/moments.ts";
import { clusterSettings, mergeClusters, type Regimes } from "../data/regime.ts";
import { scale, scalerFromMoments, type Scaler } from "../data/scaler.ts";
import { exp } from "../kernels/elementary.ts";
import { parseSpec, type ModelSpec } from "../model/spec.ts";
import { adam, type Training } from "../model/trainer.ts";
import type { Windows } from "../signal/window.ts";
import { intervalsOf } from "./interval.ts";
import { linearScores } from "./linear.ts";
import { deploy, networkScores } from "./network.ts";
import type { Scoring } from "./score.ts";
import { ALL, type CaseContext, type CaseResult, type Score, type Study, type StudyCase, type Target } from "./study.ts";
import { ramp, type TaskData, type TaskFactory, type TaskWindows } from "./task.ts";
import { turbofan } from "./turbofan.ts";

/** The second target's cap: of 150, 175 and 180 the one of least error on held-out training engines of FD002 and FD003. */
const LONG = 175;
/** Of held-out training engines of FD001 to FD003: 240 more cycles made it worse, without 10 no better. */
export const HISTORY: HistoryOptions = { spans: [30, 10, 60, 120] };
const SQUARES: HistoryOptions = { ...HISTORY, squares: true };
/** Rows behind which an engine's history is learned from, and every how many of them. */
const FIRST = 20;
const STRIDE = 2;
const ROUNDS = 24;
/** Falling from the first to the second: of 1, 3, 5 and 8 thousandths the one of least error on held-out training engines (docs/turbofan.md). */
export const RATES = [5e-3, 1e-4] as const;
/** Of sensors scaled by the shared scaler of rows. */
const HISTORY_CHANNELS = historyNames(CHANNELS.map(({ name }) => name), HISTORY).map((name) => ({ name, unit: "" }));

export const engineStudy: Study = {
  name: "turbofan",
  summary: "remaining useful life of NASA C-MAPSS engines: every set given, five to twenty factories, unlike fleets",
  origin: "NASA C-MAPSS; Saxena, Goebel, Simon & Eklund, PHM 2008; simulated",
  seeds: [1, 2, 3],
  linear: ["linear, history"],
  measures: [
    { name: "rmse", title: "RMSE", meaning: "root mean square error against labels capped at 125 cycles, on the last window of each test engine", unit: "cycles", digits: 2, better: "lower" },
    { name: "rmseRaw", title: "RMSE raw", meaning: "against labels as they are", unit: "cycles", digits: 2, better: "lower" },
    { name: "mae", title: "MAE", meaning: "mean absolute error against capped labels", unit: "cycles", digits: 2, better: "lower" },
    { name: "score", title: "NASA score", meaning: "sum over engines against labels as they are; late predictions cost more", unit: "", digits: 0, better: "lower" },
  ],
  targets: () => TARGETS,
  async cases({ source }) {
    const sets = new Map<Subset, Cmapss>();
    for (const subset of SUBSETS) if (await present(source, subset)) sets.set(subset, await readCmapss(source, subset));
    if (sets.size === 0) await readCmapss(source, "FD001"); // says what is missing and where to get it
    return casesOf(sets);
  },
};

const network = (over: string, measure: string, must: number, stretch?: number): Target => ({ model: "network, history", way: "federated", measure, over: { case: over }, must, stretch });
/** What a federation may cost against all data in one place. */
const cost = (over: string): Target => ({ ...network(over, "rmse", 1.03), against: "centralised" });
const TARGETS: readonly Target[] = [
  network("FD001, 5 factories", "rmse", 14, 12.6), cost("FD001, 5 factories"),
  network("FD003, 5 factories", "rmse", 14.5, 12.6), cost("FD003, 5 factories"),
  network("FD002, 5 factories", "rmse", 17, 15), network("FD002, 5 factories", "rmseRaw", 22.4), cost("FD002, 5 factories"),
];

async function present(source: (path: string) => Promise<Uint8Array | undefined>, subset: Subset): Promise<boolean> {
  const names = [`RUL_${subset}.txt`, `RUL_${subset}.txt.gz`];
  for (const name of names) if (await source(name)) return true;
  return false;
}

function casesOf(sets: ReadonlyMap<Subset, Cmapss>): StudyCase[] {
  const cases: StudyCase[] = [];
  const evenly = (subset: Subset, factories: number, lstm: boolean) => {
    const data = sets.get(subset);
    if (data) cases.push(caseOf(`${subset}, ${factories} factories`, lstm ? data : undefined, (seed) => fleetsWith(data, dealFleets(data, factories, seed))));
  };
  for (const subset of SUBSETS) evenly(subset, 5, subset === "FD001");
  evenly("FD001", 10, false);
  evenly("FD001", 20, false);
  const one = sets.get("FD001");
  if (sets.size > 1) cases.push(caseOf("a fleet for each set", undefined, (seed) => [...sets.values()].map((data) => fleetsWith(data, dealFleets(data, 1, seed)).map((fleet) => ({ ...fleet, id: data.subset }))).flat()));
  for (const data of sets.values()) {
    if (REGIMES[data.subset] > 1) cases.push(caseOf(`${data.subset} by regime`, undefined, (seed) => fleetsWith(data, dealByRegime(data, regimesOf(data), seed))));
  }
  if (one) cases.push(caseOf("FD001 by life length", undefined, (seed) => fleetsWith(one, dealByLife(one, 5, seed))));
  return cases;
}

/** A fleet and the set it is of, which says how its rows are to be read. */
export interface Placed extends Fleet {
  readonly data: Cmapss;
}

const fleetsWith = (data: Cmapss, fleets: readonly Fleet[]): Placed[] => fleets.map((fleet) => ({ ...fleet, data }));

function caseOf(name: string, lstm: Cmapss | undefined, deal: (seed: number) => readonly Placed[]): StudyCase {
  return { name, run: (context) => runCase(name, deal(context.seed), lstm, context) };
}

async function runCase(name: string, fleets: readonly Placed[], lstm: Cmapss | undefined, context: CaseContext): Promise<CaseResult> {
  const { seed, pool, build, signal, runOnnx } = context;
  const figures = (predictions: Float32Array, { rawTargets }: TaskWindows) => figuresOf(sumsOf(predictions, rawTargets!));
  const intervals = (predictions: Float32Array, windows: TaskWindows) => engineIntervals(predictions, windows, seed, name);
  // Sets that are scaled apart are judged apart, too: their engines are no common question.
  const judgedOn = new Set(fleets.map(({ data }) => data)).size > 1 ? "own" : "all";
  const together = factoriesOf(fleets, scalersOf(fleets));
  const alone = fleets.map((fleet) => ({ fleet, scaler: scalersOf([fleet])[0] }));
  const scores: Score[] = [];
  const bytes: Record<string, number> = {};
  const progress = (share: number, what: string) => context.progress(share, what);

  const dense = { model: "network, history", spec: denseSpec(fleets[0].data), seed, rounds: ROUNDS, training: trainingOf(fleets.length), pool, build, signal, figures, intervals, progress, case: name, judgedOn } as const;
  const trained = await networkScores({ ...dense, factories: together(HISTORY), ways: ["federated", "centralised"] });
  scores.push(...trained.scores);
  bytes[dense.model] = trained.bytes;
  const straight = { model: "linear, history", spec: linearSpec(fleets[0].data), scaled: true, pool, build, signal, figures, intervals, case: name, judgedOn } as const;
  const exact = await linearScores({ ...straight, factories: together(SQUARES) });
  scores.push(...exact.scores.filter(({ way }) => way !== "solo"));
  bytes[straight.model] = exact.models.bytes;

  // A factory alone scales by what it has seen itself, also the test engines that it is judged on.
  for (const { fleet, scaler } of alone) {
    const judged = judgedOn === "all" ? fleets.flatMap(({ test }) => test) : fleet.test;
    const own = (options: HistoryOptions) => [factoryOf({ ...fleet, test: judged }, scaler, options)];
    const byItself = [
      ...(await networkScores({ ...dense, factories: own(HISTORY), ways: ["solo"] })).scores,
      ...(await linearScores({ ...straight, factories: own(SQUARES) })).scores.filter(({ way }) => way === "solo"),
    ];
    scores.push(...byItself.filter(({ factory }) => factory !== ALL));
  }
  scores.push(...constantScores(name, fleets, judgedOn, figures));
  if (lstm) scores.push(...(await windowScores(name, fleets, lstm, context, { figures, intervals })));
  const { parameters, scaler, sha256 } = trained.federated!;
  const model = lstm ? await deploy("turbofan", { ...taskDataOf(lstm, together(HISTORY)), channels: HISTORY_CHANNELS }, { spec: dense.spec, build, parameters, scaler, sha256, threshold: 0, rounds: ROUNDS }, pool, runOnnx) : undefined;
  return { scores, bytes, model };
}

/** The regimes of a whole set: which factory flies where is how fleets are told apart, not what a model learns from. */
function regimesOf({ train, subset, features }: Cmapss): Regimes {
  return mergeClusters([clusterSettings(rowsOf(train, features), SETTINGS.length, REGIMES[subset])], SETTINGS.length, REGIMES[subset]);
}

/** For each fleet the scaler of its rows: one for all fleets of a set, agreed on as a federation agrees (tasks/federation.ts). */
export function scalersOf(fleets: readonly Placed[]): Scaler[] {
  const bySet = new Map<Cmapss, Scaler>();
  for (const data of new Set(fleets.map((fleet) => fleet.data))) {
    const parts = fleets.filter((fleet) => fleet.data === data).map(({ train }) => rowsOf(train, data.features));
    const count = REGIMES[data.subset];
    const settings = count > 1 ? SETTINGS.length : 0;
    const regimes = count > 1 ? mergeClusters(parts.map((part) => clusterSettings(part, settings, count)), settings, count) : undefined;
    const columns = data.features - settings;
    bySet.set(data, scalerFromMoments(mergeMoments(parts.map((part) => windowMoments(part, regimes)), columns, regimes?.centres.length), columns, regimes));
  }
  return fleets.map(({ data }) => bySet.get(data)!);
}

/** All rows of some engines, each a window of one step. */
function rowsOf(engines: readonly Engine[], features: number): Windows {
  const count = engines.reduce((sum, { cycles }) => sum + cycles, 0);
  const inputs = new Float32Array(count * features);
  let at = 0;
  for (const { rows } of engines) {
    inputs.set(rows, at);
    at += rows.length;
  }
  return { inputs, targets: new Float32Array(count), groups: new Int32Array(count), count, steps: 1, features };
}

const factoriesOf = (fleets: readonly Placed[], scalers: readonly Scaler[]) => {
  const made = new Map<HistoryOptions, TaskFactory[]>();
  return (options: HistoryOptions): TaskFactory[] => {
    const factories = made.get(options) ?? fleets.map((fleet, index) => factoryOf(fleet, scalers[index], options));
    made.set(options, factories);
    return factories;
  };
};

export function factoryOf({ id, data, train, validation, test }: Placed, scaler: Scaler, options: HistoryOptions): TaskFactory {
  const windows = (engines: readonly Engine[], last: boolean) => historyWindows(engines, data.features, scaler, options, last);
  return { id, train: windows(train, false), validation: windows(validation, false), test: windows(test, true) };
}

/** One step of history features a moment; targets (N,2), cycles left capped at CAP and at LONG. */
function historyWindows(engines: readonly Engine[], columns: number, scaler: Scaler, options: HistoryOptions, last: boolean): TaskWindows {
  const sensors = scaler.mean[0].length;
  const features = historyLength(sensors, options);
  const parts = engines.map((engine) => {
    const ends: number[] = [];
    for (let end = engine.cycles; end === engine.cycles || (!last && end >= FIRST); end -= STRIDE) ends.unshift(end);
    const whole: Windows = { inputs: engine.rows, targets: new Float32Array(0), groups: new Int32Array(0), count: engine.cycles, steps: 1, features: columns };
    return { engine, ends, values: historyFeatures(scale(whole, scaler), sensors, ends, options) };
  });
  const count = parts.reduce((sum, { ends }) => sum + ends.length, 0);
  const inputs = new Float32Array(count * features);
  let at = 0;
  for (const { values } of parts) {
    inputs.set(values, at);
    at += values.length;
  }
  const rawTargets = Float32Array.from(parts.flatMap(({ engine, ends }) => ends.map((end) => engine.remaining + engine.cycles - end)));
  const targets = Float32Array.from({ length: 2 * count }, (_, index) => Math.min(rawTargets[index >> 1], index % 2 === 0 ? CAP : LONG));
  return { inputs, targets, rawTargets, groups: Int32Array.from(parts.flatMap(({ engine, ends }) => ends.map(() => engine.unit))), count, steps: 1, features };
}

const head = { type: "forecast", outputs: [`cycles up to ${CAP}`, `cycles up to ${LONG}`], unit: "cycles", scale: CAP } as const;

export function denseSpec({ features, subset }: Cmapss): ModelSpec {
  return parseSpec({
    input: { steps: 1, features: historyLength(features - (REGIMES[subset] > 1 ? SETTINGS.length : 0), HISTORY) },
    layers: [{ type: "dropout", rate: 0.15 }, { type: "flatten" }, { type: "dense", units: 64 }, { type: "dropout", rate: 0.3 }, { type: "dense", units: 16 }],
    head,
  });
}

function linearSpec({ features, subset }: Cmapss): ModelSpec {
  return parseSpec({ input: { steps: 1, features: historyLength(features - (REGIMES[subset] > 1 ? SETTINGS.length : 0), SQUARES) }, layers: [{ type: "flatten" }], head });
}

/** The more factories share the engines, the smaller the batch, so that a round stays as many steps long. */
const trainingOf = (factories: number) => (round: number): Training => ({
  epochs: 1, batch: Math.min(32, Math.round(160 / factories)), learningRate: ramp(...RATES, round, ROUNDS), optimizer: adam, clipNorm: 1, loss: {},
});

/** What adds up over engines: their number, squared and absolute errors, and NASA's score. Predictions (N,2). */
export function sumsOf(predictions: Float32Array, rawTargets: Float32Array): Float64Array {
  const sums = new Float64Array(5);
  rawTargets.forEach((truth, n) => {
    const clamp = (value: number, cap: number) => Math.min(cap, Math.max(0, value));
    const capped = clamp(predictions[2 * n], CAP) - Math.min(truth, CAP);
    const raw = clamp(predictions[2 * n + 1], LONG) - truth;
    sums[0] += 1;
    sums[1] += capped * capped;
    sums[2] += raw * raw;
    sums[3] += Math.abs(capped);
    sums[4] += exp(raw < 0 ? -raw / 13 : raw / 10) - 1;
  });
  return sums;
}

export function figuresOf([count, capped, raw, absolute, score]: Float64Array): Record<string, number> {
  return { rmse: Math.sqrt(capped / count), rmseRaw: Math.sqrt(raw / count), mae: absolute / count, score };
}

/** 95 % intervals from drawing test engines anew. */
export function engineIntervals(predictions: Float32Array, { rawTargets }: TaskWindows, ...names: (string | number)[]): Record<string, [number, number]> {
  return intervalsOf([...rawTargets!].map((_, n) => sumsOf(predictions.subarray(2 * n, 2 * n + 2), rawTargets!.subarray(n, n + 1))), figuresOf, ...names);
}

type Figures = (predictions: Float32Array, windows: TaskWindows) => Record<string, number>;

/** The mean of the training labels for every engine: what a model has to beat. */
function constantScores(name: string, fleets: readonly Placed[], judgedOn: "own" | "all", figures: Figures): Score[] {
  const lives = fleets.flatMap(({ train }) => train.map(({ cycles }) => cycles));
  const mean = (cap: number) => {
    const [sum, count] = lives.reduce(([sum, count], cycles) => {
      for (let left = 0; left < cycles; left++) sum += Math.min(left, cap);
      return [sum, count + cycles];
    }, [0, 0]);
    return sum / count;
  };
  const constants = [mean(CAP), mean(LONG)];
  const left = ({ test }: Fleet) => test.map(({ remaining }) => remaining);
  const score = (factory: string, raw: readonly number[]): Score => {
    const rawTargets = Float32Array.from(raw);
    const predictions = Float32Array.from({ length: 2 * raw.length }, (_, at) => constants[at % 2]);
    return { case: name, model: "mean of labels", way: "rule", factory, samples: raw.length, figures: figures(predictions, { rawTargets } as TaskWindows) };
  };
  const own = judgedOn === "own" ? fleets.map((fleet) => score(fleet.id, left(fleet))) : [];
  return [...own, score(ALL, fleets.flatMap(left))];
}

/** The field's protocol, windows of 30 cycles, by the model that `millwright train turbofan` deploys. */
async function windowScores(name: string, fleets: readonly Fleet[], data: Cmapss, { seed, pool, build, signal, progress }: CaseContext, { figures, intervals }: Pick<Scoring, "figures" | "intervals">): Promise<readonly Score[]> {
  const factories = fleets.map(({ id, train, validation, test }): TaskFactory => ({
    id,
    train: engineWindows(train, data.features),
    validation: engineWindows(validation, data.features),
    test: engineWindows(test, data.features, { last: true }),
  }));
  const { rounds, localEpochs, batch } = turbofan.schedule;
  /** One value, which is read against both caps. */
  const twice = (predictions: Float32Array) => Float32Array.from({ length: 2 * predictions.length }, (_, at) => predictions[at >> 1]);
  const { scores } = await networkScores({
    case: name, model: "LSTM, 30 cycles", factories, spec: turbofan.spec(taskDataOf(data, factories)), seed, rounds, pool, build, signal, progress, judgedOn: "all",
    training: (round) => ({ ...turbofan.training(round, rounds), epochs: localEpochs, batch }),
    figures: (predictions, windows) => figures(twice(predictions), windows),
    intervals: (predictions, windows) => intervals!(twice(predictions), windows),
  });
  return scores.filter(({ way, factory }) => way !== "solo" || factory !== ALL); // every factory's model is judged on all engines, as above
}

function taskDataOf({ subset }: Cmapss, factories: readonly TaskFactory[]): TaskData {
  return { factories, heldOut: null, settings: 0, regimes: 1, channels: CHANNELS, rateHz: null, origin: `NASA C-MAPSS ${subset}; Saxena, Goebel, Simon & Eklund, PHM 2008` };
}
