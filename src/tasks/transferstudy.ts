/**
 * @module
 * Study `transfer`: what a model from another machine is worth, as a curve over how much the new plant has
 * labelled itself. Three moves, each a subset that reads its own data set:
 *
 *     turbofan       engines with one kind of fault (FD001) to engines with two (FD003)
 *     bearing        no load to 2 hp (CWRU)
 *     bearing-life   1800 rpm and 4000 N to 1500 rpm and 5000 N (PRONOSTIA)
 *
 * A plant that starts from the other machine's parameters (trained on like new ones, with the first layer
 * frozen, or at a tenth of the learning rate) stands beside one that starts from scratch with as many
 * steps, and beside the other's model as it is.
 */
import { standardised } from "../data/augmentation.ts";
import { readCmapss, type Cmapss } from "../data/cmapss.ts";
import { CLASSES, readCwru } from "../data/cwru.ts";
import { dealFleets, type Fleet } from "../data/fleet.ts";
import { readPronostia } from "../data/pronostia.ts";
import { random } from "../kernels/random.ts";
import type { ModelSpec } from "../model/spec.ts";
import { adam, type Training } from "../model/trainer.ts";
import { concatWindows, selectWindows } from "../signal/window.ts";
import { partsOf } from "./bearing.ts";
import { COLUMNS, columnsOf, lifeFigures, lifeRows, network as lifeNetwork, ROUNDS as LIFE_ROUNDS, training as lifeTraining } from "./bearinglife.ts";
import { denseSpec, engineIntervals, factoryOf, figuresOf, HISTORY, RATES, scalersOf, sumsOf } from "./enginestudy.ts";
import { federate } from "./federation.ts";
import { networkScores, type NetworkScoring } from "./network.ts";
import { scoresOf, type Fitted } from "./score.ts";
import { ALL, type CaseContext, type CaseResult, type Place, type Score, type Study, type StudyCase, type StudyData } from "./study.ts";
import { halfCosine, type TaskFactory, type TaskWindows } from "./task.ts";
import { classFigures, convolutional, recordingIntervals } from "./vibration.ts";

const SUBSETS = ["turbofan", "bearing", "bearing-life"] as const;
type Subset = (typeof SUBSETS)[number];

/** A move from one machine to another, with so much labelled there. */
interface Move {
  readonly name: string;
  readonly place: Place;
  readonly spec: ModelSpec;
  /** The first layer with parameters. */
  readonly first: number;
  readonly rounds: number;
  training(round: number, windows: number): Training;
  /** The machine that is known, whole. */
  known(seed: number): TaskFactory;
  /** The new plant with what it has labelled, which may be nothing, and its test windows. */
  plant(seed: number): TaskFactory;
  figures(predictions: Float32Array, windows: TaskWindows): Record<string, number>;
  /** Of the test units, where there are enough. */
  intervals?(predictions: Float32Array, windows: TaskWindows): Record<string, readonly [number, number]>;
  /** Whether the model's normalisation measures the plant's windows again, which needs no labels. */
  readonly adaptive: boolean;
}

export const transferStudy: Study = {
  name: "transfer",
  summary: "what a model of another machine is worth to a plant with few labels: engines, bearings, bearing life",
  origin: "NASA C-MAPSS (Saxena et al. 2008); Case Western Reserve University Bearing Data Center; FEMTO-ST PRONOSTIA (Nectoux et al. 2012)",
  subsets: SUBSETS,
  seeds: [1, 2, 3],
  linear: [],
  measures: [
    { name: "rmse", title: "RMSE", meaning: "root mean square error against labels capped at 125 cycles, on the last window of each test engine", unit: "cycles", digits: 2, better: "lower" },
    { name: "accuracy", title: "accuracy", meaning: "windows whose class is named right", unit: "%", digits: 1, better: "higher" },
    { name: "mae", title: "MAE of life", meaning: "mean absolute error of the share of life that is over", unit: "", digits: 3, better: "lower" },
  ],
  targets: () => [],
  async cases({ source, subset = SUBSETS[0] }) {
    const moves = await MOVES[subset as Subset](source);
    return moves.map(caseOf);
  },
};

