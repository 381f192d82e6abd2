/**
 * @module
 * What an orchestrator is made with, checked once, and what it tells of its rounds.
 */
import { checkBuild, type BuildName } from "../kernels/build.ts";
import { countMisfits, LATTICE_BOUND, LATTICE_SCALE, MAX_TOTAL_SAMPLES } from "./accumulator.ts";
import type { Clock, Digest } from "./clock.ts";
import type { Entry } from "./entry.ts";
import { checkClientId, checkFingerprint, checkTask, type Arithmetic, type RefusalCode, type Reply, type Request } from "./message.ts";
import type { Merge } from "./merge.ts";
import type { Plan, Policy } from "./state.ts";
import type { ServerOptimizer } from "./strategy.ts";

export interface OrchestratorOptions {
  /** Ids of the clients that may take part. */
  readonly clients: readonly string[];
  /** Initial global parameters (P). */
  readonly parameters: Float32Array;
  /** The last round. */
  readonly rounds: number;
  /** Hexadecimal hash of the model's spec: see fingerprintOf. */
  readonly fingerprint: string;
  /** The federation's name, "local" unless given: a message of another one is refused. */
  readonly task?: string;
  /** The first round, 1 unless training goes on from earlier parameters. */
  readonly startRound?: number;
  /** Plain JSON for the learners in a round, at most about 60 KiB. */
  readonly training?: (round: number) => unknown;
  /** Plain JSON for whoever asks what is to be done here, at most about 60 KiB. */
  readonly description?: unknown;
  /** The build of the kernels that every client trains with, simd unless given: two builds differ in the last places. */
  readonly build?: BuildName;
  /** Needs the lattice. With a store, one without state of its own: a start computes the rounds since the last snapshot again. */
  readonly strategy?: ServerOptimizer;
  /** "float32" averages parameters as plain FedAvg does, and holds every client's until the round closes. */
  readonly arithmetic?: Arithmetic;
  /** Default: elementwise sum; empty contributions take no part. */
  readonly merge?: Merge;
  /** Without: every client takes part in every round, however long it takes. */
  readonly policy?: Partial<Omit<Policy, "maxSamples">>;
  /** Ids of those who may send sums of clients' updates. */
  readonly aggregators?: readonly string[];
  readonly limits?: {
    /** The most samples an update may claim, 2^20 unless given: a client's weight is capped. */
    readonly samples?: number;
    /** The largest change of one parameter in a round, 128 (the lattice) unless given. */
    readonly change?: number;
  };
  /** Reports that are kept in `history`, the newest; all unless given. Those of a thousand clients take some 250 kB a round. */
  readonly keepReports?: number;
  /** Called in order of rounds, when whoever was to evaluate the round's new parameters has. After a restart, a round may be reported again. */
  readonly onRound?: (report: RoundReport, parameters: Float32Array) => void | Promise<void>;
  /** Called for each entry that has become true, for a log or an announcement. */
  readonly onEntry?: (entry: Entry) => void;
  /** Called for each answer, for figures of who was there and what was refused. */
  readonly onAnswer?: (answer: Answer) => void;
  readonly clock?: Clock;
  readonly digest?: Digest;
}

/** Who asked what, and what kind of answer it was. */
export interface Answer {
  /** As the frame says, or as the sender is proven; absent where it is no frame. */
  readonly client?: string;
  readonly request?: Request["kind"];
  readonly reply: Reply["kind"];
  /** Of a refusal. */
  readonly code?: RefusalCode;
  readonly reason?: string;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export interface ClientReport {
  readonly id: string;
  readonly samples: number;
  /** Mean training loss, as the learner computes it. */
  readonly loss: number;
  /** Up and down, of frames about this round; those before a restart are not counted. */
  readonly bytes: number;
  /** What the learner's evaluate() returned for the round's new parameters; empty where the client did not say. */
  readonly evaluation: Float64Array;
}

export interface RoundReport {
  readonly round: number;
  readonly samples: number;
  readonly bytes: number;
  /** SHA-256 of the parameters after the round, as little-endian float32. */
  readonly sha256: string;
  /** Whose updates are in the round, sorted by id. */
  readonly clients: readonly ClientReport[];
}

export interface Result {
  readonly build: BuildName;
  readonly parameters: Float32Array;
  readonly sha256: string;
  readonly history: readonly RoundReport[];
}

const count = (title: string, value: number, min: number, max: number): void => {
  if (!Number.isInteger(value) || value < min || value > max) throw new RangeError(`"${title}" expected integer from ${min} to ${max}, got ${value}`);
};

/** @throws RangeError for an id that is none, twice the same, or more clients than a sum can hold */
export function checkClients(clients: readonly string[], maxSamples: number): void {
  clients.forEach(checkClientId);
  if (new Set(clients).size !== clients.length) throw new RangeError(`"clients" expected distinct ids, got ${clients.join(", ")}`);
  if (clients.length === 0 || clients.length * maxSamples > MAX_TOTAL_SAMPLES) {
    throw new RangeError(`"clients" expected 1 to ${Math.floor(MAX_TOTAL_SAMPLES / maxSamples)} with at most ${maxSamples} samples each, got ${clients.length}; lower limits.samples for more`);
  }
}

/** The plan of a run, and the largest |q| of an update. @throws RangeError for what cannot be */
export function checkOptions({ clients, parameters, rounds, fingerprint, task = "local", startRound = 1, build = "simd", arithmetic = "lattice", strategy, limits, policy, aggregators = [], keepReports }: OrchestratorOptions): { readonly plan: Plan; readonly bound: number } {
  checkTask(task);
  checkFingerprint(fingerprint);
  checkBuild(build);
  count("rounds", rounds, 1, 1_000_000);
  count("startRound", startRound, 1, rounds);
  if (keepReports !== undefined) count("keepReports", keepReports, 0, rounds);
  if (parameters.length === 0 || countMisfits(parameters) > 0) throw new RangeError(`"parameters" expected finite numbers, at least one`);
  if (arithmetic === "float32" && strategy) throw new RangeError(`"strategy" works on the lattice; with arithmetic "float32" the new parameters are the clients' average as it is`);
  const { samples: maxSamples = 2 ** 20, change = 128 } = limits ?? {};
  count("limits.samples", maxSamples, 1, 2 ** 31 - 1);
  checkClients(clients, maxSamples);
  aggregators.forEach(checkClientId);
  if (!(change > 0 && change <= 128)) throw new RangeError(`"limits.change" expected above 0 and at most 128, got ${change}`);
  const { seed = 1, cohort = null, closeAt = null, minClients = 1, deadlineMs = null, maxStaleness = 0, overweight = "refuse" } = policy ?? {};
  if (cohort !== null) count("policy.cohort", cohort, 1, 1_000_000);
  if (closeAt !== null) count("policy.closeAt", closeAt, 1, 1_000_000);
  count("policy.minClients", minClients, 1, 1_000_000);
  if (deadlineMs !== null) count("policy.deadlineMs", deadlineMs, 1, 2 ** 40);
  count("policy.maxStaleness", maxStaleness, 0, 1000);
  if (arithmetic === "float32" && (maxStaleness > 0 || aggregators.length > 0)) throw new RangeError(`"policy.maxStaleness" and "aggregators" are for the lattice: float32 parameters of another round, or of several clients, do not add up`);
  return {
    bound: Math.min(LATTICE_BOUND, Math.floor(change * LATTICE_SCALE)),
    plan: { task, fingerprint, startRound, rounds, build, parameters: parameters.length, arithmetic, policy: { seed, cohort, closeAt, minClients, deadlineMs, maxStaleness, maxSamples, overweight } },
  };
}
