/**
 * @module
 * One series as the kernels take it: four side by side. A plan for a single signal computes four times
 * the same, which costs what one alone would; `Features` fills the lanes with channels and windows.
 */
import type { SignalKernels } from "../kernels/signal.ts";
import { checkLength } from "./fft.ts";

/** Bytes of a sample of four series. */
export const ROW_BYTES = 16;

/** For a gather that has no end to turn back at. */
export const NOWHERE = 2 ** 32 - 1;

/** A place for a signal of N samples in kernel memory. */
export class Block {
  /** Pointer to (N,4), with the room that sorting wants. */
  readonly pointer: number;
  readonly #kernels: SignalKernels;
  readonly #samples: number;
  readonly #staging: number;

  constructor(kernels: SignalKernels, samples: number) {
    this.#kernels = kernels;
    this.#samples = samples;
    this.pointer = kernels.allocate(ROW_BYTES * kernels.wasm.sortRows(samples));
    this.#staging = kernels.allocate(4 * samples);
  }

  /**
   * Fill all four lanes with x (N).
   * @throws TypeError for another kind, RangeError for another length or a sample that is not finite
   */
  load(x: Float32Array): void {
    checkLength("x", x, this.#samples);
    this.#kernels.float32(this.#staging, this.#samples).set(x);
    this.loadAt(this.#staging, 4);
  }

  /** The same of samples in kernel memory that are `strideBytes` apart. */
  loadAt(x: number, strideBytes: number): void {
    const wrong = this.#kernels.wasm.gather(this.pointer, x, x, x, x, strideBytes, this.#samples, NOWHERE, 0);
    if (wrong) throw new RangeError('"x" expected finite samples; fill gaps, or leave out the window, before features are taken');
  }
}

/** The first lane of rows (count,4). */
export function firstLane(kernels: SignalKernels, pointer: number, count: number): Float32Array {
  const rows = kernels.float32(pointer, 4 * count);
  return Float32Array.from({ length: count }, (_, row) => rows[4 * row]);
}
