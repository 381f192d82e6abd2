/**
 * @module
 * Study `process-fault`: faults of a chemical plant, told from one run of normal operation (docs/process-fault.md).
 * Five factories each have a fifth of that run's hours; no fault is seen before it is judged.
 *
 *     rows ─ scaled ─ [row before, row] ─ variates ─┬─ squares ──────────┬─ each over its limit ─ the largest
 *                                                   └─ EWMA ─ squares ───┘
 *
 * Canonical variates and principal components are made of means and second moments, which the factories sum
 * exactly; a factory that takes its own sums off again has the model of the others, scores its own rows with
 * it and shares the largest scores. So limits are of held-out rows, in one place or in five.
 */
import { exactSums, momentsOfSums } from "../data/exact.ts";
import { scale, scalerFromMoments, type Scaler } from "../data/scaler.ts";
import { CHANNELS, FAULTS, HIDDEN, readTep, STEP_MINUTES, type Run, type Tep } from "../data/tep.ts";
import { smoothedSquares } from "../model/chart.ts";
import { detectionCounts, detectionMetrics } from "../model/detection.ts";
import { covarianceOf, gramOf } from "../model/gram.ts";
import { limitOf, mergeTails, tailOf, tailSize } from "../model/limit.ts";
import { wilsonLower } from "../model/metrics.ts";
import { canonicalVariates, columnsOf, principalComponents, project, type Projection } from "../model/projection.ts";
import { parseSpec } from "../model/spec.ts";
import { concatWindows, rowWindows, slidingWindows, type Windows } from "../signal/window.ts";
import { deployLinear, linearParameters } from "./deployment.ts";
import { gatherSum } from "./gather.ts";
import { ALL, type CaseContext, type CaseResult, type Score, type Study, type Way } from "./study.ts";

const ORIGIN = "Downs & Vogel, A plant-wide industrial process control problem, 1993; data of Chiang, Russell & Braatz, Fault Detection and Diagnosis in Industrial Systems, 2001";
const I = CHANNELS.length;
const FACTORIES = 5;
/** Rows of the past, and of the future that it has to tell of. */
const LAG = 2;
/** Of all alarm charts together, in rows of normal operation. */
const FALSE_ALARM_RATE = 0.01;
/** Rows in a row over the limit before a fault is taken for found (Chiang, Russell & Braatz 2001). */
const CONSECUTIVE = 6;

/** The past as input and the future as target: all that its sums of products are asked for is their covariance. */
const SPEC = parseSpec({
  input: { steps: LAG, features: I },
  layers: [{ type: "flatten" }],
  head: { type: "forecast", outputs: Array.from({ length: LAG }, (_, ahead) => CHANNELS.map((name) => `${name} in ${ahead + 1}`)).flat(), unit: "standard deviations" },
});

/** How a detector's rows are turned, and which charts are kept of the variates. */
interface Method {
  readonly name: string;
  readonly by: "pca" | "cva";
  /** Rows that a variate is made of. */
  readonly lag: number;
  /** Of the exponentially weighted mean of each pair of charts, 1: none. */
  readonly weights: readonly number[];
}

const METHODS: readonly Method[] = [
  { name: "PCA", by: "pca", lag: 1, weights: [1] },
  { name: "CVA", by: "cva", lag: LAG, weights: [1] },
  { name: "CVA + EWMA", by: "cva", lag: LAG, weights: [1, 0.1] },
];
const BEST = "CVA + EWMA";

/** Rows that follow each other, scaled, and their exact sums. */
interface Block {
  readonly rows: Float32Array;
  readonly sums: Float64Array;
}

interface Detector {
  readonly method: Method;
  readonly projection: Projection;
  /** A limit for each chart, and what all of them together promise of false alarms. */
  readonly limits: readonly number[];
  readonly falseAlarmBound: number;
}

/** Pairs of past and future lie within a block: nothing is known across its ends. */
const pairsOf = (rows: Float32Array): Windows => slidingWindows(rows, I, LAG, LAG);
const blockOf = (rows: Float32Array): Block => ({ rows, sums: gramOf(SPEC, pairsOf(rows)) });
/** Exact sums can be taken off again, to the bit. */
const without = (sums: Float64Array, part: Float64Array): Float64Array => sums.map((value, at) => value - part[at]);

type Fitted = Readonly<Record<Method["by"], Projection>>;

function fitted(sums: Float64Array): Fitted {
  const moments = covarianceOf(SPEC, sums);
  return { pca: principalComponents(columnsOf(moments, (LAG - 1) * I, LAG * I), 10), cva: canonicalVariates(moments, LAG * I, 40, 0.01) };
}

/** T² of the state and of the rest, for each weight: (N - lag + 1) each, of the rows that have their past. */
function charts({ lag, weights }: Method, projection: Projection, rows: Float32Array): Float64Array[] {
  const P = lag * I;
  const variates = project(projection, slidingWindows(rows, I, lag).inputs);
  return weights.flatMap((weight) => [smoothedSquares(variates, P, 0, projection.states, weight), smoothedSquares(variates, P, projection.states, P, weight)]);
}

