/**
 * @module
 * A seed from beginning to end: drawn, run twice, and made smaller where it fails.
 */
import { Federation } from "./federation.ts";
import { recycle } from "./pool.ts";
import { Violation } from "./reference.ts";
import { draw, WITHOUT, type Swarm } from "./swarm.ts";

export { draw };
export { everyStep } from "./steps.ts";

export interface Failure {
  /** An invariant's name, or "crash" for what is thrown where nothing should be. */
  readonly invariant: string;
  readonly message: string;
}

export interface Outcome {
  readonly seed: number;
  readonly failure: Failure | undefined;
  /** Of the trace. */
  readonly hash: number;
  readonly events: number;
  readonly virtualMs: number;
  /** The last events, the last one last. */
  readonly last: readonly string[];
  readonly acknowledged: number;
  readonly refusals: ReadonlyMap<string, number>;
  /** SHA-256 of the last parameters. */
  readonly model: string;
  /** How many planned crashes and failures of disks were not reached. */
  readonly planned: number;
}

/** @param stacks with the stacks of errors, of which a run makes hundreds that nobody reads */
export async function run(seed: number, swarm: Swarm = draw(seed), stacks = false): Promise<Outcome> {
  recycle();
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = stacks ? 50 : 0;
  const federation = new Federation(seed, swarm);
  const { schedule, checker } = federation;
  let failure: Failure | undefined;
  try {
    await federation.run();
  } catch (error) {
    failure = error instanceof Violation ? { invariant: error.invariant, message: error.message } : { invariant: "crash", message: String((error as Error).stack) };
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
  return {
    seed, failure, hash: schedule.hash, events: schedule.count, virtualMs: schedule.nowMs, last: [...schedule.last],
    acknowledged: checker.acknowledged.size, refusals: checker.refusals,
    model: checker.reference.model, planned: federation.planned,
  };
}

/** Run twice: the same seed, the same trace. */
export async function simulate(seed: number, swarm: Swarm = draw(seed)): Promise<Outcome> {
  const first = await run(seed, swarm);
  if (first.failure) return run(seed, swarm, true);
  const second = await run(seed, swarm);
  if (second.hash === first.hash && !second.failure) return first;
  return { ...second, failure: second.failure ?? { invariant: "repeat", message: `the same seed took another way: ${first.events} events, then ${second.events}` } };
}

/** With as little as it takes to fail in the same way. */
export async function shrink(seed: number, failure: Failure): Promise<{ readonly swarm: Swarm; readonly outcome: Outcome }> {
  let swarm = draw(seed);
  let outcome = await run(seed, swarm);
  for (let smaller = true; smaller; ) {
    smaller = false;
    for (const without of Object.values(WITHOUT)) {
      const next = without(swarm);
      if (JSON.stringify(next) === JSON.stringify(swarm)) continue;
      const tried = await run(seed, next);
      if (tried.failure?.invariant !== failure.invariant) continue;
      swarm = next;
      outcome = tried;
      smaller = true;
    }
  }
  return { swarm, outcome };
}
