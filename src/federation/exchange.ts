/**
 * @module
 * The seam between client and orchestrator.
 */

/**
 * One request, one reply: a plain call, a worker, HTTP, NATS. Clients call out; nothing calls them.
 *
 * The reply may take as long as a round: a client that asks for a model not yet there is answered when it
 * is. Aborting the signal gives the wait up and rejects; it does not undo a request that has arrived.
 * Either side may keep the bytes it was handed, so neither writes into them afterwards.
 */
export type Exchange = (request: Uint8Array, signal?: AbortSignal) => Promise<Uint8Array>;

/** An exchange that may also give a reply in parts that follow each other: what many are sent, as a model is, need not be copied for each. */
export type PartedExchange = Exchange & { readonly parts?: (request: Uint8Array, signal?: AbortSignal) => Promise<readonly Uint8Array[]> };

/** The other side is there and has nothing to say yet: ask again. */
export class Unanswered extends Error {
  override readonly name = "Unanswered";
}
