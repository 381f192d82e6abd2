/**
 * @module
 * The client's side of sealed exchanges: every request is signed for one session and one sequence number, and a
 * reply counts only when the orchestrator signed it for that request.
 *
 *     const client = new FactoryClient({ id, learner, fingerprint, exchange: seal(exchange, { signer, verify, roster, … }) });
 *
 * A session begins with the first request and again whenever the orchestrator does not know it any more; the
 * request is then sent again under a new number, so the orchestrator may see a frame twice. What fails on the way
 * rejects as it does without a seal.
 */
import type { Digest } from "./clock.ts";
import {
  concat, frontOf, helloFields, NO_ROSTER, NONCE_BYTES, openEnvelope, readRequest, readWelcome, REASONS, sealText, sequenceField, toHex, type Envelope, type Reason,
} from "./envelope.ts";
import type { Exchange } from "./exchange.ts";
import type { Signer, Verify } from "./identity.ts";
import { decodeRoster, newerOf, standingOf, type Roster } from "./roster.ts";

export interface SealOptions {
  /** The client's own. */
  readonly signer: Signer;
  readonly verify: Verify;
  /** As far as it is known here; the orchestrator hands out a newer one, signed by the same root key. */
  readonly roster: Roster;
  readonly digest: Digest;
  /** So many bytes that nobody can guess. */
  readonly random: (bytes: number) => Uint8Array;
  /** Time of day, milliseconds since 1970; only validity times of the roster are held against it. */
  readonly wallMs: () => number;
  /** Id of who has to answer, an orchestrator or aggregator. Default: any orchestrator of the roster. */
  readonly orchestrator?: string;
  /** A newer roster was received and holds from now on: keep it, so that no older one is believed after a restart. */
  readonly onRoster?: (roster: Roster) => void | Promise<void>;
}

