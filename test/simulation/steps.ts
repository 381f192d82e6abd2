/**
 * @module
 * A small federation that dies once, at each of its steps in turn: where a seed draws its moments, this leaves none out.
 */
import type { Outcome } from "./simulate.ts";
import type { CrashPlan, DiskFault, Moment, Swarm } from "./swarm.ts";

/** Everybody takes part in every round, so the model at the end is one and the same, whenever the orchestrator dies. */
const CALM: Swarm = {
  clients: 2, rounds: 3, parameters: 16, arithmetic: "lattice", maxSamples: 500, members: 0, seal: false, gather: true, keepSegments: 0, trainMs: 50, faultsMs: 60_000,
  policy: { seed: 1, cohort: null, closeAt: null, minClients: 1, deadlineMs: null, maxStaleness: 0, overweight: "refuse" },
  network: { loss: 0, repeat: 0, damage: 0, spreadMs: 10, pollMs: 6000, patienceMs: 8000 },
  partitionMs: null, syncMs: 5, digestMs: 0, crashes: [], clientCrashes: [], aggregatorCrashes: [], diskFaults: [], clientDiskFaults: [], flips: 0, zombies: false, clocks: false, enrol: false,
};

/** One kind of step: the n-th of it is the swarm's only fault. */
interface Walk {
  readonly name: string;
  readonly at: (count: number) => Partial<Swarm>;
  /** Nobody trains again what it has trained, so the model is that of the run in which nothing happens. */
  readonly same: boolean;
}

export interface Walked {
  readonly name: string;
  /** How many steps there are. */
  readonly steps: number;
  /** What went wrong, with the step. */
  readonly failures: readonly string[];
}

/** Every walk from its first step on, until the swarm ends before its fault is due. */
export async function everyStep(run: (seed: number, swarm: Swarm) => Promise<Outcome>): Promise<readonly Walked[]> {
  const undisturbed = await run(1, CALM);
  if (undisturbed.failure) throw new Error(undisturbed.failure.message);
  const walked: Walked[] = [];
  for (const { name, at, same } of WALKS) {
    const failures: string[] = [];
    for (let count = 1; ; count++) {
      const { failure, planned, model } = await run(1, { ...CALM, ...at(count) });
      if (failure) failures.push(`${name} ${count}: ${failure.message}`);
      else if (same && model !== undisturbed.model) failures.push(`${name} ${count}: I5: the run ends with ${model}, undisturbed with ${undisturbed.model}`);
      if (planned === 0) continue;
      walked.push({ name, steps: count - 1, failures });
      break;
    }
  }
  return walked;
}

const DEATHS = [{ how: "killed", power: false }, { how: "without power", power: true }] as const;
const operations = (["before", undefined, "after"] as const).map((part) => ({ what: `${part ?? "in"} operation`, moment: (count: number): Moment => ({ at: "operation", count, ...(part && { part }) }) }));
const others = [
  ...[false, true].map((sent) => ({ what: `${sent ? "after" : "before"} answer`, moment: (count: number): Moment => ({ at: "answer", kind: "any", count, sent }) })),
  { what: "at entry", moment: (count: number): Moment => ({ at: "entry", kind: "any", count }) },
];
const crash = (moment: Moment, power: boolean): CrashPlan => ({ moment, power, downMs: 300 });

const WALKS: readonly Walk[] = [
  ...[...operations, ...others].flatMap(({ what, moment }) => DEATHS.map(({ how, power }): Walk => (
    { name: `orchestrator ${how} ${what}`, same: true, at: (count) => ({ crashes: [crash(moment(count), power)] }) }))),
  // While it comes back, and after that.
  ...DEATHS.map(({ how, power }): Walk => (
    { name: `orchestrator ${how} again in operation`, same: true, at: (count) => ({ crashes: [crash({ at: "entry", kind: "any", count: 12 }, power), crash({ at: "operation", count }, power)] }) })),
  ...operations.flatMap(({ what, moment }) => DEATHS.map(({ how, power }): Walk => (
    { name: `client ${how} ${what}`, same: false, at: (count) => ({ clientCrashes: [{ ...crash(moment(count), power), client: 0 }] }) }))),
  ...(["ENOSPC", "EIO"] as const).flatMap((fault): Walk[] => {
    const faultAt = (count: number): DiskFault => ({ fault, count });
    return [
      { name: `orchestrator ${fault} in operation`, same: true, at: (count) => ({ diskFaults: [faultAt(count)] }) },
      { name: `client ${fault} in operation`, same: false, at: (count) => ({ clientDiskFaults: [{ ...faultAt(count), client: 0 }] }) },
    ];
  }),
];
