/**
 * The baselines of docs/condition.md: softmax regression, and the nine features a sensor that
 * tutorials compute. Plain float64, nothing shared with src/.
 */
import type { Windows } from "../../src/signal/window.ts";

/** N rows of D values. */
export interface Rows {
  readonly values: Float64Array;
  readonly rows: number;
  readonly columns: number;
}

export function rawRows({ inputs, count, steps, features }: Windows): Rows {
  return { values: Float64Array.from(inputs), rows: count, columns: steps * features };
}

/** Mean, std, min, max, RMS, skewness, kurtosis, magnitude and bin of the spectral peak (Hann window, mean removed), by sensor. */
export function featureRows({ inputs, count, steps: T, features: I }: Windows): Rows {
  const bins = Math.floor(T / 2) + 1;
  const cosine = Array.from({ length: T }, (_, t) => Math.cos((2 * Math.PI * t) / T));
  const sine = Array.from({ length: T }, (_, t) => Math.sin((2 * Math.PI * t) / T));
  const values = new Float64Array(count * I * 9);
  const x = new Float64Array(T);
  for (let row = 0; row < count * I; row++) {
    const n = Math.floor(row / I);
    const i = row % I;
    for (let t = 0; t < T; t++) x[t] = inputs[(n * T + t) * I + i];
    const moment = (of: (value: number) => number) => x.reduce((sum, value) => sum + of(value), 0) / T;
    const mean = moment((v) => v);
    const std = Math.sqrt(moment((v) => (v - mean) ** 2)) + 1e-9;
    let [peak, peakBin] = [0, 0];
    const windowed = x.map((v, t) => (v - mean) * (0.5 - 0.5 * cosine[t]));
    for (let k = 0; k < bins; k++) {
      let [re, im] = [0, 0];
      for (let t = 0; t < T; t++) {
        re += windowed[t] * cosine[(k * t) % T];
        im += windowed[t] * sine[(k * t) % T];
      }
      const magnitude = Math.sqrt(re * re + im * im);
      if (magnitude > peak) [peak, peakBin] = [magnitude, k];
    }
    values.set(
      [mean, std, Math.min(...x), Math.max(...x), Math.sqrt(moment((v) => v * v)), moment((v) => ((v - mean) / std) ** 3), moment((v) => ((v - mean) / std) ** 4), peak, peakBin],
      row * 9,
    );
  }
  return { values, rows: count, columns: I * 9 };
}

export interface LinearOptions {
  readonly iterations: number;
  readonly learningRate: number;
  /** L2 penalty. */
  readonly decay: number;
}

/** Softmax regression on standardised columns, Adam on all rows at once; returns the classifier. */
export function fitSoftmax(train: Rows, targets: ArrayLike<number>, classes: number, { iterations, learningRate, decay }: LinearOptions): (rows: Rows) => number[] {
  const { rows: N, columns: D } = train;
  const { mean, std } = columnMoments(train);
  const x = standardise(train, mean, std);
  const W = new Float64Array(classes * (D + 1));
  const [m, v] = [new Float64Array(W.length), new Float64Array(W.length)];
  for (let step = 1; step <= iterations; step++) {
    const g = new Float64Array(W.length);
    for (let n = 0; n < N; n++) {
      const p = softmax(logits(W, x, n, D, classes));
      for (let c = 0; c < classes; c++) {
        const error = (p[c] - (targets[n] === c ? 1 : 0)) / N;
        const row = c * (D + 1);
        for (let d = 0; d < D; d++) g[row + d] += error * x[n * D + d];
        g[row + D] += error;
      }
    }
    for (let k = 0; k < W.length; k++) {
      g[k] += 2 * decay * W[k];
      m[k] = 0.9 * m[k] + 0.1 * g[k];
      v[k] = 0.999 * v[k] + 0.001 * g[k] * g[k];
      W[k] -= (learningRate * m[k]) / (1 - 0.9 ** step) / (Math.sqrt(v[k] / (1 - 0.999 ** step)) + 1e-8);
    }
  }
  return (rows) => {
    const scaled = standardise(rows, mean, std);
    return Array.from({ length: rows.rows }, (_, n) => {
      const scores = logits(W, scaled, n, D, classes);
      return scores.indexOf(Math.max(...scores));
    });
  };
}

function columnMoments({ values, rows, columns }: Rows) {
  const mean = new Float64Array(columns);
  const std = new Float64Array(columns);
  values.forEach((value, at) => (mean[at % columns] += value / rows));
  values.forEach((value, at) => (std[at % columns] += (value - mean[at % columns]) ** 2 / rows));
  return { mean, std: std.map((variance) => Math.sqrt(variance) + 1e-6) };
}

const standardise = ({ values, columns }: Rows, mean: Float64Array, std: Float64Array): Float32Array =>
  Float32Array.from(values, (value, at) => (value - mean[at % columns]) / std[at % columns]);

function logits(W: Float64Array, x: Float32Array, n: number, D: number, classes: number): number[] {
  return Array.from({ length: classes }, (_, c) => {
    const row = c * (D + 1);
    let sum = W[row + D];
    for (let d = 0; d < D; d++) sum += W[row + d] * x[n * D + d];
    return sum;
  });
}

function softmax(scores: number[]): number[] {
  const most = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - most));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}
