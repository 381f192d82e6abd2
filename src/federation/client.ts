/**
 * @module
 * A factory's side of a federation. Data stays with the learner; parameters, changes and counts travel.
 *
 *     const client = new FactoryClient({ id: "plant-3", exchange, learner, fingerprint });
 *     const parameters = await client.run();
 */
import { checkBuild, type BuildName } from "../kernels/build.ts";
import { countMisfits, encodeChange } from "./accumulator.ts";
import { sha256 } from "./checksum.ts";
import type { Digest } from "./clock.ts";
import type { Exchange } from "./exchange.ts";
import { checkClientId, checkFingerprint, checkTask, decode, encode, MAX_GATHER_LENGTH, maxNumbersBytes, type Arithmetic, type Reply, type Request } from "./message.ts";
import { begin, step, type Effect, type Event } from "./participation.ts";
import { askUntilAnswered, MisplacedError, RefusedError, type Retry } from "./retry.ts";
import { EVALUATION } from "./state.ts";

export { RefusedError, type Retry };

export interface FitOptions {
  readonly round: number;
  /** What the orchestrator's `training` returned for this round: JSON from outside, which the learner checks. */
  readonly settings: unknown;
  readonly signal?: AbortSignal;
}

export interface FitResult {
  /** How many samples the update stands for: its weight in the average. */
  readonly samples: number;
  /** Mean training loss, for people to look at. */
  readonly loss: number;
  /** Gradient steps done. */
  readonly steps: number;
}

/** What a client federates: parameters that can learn from local data. */
export interface Learner {
  /** (P) written into before each fit and evaluation. Read anew each time, since views of kernel memory come and go. */
  readonly parameters: Float32Array;
  /** Training samples at hand. */
  readonly samples: number;
  /** Train from the present parameters. Nothing but the parameters is carried from round to round: the optimizer starts fresh. */
  fit(options: FitOptions): Promise<FitResult>;
  /** Sums and counts over local held-out data, never rows. Absent: this client has none to give. */
  evaluate?(): Promise<Float64Array>;
}

export interface FactoryClientOptions {
  /** As in the orchestrator's list. */
  readonly id: string;
  readonly exchange: Exchange;
  readonly learner: Learner;
  /** Hexadecimal hash of the model's spec, equal to the orchestrator's: see fingerprintOf. */
  readonly fingerprint: string;
  /** The federation's name, as the orchestrator has it. Default: "local". */
  readonly task?: string;
  /** The build of the kernels that the learner trains with, equal to the orchestrator's. Default: simd. */
  readonly build?: BuildName;
  /** Ask again when the exchange fails, for as long as it takes. Absent: a failed exchange ends the run. */
  readonly retry?: Retry;
  /** Where an update stays until a later model shows that nobody needs it any more. Default: memory. */
  readonly outbox?: Outbox;
  readonly digest?: Digest;
}

/** Holds one update frame. A durable one lets a client that was killed send what it had made, and not train again. */
export interface Outbox {
  read(): Promise<Uint8Array | undefined>;
  /** Durable when resolved. */
  write(frame: Uint8Array): Promise<void>;
}

/** Refusals of an update or of figures that say: too late, go on with the next model. */
const OVERTAKEN: ReadonlySet<string> = new Set(["late", "round", "model", "duplicate"]);

export class FactoryClient {
  readonly id: string;
  readonly #exchange: Exchange;
  readonly #learner: Learner;
  readonly #named: { readonly task: string; readonly fingerprint: string };
  readonly #build: BuildName;
  readonly #retry: Retry | undefined;
  readonly #outbox: Outbox;
  readonly #digest: Digest;
  /** The greatest epoch of an orchestrator that has answered: an older one has lost its lease. */
  #epoch = 0;

  constructor({ id, exchange, learner, fingerprint, task = "local", build = "simd", retry, outbox = memoryOutbox(), digest = sha256 }: FactoryClientOptions) {
    this.id = checkClientId(id);
    this.#exchange = exchange;
    this.#learner = learner;
    this.#named = { task: checkTask(task), fingerprint: checkFingerprint(fingerprint) };
    this.#build = checkBuild(build);
    this.#retry = retry;
    this.#outbox = outbox;
    this.#digest = digest;
  }

  /** Training samples at hand. */
  get samples(): number {
    return this.#learner.samples;
  }

  /** Take over parameters (P). */
  load(parameters: Float32Array): void {
    const { length } = this.#learner.parameters;
    if (parameters.length !== length) throw new RangeError(`client "${this.id}": expected ${length} parameters, got ${parameters.length}`);
    if (countMisfits(parameters) > 0) throw new RangeError(`client "${this.id}": parameters expected finite numbers`);
    this.#learner.parameters.set(parameters);
  }

