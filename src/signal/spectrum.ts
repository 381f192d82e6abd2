/**
 * @module
 * Power spectra by Welch's method, with the conventions of scipy.signal.welch:
 *
 *     const spectrum = new Spectrum({ samples: 25_600, rateHz: 25_600, segment: 2048 });
 *     const density = spectrum.density(samples);         // (1025), unit²/Hz
 *     const { peakHz, entropy } = spectrum.shape();
 *
 * Segments of even length, periodic Hann window, mean of each segment removed, one-sided density, mean
 * over the segments. What does not fill a last segment is left out.
 */
import { cos } from "../kernels/elementary.ts";
import { SignalKernels } from "../kernels/signal.ts";
import { checkEven, Fft } from "./fft.ts";
import { Block, firstLane, ROW_BYTES } from "./lanes.ts";

export interface SpectrumOptions {
  /** N, samples of a signal. */
  readonly samples: number;
  readonly rateHz: number;
  /** Samples of a segment, even. Default: the whole signal. */
  readonly segment?: number;
  /** Samples that neighbouring segments share. Default: half of a segment. */
  readonly overlap?: number;
  /** Where the plan lies; default a memory of its own. */
  readonly kernels?: SignalKernels;
}

/** Figures of a density between two frequencies. */
export interface Shape {
  /** Σ P Δf, in unit²: the mean square of what lies between. */
  readonly power: number;
  /** Mean frequency, weighted by power. */
  readonly centroidHz: number;
  /** Standard deviation of frequency, weighted by power. */
  readonly spreadHz: number;
  /** 0 for a single line, 1 for a flat spectrum. */
  readonly entropy: number;
  /** The frequency with the greatest density. */
  readonly peakHz: number;
}

/** Rows that the kernels `shape`, `entropy` and `peak` write. */
export const SHAPE_ROWS = { power: 0, centroid: 1, spread: 2, entropy: 3, peak: 4, greatest: 5 } as const;
export const SHAPE_COUNT = 6;

export class Spectrum {
  readonly samples: number;
  readonly rateHz: number;
  readonly kernels: SignalKernels;
  /** Frequencies of a density: segment/2 + 1. */
  readonly bins: number;
  /** From one frequency to the next. */
  readonly binHz: number;
  /** Pointer to the density (bins,4) of four signals. */
  readonly result: number;
  readonly #fft: Fft;
  readonly #segments: number;
  readonly #hop: number;
  readonly #window: number;
  readonly #factor: number;
  #block: Block | undefined;
  #figures: number | undefined;

