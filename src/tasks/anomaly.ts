/**
 * @module
 * Study `anomaly`: faults of a water loop that nobody labelled, from eight sensors (docs/anomaly.md).
 * What is learned is the normal course of the first 400 rows of each experiment; a row is scored by how far
 * the sensors are from what the rows before it let expect.
 *
 *     rows ─ own scale ─ windows of 5 ─ forecast ─ squared residual ─ mean of 30 ─ over the limit?
 *
 * A vector autoregression is linear, so the factories' sums of products make one model of all experiments
 * in one round. Neither that one nor an experiment's own is best: the own one knows its state and has seen
 * little, the shared one has seen all states. The mean of the two is a linear model as well.
 */
import { windowMoments } from "../data/moments.ts";
import { repeatsOf } from "../data/repeats.ts";
import { scale, scalerFromMoments, type Scaler } from "../data/scaler.ts";
import { CHANNELS, readSkab, type Experiment } from "../data/skab.ts";
import { trailingMean } from "../model/chart.ts";
import { detectionCounts, detectionMetrics } from "../model/detection.ts";
import { gramOf, solveGram } from "../model/gram.ts";
import { limitOf, tailOf, tailSize } from "../model/limit.ts";
import { parseSpec } from "../model/spec.ts";
import { concatWindows, rowWindows, slidingWindows, type Windows } from "../signal/window.ts";
import { residualsOf, trainAutoencoder, type Autoencoder, type AutoencoderOptions } from "./autoencoder.ts";
import { deployLinear } from "./deployment.ts";
import { gatherSum } from "./gather.ts";
import { intervalsOf } from "./interval.ts";
import { ALL, isFirst, type CaseContext, type CaseResult, type Score, type Study, type Way } from "./study.ts";

const ORIGIN = "Katser & Kozitsin, Skoltech Anomaly Benchmark (SKAB), 2020, GPL-3.0";
/** Rows of each experiment that train and set the limit; the benchmark's own number. */
const TRAIN_ROWS = 400;
/** Rows that a forecast sees. */
const ORDER = 5;
/** Penalty of the ridge, relative to columns of variance 1. */
const LAMBDA = 1e-3;
/** Rows over which scores are averaged. */
const SMOOTHING = 30;
/** Experiments of the whole benchmark, and how many it takes to judge by its figures: the first trial had 24. */
const BENCHMARK_FILES = 34, LEAST_FILES = 24;
/** Rows of one value from which on a sensor is taken for stuck, as in signal/array.ts; the benchmark's own keep one for at most 43. */
const STUCK_ROWS = 100;
const I = CHANNELS.length;

/**
 * The two rules that the benchmark's own notebooks set limits by: a quantile of the training scores times a factor, which
 * makes up for their being of rows that the model was fitted to.
 */
const RULES = [
  { name: "1 % times 3/2", rate: 0.01, factor: 1.5 },
  { name: "0.1 % times 4/3", rate: 0.001, factor: 4 / 3 },
] as const;
type Rule = (typeof RULES)[number];

const SPEC = parseSpec({
  input: { steps: ORDER, features: I },
  layers: [{ type: "flatten" }],
  head: { type: "forecast", outputs: CHANNELS.map(({ name }) => name), unit: "standard deviations" },
});

/** As wide a view as the autoregression's smoothing gives, and half as many numbers in the middle as sensors. */
const AUTOENCODER: AutoencoderOptions = {
  spec: parseSpec({
    input: { steps: SMOOTHING, features: I },
    layers: [
      { type: "convolution", filters: 16, kernel: 5, padding: "same" },
      { type: "activation", kind: "tanh" },
      { type: "convolution", filters: 4, kernel: 5, padding: "same" },
      { type: "convolution", filters: 16, kernel: 5, padding: "same" },
      { type: "activation", kind: "tanh" },
    ],
    head: { type: "reconstruct" },
  }),
  rounds: 10,
  localEpochs: 2,
  batch: 32,
  learningRate: 3e-3,
};

const SHARED = "VAR";
const MIXED = "VAR, own + shared";

/** An experiment is a factory. */
interface Factory {
  readonly id: string;
  readonly anomalous: Uint8Array;
  readonly gaps: number;
  readonly scaler: Scaler;
  readonly raw: Float32Array;
  /** (rows,8) on its own scale. */
  readonly rows: Float32Array;
}

/** A detector's scores, by factory: one for each row; those before the first are 0. */
interface Scored {
  readonly model: string;
  readonly way: Way;
  readonly scores: ReadonlyMap<string, Float64Array>;
  /** First row whose score is whole, so that it may set the limit. Absent: scores are in units of the limit as they are. */
  readonly first?: number;
}

