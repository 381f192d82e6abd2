/**
 * @module
 * The orchestrator: holds the global parameters, hands them out, sums what comes back. Decisions are
 * orchestration.ts's; here is the arithmetic, the bytes and the waiting.
 *
 *     const orchestrator = new Orchestrator({ clients: ["a", "b"], parameters, rounds: 50, fingerprint });
 *     // orchestrator.handle is an Exchange: give it to clients, or serve it
 *     const { parameters, history } = await orchestrator.finished;
 */
import { checkBuild, type BuildName } from "../kernels/build.ts";
import { accumulator, countMisfits, LATTICE_BOUND, LATTICE_SCALE, MAX_TOTAL_SAMPLES, type Accumulator } from "./accumulator.ts";
import { sha256 } from "./checksum.ts";
import type { Exchange } from "./exchange.ts";
import { checkClientId, checkFingerprint, decode, encode, FrameError, MAX_GATHER_LENGTH, type Arithmetic, type Message, type Reply, type Request } from "./message.ts";
import { sum, type Merge } from "./merge.ts";
import { begin, EVALUATION, step, type Effect, type Envelope, type Event, type ReplyOrder, type State } from "./orchestration.ts";
import { fedAvg, type ServerOptimizer } from "./strategy.ts";

export type { Merge };

export interface OrchestratorOptions {
  /** Ids of the clients; each takes part in every round. */
  readonly clients: readonly string[];
  /** Initial global parameters (P). */
  readonly parameters: Float32Array;
  /** The last round. */
  readonly rounds: number;
  /** Hexadecimal hash of the model's spec: see fingerprintOf. */
  readonly fingerprint: string;
  /** The first round, 1 unless training goes on from earlier parameters. */
  readonly startRound?: number;
  /** Plain JSON for the learners in a round, at most about 60 KiB. */
  readonly training?: (round: number) => unknown;
  /** The build of the kernels that every client trains with, simd unless given: two builds differ in the last places. */
  readonly build?: BuildName;
  /** Needs the lattice. */
  readonly strategy?: ServerOptimizer;
  /** "float32" averages parameters as plain FedAvg does, and holds every client's until the round closes. */
  readonly arithmetic?: Arithmetic;
  /** Default: elementwise sum; empty contributions take no part. */
  readonly merge?: Merge;
  readonly limits?: {
    /** The most samples an update may claim, 2^20 unless given: a client's weight is capped. */
    readonly samples?: number;
    /** The largest change of one parameter in a round, 128 (the lattice) unless given. */
    readonly change?: number;
  };
  /** Called in order of rounds, when every client has evaluated the round's new parameters. */
  readonly onRound?: (report: RoundReport, parameters: Float32Array) => void | Promise<void>;
}

export interface ClientReport {
  readonly id: string;
  readonly samples: number;
  /** Mean training loss, as the learner computes it. */
  readonly loss: number;
  /** Up and down, of frames about this round. */
  readonly bytes: number;
  /** What the learner's evaluate() returned for the round's new parameters. */
  readonly evaluation: Float64Array;
}

export interface RoundReport {
  readonly round: number;
  readonly samples: number;
  readonly bytes: number;
  /** SHA-256 of the parameters after the round, as little-endian float32. */
  readonly sha256: string;
  /** Sorted by id. */
  readonly clients: readonly ClientReport[];
}

export interface Result {
  readonly build: BuildName;
  readonly parameters: Float32Array;
  readonly sha256: string;
  readonly history: readonly RoundReport[];
}

interface Ticket {
  readonly message: Request;
  readonly bytes: number;
  readonly answer: (reply: Uint8Array) => void;
}

/** What is known of a closed round until it is reported. */
interface Closed {
  readonly parameters: Float32Array;
  readonly sha256: Promise<string>;
  readonly updates: readonly { readonly samples: number; readonly loss: number }[];
}

