/**
 * @module
 * A factory's side of a federation. Data stays with the learner; parameters, changes and counts travel.
 *
 *     const client = new FactoryClient({ id: "plant-3", exchange, learner, fingerprint });
 *     const parameters = await client.run();
 */
import { checkBuild, type BuildName } from "../kernels/build.ts";
import { countMisfits, encodeChange } from "./accumulator.ts";
import type { Exchange } from "./exchange.ts";
import { checkClientId, checkFingerprint, decode, encode, MAX_GATHER_LENGTH, type Arithmetic, type RefusalCode, type Reply, type Request } from "./message.ts";
import { EVALUATION } from "./orchestration.ts";
import { begin, step, type Effect, type Event } from "./participation.ts";

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
  /** The build of the kernels that the learner trains with, equal to the orchestrator's. Default: simd. */
  readonly build?: BuildName;
}

/** The orchestrator refused a request; docs/protocol.md lists the codes. */
export class RefusedError extends RangeError {
  override readonly name = "RefusedError";
  readonly code: RefusalCode;
  constructor(code: RefusalCode, message: string) {
    super(message);
    this.code = code;
  }
}

export class FactoryClient {
  readonly id: string;
  readonly #exchange: Exchange;
  readonly #learner: Learner;
  readonly #fingerprint: string;
  readonly #build: BuildName;

  constructor({ id, exchange, learner, fingerprint, build = "simd" }: FactoryClientOptions) {
    this.id = checkClientId(id);
    this.#exchange = exchange;
    this.#learner = learner;
    this.#fingerprint = checkFingerprint(fingerprint);
    this.#build = checkBuild(build);
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
    const reply = await this.#ask({ kind: "gather", client: this.id, fingerprint: this.#fingerprint, topic, round: 0, numbers }, signal);
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
    const sender = { client: this.id, fingerprint: this.#fingerprint };
    switch (effect.type) {
      case "join":
      case "pull": {
        const request: Request = effect.type === "join" ? { kind: "join", ...sender, build: this.#build } : { kind: "pull", ...sender };
        const reply = await this.#ask(request, signal);
        if (reply.kind === "welcome") this.#checkLength(reply.parameters);
        if (reply.kind === "model" || reply.kind === "done") {
          this.load(reply.numbers);
          round.global = reply.numbers;
        }
        if (reply.kind === "model") round.settings = reply.settings;
        return { type: "answered", reply };
      }
      case "evaluate":
        round.figures = await this.evaluate();
        return { type: "evaluated" };
      case "contribute":
        return { type: "answered", reply: await this.#ask({ kind: "gather", ...sender, topic: EVALUATION, round: effect.round, numbers: round.figures }, signal) };
      case "fit": {
        const { samples, loss } = await this.train({ round: effect.round, settings: round.settings, signal });
        if (!Number.isFinite(loss)) throw this.#diverged(effect.round, `loss is ${loss}`);
        return { type: "trained", samples, loss };
      }
      case "update": {
        const { round: number, samples, loss, arithmetic } = effect;
        const numbers = this.#update(number, round.global, arithmetic);
        return { type: "answered", reply: await this.#ask({ kind: "update", ...sender, round: number, samples, loss, numbers }, signal) };
      }
    }
  }

  #update(round: number, global: Float32Array, arithmetic: Arithmetic): Int32Array | Float32Array {
    if (arithmetic === "float32") return this.#learner.parameters;
    const { lattice, misfits } = encodeChange(this.#learner.parameters, global);
    if (misfits > 0) throw this.#diverged(round, `${misfits} of ${global.length} parameters are not finite or moved by 128 or more`);
    return lattice;
  }

  async #ask(request: Request, signal?: AbortSignal): Promise<Reply> {
    const frame = await this.#exchange(encode(request), signal);
    const reply = decode(frame, Math.max(4 * this.#learner.parameters.length, 8 * MAX_GATHER_LENGTH));
    if ("client" in reply) throw new RangeError(`orchestrator answered with a request, "${reply.kind}"`);
    if (reply.kind === "refused") throw new RefusedError(reply.code, `client "${this.id}": ${nameOf(request)} refused: ${reply.reason}`);
    if (reply.fingerprint !== this.#fingerprint) throw new RangeError(`orchestrator answered about model ${reply.fingerprint}, not ${this.#fingerprint}`);
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

/** What is in hand during a round. */
interface Round {
  global: Float32Array;
  settings: unknown;
  figures: Float64Array;
}

const nameOf = (request: Request): string => {
  if (request.kind === "update") return `update of round ${request.round}`;
  return request.kind === "gather" ? `gather "${request.topic}"` : request.kind;
};
