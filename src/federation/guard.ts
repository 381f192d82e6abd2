/**
 * @module
 * The orchestrator's side of sealed exchanges: only what a member of the roster signed, for this session and for
 * the first time, reaches the orchestrator; what goes back is signed.
 *
 *     const exchange = guard((frame, signal, sender) => …, { signer, verify, roster: () => roster, … });
 *     // serve it instead of orchestrator.handle; the factories' exchange is wrapped in seal
 *
 * A request is held against the roster, then the session, then the window, and only then its signature is
 * computed, so that what is cheap to refuse is refused cheaply. docs/identity.md has the reasons.
 */
import type { Digest } from "./clock.ts";
import {
  aboutOf, concat, fromHex, frontOf, keptDigest, NO_ROSTER, openEnvelope, readHello, readRequest, REASONS, sealText, type Envelope, type EnvelopeKind, type Reason,
} from "./envelope.ts";
import type { Exchange } from "./exchange.ts";
import { SIGNATURE_BYTES, type Signer, type Verify } from "./identity.ts";
import { encodeRoster, standingOf, type Roster } from "./roster.ts";
import { Sessions } from "./session.ts";

/** A request that was refused: for the log. */
export interface Refusal {
  readonly reason: Reason;
  /** Absent where the bytes are no envelope. */
  readonly kind?: EnvelopeKind;
  /** Who the envelope says it is from; a claim unless `verified`. */
  readonly client?: string;
  readonly sequence?: number;
  /** Whether the signature was right. */
  readonly verified: boolean;
}

export interface GuardOptions {
  /** The orchestrator's own. */
  readonly signer: Signer;
  readonly verify: Verify;
  /** The roster as of now; it may become newer while the guard stands. Then all sessions begin anew. */
  readonly roster: () => Roster;
  readonly digest: Digest;
  /** So many bytes that nobody can guess; other ones at each start, or requests of the last would be taken for new. */
  readonly random: (bytes: number) => Uint8Array;
  /** Time of day, milliseconds since 1970; only validity times of the roster are held against it. */
  readonly wallMs: () => number;
  /** Called for each refusal; whoever listens bounds what he writes down. */
  readonly log: (event: Refusal) => void;
  /** Who a frame says it is from; default: the field "client" of a frame of message.ts. */
  readonly claims?: (frame: Uint8Array) => string | undefined;
}

export type Guard = Exchange & {
  /** The same, in parts that follow each other: a frame that many are sent, as a model is, is not copied for each. */
  readonly parts: (request: Uint8Array, signal?: AbortSignal) => Promise<readonly Uint8Array[]>;
};

export type Handle = (frame: Uint8Array, signal: AbortSignal | undefined, sender: string) => Promise<Uint8Array>;

/** Hellos whose signature is being computed at a time; more are refused as "flood". */
export const MAX_HELLOS = 1024;
const EMPTY = new Uint8Array(0);
const UNSIGNED = new Uint8Array(SIGNATURE_BYTES);
/** Reasons that stay until somebody changes the roster or the client; a client believes them only when they are signed. */
const SIGNED: readonly Reason[] = ["unknown", "revoked", "early", "expired", "role", "sender"];

/** @throws RangeError when the roster does not have the signer as orchestrator or aggregator. */
export function guard(handle: Handle, options: GuardOptions): Guard {
  const { id } = options.signer;
  const role = options.roster().find(id)?.role;
  if (role !== "orchestrator" && role !== "aggregator") {
    throw new RangeError(`"signer" expected an orchestrator or aggregator of the roster, got ${JSON.stringify(id)}, ${role ? `a ${role}` : "which is not in it"}; see millwright roster show`);
  }
  const gate = new Gate(handle, options);
  return Object.assign(async (request: Uint8Array, signal?: AbortSignal) => concat(await gate.pass(request, signal)), {
    parts: (request: Uint8Array, signal?: AbortSignal) => gate.pass(request, signal),
  });
}

type Parts = readonly Uint8Array[];

class Gate {
  readonly #handle: Handle;
  readonly #options: GuardOptions;
  readonly #digest: Digest;
  readonly #sessions: Sessions;
  #hellos = 0;

  constructor(handle: Handle, options: GuardOptions) {
    this.#handle = handle;
    this.#options = options;
    this.#digest = keptDigest(options.digest);
    this.#sessions = new Sessions(options.digest, options.random);
  }

