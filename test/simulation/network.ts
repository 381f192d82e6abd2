/**
 * @module
 * A network that loses, repeats, reorders, delays and damages what it carries, as a seed decides. An exchange
 * is two messages, and everything may happen to each of them.
 */
import { Unanswered, type Exchange } from "../../src/federation/exchange.ts";
import type { Random } from "../../src/kernels/random.ts";
import type { Process, Schedule } from "./schedule.ts";

export interface Weather {
  /** Shares of messages. */
  readonly loss: number;
  readonly repeat: number;
  readonly damage: number;
  readonly delayMs: number;
  /** How much longer a message takes at most; a repeated one may take a hundred times as long. */
  readonly spreadMs: number;
  /** After this a server that has nothing to say says so. */
  readonly pollMs: number;
  /** After this a client does not wait any more. */
  readonly patienceMs: number;
}

export const CALM = { loss: 0, repeat: 0, damage: 0, delayMs: 5, spreadMs: 5 } as const;

export interface Server {
  readonly process: Process;
  readonly handle: Exchange;
}

/** Who answers at an address. */
export interface Address {
  readonly name: string;
  now: Server | undefined;
  /** One that has been replaced and does not know it. */
  before: Server | undefined;
}

/** Between a client and an address. Nothing passes until these times. */
export interface Line {
  readonly name: string;
  upBlockedMs: number;
  downBlockedMs: number;
  /** Between these times the client reaches the server before. */
  misledFromMs: number;
  misledToMs: number;
}

interface Call {
  readonly process: Process;
  readonly line: Line;
  readonly settle: (outcome: Uint8Array | Error) => void;
}

export class Network {
  weather: Weather;
  readonly #schedule: Schedule;
  readonly #random: Random;
  /** Calls that a server is at. */
  readonly #at = new Map<Process, Set<Call>>();

  constructor(schedule: Schedule, random: Random, weather: Weather) {
    this.#schedule = schedule;
    this.#random = random;
    this.weather = weather;
  }

  /** The address as an exchange of a client's process. */
  connect(process: Process, line: Line, address: Address): Exchange {
    return (request) => new Promise((resolve, reject) => {
      let open = true;
      const cancel = this.#schedule.in(this.weather.patienceMs, `${line.name} waits no more`, () => settle(new Error("no answer")), process);
      const settle = (outcome: Uint8Array | Error) => {
        if (!open || !process.alive) return;
        open = false;
        cancel();
        if (outcome instanceof Error) reject(outcome);
        else resolve(outcome);
      };
      this.#send(request, { process, line, settle }, address);
    });
  }

  /** A server has died: its peers are told, or find out. */
  reset(process: Process): void {
    for (const call of this.#at.get(process) ?? []) {
      if (this.#random.uniform() < 0.7) this.#schedule.in(this.#delay(), `${call.line.name} is disconnected`, () => call.settle(new Error("connection reset")), call.process);
    }
    this.#at.delete(process);
  }

  #send(request: Uint8Array, call: Call, address: Address): void {
    const { weather } = this;
    if (this.#random.uniform() < weather.repeat) {
      const later = this.#delay() * (1 + 100 * this.#random.uniform());
      this.#schedule.in(later, `${call.line.name} -> ${address.name} again`, () => this.#arrive(request, call, address));
    }
    if (this.#random.uniform() < weather.loss) return this.#schedule.note(`${call.line.name} -> ${address.name} lost`);
    this.#schedule.in(this.#delay(), `${call.line.name} -> ${address.name}`, () => this.#arrive(request, call, address));
  }

  #arrive(request: Uint8Array, call: Call, address: Address): void {
    const { line } = call;
    const schedule = this.#schedule;
    if (schedule.nowMs < line.upBlockedMs) return schedule.note(`${line.name} up is blocked`);
    const server = schedule.nowMs >= line.misledFromMs && schedule.nowMs < line.misledToMs && address.before?.process.alive ? address.before : address.now;
    if (!server?.process.alive) return this.#back(call, new Error("connection refused"));
    const { process } = server;
    const thawMs = process.frozenUntilMs - schedule.nowMs;
    if (thawMs > 0) return void schedule.in(thawMs, `${process.name} thaws`, () => this.#arrive(request, call, address), process);
    const bytes = this.#random.uniform() < this.weather.damage ? this.#damaged(request) : request;
    schedule.note(`${process.name} gets`, bytes);
    const poll = new Poll();
    const done = () => {
      cancel();
      this.#at.get(process)?.delete(call);
    };
    const cancel = schedule.in(this.weather.pollMs, `${process.name} has nothing to say to ${line.name}`, () => {
      done();
      poll.abort();
      this.#back(call, new Unanswered());
    }, process);
    this.#at.set(process, (this.#at.get(process) ?? new Set()).add(call));
    server.handle(bytes, poll as unknown as AbortSignal).then((reply) => {
      if (poll.aborted || !process.alive) return;
      done();
      this.#back(call, this.#random.uniform() < this.weather.damage ? this.#damaged(reply) : reply);
    }, (error) => {
      if (poll.aborted || !process.alive) return;
      done();
      schedule.note(`${process.name} fails: ${error instanceof Error ? error.message : error}`);
      this.#back(call, new Error("the server failed"));
    });
  }

  #back(call: Call, outcome: Uint8Array | Error): void {
    const { line, process, settle } = call;
    if (!process.alive) return;
    if (this.#random.uniform() < this.weather.loss) return this.#schedule.note(`${line.name} <- lost`);
    this.#schedule.in(this.#delay(), `${line.name} <-`, () => {
      if (this.#schedule.nowMs < line.downBlockedMs) return;
      if (outcome instanceof Uint8Array) this.#schedule.note(`${line.name} gets`, outcome);
      settle(outcome);
    }, process);
  }

  #delay(): number {
    const { delayMs, spreadMs } = this.weather;
    return delayMs + spreadMs * this.#random.uniform();
  }

  /** A flipped bit, some garbage, or a part that is missing. */
  #damaged(bytes: Uint8Array): Uint8Array {
    if (bytes.length === 0) return bytes;
    const draw = this.#random.uniform();
    if (draw < 0.2) return bytes.slice(0, this.#random.integer(bytes.length));
    const damaged = bytes.slice();
    const flips = draw < 0.8 ? 1 : 8;
    for (let flip = 0; flip < flips; flip++) damaged[this.#random.integer(bytes.length)] ^= 1 << this.#random.integer(8);
    return damaged;
  }
}

/** What handlers use of an AbortSignal, for a tenth of its cost. */
class Poll {
  aborted = false;
  /** Made when somebody asks: an Error with its stack costs more than the rest of a request. */
  get reason(): Error {
    return new Unanswered();
  }
  #listener: (() => void)[] = [];
  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }
  addEventListener(_: string, listener: () => void): void {
    this.#listener.push(listener);
  }
  removeEventListener(_: string, listener: () => void): void {
    this.#listener = this.#listener.filter((each) => each !== listener);
  }
  abort(): void {
    this.aborted = true;
    for (const listener of this.#listener.splice(0)) listener();
  }
}
