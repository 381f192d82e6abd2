/**
 * @module
 * Bearings at a load the model was not trained at: a case from each load to each other one, six of three
 * loads and twelve of four. A convolutional network learns from varied windows of one load's recordings
 * (data/augmentation.ts) and is judged on the other's windows as it is, and adapted: with the statistics of
 * its normalisation measured again on those windows, without their labels (AdaBN; Li et al. 2016). Beside
 * it the exact linear model of logarithmic band powers, which all but saturates.
 */
import { standardised, variedWindows, type Variation } from "../data/augmentation.ts";
import { CLASSES, classOf, RATE_HZ, recordingWindows, type Cwru, type Load } from "../data/cwru.ts";
import { scale } from "../data/scaler.ts";
import { random } from "../kernels/random.ts";
import { initialParameters } from "../model/network.ts";
import { adam } from "../model/trainer.ts";
import type { Windows } from "../signal/window.ts";
import { shared } from "./party.ts";
import { fitLinear } from "./linear.ts";
import { ALL, type CaseContext, type Score, type StudyCase } from "./study.ts";
import { halfCosine } from "./task.ts";
import { bandPowers, classFigures, convolutional, linear, recordingIntervals, SAMPLES } from "./vibration.ts";

const SPEC = convolutional("batch", CLASSES);
const VARIATION: Variation = { speed: 0.04, path: 0.5, noise: 2 };
const ROUNDS = 8;
/** Windows of each recording in a round. */
const COUNT = 224;
const BATCH = 64;
/** Of the linear model. */
const BANDS = 128;

/** Trained at one load. */
interface Trained {
  readonly parameters: Float32Array;
  /** Measured on the windows it was trained on. */
  readonly statistics: Float32Array;
}

export function loadCases({ loads, recordings }: Cwru): StudyCase[] {
  // Cases share what was trained at one load; whoever comes first trains it.
  const trained = new Map<string, Promise<Trained>>();
  const trainedAt = (load: Load, context: CaseContext): Promise<Trained> => {
    const key = `${load} ${context.seed}`;
    const found = trained.get(key) ?? train({ recordings }, load, context);
    trained.set(key, found);
    return found;
  };
  // One step up for each load, then two: cases that run at the same time train at different loads.
  return loads.slice(1).flatMap((_, step) => loads.map((from, index): StudyCase => {
    const to = loads[(index + step + 1) % loads.length];
    const name = `load ${from} to ${to}`;
    return {
      name,
      async run(context) {
        const { pool, build } = context;
        const raw = recordingWindows(recordings, { samples: SAMPLES, stride: SAMPLES, where: ({ load }) => load === to });
        const test = standardised(raw);
        const { parameters, statistics } = await trainedAt(from, context);
        const adapted = await pool.adapt({ kind: "adapt", spec: SPEC, build, parameters, inputs: test.inputs });
        const predict = (statistics: Float32Array) => pool.predict({ kind: "predict", spec: SPEC, build, parameters, statistics, inputs: test.inputs });
        const score = (model: string, predictions: Float32Array): Score => ({
          case: name, model, way: "solo", factory: ALL, samples: test.count,
          figures: { ...classFigures(predictions, test) }, intervals: recordingIntervals(predictions, test),
        });
        return {
          scores: [
            score("CNN", await predict(statistics)),
            score("CNN, adapted", await predict(adapted)),
            score("FFT + linear", await linearPredictions({ recordings }, from, raw, context)),
          ],
        };
      },
    };
  }));
}

async function train({ recordings }: Pick<Cwru, "recordings">, load: Load, { seed, pool, build, signal, progress }: CaseContext): Promise<Trained> {
  const sources = recordings.filter((recording) => recording.load === load).map((recording) => ({ samples: recording.samples, target: classOf(recording) }));
  let parameters = initialParameters(SPEC, seed);
  let windows!: Windows;
  for (let round = 1; round <= ROUNDS; round++) {
    signal?.throwIfAborted();
    windows = variedWindows(sources, COUNT, SAMPLES, VARIATION, random(seed, "load", load, "round", round));
    const examples = { inputs: shared(windows.inputs), targets: windows.targets, count: windows.count };
    const training = { epochs: 1, batch: BATCH, learningRate: halfCosine(2e-3, 0, round, ROUNDS), optimizer: adam, clipNorm: 5, loss: {} };
    ({ parameters } = await pool.fit({ kind: "fit", spec: SPEC, build, parameters, examples, training, stream: [seed, "load", load, round] }));
    progress(round / ROUNDS, `CNN at load ${load}`);
  }
  return { parameters, statistics: await pool.adapt({ kind: "adapt", spec: SPEC, build, parameters, inputs: windows.inputs }) };
}

/** Solved on the first three quarters of each recording, the penalty chosen on the last. */
async function linearPredictions({ recordings }: Pick<Cwru, "recordings">, from: Load, test: Windows, { pool, build }: CaseContext): Promise<Float32Array> {
  const spec = linear(BANDS, CLASSES);
  const part = (first: number, last: number) =>
    bandPowers(recordingWindows(recordings, { samples: SAMPLES, stride: SAMPLES / 2, part: { from: first, to: last }, where: ({ load }) => load === from }), RATE_HZ, BANDS);
  const features = bandPowers(test, RATE_HZ, BANDS);
  const { centralised } = await fitLinear({ factories: [{ id: `load-${from}`, train: part(0, 0.75), validation: part(0.75, 1), test: features }], spec });
  return pool.predict({ kind: "predict", spec, build, parameters: centralised.parameters, inputs: scale(features, centralised.scaler) });
}
