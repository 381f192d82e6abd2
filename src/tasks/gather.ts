/**
 * @module
 * Sums over factories that no round of training is needed for: each factory is a client that sends its
 * numbers once and gets the sum of all back. Of integers, as sums of products are (model/gram.ts), it is
 * the same bits in any order.
 */
import { fingerprintOf } from "../federation/checksum.ts";
import { FactoryClient, type Learner } from "../federation/client.ts";
import type { Exchange } from "../federation/exchange.ts";
import { Orchestrator } from "../federation/orchestrator.ts";
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
  const fingerprint = await fingerprintOf(spec);
  const parameters = new Float32Array(1);
  const orchestrator = new Orchestrator({ clients: [...parts.keys()], parameters, rounds: 1, fingerprint });
  let bytes = 0;
  const exchange: Exchange = async (request, signal) => {
    const reply = await orchestrator.handle(request, signal);
    bytes += request.length + reply.length;
    return reply;
  };
  // The first factory that fails ends it for all: the others would wait for it for ever.
  const ending = new AbortController();
  // A signal for each: some runtimes warn where many listen to one.
  const either = () => AbortSignal.any(signal ? [signal, ending.signal] : [ending.signal]);
  const parties = [...parts].map(([id, numbers]) => new FactoryClient({ id, exchange, learner: new Silent(), fingerprint }).gatherLong("sums", numbers, either()));
  try {
    const [sum] = await Promise.all(parties);
    return { sum, bytes };
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
