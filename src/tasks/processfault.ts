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
import { mergeMoments, windowMoments } from "../data/moments.ts";
import { scale, scalerFromMoments, type Scaler } from "../data/scaler.ts";
import { CHANNELS, FAULTS, HIDDEN, readTep, STEP_MINUTES, type Run, type Tep } from "../data/tep.ts";
import { smoothedSquares } from "../model/chart.ts";
import { detectionCounts, detectionMetrics } from "../model/detection.ts";
import { covarianceOf, gramOf, type Covariance } from "../model/gram.ts";
import { limitOf, mergeTails, tailOf, tailSize } from "../model/limit.ts";
import { wilsonLower } from "../model/metrics.ts";
import { canonicalVariates, columnsOf, principalComponents, project, type Projection } from "../model/projection.ts";
import { parseSpec } from "../model/spec.ts";
import type { Examples } from "../model/trainer.ts";
import type { Windows } from "../signal/window.ts";
import { gatherSum } from "./gather.ts";
import { ALL, type CaseResult, type Score, type Study, type Way } from "./study.ts";

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

/** How a detector is made of moments, and read. */
interface Method {
  readonly name: string;
  /** Rows that a variate is made of. */
  readonly lag: number;
  /** Of the exponentially weighted mean of each pair of charts, 1: none. */
  readonly weights: readonly number[];
  fit(moments: Covariance): Projection;
}