  async pass(bytes: Uint8Array, signal: AbortSignal | undefined): Promise<Parts> {
    const envelope = openEnvelope(bytes);
    if (envelope?.kind === "request") return this.#request(envelope, signal);
    if (envelope?.kind !== "hello" || envelope.body.length > 0) return this.#refuse("envelope", undefined);
    if (this.#hellos >= MAX_HELLOS) return this.#refuse("flood", envelope);
    this.#hellos++;
    try {
      return await this.#hello(envelope);
    } finally {
      this.#hellos--;
    }
  }

  async #hello(envelope: Envelope): Promise<Parts> {
    const { id } = envelope;
    const { signer, verify, roster: rosterNow } = this.#options;
    const roster = rosterNow();
    const standing = this.#standing(roster, id);
    if ("reason" in standing) return this.#refuse(standing.reason, envelope);
    const { version, rosterHash, nonce } = readHello(envelope);
    const text = sealText(rosterHash, envelope.front, "", await this.#options.digest(EMPTY));
    if (!(await verify(standing.member.key, envelope.signature, text))) return this.#refuse("signature", envelope);
    // The client may know of a revocation that we do not: it is not to be led by the older roster.
    if (rosterHash !== roster.hash && version >= roster.version) return this.#refuse("roster", envelope, true);
    if (!this.#sessions.greets(id, nonce)) return this.#refuse("replayed", envelope, true);
    const body = rosterHash === roster.hash ? EMPTY : encodeRoster(roster);
    const front = frontOf("welcome", signer.id, await this.#sessions.issue(id, roster.hash), fromHex(roster.hash), fromHex(nonce));
    return this.#seal(front, roster.hash, id, body);
  }

  async #request(envelope: Envelope, signal: AbortSignal | undefined): Promise<Parts> {
    const { id, body } = envelope;
    const { signer, verify, roster: rosterNow, digest, claims = claimedClient } = this.#options;
    const request = readRequest(envelope);
    if (!request) return this.#refuse("envelope", undefined);
    const { session, sequence } = request;
    const roster = rosterNow();
    const standing = this.#standing(roster, id);
    if ("reason" in standing) return this.#refuse(standing.reason, envelope);
    const early = await this.#sessions.check(id, session, roster.hash, sequence);
    if (early) return this.#refuse(early, envelope);
    const text = sealText(roster.hash, envelope.front, signer.id, await digest(body));
    if (!(await verify(standing.member.key, envelope.signature, text))) return this.#refuse("signature", envelope);
    // Meanwhile the same request may have been verified beside this one, or the roster may have changed.
    const late = rosterNow().hash === roster.hash ? this.#sessions.accept(id, session, roster.hash, sequence) : "session";
    if (late) return this.#refuse(late, envelope, true);
    // An aggregator speaks for its members, too.
    if (claims(body) !== id && standing.member.role !== "aggregator") return this.#refuse("sender", envelope, true);

    const reply = await this.#handle(body, signal, id);
    // A reply may take as long as a round; who was revoked in the meantime is not told anything.
    const now = this.#standing(rosterNow(), id);
    if ("reason" in now) return this.#refuse(now.reason, envelope, true);
    return this.#seal(frontOf("reply", signer.id, envelope.fields), roster.hash, id, reply);
  }

  #standing(roster: Roster, id: string) {
    const standing = standingOf(roster, id, this.#options.wallMs());
    return "member" in standing && standing.member.role === "orchestrator" ? { reason: "role" as const } : standing;
  }

  async #seal(front: Uint8Array, rosterHash: string, peer: string, body: Uint8Array): Promise<Parts> {
    const text = sealText(rosterHash, front, peer, await this.#digest(body));
    return [front, body, await this.#options.signer.sign(text)];
  }

  async #refuse(reason: Reason, envelope: Envelope | undefined, verified = false): Promise<Parts> {
    const { signer, log } = this.#options;
    const sequence = envelope?.kind === "request" ? readRequest(envelope)?.sequence : undefined;
    log({ reason, ...(envelope && { kind: envelope.kind, client: envelope.id }), ...(sequence !== undefined && { sequence }), verified });
    const about = envelope ? aboutOf(envelope) : new Uint8Array(32);
    const front = frontOf("refusal", signer.id, about, Uint8Array.of(REASONS.indexOf(reason)));
    const client = new TextEncoder().encode(envelope?.id ?? "");
    return SIGNED.includes(reason) ? this.#seal(front, NO_ROSTER, envelope!.id, client) : [front, client, UNSIGNED];
  }
}

const LENGTH_AT = 8, FIELDS_AT = 16;

/** The field "client" of a frame, read without believing the rest of it; undefined where there is none. */
export function claimedClient(frame: Uint8Array): string | undefined {
  if (frame.length < FIELDS_AT) return undefined;
  const length = new DataView(frame.buffer, frame.byteOffset, frame.byteLength).getUint32(LENGTH_AT, true);
  if (length > frame.length - FIELDS_AT) return undefined;
  try {
    const fields: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(frame.subarray(FIELDS_AT, FIELDS_AT + length)));
    const client = (fields as { client?: unknown } | null)?.client;
    return typeof client === "string" ? client : undefined;
  } catch {
    return undefined;
  }
}
