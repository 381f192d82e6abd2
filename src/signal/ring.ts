/**
 * @module
 * The last samples of one channel, in WebAssembly memory: one writer, any number of readers, fixed memory.
 *
 *     | head, claimed | a b c d e f g h … capacity samples … | a b c … window − 1 of them again |
 *
 * The first samples are kept twice, once behind the last. So a window never wraps: wherever it begins,
 * it is one piece of memory, and a kernel reads it in place through its pointer. The price is a second
 * write of these samples, and their memory; nothing is ever copied to be read.
 *
 * The writer never waits. A reader that falls more than the capacity behind has lost samples: they are
 * skipped, counted, and named by the view that follows.
 *
 * In a shared memory, writer and readers may be on different threads. Two counters order them, both of
 * samples since the beginning: `claimed` says what is being overwritten before it is, `head` what is whole
 * after it is. A reader looks at `claimed` again when it is done with a view (a sequence lock: Lameter
 * 2005; Boehm 2012, "Can seqlocks get along with programming language memory models?").
 */
import type { Arena } from "../kernels/arena.ts";

/** What a ring needs of kernels: a block of their memory. */
export type Memory = Pick<Arena, "memory" | "allocate">;

export interface RingOptions {
  /** Samples that are kept: how far a reader may fall behind. */
  readonly capacity: number;
  /** The longest view that a reader asks for, at most the capacity. */
  readonly window: number;
}

/** Where a ring lies: plain data, so that another thread can open the ring over the same shared memory. */
export interface RingPlace extends RingOptions {
  readonly memory: WebAssembly.Memory;
  readonly pointer: number;
}

export interface RingView {
  /** Byte address of the first sample, for kernels of the same memory. */
  readonly pointer: number;
  /** The samples in place: valid until `advance`, or until the memory grows. */
  readonly values: Float32Array;
  /** Samples written before the first of these, since the ring was made. */
  readonly position: number;
  /** Samples between the end of the last advance and this view that were overwritten before they were read. */
  readonly lost: number;
}

const HEAD = 0, CLAIMED = 1, FENCE = 2;
/** Bytes before the samples: a cache line. */
const HEADER = 64;

/** One channel's last samples. Made by the writer's thread; others `Ring.at` the place of it. */
export class Ring {
  readonly place: RingPlace;
  #buffer: ArrayBufferLike;
  #counters: BigInt64Array;
  #samples: Float32Array;

