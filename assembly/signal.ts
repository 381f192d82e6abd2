/**
 * Every kernel of signal features, in the order in which data flows through them: a module of its own,
 * so that a page that only trains does not load it. What index.ts says about signatures holds here.
 *
 * Dimension letters beside those of index.ts:
 *   N samples of a series        M = N/2 complex points        S series side by side, 1 or 4
 */
export { gather, scatter } from "./lanes";
export { moments, higherMoments } from "./statistics";
export { sortRows, sortRuns, percentile } from "./sort";
export { fft, product, pairs, split } from "./fft";
export { waveletOutputs, waveletScratch, wavelet, energy } from "./wavelet";
export { windowed, power, analytic, modulus, sumRows, peak, shape, entropy } from "./spectrum";

/** Where the module's static data end and the arena may begin. */
export function heapBase(): usize {
  return __heap_base;
}
