/**
 * @module
 * Confidence intervals from resampling whole units, such as days, engines or files: what lies within a unit is alike
 * and counts once, however many rows it has (Efron & Tibshirani 1993, 13.3; Künsch 1989 for blocks of time).
 */
import { random } from "../kernels/random.ts";

const RESAMPLES = 1000;

/**
 * 95 % percentile interval of the mean over rows.
 * @param values (N) one a row
 * @param groups (N) each row's unit
 */
export function meanInterval(values: ArrayLike<number>, groups: ArrayLike<number>, name: string): readonly [number, number] {
  const units = new Map<number, { sum: number; rows: number }>();
  for (let n = 0; n < values.length; n++) {
    const unit = units.get(groups[n]) ?? { sum: 0, rows: 0 };
    unit.sum += values[n];
    unit.rows++;
    units.set(groups[n], unit);
  }
  const all = [...units].sort(([a], [b]) => a - b).map(([, unit]) => unit);
  const { integer } = random("bootstrap", name);
  const means = Float64Array.from({ length: RESAMPLES }, () => {
    let sum = 0, rows = 0;
    for (let draw = 0; draw < all.length; draw++) {
      const unit = all[integer(all.length)];
      sum += unit.sum;
      rows += unit.rows;
    }
    return sum / rows;
  }).sort();
  return [means[Math.round(0.025 * (RESAMPLES - 1))], means[Math.round(0.975 * (RESAMPLES - 1))]];
}
