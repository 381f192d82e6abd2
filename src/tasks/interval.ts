/**
 * @module
 * How far a figure would vary with other test units (Efron 1979): units, such as files or engines, are
 * drawn with replacement, their counts are summed, and the figure is computed again. Counts add up over
 * factories, and so this needs no more than they share anyway.
 */
import { random } from "../kernels/random.ts";

const DRAWS = 1000;

/**
 * 95 % percentile interval of each figure.
 * @param units counts of each test unit, of equal length
 * @param figures of summed counts; those that are NaN in a draw are left out of it
 * @param names of the random stream: models that share it are compared on the same draws
 */
export function intervalsOf(units: readonly Float64Array[], figures: (counts: Float64Array) => Record<string, number>, ...names: (string | number)[]): Record<string, [number, number]> {
  const stream = random("interval", ...names);
  const drawn = new Map<string, number[]>();
  const sum = new Float64Array(units[0].length);
  for (let draw = 0; draw < DRAWS; draw++) {
    sum.fill(0);
    for (let unit = 0; unit < units.length; unit++) add(sum, units[stream.integer(units.length)]);
    for (const [name, value] of Object.entries(figures(sum))) {
      if (Number.isNaN(value)) continue;
      const values = drawn.get(name) ?? [];
      drawn.set(name, values);
      values.push(value);
    }
  }
  return Object.fromEntries([...drawn].map(([name, values]) => [name, percentiles(values)]));
}

function percentiles(values: number[]): [number, number] {
  values.sort((a, b) => a - b);
  const at = (share: number) => values[Math.min(values.length - 1, Math.floor(share * values.length))];
  return [at(0.025), at(0.975)];
}

function add(sum: Float64Array, counts: Float64Array): void {
  for (let at = 0; at < sum.length; at++) sum[at] += counts[at];
}
