/**
 * @module
 * One federation of a task's factories in one process. Solo and centralised training are federations
 * of one: the same rounds, the same optimizer resets, the same gradient steps a sample, so that what
 * differs in the table is the data and nothing else. What a factory does is party.ts's.
 *
 * A model that normalises over batches is evaluated at each factory with the statistics of that factory's
 * training windows. They are measured where the windows are and stay there.
 */
import type { Scaler } from "../data/scaler.ts";
import { fingerprintOf } from "../federation/checksum.ts";
import { Orchestrator, type RoundReport } from "../federation/orchestrator.ts";
import { initialParameters } from "../model/network.ts";
import type { Training } from "../model/trainer.ts";
import { mergeOf, takePart, type PartyOptions } from "./party.ts";
import type { TaskFactory } from "./task.ts";

export interface FederationOptions extends Omit<PartyOptions, "factory" | "onScaler"> {
  readonly factories: readonly TaskFactory[];
  readonly rounds: number;
  /** (P) to start from. Default: drawn from the seed. */
  readonly initial?: Float32Array;
  readonly training: (round: number) => Training;
  /** Go on after this round from these parameters. */
  readonly resume?: { readonly round: number; readonly parameters: Float32Array };
  readonly signal?: AbortSignal;
  readonly onRound?: (report: RoundReport, parameters: Float32Array, scaler: Scaler) => void | Promise<void>;
}

export interface Federated {
  readonly parameters: Float32Array;
  readonly sha256: string;
  readonly scaler: Scaler;
  /** By factory id, (S) statistics of the final model on that factory's training windows; empty where the model has none. Each has left its factory for this result only. */
  readonly factoryStatistics: ReadonlyMap<string, Float32Array>;
  /** By factory id, of the final model. */
  readonly validation: ReadonlyMap<string, Float64Array>;
  readonly test: ReadonlyMap<string, Float64Array>;
}

/** @throws RangeError when a factory cannot take part, or training diverges; whatever the signal was aborted with. */
export async function federate(options: FederationOptions): Promise<Federated> {
  const { factories, spec, build, seed, rounds, resume, data } = options;
  const fingerprint = await fingerprintOf(spec);
  const contributions = new Map<string, ReadonlyMap<string, Float64Array>>();
  const orchestrator = new Orchestrator({
    clients: factories.map(({ id }) => id),
    parameters: resume?.parameters ?? options.initial ?? initialParameters(spec, seed),
    rounds,
    startRound: (resume?.round ?? 0) + 1,
    fingerprint,
    build,
    training: options.training,
    merge: (topic, parts) => {
      contributions.set(topic, parts);
      return mergeOf(data, spec)(topic, parts);
    },
    onRound: (report, parameters) => options.onRound?.(report, parameters, scaler),
  });

  // The first factory that fails ends the run for all: the others would wait for it for ever.
  const ending = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, ending.signal]) : ending.signal;
  let scaler!: Scaler;
  const factoryStatistics = new Map<string, Float32Array>();
  const parties = factories.map(async (factory) => {
    const own = AbortSignal.any([signal]); // a listener more for each of dozens of factories would make some runtimes warn
    const { statistics } = await takePart({ ...options, factory, onScaler: (agreed) => (scaler = agreed) }, { exchange: orchestrator.handle, fingerprint }, own);
    factoryStatistics.set(factory.id, statistics);
  });
  try {
    await Promise.all(parties);
  } catch (error) {
    ending.abort(error);
    await Promise.allSettled(parties);
    throw error;
  }
  const { parameters, sha256 } = await orchestrator.finished;
  const last = orchestrator.history.at(-1);
  const validation = options.everyRound
    ? new Map(last!.clients.map(({ id, evaluation }) => [id, evaluation]))
    : contributions.get("validation")!;
  return { parameters, sha256, scaler, factoryStatistics, validation, test: contributions.get("test")! };
}