  constructor(arena: Memory, { capacity, window }: RingOptions) {
    if (!(Number.isInteger(capacity) && capacity >= 1)) throw new RangeError(`"capacity" expected integer >= 1, got ${capacity}`);
    if (!(Number.isInteger(window) && window >= 1 && window <= capacity)) {
      throw new RangeError(`"window" expected an integer from 1 to the capacity of ${capacity}, got ${window}`);
    }
    const pointer = arena.allocate(HEADER + 4 * (capacity + window - 1));
    this.place = { memory: arena.memory, pointer, capacity, window };
    [this.#buffer, this.#counters, this.#samples] = viewsOf(this.place);
  }

  /** The ring at a place that another thread has sent. */
  static at(place: RingPlace): Ring {
    return new Ring({ memory: place.memory, allocate: () => place.pointer }, place);
  }

  /** Samples written since the ring was made. */
  get head(): number {
    this.#refresh();
    return Number(Atomics.load(this.#counters, HEAD));
  }

  /** Samples written before the oldest that is still whole. */
  get tail(): number {
    this.#refresh();
    return Math.max(0, Number(Atomics.load(this.#counters, CLAIMED)) - this.place.capacity);
  }

  /** Append samples; of more than the capacity only the last are kept. For one thread only. */
  write(values: Float32Array): void {
    const { capacity, window } = this.place;
    const head = this.head;
    const after = head + values.length;
    Atomics.store(this.#counters, CLAIMED, BigInt(after));
    // Reading it back keeps the writes below behind the claim: a later plain store may overtake a store, not this load.
    Atomics.load(this.#counters, CLAIMED);
    const samples = this.#samples;
    let at = Math.max(head, after - capacity);
    for (let index = at - head; index < values.length;) {
      const slot = at % capacity;
      const count = Math.min(capacity - slot, after - at);
      samples.set(values.subarray(index, index + count), slot);
      if (slot < window - 1) samples.copyWithin(capacity + slot, slot, Math.min(slot + count, window - 1));
      at += count;
      index += count;
    }
    Atomics.store(this.#counters, HEAD, BigInt(after));
    Atomics.notify(this.#counters, HEAD);
  }

  /** A reader that begins with the oldest sample that is kept, or behind the newest. */
  reader(from: "oldest" | "newest" = "oldest"): RingReader {
    return new RingReader(this, from === "oldest" ? this.tail : this.head);
  }

  /** Byte address of the sample at a position, for kernels of the same memory. */
  pointer(position: number): number {
    const { pointer, capacity } = this.place;
    return pointer + HEADER + 4 * (position % capacity);
  }

  /** The samples from a position on, in place; they must be kept and written. */
  view(position: number, count: number): Float32Array {
    this.#refresh();
    const from = position % this.place.capacity;
    return this.#samples.subarray(from, from + count);
  }

  /** Whether everything from this position on is as it was written, asked after it was read. */
  intact(position: number): boolean {
    // A store between the plain loads before and the load of `tail` keeps the two in order.
    Atomics.add(this.#counters, FENCE, 1n);
    return position >= this.tail;
  }

  /**
   * Sleep until more than `head` samples are written, or a time has passed; for a thread that may sleep.
   * @throws TypeError where the memory is not shared: nobody could write meanwhile
   */
  wait(head: number, timeoutMs = Infinity): boolean {
    this.#refresh();
    Atomics.wait(this.#counters, HEAD, BigInt(head), timeoutMs);
    return this.head > head;
  }

  /** Growing a memory detaches the views of it. */
  #refresh(): void {
    if (this.#buffer !== this.place.memory.buffer) [this.#buffer, this.#counters, this.#samples] = viewsOf(this.place);
  }
}

function viewsOf({ memory: { buffer }, pointer, capacity, window }: RingPlace): [ArrayBufferLike, BigInt64Array, Float32Array] {
  return [buffer, new BigInt64Array(buffer, pointer, 3), new Float32Array(buffer, pointer + HEADER, capacity + window - 1)];
}

/** A place in a ring that moves on, and an account of what it missed. */
export class RingReader {
  readonly #ring: Ring;
  #position: number;
  #lost = 0;
  #reported = 0;

  constructor(ring: Ring, position: number) {
    this.#ring = ring;
    this.#position = position;
  }

  /** Samples that were overwritten before this reader was done with them, all in all. */
  get lost(): number {
    return this.#lost;
  }

  /** Samples that wait to be read. */
  get available(): number {
    this.#skip();
    return this.#ring.head - this.#position;
  }

  /**
   * The next `count` samples where they lie, or undefined while there are fewer. Reading does not move on.
   * @throws RangeError for more samples than the ring's window
   */
  read(count: number): RingView | undefined {
    const { window } = this.#ring.place;
    if (!(Number.isInteger(count) && count >= 1 && count <= window)) {
      throw new RangeError(`"count" expected an integer from 1 to the ring's window of ${window}, got ${count}; make the ring with a longer window`);
    }
    if (this.available < count) return undefined;
    const position = this.#position;
    const lost = this.#lost - this.#reported;
    this.#reported = this.#lost;
    return { pointer: this.#ring.pointer(position), values: this.#ring.view(position, count), position, lost };
  }

  /**
   * Move on, less than was read where windows overlap, and free what lies before.
   * @returns false when the writer overtook what was read: results of that view are to be thrown away
   */
  advance(count: number): boolean {
    if (!(Number.isInteger(count) && count >= 0)) throw new RangeError(`"count" expected integer >= 0, got ${count}`);
    const whole = this.#ring.intact(this.#position);
    if (!whole) this.#skip();
    else this.#position += Math.min(count, this.#ring.head - this.#position);
    return whole;
  }

  #skip(): void {
    const missed = this.#ring.tail - this.#position;
    if (missed <= 0) return;
    this.#lost += missed;
    this.#position += missed;
  }
}
