/**
 * @module
 * A bearing with a wider or narrower pit than any the model has seen: three cases, each width held out in
 * turn, and the only ones of this study in which the tested bearing is another one. The fault is named:
 * ball, inner or outer ring. What carries from one width to another is how often the pit is struck,
 *
 *     acceleration ─ whiten ─ envelope ─ spectrum ─► share of the power at the three fault orders
 *
 * since that follows from the bearing's geometry and the shaft's speed (signal/bearing.ts). A window has 8,192
 * samples, twenty turns: less would not tell 4.7 times the shaft from 5.4, more would spread a line, because balls slip.
 * Each order counts within one per cent, the slip that is usual; only its first harmonic, which all widths have.
 */
import { standardised } from "../data/augmentation.ts";
import { BEARING, FAULTS, RATE_HZ, recordingWindows, WIDTHS, type Cwru, type Fault, type Width } from "../data/cwru.ts";
import { adam } from "../model/trainer.ts";
import { faultOrders } from "../signal/bearing.ts";
import { log } from "../kernels/elementary.ts";
import type { Windows } from "../signal/window.ts";
import { concatAll } from "./comparison.ts";
import { linearScores } from "./linear.ts";
import { networkScores } from "./network.ts";
import { ALL, type Score, type StudyCase } from "./study.ts";
import type { TaskFactory } from "./task.ts";
import { halfCosine } from "./task.ts";
import { classFigures, convolutional, linear, recordingIntervals, SAMPLES, transformed } from "./vibration.ts";

const { bpfo, bpfi, bsf } = faultOrders(BEARING);
/** By class. A pit in a ball strikes both rings, so twice a turn of the ball. */
const ORDERS: Readonly<Record<Fault, number>> = { ball: 2 * bsf, inner: bpfi, outer: bpfo };
const TURNS_SAMPLES = 8192;
const TOLERANCE = 0.01;
/** Without periodic blows the power at a frequency is exponential. At an order there are at most three, whose sum exceeds twelve times the mean of one in one of 2,000 windows. */
const EVIDENT = 12;
const LAMBDA = 1e-3;

export const severityCases = (cwru: Cwru): StudyCase[] => WIDTHS.map((width): StudyCase => {
  const name = `width ${width} held out`;
  return {
    name,
    async run({ seed, pool, build, signal, progress }) {
      const common = { case: name, seed, pool, build, signal, figures: (predictions: Float32Array, windows: Windows) => ({ ...classFigures(predictions, windows) }), intervals: recordingIntervals };
      const raw = widthFactories(cwru, width, { samples: SAMPLES, stride: 512 }, standardised);
      const network = await networkScores({
        ...common, model: "CNN", ways: ["centralised"], factories: raw, spec: convolutional("batch", FAULTS), rounds: 5,
        training: (round) => ({ epochs: 1, batch: 64, learningRate: halfCosine(2e-3, 0, round, 5), optimizer: adam, clipNorm: 5, loss: {} }),
        progress: (share) => progress(0.9 * share, "CNN"),
      });
      const orders = widthFactories(cwru, width, { samples: TURNS_SAMPLES, stride: TURNS_SAMPLES / 2 }, (windows) => faultPowers(windows, cwru.recordings));
      const spec = linear(FAULTS.length, FAULTS);
      const softmax = await networkScores({
        ...common, model: "fault orders", factories: orders, spec, rounds: 20,
        training: (round) => ({ epochs: 10, batch: 32, learningRate: halfCosine(0.05, 1e-3, round, 20), optimizer: adam, clipNorm: 5, loss: {} }),
      });
      const squares = await linearScores({ ...common, model: "fault orders, least squares", factories: orders, spec, lambdas: [LAMBDA] });
      return { scores: [...network.scores, ...softmax.scores, ...squares.scores, ruleScore(name, orders)], bytes: { "fault orders": softmax.bytes, "fault orders, least squares": squares.models.bytes } };
    },
  };
});

/** A load is a factory: it trains on two widths and is judged on the third. Nothing is left for validation, and nothing is chosen by it. */
function widthFactories({ loads, recordings }: Cwru, heldOut: Width, shape: { samples: number; stride: number }, transform: (windows: Windows) => Windows): TaskFactory[] {
  return loads.map((load) => {
    const windows = (chosen: (width: Width) => boolean) =>
      transform(recordingWindows(recordings, { ...shape, where: (recording) => recording.load === load && chosen(recording.width), target: ({ fault }) => FAULTS.indexOf(fault) }));
    return { id: `load-${load}`, train: windows((width) => width !== heldOut), validation: windows(() => false), test: windows((width) => width === heldOut) };
  });
}

/** (N,1,3) logarithms of the shares of the whitened envelope's power at the fault orders. */
export function faultPowers(windows: Windows, recordings: Cwru["recordings"]): Windows {
  const shaftHz = Float64Array.from(windows.groups, (group) => recordings[group].shaftHz);
  const powers = transformed(windows, { rateHz: RATE_HZ, envelope: { whiten: true, orders: ORDERS, tolerance: TOLERANCE, relative: true, log: true } }, shaftHz);
  // A flat spectrum has the share 1 over the frequencies at each of them, so that 0 is what noise has at a single one.
  const flat = log(TURNS_SAMPLES / 2);
  return { ...powers, inputs: powers.inputs.map((share) => share + flat) };
}

/**
 * What a vibration analyst does without data: a ring whose order stands out is at fault; where neither does, it is the ball, whose
 * blows vary as it turns about changing axes and are the weakest (Smith & Randall, Mech. Syst. Signal Process. 64, 2015).
 * @returns (N,3) one for the fault, zero for the others
 */
export function evidentFaults({ inputs, count }: Windows): Float32Array {
  const evident = log(EVIDENT);
  const votes = new Float32Array(3 * count);
  for (let n = 0; n < count; n++) {
    const [, inner, outer] = inputs.subarray(3 * n, 3 * n + 3);
    const fault: Fault = Math.max(inner, outer) <= evident ? "ball" : inner > outer ? "inner" : "outer";
    votes[3 * n + FAULTS.indexOf(fault)] = 1;
  }
  return votes;
}

function ruleScore(name: string, factories: readonly TaskFactory[]): Score {
  const test = concatAll(factories.map((factory) => factory.test));
  const votes = evidentFaults(test);
  return { case: name, model: "evident order", way: "rule", factory: ALL, samples: test.count, figures: { ...classFigures(votes, test) }, intervals: recordingIntervals(votes, test) };
}
