/**
 * @module
 * An auditor: every round again from what was written down, by the same arithmetic, to the same hashes.
 * That no record was altered is the journal's chain (store.ts); that the records lead to the models that
 * were handed out is shown here.
 */
import type { Digest } from "./clock.ts";
import { fromStored, type StoredEntry } from "./entry.ts";
import { Holdings } from "./holdings.ts";
import type { ServerOptimizer } from "./strategy.ts";

export interface AuditedRound {
  readonly round: number;
  readonly attempts: number;
  /** Whose updates are in it, sorted. */
  readonly clients: readonly string[];
  readonly samples: number;
  /** SHA-256 of the parameters that it ends with, recomputed. */
  readonly model: string;
}

/**
 * The rounds that are there whole, in order; the last one may be open and is not told.
 * @throws RangeError for a round whose updates do not lead to its model; what reading the entries throws
 */
export async function* audit(entries: AsyncIterable<StoredEntry>, { digest, strategy }: { readonly digest: Digest; readonly strategy?: ServerOptimizer }): AsyncGenerator<AuditedRound, void> {
  const hash = (numbers: Float32Array) => digest(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength));
  let open: { readonly parameters: Float32Array; readonly round: number } | undefined;
  let holdings: Holdings | undefined;
  let attempts = 0;
  let samples = 0;
  /** Of the parameters with which the round before ended. */
  let before: string | undefined;
  for await (const stored of entries) {
    const entry = fromStored(stored);
    if (entry.kind === "opened") {
      attempts = entry.attempt;
      if (entry.attempt > 1) continue;
      if (before !== undefined && entry.model !== before) throw new RangeError(`round ${entry.round} begins with model ${entry.model}, the round before ended with ${before}; an entry was altered`);
      const parameters = new Float32Array(stored.numbers.slice().buffer);
      const made = await hash(parameters);
      if (made !== entry.model) throw new RangeError(`round ${entry.round} begins with model ${entry.model}, but its parameters have hash ${made}; an entry was altered`);
      // Which arithmetic, the first update tells.
      holdings = undefined;
      samples = 0;
      open = { parameters, round: entry.round };
    } else if (entry.kind === "update" && open) {
      holdings ??= new Holdings({ parameters: open.parameters, arithmetic: entry.elements === "float32" ? "float32" : "lattice", strategy });
      const made = await digest(stored.numbers);
      if (made !== entry.digest) throw new RangeError(`round ${open.round}: the update of client "${entry.client}" has hash ${made}, not ${entry.digest}; the entry was altered`);
      holdings.absorb(entry, stored.numbers);
      samples += entry.samples;
    } else if (entry.kind === "closed" && open && holdings) {
      const made = await hash(holdings.compute(entry.round));
      if (made !== entry.model) throw new RangeError(`round ${entry.round} ends with model ${entry.model}, its updates make ${made}; an entry was altered, or another strategy is set`);
      before = made;
      yield { round: entry.round, attempts, clients: entry.clients, samples, model: made };
    }
  }
}
