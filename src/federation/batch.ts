/**
 * @module
 * Group commit: calls that wait are written together, in order, and settle together. A write that fails is the last.
 */
export interface Writers<T> {
  readonly append: (items: readonly T[]) => Promise<void>;
  readonly snapshot: (item: T) => Promise<void>;
  /** Why nothing is taken any more, after a write that failed. */
  readonly stopped: (cause: unknown) => unknown;
}

interface Call<T> {
  readonly kind: "append" | "snapshot";
  readonly items: readonly T[];
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** Calls that wait are written together up to this, in bytes; with more the first of them would wait long, and all be in memory twice. */
export const BATCH_BYTES = 2 ** 23;

export class Batches<T> {
  /** Why nothing is taken; undefined while something is. */
  ended: unknown;
  readonly #writers: Writers<T>;
  readonly #queue: Call<T>[] = [];
  #work: Promise<void> | undefined;

  constructor(writers: Writers<T>) {
    this.#writers = writers;
  }

  /** Appends may share a write, a snapshot is its own. @param bytes of the items */
  async add(kind: Call<T>["kind"], items: readonly T[], bytes: number): Promise<void> {
    if (this.ended !== undefined) throw this.ended;
    return new Promise((resolve, reject) => {
      this.#queue.push({ kind, items, bytes, resolve, reject });
      this.#work ??= this.#run();
    });
  }

  /** Resolves when all that was asked for is written or has failed. */
  async idle(): Promise<void> {
    await this.#work;
  }

  async #run(): Promise<void> {
    await undefined; // calls of one turn are written together
    while (this.#queue.length > 0) {
      const calls = this.#take();
      try {
        const items = calls.flatMap((call) => call.items);
        if (calls[0].kind === "snapshot") await this.#writers.snapshot(items[0]);
        else if (items.length > 0) await this.#writers.append(items);
        for (const call of calls) call.resolve();
      } catch (cause) {
        this.ended = this.#writers.stopped(cause);
        for (const call of [...calls, ...this.#queue.splice(0)]) call.reject(this.ended);
      }
    }
    this.#work = undefined;
  }

  /** The next call, with the appends that may share its write. */
  #take(): Call<T>[] {
    let [count, bytes] = [1, this.#queue[0].bytes];
    if (this.#queue[0].kind === "append") {
      for (; this.#queue[count]?.kind === "append" && bytes + this.#queue[count].bytes <= BATCH_BYTES; count++) bytes += this.#queue[count].bytes;
    }
    return this.#queue.splice(0, count);
  }
}
