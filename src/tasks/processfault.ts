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
import { CHANNELS, FAULTS, HIDDEN, readTep, type Run, type Tep } from "../data/tep.ts";
import { smoothedSquares } from "../model/chart.ts";
import { covarianceOf, gramOf } from "../model/gram.ts";
import { canonicalVariates, columnsOf, principalComponents, project, type Projection } from "../model/projection.ts";
import { parseSpec } from "../model/spec.ts";
import { concatWindows, rowWindows, slidingWindows, type Windows } from "../signal/window.ts";
import { residualsOf, trainAutoencoder, type AutoencoderOptions } from "./autoencoder.ts";
import { deployLinear, linearParameters } from "./deployment.ts";
import { alarmsIn, alarmsNotes, MEASURES, scoreOf, type Judged } from "./faultscore.ts";
import { gatherSum } from "./gather.ts";
import { monitorOf, type Charts, type Monitor } from "./monitor.ts";
import { ALL, isFirst, type CaseContext, type CaseResult, type Study, type Way } from "./study.ts";

const ORIGIN = "Downs & Vogel, A plant-wide industrial process control problem, 1993; data of Chiang, Russell & Braatz, Fault Detection and Diagnosis in Industrial Systems, 2001";
const I = CHANNELS.length;
const FACTORIES = 5;
/** Rows of the past, and of the future that it has to tell of. */
const LAG = 2;
/** Of all alarm charts together, in rows of normal operation. */
const FALSE_ALARM_RATE = 0.01;

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

const EWMA = METHODS.find(({ name }) => name === BEST)!.weights;

const AUTOENCODER: AutoencoderOptions = {
  spec: parseSpec({
    input: { steps: 1, features: I },
    layers: [
      { type: "convolution", filters: 32, kernel: 1 },
      { type: "activation", kind: "tanh" },
      { type: "convolution", filters: 16, kernel: 1 },
      { type: "convolution", filters: 32, kernel: 1 },
      { type: "activation", kind: "tanh" },
    ],
    head: { type: "reconstruct" },
  }),
  rounds: 20,
  localEpochs: 5,
  batch: 16,
  learningRate: 3e-3,
};

