/**
 * @module
 * Asking until there is an answer: the same bytes each time, which the orchestrator counts once.
 */
import type { Clock } from "./clock.ts";
import { Unanswered, type Exchange } from "./exchange.ts";
import type { RefusalCode } from "./message.ts";

/** How long to wait before asking again: twice as long each time, and a random part of it, so that clients do not come back all at once. */
export interface Retry {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** Default: 500, up to 30,000. */
  readonly firstMs?: number;
  readonly mostMs?: number;
  /** Failures that another try does not mend, beside refusals. */
  readonly isFinal?: (error: unknown) => boolean;
  /** Called before each wait, for a log. */
  readonly onWait?: (error: unknown, waitMs: number) => void;
}

/** The orchestrator refused a request; docs/protocol.md lists the codes. */
export class RefusedError extends RangeError {
  override readonly name = "RefusedError";
  readonly code: RefusalCode;
  constructor(code: RefusalCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** An answer that is not of this conversation: asking again does not mend it. */
export class MisplacedError extends RangeError {}

/** Refusals of bytes that were damaged or lost their session on the way: the same request may pass. */
const PASSING: ReadonlySet<string> = new Set(["frame", "flood"]);
/**
 * What `read` makes of the reply. Failures of the exchange and damaged bytes are asked about again, where there is a retry.
 * @throws what `read` throws: RefusedError, MisplacedError; without a retry, what the exchange rejects with
 */
export async function askUntilAnswered<T>(exchange: Exchange, frame: Uint8Array, read: (reply: Uint8Array) => T, retry: Retry | undefined, signal?: AbortSignal): Promise<T> {
  for (let waitMs = retry?.firstMs ?? 500; ; ) {
    try {
      return read(await exchange(frame, signal));
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof Unanswered) continue;
      if (!retry || (error instanceof RefusedError && !PASSING.has(error.code)) || error instanceof MisplacedError || retry.isFinal?.(error)) throw error;
      const { clock, random, onWait, mostMs = 30_000 } = retry;
      const ms = waitMs * (0.5 + 0.5 * random());
      onWait?.(error, ms);
      await sleep(clock, ms, signal);
      waitMs = Math.min(2 * waitMs, mostMs);
    }
  }
}

/** @throws what the signal is aborted with */
function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener("abort", leave);
      resolve();
    });
    const leave = () => {
      cancel();
      reject(signal!.reason);
    };
    signal?.addEventListener("abort", leave, { once: true });
  });
}
