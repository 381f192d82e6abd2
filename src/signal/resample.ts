/**
 * @module
 * Another sampling rate, by a polyphase filter: a windowed sinc, kept at many fractions of a sample.
 *
 * With time t in samples of the input, the filter is
 *
 *     h(t) = 2c sinc(2c t) · I₀(β √(1 − (2t/K)²)) / I₀(β),  |t| <= K/2        (1)
 *
 * and an output that lies at position p = i + f between inputs i and i + 1 is
 *
 *     y(p) = Σ_k x[i − K/2 + 1 + k] h(f + K/2 − 1 − k),  k = 0 … K − 1        (2)
 *
 * Row j of the table holds the K values of h for f = j/phases, scaled to a sum of one: a constant stays
 * what it is. Both edges are given as shares of the lower of the two Nyquist frequencies: up to `passband`
 * nothing is changed by more than 10^(−attenuation/20), and from that Nyquist frequency on nothing is left
 * but that much, so there is no aliasing at any frequency that the output can show. Kaiser's formulas give
 * the window's β and the length K for a transition of width w (in cycles a sample):
 *
 *     β = 0.1102 (A − 8.7),  A > 50 dB                                        (3)
 *     K = (A − 7.95) / (14.36 w)                                              (4)
 *
 * The filter is symmetric, so it delays no frequency against another, and positions are those of the
 * input: an output is known K/2 input samples after its time.
 *
 * Source: Kaiser 1974; Crochiere & Rabiner, "Multirate Digital Signal Processing" (1983), section 4.3.
 */
import { sin } from "../kernels/elementary.ts";

export interface FilterOptions {
  /** Share of the lower Nyquist frequency up to which the signal is kept, from 0.1 to 0.95. Default 0.8. */
  readonly passband?: number;
  /** Of everything above the lower Nyquist frequency, in dB from 51 to 100. Default 80. */
  readonly attenuationDb?: number;
}

export interface Filter {
  /** Fractions of a sample that have a row of their own. */
  readonly phases: number;
  /** K: inputs of an output, an even number. */
  readonly taps: number;
  /** (phases + 1, taps) row-major; the last row is the first, one sample on. */
  readonly coefficients: Float64Array;
  /** Inputs on each side of an output within which its weight is concentrated: the main lobe. */
  readonly reach: number;
}

/** Rows for a period of the lower rate: a straight line between two of them is off by 5e-6 of h's peak, 106 dB below. */
const ROWS = 256;
/** What is designed for beyond what is promised: the formulas are good to some dB, and scaling the rows takes up to 6 dB of the ripple. */
const MARGIN_DB = 5;
/** 32 MB of coefficients. */
const MAX_COEFFICIENTS = 2 ** 22;

/**
 * The filter from one rate to another.
 * @param ratio output rate over input rate
 * @param multiple number that the phases are a multiple of: the numerator of a rational ratio, so that each output has a row
 * @throws RangeError for options out of range, or a table beyond 32 MB
 */
export function kaiserFilter(ratio: number, { passband = 0.8, attenuationDb = 80 }: FilterOptions = {}, multiple = 1): Filter {
  if (!(ratio > 0 && ratio < Infinity)) throw new RangeError(`"ratio" expected a number > 0, got ${ratio}`);
  if (!(passband >= 0.1 && passband <= 0.95)) throw new RangeError(`"passband" expected from 0.1 to 0.95 of the lower Nyquist frequency, got ${passband}`);
  if (!(attenuationDb >= 51 && attenuationDb <= 100)) throw new RangeError(`"attenuationDb" expected from 51 to 100 dB, got ${attenuationDb}`);
  const nyquist = Math.min(1, ratio) / 2;
  const cutoff = (nyquist * (1 + passband)) / 2;
  const designDb = attenuationDb + MARGIN_DB;
  const taps = 2 * Math.ceil((designDb - 7.95) / (14.36 * nyquist * (1 - passband)) / 2); // (4)
  const phases = multiple * Math.ceil((2 * ROWS * nyquist) / multiple);
  if (!(taps * (phases + 1) <= MAX_COEFFICIENTS)) {
    throw new RangeError(`a filter from one rate to ${ratio} of it expected at most ${MAX_COEFFICIENTS} coefficients, got ${taps * (phases + 1)}; resample in two steps, or allow a lower passband`);
  }
  const beta = 0.1102 * (designDb - 8.7); // (3)
  const peak = bessel(beta);
  const coefficients = new Float64Array((phases + 1) * taps);
  for (let row = 0; row <= phases; row++) {
    const weights = coefficients.subarray(row * taps, (row + 1) * taps);
    let sum = 0;
    for (let k = 0; k < taps; k++) {
      const t = row / phases + taps / 2 - 1 - k;
      const u = (2 * t) / taps;
      weights[k] = (sinc(2 * cutoff * t) * bessel(beta * Math.sqrt(Math.max(0, 1 - u * u)))) / peak; // (1)
      sum += weights[k];
    }
    for (let k = 0; k < taps; k++) weights[k] /= sum;
  }
  return { phases, taps, coefficients, reach: 1 / (2 * cutoff) };
}

