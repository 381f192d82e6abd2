/**
 * @module
 * What is said between a client and the orchestrator about one request, as headers of broker messages. The request's id
 * is in Nats-Msg-Id and the same in every attempt, which is how the orchestrator knows that it has it already.
 *
 *     client        ask        here is the request (again)
 *                   still      you have it; I am still waiting
 *                   part       bytes of the request that you asked for
 *                   got        the answer is here, you may forget it
 *                   lost       the answer's body is not to be had; put it again
 *     orchestrator  received   the request is here
 *                   send       send these bytes of the request
 *                   reply      this is the reply
 *                   nothing    there is nothing to say yet; ask again
 *                   unknown    there is no such request here; ask
 *                   failed     the request cannot be handled; the payload says why
 */
import { headers, type MsgHdrs } from "@nats-io/nats-core";
import { label, type Parcel } from "./parcel.ts";

export const ASKS = ["ask", "still", "part", "got", "lost"] as const;
export const ANSWERS = ["received", "send", "reply", "nothing", "unknown", "failed"] as const;
export type Ask = (typeof ASKS)[number];
export type Answer = (typeof ANSWERS)[number];

const SAYS = "Millwright-Says", ID = "Nats-Msg-Id";

export function compose(says: Ask | Answer, id: string, parcel?: Parcel): MsgHdrs {
  const composed = headers();
  composed.set(SAYS, says);
  composed.set(ID, id);
  if (parcel) label(composed, parcel);
  return composed;
}

/** Who says what about which request; undefined for a message that is none of ours. */
export function parse<S extends string>(among: readonly S[], found: MsgHdrs | undefined): { says: S; id: string } | undefined {
  const says = found?.get(SAYS) as S, id = found?.get(ID) ?? "";
  return among.includes(says) && /^[A-Za-z0-9]{8,64}$/.test(id) ? { says, id } : undefined;
}

/** What all clients are told: that an orchestrator has begun to serve, and what became of rounds. */
export interface Announcement {
  readonly kind: "serving" | "opened" | "closed" | "done";
  readonly round?: number;
}

/** An announcement from bytes; undefined for what is none. */
export function parseAnnouncement(payload: Uint8Array): Announcement | undefined {
  if (payload.length > 1024) return undefined;
  try {
    const { kind, round } = JSON.parse(new TextDecoder().decode(payload));
    if (!["serving", "opened", "closed", "done"].includes(kind) || !(round === undefined || Number.isSafeInteger(round))) return undefined;
    return { kind, ...(round !== undefined && { round }) };
  } catch {
    return undefined;
  }
}
