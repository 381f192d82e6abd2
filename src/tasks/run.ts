/**
 * @module
 * A run: a task's data in factories, one federation, what it is compared with, and what it leaves.
 */
import type { Scaler } from "../data/scaler.ts";
import type { Source } from "../data/source.ts";
import { sha256 } from "../federation/checksum.ts";
import type { RoundReport } from "../federation/orchestrator.ts";
import { loadBuild, type BuildName } from "../kernels/build.ts";
import { layoutOf } from "../model/layout.ts";
import { initialParameters } from "../model/network.ts";
import type { Metrics } from "../model/metrics.ts";
import type { ModelSpec } from "../model/spec.ts";
import type { Training } from "../model/trainer.ts";
import { frozenRanges, transfer, type Transferred } from "../model/transfer.ts";
import { adapt, decodeArtefact, differenceOf, encodeArtefact, exportRun, predict, type Artefact, type OnnxRunner } from "./artefact.ts";
import { compare, type Comparison } from "./comparison.ts";
import { condition } from "./condition.ts";
import { federate, type Federated } from "./federation.ts";
import { hydraulic } from "./hydraulic.ts";
import { judgeOf, meanAndWorst, type Judge } from "./judge.ts";
import type { Pool } from "./pool.ts";
import type { FactorySummary, RoundRecord, Summary } from "./result.ts";
import { STATES, type Schedule, type Task, type TaskData, type TaskFactory } from "./task.ts";
import { turbofan } from "./turbofan.ts";

export { exportRun, type OnnxRunner };

export const tasks: readonly Task[] = [condition, hydraulic, turbofan];

export interface RunOptions extends Partial<Schedule> {
  readonly task: string;
  readonly seed: number;
  /** Train solo and centralised models too. */
  readonly compare: boolean;
  readonly subset?: string;
  /** Of the kernels. Default: simd. */
  readonly build?: BuildName;
  /** The checkpoint of a run to go on from. */
  readonly from?: Uint8Array;
  /** Numbers of layers that keep what they have learned there. */
  readonly freeze?: readonly number[];
}

/** Everything a run is made of, as JSON: two runs with the same one give the same bits. */
export interface RunConfig extends Schedule {
  readonly task: string;
  readonly subset: string | null;
  readonly seed: number;
  readonly compare: boolean;
  readonly build: BuildName;
  readonly data: { readonly sha256: string; readonly origin: string };
  readonly spec: ModelSpec;
  /** The model that training began from; null: drawn from the seed. */
  readonly from: { readonly sha256: string; readonly taken: readonly string[]; readonly fresh: readonly string[] } | null;
  /** By round. */
  readonly training: readonly Training[];
}

export interface Prepared {
  readonly config: RunConfig;
  readonly task: Task;
  readonly data: TaskData;
  /** (P) to start from, where it is not drawn from the seed. */
  readonly initial?: Float32Array;
}

export type ProgressEvent =
  | { readonly kind: "phase"; readonly name: "federated" | "solo" | "centralised" | "export" }
  /** A round is complete; the checkpoint is what a run resumes from. */
  | { readonly kind: "round"; readonly record: RoundRecord; readonly checkpoint: Uint8Array }
  | { readonly kind: "solo" | "centralised"; readonly id: string; readonly epoch: number; readonly epochs: number };

export interface RunHooks {
  readonly pool: Pool;
  readonly onProgress?: (event: ProgressEvent) => void;
  readonly signal?: AbortSignal;
  /** Go on after a completed round, which took so many bytes. */
  readonly resume?: { readonly round: number; readonly checkpoint: Uint8Array; readonly bytes: number };
  /** Absent where no ONNX runtime is installed: then the export is not checked. */
  readonly runOnnx?: OnnxRunner;
}

/**
 * Load the data and settle every option.
 * @throws RangeError for whatever is wrong with options or data; nothing has been written then.
 */
