/**
 * @module
 * Scaling of raw sensor values, as data: it is fitted from moments that factories share, stored with
 * the model and exported inside its ONNX graph, so that an edge device feeds raw values.
 *
 *     y = (x - mean[r]) / std[r]        in float32, r = the operating regime of the row
 *
 * Without regimes r is 0. With regimes, the first `settings` columns of a raw row are operating
 * settings: they choose the nearest centre (squared distance, each setting divided by its spread) and are not
 * themselves inputs of the model.
 */
import type { Side, Windows } from "../signal/window.ts";
import { momentsLength } from "./moments.ts";
import { nearestRegime, type Regimes } from "./regime.ts";

export interface Scaler {
  /** (R,I) one row a regime. */
  readonly mean: readonly (readonly number[])[];
  /** (R,I) all > 0. */
  readonly std: readonly (readonly number[])[];
  /** Absent where there is one regime. */
  readonly regimes?: Regimes;
  /** Of the side's columns, for a model with a side branch. Regimes are not for them. */
  readonly side?: Pick<Scaler, "mean" | "std">;
}

/** Half a unit in the last place of float32: a column that varies less, relative to its mean, is constant. */
const RESOLUTION = 2 ** -24;

/**
 * A scaler from the merged moments of all training rows. The standard deviation is the population's
 * (divided by the count); a constant column gets 1, so it scales to 0 and not to NaN.
 * @throws RangeError when a regime, or without regimes the whole, has no rows.
 */
export function scalerFromMoments(moments: Float64Array, features: number, regimes?: Regimes): Scaler {
  const block = momentsLength(features);
  const starts = Array.from({ length: moments.length / block }, (_, regime) => regime * block);
  starts.forEach((start, regime) => {
    if (moments[start] === 0) {
      throw new RangeError(
        regimes ? `scaler: no training row is in operating regime ${regime}; do all clients use the same centres?` : "scaler: there are no training rows; give more data, or fewer factories",
      );
    }
  });
  const mean = starts.map((start) => [...moments.subarray(start + 1, start + 1 + features)]);
  const std = starts.map((start, regime) =>
    mean[regime].map((centre, column) => {
      const deviation = Math.sqrt(moments[start + 1 + features + column] / moments[start]);
      return deviation > RESOLUTION * Math.abs(centre) ? deviation : 1;
    }),
  );
  return regimes ? { mean, std, regimes } : { mean, std };
}

/**
 * Raw windows to the model's inputs, (N,T,I), with the settings taken off; each followed by its side, where the
 * scaler has one. Every operation is rounded to float32, as the exported graph does, so both compute the same bits.
 * @throws RangeError when the windows have another number of columns than the scaler.
 */
export function scale(windows: Windows, scaler: Scaler): Float32Array {
  const { count } = windows;
  const side = scaler.side && windows.side;
  if (scaler.side && !side) throw new RangeError(`scaler: expected windows with a side of ${scaler.side.mean[0].length} columns, got none`);
  const length = windows.steps * scaler.mean[0].length;
  const size = length + (side ? side.steps * side.features : 0);
  const scaled = new Float32Array(count * size);
  scaleRows(scaled, 0, size, length, windows, scaler);
  if (side) scaleRows(scaled, length, size, size - length, side, scaler.side!);
  return scaled;
}

/** Rows of windows into `scaled`, where the first begins at `first`, is `length` numbers long and the next follows at a distance of `size`. */
function scaleRows(scaled: Float32Array, first: number, size: number, length: number, { inputs, features }: Side, { mean, std, regimes }: Scaler): void {
  const settings = regimes?.settings ?? 0;
  const columns = mean[0].length;
  if (features !== settings + columns) throw new RangeError(`scaler: expected windows with ${settings + columns} columns, got ${features}`);
  const means = mean.map((row) => Float32Array.from(row));
  const stds = std.map((row) => Float32Array.from(row));
  let from = 0;
  for (let start = first; start < scaled.length; start += size) {
    for (let to = start; to < start + length; to += columns) {
      const regime = regimes ? nearestRegime(inputs, from, regimes) : 0;
      for (let column = 0; column < columns; column++) {
        scaled[to + column] = Math.fround(inputs[from + settings + column] - means[regime][column]) / stds[regime][column];
      }
      from += features;
    }
  }
}
