/**
 * @module
 * Study `energy`: how much electricity a steel plant will take in a quarter of an hour, in an hour and in a
 * day, from its own past and the calendar (docs/energy.md).
 */
import { readEnergy, DAY, type EnergyRecord } from "../data/energy.ts";
import { repeatsOf } from "../data/repeats.ts";
import { lagColumns, lagWindows, REACH } from "../data/lags.ts";
import { parseSpec, type ModelSpec } from "../model/spec.ts";
import { adam, type Training } from "../model/trainer.ts";
import { intervalsOf } from "./interval.ts";
import { linearScores } from "./linear.ts";
import { deploy, networkScores } from "./network.ts";
import { ALL, type CaseContext, type CaseResult, type Score, type Study, type StudyCase } from "./study.ts";
import { ramp, type TaskData, type TaskFactory, type TaskWindows } from "./task.ts";

const ORIGIN = "Steel Industry Energy Consumption (DAEWOO Steel, Gwangyang, 2018); Sathishkumar, Shin & Cho, Building Research & Information 2021; UCI 851, CC BY 4.0";

/** Share of the record that trains, and of that the last share by which settings are chosen. */
const TRAIN = 0.8;
const CHOOSE = 0.15;
const FACTORIES = 3;

/** kWh that count as 1 inside a model. */
const SCALE = 50;
const ROUNDS = 20;

const CASES = [
  { name: "15 minutes ahead", horizon: 1, must: 4.9, stretch: 4.4 },
  { name: "1 hour ahead", horizon: 4, must: 6.8, stretch: 6.2 },
  { name: "1 day ahead", horizon: DAY, must: 10.2, stretch: 9.1 },
] as const;

const NETWORK = "network";
const LINEAR = "linear";

export const energy: Study = {
  name: "energy",
  summary: "electricity of a steel plant, 15 minutes, an hour and a day ahead",
  origin: ORIGIN,
  seeds: [1, 2, 3],
  measures: [
    { name: "mae", title: "MAE", meaning: "mean absolute error of the energy of a quarter of an hour", unit: "kWh", digits: 2, better: "lower" },
    { name: "rmse", title: "RMSE", meaning: "root of the mean squared error", unit: "kWh", digits: 2, better: "lower" },
  ],
  linear: [LINEAR],
  targets: () => CASES.map(({ name, must, stretch }) => ({ model: NETWORK, way: "federated", measure: "mae", over: { case: name }, must, stretch })),
  async cases({ source }) {
    const record = await readEnergy(source);
    checkLength(record);
    const notes = notesOf(record);
    return CASES.map(({ name, horizon }): StudyCase => ({ name, run: async (context) => ({ ...(await run(record, name, horizon, context)), notes }) }));
  },
};

/** Where of so many rows the test begins, and before that what settings are chosen by. */
function bounds(count: number): { chosen: number; end: number } {
  const end = Math.floor(TRAIN * count);
  return { chosen: Math.floor((1 - CHOOSE) * end), end };
}

/** Every factory needs weeks of its own that train, that settings are chosen by, and that test. @throws RangeError with the days that do */
function checkLength({ count }: EnergyRecord): void {
  const suffices = (rows: number) => {
    const { chosen, end } = bounds(rows);
    return [[REACH, chosen], [Math.max(REACH, chosen), end], [Math.max(REACH, end), rows]].every(([from, to]) =>
      Array.from({ length: FACTORIES }, (_, factory) => factory).every((factory) => {
        for (let row = from; row < to; row++) if (factoryOf(row) === factory) return true;
        return false;
      }));
  };
  if (suffices(count)) return;
  let days = count / DAY + 1;
  while (!suffices(days * DAY)) days++;
  throw new RangeError(`energy: expected a record of ${days} days, so that each of ${FACTORIES} factories has days to train on, to choose by and to test on, got ${count / DAY}; give a longer record`);
}

/** Quarter hours of one value from which on a meter is taken for stuck: six hours of load, a day of reactive energy, which is 0 whole nights. */
const STUCK = [["load", "usage", DAY / 4], ["lagging reactive energy", "lagging", DAY], ["leading reactive energy", "leading", DAY]] as const;

/** What a reader has to know of the data at hand. @throws RangeError where there is nothing to forecast */
export function notesOf(record: EnergyRecord): string[] {
  const { end } = bounds(record.count);
  return STUCK.flatMap(([name, column, least]) => {
    const values = record[column];
    const { stretches, rows } = repeatsOf(values, least);
    const { constant } = repeatsOf(values.subarray(0, end), 1);
    if (constant && column === "usage") throw new RangeError(`energy: the load is ${values[0]} kWh in all ${end} quarter hours that train, so that there is nothing to forecast; is this the plant's record?`);
    if (constant) return [`The ${name} is ${values[0]} kvarh in all ${end} quarter hours that train: nothing is learned of it.`];
    return stretches > 0 ? [`The ${name} is stuck, that is of one value for ${least} quarter hours or more: ${rows} in ${stretches}; they train and test all the same.`] : [];
  });
}

const factoryOf = (row: number): number => Math.floor(row / (7 * DAY)) % FACTORIES;