/** A straight line between neighbours: no overshoot and no delay beyond a sample, and no protection from aliasing. */
export const LINEAR: Filter = { phases: 1, taps: 2, coefficients: Float64Array.of(1, 0, 0, 1), reach: 1 - 1e-6 };

/**
 * Equation (2) at a fraction from 0 to 1 behind an input, between two rows by a straight line.
 * @param values inputs, of which those from `from` on count: i − K/2 + 1 and so on
 */
export function filtered({ phases, taps, coefficients }: Filter, values: ArrayLike<number>, from: number, fraction: number): number {
  const place = fraction * phases;
  const row = Math.min(Math.floor(place), phases - 1);
  const share = place - row;
  const at = row * taps;
  let here = 0, next = 0;
  if (share === 0) {
    for (let k = 0; k < taps; k++) here += coefficients[at + k] * values[from + k];
    return here;
  }
  for (let k = 0; k < taps; k++) {
    here += coefficients[at + k] * values[from + k];
    next += coefficients[at + taps + k] * values[from + k];
  }
  return here + share * (next - here);
}

export interface ResamplerOptions extends FilterOptions {
  /** Output samples … */
  readonly up: number;
  /** … for this many input samples. */
  readonly down: number;
}

/**
 * A stream at up/down of its rate. Output n lies at input n · down / up, exactly, and is a function of
 * the stream alone: the same bits however the stream is cut. Before its beginning and after its end the
 * signal is taken to be its first and its last value.
 */
export class Resampler {
  readonly filter: Filter;
  readonly up: number;
  readonly down: number;
  /** Inputs from `#start` on that outputs still need. */
  #values = new Float32Array(0);
  #held = 0;
  /** Of the next output: the first input that it needs, counted in `#values`, and its phase in 1/up of an input. */
  #first = 0;
  #phase = 0;
  #ended = false;

  /** @throws RangeError where up or down is not a positive integer, or the filter cannot be made */
  constructor({ up, down, ...options }: ResamplerOptions) {
    for (const [name, value] of [["up", up], ["down", down]] as const) {
      if (!(Number.isInteger(value) && value >= 1 && value <= 2 ** 20)) throw new RangeError(`"${name}" expected an integer from 1 to ${2 ** 20}, got ${value}`);
    }
    const divisor = gcd(up, down);
    this.up = up / divisor;
    this.down = down / divisor;
    this.filter = kaiserFilter(up / down, options, this.up);
  }

  /** Input samples between the time of an output and the input that makes it known. */
  get delay(): number {
    return this.filter.taps / 2;
  }

  /** Outputs that these inputs make known. */
  push(values: ArrayLike<number>): Float32Array {
    if (this.#ended) throw new RangeError("the stream has ended; make another resampler");
    if (values.length === 0) return new Float32Array(0);
    if (this.#held === 0) this.#append(new Float32Array(this.filter.taps / 2 - 1).fill(values[0]));
    this.#append(values);
    return this.#outputs(this.#held);
  }

  /** The outputs that lie before or at the last input, and no push after that. */
  end(): Float32Array {
    if (this.#ended || this.#held === 0) return new Float32Array(0);
    this.#ended = true;
    this.#append(new Float32Array(this.filter.taps / 2).fill(this.#values[this.#held - 1]));
    return this.#outputs(this.#held);
  }

  #outputs(held: number): Float32Array {
    const { filter, up, down } = this;
    const { taps, phases, coefficients } = filter;
    // Steps from this output to the last whose K inputs are there; one beyond the last input lies at a phase of 0 only.
    const last = (held - taps - this.#first) * up - this.#phase + (this.#ended ? 0 : up - 1);
    const outputs = new Float32Array(Math.max(0, Math.floor(last / down) + 1));
    for (let n = 0; n < outputs.length; n++) {
      const row = (this.#phase * (phases / up)) * taps;
      let sum = 0;
      for (let k = 0; k < taps; k++) sum += coefficients[row + k] * this.#values[this.#first + k];
      outputs[n] = sum;
      this.#phase += down;
      this.#first += Math.floor(this.#phase / up);
      this.#phase %= up;
    }
    const done = Math.min(this.#first, held);
    this.#values.copyWithin(0, done, held);
    this.#held = held - done;
    this.#first -= done;
    return outputs;
  }

  #append(values: ArrayLike<number>): void {
    const length = this.#held + values.length;
    if (length > this.#values.length) {
      const grown = new Float32Array(2 * length);
      grown.set(this.#values.subarray(0, this.#held));
      this.#values = grown;
    }
    this.#values.set(values, this.#held);
    this.#held = length;
  }
}

/** sin(πx)/(πx). */
function sinc(x: number): number {
  const angle = Math.PI * x;
  return x === 0 ? 1 : sin(angle) / angle;
}

/** I₀, the modified Bessel function of order 0, by its power series: 1e-16 relative for the arguments of (3). */
function bessel(x: number): number {
  const quarter = (x * x) / 4;
  let sum = 1;
  for (let term = 1, k = 1; term > sum * 1e-17; k++) {
    term *= quarter / (k * k);
    sum += term;
  }
  return sum;
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
