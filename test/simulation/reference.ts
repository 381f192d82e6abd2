/**
 * @module
 * What a federation is supposed to be, written down once more and simply: a list of entries, and what each
 * may say after those before it. Sums are BigInt, and nothing here is called by or calls the orchestrator.
 *
 * The names of the invariants: I1 acknowledged is durable, I2 counted once, I3 published is final, I4 a model
 * is a function of the one before and of the set of updates, I5 so is the whole run, I7 what is damaged changes
 * nothing, I8 it goes on when the faults stop. `attempt` and `epoch` are about what the names say.
 */
import { hash } from "node:crypto";
import type { Entry, Updated } from "../../src/federation/entry.ts";
import type { Policy } from "../../src/federation/state.ts";
import { random } from "../../src/kernels/random.ts";

export type Invariant = "I1" | "I2" | "I3" | "I4" | "I5" | "I7" | "I8" | "attempt" | "epoch" | "crash" | "repeat";

export class Violation extends Error {
  override readonly name = "Violation";
  readonly invariant: Invariant;
  constructor(invariant: Invariant, what: string) {
    super(`${invariant}: ${what}`);
    this.invariant = invariant;
  }
}

export function check(holds: boolean, invariant: Invariant, what: () => string): asserts holds {
  if (!holds) throw new Violation(invariant, what());
}

export const sha256 = (bytes: Uint8Array | Int32Array | Float32Array | Float64Array | BigInt64Array): string => hash("sha256", bytes, "hex");

/** What a client has learned from a model: lattice steps, or parameters. */
export interface Fit {
  readonly client: string;
  readonly round: number;
  readonly model: string;
  readonly samples: number;
  readonly numbers: Int32Array | Float32Array;
}

export interface ReferenceOptions {
  readonly clients: readonly string[];
  readonly aggregators: readonly string[];
  readonly rounds: number;
  readonly parameters: Float32Array;
  readonly policy: Policy;
  /** Parameters are averaged as they are, in the order of clients. */
  readonly float32: boolean;
}

interface Given {
  readonly round: number;
  readonly digest: string;
}

/** round((after - before) · 2^24), halves to even. */
export function latticeOf(after: Float32Array, before: Float32Array): Int32Array {
  return Int32Array.from(after, (value, p) => {
    const steps = (value - before[p]) * 2 ** 24;
    const floor = Math.floor(steps);
    const rest = steps - floor;
    return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
  });
}

export class Reference {
  readonly options: ReferenceOptions;
  /** In the order in which they became true. */
  readonly entries: Entry[] = [];
  readonly keys: string[] = [];
  clients: readonly string[];
  aggregators: readonly string[];
  parameters: Float32Array;
  /** Of the open round, or of the one that opens next. */
  model: string;
  round = 0;
  attempt = 0;
  isOpen = false;
  isDone = false;
  cohort: readonly string[] = [];
  /** By round, those it trains from. */
  readonly models = new Map<number, string>();
  /** By client, of the open round; ever. */
  readonly updates = new Map<string, Given>();
  readonly latest = new Map<string, Given>();
  /** By round and client of every update that is in a round. */
  readonly counted = new Map<string, string>();
  /** By round and attempt. */
  readonly attempts = new Map<string, { readonly model: string; readonly cohort: readonly string[] }>();
  /** By topic and round, then by client. */
  readonly figures = new Map<string, Map<string, string>>();
  readonly merged = new Map<string, readonly string[]>();
  /** Whose updates are in a closed round. */
  readonly included = new Map<number, readonly string[]>();
  /** By client, round and the digest of the numbers. */
  readonly fits = new Map<string, Fit>();
  /** Whose updates had arrived when the attempt became true: the entry that counts them may come behind it. */
  #onTheirWay: ReadonlySet<string> = new Set();
  /** At some time since the round was opened, as who takes part may change. */
  #hadEnough = false;
  #sums: { readonly client: string; readonly weight: bigint; readonly total: bigint; readonly numbers: ArrayLike<number> | BigInt64Array }[] = [];

  constructor(options: ReferenceOptions) {
    this.options = options;
    this.clients = [...options.clients].sort();
    this.aggregators = options.aggregators;
    this.parameters = options.parameters.slice();
    this.model = sha256(this.parameters);
  }

  trained(fit: Fit): void {
    this.fits.set(`${fit.client} ${fit.round} ${sha256(fit.numbers)}`, fit);
  }

