/**
 * @module
 * Moments of columns without a rounding error: sums of float32 values and of their squares as wide
 * integers. Where moments.ts is right to the last digit or two and depends on who merged what when, these
 * are the same bits for any split of the rows and any order of the parts.
 *
 * A float32 is m 2^(e-149) with integers |m| < 2^24 and 0 <= e < 254. Its place in a sum of limbs of 24 bits is
 *
 *     Σ x 2^149   = Σ_k limb_k 2^(24 k)     12 limbs: m 2^(e mod 24) has 48 bits, two limbs          (1)
 *     Σ x² 2^298  = Σ_k limb_k 2^(24 k)     24 limbs: m² 2^(2e mod 24) has 72 bits, three limbs      (2)
 *
 * Limbs are not carried: each is a sum of integers below 2^24, in float64 without error for 2^29 rows. So
 * parts merge by adding up, element by element, which is what a gather does by default.
 *
 * Packed for the wire as float64: for each regime, count, then the 36 limbs of each column.
 *
 * Reference: Kulisch, Computer Arithmetic and Validity, 2nd ed., ch. 8 (the exact accumulator).
 */
import type { Windows } from "../signal/window.ts";
import { momentsLength } from "./moments.ts";
import { nearestRegime, type Regimes } from "./regime.ts";

const LIMB = 2 ** 24;
/** 2^0 to 2^23. */
const POWERS = Float64Array.from({ length: 24 }, (_, power) => 1 << power);
const SUM_LIMBS = 12;
const SQUARE_LIMBS = 24;
const COLUMN_LIMBS = SUM_LIMBS + SQUARE_LIMBS;
/** Rows that limbs hold exactly. */
const MAX_ROWS = 2 ** 29;
/** Binary digits of a quotient, more than float64 keeps. */
const DIGITS = 64;

/** How many numbers the packed sums of I columns and R regimes have. */
export const exactLength = (features: number, regimes = 1): number => regimes * (1 + COLUMN_LIMBS * features);

/**
 * (1) and (2) of all rows of the windows, by column of the model's input; with regimes the settings choose the block
 * and are left out. A row in several windows counts several times.
 * @throws RangeError for a value that is not finite
 */
export function exactSums({ inputs, count, steps, features }: Windows, regimes?: Regimes): Float64Array {
  const settings = regimes?.settings ?? 0;
  const columns = features - settings;
  const block = exactLength(columns);
  const sums = new Float64Array(exactLength(columns, regimes?.centres.length));
  const bits = new Int32Array(inputs.buffer, inputs.byteOffset, inputs.length);
  for (let row = 0; row < count * steps; row++) {
    const at = row * features;
    const start = regimes ? nearestRegime(inputs, at, regimes) * block : 0;
    sums[start]++;
    for (let column = 0; column < columns; column++) {
      const word = bits[at + settings + column];
      if (((word >>> 23) & 255) === 255) throw new RangeError(`column ${settings + column + 1} of window ${Math.floor(row / steps) + 1} expected finite numbers, got ${inputs[at + settings + column]}`);
      if ((word & 0x7fffffff) !== 0) addValue(sums, start + 1 + column * COLUMN_LIMBS, word);
    }
  }
  return sums;
}

/** Add the float32 with these bits, which is not zero, to the limbs from `at` on. */
function addValue(sums: Float64Array, at: number, word: number): void {
  const biased = (word >>> 23) & 255;
  const e = biased === 0 ? 0 : biased - 1;
  const m = (word & 0x7fffff) | (biased === 0 ? 0 : 0x800000);
  const sign = word < 0 ? -1 : 1;
  const k = Math.floor(e / 24);
  const shifted = m * POWERS[e - 24 * k]; // below 2^48
  const high = Math.floor(shifted / LIMB);
  sums[at + k + 1] += sign * high;
  sums[at + k] += sign * (shifted - high * LIMB);

  const k2 = Math.floor((2 * e) / 24);
  const at2 = at + SUM_LIMBS + k2;
  const square = m * m * POWERS[2 * e - 24 * k2]; // below 2^72, with 48 digits
  const top = Math.floor(square / (LIMB * LIMB));
  const rest = square - top * (LIMB * LIMB);
  const middle = Math.floor(rest / LIMB);
  sums[at2 + 2] += top;
  sums[at2 + 1] += middle;
  sums[at2] += rest - middle * LIMB;
}

/**
 * Count, mean and sum of squared deviations as moments.ts packs them, each rounded once.
 * @throws RangeError where the sums are of another length, or not of whole rows
 */
export function momentsOfSums(sums: Float64Array, features: number): Float64Array {
  const block = exactLength(features);
  const regimes = sums.length / block;
  if (!Number.isInteger(regimes)) throw new RangeError(`exact sums expected a multiple of ${block} numbers, got ${sums.length}; do all clients have the same columns?`);
  if (!sums.every((value) => Number.isSafeInteger(value))) throw new RangeError("exact sums expected integers; they were damaged on their way");
  const size = momentsLength(features);
  const moments = new Float64Array(momentsLength(features, regimes));
  for (let regime = 0; regime < regimes; regime++) {
    const [from, to] = [regime * block, regime * size];
    const rows = sums[from];
    if (!(rows >= 0 && rows <= MAX_ROWS)) throw new RangeError(`exact sums expected at most ${MAX_ROWS} rows, got ${rows}`);
    if (rows === 0) continue;
    moments[to] = rows;
    for (let column = 0; column < features; column++) {
      const at = from + 1 + column * COLUMN_LIMBS;
      const N = BigInt(rows);
      const sum = carried(sums.subarray(at, at + SUM_LIMBS));
      const squares = carried(sums.subarray(at + SUM_LIMBS, at + COLUMN_LIMBS));
      moments[to + 1 + column] = quotient(sum, N, -149);
      moments[to + 1 + features + column] = quotient(N * squares - sum * sum, N, -298);
    }
  }
  return moments;
}

/** Σ_k limb_k 2^(24 k). */
const carried = (limbs: Float64Array): bigint => limbs.reduceRight((total, limb) => (total << 24n) + BigInt(limb), 0n);

/** a / b · 2^exponent, to the nearest float64 or its neighbour. */
function quotient(a: bigint, b: bigint, exponent: number): number {
  if (a === 0n) return 0;
  const size = a < 0n ? -a : a;
  const up = Math.max(0, DIGITS + b.toString(2).length - size.toString(2).length);
  const whole = (size << BigInt(up)) / b; // DIGITS digits or more
  const down = Math.max(0, whole.toString(2).length - DIGITS);
  let value = Number(whole >> BigInt(down));
  let scale = exponent - up + down;
  for (; scale < 0; scale++) value /= 2;
  for (; scale > 0; scale--) value *= 2;
  return a < 0n ? -value : value;
}
