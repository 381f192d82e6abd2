/**
 * @module
 * Replies that say of a request that it was none: no message of ours, or one that was damaged on its way. A server that
 * does not look into what it carries knows by them whom to answer later than others.
 */
import { concat, openEnvelope, REASONS } from "./envelope.ts";
import { decode } from "./message.ts";

/** Such replies are short; longer ones are not looked at. */
const REPLY_BYTES = 2048;

/** @param parts of a reply, one after the other */
export function saysNonsense(parts: readonly Uint8Array[]): boolean {
  if (parts.reduce((sum, { length }) => sum + length, 0) > REPLY_BYTES) return false;
  const reply = concat(parts);
  const envelope = openEnvelope(reply);
  if (envelope?.kind === "refusal") return envelope.fields.at(-1) === REASONS.indexOf("envelope");
  try {
    const message = decode(envelope?.body ?? reply, 0);
    return message.kind === "refused" && message.code === "frame";
  } catch {
    return false; // of a protocol that is not known here
  }
}
