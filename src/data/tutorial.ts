/**
 * @module
 * The generator that tutorials of this field use, kept as a smoke test: a program that does not reach
 * 100 % here is broken, and one that does has shown nothing. It is trivially separable because
 *
 *     every window starts at phase 0, so that a state is a fixed template;
 *     the tones at 7 and 13 times the base frequency lie above Nyquist and fold back;
 *     scaling each window by itself removes the factory's offset, the only difference between factories;
 *     states are drawn for each window: no machine wears, no label is wrong.
 *
 * docs/condition.md compares it with the simulator, which has none of these faults.
 */
import { sin } from "../kernels/elementary.ts";
import { random } from "../kernels/random.ts";
import type { Windows } from "../signal/window.ts";

const STEPS = 100;
const SENSORS = 8;
const PERIODS = 10;
const SHARES = [0.6, 0.25, 0.1, 0.05];
/** By state: [multiple of the base frequency, amplitude] of what is added to the base tone, and the noise. */
const STATES = [
  { tones: [], noise: 0.1 },
  { tones: [[5, 0.3]], noise: 0.2 },
  { tones: [[5, 0.5], [7, 0.5]], noise: 0.3 },
  { tones: [[5, 0.8], [7, 0.8], [13, 0.8]], noise: 0.5 },
];

/** (count,100,8) windows of states 0 to 3, each sensor of each window scaled by itself. */
export function tutorialWindows({ count, factory = 0, seed = 1 }: { count: number; factory?: number; seed?: number | string }): Windows {
  const stream = random(seed, "tutorial", factory);
  const inputs = new Float32Array(count * STEPS * SENSORS);
  const targets = new Float32Array(count);
  const series = new Float64Array(STEPS);
  for (let n = 0; n < count; n++) {
    const draw = stream.uniform();
    const state = SHARES.findIndex((_, k) => draw < SHARES.slice(0, k + 1).reduce((sum, share) => sum + share, 0));
    const { tones, noise } = STATES[state];
    targets[n] = state;
    for (let sensor = 0; sensor < SENSORS; sensor++) {
      for (let t = 0; t < STEPS; t++) {
        const angle = (2 * Math.PI * PERIODS * t) / (STEPS - 1);
        const tone = tones.reduce((sum, [multiple, amplitude]) => sum + amplitude * sin(multiple * angle), sin(angle));
        series[t] = 0.1 * factory + tone + noise * stream.normal();
      }
      const mean = series.reduce((sum, value) => sum + value, 0) / STEPS;
      const std = Math.sqrt(series.reduce((sum, value) => sum + (value - mean) ** 2, 0) / STEPS);
      for (let t = 0; t < STEPS; t++) inputs[(n * STEPS + t) * SENSORS + sensor] = (series[t] - mean) / std;
    }
  }
  return { inputs, targets, groups: Int32Array.from({ length: count }, (_, n) => n), count, steps: STEPS, features: SENSORS };
}