  /** Train locally, from the parameters that are loaded. */
  train(options: FitOptions): Promise<FitResult> {
    return this.#learner.fit(options);
  }

  /** Sums and counts of the loaded parameters on local held-out data. */
  async evaluate(): Promise<Float64Array> {
    return (await this.#learner.evaluate?.()) ?? new Float64Array(0);
  }

  /**
   * Contribute numbers to a topic; resolves with the merged numbers when every client has. For what
   * has to be agreed before training: moments for scaling, centres of operating regimes.
   */
  async gather(topic: string, numbers: Float64Array, signal?: AbortSignal): Promise<Float64Array> {
    const reply = await this.#ask({ kind: "gather", client: this.id, ...this.#named, topic, round: 0, numbers }, signal);
    if (reply.kind !== "gathered") throw new RangeError(`orchestrator answered "${reply.kind}" to a gather`);
    return reply.numbers;
  }

  /**
   * The same for more numbers than a gather takes, as topics `topic/0`, `topic/1` … of MAX_GATHER_LENGTH each, one after
   * the other. A merge that works element by element, as the default sum does, does not notice.
   */
  async gatherLong(topic: string, numbers: Float64Array, signal?: AbortSignal): Promise<Float64Array> {
    const merged = new Float64Array(numbers.length);
    for (let from = 0; from < numbers.length; from += MAX_GATHER_LENGTH) {
      const part = await this.gather(`${topic}/${from / MAX_GATHER_LENGTH}`, numbers.slice(from, from + MAX_GATHER_LENGTH), signal);
      merged.set(part, from);
    }
    return merged;
  }

  /**
   * Take part until training is over; resolves with the final parameters, which are also loaded.
   * @throws RefusedError when the orchestrator refuses; RangeError when training diverges; whatever the learner throws.
   */
  run(signal?: AbortSignal): Promise<Float32Array> {
    const ending = new AbortController();
    const either = signal ? AbortSignal.any([signal, ending.signal]) : ending.signal;
    // When training fails, the figures may still be on their way: nobody waits for them any more.
    return this.#participate(either).finally(() => ending.abort());
  }

  /** Drive the core: what an effect leads to is the next event. */
  #participate(signal: AbortSignal): Promise<Float32Array> {
    const round: Round = { global: new Float32Array(0), settings: null, figures: new Float64Array(0) };
    let state = begin();
    return new Promise((resolve, reject) => {
      const dispatch = (event: Event) => {
        const next = step(state, event);
        state = next.state;
        for (const effect of next.effects) {
          if (effect.type === "finish") resolve(round.global);
          else this.#perform(effect, round, signal).then(dispatch).catch(reject);
        }
      };
      dispatch({ type: "start" });
    });
  }

  async #perform(effect: Exclude<Effect, { type: "finish" }>, round: Round, signal: AbortSignal): Promise<Event> {
    signal.throwIfAborted();
    const sender = { client: this.id, ...this.#named };
    switch (effect.type) {
      case "join": {
        const reply = await this.#ask({ kind: "join", ...sender, build: this.#build }, signal);
        if (reply.kind === "welcome") this.#checkLength(reply.parameters);
        return { type: "answered", reply };
      }
      case "pull": return this.#pulled(await this.#ask({ kind: "pull", ...sender }, signal), round);
      case "evaluate":
        round.figures = await this.evaluate();
        return { type: "evaluated" };
      case "contribute":
        await this.#askUnlessOvertaken({ kind: "gather", ...sender, topic: EVALUATION, round: effect.round, numbers: round.figures }, signal);
        return { type: "contributed" };
      case "fit": {
        const { samples, loss } = await this.train({ round: effect.round, settings: round.settings, signal });
        if (!Number.isFinite(loss)) throw this.#diverged(effect.round, `loss is ${loss}`);
        return { type: "trained", samples, loss };
      }
      case "update": {
        const { type, arithmetic, ...fields } = effect;
        const numbers = round.kept ?? this.#update(fields.round, round.global, arithmetic);
        const request: Request = { kind: "update", ...sender, ...fields, numbers };
        const frame = encode(request);
        if (!round.kept) await this.#outbox.write(frame);
        await this.#askUnlessOvertaken(request, signal, frame);
        return { type: "updated" };
      }
    }
  }