export class Orchestrator {
  /** Resolves when every client has evaluated the parameters of the last round; rejects when the run fails. */
  readonly finished: Promise<Result>;
  readonly #history: RoundReport[] = [];
  readonly #options: OrchestratorOptions;
  readonly #strategy: ServerOptimizer;
  readonly #merge: Merge;
  readonly #sum: Accumulator;
  /** The largest number of an update: lattice steps. */
  readonly #bound: number;
  readonly #tickets = new Map<number, Ticket>();
  /** Contributions and merged numbers, by round and topic. */
  readonly #kept = new Map<string, (Float64Array | undefined)[]>();
  readonly #merged = new Map<string, Float64Array>();
  readonly #closed = new Map<number, Closed>();
  /** Bytes by round, then by client. */
  readonly #traffic = new Map<number, number[]>();
  readonly #events: Event[] = [];
  #parameters: Float32Array;
  #state: State;
  #modelFrame: { readonly order: string; readonly frame: Uint8Array } | undefined;
  #reports: Promise<void> = Promise.resolve();
  #nextTicket = 0;
  #stepping = false;
  #resolve!: (result: Result) => void;
  #reject!: (error: unknown) => void;

  constructor(options: OrchestratorOptions) {
    const { arithmetic = "lattice", startRound = 1, build = "simd" } = options;
    const { maxSamples, bound } = checkOptions(options);
    this.#options = options;
    this.#bound = bound;
    this.#strategy = options.strategy ?? fedAvg();
    this.#merge = options.merge ?? sum;
    this.#parameters = options.parameters.slice();
    this.#sum = accumulator(arithmetic, options.parameters.length);
    this.#state = begin({
      clients: [...options.clients].sort(),
      startRound,
      rounds: options.rounds,
      fingerprint: options.fingerprint,
      build,
      parameters: options.parameters.length,
      arithmetic,
      maxSamples,
    });
    this.finished = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.finished.catch(() => {}); // a failure also reaches every client; not to wait for this promise is no second error
  }

  /** The rounds reported so far. */
  get history(): readonly RoundReport[] {
    return this.#history;
  }

  /** The orchestrator as an Exchange. A request that is no message of ours is answered like any other: refused. */
  readonly handle: Exchange = async (request, signal) => {
    let message: Message;
    try {
      message = decode(request, Math.max(4 * this.#parameters.length, 8 * MAX_GATHER_LENGTH));
      if (!isRequest(message)) throw new FrameError("frame", `message "${message.kind}" is a reply`);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      return this.#encodeReply({ kind: "refused", code: error.code, reason: error.message });
    }
    const envelope = await this.#measure(message, request);
    signal?.throwIfAborted();
    return new Promise((resolve, reject) => {
      const ticket = this.#nextTicket++;
      const leave = () => {
        reject(signal!.reason);
        this.#tickets.delete(ticket);
        this.#dispatch({ type: "left", ticket });
      };
      const answer = (reply: Uint8Array) => {
        signal?.removeEventListener("abort", leave);
        resolve(reply);
      };
      signal?.addEventListener("abort", leave, { once: true });
      this.#tickets.set(ticket, { message, bytes: request.length, answer });
      this.#dispatch({ type: "arrived", ticket, message: envelope });
    });
  };

  async #measure(message: Request, frame: Uint8Array): Promise<Envelope> {
    if (message.kind !== "update" && message.kind !== "gather") return message;
    const digest = await sha256(frame);
    const { numbers, ...fields } = message;
    const misfits = numbers instanceof Int32Array ? countMisfits(numbers, this.#bound) : countMisfits(numbers);
    const elements = numbers instanceof Int32Array ? "int32" : numbers instanceof Float32Array ? "float32" : "float64";
    return { ...fields, elements, length: numbers.length, misfits, digest };
  }

  /** Events made by effects queue up behind the one in work, so that the core sees one at a time. */
  #dispatch(event: Event): void {
    this.#events.push(event);
    if (this.#stepping) return;
    this.#stepping = true;
    for (let next = this.#events.shift(); next; next = this.#events.shift()) {
      const { state, effects } = step(this.#state, next);
      this.#state = state;
      for (const effect of effects) this.#attempt(effect);
    }
    this.#stepping = false;
  }

  #attempt(effect: Effect): void {
    try {
      this.#perform(effect);
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#reject(error);
    this.#dispatch({ type: "failed", reason: reasonOf(error) });
  }

  #perform(effect: Effect): void {
    switch (effect.type) {
      case "reply": return this.#reply(effect.ticket, effect.reply);
      case "fold": return this.#fold(effect);
      case "keep": return this.#keep(effect);
      case "merge": return this.#mergeTopic(effect);
      case "close": return this.#close(effect);
      case "report": return this.#report(effect.round);
      case "forget": return void this.#merged.delete(keyOf(effect));
      case "finish": return this.#finish();
    }
  }

  #reply(number: number, order: ReplyOrder): void {
    const ticket = this.#tickets.get(number);
    if (!ticket) return; // the client left
    this.#tickets.delete(number);
    let reply: Uint8Array;
    try {
      reply = this.#encodeReply(order); // runs the caller's `training`
    } catch (error) {
      ticket.answer(this.#encodeReply({ kind: "refused", code: "failed", reason: reasonOf(error) }));
      throw error;
    }
    this.#count(ticket, order, ticket.bytes + reply.length);
    ticket.answer(reply);
  }

  /** A model is the same bytes for every client, and encoded once. */
  #encodeReply(order: ReplyOrder): Uint8Array {
    if (order.kind !== "model" && order.kind !== "done") return encode(this.#complete(order));
    const key = `${order.kind} ${order.round}`;
    if (this.#modelFrame?.order !== key) this.#modelFrame = { order: key, frame: encode(this.#complete(order)) };
    return this.#modelFrame.frame;
  }

  #complete(order: ReplyOrder): Reply {
    const { fingerprint, training } = this.#options;
    switch (order.kind) {
      case "model": return { ...order, fingerprint, settings: training?.(order.round) ?? null, numbers: this.#parameters };
      case "done": return { ...order, fingerprint, numbers: this.#parameters };
      case "gathered": return { ...order, fingerprint, numbers: this.#merged.get(keyOf(order))! };
      default: return { ...order, fingerprint };
    }
  }

  /** A frame counts for the round it is about; joining, setting up and the final download count for none. */
  #count({ message }: Ticket, order: ReplyOrder, bytes: number): void {
    const round = order.kind === "model" || order.kind === "accepted" || order.kind === "gathered" ? order.round : 0;
    if (round === 0) return;
    const traffic = this.#traffic.get(round) ?? this.#state.plan.clients.map(() => 0);
    traffic[this.#state.plan.clients.indexOf(message.client)] += bytes;
    this.#traffic.set(round, traffic);
  }

  #fold({ ticket, round, client, samples }: Extract<Effect, { type: "fold" }>): void {
    const { message } = this.#tickets.get(ticket)!;
    if (message.kind === "update") this.#sum.add(client, message.numbers, samples);
    this.#dispatch({ type: "folded", round, client });
  }

  #keep(effect: Extract<Effect, { type: "keep" }>): void {
    const { message } = this.#tickets.get(effect.ticket)!;
    const kept = this.#kept.get(keyOf(effect)) ?? [];
    if (message.kind === "gather") kept[effect.client] = message.numbers;
    this.#kept.set(keyOf(effect), kept);
  }

  #mergeTopic(effect: Extract<Effect, { type: "merge" }>): void {
    const kept = this.#kept.get(keyOf(effect))!;
    this.#merged.set(keyOf(effect), this.#merge(effect.topic, new Map(this.#state.plan.clients.map((id, index) => [id, kept[index]!]))));
    if (effect.topic !== EVALUATION) this.#kept.delete(keyOf(effect)); // an evaluation is kept until it is reported
    this.#dispatch({ type: "merged", topic: effect.topic, round: effect.round });
  }

  #close({ round, updates }: Extract<Effect, { type: "close" }>): void {
    const mean = this.#sum.drain();
    const next = this.#state.plan.arithmetic === "lattice" ? this.#strategy(this.#parameters, mean, round) : mean;
    if (next.length !== this.#parameters.length || countMisfits(next) > 0) {
      throw new RangeError(`round ${round}: the strategy's parameters expected ${this.#parameters.length} finite numbers`);
    }
    this.#parameters = next;
    this.#closed.set(round, { parameters: next, sha256: sha256(next), updates });
    this.#dispatch({ type: "closed", round });
  }

  /** Reports wait for each other, so that whoever listens hears the rounds in order. */
  #report(round: number): void {
    const { parameters, sha256, updates } = this.#closed.get(round)!;
    const key = keyOf({ topic: EVALUATION, round });
    const kept = this.#kept.get(key)!;
    const traffic = this.#traffic.get(round)!;
    this.#closed.delete(round);
    this.#kept.delete(key);
    for (const counted of this.#traffic.keys()) if (counted <= round) this.#traffic.delete(counted);
    const clients = this.#state.plan.clients.map((id, index) => ({ id, ...updates[index], bytes: traffic[index], evaluation: kept[index]! }));
    const total = (amount: (client: ClientReport) => number) => clients.reduce((sum, client) => sum + amount(client), 0);
    this.#reports = this.#reports.then(async () => {
      const report = { round, samples: total(({ samples }) => samples), bytes: total(({ bytes }) => bytes), sha256: await sha256, clients };
      this.#history.push(report);
      await this.#options.onRound?.(report, parameters);
    });
    this.#reports.catch((error) => this.#fail(error));
  }

  #finish(): void {
    const history = this.#history;
    this.#reports.then(() => this.#resolve({ build: this.#state.plan.build, parameters: this.#parameters, sha256: history[history.length - 1].sha256, history }), () => {});
  }
}