export async function resolve(options: RunOptions, source?: Source): Promise<Prepared> {
  const task = taskNamed(options.task);
  const { seed, compare, subset, build = "simd" } = options;
  if (task.needsData && !source) throw new RangeError(`task ${task.name} needs data; give the folder with its files as --data DIR`);
  if (subset !== undefined && !task.subsets) throw new RangeError(`task ${task.name} has no subsets; leave out --subset`);
  const { factories, rounds, localEpochs, batch } = scheduleOf(task, options);
  await loadBuild(build); // refused before the data are read
  const data = await task.load({ seed, factories, subset, source });
  checkFactories(task, data);
  const spec = task.spec(data);
  const start = startOf(options, spec);
  return {
    task,
    data,
    initial: start?.parameters,
    config: {
      task: task.name,
      subset: subset ?? null,
      seed,
      factories: data.factories.length,
      rounds,
      localEpochs,
      batch,
      compare,
      build,
      data: { sha256: await hashOf(data), origin: data.origin },
      spec,
      from: start && { sha256: start.sha256, taken: start.taken, fresh: start.fresh },
      training: Array.from({ length: rounds }, (_, index) => ({ ...task.training(index + 1, rounds), epochs: localEpochs, batch, ...(options.freeze && { freeze: options.freeze }) })),
    },
  };
}

/** Where training begins, if not at parameters drawn from the seed. */
function startOf({ from, freeze, seed }: RunOptions, spec: ModelSpec): (Transferred & { sha256: string }) | null {
  if (!from) {
    if (freeze) throw new RangeError(`--freeze expected a run to take the frozen layers from; give it as --from RUN`);
    return null;
  }
  const source = decodeArtefact(from);
  const start = transfer(source, spec, initialParameters(spec, seed));
  frozenRanges(layoutOf(spec), freeze ?? []); // refused before anything is trained
  const unlearned = start.fresh.find((name) => freeze?.includes(Number(name.split(".")[0])));
  if (unlearned) throw new RangeError(`--freeze expected layers that the run has learned, but ${unlearned} is of another shape there; leave out ${unlearned.split(".")[0]}`);
  return { ...start, sha256: source.sha256 };
}

function taskNamed(name: string): Task {
  const task = tasks.find((candidate) => candidate.name === name);
  if (!task) throw new RangeError(`task expected one of ${tasks.map((each) => each.name).join(", ")}, got ${JSON.stringify(name)}`);
  return task;
}

function scheduleOf({ schedule }: Task, { factories, rounds, localEpochs, batch }: RunOptions): Schedule {
  const given = { factories, rounds, localEpochs, batch };
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined && !(Number.isInteger(value) && value >= 1)) throw new RangeError(`"${name}" expected integer >= 1, got ${value}`);
  }
  return { ...schedule, ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) };
}

/** A factory without data, or without a class, cannot do its part; better said now than after an hour. */
export function checkFactories({ kind }: Pick<Task, "kind">, { factories }: Pick<TaskData, "factories">): void {
  for (const { id, train, validation, test } of factories) {
    for (const [split, windows] of Object.entries({ training: train, validation, test })) {
      if (windows.count === 0) throw new RangeError(`factory ${id}: no ${split} windows; give it data or leave it out`);
      const odd = windows.inputs.findIndex((value) => !Number.isFinite(value));
      if (odd < 0) continue;
      const window = Math.floor(odd / (windows.steps * windows.features)) + 1;
      throw new RangeError(`factory ${id}: ${split} window ${window} holds ${windows.inputs[odd]}; leave it out or fill the gap`);
    }
  }
  if (kind !== "classify") return;
  const classes = new Set(factories.flatMap(({ train }) => [...train.targets]));
  for (const { id, train } of factories) {
    const own = new Set(train.targets);
    const missing = [...classes].find((target) => !own.has(target));
    if (missing !== undefined) throw new RangeError(`factory ${id}: no training window of class ${missing} (${STATES[missing]}), which others have; give it examples or leave it out`);
  }
}

async function hashOf({ factories, heldOut }: TaskData): Promise<string> {
  const parts = [...factories.flatMap(({ train, validation, test }) => [train, validation, test]), ...(heldOut ? [heldOut.test] : [])];
  const hashes = await Promise.all(parts.flatMap(({ inputs, targets, side }) => [inputs, targets, ...(side ? [side.inputs] : [])]).map((values) => sha256(values)));
  return sha256(new TextEncoder().encode(hashes.join("")));
}