  async #pulled(reply: Reply, round: Round): Promise<Event> {
    if (reply.kind !== "model" && reply.kind !== "done") return { type: "answered", reply };
    const hash = await this.#digest(new Uint8Array(reply.numbers.buffer, reply.numbers.byteOffset, reply.numbers.byteLength));
    if (hash !== reply.model) throw new RangeError(`client "${this.id}": model of round ${reply.round} expected hash ${reply.model}, got ${hash}`);
    this.load(reply.numbers);
    round.global = reply.numbers;
    round.kept = undefined;
    if (reply.kind === "done") return { type: "answered", reply };
    round.settings = reply.settings;
    const kept = await this.#keptFor(reply.round, reply.model);
    round.kept = kept?.numbers;
    return { type: "answered", reply, ...(kept && { kept: { samples: kept.samples, loss: kept.loss } }) };
  }

  /** An update that was made from this very model before, perhaps by a process that was killed. */
  async #keptFor(round: number, model: string): Promise<Extract<Request, { kind: "update" }> | undefined> {
    const frame = await this.#outbox.read();
    if (!frame) return undefined;
    let kept;
    try {
      kept = decode(frame);
    } catch {
      return undefined; // torn by a crash: it was not sent, and is made again
    }
    const { task, fingerprint } = this.#named;
    const same = kept.kind === "update" && kept.task === task && kept.fingerprint === fingerprint && kept.client === this.id && kept.round === round && kept.model === model;
    return same ? (kept as Extract<Request, { kind: "update" }>) : undefined;
  }

  #update(round: number, global: Float32Array, arithmetic: Arithmetic): Int32Array | Float32Array {
    if (arithmetic === "float32") return this.#learner.parameters;
    const { lattice, misfits } = encodeChange(this.#learner.parameters, global);
    if (misfits > 0) throw this.#diverged(round, `${misfits} of ${global.length} parameters are not finite or moved by 128 or more`);
    return lattice;
  }

  async #askUnlessOvertaken(request: Request, signal: AbortSignal, frame?: Uint8Array): Promise<void> {
    try {
      await this.#ask(request, signal, frame);
    } catch (error) {
      if (!(error instanceof RefusedError && OVERTAKEN.has(error.code))) throw error;
    }
  }

  #ask(request: Request, signal?: AbortSignal, frame: Uint8Array = encode(request)): Promise<Reply> {
    const most = maxNumbersBytes(this.#learner.parameters.length);
    return askUntilAnswered(this.#exchange, frame, (reply) => this.#checked(request, decode(reply, most)), this.#retry, signal);
  }

  #checked(request: Request, reply: ReturnType<typeof decode>): Reply {
    if ("client" in reply) throw new MisplacedError(`orchestrator answered with a request, "${reply.kind}"`);
    // Its model was handed out, so the round is closed: who does not know that speaks for an orchestrator that is no more.
    if (reply.kind === "refused" && reply.code === "round" && request.kind === "gather" && request.topic === EVALUATION) {
      throw new Error(`an orchestrator answered that has not closed round ${request.round}: it has been replaced`);
    }
    if (reply.kind === "refused") throw new RefusedError(reply.code, `client "${this.id}": ${nameOf(request)} refused: ${reply.reason}`);
    if (reply.kind === "description") throw new MisplacedError(`orchestrator answered "description" to ${nameOf(request)}`);
    if (reply.fingerprint !== this.#named.fingerprint || reply.task !== this.#named.task) {
      throw new MisplacedError(`orchestrator answered about model ${reply.fingerprint} of "${reply.task}", not ${this.#named.fingerprint} of "${this.#named.task}"`);
    }
    if (reply.kind !== "model" && reply.kind !== "done") return reply;
    if (reply.epoch < this.#epoch) throw new Error(`an orchestrator of epoch ${reply.epoch} answered, after one of ${this.#epoch}: it has been replaced`);
    this.#epoch = reply.epoch;
    return reply;
  }

  #checkLength(parameters: number): void {
    const { length } = this.#learner.parameters;
    if (parameters !== length) throw new RangeError(`client "${this.id}": the federation's model has ${parameters} parameters, the learner ${length}; use the same model spec everywhere`);
  }

  #diverged(round: number, why: string): RangeError {
    return new RangeError(`client "${this.id}": round ${round}: training diverged: ${why}; lower the learning rate or clip the gradient`);
  }
}

const memoryOutbox = (): Outbox => {
  let kept: Uint8Array | undefined;
  return { read: async () => kept, write: async (frame) => void (kept = frame) };
};

/** What is in hand during a round. */
interface Round {
  /** The numbers of an update that was made from this model before. */
  kept?: Int32Array | Float32Array | BigInt64Array;
  global: Float32Array;
  settings: unknown;
  figures: Float64Array;
}

const nameOf = (request: Request): string => {
  if (request.kind === "update") return `update of round ${request.round}`;
  return request.kind === "gather" ? `gather "${request.topic}"` : request.kind;
};
