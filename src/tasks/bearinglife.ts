/**
 * @module
 * How much of a bearing's life is over, on bearings that ran until they failed (PRONOSTIA): a case for each
 * bearing that is there, held out in turn, the others a factory each.
 *
 *     (hours, log (hours + 0.1), Δ log power 5 to 12.8 kHz, horizontal and vertical) ─ dense ─ life fraction
 *
 * A snapshot is judged by itself, against the first one of its bearing (Δ): how loud a sound bearing is tells
 * of its mounting, how much louder it has become tells of wear, at high frequencies first. What may not go in is all that
 * tells which of how many snapshots this is: the archives have equally many of each life, so their index is the answer, and so, nearly,
 * are cumulative sums and anything recurrent over snapshots. Elapsed time is what a plant has, too; it is an input and, alone, what to compare with.
 */
import { livesOf, RATE_HZ, SAMPLES, type Life } from "../data/pronostia.ts";
import { log } from "../kernels/elementary.ts";
import { parseSpec, type ModelSpec } from "../model/spec.ts";
import type { Training } from "../model/trainer.ts";
import { Features } from "../signal/features.ts";
import { selectWindows, type Windows } from "../signal/window.ts";
import { linearScores } from "./linear.ts";
import { networkScores } from "./network.ts";
import { ALL, type Score, type Study, type StudyCase } from "./study.ts";
import { halfCosine, type TaskFactory } from "./task.ts";

/** Where wear is heard first, far above what shaft, imbalance and gears do. */
const BAND_HZ = [5000, RATE_HZ / 2] as const;
/** Columns of a row: two of time, two of vibration. */
export const COLUMNS = 4;
const TIME_COLUMNS = 2;
/** One step of plain gradient descent each, so that the federated model is the centralised one but for rounding and dropout: two already pull the bearings apart. */
export const ROUNDS = 600;
/** At least; more where there are more rows to be one step. Dropout depends on it. */
const BATCH = 400;
const LAMBDA = 1e-2;
/** Of life, the least that is read from a prediction where it divides. */
const LEAST_FRACTION = 0.05;

export const bearingLife: Study = {
  name: "bearing-life",
  summary: "how much of a bearing's life is over, from vibration and running time (PRONOSTIA)",
  origin: "FEMTO-ST, PRONOSTIA; Nectoux et al., IEEE PHM 2012",
  seeds: [1, 2, 3, 4, 5],
  measures: [
    { name: "mae", title: "MAE of life", meaning: "mean absolute error of the share of life that is over", unit: "", digits: 3, better: "lower" },
    { name: "hours", title: "MAE of hours left", meaning: "mean absolute error of the hours left that follow from it", unit: "h", digits: 2, better: "lower" },
  ],
  linear: ["linear", "linear, time alone"],
  targets: () => [
    { model: "network", way: "federated", measure: "mae", over: "mean", must: 0.165, stretch: 0.14 },
    { model: "network", way: "centralised", measure: "mae", over: "mean", must: 0.165, stretch: 0.14 },
    { model: "network", way: "federated", measure: "mae", over: "worst", must: 0.25 },
  ],
  async cases({ source }) {
    const lives: NamedRows[] = [];
    for await (const life of livesOf(source)) lives.push({ bearing: life.bearing, rows: lifeRows(life, lives.length) });
    return lives.map((_, heldOut) => lifeCase(heldOut, lives));
  },
};

/** (K,1,4) a row for each snapshot; targets are shares of life, groups the bearings. */
export interface LifeRows extends Windows {
  /** (K) */
  readonly hours: Float64Array;
}

/** Of one bearing. */
interface NamedRows {
  readonly bearing: string;
  readonly rows: LifeRows;
}

export function lifeRows({ hours, lifeHours, snapshots }: Life, group: number): LifeRows {
  const features = new Features({ rateHz: RATE_HZ, spectrum: { bandsHz: [BAND_HZ], log: true } }, { steps: SAMPLES, channels: ["acceleration"] });
  const powers = snapshots.map((snapshot) => features.extract(snapshot, 2));
  const inputs = Float32Array.from(powers.flatMap(([horizontal, vertical], at) => [hours[at], log(hours[at] + 0.1), horizontal - powers[0][0], vertical - powers[0][1]]));
  return {
    inputs, targets: Float32Array.from(hours, (hour) => hour / lifeHours), groups: new Int32Array(hours.length).fill(group), hours,
    count: hours.length, steps: 1, features: COLUMNS,
  };
}

export const network = (features: number): ModelSpec => parseSpec({
  input: { steps: 1, features },
  layers: [{ type: "flatten" }, { type: "dense", units: 32, activation: "relu" }, { type: "dropout", rate: 0.2 }],
  head: { type: "regress", unit: "life" },
});
/** At most so many rows of each life train, evenly spaced, so that each life counts the same; all of them are judged. */
const TRAINING_ROWS = 80;

