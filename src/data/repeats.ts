/**
 * @module
 * Channels that say nothing, or stop to: of one value throughout, or for a suspiciously long stretch. Files hold
 * such values as any others, and a scaler gives a constant column 1 to be divided by, so whoever reads
 * measurements counts them and says so.
 */

export interface Repeats {
  /** Whether all rows have one value. */
  readonly constant: boolean;
  /** How often a value is repeated for so many rows, and the rows of these stretches. */
  readonly stretches: number;
  readonly rows: number;
}

/** @param least rows of one value from which on they are a stretch */
export function repeatsOf(values: ArrayLike<number>, least: number): Repeats {
  let stretches = 0, rows = 0;
  let from = 0;
  for (let row = 1; row <= values.length; row++) {
    if (row < values.length && values[row] === values[from]) continue;
    if (row - from >= least) {
      stretches++;
      rows += row - from;
    }
    if (row < values.length) from = row;
  }
  return { constant: values.length > 0 && from === 0, stretches, rows };
}
