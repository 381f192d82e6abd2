/**
 * @module
 * All studies, and how one is run: every case under every seed, several at once where the pool has room.
 * What a case scores depends on its seed and data alone, so the order in which cases end does not show.
 */
import type { BuildName } from "../kernels/build.ts";
import { anomaly } from "./anomaly.ts";
import type { OnnxRunner } from "./artefact.ts";
import { bearing } from "./bearing.ts";
import { bearingLife } from "./bearinglife.ts";
import { energy } from "./energy.ts";
import { engineStudy } from "./enginestudy.ts";
import type { Unit } from "./evidence.ts";
import type { Pool } from "./pool.ts";
import { processFault } from "./processfault.ts";
import type { CaseResult, Study, StudyCase } from "./study.ts";
import { transferStudy } from "./transferstudy.ts";

export const studies: readonly Study[] = [anomaly, bearing, bearingLife, energy, engineStudy, processFault, transferStudy];

export interface StudyOptions {
  readonly seeds: readonly number[];
  readonly pool: Pool;
  readonly build: BuildName;
  readonly signal?: AbortSignal;
  readonly runOnnx?: OnnxRunner;
  /** What was done before, and is not done again. */
  readonly done: readonly Unit[];
  readonly onUnit: (unit: Unit, model: CaseResult["model"]) => void;
  readonly onProgress?: (unit: Pick<Unit, "case" | "seed">, share: number, what: string) => void;
  readonly nowMs: () => number;
}

/** The cases that are still to be run, in their order. */
export function pendingUnits(cases: readonly StudyCase[], seeds: readonly number[], done: readonly Unit[]): { readonly study: StudyCase; readonly seed: number }[] {
  const known = new Set(done.map((unit) => `${unit.case}\n${unit.seed}`));
  return seeds.flatMap((seed) => cases.map((study) => ({ study, seed })))
    .filter(({ study, seed }) => !known.has(`${study.name}\n${seed}`));
}

/** @throws what a case throws; the others are stopped then */
export async function runStudy(cases: readonly StudyCase[], options: StudyOptions): Promise<void> {
  const { pool, build, runOnnx, onUnit, onProgress, nowMs } = options;
  const ending = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, ending.signal]) : ending.signal;
  const pending = pendingUnits(cases, options.seeds, options.done);
  const work = async () => {
    for (let next = pending.shift(); next; next = pending.shift()) {
      signal.throwIfAborted();
      const { study, seed } = next;
      const began = nowMs();
      const progress = (share: number, what: string) => onProgress?.({ case: study.name, seed }, share, what);
      const { model, ...result } = await study.run({ seed, firstSeed: options.seeds[0], pool, build, signal, runOnnx, progress });
      signal.throwIfAborted();
      checkScores(result, study.name);
      const seconds = Math.round((nowMs() - began) / 100) / 10;
      onUnit({ case: study.name, seed, seconds, ...result, ...(model ? { model: { maxAbsDifference: model.maxAbsDifference } } : {}) }, model);
    }
  };
  const workers = Array.from({ length: pool.size }, work);
  try {
    await Promise.all(workers);
  } catch (error) {
    ending.abort(error);
    await Promise.allSettled(workers);
    throw error;
  }
}

/** JSON has no NaN: one would come back as null and be averaged as 0. */
function checkScores({ scores }: Pick<CaseResult, "scores">, name: string): void {
  for (const { model, way, factory, figures } of scores) {
    for (const [figure, value] of Object.entries(figures)) {
      if (!Number.isFinite(value)) throw new Error(`case "${name}": ${figure} of ${model}, ${way}, ${factory} is ${value}; leave out a figure that does not exist`);
    }
  }
}