const pca = (moments: Covariance) => principalComponents(columnsOf(moments, (LAG - 1) * I, LAG * I), 10);
const cva = (moments: Covariance) => canonicalVariates(moments, LAG * I, 40, 0.01);
const METHODS: readonly Method[] = [
  { name: "PCA", lag: 1, weights: [1], fit: pca },
  { name: "CVA", lag: LAG, weights: [1], fit: cva },
  { name: "CVA + EWMA", lag: LAG, weights: [1, 0.1], fit: cva },
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
function pairsOf(rows: Float32Array): Examples {
  const count = rows.length / I - 2 * LAG + 1;
  if (count < 1) throw new RangeError(`a part of the normal run expected at least ${2 * LAG} rows, got ${rows.length / I}; is d00 whole?`);
  const cut = (from: number) => {
    const windows = new Float32Array(count * LAG * I);
    for (let n = 0; n < count; n++) windows.set(rows.subarray((n + from) * I, (n + from + LAG) * I), n * LAG * I);
    return windows;
  };
  return { inputs: cut(0), targets: cut(LAG), count };
}

const blockOf = (rows: Float32Array): Block => ({ rows, sums: gramOf(SPEC, pairsOf(rows)) });
/** Exact sums can be taken off again, to the bit. */
const without = (sums: Float64Array, part: Float64Array): Float64Array => sums.map((value, at) => value - part[at]);
const fitted = (method: Method, sums: Float64Array): Projection => method.fit(covarianceOf(SPEC, sums));

/** T² of the state and of the rest, for each weight: (N - lag + 1) each, of the rows that have their past. */
function charts({ lag, weights }: Method, projection: Projection, rows: Float32Array): Float64Array[] {
  const P = lag * I;
  const count = rows.length / I - lag + 1;
  const windows = new Float32Array(count * P);
  for (let n = 0; n < count; n++) windows.set(rows.subarray(n * I, n * I + P), n * P);
  const variates = project(projection, windows);
  return weights.flatMap((weight) => [smoothedSquares(variates, P, 0, projection.states, weight), smoothedSquares(variates, P, projection.states, P, weight)]);
}

/** A detector of blocks whose sums are given; its limits are from each block under the model of the others. */
function detectorOf(method: Method, blocks: readonly Block[], sums: Float64Array): Detector {
  const heldOut = blocks.map((block) => charts(method, fitted(method, without(sums, block.sums)), block.rows));
  const rate = FALSE_ALARM_RATE / heldOut[0].length;
  const limits = heldOut[0].map((_, chart) => {
    const size = tailSize(rate, heldOut.reduce((sum, own) => sum + own[chart].length, 0));
    return limitOf(mergeTails(heldOut.map((own) => tailOf(own[chart], size)), size), rate);
  });
  return {
    method,
    projection: fitted(method, sums),
    limits: limits.map(({ value }) => value),
    falseAlarmBound: limits.reduce((sum, { falseAlarmBound }) => sum + falseAlarmBound, 0),
  };
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
function together(method: Method, way: Way, blocks: readonly Block[], sums: Float64Array): Judged {
  const tried = blocks.map((block) => alarmsIn(detectorOf(method, blocks.filter((other) => other !== block), without(sums, block.sums)), [block]));
  const normal = { alarms: tried.reduce((sum, { alarms }) => sum + alarms, 0), rows: tried.reduce((sum, { rows }) => sum + rows, 0) };
  return { way, factory: ALL, detector: detectorOf(method, blocks, sums), normal };
}

/** A factory by itself; the rows of the others are its trial. */
function alone(method: Method, blocks: readonly Block[]): Judged[] {
  return blocks.map((own, index) => {
    const parts = split(own.rows).map(blockOf);
    const sums = parts.map((part) => part.sums).reduce((total, part) => total.map((value, at) => value + part[at]));
    const detector = detectorOf(method, parts, sums);
    return { way: "solo", factory: `factory-${index + 1}`, detector, normal: alarmsIn(detector, blocks.filter((other) => other !== own)) };
  });
}

/** Five parts of rows that follow each other, as equal as can be. */
function split(rows: Float32Array): Float32Array[] {
  const count = rows.length / I;
  const at = (part: number) => Math.floor((part * count) / FACTORIES) * I;
  return Array.from({ length: FACTORIES }, (_, part) => rows.subarray(at(part), at(part + 1)));
}

const windowsOf = (values: Float32Array): Windows => {
  const count = values.length / I;
  return { inputs: values, targets: new Float32Array(count), groups: new Int32Array(count), count, steps: 1, features: I };
};

interface Plant {
  readonly scaler: Scaler;
  readonly judged: readonly Judged[];
  readonly bytes: number;
}

async function plantOf({ normal }: Tep, signal?: AbortSignal): Promise<Plant> {
  const raw = split(normal.values);
  // Neither method depends on the scale; it is for the grid of the exact sums.
  const scaler = scalerFromMoments(mergeMoments(raw.map((rows) => windowMoments(windowsOf(rows))), I), I);
  const blocks = raw.map((rows) => blockOf(scale(windowsOf(rows), scaler)));
  const { sum, bytes } = await gatherSum(new Map(blocks.map(({ sums }, index) => [`factory-${index + 1}`, sums])), SPEC, signal);
  const pairs = blocks.map(({ rows }) => pairsOf(rows));
  const whole = gramOf(SPEC, {
    inputs: joined(pairs.map(({ inputs }) => inputs)),
    targets: joined(pairs.map(({ targets }) => targets)),
    count: pairs.reduce((total, { count }) => total + count, 0),
  });
  const judged = METHODS.flatMap((method) => [...alone(method, blocks), together(method, "federated", blocks, sum), together(method, "centralised", blocks, whole)]);
  return { scaler, judged, bytes };
}

function scoreOf(name: string, { way, factory, detector, normal }: Judged, run: Run, scaler: Scaler): Score {
  const counts = detectionCounts(scoresOf(detector, scale(windowsOf(run.values), scaler)), new Uint8Array(run.rows).fill(1), { consecutive: CONSECUTIVE });
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
    intervals: { falseAlarmRate: [wilsonLower(alarms, rows), 1 - wilsonLower(rows - alarms, rows)] },
  };
}

export const processFault: Study = {
  name: "process-fault",
  summary: "faults of the Tennessee Eastman process from one run of normal operation; needs --data",
  origin: "Downs & Vogel, A plant-wide industrial process control problem, 1993; data of Chiang, Russell & Braatz, Fault Detection and Diagnosis in Industrial Systems, 2001",
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
      async run({ signal }): Promise<CaseResult> {
        const { scaler, judged, bytes } = await (found ??= plantOf(data, signal));
        return {
          scores: judged.map((one) => scoreOf(`fault ${fault}`, one, data.faults[fault - 1], scaler)),
          bytes: Object.fromEntries(METHODS.map(({ name }) => [name, bytes])),
        };
      },
    }));
  },
};

function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((total, { length }) => total + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
