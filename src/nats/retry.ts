/**
 * @module
 * Waiting, and trying again: a broker that restarts answers a second later.
 */
import type { Clock } from "../federation/clock.ts";

const FIRST_MS = 100, LONGEST_MS = 1_000;

/** Resolves after `ms`; rejects with the signal's reason when that aborts. */
export function wait(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = () => {
      cancel();
      reject(signal!.reason);
    };
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener("abort", abort);
      resolve();
    });
    signal?.addEventListener("abort", abort, { once: true });
  });
}

export interface Persistence {
  readonly clock: Clock;
  /** How long to go on, in ms. */
  readonly patienceMs: number;
  readonly signal?: AbortSignal;
  /** An error that another attempt cannot mend. */
  readonly isFinal?: (error: unknown) => boolean;
}

/** Attempt until it works, with pauses of 100 ms doubling to 1 s; rejects with the last error when patience ends. */
export async function persist<T>(attempt: () => Promise<T>, { clock, patienceMs, signal, isFinal = () => false }: Persistence): Promise<T> {
  const end = clock.nowMs() + patienceMs;
  for (let pauseMs = FIRST_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_MS)) {
    signal?.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      if (isFinal(error) || clock.nowMs() + pauseMs > end) throw error;
    }
    await wait(clock, pauseMs, signal);
  }
}