  /**
   * @param onTheirWay whose updates have arrived and are not answered
   * @throws Violation when it may not be true after the entries before it
   */
  apply(entry: Entry, onTheirWay: ReadonlySet<string>): void {
    this.entries.push(entry);
    this.keys.push(JSON.stringify(entry));
    switch (entry.kind) {
      case "opened": return this.#opened(entry, onTheirWay);
      case "update": return this.#updated(entry);
      case "closed": return this.#closed(entry);
      case "contribution": {
        const figures = this.#figuresOf(entry.topic, entry.round);
        check(!figures.has(entry.client), "I2", () => `"${entry.topic}" of round ${entry.round} has two contributions of ${entry.client}`);
        figures.set(entry.client, entry.digest);
        return;
      }
      case "merged": {
        const key = `${entry.topic} ${entry.round}`;
        check(!this.merged.has(key), "I3", () => `"${key}" is merged twice`);
        const given = [...this.#figuresOf(entry.topic, entry.round).keys()].sort();
        check(given.join() === entry.clients.join(), "I2", () => `"${key}" is merged of ${entry.clients}, given by ${given}`);
        this.merged.set(key, entry.clients);
        return;
      }
      case "clients":
        this.clients = entry.clients;
        this.aggregators = entry.aggregators;
        this.#hadEnough ||= this.isOpen && this.enough;
    }
  }

  /** As many updates as close a round at once. */
  get enough(): boolean {
    const { closeAt } = this.options.policy;
    const invited = this.cohort.filter((id) => this.clients.includes(id)).length;
    return this.updates.size >= Math.max(1, Math.min(closeAt ?? invited, invited));
  }

  #figuresOf(topic: string, round: number): Map<string, string> {
    const key = `${topic} ${round}`;
    const figures = this.figures.get(key) ?? new Map<string, string>();
    this.figures.set(key, figures);
    return figures;
  }

