/**
 * @module
 * The envelope of a signal: how strongly it vibrates, moment by moment. A damaged bearing is struck once
 * for each passing ball; the blows ring at resonances of some kHz, and their rate shows in the spectrum of
 * the envelope and nowhere else.
 *
 *     const envelope = new Envelope({ samples: 12_000, rateHz: 12_000, bandHz: [2000, 5000] });
 *     const density = new Spectrum({ samples: 12_000, rateHz: 12_000 }).density(envelope.of(samples));
 *
 * The signal's mean is left out. The band is cut in the spectrum, exactly and without delay; at the
 * window's ends it rings. Whitening gives every frequency of the band the same strength: what is periodic
 * and strong (shaft, gears) no longer drowns what is weak and wide (blows).
 */
import { SignalKernels } from "../kernels/signal.ts";
import { checkEven, Fft } from "./fft.ts";
import { Block, firstLane, ROW_BYTES } from "./lanes.ts";
import { checkRate } from "./spectrum.ts";
import { Transform } from "./transform.ts";

export interface EnvelopeOptions {
  /** N, samples of a signal, even. */
  readonly samples: number;
  readonly rateHz: number;
  /** The frequencies f with from <= f < to are kept. Default: all. */
  readonly bandHz?: readonly [number, number];
  /** Give all frequencies of the band the same magnitude (cepstrum prewhitening). The envelope has no unit then. Default false. */
  readonly whiten?: boolean;
  /** Where the plan lies; default a memory of its own. */
  readonly kernels?: SignalKernels;
}

export class Envelope {
  readonly samples: number;
  readonly kernels: SignalKernels;
  /** Pointer to the envelopes (N,4) of four signals. */
  readonly result: number;
  readonly #fft: Fft;
  readonly #inverse: Transform;
  readonly #ones: number;
  readonly #whiten: boolean;
  readonly #from: number;
  readonly #to: number;
  #block: Block | undefined;

  /** @throws RangeError for impossible lengths, rates or bands */
  constructor({ samples, rateHz, bandHz = [0, rateHz], whiten = false, kernels = new SignalKernels() }: EnvelopeOptions) {
    checkEven("samples", samples);
    checkRate(rateHz);
    const bins = samples / 2 + 1, binHz = rateHz / samples;
    this.#from = Math.max(1, Math.ceil(bandHz[0] / binHz));
    this.#to = bandHz[1] > rateHz / 2 ? bins : Math.ceil(bandHz[1] / binHz);
    if (!(this.#to > this.#from)) throw new RangeError(`"bandHz" expected to hold at least one of the frequencies ${binHz}, ${2 * binHz}, … ${rateHz / 2} Hz, got ${bandHz.join(" to ")} Hz`);
    this.samples = samples;
    this.kernels = kernels;
    this.#whiten = whiten;
    this.#fft = new Fft(samples, { lanes: 4, kernels });
    this.#inverse = new Transform(kernels, samples, 4);
    this.#ones = kernels.allocate(4 * samples);
    kernels.float32(this.#ones, samples).fill(1);
    this.result = kernels.allocate(ROW_BYTES * samples);
  }

  /** Envelopes of four signals x (N,4) in kernel memory, into `result`. */
  run(x: number): void {
    const { wasm } = this.kernels;
    wasm.windowed(this.#fft.pairs, x, this.#ones, this.samples); // without the mean, whose rounding would reach the weak frequencies
    this.#fft.finish();
    wasm.analytic(this.#inverse.input, this.#fft.spectrum, this.samples / 2, this.#from, this.#to, this.#whiten);
    this.#inverse.run(true);
    wasm.modulus(this.result, this.#inverse.output, this.samples);
  }

  /**
   * The envelope of one signal x (N): (N), in the signal's unit.
   * @throws TypeError or RangeError unless x is a Float32Array of N finite samples
   */
  of(x: Float32Array): Float32Array {
    this.#block ??= new Block(this.kernels, this.samples);
    this.#block.load(x);
    this.run(this.#block.pointer);
    return firstLane(this.kernels, this.result, this.samples);
  }
}
