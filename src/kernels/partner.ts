/**
 * @module
 * A second thread that runs one kernel call while this thread runs another, over one shared memory.
 *
 * The two speak through a few words of that memory, and nothing is copied:
 *
 *     | state | …one cache line… | kernel | arguments, int32 … |
 *
 *     idle ──this thread──► called ──partner──► running ──partner──► idle, or failed
 *
 * Atomics order everything else: whoever sees the state change sees what was written before it. Calls
 * last some milliseconds and follow each other closely, so each side looks at the state for a while
 * before it sleeps on it.
 *
 * Which thread ran a call does not show in its result, so neither does the partner.
 */
import { instantiateSync } from "@assemblyscript/loader";
import type { WasmExports } from "#wasm";
import type { Build } from "./build.ts";
import { Kernels } from "./kernels.ts";

/**
 * Kernels that a partner runs, by their place: the number is what travels. They write nowhere but where
 * their arguments point, so both threads may be in one at a time; dropout, with its static words, is none.
 */
const CALLS = [
  "lstmForward", "lstmBackward", "lstmGradients", "lstmInput",
  "gruForward", "gruBackward", "gruGradients", "gruInput",
] as const;
export type Call = (typeof CALLS)[number];
export type Arguments<K extends Call> = Parameters<WasmExports[K]>;

const IDLE = 0, CALLED = 1, RUNNING = 2, FAILED = 3, CLOSED = 4;
const STATE = 0, KERNEL = 16, ARGUMENTS = 17, WORDS = 48;

/**
 * Looks at the state before sleeping on it, some 40 microseconds. Looking on for milliseconds gains little
 * where both threads have a core, and where they share one it keeps the other from its work: a small
 * network's step was measured to take 50 times as long.
 */
const LOOKS = 5_000;
const SLEEP_MS = 1000;
const SLEEPS = 30;
/** In place of all sleeps on the main thread of a browser, which may only look. */
const LOOKS_AWAKE = 1e10;

/** What the other thread is given to begin with. */
export interface Place {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** Pointer to the words above. */
  readonly control: number;
}

/** A thread as the runtime has it: how to hand it its place, and how to end it. */
export interface Thread {
  /** Resolves when the thread has begun to serve; rejects when it cannot. */
  begin(place: Place): Promise<void>;
  end(): Promise<void> | void;
  /** Called at most once, should the thread die. */
  onDeath(report: (cause: Error) => void): void;
}

/** The owner's side. Made by `startPartner`. */
export class Partner {
  /** The memory that both threads work in. What is allocated there stays until the partner is closed and forgotten. */
  readonly kernels: Kernels;
  readonly #thread: Thread;
  readonly #control: number;
  readonly #words: Int32Array;
  /** False on the main thread of a browser. */
  readonly #maySleep: boolean;
  readonly #sleeps: number;
  #ended: Error | undefined;

  private constructor(kernels: Kernels, thread: Thread, sleeps: number) {
    this.kernels = kernels;
    this.#thread = thread;
    this.#control = kernels.allocate(4 * WORDS);
    this.#words = kernels.int32(this.#control, WORDS);
    this.#maySleep = maySleep(this.#words);
    this.#sleeps = sleeps;
    thread.onDeath((cause) => (this.#ended ??= new Error(`the partner thread died: ${cause.message}`, { cause })));
  }

  /**
   * A partner on a thread that the runtime's entry has made.
   * @param sleeps of a second each, after which a thread that has not taken a call up is gone; a suspended machine sleeps once
   */
  static async on(thread: Thread, build?: Build, sleeps = SLEEPS): Promise<Partner> {
    const kernels = new Kernels({ build, shared: true });
    const partner = new Partner(kernels, thread, sleeps);
    try {
      await thread.begin({ module: kernels.build.sharedModule, memory: kernels.memory, control: partner.#control });
    } catch (error) {
      await thread.end();
      throw error;
    }
    return partner;
  }

  /**
   * Run a kernel on the partner and `here` on this thread, and return when both are done.
   * @throws Error when the partner is closed or dead, or the kernel trapped there; or what `here` throws
   */
  run<K extends Call>(kernel: K, args: Arguments<K>, here: () => void): void {
    if (this.#ended) throw this.#ended;
    const words = this.#words;
    words[KERNEL] = CALLS.indexOf(kernel);
    args.forEach((value, index) => (words[ARGUMENTS + index] = Number(value)));
    Atomics.store(words, STATE, CALLED);
    Atomics.notify(words, STATE);
    try {
      here();
    } finally {
      this.#finish(kernel);
    }
  }

  #finish(kernel: Call): void {
    const words = this.#words;
    for (let looks = 0, sleeps = 0; ; looks++) {
      const state = Atomics.load(words, STATE);
      if (state === IDLE) return;
      if (state === FAILED) {
        Atomics.store(words, STATE, IDLE);
        throw new Error(`${kernel} failed in the partner thread`);
      }
      // Once it runs it comes back: what a kernel throws is reported as failed, and nobody else can end the thread.
      const waited = sleeps > this.#sleeps || looks > LOOKS_AWAKE;
      if (waited && Atomics.compareExchange(words, STATE, CALLED, CLOSED) === CALLED) {
        this.#ended = new Error("the partner thread does not answer: it has ended or was ended; start another");
        throw this.#ended;
      }
      if (this.#maySleep && looks > LOOKS) {
        Atomics.wait(words, STATE, state, SLEEP_MS);
        sleeps++;
      }
    }
  }

  /** Ends the thread. Networks over its memory can be read, not trained. */
  async close(): Promise<void> {
    this.#ended ??= new Error("the partner was closed");
    Atomics.store(this.#words, STATE, CLOSED);
    Atomics.notify(this.#words, STATE);
    await this.#thread.end();
  }
}

/**
 * Two calls of a kernel of which neither reads what the other writes: at once where there is a partner,
 * one after the other where there is none, or `there` is not given.
 */
export function runPair<K extends Call>(kernels: Kernels, partner: Partner | undefined, kernel: K, here: Arguments<K>, there?: Arguments<K>): void {
  const call = kernels.wasm[kernel] as unknown as (...args: Arguments<K>) => void;
  if (partner && there) return partner.run(kernel, there, () => call(...here));
  call(...here);
  if (there) call(...there);
}

/** The partner's side: `ready` is called once, then calls are served until the owner closes. */
export function serve({ module, memory, control }: Place, ready: () => void): void {
  const wasm = instantiateSync<WasmExports>(module, { env: { memory } }).exports;
  const kernels = CALLS.map((name) => wasm[name] as unknown as (...args: number[]) => void);
  const words = new Int32Array(memory.buffer, control, WORDS);
  ready();
  for (let looks = 0; ; looks++) {
    const state = Atomics.load(words, STATE);
    if (state === CLOSED) return;
    if (state === CALLED && Atomics.compareExchange(words, STATE, CALLED, RUNNING) === CALLED) {
      Atomics.store(words, STATE, attempt(() => kernels[words[KERNEL]](...words.subarray(ARGUMENTS))) ? IDLE : FAILED);
      Atomics.notify(words, STATE);
      looks = 0;
    } else if (looks > LOOKS) {
      Atomics.wait(words, STATE, state);
    }
  }
}

function attempt(call: () => void): boolean {
  try {
    call();
    return true;
  } catch {
    return false;
  }
}

/** Whether this thread may sleep on a word; asked with a value that it does not have, so that it never does. */
function maySleep(words: Int32Array): boolean {
  return attempt(() => Atomics.wait(words, STATE, ~words[STATE], 0));
}