  /** @throws RangeError for impossible lengths or rates */
  constructor({ samples, rateHz, segment = samples - (samples % 2), overlap = Math.floor(segment / 2), kernels = new SignalKernels() }: SpectrumOptions) {
    checkSamples(samples);
    checkRate(rateHz);
    checkEven("segment", segment);
    if (segment > samples) throw new RangeError(`"segment" expected at most ${samples} samples, which a signal has, got ${segment}`);
    if (!(Number.isSafeInteger(overlap) && overlap >= 0 && overlap < segment)) throw new RangeError(`"overlap" expected an integer from 0 to ${segment - 1}, got ${overlap}`);
    this.samples = samples;
    this.rateHz = rateHz;
    this.kernels = kernels;
    this.bins = segment / 2 + 1;
    this.binHz = rateHz / segment;
    this.#hop = segment - overlap;
    this.#segments = Math.floor((samples - segment) / this.#hop) + 1;
    this.#fft = new Fft(segment, { lanes: 4, kernels });
    this.#window = kernels.allocate(4 * segment);
    const window = Float64Array.from({ length: segment }, (_, n) => 0.5 - 0.5 * cos((2 * Math.PI * n) / segment));
    kernels.float32(this.#window, segment).set(window);
    const energy = window.reduce((sum, value) => sum + value * value, 0);
    this.#factor = 1 / (rateHz * energy * this.#segments);
    this.result = kernels.allocate(ROW_BYTES * this.bins);
  }

  /** Densities of four signals x (N,4) in kernel memory, into `result`. */
  run(x: number): void {
    const { kernels, bins, result } = this;
    const segment = 2 * (bins - 1);
    kernels.float32(result, 4 * bins).fill(0);
    for (let s = 0; s < this.#segments; s++) {
      kernels.wasm.windowed(this.#fft.pairs, x + ROW_BYTES * s * this.#hop, this.#window, segment);
      this.#fft.finish();
      kernels.wasm.power(result, this.#fft.spectrum, segment / 2, this.#factor);
    }
  }

  /**
   * The density of one signal x (N): (bins), unit²/Hz, at the frequencies k · binHz.
   * @throws TypeError or RangeError unless x is a Float32Array of N finite samples
   */
  density(x: Float32Array): Float32Array {
    this.#block ??= new Block(this.kernels, this.samples);
    this.#block.load(x);
    this.run(this.#block.pointer);
    return firstLane(this.kernels, this.result, this.bins);
  }

  /**
   * Figures of the density that was computed last, from frequency to frequency; all but the constant part when not given.
   * @throws RangeError when no frequency lies between
   */
  shape([fromHz, toHz]: readonly [number, number] = [this.binHz, this.rateHz]): Shape {
    const { kernels, binHz } = this;
    const [from, to] = this.range([fromHz, toHz]);
    this.#figures ??= kernels.allocate(ROW_BYTES * SHAPE_COUNT);
    kernels.wasm.shape(this.#figures, this.result, from, to);
    kernels.wasm.entropy(this.#figures + ROW_BYTES * SHAPE_ROWS.entropy, this.result, this.#figures, from, to);
    kernels.wasm.peak(this.#figures + ROW_BYTES * SHAPE_ROWS.peak, this.result, from, to);
    const [power, centroid, spread, entropy, peak] = firstLane(kernels, this.#figures, SHAPE_COUNT);
    return { power: power * binHz, centroidHz: centroid * binHz, spreadHz: spread * binHz, entropy, peakHz: peak * binHz };
  }

  /** Power Σ P Δf of the density that was computed last, of the frequencies f with from <= f < to, in unit². */
  power(band: readonly [number, number]): number {
    const { kernels, binHz } = this;
    this.#figures ??= kernels.allocate(ROW_BYTES * SHAPE_COUNT);
    kernels.wasm.sumRows(this.#figures, this.result, ...this.range(band));
    return kernels.float32(this.#figures, 1)[0] * binHz;
  }

  /**
   * The frequencies from..to-1 of a band, from <= f < to; the last one belongs to a band that ends there or beyond.
   * @throws RangeError when none lies in it
   */
  range([fromHz, toHz]: readonly [number, number]): [number, number] {
    const from = Math.max(0, Math.ceil(fromHz / this.binHz - ROUNDING));
    const end = toHz >= (this.bins - 1) * this.binHz ? this.bins : Math.ceil(toHz / this.binHz - ROUNDING);
    if (!(end > from)) throw new RangeError(`band expected at least one of the frequencies 0, ${this.binHz}, … ${this.rateHz / 2} Hz, got ${fromHz} to ${toHz} Hz; widen it, or use longer segments`);
    return [from, end];
  }

  /** The frequencies from..to-1 within `tolerance` (a share) of one frequency; the nearest when none is. Empty beyond half the rate. */
  around(hertz: number, tolerance: number): [number, number] {
    const nearest = Math.round(hertz / this.binHz);
    if (!(nearest < this.bins)) return [0, 0];
    const from = Math.ceil((hertz * (1 - tolerance)) / this.binHz), to = Math.floor((hertz * (1 + tolerance)) / this.binHz) + 1;
    return [Math.max(0, Math.min(from, nearest)), Math.min(this.bins, Math.max(to, nearest + 1))];
  }
}

/** Frequencies that are whole multiples but for rounding count as such. */
const ROUNDING = 1e-9;

/** @throws RangeError */
export function checkRate(rateHz: number): void {
  if (!(Number.isFinite(rateHz) && rateHz > 0)) throw new RangeError(`"rateHz" expected a number above 0, got ${rateHz}`);
}

/** @throws RangeError */
export function checkSamples(samples: number): void {
  if (!(Number.isSafeInteger(samples) && samples >= 2)) throw new RangeError(`"samples" expected an integer >= 2, got ${samples}`);
}