/** The orchestrator refused for a reason that another try does not change; docs/identity.md lists the reasons. */
export class IdentityError extends RangeError {
  override readonly name = "IdentityError";
  readonly reason: Reason;
  constructor(reason: Reason, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** A reply that does not count, or a refusal that may pass: something to try again after a while. */
export class SealError extends Error {
  override readonly name = "SealError";
  readonly reason: Reason | "reply";
  constructor(reason: Reason | "reply", message: string) {
    super(message);
    this.reason = reason;
  }
}

interface Session {
  readonly bytes: Uint8Array;
  readonly roster: Roster;
  readonly orchestrator: { readonly id: string; readonly key: string };
  next: number;
}

/** Sealed sends of one request before it rejects: a restart costs one, a duplicate on the way another. */
const MAX_SENDS = 5;
/** Reasons that a new number or a new session cures, and what they mean where it does not. */
const PASSING: Partial<Record<Reason, string>> = {
  session: "it forgets sessions at once; are there several orchestrators behind one address?",
  window: "requests arrive too late",
  replayed: "requests arrive more than once",
  envelope: "requests are damaged on their way",
  signature: "the key is not the one of this id in the orchestrator's roster, or requests are damaged on their way",
};
/** Reasons that stay until somebody acts. */
const LASTING: Partial<Record<Reason, string>> = {
  unknown: "this id is not in its roster; add it with: millwright roster add",
  revoked: "this id was revoked",
  role: "an orchestrator's key cannot speak as a client; use a key of role client or aggregator",
  sender: "the frame names another client than the key's; give the client the id of its key",
};

export function seal(exchange: Exchange, options: SealOptions): Exchange {
  const line = new Line(exchange, options);
  return (frame, signal) => line.ask(frame, signal);
}

class Line {
  readonly #exchange: Exchange;
  readonly #options: SealOptions;
  #roster: Roster;
  #session: Session | undefined;
  #opening: Promise<unknown> | undefined;

  constructor(exchange: Exchange, options: SealOptions) {
    this.#exchange = exchange;
    this.#options = options;
    this.#roster = options.roster;
  }

  async ask(frame: Uint8Array, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const hash = await this.#options.digest(frame);
    for (let sends = 1; ; sends++) {
      const session = await this.#open(signal);
      const fields = concat([session.bytes, sequenceField(session.next++)]);
      const request = await this.#request(session, fields, frame, hash);
      signal?.throwIfAborted();
      const answer = openEnvelope(await this.#exchange(request, signal));
      if (answer?.kind === "reply") return this.#reply(session, fields, answer);
      const reason = await this.#refusal(answer, concat([fields, new Uint8Array(NONCE_BYTES - fields.length)]));
      if (reason === "session" && this.#session === session) this.#session = undefined;
      if (sends === MAX_SENDS) throw new SealError(reason, `the orchestrator refused ${MAX_SENDS} times: ${PASSING[reason]}`);
    }
  }

  async #request(session: Session, fields: Uint8Array, frame: Uint8Array, hash: string): Promise<Uint8Array> {
    const { signer } = this.#options;
    const front = frontOf("request", signer.id, fields);
    return concat([front, frame, await signer.sign(sealText(session.roster.hash, front, session.orchestrator.id, hash))]);
  }

  async #reply({ roster, orchestrator }: Session, fields: Uint8Array, answer: Envelope): Promise<Uint8Array> {
    const { signer, verify, digest } = this.#options;
    if (answer.id !== orchestrator.id || toHex(answer.fields) !== toHex(fields)) {
      const [asked, got] = [fields, answer.fields].map((bytes) => readRequest({ ...answer, fields: bytes })?.sequence);
      throw new SealError("reply", `the reply belongs to another request: expected number ${asked} of this session, got ${got}`);
    }
    const text = sealText(roster.hash, answer.front, signer.id, await digest(answer.body));
    if (!(await verify(orchestrator.key, answer.signature, text))) throw new SealError("reply", "the orchestrator's signature does not match the reply; it was changed on its way");
    return answer.body;
  }

  /** The session at hand, or a new one. Requests that need one at the same time share a hello. */
  async #open(signal: AbortSignal | undefined): Promise<Session> {
    for (;;) {
      if (this.#session) return this.#session;
      if (this.#opening) {
        await settled(this.#opening, signal); // if another's hello fails, this request says its own
        continue;
      }
      const hello = this.#hello(signal);
      this.#opening = hello;
      try {
        return (this.#session = await hello);
      } finally {
        this.#opening = undefined;
      }
    }
  }

  async #hello(signal: AbortSignal | undefined): Promise<Session> {
    const { signer, digest, random } = this.#options;
    for (let sends = 1; ; sends++) {
      const nonce = random(NONCE_BYTES);
      const front = frontOf("hello", signer.id, ...helloFields(this.#roster.version, this.#roster.hash, nonce));
      const signature = await signer.sign(sealText(this.#roster.hash, front, "", await digest(new Uint8Array(0))));
      signal?.throwIfAborted();
      const answer = openEnvelope(await this.#exchange(concat([front, signature]), signal));
      if (answer?.kind === "welcome") return this.#welcome(answer, toHex(nonce));
      const reason = await this.#refusal(answer, nonce);
      if (sends === MAX_SENDS) throw new SealError(reason, `the orchestrator refused ${MAX_SENDS} times: ${PASSING[reason]}`);
    }
  }

  async #welcome(answer: Envelope, asked: string): Promise<Session> {
    const { signer, verify, digest, onRoster } = this.#options;
    const { session, rosterHash, nonce } = readWelcome(answer);
    if (nonce !== asked) throw new SealError("reply", "the welcome belongs to another hello");
    const roster = answer.body.length === 0 ? this.#roster : await this.#newer(answer.body);
    if (rosterHash !== roster.hash) throw new SealError("roster", "the welcome is about another roster than the one known here");
    const key = this.#keyOf(roster, answer.id);
    const text = sealText(rosterHash, answer.front, signer.id, await digest(answer.body));
    if (!(await verify(key, answer.signature, text))) throw new SealError("reply", "the orchestrator's signature does not match the welcome; it was changed on its way");
    // Another hello may have brought a roster meanwhile; the newer one stays.
    if (roster !== this.#roster && roster.version > this.#roster.version) {
      this.#roster = roster;
      await onRoster?.(roster);
    }
    return { bytes: session, roster, orchestrator: { id: answer.id, key }, next: 1 };
  }

  async #newer(bytes: Uint8Array): Promise<Roster> {
    const { verify, digest } = this.#options;
    try {
      return newerOf(this.#roster, await decodeRoster(bytes, { root: this.#roster.root, verify, digest }));
    } catch (error) {
      throw new SealError("roster", `the orchestrator's ${(error as Error).message}`);
    }
  }

  /** The key of who may answer; nobody else's signature counts. */
  #keyOf(roster: Roster, id: string): string {
    const { orchestrator, wallMs } = this.#options;
    const standing = standingOf(roster, id, wallMs());
    if ("reason" in standing) throw new SealError("reply", `answered by ${JSON.stringify(id)}: ${standing.reason} in the roster`);
    const { role, key } = standing.member;
    if (orchestrator === undefined ? role !== "orchestrator" : id !== orchestrator || role === "client") {
      throw new SealError("reply", `answered by ${JSON.stringify(id)}, a ${role}; expected ${orchestrator === undefined ? "an orchestrator" : JSON.stringify(orchestrator)}`);
    }
    return key;
  }

  /** A refusal that may be cured at once is returned; any other rejects. A lasting one is believed only when it is signed for this request. */
  async #refusal(answer: Envelope | undefined, about: Uint8Array): Promise<Reason> {
    if (answer?.kind !== "refusal") throw new SealError("reply", "expected a sealed reply; is there a guard before the orchestrator?");
    const { signer, verify, digest } = this.#options;
    const reason = REASONS[answer.fields[NONCE_BYTES]];
    if (reason === undefined) throw new SealError("reply", "a refusal without a known reason");
    if (PASSING[reason]) return reason;
    if (reason === "roster") throw new SealError(reason, `the orchestrator does not know version ${this.#roster.version} of the roster; give it the roster that this client has`);
    if (reason === "flood") throw new SealError(reason, "the orchestrator is busy with other hellos");
    const key = this.#keyOf(this.#roster, answer.id);
    const ours = toHex(answer.fields.subarray(0, NONCE_BYTES)) === toHex(about) && String.fromCharCode(...answer.body.subarray(0, 64)) === signer.id;
    const text = sealText(NO_ROSTER, answer.front, signer.id, await digest(answer.body));
    if (!ours || !(await verify(key, answer.signature, text))) throw new SealError("reply", `a refusal ("${reason}") that the orchestrator did not sign for this request`);
    const remedy = LASTING[reason];
    if (remedy) throw new IdentityError(reason, `"${signer.id}" is refused by ${answer.id}: ${remedy}`);
    throw new SealError(reason, `"${signer.id}" is refused by ${answer.id}: its key ${reason === "early" ? "is not valid yet" : "is not valid any more"}; see millwright roster show, and the clock`);
  }
}

/** When a promise is settled, one way or the other, or the signal aborts. */
function settled(promise: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(signal!.reason);
    if (signal?.aborted) return leave();
    signal?.addEventListener("abort", leave, { once: true });
    const done = () => {
      signal?.removeEventListener("abort", leave);
      resolve();
    };
    promise.then(done, done);
  });
}
