/**
 * @module
 * The orchestrator: holds the global parameters, hands them out, sums what comes back. Decisions are
 * orchestration.ts's and numbers are holdings.ts's; here are the bytes, the waiting and the writing down.
 *
 *     const orchestrator = new Orchestrator({ clients: ["a", "b"], parameters, rounds: 50, fingerprint });
 *     // orchestrator.handle is an Exchange: give it to clients, or serve it
 *     const { parameters, history } = await orchestrator.finished;
 *
 * With a store, `await Orchestrator.open(options, await openStore(disk, …))`, it goes on after any crash
 * where it was: nobody is told anything before it is durable.
 */
import { countMisfits, countSumMisfits } from "./accumulator.ts";
import { sha256 } from "./checksum.ts";
import { systemClock, type Clock, type Digest } from "./clock.ts";
import { fromStored, toStored, type Entry, type StoredEntry } from "./entry.ts";
import { Holdings } from "./holdings.ts";
import { decode, encode, FrameError, maxNumbersBytes, type Message, type RefusalCode, type Reply, type Request } from "./message.ts";
import type { Merge } from "./merge.ts";
import { checkClients, checkOptions, type Answer, type ClientReport, type OrchestratorOptions, type Result, type RoundReport } from "./options.ts";
import { step, type Effect, type Envelope, type Event, type ReplyOrder } from "./orchestration.ts";
import { Reports } from "./reports.ts";
import { apply, begin, restarted, wakeAtMs, type State } from "./state.ts";
import type { Opened, Store } from "./store.ts";

export type { Answer, ClientReport, Merge, OrchestratorOptions, Result, RoundReport };

interface Ticket {
  readonly message: Exclude<Request, { kind: "describe" }>;
  readonly bytes: number;
  readonly answer: (reply: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
}

/** The kind of entry that a snapshot is. */
const SNAPSHOT = "state";
const NOTHING = new Uint8Array(0);

export class Orchestrator {
  /** Resolves when the parameters of the last round are evaluated; rejects when the run fails. */
  readonly finished: Promise<Result>;
  /** Resolves with the reason when nothing is answered any more: a disk that fails, also after the run has finished, needs another start. */
  readonly stopped: Promise<Error>;
  readonly #options: OrchestratorOptions;
  readonly #clock: Clock;
  readonly #digest: Digest;
  /** Absent: nothing outlives the process. */
  readonly #store: Store | undefined;
  readonly #holdings: Holdings;
  /** The largest number of an update: lattice steps. */
  readonly #bound: number;
  readonly #tickets = new Map<number, Ticket>();
  readonly #reports: Reports;
  readonly #events: Event[] = [];
  /** Entries that wait for a snapshot, which has to be of all entries before it and none behind it. */
  readonly #held: { readonly entry: Entry; readonly bytes: Uint8Array }[] = [];
  #inFlight = 0;
  #snapshotDue = false;
  #state: State;
  #modelFrame: { readonly order: string; readonly frame: Uint8Array } | undefined;
  #nextTicket = 0;
  #stepping = false;
  /** Why nothing is answered any more. */
  #stopped: Error | undefined;
  #tellStopped!: (reason: Error) => void;
  #cancelTimer = () => {};
  #ready: Promise<void>;
  #resolve!: (result: Result) => void;
  #reject!: (error: unknown) => void;