function factoryOf({ id, rows, values, anomalous, gaps }: Experiment): Factory {
  if (rows <= TRAIN_ROWS) throw new RangeError(`${id}: expected more than ${TRAIN_ROWS} rows, which train, got ${rows}`);
  const scaler = scalerFromMoments(windowMoments(rowWindows(values.subarray(0, TRAIN_ROWS * I), I)), I);
  return { id, anomalous, gaps, scaler, raw: values, rows: scale(rowWindows(values, I), scaler) };
}

/** Windows of 5 rows, and the row behind each. */
const examplesOf = (rows: Float32Array): Windows => slidingWindows(rows, I, ORDER, 1);
const training = ({ rows }: Factory): Windows => examplesOf(rows.subarray(0, TRAIN_ROWS * I));

interface Autoregression {
  readonly solo: ReadonlyMap<string, Float32Array>;
  readonly federated: Float32Array;
  readonly centralised: Float32Array;
  readonly bytes: number;
}

async function autoregression(factories: readonly Factory[], signal?: AbortSignal): Promise<Autoregression> {
  const parts = new Map(factories.map((factory) => [factory.id, gramOf(SPEC, training(factory))]));
  const solve = (sums: Float64Array) => solveGram(SPEC, sums, LAMBDA).parameters;
  const { sum, bytes } = await gatherSum(parts, SPEC, signal);
  const inOnePlace = gramOf(SPEC, concatWindows(factories.map(training)));
  return {
    solo: new Map([...parts].map(([id, sums]) => [id, solve(sums)])),
    federated: solve(sum),
    centralised: solve(inOnePlace),
    bytes,
  };
}

/** Forecasts are linear in the parameters, so their mean is the forecast of the mean. */
const meanOf = (a: Float32Array, b: Float32Array): Float32Array => a.map((value, at) => (value + b[at]) / 2);

async function forecastScores({ rows }: Factory, parameters: Float32Array, { pool, build }: CaseContext): Promise<Float64Array> {
  const { inputs } = examplesOf(rows);
  const expected = await pool.predict({ kind: "predict", spec: SPEC, build, parameters, inputs });
  const squares = squaresOf(rows.subarray(ORDER * I).map((value, at) => value - expected[at]));
  const scores = new Float64Array(rows.length / I);
  scores.set(trailingMean(squares, SMOOTHING), ORDER);
  return scores;
}

/** (N) mean of the squares of each row. */
function squaresOf(rows: Float32Array): Float64Array {
  const squares = new Float64Array(rows.length / I);
  rows.forEach((value, at) => (squares[Math.floor(at / I)] += (value * value) / I));
  return squares;
}

/** The alarm limit of an experiment, from the scores of its first rows. */
function limitFor(scores: Float64Array, first: number, { rate, factor }: Rule): number {
  const normal = scores.subarray(first, TRAIN_ROWS);
  return factor * limitOf(tailOf(normal, tailSize(rate, normal.length)), rate).value;
}

const MEASURES: Study["measures"] = [
  { name: "f1", title: "F1", meaning: "harmonic mean of precision and recall of anomalous rows; read it beside the false alarms", unit: "", digits: 3, better: "higher" },
  { name: "falseAlarmRate", title: "false alarms", meaning: "normal rows that are alarmed", unit: "%", digits: 1, better: "lower" },
  { name: "recall", title: "rows found", meaning: "anomalous rows that are alarmed", unit: "%", digits: 1, better: "higher" },
  { name: "auc", title: "AUC", meaning: "anomalous rows that score higher than a normal one, over all pairs, scores in units of the file's limit", unit: "", digits: 3, better: "higher" },
  { name: "eventRecall", title: "events found", meaning: "runs of anomalous rows with an alarm", unit: "%", digits: 0, better: "higher" },
  { name: "delay", title: "delay", meaning: "rows from the start of an event to its alarm", unit: "rows", digits: 0, better: "lower" },
];

function figuresOf(counts: Float64Array): Record<string, number> {
  const metrics = detectionMetrics(counts);
  return Object.fromEntries(MEASURES.map(({ name }) => [name, metrics[name as keyof typeof metrics]]).filter(([, value]) => !Number.isNaN(value)));
}

