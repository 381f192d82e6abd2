/** Plain float64 definitions of what signal features are, of one series, written to be read and not to be fast. */
import type { Vector } from "../reference.ts";

const sum = (values: Iterable<number>) => [...values].reduce((total, value) => total + value, 0);
const mean = (x: Vector) => sum(Array.from(x)) / x.length;

/** Σ_n z_n e^(∓2πi kn/M) of z = (re, im), for the inverse without its factor. */
export function dft(re: Vector, im: Vector, inverse = false): { re: Float64Array; im: Float64Array } {
  const M = re.length;
  const result = { re: new Float64Array(M), im: new Float64Array(M) };
  for (let k = 0; k < M; k++) {
    for (let n = 0; n < M; n++) {
      const angle = ((inverse ? 2 : -2) * Math.PI * ((k * n) % M)) / M;
      result.re[k] += re[n] * Math.cos(angle) - im[n] * Math.sin(angle);
      result.im[k] += re[n] * Math.sin(angle) + im[n] * Math.cos(angle);
    }
  }
  return result;
}

/** The frequencies 0 to N/2 of a real series. */
export function rdft(x: Vector): { re: Float64Array; im: Float64Array } {
  const { re, im } = dft(x, new Float64Array(x.length));
  const bins = Math.floor(x.length / 2) + 1;
  return { re: re.slice(0, bins), im: im.slice(0, bins) };
}

/** Welch's one-sided density. */
export function welch(x: Vector, rateHz: number, segment: number, overlap: number): Float64Array {
  const window = Array.from({ length: segment }, (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / segment));
  const density = new Float64Array(segment / 2 + 1);
  let segments = 0;
  for (let from = 0; from + segment <= x.length; from += segment - overlap, segments++) {
    const part = Array.from({ length: segment }, (_, n) => x[from + n]);
    const centre = mean(part);
    const { re, im } = rdft(part.map((value, n) => (value - centre) * window[n]));
    for (let k = 0; k < density.length; k++) density[k] += (re[k] ** 2 + im[k] ** 2) * (k === 0 || k === segment / 2 ? 1 : 2);
  }
  return density.map((value) => value / (segments * rateHz * sum(window.map((w) => w * w))));
}

/** |analytic signal| of the frequencies from..to-1 (bins), the mean left out. */
export function envelope(x: Vector, from: number, to: number, whiten: boolean): Float64Array {
  const N = x.length, { re, im } = rdft(x);
  const A = { re: new Float64Array(N), im: new Float64Array(N) };
  for (let k = Math.max(1, from); k < Math.min(to, N / 2 + 1); k++) {
    const factor = (k === N / 2 ? 1 : 2) / N / (whiten ? Math.hypot(re[k], im[k]) : 1);
    A.re[k] = re[k] * factor;
    A.im[k] = im[k] * factor;
  }
  const a = dft(A.re, A.im, true);
  return a.re.map((value, n) => Math.hypot(value, a.im[n]));
}

/** In the order of STATISTICS. */
export function statistics(x: Vector): number[] {
  const values = Array.from(x), N = x.length, centre = mean(x);
  const moment = (j: number) => sum(values.map((value) => (value - centre) ** j)) / N;
  const rms = Math.sqrt(sum(values.map((value) => value * value)) / N), peak = Math.max(...values.map(Math.abs)), m2 = moment(2);
  const crossings = values.filter((value, n) => n > 0 && value < centre !== values[n - 1] < centre).length;
  return [centre, Math.sqrt(m2), rms, Math.min(...values), Math.max(...values), peak, rms && peak / rms, m2 && moment(3) / m2 ** 1.5, m2 && moment(4) / m2 ** 2, crossings];
}

/** As numpy.percentile. */
export function percentile(x: Vector, percent: number): number {
  const sorted = Float64Array.from(x).sort(), rank = ((x.length - 1) * percent) / 100, below = Math.floor(rank);
  return sorted[below] + (sorted[Math.min(below + 1, x.length - 1)] - sorted[below]) * (rank - below);
}

/** Σ p, Σ kp / Σ p, standard deviation, entropy of the shares over ln of their number, and the place of the greatest, of the rows from..to-1. */
export function shape(P: Vector, from: number, to: number) {
  const bins = Array.from({ length: to - from }, (_, n) => from + n), total = sum(bins.map((k) => P[k]));
  const shares = bins.map((k) => (total === 0 ? 0 : P[k] / total));
  const centroid = sum(bins.map((k, n) => k * shares[n]));
  return {
    total, centroid,
    spread: Math.sqrt(sum(bins.map((k, n) => (k - centroid) ** 2 * shares[n]))),
    entropy: bins.length > 1 ? -sum(shares.map((p) => (p > 0 ? p * Math.log(p) : 0))) / Math.log(bins.length) : 0,
    peak: bins.reduce((best, k) => (P[k] > P[best] ? k : best), from),
  };
}

/** One level of a wavelet transform with filters `low` and `high`; modes as in assembly/wavelet.ts. */
export function wavelet(x: Vector, low: readonly number[], high: readonly number[], mode: string): { a: Float64Array; d: Float64Array } {
  const N = x.length, L = low.length;
  const whole = mode === "periodization" ? N + (N % 2) : N;
  const modulo = (n: number, period: number) => ((n % period) + period) % period;
  const at = (n: number) => {
    if (mode === "zero") return n < 0 || n >= N ? 0 : x[n];
    if (mode !== "symmetric") return x[Math.min(modulo(n, whole), N - 1)];
    const place = modulo(n, 2 * N);
    return x[place < N ? place : 2 * N - 1 - place];
  };
  const outputs = mode === "periodization" ? whole / 2 : Math.floor((N + L - 1) / 2);
  const first = mode === "periodization" ? L / 2 : 1;
  const filtered = (filter: readonly number[]) => Float64Array.from({ length: outputs }, (_, i) => sum(filter.map((tap, j) => tap * at(2 * i + first - j))));
  return { a: filtered(low), d: filtered(high) };
}

/** Lane `lane` of rows (count,4). */
export const lane = (rows: Vector, which: number): Float64Array => Float64Array.from({ length: rows.length / 4 }, (_, row) => rows[4 * row + which]);

/** Largest |actual - expected| over the largest |expected|: what a transform promises. NaN counts as infinite. */
export function error(actual: Vector, expected: Vector): number {
  if (actual.length !== expected.length) throw new Error(`expected ${expected.length} numbers, got ${actual.length}`);
  const scale = Math.max(...Array.from(expected, Math.abs), Number.MIN_VALUE);
  return Math.max(0, ...Array.from(expected, (value, n) => {
    const difference = Math.abs(actual[n] - value) / scale;
    return Number.isNaN(difference) ? Infinity : difference;
  }));
}