  #opened({ round, attempt, model, cohort }: Extract<Entry, { kind: "opened" }>, onTheirWay: ReadonlySet<string>): void {
    const { policy, rounds } = this.options;
    if (attempt === 1) {
      check(!this.isOpen && round === this.round + 1 && round <= rounds, "I3", () => `round ${round} is opened after round ${this.round}, ${this.isOpen ? "open" : "closed"}`);
      this.updates.clear();
      this.#sums = [];
      this.#hadEnough = false;
    } else {
      check(this.isOpen && round === this.round && attempt === this.attempt + 1, "attempt", () => `attempt ${attempt} of round ${round} after ${this.attempt} of ${this.round}`);
      check(policy.deadlineMs !== null && this.updates.size < policy.minClients, "attempt", () => `attempt ${attempt} of round ${round} with ${this.updates.size} updates`);
    }
    check(model === this.model, "I4", () => `round ${round} opens with model ${model.slice(0, 8)}, expected ${this.model.slice(0, 8)}`);
    const others = this.clients.filter((id) => !this.updates.has(id));
    const drawn = policy.cohort === null ? others : random(policy.seed, "cohort", round, attempt).shuffle(others).slice(0, policy.cohort);
    const expected = [...this.updates.keys(), ...drawn].sort();
    check(expected.join() === cohort.join(), "attempt", () => `attempt ${attempt} of round ${round} invites ${cohort}, expected ${expected}`);
    this.attempts.set(`${round} ${attempt}`, { model, cohort });
    this.#onTheirWay = attempt === 1 ? new Set() : onTheirWay;
    this.models.set(round, model);
    Object.assign(this, { round, attempt, cohort, isOpen: true });
  }

  #updated(entry: Updated): void {
    const { round, client, digest, elements, samples, weight, members } = entry;
    const { policy, float32 } = this.options;
    const sum = elements === "int64";
    check(this.isOpen && round <= this.round && this.round - round <= (sum ? 0 : policy.maxStaleness), "I2", () => `an update of round ${round} is counted in ${this.round}, ${this.isOpen ? "open" : "closed"}`);
    check((sum ? this.aggregators : this.clients).includes(client), "I7", () => `an update of ${client}, who does not take part`);
    for (const { id } of members) {
      check(this.clients.includes(id), "I7", () => `an update of ${id}, who does not take part`);
      check(!this.updates.has(id), "I2", () => `round ${this.round} has two updates of ${id}`);
      check(!((this.latest.get(id)?.round ?? 0) >= round), "I2", () => `the update of ${id} of round ${round} is counted again in ${this.round}`);
      check(round < this.round || this.#isInvited(id), "attempt", () => `${id} is counted and not invited to attempt ${this.attempt} of round ${round}`);
    }
    const model = this.models.get(round)!;
    if (sum) {
      const numbers = this.#sumOf(members, round, model, digest);
      check(samples === members.reduce((total, { samples: each }) => total + each, 0), "I4", () => `a sum of ${samples} samples`);
      this.#sums.push({ client, weight: 1n, total: BigInt(samples), numbers });
    } else {
      const fit = this.fits.get(`${client} ${round} ${digest}`);
      check(fit !== undefined && fit.model === model && fit.samples === samples, "I7", () => `an update of ${client} of round ${round} that it did not make from this model`);
      const expected = Math.max(1, Math.floor(Math.min(samples, policy.maxSamples) / Math.sqrt(1 + this.round - round)));
      check(weight === expected && elements === (float32 ? "float32" : "int32"), "I4", () => `weight ${weight} of ${elements} by ${client}, expected ${expected}`);
      this.#sums.push({ client, weight: BigInt(weight), total: BigInt(weight), numbers: fit.numbers });
    }
    for (const { id } of members) {
      this.updates.set(id, { round, digest });
      this.latest.set(id, { round, digest });
      this.counted.set(`${id} ${round}`, digest);
    }
    this.#hadEnough ||= this.enough;
  }

  /** To this attempt; or to the one before, if the update was on its way when this one became true. */
  #isInvited(id: string): boolean {
    return this.cohort.includes(id) || (this.#onTheirWay.has(id) && this.attempts.get(`${this.round} ${this.attempt - 1}`)!.cohort.includes(id));
  }

  /** What the members have made, added up. */
  #sumOf(members: Updated["members"], round: number, model: string, digest: string): BigInt64Array {
    const P = this.parameters.length;
    let sums = [new BigInt64Array(P)];
    for (const { id, samples } of members) {
      const made = [...this.fits.values()].filter((fit) => fit.client === id && fit.round === round && fit.model === model && fit.samples === samples);
      sums = sums.flatMap((sum) => made.map((fit) => sum.map((value, p) => value + BigInt(samples) * BigInt(fit.numbers[p]))));
    }
    const found = sums.find((sum) => sha256(sum) === digest);
    check(found !== undefined, "I7", () => `a sum of ${members.map(({ id }) => id)} in round ${round} that is none of what they made`);
    return found;
  }

  #closed({ round, model, clients }: Extract<Entry, { kind: "closed" }>): void {
    const { policy, rounds, float32 } = this.options;
    check(this.isOpen && round === this.round, "I3", () => `round ${round} closes while ${this.round} is ${this.isOpen ? "open" : "closed"}`);
    const expected = [...this.updates.keys()].sort();
    check(expected.join() === clients.join(), "I2", () => `round ${round} closes with ${clients}, counted were ${expected}`);
    check(this.#hadEnough || (policy.deadlineMs !== null && expected.length >= policy.minClients), "attempt", () => `round ${round} closes with ${expected.length} updates`);
    this.parameters = float32 ? this.#average() : this.#mean();
    this.model = sha256(this.parameters);
    check(model === this.model, "I4", () => `round ${round} ends with model ${model.slice(0, 8)}, its updates make ${this.model.slice(0, 8)}`);
    this.models.set(round + 1, model);
    this.included.set(round, expected);
    this.updates.clear();
    this.isOpen = false;
    this.isDone = round === rounds;
  }

  /** w + round(Σ n q / Σ n) / 2^24, halves away from zero. */
  #mean(): Float32Array {
    const total = this.#sums.reduce((sum, each) => sum + each.total, 0n);
    return this.parameters.map((w, p) => {
      const sum = this.#sums.reduce((value, { weight, numbers }) => value + weight * BigInt(numbers[p]), 0n);
      const size = sum < 0n ? -sum : sum;
      const rounded = size / total + (2n * (size % total) >= total ? 1n : 0n);
      return w + Math.fround(Math.fround(Number(sum < 0n ? -rounded : rounded)) * 2 ** -24);
    });
  }

  /** Σ (n / Σ n) w in float32, one client after the other by name. */
  #average(): Float32Array {
    const sorted = [...this.#sums].sort((a, b) => (a.client < b.client ? -1 : 1));
    const total = sorted.reduce((sum, { weight }) => sum + Number(weight), 0);
    return this.parameters.map((_, p) =>
      sorted.reduce((sum, { weight, numbers }) => Math.fround(sum + Math.fround(Math.fround(Number(weight) / total) * Number(numbers[p]))), -0));
  }
}