/** A detector by each method of blocks whose sums are given; limits are from each block under the model of the others. */
function detectorsOf(blocks: readonly Block[], sums: Float64Array): Detector[] {
  const whole = fitted(sums);
  const others = blocks.map((block) => fitted(without(sums, block.sums)));
  return METHODS.map((method) => {
    const heldOut = blocks.map(({ rows }, index) => charts(method, others[index][method.by], rows));
    const rate = FALSE_ALARM_RATE / heldOut[0].length;
    const limits = heldOut[0].map((_, chart) => {
      const size = tailSize(rate, heldOut.reduce((sum, own) => sum + own[chart].length, 0));
      return limitOf(mergeTails(heldOut.map((own) => tailOf(own[chart], size)), size), rate);
    });
    return {
      method,
      projection: whole[method.by],
      limits: limits.map(({ value }) => value),
      falseAlarmBound: limits.reduce((sum, { falseAlarmBound }) => sum + falseAlarmBound, 0),
    };
  });
}

/** (N) the largest of the charts, each in units of its limit; 0 for rows without their past. */
function scoresOf({ method, projection, limits }: Detector, rows: Float32Array): Float64Array {
  const scores = new Float64Array(rows.length / I);
  charts(method, projection, rows).forEach((chart, index) =>
    chart.forEach((value, at) => (scores[at + method.lag - 1] = Math.max(scores[at + method.lag - 1], value / limits[index]))),
  );
  return scores;
}

/** Alarms among rows of normal operation that neither the model nor its limits have seen. */
interface FalseAlarms {
  readonly alarms: number;
  readonly rows: number;
}

interface Judged {
  readonly way: Way;
  readonly factory: string;
  readonly detector: Detector;
  readonly normal: FalseAlarms;
}

const alarmsIn = (detector: Detector, blocks: readonly Block[]): FalseAlarms => {
  const scores = blocks.map(({ rows }) => scoresOf(detector, rows));
  return { alarms: scores.reduce((sum, own) => sum + own.filter((score) => score > 1).length, 0), rows: scores.reduce((sum, own) => sum + own.length, 0) };
};

/** One model of all factories. Its false alarms are those of five others, each made without the factory that it is tried on. */
function together(way: Way, blocks: readonly Block[], sums: Float64Array): Judged[] {
  const tried = blocks.map((block) => detectorsOf(blocks.filter((other) => other !== block), without(sums, block.sums)).map((detector) => alarmsIn(detector, [block])));
  return detectorsOf(blocks, sums).map((detector, index) => {
    const own = tried.map((byMethod) => byMethod[index]);
    return { way, factory: ALL, detector, normal: { alarms: own.reduce((sum, { alarms }) => sum + alarms, 0), rows: own.reduce((sum, { rows }) => sum + rows, 0) } };
  });
}

/** A factory by itself; the rows of the others are its trial. */
function alone(blocks: readonly Block[]): Judged[] {
  return blocks.flatMap((own, index) => {
    const parts = split(own.rows).map(blockOf);
    const sums = parts.map((part) => part.sums).reduce((total, part) => total.map((value, at) => value + part[at]));
    const others = blocks.filter((other) => other !== own);
    return detectorsOf(parts, sums).map((detector): Judged => ({ way: "solo", factory: `factory-${index + 1}`, detector, normal: alarmsIn(detector, others) }));
  });
}

/** Five parts of rows that follow each other, as equal as can be. */
function split(rows: Float32Array): Float32Array[] {
  const count = rows.length / I;
  const at = (part: number) => Math.floor((part * count) / FACTORIES) * I;
  return Array.from({ length: FACTORIES }, (_, part) => rows.subarray(at(part), at(part + 1)));
}

interface Plant {
  readonly scaler: Scaler;
  readonly judged: readonly Judged[];
  readonly bytes: number;
}

async function plantOf({ normal }: Tep, signal?: AbortSignal): Promise<Plant> {
  const parts = split(normal.values).map((values) => rowWindows(values, I));
  const gather = (numbers: readonly Float64Array[]) => gatherSum(new Map(numbers.map((own, index) => [`factory-${index + 1}`, own])), SPEC, signal);
  // Neither method depends on the scale; it is for the grid of the exact sums.
  const columns = await gather(parts.map((part) => exactSums(part)));
  const scaler = scalerFromMoments(momentsOfSums(columns.sum, I), I);
  const blocks = parts.map((part) => blockOf(scale(part, scaler)));
  const products = await gather(blocks.map(({ sums }) => sums));
  const whole = gramOf(SPEC, concatWindows(blocks.map(({ rows }) => pairsOf(rows))));
  return { scaler, judged: [...alone(blocks), ...together("federated", blocks, products.sum), ...together("centralised", blocks, whole)], bytes: columns.bytes + products.bytes };
}