/** Train, compare, export. The same prepared run gives the same bits, on any pool and after any resumption. */
export async function run(prepared: Prepared, hooks: RunHooks): Promise<{ summary: Summary; checkpoint: Uint8Array; onnx: Uint8Array }> {
  const began = performance.now();
  const { config, task, data } = prepared;
  const { pool, signal, onProgress: report = () => {} } = hooks;
  const { spec, build, seed, rounds } = config;
  const judge = judgeOf(task, spec);
  const common = { spec, initial: prepared.initial, build, seed, rounds, pool, data, signal, counts: judge.counts, training: (round: number) => config.training[round - 1] };

  report({ kind: "phase", name: "federated" });
  const artefactOf = (trained: Pick<Federated, "parameters" | "scaler" | "sha256">, threshold: number, rounds: number): Artefact => ({ spec, build, threshold, rounds, ...trained });
  const resume = hooks.resume && { ...hooks.resume, ...decodeArtefact(hooks.resume.checkpoint) };
  let since = began;
  let bytesPerRound = resume?.bytes ?? 0;
  const onRound = (round: RoundReport, parameters: Float32Array, scaler: Scaler) => {
    const threshold = judge.threshold(round.clients.map(({ evaluation }) => evaluation));
    const seconds = (performance.now() - since) / 1000;
    since = performance.now();
    bytesPerRound = round.bytes;
    const artefact = artefactOf({ parameters, scaler, sha256: round.sha256 }, threshold, round.round);
    report({ kind: "round", record: recordOf(round, data, rounds, judge, threshold, seconds), checkpoint: encodeArtefact(task.name, data, artefact) });
  };
  // A run that was interrupted behind its last round has its model already.
  const federated = resume?.round === rounds
    ? await measured(resume, data, judge, pool)
    : await federate({ ...common, factories: data.factories, everyRound: true, resume, onRound });
  const threshold = judge.threshold(federated.validation.values());

  let comparison: Comparison | null = null;
  if (config.compare) {
    report({ kind: "phase", name: "solo" });
    report({ kind: "phase", name: "centralised" });
    const { localEpochs } = config;
    comparison = await compare(task, data, common, judge, (kind, id, round) => report({ kind, id, epoch: round * localEpochs, epochs: rounds * localEpochs }));
  }

  report({ kind: "phase", name: "export" });
  // A file can hold the statistics of one factory: the first one's. The others adapt the model to themselves.
  const [{ id: adaptedTo }] = data.factories;
  const artefact: Artefact = { ...artefactOf(federated, threshold, rounds), statistics: federated.factoryStatistics.get(adaptedTo), adaptedTo };
  const checkpoint = encodeArtefact(task.name, data, artefact);
  const onnx = exportRun(checkpoint);
  const maxAbsDifference = hooks.runOnnx ? await differenceOf(onnx, artefact, data, pool, hooks.runOnnx) : null;
  const figures = await figuresOf(prepared, judge, artefact, federated, comparison, pool);
  return {
    checkpoint,
    onnx,
    summary: {
      task: task.name,
      build,
      seed,
      rounds,
      model: { parameters: layoutOf(spec).length, sha256: federated.sha256 },
      data: { sha256: config.data.sha256 },
      ...figures,
      onnx: { maxAbsDifference },
      bytesPerRound,
      wallSeconds: Math.round((performance.now() - began) / 100) / 10,
    },
  };
}

/** A trained model with the counts that its factories would contribute. */
async function measured(artefact: Artefact, { factories }: TaskData, judge: Judge, pool: Pool): Promise<Federated> {
  const factoryStatistics = new Map(await Promise.all(factories.map(async ({ id, train }) => [id, await adapt(artefact, train, pool)] as const)));
  const countsOf = async ({ id, ...windows }: TaskFactory, split: "validation" | "test") =>
    judge.counts(await predict({ ...artefact, statistics: factoryStatistics.get(id) }, windows[split], pool), windows[split]);
  const counts = async (split: "validation" | "test") =>
    new Map(await Promise.all(factories.map(async (factory) => [factory.id, await countsOf(factory, split)] as const)));
  return { ...artefact, factoryStatistics, validation: await counts("validation"), test: await counts("test") };
}

function recordOf(round: RoundReport, { factories }: TaskData, rounds: number, judge: Judge, threshold: number, seconds: number): RoundRecord {
  const clients = factories.map(({ id }) => round.clients.find((client) => client.id === id)!);
  return {
    round: round.round,
    rounds,
    metrics: judge.pooled(round.clients.map(({ evaluation }) => evaluation), threshold),
    factories: clients.map(({ id, loss, evaluation }) => ({ id, loss, metrics: judge.metrics(evaluation, threshold) })),
    bytes: round.bytes,
    seconds,
    sha256: round.sha256,
  };
}

