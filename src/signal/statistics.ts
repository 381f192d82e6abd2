/**
 * @module
 * Statistics of a signal; the formulas are in assembly/statistics.ts.
 *
 *     const { rms, kurtosis } = statistics(samples);
 *     const [lower, median, upper] = percentiles(samples, [25, 50, 75]);
 */
import { SignalKernels } from "../kernels/signal.ts";
import { Block, firstLane, ROW_BYTES } from "./lanes.ts";

/**
 * By name, in the order of the rows that the kernels `moments` and, from the skewness on, `higherMoments` write:
 *
 *     mean; std, of the samples themselves (divisor N); rms; min; max; peak, the greatest |x|; crest = peak / rms;
 *     skewness; kurtosis, 3 for a normal law; crossings, how often the signal passes its mean
 */
export const STATISTICS = ["mean", "std", "rms", "min", "max", "peak", "crest", "skewness", "kurtosis", "crossings"] as const;
export type Statistic = (typeof STATISTICS)[number];

/** The first row of `higherMoments`. */
export const HIGHER = STATISTICS.indexOf("skewness");

let kernels: SignalKernels | undefined;

/** What `use` makes of a signal in kernel memory; the memory is free again afterwards. */
function withBlock<Result>(x: Float32Array, use: (pointer: number, kernels: SignalKernels) => Result): Result {
  if (!(x instanceof Float32Array)) throw new TypeError('"x" expected a Float32Array');
  if (x.length === 0) throw new RangeError('"x" expected at least one sample, got none');
  kernels ??= new SignalKernels();
  const mark = kernels.mark();
  try {
    const block = new Block(kernels, x.length);
    block.load(x);
    return use(block.pointer, kernels);
  } finally {
    kernels.release(mark);
  }
}

/**
 * All statistics of a signal.
 * @throws TypeError or RangeError unless x is a Float32Array of at least one sample, all finite
 */
export function statistics(x: Float32Array): Record<Statistic, number> {
  return withBlock(x, (pointer, kernels) => {
    const rows = kernels.allocate(ROW_BYTES * STATISTICS.length);
    kernels.wasm.moments(rows, pointer, x.length);
    kernels.wasm.higherMoments(rows + ROW_BYTES * HIGHER, pointer, x.length);
    const values = firstLane(kernels, rows, STATISTICS.length);
    return Object.fromEntries(STATISTICS.map((name, row) => [name, values[row]])) as Record<Statistic, number>;
  });
}

/**
 * Percentiles of a signal, interpolated as numpy.percentile does.
 * @throws RangeError for a percentage beyond 0 to 100, else as `statistics`
 */
export function percentiles(x: Float32Array, percents: readonly number[]): Float32Array {
  percents.forEach(checkPercent);
  return withBlock(x, (pointer, kernels) => {
    const rows = kernels.allocate(ROW_BYTES * Math.max(1, percents.length));
    kernels.wasm.sortRuns(pointer, x.length);
    percents.forEach((percent, row) => kernels.wasm.percentile(rows + ROW_BYTES * row, pointer, x.length, percent));
    return firstLane(kernels, rows, percents.length);
  });
}

/** @throws RangeError */
export function checkPercent(percent: number): void {
  if (!(percent >= 0 && percent <= 100)) throw new RangeError(`percentile expected a number from 0 to 100, got ${percent}`);
}
