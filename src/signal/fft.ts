/**
 * @module
 * Fourier transform of a real series of any even length, in float32:
 *
 *     const fft = new Fft(1024);
 *     const X = fft.forward(samples);           // (2,513): real parts, then imaginary ones
 *
 * X_k = Σ_n x_n e^(-2πi kn/N) for k from 0 to N/2, without a factor. Errors are below 1e-6 of the
 * largest |X_k| for every length that was tried (docs/features.md).
 */
import { cos, sin } from "../kernels/elementary.ts";
import { SignalKernels } from "../kernels/signal.ts";
import { Transform, type Lanes } from "./transform.ts";

export interface FftOptions {
  /** Series side by side, x (N,S) and X (2,N/2+1,S): four cost little more than one. Default 1. */
  readonly lanes?: Lanes;
  /** Where plan and numbers lie; default a memory of its own. */
  readonly kernels?: SignalKernels;
}

interface Views {
  readonly buffer: ArrayBufferLike;
  readonly samples: Float32Array;
  readonly spectrum: Float32Array;
}

/** The plan of a transform, and its memory. */
export class Fft {
  /** N */
  readonly samples: number;
  /** N/2 + 1 */
  readonly bins: number;
  readonly lanes: Lanes;
  readonly kernels: SignalKernels;
  /** Pointer to the result (2,N/2+1,S). */
  readonly spectrum: number;
  readonly #transform: Transform;
  readonly #twiddles: number;
  readonly #samples: number;
  #views: Views;

  /** @throws RangeError unless samples is even and at least 2 */
  constructor(samples: number, { lanes = 1, kernels = new SignalKernels() }: FftOptions = {}) {
    checkEven("samples", samples);
    if (lanes !== 1 && lanes !== 4) throw new RangeError(`"lanes" expected 1 or 4, got ${lanes}`);
    this.samples = samples;
    this.bins = samples / 2 + 1;
    this.lanes = lanes;
    this.kernels = kernels;
    this.#transform = new Transform(kernels, samples / 2, lanes);
    this.#twiddles = splitTwiddles(kernels, samples, lanes);
    this.#samples = kernels.allocate(4 * samples * lanes);
    this.spectrum = kernels.allocate(8 * this.bins * lanes);
    this.#views = this.#look();
  }

  /**
   * The transform of x (N,S): (2,N/2+1,S), real parts and then imaginary ones, written into X where it is given.
   * @throws RangeError for another length
   */
  forward(x: Float32Array, X = new Float32Array(2 * this.bins * this.lanes)): Float32Array {
    checkLength("x", x, this.samples * this.lanes);
    checkLength("X", X, 2 * this.bins * this.lanes);
    if (this.#views.buffer !== this.kernels.memory.buffer) this.#views = this.#look();
    this.#views.samples.set(x);
    this.forwardAt(this.#samples);
    X.set(this.#views.spectrum);
    return X;
  }

  /** Views of this plan's memory, kept until the memory grows: making them takes as long as a short transform. */
  #look(): Views {
    const { kernels, samples, bins, lanes } = this;
    return { buffer: kernels.memory.buffer, samples: kernels.float32(this.#samples, samples * lanes), spectrum: kernels.float32(this.spectrum, 2 * bins * lanes) };
  }

  /** The same of numbers in kernel memory, result in `spectrum`. */
  forwardAt(x: number): void {
    this.kernels.wasm.pairs(this.#transform.input, x, this.samples / 2, this.lanes);
    this.finish();
  }

  /** Pointer to where a caller may put z (2,N/2,S), even and odd samples, for `finish`. */
  get pairs(): number {
    return this.#transform.input;
  }

  /** The transform of what was put into `pairs`, result in `spectrum`. */
  finish(): void {
    this.#transform.run();
    this.kernels.wasm.split(this.spectrum, this.#transform.output, this.#twiddles, this.samples / 2, this.lanes);
  }
}

/** w_N^k for k up to N/4, as `split` reads them. */
function splitTwiddles(kernels: SignalKernels, samples: number, lanes: Lanes): number {
  const count = Math.floor(samples / 4) + 1;
  const pointer = kernels.allocate(8 * count);
  const table = kernels.float32(pointer, 2 * count);
  for (let k = 0; k < count; k++) {
    const angle = (2 * Math.PI * k) / samples;
    table[lanes === 4 ? 2 * k : k] = cos(angle);
    table[lanes === 4 ? 2 * k + 1 : count + k] = -sin(angle);
  }
  return pointer;
}

/** @throws RangeError unless an even integer, at least 2 */
export function checkEven(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 2 || value % 2) throw new RangeError(`"${name}" expected an even integer >= 2, got ${value}; leave out the last sample of an odd number`);
}

/** @throws TypeError for another kind, RangeError for another length */
export function checkLength(name: string, values: Float32Array, length: number): void {
  if (!(values instanceof Float32Array)) throw new TypeError(`"${name}" expected a Float32Array`);
  if (values.length !== length) throw new RangeError(`"${name}" expected ${length} numbers, got ${values.length}`);
}
