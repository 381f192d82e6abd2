/**
 * @module
 * Labelled windows of sensor data: the plain form in which data travels from readers to trainers.
 */

/** A second view of the same windows, with steps and features of its own: features beside raw values. */
export interface Side {
  /** (N,T',I') row-major, as measured: not yet scaled. */
  readonly inputs: Float32Array;
  readonly steps: number;
  readonly features: number;
}

export interface Windows {
  /** (N,T,I) row-major, as measured: not yet scaled. */
  readonly inputs: Float32Array;
  /** (N) class index, or the value to predict; (N,O) where O values are to be predicted. */
  readonly targets: Float32Array;
  /** (N) which machine, engine or block a window comes from: whatever must not be split. */
  readonly groups: Int32Array;
  /** N */
  readonly count: number;
  /** T */
  readonly steps: number;
  /** I */
  readonly features: number;
  /** For a model with a side branch. */
  readonly side?: Side;
}

/** The given windows, in that order. */
export function selectWindows(windows: Windows, indices: readonly number[]): Windows {
  const { steps, features, side } = windows;
  return {
    inputs: selectRows(windows.inputs, steps * features, indices),
    targets: selectRows(windows.targets, targetsEach(windows), indices),
    groups: Int32Array.from(indices, (index) => windows.groups[index]),
    count: indices.length,
    steps,
    features,
    ...(side && { side: { ...side, inputs: selectRows(side.inputs, side.steps * side.features, indices) } }),
  };
}

/** All windows of several sets, in order. */
export function concatWindows(sets: readonly Windows[]): Windows {
  const { steps, features, side } = sets[0];
  const some = sets.filter(({ count }) => count > 0);
  some.forEach(targetsEach);
  const groups = new Int32Array(sets.reduce((sum, set) => sum + set.count, 0));
  let at = 0;
  for (const set of sets) {
    groups.set(set.groups, at);
    at += set.count;
  }
  return {
    inputs: concatRows(sets.map(({ inputs }) => inputs)),
    targets: concatRows(some.map(({ targets }) => targets)),
    groups,
    count: at,
    steps,
    features,
    ...(side && { side: { ...side, inputs: concatRows(sets.map((set) => set.side!.inputs)) } }),
  };
}

function selectRows(values: Float32Array, size: number, indices: readonly number[]): Float32Array {
  const selected = new Float32Array(indices.length * size);
  indices.forEach((from, to) => selected.set(values.subarray(from * size, (from + 1) * size), to * size));
  return selected;
}

function concatRows(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** How many numbers are to be predicted of a window. */
function targetsEach({ targets, count }: Windows): number {
  const each = targets.length / Math.max(1, count);
  if (!Number.isInteger(each)) throw new RangeError(`windows: targets expected a multiple of ${count}, the number of windows, got ${targets.length}`);
  return each;
}

/** Rows (N,I) as windows of one step. */
export function rowWindows(rows: Float32Array, features: number): Windows {
  const count = rows.length / features;
  return { inputs: rows, targets: new Float32Array(count), groups: new Int32Array(count), count, steps: 1, features };
}

/**
 * Every window of `steps` rows that follow each other; with `ahead`, the rows behind it are its targets (N, ahead·I).
 * @param rows (N,I)
 * @throws RangeError where there are too few rows for one
 */
export function slidingWindows(rows: Float32Array, features: number, steps: number, ahead = 0): Windows {
  const count = rows.length / features - steps - ahead + 1;
  if (count < 1) throw new RangeError(`windows of ${steps} rows${ahead ? ` and ${ahead} ahead` : ""} expected at least ${steps + ahead} rows, got ${rows.length / features}`);
  const cut = (from: number, length: number) => {
    const windows = new Float32Array(count * length * features);
    for (let n = 0; n < count; n++) windows.set(rows.subarray((n + from) * features, (n + from + length) * features), n * length * features);
    return windows;
  };
  return { inputs: cut(0, steps), targets: ahead ? cut(steps, ahead) : new Float32Array(count), groups: new Int32Array(count), count, steps, features };
}