/** Rows that follow each other, scaled, and their exact sums. */
interface Block {
  readonly rows: Float32Array;
  readonly sums: Float64Array;
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

/** T² of the state and of the rest, for each weight. */
function chartsBy({ lag, weights }: Method, projection: Projection): Charts {
  const P = lag * I;
  return async (rows) => {
    const variates = project(projection, slidingWindows(rows, I, lag).inputs);
    return weights.flatMap((weight) => [smoothedSquares(variates, P, 0, projection.states, weight), smoothedSquares(variates, P, projection.states, P, weight)]);
  };
}

/** Monitors of the blocks that are kept, where some are left out. */
type Make = (kept: readonly Block[], left: readonly Block[]) => Promise<Monitor[]>;

/** A monitor by each method from the sums of all blocks, kept or left: those of others are the sums less the own. */
const linear = (sums: Float64Array): Make => async (kept, left) => {
  const own = left.reduce((rest, block) => without(rest, block.sums), sums);
  const whole = fitted(own);
  const others = kept.map((block) => fitted(without(own, block.sums)));
  return Promise.all(METHODS.map((method) => {
    const by = (projections: Fitted) => chartsBy(method, projections[method.by]);
    return monitorOf(method.name, kept.map(({ rows }) => rows), by(whole), others.map(by), FALSE_ALARM_RATE);
  }));
};

/** Of an autoencoder, of what it does not repeat; trained anew for every block that is left out. @param onTrained after each */
const network = (way: Way, context: CaseContext, onTrained: () => void): Make => async (kept) => {
  const chartsOf = async (blocks: readonly Block[]): Promise<Charts> => {
    const windows = blocks.map(({ rows }) => rowWindows(rows, I));
    const factories = way === "federated" ? windows.map((own, index) => [`factory-${index + 1}`, own] as const) : [["all", concatWindows(windows)] as const];
    const trained = await trainAutoencoder(new Map(factories), AUTOENCODER, context);
    onTrained();
    return async (rows) => {
      const residuals = Float64Array.from(await residualsOf(trained, rowWindows(rows, I), context));
      return EWMA.map((weight) => smoothedSquares(residuals, I, 0, I, weight));
    };
  };
  const others = await Promise.all(kept.map((block) => chartsOf(kept.filter((other) => other !== block))));
  return [await monitorOf("autoencoder + EWMA", kept.map(({ rows }) => rows), await chartsOf(kept), others, FALSE_ALARM_RATE)];
};

/** One model of all factories. Its false alarms are those of five others, each made without the factory that it is tried on. */
async function together(way: Way, blocks: readonly Block[], make: Make): Promise<Judged[]> {
  const tried = await Promise.all(blocks.map(async (block) => {
    const monitors = await make(blocks.filter((other) => other !== block), [block]);
    return Promise.all(monitors.map((monitor) => alarmsIn(monitor, [block.rows])));
  }));
  return (await make(blocks, [])).map((monitor, index) => {
    const own = tried.map((byMethod) => byMethod[index]);
    return { way, factory: ALL, monitor, normal: { alarms: own.reduce((sum, { alarms }) => sum + alarms, 0), rows: own.reduce((sum, { rows }) => sum + rows, 0) } };
  });
}

/** A factory by itself; the rows of the others are its trial. */
async function alone(blocks: readonly Block[]): Promise<Judged[]> {
  const judged = await Promise.all(blocks.map(async (own, index) => {
    const parts = split(own.rows).map(blockOf);
    const sums = parts.map((part) => part.sums).reduce((total, part) => total.map((value, at) => value + part[at]));
    const others = blocks.filter((other) => other !== own);
    const monitors = await linear(sums)(parts, []);
    return Promise.all(monitors.map(async (monitor): Promise<Judged> => ({ way: "solo", factory: `factory-${index + 1}`, monitor, normal: await alarmsIn(monitor, others.map(({ rows }) => rows)) })));
  }));
  return judged.flat();
}

/** Five parts of rows that follow each other, as equal as can be. */
function split(rows: Float32Array): Float32Array[] {
  const count = rows.length / I;
  const at = (part: number) => Math.floor((part * count) / FACTORIES) * I;
  return Array.from({ length: FACTORIES }, (_, part) => rows.subarray(at(part), at(part + 1)));
}

/** @throws RangeError naming the file that is too short for a pair in each fifth of a fifth, or for a variate */
function checkLength({ normal, faults }: Tep): void {
  const check = (number: number, { rows }: Run, least: number) => {
    if (rows < least) throw new RangeError(`d${String(number).padStart(2, "0")}.dat: expected at least ${least} rows, got ${rows}; the file is cut off, get it again`);
  };
  check(0, normal, 2 * LAG * FACTORIES * FACTORIES);
  FAULTS.forEach((fault, index) => check(fault, faults[index], LAG));
}

interface Plant {
  readonly scaler: Scaler;
  /** The normal test run, scaled; absent without test runs. */
  readonly test?: Float32Array;
  readonly blocks: readonly Block[];
  readonly judged: readonly Judged[];
  /** Of all sums together. */
  readonly sums: Float64Array;
  readonly bytes: number;
}

async function plantOf({ normal, tests }: Tep, signal?: AbortSignal): Promise<Plant> {
  const parts = split(normal.values).map((values) => rowWindows(values, I));
  const gather = (numbers: readonly Float64Array[]) => gatherSum(new Map(numbers.map((own, index) => [`factory-${index + 1}`, own])), SPEC, signal);
  // None of the linear methods depends on the scale; it is for the grid of the exact sums.
  const columns = await gather(parts.map((part) => exactSums(part)));
  const scaler = scalerFromMoments(momentsOfSums(columns.sum, I), I);
  const blocks = parts.map((part) => blockOf(scale(part, scaler)));
  const products = await gather(blocks.map(({ sums }) => sums));
  const whole = gramOf(SPEC, concatWindows(blocks.map(({ rows }) => pairsOf(rows))));
  const test = tests && scale(rowWindows(tests.normal.values, I), scaler);
  const judged = [await alone(blocks), await together("federated", blocks, linear(products.sum)), await together("centralised", blocks, linear(whole))];
  return { scaler, test, blocks, judged: await withTest(judged.flat(), test), sums: products.sum, bytes: columns.bytes + products.bytes };
}

/** With the alarms on the normal test run, where there is one. */
const withTest = (judged: readonly Judged[], test: Float32Array | undefined): Promise<Judged[]> =>
  Promise.all(judged.map(async (one) => (test ? { ...one, test: await alarmsIn(one.monitor, [test]) } : one)));

/** The best monitor as a file for the edge: windows of raw rows in, variates out; smoothing, squares and limits are left to the caller. */
function deployable({ judged, sums, scaler }: Plant, normal: Run, context: CaseContext): Promise<CaseResult["model"]> {
  const { limits } = judged.find(({ way, monitor }) => way === "federated" && monitor.name === BEST)!.monitor;
  const { matrix: W, mean, states } = fitted(sums).cva;
  const P = mean.length;
  const spec = parseSpec({ ...SPEC, head: { type: "forecast", outputs: Array.from({ length: P }, (_, index) => `variate ${index + 1}`), unit: "" } });
  const b = mean.map((_, k) => -mean.reduce((sum, centre, i) => sum + W[k * P + i] * centre, 0));
  const metadata = {
    task: "process-fault",
    sensors: JSON.stringify(CHANNELS),
    origin: ORIGIN,
    score: `of each weight w, z = w x + (1 - w) z by variate; the sum of z² over its variance w / (2 - w), for the first ${states} variates and for the others`,
    weights: JSON.stringify(EWMA),
    states: String(states),
    alarmLimits: JSON.stringify(limits),
  };
  return deployLinear({ spec, parameters: linearParameters(spec, W, b), scaler, metadata }, slidingWindows(normal.values, I, LAG), context);
}

export const processFault: Study = {
  name: "process-fault",
  summary: "faults of the Tennessee Eastman process from one run of normal operation",
  origin: ORIGIN,
  subsets: ["observable", "all"],
  seeds: [1, 2, 3],
  measures: MEASURES,
  linear: METHODS.map(({ name }) => name),
  targets: (subset) => [
    ...(subset === "all" ? [] : [{ model: BEST, way: "federated", measure: "detection", over: "mean", must: 0.8, stretch: 0.9 } as const]),
    { model: BEST, way: "federated", measure: "falseAlarmRate", over: "mean", must: 0.01 },
  ],
  async cases({ source, subset }) {
    const data = await readTep(source);
    checkLength(data);
    // One set of monitors meets all faults.
    let exact: ReturnType<typeof plantOf> | undefined;
    const trained = new Map<number, Promise<Judged[]>>();
    return FAULTS.filter((fault) => subset === "all" || !HIDDEN.includes(fault)).map((fault) => {
      return {
        name: `fault ${fault}`,
        async run(context): Promise<CaseResult> {
          const plant = await (exact ??= plantOf(data, context.signal));
          const networks = trained.get(context.seed) ?? byNetwork(plant, context);
          trained.set(context.seed, networks);
          const first = isFirst(context);
          const all = [...(first ? plant.judged : []), ...(await networks)];
          const [run, test] = [data.faults[fault - 1], data.tests?.faults[fault - 1]].map((run) => run && scale(rowWindows(run.values, I), plant.scaler));
          const best = plant.judged.filter(({ way, monitor }) => way === "federated" && monitor.name === BEST);
          return {
            scores: await Promise.all(all.map((one) => scoreOf(`fault ${fault}`, one, run!, test))),
            model: fault === 1 && first ? await deployable(plant, data.normal, context) : undefined,
            notes: best.flatMap(alarmsNotes),
            bytes: Object.fromEntries(METHODS.map(({ name }) => [name, plant.bytes])),
          };
        },
      };
    });
  },
};

/** Autoencoders that are trained, each of these twice: one without each block, and all again for each block that the whole is tried on. */
const TRAININGS = 2 * ((FACTORIES + 1) + FACTORIES * FACTORIES);

async function byNetwork({ blocks, test }: Plant, context: CaseContext): Promise<Judged[]> {
  let done = 0;
  const onTrained = () => context.progress(++done / TRAININGS, `autoencoder ${done} of ${TRAININGS}`);
  const judged = [
    await together("federated", blocks, network("federated", context, onTrained)),
    await together("centralised", blocks, network("centralised", context, onTrained)),
  ];
  return withTest(judged.flat(), test);
}
