/**
 * @module
 * Variations of vibration windows, for models that will meet another load, mounting or neighbour than
 * they were trained at. A window is drawn from anywhere in its recording and changed the way plants do:
 *
 *     x ─ speed r ─ path ─ standardise ─ noise ─► window
 *
 *     speed   x(r t) by linear interpolation, r in 1 ± speed: the shaft turns slower under load           (1)
 *     path    x_t + a x_{t-1} + b x_{t-2}, a and b in ± path: another way from bearing to sensor          (2)
 *     noise   + σ e_t, e white with variance 1, σ in [0, noise] standard deviations: neighbouring machines (3)
 */
import type { Random } from "../kernels/random.ts";
import type { Windows } from "../signal/window.ts";

export interface Variation {
  /** Greatest relative change of speed. */
  readonly speed: number;
  /** Greatest absolute coefficient. */
  readonly path: number;
  /** Greatest standard deviation of the noise, in those of the window. */
  readonly noise: number;
}

/** A recording and the class of its windows. */
export interface Source {
  readonly samples: Float32Array;
  readonly target: number;
}

/**
 * `count` windows of each recording, (N,steps,1). Groups are indices of the recordings.
 * @throws RangeError where a recording is too short
 */
export function variedWindows(sources: readonly Source[], count: number, steps: number, variation: Variation, random: Random): Windows {
  const inputs = new Float32Array(sources.length * count * steps);
  const between = (limit: number) => limit * (2 * random.uniform() - 1);
  // Two samples before the first one for the path, and one behind the last to interpolate with.
  const reach = Math.ceil((steps + 1) * (1 + variation.speed)) + 1;
  const stretched = new Float64Array(steps + 2);
  sources.forEach(({ samples }, group) => {
    if (samples.length < reach) throw new RangeError(`recording ${group + 1} expected at least ${reach} samples, got ${samples.length}`);
    for (let index = 0; index < count; index++) {
      const start = random.integer(samples.length - reach + 1);
      const rate = 1 + between(variation.speed);
      for (let t = 0; t < steps + 2; t++) {
        const place = start + t * rate;
        const before = Math.floor(place);
        stretched[t] = samples[before] + (place - before) * (samples[before + 1] - samples[before]); // (1)
      }
      const [a, b] = [between(variation.path), between(variation.path)];
      const window = inputs.subarray((group * count + index) * steps, (group * count + index + 1) * steps);
      for (let t = 0; t < steps; t++) window[t] = stretched[t + 2] + a * stretched[t + 1] + b * stretched[t]; // (2)
      standardise(window);
      // A uniform variable on ± √3 has variance 1, and costs a tenth of a normal one.
      const spread = variation.noise * random.uniform() * Math.sqrt(3);
      for (let t = 0; t < steps; t++) window[t] += between(spread); // (3)
    }
  });
  return {
    inputs,
    targets: Float32Array.from({ length: sources.length * count }, (_, n) => sources[Math.floor(n / count)].target),
    groups: Int32Array.from({ length: sources.length * count }, (_, n) => Math.floor(n / count)),
    count: sources.length * count,
    steps,
    features: 1,
  };
}

/** Each window to mean 0 and variance 1: how strong the vibration is depends on the mounting, too. A constant one becomes 0. */
export function standardised(windows: Windows): Windows {
  const { count, steps, features } = windows;
  if (features !== 1) throw new RangeError(`windows expected 1 column, got ${features}`);
  const inputs = windows.inputs.slice();
  for (let n = 0; n < count; n++) standardise(inputs.subarray(n * steps, (n + 1) * steps));
  return { ...windows, inputs };
}

function standardise(window: Float32Array): void {
  let sum = 0;
  for (let t = 0; t < window.length; t++) sum += window[t];
  const mean = sum / window.length;
  let squares = 0;
  for (let t = 0; t < window.length; t++) squares += (window[t] - mean) * (window[t] - mean);
  const deviation = Math.sqrt(squares / window.length);
  const factor = deviation > 0 ? 1 / deviation : 0;
  for (let t = 0; t < window.length; t++) window[t] = (window[t] - mean) * factor;
}
