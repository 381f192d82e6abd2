/**
 * @module
 * Scores of a network in a study's case: alone in each factory, federated, and with all data in one place,
 * each with the same rounds and gradient steps per sample (tasks/federation.ts).
 */
import type { Training } from "../model/trainer.ts";
import { differenceOf, encodeArtefact, exportRun, type Artefact, type OnnxRunner } from "./artefact.ts";
import { inOnePlace } from "./comparison.ts";
import { federate, type Federated } from "./federation.ts";
import type { Pool } from "./pool.ts";
import { scoresOf, type Fitted, type Scoring } from "./score.ts";
import type { CaseResult, Score, Way } from "./study.ts";
import type { TaskData, TaskFactory } from "./task.ts";

type Trained = Exclude<Way, "rule">;

export interface NetworkScoring extends Scoring {
  /** Default: all three. */
  readonly ways?: readonly Trained[];
  readonly seed: number;
  readonly rounds: number;
  readonly training: (round: number) => Training;
  /** (P) to start from. Default: drawn from the seed. */
  readonly initial?: Float32Array;
  /** Settings and regimes of the raw rows. Default: none. */
  readonly data?: Pick<TaskData, "settings" | "regimes">;
  readonly signal?: AbortSignal;
  /** Share of all training done. */
  readonly progress?: (share: number, what: string) => void;
}

export interface NetworkScores {
  readonly scores: readonly Score[];
  readonly federated: Federated | null;
  readonly centralised: Federated | null;
  /** Up and down in the federation, all rounds. */
  readonly bytes: number;
}

const NO_REGIMES = { settings: 0, regimes: 1 };

export async function networkScores(options: NetworkScoring): Promise<NetworkScores> {
  const { factories, ways = ["solo", "federated", "centralised"] } = options;
  const groups = ways.flatMap((way): { way: Trained; members: readonly TaskFactory[] }[] =>
    way === "solo" ? factories.map((factory) => ({ way, members: [factory] })) : [{ way, members: way === "federated" ? factories : [inOnePlace(factories)] }]);
  let done = 0;
  let bytes = 0;
  const trained = await Promise.all(groups.map(({ way, members }) =>
    train(options, members, (sent) => {
      if (way === "federated") bytes += sent;
      options.progress?.(++done / (groups.length * options.rounds), way === "solo" ? `${options.model} alone` : `${options.model} ${way}`);
    })));

  const scores = await Promise.all(ways.map((way) => {
    const own = trained.filter((_, index) => groups[index].way === way);
    return scoresOf(options, way, (factory) => usedBy(factories[factory].id, way === "solo" ? own[factory] : own[0]));
  }));
  const only = (way: Trained) => (ways.includes(way) ? trained[groups.findIndex((group) => group.way === way)] : null);
  return { scores: scores.flat(), federated: only("federated"), centralised: only("centralised"), bytes };
}

/** A model as a factory uses it, with its own statistics; where it took no part in training, with those of whoever trained it. */
function usedBy(id: string, { parameters, scaler, factoryStatistics: own }: Federated): Fitted {
  return { parameters, scaler, statistics: own.get(id) ?? [...own.values()][0] };
}

function train({ spec, build, seed, rounds, initial, training, pool, data = NO_REGIMES, signal }: NetworkScoring, factories: readonly TaskFactory[], onRound: (bytes: number) => void): Promise<Federated> {
  // The study's figures come from predictions on test windows at the end; nothing is evaluated on the way.
  const counts = () => Float64Array.of(0);
  return federate({ factories, spec, build, seed, rounds, initial, training, pool, data, counts, signal, onRound: ({ bytes }) => onRound(bytes) });
}

/** What a study leaves behind of a model, its export compared with an ONNX runtime's predictions where there is one. */
export async function deploy(study: string, data: TaskData, artefact: Artefact, pool: Pool, runOnnx: OnnxRunner | undefined): Promise<NonNullable<CaseResult["model"]>> {
  const checkpoint = encodeArtefact(study, data, artefact);
  const onnx = exportRun(checkpoint);
  return { checkpoint, onnx, maxAbsDifference: runOnnx ? await differenceOf(onnx, artefact, data, pool, runOnnx) : null };
}