const keyOf = ({ topic, round }: { readonly topic: string; readonly round: number }): string => `${round} ${topic}`;

const reasonOf = (error: unknown): string => String(error instanceof Error ? error.message : error).slice(0, 1024);

const isRequest = (message: Message): message is Request => "client" in message;

function checkOptions({ clients, parameters, rounds, fingerprint, startRound = 1, build = "simd", arithmetic, strategy, limits }: OrchestratorOptions) {
  const count = (title: string, value: number, min: number, max: number) => {
    if (!Number.isInteger(value) || value < min || value > max) throw new RangeError(`"${title}" expected integer from ${min} to ${max}, got ${value}`);
  };
  checkFingerprint(fingerprint);
  checkBuild(build);
  clients.forEach(checkClientId);
  if (new Set(clients).size !== clients.length) throw new RangeError(`"clients" expected distinct ids, got ${clients.join(", ")}`);
  count("rounds", rounds, 1, 1_000_000);
  count("startRound", startRound, 1, rounds);
  if (parameters.length === 0 || countMisfits(parameters) > 0) throw new RangeError(`"parameters" expected finite numbers, at least one`);
  if (arithmetic === "float32" && strategy) throw new RangeError(`"strategy" works on the lattice; with arithmetic "float32" the new parameters are the clients' average as it is`);
  const { samples: maxSamples = 2 ** 20, change = 128 } = limits ?? {};
  count("limits.samples", maxSamples, 1, 2 ** 31 - 1);
  if (clients.length === 0 || clients.length * maxSamples > MAX_TOTAL_SAMPLES) {
    throw new RangeError(`"clients" expected 1 to ${Math.floor(MAX_TOTAL_SAMPLES / maxSamples)} with at most ${maxSamples} samples each, got ${clients.length}; lower limits.samples for more`);
  }
  if (!(change > 0 && change <= 128)) throw new RangeError(`"limits.change" expected above 0 and at most 128, got ${change}`);
  return { maxSamples, bound: Math.min(LATTICE_BOUND, Math.floor(change * LATTICE_SCALE)) };
}
