/**
 * @module
 * Count, mean and sum of squared deviations of each column: what factories share, in place of rows, so
 * that all scale alike. Moments of parts merge to the moments of
 * the whole (Chan, Golub & LeVeque 1983):
 *
 *     δ = mean_b - mean_a     n = n_a + n_b
 *     mean = mean_a + δ n_b / n                            (1)
 *     M2 = M2_a + M2_b + δ² n_a n_b / n                    (2)
 *
 * Packed for the wire as float64: for each regime, count, then mean (I), then M2 (I).
 */
import type { Windows } from "../signal/window.ts";
import { nearestRegime, type Regimes } from "./regime.ts";

/** How many numbers the packed moments of I columns and R regimes have. */
export const momentsLength = (features: number, regimes = 1): number => regimes * (1 + 2 * features);

/**
 * Moments of all rows of the windows, by column of the model's input; with regimes the settings choose the
 * block and are left out. A row in several windows counts several times. Two passes: a mean first,
 * so that a large mean costs no digits of M2.
 */
export function windowMoments({ inputs, count, steps, features }: Pick<Windows, "inputs" | "count" | "steps" | "features">, regimes?: Regimes): Float64Array {
  const settings = regimes?.settings ?? 0;
  const columns = features - settings;
  const block = momentsLength(columns);
  const moments = new Float64Array(momentsLength(columns, regimes?.centres.length));
  const rows = count * steps;
  const starts = new Int32Array(rows);
  for (let row = 0; row < rows; row++) {
    const at = row * features;
    const start = regimes ? nearestRegime(inputs, at, regimes) * block : 0;
    starts[row] = start;
    moments[start]++;
    for (let column = 0; column < columns; column++) moments[start + 1 + column] += inputs[at + settings + column];
  }
  for (let start = 0; start < moments.length; start += block) {
    if (moments[start] > 0) for (let column = 1; column <= columns; column++) moments[start + column] /= moments[start];
  }
  for (let row = 0; row < rows; row++) {
    const mean = starts[row] + 1;
    const at = row * features + settings;
    for (let column = 0; column < columns; column++) {
      const deviation = inputs[at + column] - moments[mean + column];
      moments[mean + columns + column] += deviation * deviation;
    }
  }
  return moments;
}

/**
 * Moments of the whole, merged in the order given: sort the parts by client first, and the order of arrival does not matter.
 * @throws RangeError when a part has another length or is not moments at all.
 */
export function mergeMoments(parts: readonly Float64Array[], features: number, regimes = 1): Float64Array {
  const block = momentsLength(features);
  const whole = new Float64Array(momentsLength(features, regimes));
  parts.forEach((part, index) => {
    checkMoments(part, whole.length, block, features, index);
    for (let start = 0; start < whole.length; start += block) mergeBlock(whole, part, start, features);
  });
  return whole;
}

function mergeBlock(whole: Float64Array, part: Float64Array, start: number, features: number): void {
  const [a, b] = [whole[start], part[start]];
  if (b === 0) return;
  const n = a + b;
  for (let column = 0; column < features; column++) {
    const mean = start + 1 + column;
    const m2 = mean + features;
    const delta = part[mean] - whole[mean];
    whole[mean] += (delta * b) / n; // (1)
    whole[m2] += part[m2] + (delta * delta * a * b) / n; // (2)
  }
  whole[start] = n;
}

function checkMoments(part: Float64Array, length: number, block: number, features: number, index: number): void {
  const from = `moments of client ${index + 1}`;
  if (part.length !== length) {
    throw new RangeError(`${from}: expected ${length} numbers, got ${part.length}; do all clients have the same columns and regimes?`);
  }
  part.forEach((value, at) => {
    const place = at % block;
    if (!Number.isFinite(value)) throw new RangeError(`${from}: expected finite numbers, got ${value} at ${at}`);
    if (place === 0 && !(Number.isSafeInteger(value) && value >= 0)) throw new RangeError(`${from}: expected a count of rows, got ${value} at ${at}`);
    if (place > features && value < 0) throw new RangeError(`${from}: expected a sum of squares >= 0, got ${value} at ${at}`);
  });
}
