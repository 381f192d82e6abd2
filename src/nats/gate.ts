/**
 * @module
 * How many large bodies are in hand at a time, so that memory stays flat when a thousand clients finish a round at once.
 */
export class Gate {
  #free: number;
  readonly #queue: (() => void)[] = [];

  constructor(places: number) {
    if (!Number.isInteger(places) || places < 1) throw new RangeError(`"concurrency" expected integer >= 1, got ${places}`);
    this.#free = places;
  }

  /** Resolves when there is a place, with how to give it back; giving it back twice is once. */
  async enter(): Promise<() => void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#queue.push(resolve));
    let inside = true;
    return () => {
      if (!inside) return;
      inside = false;
      const next = this.#queue.shift();
      if (next) next();
      else this.#free++;
    };
  }
}
