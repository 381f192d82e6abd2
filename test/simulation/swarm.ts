/**
 * @module
 * What a seed stands for: a federation, and a random part of all that can go wrong. With few kinds of fault at a
 * time each gets far (Groce et al. 2012, Swarm testing). Plain data, so that a failing one can be made smaller.
 */
import type { Policy } from "../../src/federation/state.ts";
import { random } from "../../src/kernels/random.ts";

/** Something that happens once, or now and then, in a part of a run. */
export type Moment =
  /** Of virtual time. */
  | { readonly at: "time"; readonly ms: number }
  /** In the middle of the process's n-th operation on its disk from now on, or right before or after it. */
  | { readonly at: "operation"; readonly count: number; readonly part?: "before" | "after" }
  /** Right before or right after the n-th answer of this kind leaves or arrives. */
  | { readonly at: "answer"; readonly kind: "accepted" | "model" | "gathered" | "any"; readonly count: number; readonly sent: boolean }
  /** When the n-th entry of this kind has become true. */
  | { readonly at: "entry"; readonly kind: "opened" | "update" | "closed" | "any"; readonly count: number };

export interface CrashPlan {
  readonly moment: Moment;
  /** The machine loses its power; otherwise the process is killed, and the system goes on. */
  readonly power: boolean;
  readonly downMs: number;
}

export interface DiskFault {
  readonly fault: "ENOSPC" | "EIO";
  readonly count: number;
}

export interface Swarm {
  readonly clients: number;
  readonly rounds: number;
  readonly parameters: number;
  readonly arithmetic: "lattice" | "float32";
  readonly policy: Omit<Policy, "maxSamples">;
  readonly maxSamples: number;
  /** Members of a line with an aggregator, so many of the first clients. */
  readonly members: number;
  readonly seal: boolean;
  /** Figures are gathered before training. */
  readonly gather: boolean;
  readonly keepSegments: number | null;
  readonly trainMs: number;
  /** Faults end here at the latest. */
  readonly faultsMs: number;
  readonly network: { readonly loss: number; readonly repeat: number; readonly damage: number; readonly spreadMs: number; readonly pollMs: number; readonly patienceMs: number };
  /** Mean time between partitions of some clients; null: none. */
  readonly partitionMs: number | null;
  /** Longest time that an fsync and a digest take. */
  readonly syncMs: number;
  readonly digestMs: number;
  readonly crashes: readonly CrashPlan[];
  readonly clientCrashes: readonly (CrashPlan & { readonly client: number })[];
  readonly aggregatorCrashes: readonly CrashPlan[];
  readonly diskFaults: readonly DiskFault[];
  readonly clientDiskFaults: readonly (DiskFault & { readonly client: number })[];
  /** While the orchestrator is down, a bit of its files changes. */
  readonly flips: number;
  /** The one that was replaced goes on answering some. */
  readonly zombies: boolean;
  /** Clocks run fast and slow, stop, and the time of day jumps. */
  readonly clocks: boolean;
  /** Clients leave the list, and come back. */
  readonly enrol: boolean;
}

/** Every kind of fault that a swarm may do without, for shrinking. */
export const WITHOUT: Readonly<Record<string, (swarm: Swarm) => Swarm>> = {
  loss: (swarm) => ({ ...swarm, network: { ...swarm.network, loss: 0 } }),
  repeat: (swarm) => ({ ...swarm, network: { ...swarm.network, repeat: 0 } }),
  damage: (swarm) => ({ ...swarm, network: { ...swarm.network, damage: 0 } }),
  spread: (swarm) => ({ ...swarm, network: { ...swarm.network, spreadMs: 0 } }),
  partitions: (swarm) => ({ ...swarm, partitionMs: null }),
  "slow fsync": (swarm) => ({ ...swarm, syncMs: 0 }),
  "slow digest": (swarm) => ({ ...swarm, digestMs: 0 }),
  crashes: (swarm) => ({ ...swarm, crashes: [] }),
  "one crash": (swarm) => ({ ...swarm, crashes: swarm.crashes.slice(1) }),
  "client crashes": (swarm) => ({ ...swarm, clientCrashes: [] }),
  "one client crash": (swarm) => ({ ...swarm, clientCrashes: swarm.clientCrashes.slice(1) }),
  "aggregator crashes": (swarm) => ({ ...swarm, aggregatorCrashes: [] }),
  "disk faults": (swarm) => ({ ...swarm, diskFaults: [] }),
  "client disk faults": (swarm) => ({ ...swarm, clientDiskFaults: [] }),
  flips: (swarm) => ({ ...swarm, flips: 0 }),
  zombies: (swarm) => ({ ...swarm, zombies: false }),
  clocks: (swarm) => ({ ...swarm, clocks: false }),
  enrolment: (swarm) => ({ ...swarm, enrol: false }),
  seal: (swarm) => ({ ...swarm, seal: false }),
  gather: (swarm) => ({ ...swarm, gather: false }),
  aggregator: (swarm) => ({ ...swarm, members: 0, aggregatorCrashes: [] }),
  staleness: (swarm) => ({ ...swarm, policy: { ...swarm.policy, maxStaleness: 0 } }),
  cohort: (swarm) => ({ ...swarm, policy: { ...swarm.policy, cohort: null } }),
  "a round": (swarm) => ({ ...swarm, rounds: Math.max(1, swarm.rounds - 1) }),
  "a client": (swarm) => ({ ...swarm, clients: Math.max(2, swarm.clients - 1), members: Math.min(swarm.members, Math.max(2, swarm.clients - 1)) }),
  "a member": (swarm) => ({ ...swarm, members: Math.max(0, swarm.members - 1) }),
};

