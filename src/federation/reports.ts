/**
 * @module
 * What a round came to, for people: put together when it is closed and its evaluation is there, handed on in order.
 */
import type { ClientReport, RoundReport } from "./options.ts";
import type { State } from "./state.ts";

/** A closed round: its parameters (P), and whose updates are in it. */
export interface ClosedRound {
  readonly parameters: Float32Array;
  readonly sha256: string;
  readonly updates: State["updates"];
}

export interface ReportsOptions {
  /** Reports to keep, the newest; all unless given. */
  readonly keepReports?: number;
  readonly onRound?: (report: RoundReport, parameters: Float32Array) => void | Promise<void>;
}

export class Reports {
  /** The rounds reported so far, since the last start; the newest, where no more are kept. */
  readonly history: RoundReport[] = [];
  readonly #options: ReportsOptions;
  readonly #closed = new Map<number, ClosedRound>();
  /** Bytes by round, then by client. */
  readonly #traffic = new Map<number, Map<string, number>>();
  #told: Promise<void> = Promise.resolve();

  constructor(options: ReportsOptions) {
    this.#options = options;
  }

  /** A frame about a round has come or gone. */
  count(round: number, client: string, bytes: number): void {
    const traffic = this.#traffic.get(round) ?? new Map<string, number>();
    this.#traffic.set(round, traffic.set(client, (traffic.get(client) ?? 0) + bytes));
  }

  close(round: number, closed: ClosedRound): void {
    this.#closed.set(round, closed);
  }

  /**
   * Reports wait for each other, so that whoever listens hears the rounds in order.
   * @param evaluations of the round's parameters, by client
   * @returns when all so far are told; rejects with what onRound rejects with
   */
  report(round: number, evaluations: ReadonlyMap<string, Float64Array>): Promise<void> {
    const closed = this.#closed.get(round);
    if (!closed) return this.#told; // before the start
    const { parameters, sha256, updates } = closed;
    const traffic = this.#traffic.get(round);
    for (const rounds of [this.#closed, this.#traffic]) for (const each of rounds.keys()) if (each <= round) rounds.delete(each);
    const clients = Object.keys(updates).sort().map((id): ClientReport => {
      const { samples, loss } = updates[id];
      return { id, samples, loss, bytes: traffic?.get(id) ?? 0, evaluation: evaluations.get(id) ?? new Float64Array(0) };
    });
    const total = (amount: (client: ClientReport) => number) => clients.reduce((sum, client) => sum + amount(client), 0);
    const report = { round, samples: total(({ samples }) => samples), bytes: total(({ bytes }) => bytes), sha256, clients };
    return (this.#told = this.#told.then(async () => {
      this.history.push(report);
      this.history.splice(0, this.history.length - (this.#options.keepReports ?? Infinity));
      await this.#options.onRound?.(report, parameters);
    }));
  }

  /** Resolves when all so far are told. */
  get told(): Promise<void> {
    return this.#told;
  }
}
