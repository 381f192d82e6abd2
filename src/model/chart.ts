/**
 * @module
 * Control charts: from several numbers a row, residuals or variates that are about 0 in normal operation, to
 * one score a row. A sum of squares sees a large fault at once (Shewhart 1931, Hotelling 1947) and a small
 * lasting one hardly; smoothing first is the other way round. So the two are used side by side
 * (Lucas & Saccucci 1990).
 *
 *     z_t = w x_t + (1 - w) z_{t-1},  z_0 = 0                  exponentially weighted mean      (1)
 *     var z_t = w / (2 - w) (1 - (1 - w)^2t) var x             for independent rows             (2)
 *     T²_t = Σ_i z_ti² / (2)                                   Lowry et al. 1992                (3)
 *     m_t = (e_{t-W+1} + … + e_t) / W                          mean of the last W scores        (4)
 */

/**
 * (1) to (3) over a block of columns.
 * @param rows (N,F) variates of normal variance 1
 * @param weight w in (0, 1]; 1 does not smooth
 * @returns (N)
 */
export function smoothedSquares(rows: Float64Array, F: number, from: number, to: number, weight: number): Float64Array {
  if (!(weight > 0 && weight <= 1)) throw new RangeError(`"weight" expected a number in (0, 1], got ${weight}`);
  const z = new Float64Array(to - from);
  let forgotten = 1; // (1 - w)^2t
  return Float64Array.from({ length: rows.length / F }, (_, t) => {
    forgotten *= (1 - weight) * (1 - weight);
    let squares = 0;
    for (let i = 0; i < z.length; i++) {
      z[i] = weight * rows[t * F + from + i] + (1 - weight) * z[i]; // (1)
      squares += z[i] * z[i];
    }
    return squares / ((weight / (2 - weight)) * (1 - forgotten)); // (2), (3)
  });
}

/** (4); the first W - 1 are over as many as there are. Each is summed afresh: a running sum would keep its rounding errors. */
export function trailingMean(scores: Float64Array, W: number): Float64Array {
  if (!(Number.isInteger(W) && W >= 1)) throw new RangeError(`"W" expected integer >= 1, got ${W}`);
  return scores.map((_, t) => {
    let sum = 0;
    const first = Math.max(0, t - W + 1);
    for (let row = first; row <= t; row++) sum += scores[row];
    return sum / (t - first + 1);
  });
}