function scoreOf(name: string, { way, factory, detector, normal }: Judged, run: Run, scaler: Scaler): Score {
  const counts = detectionCounts(scoresOf(detector, scale(rowWindows(run.values, I), scaler)), new Uint8Array(run.rows).fill(1), { consecutive: CONSECUTIVE });
  const { samples, recall, delay } = detectionMetrics(counts);
  const { alarms, rows } = normal;
  return {
    case: name, model: detector.method.name, way, factory, samples,
    figures: {
      detection: recall,
      falseAlarmRate: alarms / rows,
      falseAlarmBound: detector.falseAlarmBound,
      ...(Number.isNaN(delay) ? {} : { delay: STEP_MINUTES * delay }),
    },
    intervals: { falseAlarmRate: intervalOf(alarms, rows) },
  };
}

/** How sure the false alarms are: a share of few rows says little. */
function notesOf(judged: readonly Judged[]): string[] {
  return judged.filter(({ way, detector }) => way === "federated" && detector.method.name === BEST).map(({ normal: { alarms, rows } }) => {
    const [low, high] = intervalOf(alarms, rows).map((share) => (100 * share).toFixed(2));
    return `${BEST} federated alarms on ${alarms} of ${rows} held-out rows of normal operation: ${low} to ${high} % with 95 % confidence if rows were independent, which they are not quite.`;
  });
}

/** Wilson's, both ends. */
const intervalOf = (alarms: number, rows: number): [number, number] => [wilsonLower(alarms, rows), 1 - wilsonLower(rows - alarms, rows)];

/** The detector as a file for the edge: windows of raw rows in, variates out; smoothing, squares and limits are left to the caller. */
function deployable({ method, projection, limits }: Detector, scaler: Scaler, normal: Run, context: CaseContext): Promise<CaseResult["model"]> {
  const P = projection.mean.length;
  const spec = parseSpec({ ...SPEC, head: { type: "forecast", outputs: Array.from({ length: P }, (_, index) => `variate ${index + 1}`), unit: "" } });
  const W = projection.matrix;
  const b = projection.mean.map((_, k) => -projection.mean.reduce((sum, mean, i) => sum + W[k * P + i] * mean, 0));
  const metadata = {
    task: "process-fault",
    sensors: JSON.stringify(CHANNELS),
    origin: ORIGIN,
    score: `of each weight w, z = w x + (1 - w) z by variate; the sum of z² over its variance w / (2 - w), for the first ${projection.states} variates and for the others`,
    weights: JSON.stringify(method.weights),
    states: String(projection.states),
    alarmLimits: JSON.stringify(limits),
  };
  return deployLinear({ spec, parameters: linearParameters(spec, W, b), scaler, metadata }, slidingWindows(normal.values, I, LAG), context);
}

export const processFault: Study = {
  name: "process-fault",
  summary: "faults of the Tennessee Eastman process from one run of normal operation; needs --data",
  origin: ORIGIN,
  subsets: ["observable", "all"],
  seeds: [1],
  measures: [
    { name: "detection", title: "rows found", meaning: "rows of the faulty plant that are alarmed", unit: "%", digits: 1, better: "higher" },
    { name: "falseAlarmRate", title: "false alarms", meaning: "held-out rows of the normal plant that are alarmed", unit: "%", digits: 2, better: "lower" },
    { name: "falseAlarmBound", title: "promised", meaning: "what the limits promise of false alarms if rows were independent", unit: "%", digits: 2, better: "lower" },
    { name: "delay", title: "delay", meaning: `minutes from the fault to the first of ${CONSECUTIVE} alarms in a row, where there are so many`, unit: "min", digits: 0, better: "lower" },
  ],
  linear: METHODS.map(({ name }) => name),
  targets: (subset) => [
    ...(subset === "all" ? [] : [{ model: BEST, way: "federated", measure: "detection", over: "mean", must: 0.8, stretch: 0.9 } as const]),
    { model: BEST, way: "federated", measure: "falseAlarmRate", over: "mean", must: 0.01 },
  ],
  async cases({ source, subset }) {
    const data = await readTep(source);
    let found: ReturnType<typeof plantOf> | undefined; // one set of detectors meets all faults
    return FAULTS.filter((fault) => subset === "all" || !HIDDEN.includes(fault)).map((fault) => ({
      name: `fault ${fault}`,
      exact: true,
      async run(context): Promise<CaseResult> {
        const { scaler, judged, bytes } = await (found ??= plantOf(data, context.signal));
        return {
          scores: judged.map((one) => scoreOf(`fault ${fault}`, one, data.faults[fault - 1], scaler)),
          model: fault === 1 ? await deployable(judged.find(({ way, detector }) => way === "federated" && detector.method.name === BEST)!.detector, scaler, data.normal, context) : undefined,
          notes: notesOf(judged),
          bytes: Object.fromEntries(METHODS.map(({ name }) => [name, bytes])),
        };
      },
    }));
  },
};
