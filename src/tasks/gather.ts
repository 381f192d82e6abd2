/**
 * @module
 * Sums over factories that no round of training is needed for: each factory is a client that sends its
 * numbers once and gets the sum of all back. Of integers, as sums of products are (model/gram.ts), it is
 * the same bits in any order.
 */
import { fingerprintOf } from "../federation/checksum.ts";
import { FactoryClient, type Learner } from "../federation/client.ts";
import type { Exchange } from "../federation/exchange.ts";
import { Orchestrator, type Merge } from "../federation/orchestrator.ts";
import type { ModelSpec } from "../model/spec.ts";

export interface Gathered {
  readonly sum: Float64Array;
  /** Up and down, all factories: of every frame. */
  readonly bytes: number;
}

/**
 * @param parts by factory, of equal length
 * @param spec what the numbers are of: factories that disagree about it are refused
 */
export async function gatherSum(parts: ReadonlyMap<string, Float64Array>, spec: ModelSpec, signal?: AbortSignal): Promise<Gathered> {
  const { results, bytes } = await inGathers([...parts.keys()], spec, (client, id, signal) => client.gatherLong("sums", parts.get(id)!, signal), { signal });
  return { sum: results[0], bytes };
}

/** Every factory is a client of an orchestrator in this process, and does what it does with it; no round is trained. */
export async function inGathers<T>(
  ids: readonly string[], spec: ModelSpec, act: (client: FactoryClient, id: string, signal: AbortSignal) => Promise<T>, options: { merge?: Merge; signal?: AbortSignal } = {},
): Promise<{ readonly results: readonly T[]; readonly bytes: number }> {
  const fingerprint = await fingerprintOf(spec);
  const orchestrator = new Orchestrator({ clients: ids, parameters: new Float32Array(1), rounds: 1, fingerprint, ...(options.merge && { merge: options.merge }) });
  let bytes = 0;
  const exchange: Exchange = async (request, signal) => {
    const reply = await orchestrator.handle(request, signal);
    bytes += request.length + reply.length;
    return reply;
  };
  // The first factory that fails ends it for all: the others would wait for it for ever.
  const ending = new AbortController();
  // A signal for each: some runtimes warn where many listen to one.
  const either = () => AbortSignal.any(options.signal ? [options.signal, ending.signal] : [ending.signal]);
  const parties = ids.map((id) => act(new FactoryClient({ id, exchange, learner: new Silent(), fingerprint }), id, either()));
  try {
    return { results: await Promise.all(parties), bytes };
  } catch (error) {
    ending.abort(error);
    await Promise.allSettled(parties);
    throw error;
  }
}

/** A client's learner that takes part in no round. */
class Silent implements Learner {
  readonly parameters = new Float32Array(1);
  readonly samples = 1;

  fit(): Promise<never> {
    return Promise.reject(new TypeError("sums are gathered, there is no round to train in"));
  }
}