/** The scores of a detector under a rule: a row for each factory, and one for all with intervals over files. */
function judge({ model, way, scores, first }: Scored, rule: Rule, factories: readonly Factory[]): Score[] {
  const counts = factories.map(({ id, anomalous }) => {
    const all = scores.get(id)!;
    const limit = first === undefined ? 1 : limitFor(all, first, rule);
    return detectionCounts(all.slice(TRAIN_ROWS).map((score) => score / limit), anomalous.subarray(TRAIN_ROWS));
  });
  const row = (factory: string, counts: Float64Array): Score =>
    ({ case: caseName(rule, factories.length), model, way, factory, samples: detectionMetrics(counts).samples, figures: figuresOf(counts) });
  const sum = counts[0].map((_, at) => counts.reduce((total, part) => total + part[at], 0));
  return [...factories.map(({ id }, index) => row(id, counts[index])), { ...row(ALL, sum), intervals: intervalsOf(counts, figuresOf, "anomaly") }];
}

async function autoencoders(factories: readonly Factory[], context: CaseContext): Promise<{ scored: Scored[]; bytes: number }> {
  const { steps } = AUTOENCODER.spec.input;
  const windows = new Map(factories.map(({ id, rows }) => [id, slidingWindows(rows.subarray(0, TRAIN_ROWS * I), I, steps)]));
  const rounds = (factories.length + 2) * AUTOENCODER.rounds;
  let done = 0;
  const train = (some: ReadonlyMap<string, Windows>, way: Way) =>
    trainAutoencoder(some, AUTOENCODER, context, () => context.progress(++done / rounds, `autoencoder ${way === "solo" ? "alone" : way}`));
  const solo = new Map<string, Autoencoder>();
  await Promise.all([...windows].map(async ([id, own]) => solo.set(id, await train(new Map([[id, own]]), "solo"))));
  const federated = await train(windows, "federated");
  const centralised = await train(new Map([["all", concatWindows([...windows.values()])]]), "centralised");
  const by = async (way: Way, modelOf: (id: string) => Autoencoder): Promise<Scored> => {
    const scores = new Map<string, Float64Array>();
    for (const { id, rows } of factories) {
      const residuals = await residualsOf(modelOf(id), slidingWindows(rows, I, steps), context);
      const own = new Float64Array(rows.length / I);
      residuals.forEach((value, at) => (own[Math.floor(at / (steps * I)) + steps - 1] += (value * value) / (steps * I)));
      scores.set(id, own);
    }
    return { model: "autoencoder", way, first: steps - 1, scores };
  };
  return { scored: [await by("solo", (id) => solo.get(id)!), await by("federated", () => federated), await by("centralised", () => centralised)], bytes: federated.bytes };
}

/** What needs no model: the last two alarm by the row's number alone, and show what F1 is worth without the false alarms. */
function rules(factories: readonly Factory[]): Scored[] {
  const by = (model: string, score: (factory: Factory) => Float64Array, first?: number): Scored =>
    ({ model, way: "rule", first, scores: new Map(factories.map((factory) => [factory.id, score(factory)])) });
  const counting = (from: number) => ({ anomalous }: Factory) => Float64Array.from(anomalous, (_, row) => (row + 1) / (from + 0.5));
  return [
    by("squared readings", ({ rows }) => trailingMean(squaresOf(rows), SMOOTHING), SMOOTHING - 1),
    by("every row", ({ anomalous }) => new Float64Array(anomalous.length).fill(2)),
    by("every row from 550 on", counting(550)),
  ];
}

async function detectors(factories: readonly Factory[], context: CaseContext): Promise<{ scored: Scored[]; models: Autoregression }> {
  const models = await autoregression(factories, context.signal);
  const first = ORDER + SMOOTHING - 1;
  const by = async (model: string, way: Way, parametersOf: (id: string) => Float32Array): Promise<Scored> => {
    const scores = new Map<string, Float64Array>();
    for (const factory of factories) scores.set(factory.id, await forecastScores(factory, parametersOf(factory.id), context));
    return { model, way, first, scores };
  };
  const own = (id: string) => models.solo.get(id)!;
  const scored = [
    await by(SHARED, "solo", own),
    await by(SHARED, "federated", () => models.federated),
    await by(SHARED, "centralised", () => models.centralised),
    await by(MIXED, "federated", (id) => meanOf(own(id), models.federated)),
    await by(MIXED, "centralised", (id) => meanOf(own(id), models.centralised)),
  ];
  return { scored: [...scored, ...rules(factories)], models };
}

/** The detector of an experiment as a file for its edge; squares, the mean of 30 and the limit are left to the caller. */
function deployable(factory: Factory, { solo, federated }: Autoregression, { scores, first }: Scored, context: CaseContext): Promise<CaseResult["model"]> {
  const metadata = {
    task: "anomaly",
    factory: factory.id,
    sensors: JSON.stringify(CHANNELS.map(({ name }) => name)),
    units: JSON.stringify(CHANNELS.map(({ unit }) => unit)),
    rateHz: "1",
    origin: ORIGIN,
    score: `mean of the ${I} squared differences between the scaled row and its forecast, averaged over the last ${SMOOTHING} rows`,
    alarmLimit: String(limitFor(scores.get(factory.id)!, first!, RULES[0])),
  };
  const { id, scaler, raw } = factory;
  return deployLinear({ spec: SPEC, parameters: meanOf(solo.get(id)!, federated), scaler, metadata }, examplesOf(raw), context);
}

