/**
 * @module
 * Autoencoders of normal operation: networks that are trained to repeat windows through a narrow middle, and
 * fail to where something is new. Solo, federated and centralised training are one call with other factories.
 */
import { scale, type Scaler } from "../data/scaler.ts";
import type { ModelSpec } from "../model/spec.ts";
import { adam } from "../model/trainer.ts";
import { selectWindows, type Windows } from "../signal/window.ts";
import { federate } from "./federation.ts";
import type { CaseContext } from "./study.ts";
import { halfCosine } from "./task.ts";

export interface AutoencoderOptions {
  /** With the head reconstruct. */
  readonly spec: ModelSpec;
  readonly rounds: number;
  readonly localEpochs: number;
  readonly batch: number;
  /** Falls over the rounds along half a cosine to a fiftieth. */
  readonly learningRate: number;
}

export interface Autoencoder {
  readonly spec: ModelSpec;
  readonly parameters: Float32Array;
  readonly scaler: Scaler;
  /** Up and down, all factories and rounds. */
  readonly bytes: number;
}

/** One autoencoder of all these factories' windows of normal operation. @param onRound after each of its rounds */
export async function trainAutoencoder(
  factories: ReadonlyMap<string, Windows>, options: AutoencoderOptions, { seed, pool, build, signal }: CaseContext, onRound?: () => void,
): Promise<Autoencoder> {
  const { spec, rounds, localEpochs: epochs, batch, learningRate } = options;
  let bytes = 0;
  const { parameters, scaler } = await federate({
    // Nothing is evaluated on the way: there is no label to judge a round by.
    factories: [...factories].map(([id, train]) => ({ id, train, validation: selectWindows(train, [0]), test: selectWindows(train, [0]) })),
    spec, build, seed, rounds, pool, signal,
    training: (round) => ({ epochs, batch, learningRate: halfCosine(learningRate, learningRate / 50, round, rounds), optimizer: adam, clipNorm: 1, loss: {} }),
    data: { settings: 0, regimes: 1 },
    counts: () => Float64Array.of(0),
    onRound: (report) => {
      bytes += report.bytes;
      onRound?.();
    },
  });
  return { spec, parameters, scaler, bytes };
}

/** (N,T,I) what is not repeated of each window, on the autoencoder's own scale. */
export async function residualsOf({ spec, parameters, scaler }: Autoencoder, windows: Windows, { pool, build }: CaseContext): Promise<Float32Array> {
  const inputs = scale(windows, scaler);
  const repeated = await pool.predict({ kind: "predict", spec, build, parameters, inputs });
  return inputs.map((value, at) => value - repeated[at]);
}
