/**
 * @module
 * Who has been there lately, and what it cost: figures for people, none of which anything depends on.
 */
import type { Answer } from "./orchestrator.ts";
import { wakeAtMs, type State } from "./state.ts";
import type { ClientStatus, Status } from "./status.ts";

/** Not seen for so long: absent. A waiting client asks at least every poll. */
const ABSENT_MS = 120_000;
/** Clients that are kept account of; more can only be strangers' inventions. */
const MAX_CLIENTS = 100_000;

interface Account {
  lastSeenMs: number;
  bytesIn: number;
  bytesOut: number;
  refused: number;
  /** The last reply was a model. */
  hasModel: boolean;
  round: number;
  samples: number;
}

export class Presence {
  readonly #accounts = new Map<string, Account>();
  readonly #refusals = new Map<string, number>();
  readonly #sinceMs: number;
  #bytesIn = 0;
  #bytesOut = 0;

  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
  }

  note({ client, reply, code, bytesIn, bytesOut }: Answer, nowMs: number): void {
    this.#bytesIn += bytesIn;
    this.#bytesOut += bytesOut;
    if (code !== undefined) this.refuse(code);
    // A name that is not in the federation is not worth an account.
    if (client === undefined || code === "client" || (!this.#accounts.has(client) && this.#accounts.size >= MAX_CLIENTS)) return;
    const account = this.#accounts.get(client) ?? { lastSeenMs: nowMs, bytesIn: 0, bytesOut: 0, refused: 0, hasModel: false, round: 0, samples: 0 };
    account.lastSeenMs = nowMs;
    account.bytesIn += bytesIn;
    account.bytesOut += bytesOut;
    if (code !== undefined) account.refused += 1;
    if (reply === "model" || reply === "accepted" || reply === "done") account.hasModel = reply === "model";
    this.#accounts.set(client, account);
  }

  /** One more refusal of this code, by whoever stands before the orchestrator. */
  refuse(code: string): void {
    this.#refusals.set(code, (this.#refusals.get(code) ?? 0) + 1);
  }

  get refusals(): ReadonlyMap<string, number> {
    return this.#refusals;
  }

  status(state: State, nowMs: number): Status {
    const { plan: { task, rounds }, epoch, round, attempt, phase, models } = state;
    const atMs = wakeAtMs(state);
    return {
      task, epoch, round, rounds, attempt, phase,
      deadlineMs: atMs === undefined ? null : Math.max(0, atMs - nowMs),
      model: { sha256: models[phase === "done" ? round + 1 : round] ?? "0".repeat(64) },
      clients: state.clients.map((id) => this.#clientOf(state, id, nowMs)),
      refusals: Object.fromEntries(this.#refusals),
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      uptimeMs: nowMs - this.#sinceMs,
    };
  }

  #clientOf({ updates, latest, waiting }: State, id: string, nowMs: number): ClientStatus {
    const account = this.#accounts.get(id);
    const last = updates[id] ?? latest[id];
    const seen = account !== undefined && nowMs - account.lastSeenMs < ABSENT_MS;
    const state = updates[id] ? "updated" : waiting.some((each) => each.client === id) ? "waiting" : seen && account.hasModel ? "training" : seen ? "waiting" : "absent";
    return {
      id, state,
      lastSeenMs: account ? nowMs - account.lastSeenMs : null,
      round: last?.round ?? 0,
      samples: last?.samples ?? 0,
      bytesIn: account?.bytesIn ?? 0,
      bytesOut: account?.bytesOut ?? 0,
      refused: account?.refused ?? 0,
    };
  }
}