/** The part of a summary that is about test windows. */
async function figuresOf(
  { data, task }: Prepared, judge: Judge, artefact: Artefact, federated: Federated, comparison: Comparison | null, pool: Pool,
): Promise<Pick<Summary, "factories" | "heldOut" | "metrics" | "predictions">> {
  const { threshold } = artefact;
  const pooled: Compared = { federated: judge.pooled(federated.test.values(), threshold), centralised: comparison && comparison.pooled };
  const factories = data.factories.map(({ id, train, test }): FactorySummary => {
    const solo = comparison?.solo.get(id);
    const own = { solo: solo?.own ?? null, federated: judge.metrics(federated.test.get(id)!, threshold), centralised: comparison?.centralised.get(id) ?? null };
    const counts = { id, train: train.count, test: test.count };
    return task.judgedOn === "own" ? { ...counts, ...own, own: null } : { ...counts, solo: solo?.all ?? null, ...pooled, own };
  });
  const solo = factories.flatMap((factory) => factory.solo ?? []);
  return {
    factories,
    heldOut: data.heldOut && (await heldOutOf(data.heldOut, judge, artefact, comparison, pool)),
    metrics: { ...pooled, solo: solo.length > 0 ? meanAndWorst(solo) : null },
    predictions: task.kind === "regress" ? await predictionsOf(task, data, artefact, federated.factoryStatistics, pool) : null,
  };
}

type Compared = Pick<FactorySummary, "federated" | "centralised">;

async function heldOutOf({ id, test }: NonNullable<TaskData["heldOut"]>, judge: Judge, artefact: Artefact, comparison: Comparison | null, pool: Pool): Promise<FactorySummary> {
  const adapted = { ...artefact, statistics: await adapt(artefact, test, pool) }; // it has no training windows
  const federated = judge.metrics(judge.counts(await predict(adapted, test, pool), test), artefact.threshold);
  return { id, train: 0, test: test.count, solo: null, federated, centralised: comparison && comparison.heldOut, own: null };
}

/** True and predicted values on the test windows, for people to look at. */
async function predictionsOf(
  { cap = Infinity }: Task, { factories }: TaskData, artefact: Artefact, statistics: Federated["factoryStatistics"], pool: Pool,
): Promise<Summary["predictions"]> {
  const parts = await Promise.all(
    factories.map(async ({ id, test }) => {
      const predictions = await predict({ ...artefact, statistics: statistics.get(id) }, test, pool);
      return [...predictions].map((value, n) => ({ factory: id, truth: test.targets[n], predicted: Math.min(cap, Math.max(0, value)) }));
    }),
  );
  return parts.flat();
}

/**
 * The metrics of a finished run's model on the test windows of a folder, by the run's own split. Any
 * runtime can predict with the simd build, so it does for a model of the other, too.
 * @throws RangeError when data or model do not fit.
 */
export async function evaluateRun(
  checkpoint: Uint8Array, config: RunConfig, source: Source | undefined, pool: Pool,
): Promise<{ metrics: Metrics; factories: readonly { id: string; metrics: Metrics }[] }> {
  const { task, data, config: here } = await resolve({ ...config, subset: config.subset ?? undefined, build: "simd", from: undefined, freeze: undefined }, source);
  const artefact: Artefact = { ...decodeArtefact(checkpoint), build: "simd" };
  const { spec, threshold } = artefact;
  if (JSON.stringify(spec.input) !== JSON.stringify(here.spec.input)) {
    const shape = ({ steps, features }: ModelSpec["input"]) => `${steps} x ${features}`;
    throw new RangeError(`the model expects windows of ${shape(spec.input)} values, the data have ${shape(here.spec.input)}`);
  }
  const judge = judgeOf(task, spec);
  const tested = [...data.factories, ...(data.heldOut ? [{ ...data.heldOut, train: data.heldOut.test }] : [])];
  const counts = await Promise.all(
    tested.map(async ({ train, test }) => judge.counts(await predict({ ...artefact, statistics: await adapt(artefact, train, pool) }, test, pool), test)),
  );
  return {
    metrics: judge.pooled(counts.slice(0, data.factories.length), threshold),
    factories: tested.map(({ id }, index) => ({ id, metrics: judge.metrics(counts[index], threshold) })),
  };
}
