/**
 * @module
 * Virtual time: what is to happen, in order, and one thing at a time. The next event begins when no promise
 * of the one before has anything left to do, so a seed decides everything.
 */
import { crc32 } from "../../src/federation/checksum.ts";
import type { Clock } from "../../src/federation/clock.ts";
import type { Random } from "../../src/kernels/random.ts";

/** One incarnation of a program. What is scheduled for a dead one does not happen; for a frozen one it happens when it thaws. */
export class Process {
  readonly name: string;
  alive = true;
  /** It runs, but its disk belongs to another, since this event. */
  fenced = false;
  fencedAt = 0;
  frozenUntilMs = 0;
  /** How its clock runs: a quartz that is off, and a machine that was started some time ago. */
  readonly rate: number;
  readonly offsetMs: number;
  readonly #schedule: Schedule;

  constructor(schedule: Schedule, name: string, rate = 1, offsetMs = 0) {
    this.#schedule = schedule;
    this.name = name;
    this.rate = rate;
    this.offsetMs = offsetMs;
  }

  readonly clock: Clock = {
    nowMs: () => this.offsetMs + this.rate * this.#schedule.nowMs,
    after: (ms, callback) => this.#schedule.in(ms / this.rate, `${this.name} timer`, callback, this),
  };

  /** What a promise that belongs to this process resolves with is of no interest to a dead one. */
  guard<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      promise.then((value) => { if (this.alive) resolve(value); }, (error) => { if (this.alive) reject(error); });
    });
  }
}

interface Scheduled {
  atMs: number;
  readonly tie: number;
  readonly order: number;
  readonly label: string;
  run: (() => void) | undefined;
  readonly process: Process | undefined;
}

const KEPT = 50;

export class Schedule {
  nowMs = 0;
  /** Events so far. */
  count = 0;
  /** Called after each event, when everything that it led to has come to rest. */
  afterEach = () => {};
  readonly #heap: Scheduled[] = [];
  readonly #random: Random;
  /** The last lines, in a ring: put into words when somebody asks. */
  readonly #last: { readonly nowMs: number; readonly text: string; readonly bytes: number; readonly sum: number }[] = [];
  #notes = 0;
  #order = 0;
  #hash = 0x811c9dc5;

  constructor(random: Random) {
    this.#random = random;
  }

  /** @returns how to cancel */
  in(ms: number, label: string, run: () => void, process?: Process): () => void {
    const event: Scheduled = { atMs: this.nowMs + Math.max(0, ms), tie: this.#random.uniform(), order: this.#order++, label, run, process };
    this.#push(event);
    return () => { event.run = undefined; };
  }

  /** A line of the trace, which two runs of a seed must have in common. */
  note(text: string, bytes?: Uint8Array): void {
    // A frame ends with its own checksum, so that of all its bytes is always the same.
    const sum = bytes ? crc32(bytes.subarray(1)) : 0;
    let hash = this.#hash ^ Math.round(this.nowMs * 1000) ^ sum;
    for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
    this.#hash = Math.imul(hash ^ (bytes?.length ?? 0), 0x01000193);
    this.#last[this.#notes++ % KEPT] = { nowMs: this.nowMs, text, bytes: bytes?.length ?? -1, sum };
  }

  get hash(): number {
    return this.#hash >>> 0;
  }

  get last(): readonly string[] {
    const from = Math.max(0, this.#notes - KEPT);
    return Array.from({ length: this.#notes - from }, (_, index) => {
      const { nowMs, text, bytes, sum } = this.#last[(from + index) % KEPT];
      return `${(nowMs / 1000).toFixed(3).padStart(9)} s  ${text}${bytes < 0 ? "" : ` ${bytes} bytes, ${sum.toString(16)}`}`;
    });
  }

  /** Until `isOver`, or nothing is left to happen. @throws what an event or afterEach throws */
  run(isOver: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      // A tick that a microtask asks for comes when no microtask is left: everything that was to follow from the event has.
      const rest = () => queueMicrotask(() => process.nextTick(turn));
      const turn = () => {
        try {
          this.afterEach();
          const event = isOver() ? undefined : this.#next();
          if (!event) return resolve();
          this.nowMs = Math.max(this.nowMs, event.atMs);
          this.count++;
          this.note(event.label);
          event.run!();
          rest();
        } catch (error) {
          reject(error);
        }
      };
      rest();
    });
  }

  #next(): Scheduled | undefined {
    for (let event = this.#pop(); event; event = this.#pop()) {
      const { process: of } = event;
      if (!event.run || (of && !of.alive)) continue;
      if (!of || of.frozenUntilMs <= Math.max(this.nowMs, event.atMs)) return event;
      event.atMs = of.frozenUntilMs;
      this.#push(event);
    }
    return undefined;
  }

  #push(event: Scheduled): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    for (let up = (at - 1) >> 1; at > 0 && before(event, heap[up]); up = (at - 1) >> 1) {
      heap[at] = heap[up];
      at = up;
    }
    heap[at] = event;
  }

  #pop(): Scheduled | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const moved = heap.pop();
    if (heap.length === 0 || !moved) return first;
    let at = 0;
    for (let down = 1; down < heap.length; down = 2 * at + 1) {
      if (down + 1 < heap.length && before(heap[down + 1], heap[down])) down++;
      if (!before(heap[down], moved)) break;
      heap[at] = heap[down];
      at = down;
    }
    heap[at] = moved;
    return first;
  }
}

const before = (a: Scheduled, b: Scheduled): boolean => (a.atMs !== b.atMs ? a.atMs < b.atMs : a.tie !== b.tie ? a.tie < b.tie : a.order < b.order);
