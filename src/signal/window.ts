/**
 * @module
 * Labelled windows of sensor data: the plain form in which data travels from readers to trainers.
 */

export interface Windows {
  /** (N,T,I) row-major, as measured: not yet scaled. */
  readonly inputs: Float32Array;
  /** (N) class index, or the value to predict; (N,O) where there are several to a window. */
  readonly targets: Float32Array;
  /** (N) which machine, engine or block a window comes from: whatever must not be split. */
  readonly groups: Int32Array;
  /** N */
  readonly count: number;
  /** T */
  readonly steps: number;
  /** I */
  readonly features: number;
}

/** The given windows, in that order. */
export function selectWindows(windows: Windows, indices: readonly number[]): Windows {
  const { steps, features, count } = windows;
  const rowsOf = (values: Float32Array, size: number) => {
    const selected = new Float32Array(indices.length * size);
    indices.forEach((from, to) => selected.set(values.subarray(from * size, (from + 1) * size), to * size));
    return selected;
  };
  return {
    inputs: rowsOf(windows.inputs, steps * features),
    targets: rowsOf(windows.targets, count > 0 ? windows.targets.length / count : 1),
    groups: Int32Array.from(indices, (index) => windows.groups[index]),
    count: indices.length,
    steps,
    features,
  };
}

/** All windows of several sets, in order. */
export function concatWindows(sets: readonly Windows[]): Windows {
  const { steps, features } = sets[0];
  const count = sets.reduce((sum, set) => sum + set.count, 0);
  const inputs = new Float32Array(count * steps * features);
  const targets = new Float32Array(sets.reduce((sum, set) => sum + set.targets.length, 0));
  const groups = new Int32Array(count);
  let at = 0;
  let target = 0;
  for (const set of sets) {
    inputs.set(set.inputs, at * steps * features);
    targets.set(set.targets, target);
    groups.set(set.groups, at);
    at += set.count;
    target += set.targets.length;
  }
  return { inputs, targets, groups, count, steps, features };
}
