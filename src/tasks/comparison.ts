/**
 * @module
 * What a federation is compared with: each factory alone, and all data in one place. Both are
 * federations of one, with the same number of gradient steps a sample.
 */
import { concatWindows } from "../signal/window.ts";
import type { Metrics } from "../model/metrics.ts";
import { adapt, predict } from "./artefact.ts";
import { federate, type Federated, type FederationOptions } from "./federation.ts";
import type { Judge } from "./judge.ts";
import type { Task, TaskData, TaskFactory, TaskWindows } from "./task.ts";

export interface Comparison {
  /** By factory: its own model on its own test windows and, where the task judges by them, on all factories'. */
  readonly solo: ReadonlyMap<string, { readonly own: Metrics; readonly all: Metrics | null }>;
  /** By factory: the centralised model on that factory's test windows. */
  readonly centralised: ReadonlyMap<string, Metrics>;
  readonly pooled: Metrics;
  readonly heldOut: Metrics | null;
}

export type ComparisonProgress = (kind: "solo" | "centralised", id: string, round: number) => void;

/** All side by side. */
export async function compare({ judgedOn }: Task, data: TaskData, common: Omit<FederationOptions, "factories">, judge: Judge, progress: ComparisonProgress): Promise<Comparison> {
  const alone = (kind: "solo" | "centralised", factory: TaskFactory) =>
    federate({ ...common, factories: [factory], onRound: ({ round }) => progress(kind, factory.id, round) });
  const [central, ...solos] = await Promise.all([
    alone("centralised", inOnePlace(data.factories)),
    ...data.factories.map((factory) => alone("solo", factory)),
  ]);
  const artefactOf = ({ parameters, scaler }: Federated) => ({ spec: common.spec, build: common.build ?? ("simd" as const), parameters, scaler });
  /** With the statistics of the one who trained it. */
  const countsOf = async (model: Federated, windows: TaskWindows, [statistics] = [...model.factoryStatistics.values()]) =>
    judge.counts(await predict({ ...artefactOf(model), statistics }, windows, common.pool), windows);
  const countsByFactory = (model: Federated) => Promise.all(data.factories.map(({ test }) => countsOf(model, test)));
  const thresholdOf = ({ validation }: Federated) => judge.threshold(validation.values());
  const solo = await Promise.all(
    solos.map(async (model, index) => {
      const { id } = data.factories[index];
      const threshold = thresholdOf(model);
      const all = judgedOn === "all" ? judge.pooled(await countsByFactory(model), threshold) : null;
      return [id, { own: judge.metrics(model.test.get(id)!, threshold), all }] as const;
    }),
  );
  const counts = await countsByFactory(central);
  const threshold = thresholdOf(central);
  return {
    solo: new Map(solo),
    centralised: new Map(data.factories.map(({ id }, index) => [id, judge.metrics(counts[index], threshold)])),
    pooled: judge.pooled(counts, threshold),
    heldOut: data.heldOut && judge.metrics(await countsOf(central, data.heldOut.test, [await adapt(artefactOf(central), data.heldOut.test, common.pool)]), threshold),
  };
}

/** A factory that has what all have. */
export function inOnePlace(factories: readonly TaskFactory[]): TaskFactory {
  return {
    id: "centralised",
    train: concatAll(factories.map(({ train }) => train)),
    validation: concatAll(factories.map(({ validation }) => validation)),
    test: concatAll(factories.map(({ test }) => test)),
  };
}

export function concatAll(sets: readonly TaskWindows[]): TaskWindows {
  const raw = sets.flatMap(({ rawTargets }) => (rawTargets ? [...rawTargets] : []));
  return { ...concatWindows(sets), ...(raw.length > 0 ? { rawTargets: Float32Array.from(raw) } : {}) };
}