/** The case of a rule. With few of the benchmark's experiments it is another one, which no target is about. */
const caseName = ({ name }: Rule, files: number): string => (files < LEAST_FILES ? `${name}, ${files} of ${BENCHMARK_FILES} experiments` : name);

/** What a reader has to know of the data at hand. */
function notesOf(factories: readonly Factory[]): string[] {
  const files = factories.length;
  const rows = factories.map(({ anomalous }) => anomalous.subarray(0, TRAIN_ROWS).reduce((sum, label) => sum + label, 0));
  const stained = factories.filter((_, index) => rows[index] > 0).map(({ id }) => id);
  const gaps = factories.filter(({ gaps }) => gaps > 0).map(({ id, gaps }) => `${id} (${gaps})`);
  const channels = factories.flatMap(({ id, raw }) => CHANNELS.map(({ name }, channel) => {
    const values = raw.filter((_, at) => at % I === channel);
    return { name: `${id} ${name}`, constant: repeatsOf(values.subarray(0, TRAIN_ROWS), 1).constant, stuck: repeatsOf(values, STUCK_ROWS) };
  }));
  const constant = channels.filter((channel) => channel.constant).map(({ name }) => name);
  const stuck = channels.filter(({ stuck }) => stuck.stretches > 0).map(({ name, stuck: { stretches, rows } }) => `${name} (${rows} rows in ${stretches})`);
  return [
    ...(files < BENCHMARK_FILES ? [`${files} of the benchmark's ${BENCHMARK_FILES} experiments are here${files < LEAST_FILES ? `; the targets are of ${LEAST_FILES} and more, so none is judged` : ""}.`] : []),
    `${rows.reduce((sum, count) => sum + count, 0)} of the ${factories.length * TRAIN_ROWS} rows that train and set limits are labelled anomalous${stained.length ? `, in ${stained.join(", ")}` : ""}; they are used all the same, as the benchmark does.`,
    ...(constant.length ? [`Of one value in all ${TRAIN_ROWS} rows that train, so that nothing is learned of it and any change counts in its own unit: ${constant.join(", ")}.`] : []),
    ...(stuck.length ? [`Stuck, that is of one value for ${STUCK_ROWS} rows or more, and judged all the same: ${stuck.join(", ")}.`] : []),
    ...(gaps.length ? [`Gaps of more than five seconds, which forecasts run across: ${gaps.join(", ")}.`] : []),
  ];
}

export const anomaly: Study = {
  name: "anomaly",
  summary: "faults of a water loop without labels: the experiments of the Skoltech Anomaly Benchmark",
  origin: ORIGIN,
  seeds: [1, 2, 3],
  measures: MEASURES,
  linear: [SHARED, MIXED],
  targets: () => {
    const target = (measure: string, must: number, stretch?: number) =>
      ({ model: MIXED, way: "federated", measure, over: { case: RULES[0].name }, must, ...(stretch === undefined ? {} : { stretch }) }) as const;
    return [target("f1", 0.75, 0.8), target("falseAlarmRate", 0.136, 0.1), target("auc", 0.86)];
  },
  async cases({ source }) {
    const factories = (await readSkab(source)).map(factoryOf);
    // Limits differ between the cases, scores do not.
    let exact: ReturnType<typeof detectors> | undefined;
    const trained = new Map<number, ReturnType<typeof autoencoders>>();
    return RULES.map((rule) => ({
      name: caseName(rule, factories.length),
      async run(context): Promise<CaseResult> {
        const { scored, models } = await (exact ??= detectors(factories, context));
        const networks = trained.get(context.seed) ?? autoencoders(factories, context);
        trained.set(context.seed, networks);
        const { scored: byNetwork, bytes } = await networks;
        const first = isFirst(context);
        const mixed = scored.find(({ model, way }) => model === MIXED && way === "federated")!;
        return {
          scores: [...(first ? scored : []), ...byNetwork].flatMap((detector) => judge(detector, rule, factories)),
          model: rule === RULES[0] && first ? await deployable(factories[0], models, mixed, context) : undefined,
          bytes: { [SHARED]: models.bytes, [MIXED]: models.bytes, autoencoder: bytes },
          notes: notesOf(factories),
        };
      },
    }));
  },
};