/** Absolute error but for the last hundredths, whose gradient is a fiftieth: one life that is three times as long must not bend all others. */
export const training = (round: number, rows: number): Training => ({
  epochs: 1, batch: Math.max(BATCH, rows), learningRate: halfCosine(10, 0.1, round, ROUNDS), optimizer: { type: "sgd", momentum: 0, weightDecay: 0 }, clipNorm: 1, loss: { huberDelta: 0.02 },
});
const linearSpec = (features: number): ModelSpec => parseSpec({ input: { steps: 1, features }, layers: [{ type: "flatten" }], head: { type: "regress", unit: "life" } });

function lifeCase(heldOut: number, lives: readonly NamedRows[]): StudyCase {
  const { bearing, rows: tested } = lives[heldOut];
  const name = `bearing ${bearing} held out`;
  const figures = (predictions: Float32Array) => lifeFigures(predictions, tested);
  return {
    name,
    async run({ seed, pool, build, signal, progress }) {
      const all = factoriesWithout(heldOut, lives, COLUMNS);
      const time = factoriesWithout(heldOut, lives, TIME_COLUMNS);
      const count = all.reduce((sum, { train }) => sum + train.count, 0);
      const common = { case: name, training: (round: number) => training(round, count), seed, pool, build, signal, judgedOn: "all" as const, figures, rounds: ROUNDS };
      const full = await networkScores({ ...common, model: "network", factories: all, spec: network(COLUMNS), progress: (share) => progress(share / 2, "network") });
      const timed = await networkScores({ ...common, model: "network, time alone", ways: ["centralised"], factories: time, spec: network(TIME_COLUMNS), progress: (share) => progress((1 + share) / 2, "network, time alone") });
      const fullLinear = await linearScores({ ...common, model: "linear", factories: all, spec: linearSpec(COLUMNS), lambdas: [LAMBDA] });
      const timedLinear = await linearScores({ ...common, model: "linear, time alone", factories: time, spec: linearSpec(TIME_COLUMNS), lambdas: [LAMBDA] });
      const half: Score = { case: name, model: "half", way: "rule", factory: ALL, samples: tested.count, figures: figures(new Float32Array(tested.count).fill(0.5)) };
      const bytes = { network: full.bytes, linear: fullLinear.models.bytes, "linear, time alone": timedLinear.models.bytes };
      // All factories are judged on the one bearing that none has; alone, there is no model of all of them.
      const scores = [full, timed, fullLinear, timedLinear].flatMap(({ scores }) => scores).filter(({ way, factory }) => way !== "solo" || factory !== ALL);
      return { scores: [...scores, half], bytes };
    },
  };
}

/** The other bearings, a factory each; the held-out one's rows are the test windows of the first, and so of all together. */
function factoriesWithout(heldOut: number, lives: readonly NamedRows[], columns: number): TaskFactory[] {
  const test = columnsOf(lives[heldOut].rows, columns);
  const none = selectWindows(test, []);
  return lives.map(({ bearing, rows }) => ({ id: `bearing-${bearing}`, train: columnsOf(evenly(rows, TRAINING_ROWS), columns), validation: none, test: none }))
    .filter((_, index) => index !== heldOut)
    .map((factory, index) => (index === 0 ? { ...factory, test } : factory));
}

/** At most so many rows, the first and the last among them. A whole life is known where it trains, so this tells nothing. */
export function evenly(windows: Windows, most: number): Windows {
  if (windows.count <= most) return windows;
  return selectWindows(windows, Array.from({ length: most }, (_, at) => Math.round((at * (windows.count - 1)) / (most - 1))));
}

/** The first columns of rows. */
export function columnsOf(windows: Windows, columns: number): Windows {
  const { inputs, targets, groups, count, features } = windows;
  return { inputs: inputs.filter((_, at) => at % features < columns), targets, groups, count, steps: 1, features: columns };
}

/** Predictions are read as in [0, 1]. After t hours and at a share f of life, t (1 - f) / f hours are left. */
export function lifeFigures(predictions: Float32Array, { targets, hours, count }: LifeRows): Record<string, number> {
  const lifeHours = hours[count - 1];
  if (predictions.length === 0) return {};
  let mae = 0;
  let hoursError = 0;
  for (let n = 0; n < count; n++) {
    const fraction = Math.min(1, Math.max(0, predictions[n]));
    const left = (hours[n] * (1 - fraction)) / Math.max(LEAST_FRACTION, fraction);
    mae += Math.abs(fraction - targets[n]) / count;
    hoursError += Math.abs(left - (lifeHours - hours[n])) / count;
  }
  return { mae, hours: hoursError };
}