const MOVES: Readonly<Record<Subset, (source: StudyData["source"]) => Promise<Move[]>>> = {
  async turbofan(source) {
    const [one, two] = [await readCmapss(source, "FD001"), await readCmapss(source, "FD003")];
    return [1, 2, 5, 10, 20, 50].map((count): Move => ({
      name: `FD003 with ${count} engine${count === 1 ? "" : "s"}`,
      place: { curve: "FD001 to FD003", axis: "engines with labels", at: count },
      spec: denseSpec(one), first: 2, rounds: 16, adaptive: false,
      training: (round, windows) => ({ epochs: Math.max(1, Math.round(1000 / windows)), batch: 32, learningRate: halfCosine(...RATES, round, 16), optimizer: adam, clipNorm: 1, loss: {} }),
      known: (seed) => engineFactory(one, dealFleets(one, 1, seed)[0]),
      plant(seed) {
        const order = random(seed, "transfer", "engines").shuffle([...two.train]);
        return engineFactory(two, { id: "plant", train: order.slice(0, count), validation: [], test: two.test });
      },
      figures: (predictions, { rawTargets }) => ({ rmse: figuresOf(sumsOf(predictions, rawTargets!)).rmse }),
      intervals: (predictions, windows) => ({ rmse: engineIntervals(predictions, windows, "transfer").rmse }),
    }));
  },
  async bearing(source) {
    const cwru = await readCwru(source);
    const at = (load: number) => partsOf(cwru, (recording) => recording.load === load, standardised);
    const [known, there] = [at(0), at(2)];
    return [1, 2, 5, 10, 30].map((count): Move => ({
      name: `load 2 with ${count} window${count === 1 ? "" : "s"} of each fault`,
      place: { curve: "load 0 to load 2", axis: "windows with labels of each fault", at: count },
      spec: convolutional("batch", CLASSES), first: 0, rounds: 8, adaptive: true,
      training: (round, windows) => ({ epochs: Math.max(1, Math.round(600 / windows)), batch: 32, learningRate: halfCosine(2e-3, 0, round, 8), optimizer: adam, clipNorm: 5, loss: {} }),
      known: () => ({ id: "load-0", ...known }),
      plant(seed) {
        const stream = random(seed, "transfer", "windows");
        const chosen = CLASSES.flatMap((_, target) => stream.shuffle([...there.train.targets.keys()].filter((n) => there.train.targets[n] === target)).slice(0, count));
        return { id: "plant", ...there, train: selectWindows(there.train, chosen) };
      },
      figures: (predictions, windows) => ({ accuracy: classFigures(predictions, windows).accuracy }),
      intervals: (predictions, windows) => ({ accuracy: recordingIntervals(predictions, windows).accuracy }),
    }));
  },
  async "bearing-life"(source) {
    const rows = new Map((await readPronostia(source)).map((life, group) => [life.bearing, lifeRows(life, group)]));
    const windows = (bearing: string) => columnsOf(rows.get(bearing)!, COLUMNS);
    const none = selectWindows(windows("1_1"), []);
    return [["3_1", "3_2"], ["3_2", "3_1"]].flatMap(([tested, labelled]) => [0, 1].map((count): Move => ({
      name: `bearing ${tested}, ${count === 0 ? "no other" : "one other"} of its condition known`,
      place: { curve: `condition 1 to bearing ${tested}`, axis: "bearings of condition 3 with labels", at: count },
      spec: lifeNetwork(COLUMNS), first: 1, rounds: LIFE_ROUNDS, adaptive: false,
      training: lifeTraining,
      known: () => ({ id: "condition-1", train: concatWindows([windows("1_1"), windows("1_2")]), validation: none, test: none }),
      plant: () => ({ id: "plant", train: count === 0 ? none : windows(labelled), validation: none, test: windows(tested) }),
      figures: (predictions): Record<string, number> => (predictions.length === 0 ? {} : { mae: lifeFigures(predictions, rows.get(tested)!).mae }),
    })));
  },
};

/** A fleet of one set, its rows scaled by what it has itself. */
function engineFactory(data: Cmapss, fleet: Fleet): TaskFactory {
  const placed = { ...fleet, data };
  return factoryOf(placed, scalersOf([placed])[0], HISTORY);
}

function caseOf(move: Move): StudyCase {
  return { name: move.name, place: move.place, run: (context) => runMove(move, context) };
}

async function runMove(move: Move, context: CaseContext): Promise<CaseResult> {
  const { name, spec, first, rounds, figures, intervals } = move;
  const { seed, pool, build, signal, progress } = context;
  const plant = move.plant(seed);
  const windows = plant.train.count;
  const trains = windows > 0 ? 5 : 1;
  const trainingOf = (count: number) => (round: number) => move.training(round, count);
  const known = move.known(seed);
  const source = await federate({
    factories: [known], spec, build, seed, rounds, training: trainingOf(known.train.count), pool, signal, data: { settings: 0, regimes: 1 }, counts: () => Float64Array.of(0),
    onRound: ({ round }) => progress(round / rounds / trains, "the machine that is known"),
  });
  const common = { case: name, factories: [plant], spec, pool, build, figures, intervals };
  const fitted: Fitted = { parameters: source.parameters, scaler: source.scaler, statistics: [...source.factoryStatistics.values()][0] };
  const scores: Score[] = [...(await scoresOf({ ...common, model: "the other's, as it is" }, "rule", () => fitted))];
  if (move.adaptive) scores.push(...(await scoresOf({ ...common, model: "the other's, adapted", adaptive: true }, "rule", () => fitted)));
  const initial = source.parameters;
  const ways: readonly [string, Pick<NetworkScoring, "initial">, (training: Training) => Training][] = [
    ["from scratch", {}, (training) => training],
    ["transferred", { initial }, (training) => training],
    ["transferred, first layer frozen", { initial }, (training) => ({ ...training, freeze: [first] })],
    ["transferred, a tenth of the rate", { initial }, (training) => ({ ...training, learningRate: training.learningRate / 10 })],
  ];
  for (const [index, [model, start, alter]] of windows > 0 ? [...ways.entries()] : []) {
    const training = (round: number) => alter(move.training(round, windows));
    const own = await networkScores({ ...common, ...start, model, ways: ["solo"], seed, rounds, training, signal, progress: (share) => progress((index + 1 + share) / trains, model) });
    scores.push(...own.scores);
  }
  return { scores: scores.filter(({ factory }) => factory === ALL) };
}