async function run(record: EnergyRecord, name: string, horizon: number, { seed, pool, build, signal, runOnnx, progress }: CaseContext): Promise<CaseResult> {
  const { chosen, end } = bounds(record.count);
  const common = { case: name, pool, build, signal, figures: figuresOf, intervals: (predictions: Float32Array, windows: TaskWindows) => dayIntervals(predictions, windows, name) };
  const split = (trainEnd: number, profiles: boolean) => energyFactories(record, horizon, { train: [0, trainEnd], validation: [chosen, end], test: [end, record.count], profiles });

  const { scores: linear, models } = await linearScores({ ...common, model: LINEAR, factories: split(chosen, profiled(horizon)), spec: linearSpec(horizon), refit: true });
  const factories = split(end, false);
  const spec = networkSpec(horizon);
  const network = await networkScores({ ...common, model: NETWORK, factories, spec, seed, rounds: ROUNDS, training, progress });
  const { parameters, scaler, sha256 } = network.federated!;
  const artefact = { spec, build, parameters, scaler, sha256, threshold: 0, rounds: ROUNDS };
  return {
    scores: [...rules(record, name, horizon, end), ...linear, ...network.scores],
    bytes: { [LINEAR]: models.bytes, [NETWORK]: network.bytes },
    model: await deploy("energy", taskData(factories, horizon), artefact, pool, runOnnx),
  };
}

export interface Parts {
  /** First row and the one behind the last. */
  readonly train: readonly [number, number];
  readonly validation: readonly [number, number];
  readonly test: readonly [number, number];
  /** As in LagOptions. */
  readonly profiles?: boolean;
}

/**
 * One plant stands for three: week w of the record is the data of factory w mod 3. Their loads to be forecast
 * are disjoint; the past of a load, up to two weeks of it, is the plant's and reaches into the others' weeks.
 */
export function energyFactories(record: EnergyRecord, horizon: number, parts: Parts): TaskFactory[] {
  return Array.from({ length: FACTORIES }, (_, factory) => {
    const windows = ([from, to]: readonly [number, number]) => {
      const rows = Array.from({ length: to - from }, (_, at) => from + at);
      return lagWindows(record, { horizon, profiles: parts.profiles, rows: rows.filter((row) => factoryOf(row) === factory) });
    };
    return { id: `weeks-${factory + 1}`, train: windows(parts.train), validation: windows(parts.validation), test: windows(parts.test) };
  });
}

const input = (horizon: number, profiles = false) => ({ steps: 1, features: lagColumns(horizon, profiles).length });
const head = { type: "regress", unit: "kWh", scale: SCALE } as const;

/** A day ahead, where the calendar says most, a linear model needs it by kind of day; sooner it gains nothing by that. */
const profiled = (horizon: number): boolean => horizon === DAY;

export const linearSpec = (horizon: number): ModelSpec => parseSpec({ input: input(horizon, profiled(horizon)), layers: [{ type: "flatten" }], head });

export const networkSpec = (horizon: number): ModelSpec =>
  parseSpec({
    input: input(horizon),
    layers: [
      { type: "flatten" },
      { type: "dense", units: 64, activation: "relu" },
      { type: "dropout", rate: 0.3 },
      { type: "dense", units: 32, activation: "relu" },
      { type: "dropout", rate: 0.3 },
    ],
    head,
  });

/** Huber's loss turns linear at 1 kWh: all but the absolute error, which is what counts. */
export const training = (round: number): Training => ({
  epochs: 1,
  batch: 64,
  learningRate: ramp(2e-3, 1e-4, round, ROUNDS),
  optimizer: { ...adam, weightDecay: 1e-4 },
  clipNorm: 1,
  loss: { huberDelta: 1 / SCALE },
});

/** What a plant takes is never negative. */
const clamp = (value: number): number => Math.max(0, value);

function figuresOf(predictions: Float32Array, { targets }: TaskWindows): Record<string, number> {
  let absolute = 0, squared = 0;
  for (let n = 0; n < targets.length; n++) {
    const error = clamp(predictions[n]) - targets[n];
    absolute += Math.abs(error);
    squared += error * error;
  }
  return { mae: absolute / targets.length, rmse: Math.sqrt(squared / targets.length) };
}

/** Days are resampled: errors within a day go together. */
function dayIntervals(predictions: Float32Array, { targets, groups }: TaskWindows, name: string): Record<string, readonly [number, number]> {
  const days = new Map<number, Float64Array>();
  for (let n = 0; n < targets.length; n++) {
    const day = days.get(groups[n]) ?? new Float64Array(2);
    day[0] += Math.abs(clamp(predictions[n]) - targets[n]);
    day[1] += 1;
    days.set(groups[n], day);
  }
  // In the calendar's order, whichever factory has them, so that models are compared on the same draws.
  const units = [...days].sort(([a], [b]) => a - b).map(([, day]) => day);
  return intervalsOf(units, ([sum, count]) => ({ mae: sum / count }), name);
}

/** What needs no model: the load now, and that of the same quarter hour a day and a week before. */
function rules({ usage, count }: EnergyRecord, name: string, horizon: number, end: number): Score[] {
  const backs = [{ model: "persistence", back: horizon }, { model: "day before", back: DAY }, { model: "week before", back: 7 * DAY }];
  return backs.filter(({ back }, index) => index === 0 || back > horizon).map(({ model, back }) => {
    const windows = { targets: usage.subarray(end), groups: Int32Array.from({ length: count - end }, (_, n) => Math.floor((end + n) / DAY)) } as unknown as TaskWindows;
    const predictions = usage.subarray(end - back, count - back);
    return { case: name, model, way: "rule", factory: ALL, samples: count - end, figures: figuresOf(predictions, windows), intervals: dayIntervals(predictions, windows, name) };
  });
}

const taskData = (factories: readonly TaskFactory[], horizon: number): TaskData =>
  ({ factories, heldOut: null, settings: 0, regimes: 1, channels: lagColumns(horizon), rateHz: null, origin: ORIGIN });
