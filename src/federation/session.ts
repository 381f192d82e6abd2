/**
 * @module
 * The sessions of a guard: which request is new and which was seen before.
 *
 * A hello leaves nothing behind: the session's 16 bytes are a number that counts up (6) and a code over it (10)
 * that only this guard can make, and a session is kept from its first verified request on. So hellos, replayed
 * or forged, fill no table and displace nobody. A client has at most four sessions; one more ends the oldest,
 * and no session with that number or a lower one begins again. The code's key dies with the guard, so after a
 * restart all sessions are unknown and all requests recorded before are refused.
 */
import type { Digest } from "./clock.ts";
import { concat, fromHex, SESSION_BYTES, toHex } from "./envelope.ts";

/** How far behind the highest sequence a request may arrive: long polls overlap and networks reorder. */
export const WINDOW = 1024;
const MAX_SESSIONS = 4;
/** Of the hellos of a client. */
const MAX_NONCES = 16;
const NUMBER_BYTES = 6;

/** Which of the last 1,024 sequence numbers were seen (the window of RFC 4303, section 3.4.3). */
export class ReplayWindow {
  #highest = 0;
  readonly #seen = new Uint32Array(WINDOW / 32);

  /** Undefined where the sequence is new. */
  check(sequence: number): "window" | "replayed" | undefined {
    if (sequence > this.#highest) return undefined;
    if (this.#highest - sequence >= WINDOW) return "window";
    return this.#seen[this.#word(sequence)] & (1 << sequence % 32) ? "replayed" : undefined;
  }

  /** Check, and see it from now on. */
  accept(sequence: number): "window" | "replayed" | undefined {
    const refusal = this.check(sequence);
    if (refusal) return refusal;
    if (sequence - this.#highest >= WINDOW) this.#seen.fill(0);
    else for (let next = this.#highest + 1; next <= sequence; next++) this.#seen[this.#word(next)] &= ~(1 << next % 32);
    this.#highest = Math.max(this.#highest, sequence);
    this.#seen[this.#word(sequence)] |= 1 << sequence % 32;
    return undefined;
  }

  #word(sequence: number): number {
    return Math.floor((sequence % WINDOW) / 32);
  }
}

interface Session {
  readonly number: number;
  readonly rosterHash: string;
  readonly window: ReplayWindow;
}

interface Client {
  /** By their 16 bytes in hexadecimal digits, the oldest first or not: `number` tells. */
  readonly sessions: Map<string, Session>;
  readonly nonces: Set<string>;
  /** No session up to this number begins any more. */
  floor: number;
}

export class Sessions {
  readonly #digest: Digest;
  readonly #secret: Uint8Array;
  readonly #clients = new Map<string, Client>();
  #issued = 0;

  constructor(digest: Digest, random: (bytes: number) => Uint8Array) {
    this.#digest = digest;
    this.#secret = random(32);
  }

  /** Sessions that are kept, of all clients. */
  get size(): number {
    return [...this.#clients.values()].reduce((sum, { sessions }) => sum + sessions.size, 0);
  }

  /** Whether a verified hello is new; its nonce is remembered. What is forgotten could only be answered, never used. */
  greets(client: string, nonce: string): boolean {
    const { nonces } = this.#of(client);
    if (nonces.has(nonce)) return false;
    if (nonces.size >= MAX_NONCES) nonces.delete(nonces.values().next().value!);
    nonces.add(nonce);
    return true;
  }

  /** The 16 bytes of a new session, which begins with its first request. */
  async issue(client: string, rosterHash: string): Promise<Uint8Array> {
    const number = new Uint8Array(8);
    new DataView(number.buffer).setBigUint64(0, BigInt(++this.#issued));
    return this.#session(number.subarray(8 - NUMBER_BYTES), client, rosterHash);
  }

  /** Before the signature is looked at: why the request could not be accepted whatever its signature. */
  async check(client: string, session: string, rosterHash: string, sequence: number): Promise<"session" | "window" | "replayed" | undefined> {
    const kept = this.#clients.get(client)?.sessions.get(session);
    if (kept) return kept.rosterHash === rosterHash ? kept.window.check(sequence) : "session";
    const bytes = fromHex(session);
    const known = numberOf(bytes) > (this.#clients.get(client)?.floor ?? 0)
      && toHex(await this.#session(bytes.subarray(0, NUMBER_BYTES), client, rosterHash)) === session;
    return known ? undefined : "session";
  }

  /** When the signature was verified: see the sequence from now on, or say why not. Checked and verified requests only. */
  accept(client: string, session: string, rosterHash: string, sequence: number): "session" | "window" | "replayed" | undefined {
    const state = this.#of(client);
    for (const [name, { rosterHash: hash, number }] of state.sessions) if (hash !== rosterHash) end(state, name, number);
    let kept = state.sessions.get(session);
    if (!kept) {
      const number = numberOf(fromHex(session));
      if (number <= state.floor) return "session";
      kept = { number, rosterHash, window: new ReplayWindow() };
      state.sessions.set(session, kept);
      if (state.sessions.size > MAX_SESSIONS) {
        const [name, oldest] = [...state.sessions].reduce((a, b) => (b[1].number < a[1].number ? b : a));
        end(state, name, oldest.number);
        if (oldest === kept) return "session";
      }
    }
    return kept.window.accept(sequence);
  }

  #of(client: string): Client {
    let state = this.#clients.get(client);
    if (!state) this.#clients.set(client, (state = { sessions: new Map(), nonces: new Set(), floor: 0 }));
    return state;
  }

  /** Nested, as SHA-256 alone lets who knows one code continue it to a longer text. */
  async #session(number: Uint8Array, client: string, rosterHash: string): Promise<Uint8Array> {
    const inner = await this.#digest(concat([this.#secret, number, fromHex(rosterHash), new TextEncoder().encode(client)]));
    const code = fromHex(await this.#digest(concat([this.#secret, fromHex(inner)])));
    return concat([number, code.subarray(0, SESSION_BYTES - NUMBER_BYTES)]);
  }
}

function end(state: Client, session: string, number: number): void {
  state.sessions.delete(session);
  state.floor = Math.max(state.floor, number);
}

const numberOf = (session: Uint8Array): number => session.subarray(0, NUMBER_BYTES).reduce((sum, byte) => sum * 256 + byte, 0);