export function draw(seed: number): Swarm {
  const { uniform, integer } = random(seed, "swarm");
  const chance = (share: number) => uniform() < share;
  const between = (least: number, most: number) => least + integer(most - least + 1);
  /** Small numbers are the most frequent: most defects need few, and what is spared there is more seeds. */
  const few = (least: number, most: number, power = 4) => least + Math.floor((most - least + 1) * uniform() ** power);
  const times = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make);

  const clients = few(2, 12, 6);
  const float32 = chance(0.08);
  const faultsMs = between(3000, 20_000);
  const moment = (): Moment => {
    const kind = uniform();
    if (kind < 0.25) return { at: "time", ms: uniform() * faultsMs };
    if (kind < 0.55) return { at: "operation", count: few(1, 60) };
    if (kind < 0.85) return { at: "answer", kind: chance(0.7) ? "accepted" : chance(0.8) ? "model" : "gathered", count: few(1, 20), sent: chance(0.5) };
    return { at: "entry", kind: chance(0.5) ? "update" : chance(0.5) ? "opened" : "closed", count: few(1, 10) };
  };
  const crash = (): CrashPlan => ({ moment: moment(), power: chance(0.6), downMs: chance(0.5) ? 10 + 300 * uniform() : 8000 * uniform() });
  const diskFault = (): DiskFault => ({ fault: chance(0.5) ? "ENOSPC" : "EIO", count: few(1, 80) });
  const some = (share: number, most: number) => (chance(share) ? few(1, most) : 0);

  const members = !float32 && chance(0.15) ? between(1, clients) : 0;
  const deadlineMs = chance(0.75) ? between(500, 6000) : null;
  const cohort = chance(0.35) ? between(1, clients) : null;
  const swarm: Swarm = {
    clients,
    rounds: few(1, 8, 5),
    parameters: chance(0.7) ? 16 : between(17, 64),
    arithmetic: float32 ? "float32" : "lattice",
    policy: {
      seed: between(1, 1000), cohort,
      closeAt: chance(0.4) ? between(1, clients) : null,
      minClients: chance(0.5) ? 1 : between(1, deadlineMs === null ? 1 : clients),
      deadlineMs,
      maxStaleness: float32 || chance(0.65) ? 0 : between(1, 3),
      overweight: chance(0.4) ? "cap" : "refuse",
    },
    maxSamples: between(50, 1000),
    members,
    seal: members === 0 ? chance(0.12) : random(seed, "sealed line").uniform() < 0.15,
    gather: chance(0.15),
    keepSegments: chance(0.3) ? between(0, 2) : null,
    trainMs: chance(0.5) ? 50 : between(50, 3000),
    faultsMs,
    network: {
      loss: chance(0.35) ? 0.3 * uniform() : 0,
      repeat: chance(0.4) ? 0.5 * uniform() : 0,
      damage: chance(0.25) ? 0.1 * uniform() : 0,
      spreadMs: chance(0.4) ? 1000 * uniform() : 10,
      pollMs: chance(0.4) ? 700 : 6000,
      patienceMs: chance(0.3) ? 1500 : 8000,
    },
    partitionMs: chance(0.25) ? between(1000, 8000) : null,
    syncMs: chance(0.05) ? 4000 * uniform() : chance(0.6) ? 60 * uniform() ** 2 : 0,
    digestMs: chance(0.25) ? 30 * uniform() : 0,
    crashes: times(some(0.6, 4), crash),
    clientCrashes: times(some(0.45, 5), () => ({ ...crash(), client: integer(clients) })),
    aggregatorCrashes: members > 0 ? times(some(0.5, 3), crash) : [],
    diskFaults: times(some(0.2, 2), diskFault),
    clientDiskFaults: times(some(0.12, 2), () => ({ ...diskFault(), count: few(1, 20), client: integer(clients) })),
    flips: some(0.12, 2),
    zombies: chance(0.2),
    clocks: chance(0.2),
    enrol: chance(0.1),
  };
  // Segments are removed from the third snapshot on, and what is wrong with that shows after a power failure or with a damaged snapshot.
  const removes = swarm.keepSegments !== null && (swarm.flips > 0 || swarm.crashes.some(({ power }) => power));
  return removes ? { ...swarm, rounds: Math.max(4, swarm.rounds), keepSegments: 0 } : swarm;
}