  constructor(options: OrchestratorOptions) {
    this.#clock = options.clock ?? systemClock;
    this.#digest = options.digest ?? sha256;
    const { plan, bound } = checkOptions(options);
    this.#options = options;
    this.#bound = bound;
    this.#store = storeOf(options);
    this.#reports = new Reports(options);
    this.#holdings = new Holdings({ ...options, arithmetic: plan.arithmetic });
    this.#state = begin(plan, [...options.clients].sort(), [...(options.aggregators ?? [])].sort(), this.#store?.epoch);
    this.finished = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.stopped = new Promise((resolve) => (this.#tellStopped = resolve));
    this.finished.catch(() => {}); // a failure also reaches every client; not to wait for this promise is no second error
    this.#ready = this.#store ? Promise.resolve() : this.#begin();
  }

  /**
   * An orchestrator that writes down what is true before it tells anybody, and begins where the store ends.
   * @throws RangeError when the store is of another federation, or what is in it does not lead to the hashes that are in it
   */
  static async open(options: OrchestratorOptions, { store, snapshot, entries }: Pick<Opened, "store" | "snapshot" | "entries">): Promise<Orchestrator> {
    const orchestrator = new Orchestrator(Object.assign({ ...options }, { [STORE]: store }));
    await orchestrator.#recover(snapshot, entries);
    await orchestrator.#begin();
    return orchestrator;
  }

  /** The rounds reported so far, since the last start; the newest, where no more are kept. */
  get history(): readonly RoundReport[] {
    return this.#reports.history;
  }

  /** What is known now: plain JSON. */
  get state(): State {
    return this.#state;
  }

  /** What a topic has been merged to, if it has. */
  merged(topic: string, round = 0): Float64Array | undefined {
    return this.#holdings.merged(topic, round);
  }

  /** Who may take part, from now on. @throws RangeError for an id that is none, or more clients than a sum can hold */
  enrol(clients: readonly string[], aggregators: readonly string[] = []): void {
    checkClients(clients, this.#state.plan.policy.maxSamples);
    this.#dispatch({ type: "enrolled", clients: [...clients].sort(), aggregators: [...aggregators].sort() });
  }

  /** Nothing is answered any more; the store can be closed. */
  stop(reason = new Error("the orchestrator has stopped")): void {
    if (this.#stopped) return;
    this.#stopped = reason;
    this.#cancelTimer();
    for (const { reject } of this.#tickets.values()) reject(reason);
    this.#tickets.clear();
    this.#reject(reason);
    this.#tellStopped(reason);
  }

  /**
   * The orchestrator as an Exchange. A request that is no message of ours is answered like any other: refused.
   * @param sender who is proven to have sent it, where somebody has checked: it speaks for itself, an aggregator for its members too
   */
  readonly handle = async (request: Uint8Array, signal?: AbortSignal, sender?: string): Promise<Uint8Array> => {
    await this.#ready;
    if (this.#stopped) throw this.#stopped;
    const bytesIn = request.length; // closures that outlive this turn must not hold the request, whose numbers are copied
    let message: Message;
    try {
      message = decode(request, maxNumbersBytes(this.#holdings.parameters.length));
      if (!isRequest(message)) throw new FrameError("frame", `message "${message.kind}" is a reply`);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      return this.#refuse({ client: sender }, bytesIn, error.code, error.message);
    }
    if (sender !== undefined && message.client !== sender && !this.#state.aggregators.includes(sender)) {
      return this.#refuse({ client: sender, request: message.kind }, bytesIn, "client", `a message of client "${message.client}", but it was "${sender}" who sent it`);
    }
    if (message.kind === "describe") {
      const reply = encode({ kind: "description", task: this.#state.plan.task, description: this.#options.description ?? null });
      this.#options.onAnswer?.({ client: message.client, request: message.kind, reply: "description", bytesIn, bytesOut: reply.length });
      return reply;
    }
    const measured = message;
    const envelope = await this.#measure(measured);
    signal?.throwIfAborted();
    if (this.#stopped) throw this.#stopped;
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
      this.#tickets.set(ticket, { message: measured, bytes: bytesIn, answer, reject });
      this.#dispatch({ type: "arrived", ticket, message: envelope });
    });
  };

  #refuse(who: Pick<Answer, "client" | "request">, bytesIn: number, code: RefusalCode, reason: string): Uint8Array {
    const reply = this.#encodeReply({ kind: "refused", code, reason });
    this.#options.onAnswer?.({ ...who, reply: "refused", code, reason, bytesIn, bytesOut: reply.length });
    return reply;
  }

  async #begin(): Promise<void> {
    if (this.#state.phase === "starting" && this.#state.attempt === 0) this.#dispatch({ type: "begun", model: await this.#digest(bytesOf(this.#holdings.parameters)) });
    else this.#dispatch({ type: "woke" });
  }

  async #recover(snapshot: StoredEntry | undefined, entries: AsyncIterable<StoredEntry>): Promise<void> {
    if (snapshot) {
      const { state, holdings } = snapshot.fields as { readonly state: State; readonly holdings: Parameters<Holdings["unpack"]>[0] };
      this.#checkPlan(state);
      this.#state = state;
      this.#holdings.unpack(holdings, snapshot.numbers);
      const { round, models, included } = state;
      this.#reports.close(round - 1, { parameters: this.#holdings.parameters, sha256: models[round], updates: included });
    }
    for await (const stored of entries) {
      const entry = fromStored(stored);
      if (entry.kind === "closed") await this.#checkComputed(entry.round, entry.model);
      this.#absorb(entry, stored.numbers);
      this.#state = apply(this.#state, entry, 0);
    }
    this.#state = restarted(this.#state, this.#store!.epoch, this.#clock.nowMs());
  }

  #checkPlan({ plan }: State): void {
    const { task, fingerprint, parameters, arithmetic, build } = this.#state.plan;
    for (const [name, here] of Object.entries({ task, fingerprint, parameters, arithmetic, build })) {
      const there = plan[name as "task"];
      if (there !== here) throw new RangeError(`the state is of another federation: its ${name} is ${there}, here ${here}; give another folder, or the configuration it was made with`);
    }
  }

  async #checkComputed(round: number, model: string): Promise<void> {
    const here = await this.#digest(bytesOf(this.#holdings.compute(round)));
    if (here !== model) throw new RangeError(`journal: round ${round} has model ${model}, its updates make ${here}; an entry was altered, or another strategy is set`);
  }

  async #measure(message: Exclude<Request, { kind: "describe" }>): Promise<Envelope> {
    if (message.kind !== "update" && message.kind !== "gather") return message;
    const { numbers, ...fields } = message;
    const digest = await this.#digest(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength));
    const shape = { length: numbers.length, digest };
    if (numbers instanceof BigInt64Array) return { ...fields, ...shape, elements: "int64", misfits: countSumMisfits(numbers, "samples" in fields ? fields.samples : 0, this.#bound) } as Envelope;
    const misfits = numbers instanceof Int32Array ? countMisfits(numbers, this.#bound) : countMisfits(numbers);
    return { ...fields, ...shape, elements: numbers instanceof Int32Array ? "int32" : numbers instanceof Float32Array ? "float32" : "float64", misfits } as Envelope;
  }

  /** Events made by effects queue up behind the one in work, so that the core sees one at a time. */
  #dispatch(event: Event): void {
    this.#events.push(event);
    if (this.#stepping || this.#stopped) return;
    this.#stepping = true;
    for (let next = this.#events.shift(); next && !this.#stopped; next = this.#events.shift()) {
      const { state, effects } = step(this.#state, next, this.#clock.nowMs());
      this.#state = state;
      for (const effect of effects) this.#attempt(effect);
    }
    this.#stepping = false;
    if (!this.#stopped) this.#setTimer();
  }

  #setTimer(): void {
    this.#cancelTimer();
    const atMs = wakeAtMs(this.#state);
    this.#cancelTimer = atMs === undefined ? () => {} : this.#clock.after(Math.max(0, atMs - this.#clock.nowMs()), () => this.#dispatch({ type: "woke" }));
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
      case "write":
        // What cannot be merged is found before it is written down.
        if (effect.entry.kind === "merged") this.#holdings.merge(effect.entry);
        return this.#write(effect.entry, this.#numbersOf(effect.entry, effect.ticket));
      case "compute": return this.#compute(effect.round);
      case "report": return this.#report(effect.round);
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
    const { client, kind: request } = ticket.message;
    const refusal = order.kind === "refused" ? { code: order.code, reason: order.reason } : undefined;
    this.#options.onAnswer?.({ client, request, reply: order.kind, ...refusal, bytesIn: ticket.bytes, bytesOut: reply.length });
    ticket.answer(reply);
  }

  /** A model is the same bytes for every client, and encoded once. */
  #encodeReply(order: ReplyOrder): Uint8Array {
    if (order.kind !== "model" && order.kind !== "done") return encode(this.#complete(order));
    const key = `${order.kind} ${order.round} ${order.kind === "model" ? order.attempt : 0}`;
    if (this.#modelFrame?.order !== key) this.#modelFrame = { order: key, frame: encode(this.#complete(order)) };
    return this.#modelFrame.frame;
  }

  #complete(order: ReplyOrder): Reply {
    const { training, fingerprint } = this.#options;
    const named = { task: this.#state.plan.task, fingerprint };
    switch (order.kind) {
      case "model": return { ...order, ...named, settings: training?.(order.round) ?? null, numbers: this.#holdings.parameters };
      case "done": return { ...order, ...named, numbers: this.#holdings.parameters };
      case "gathered": return { ...order, ...named, numbers: this.#holdings.merged(order.topic, order.round)! };
      default: return { ...order, ...named };
    }
  }

  /** A frame counts for the round it is about; joining, setting up and the final download count for none. */
  #count({ message }: Ticket, order: ReplyOrder, bytes: number): void {
    const round = order.kind === "model" || order.kind === "accepted" || order.kind === "gathered" ? order.round : 0;
    if (round === 0) return;
    this.#reports.count(round, message.client, bytes);
  }

  #numbersOf(entry: Entry, ticket: number | undefined): Uint8Array {
    if (entry.kind === "opened") return entry.attempt === 1 ? bytesOf(this.#holdings.parameters) : NOTHING;
    const message = ticket === undefined ? undefined : this.#tickets.get(ticket)?.message;
    return message && "numbers" in message ? bytesOf(message.numbers) : NOTHING;
  }

  #write(entry: Entry, bytes: Uint8Array): void {
    if (!this.#store) return this.#written(entry, bytes);
    if (this.#snapshotDue) return void this.#held.push({ entry, bytes });
    this.#inFlight += 1;
    this.#store.append([toStored(entry, bytes)]).then(() => {
      this.#inFlight -= 1;
      if (!this.#stopped) this.#written(entry, bytes);
    }, (error) => this.stop(asError(error)));
  }

  /** The entry is durable. */
  #written(entry: Entry, bytes: Uint8Array): void {
    try {
      this.#absorb(entry, bytes);
    } catch (error) {
      return this.#fail(error);
    }
    if (entry.kind === "opened" && entry.attempt === 1) this.#snapshotDue = this.#store !== undefined;
    this.#dispatch({ type: "written", entry });
    this.#options.onEntry?.(entry);
    this.#snapshotIfDue();
  }

  /** A snapshot is of a moment in which nothing is on its way: what comes meanwhile waits for it. */
  #snapshotIfDue(): void {
    if (!this.#snapshotDue || this.#inFlight > 0 || this.#stepping) return;
    const { fields: holdings, bytes: numbers } = this.#holdings.pack();
    this.#snapshotDue = false;
    this.#store!.snapshot({ kind: SNAPSHOT, fields: { state: restarted(this.#state, this.#state.epoch, 0), holdings }, numbers }).catch((error) => this.stop(asError(error)));
    for (const { entry, bytes } of this.#held.splice(0)) this.#write(entry, bytes);
  }

  /** While it runs as while it recovers: before the core is told. */
  #absorb(entry: Entry, bytes: Uint8Array): void {
    this.#holdings.absorb(entry, bytes);
    if (entry.kind === "closed") this.#reports.close(entry.round, { parameters: this.#holdings.parameters, sha256: entry.model, updates: this.#state.updates });
  }

  #compute(round: number): void {
    const next = this.#holdings.compute(round);
    this.#digest(bytesOf(next)).then((model) => this.#dispatch({ type: "computed", round, model }), (error) => this.#fail(error));
  }

  /** What cannot be reported, as on a full disk, is no fault of the federation: where it can be started again, clients wait for that. */
  #report(round: number): void {
    const told = this.#reports.report(round, this.#holdings.evaluations(round));
    told.catch((error) => (this.#store ? this.stop(asError(error)) : this.#fail(error)));
  }

  #finish(): void {
    const { plan: { build }, models, round } = this.#state;
    const result = { build, parameters: this.#holdings.parameters, sha256: models[round + 1], history: this.#reports.history };
    this.#reports.told.then(() => this.#resolve(result), () => {});
  }
}

/** How `open` hands its store to the constructor, and nobody else does. */
const STORE = Symbol("store");
const storeOf = (options: OrchestratorOptions): Store | undefined => (options as { readonly [STORE]?: Store })[STORE];

const bytesOf = (numbers: ArrayBufferView): Uint8Array => new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

const reasonOf = (error: unknown): string => String(error instanceof Error ? error.message : error).slice(0, 1024);

const isRequest = (message: Message): message is Request => "client" in message;
