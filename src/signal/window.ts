/**
 * @module
 * Labelled windows of sensor data: the plain form in which data travels from readers to trainers.
 */

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
}

/** The given windows, in that order. */
export function selectWindows(windows: Windows, indices: readonly number[]): Windows {
  const { steps, features } = windows;
  const size = steps * features;
  const O = targetsEach(windows);
  const inputs = new Float32Array(indices.length * size);
  indices.forEach((from, to) => inputs.set(windows.inputs.subarray(from * size, (from + 1) * size), to * size));
  return {
    inputs,
    targets: Float32Array.from({ length: indices.length * O }, (_, at) => windows.targets[indices[Math.floor(at / O)] * O + (at % O)]),
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
  const O = targetsEach(sets.find((set) => set.count > 0) ?? sets[0]);
  const targets = new Float32Array(count * O);
  const groups = new Int32Array(count);
  let at = 0;
  for (const set of sets) {
    inputs.set(set.inputs, at * steps * features);
    targets.set(set.targets, at * O);
    groups.set(set.groups, at);
    at += set.count;
  }
  return { inputs, targets, groups, count, steps, features };
}

/** How many numbers are to be predicted of a window. */
function targetsEach({ targets, count }: Windows): number {
  const each = targets.length / Math.max(1, count);
  if (!Number.isInteger(each)) throw new RangeError(`windows: targets expected a multiple of ${count}, the number of windows, got ${targets.length}`);
  return each;
}
