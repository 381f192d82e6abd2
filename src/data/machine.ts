/**
 * @module
 * One simulated machine: a motor-driven centrifugal pump that runs to failure, seen by eight sensors.
 *
 *     wear w(u) ─┬─ its fault: how two quantities stand to each other, one way or the other
 *                └─ what every fault does: more vibration, impacts, noise, heat
 *
 * With u the used share of the machine's life, S = speed / rated speed, L = load, θ the shaft angle:
 *
 *     (1) w(u) = slope u + Σ_j step_j / (1 + exp(-(u - u_j) / width_j))       stages, ever shorter
 *     (2) s_r = b_r ± 0.9 w sensitivity                                        relation r of the fault; b the machine's own
 *     (3) x = A cos θ, y = A (s_0 cos θ + √(1 - s_0²) sin θ)                   orbit, from circle to a line at ±45°
 *     (4) x ← x exp(0.8 s_1), y ← y exp(-0.8 s_1)                              stiffness of the support, across or upright
 *     (5) p = p_0 S² (1.2 - 0.35 L²) (1 + 0.6 s_2)                              pump curve and affinity laws
 *     (6) i = i_0 (0.3 + 0.7 L S²) (1 + 0.6 s_3)                                balance of torque
 *
 * (3) leaves the spectrum of each sensor as it was: only both together show the fault, which is why
 * orbits and phase are looked at (ISO 13373-1:2002; Bently & Hatch, Fundamentals of Rotating Machinery
 * Diagnostics, 2002). Impacts are the ring-down of the structure at its resonance each time a ball
 * passes the defect on the outer race (Randall & Antoni, Mechanical Systems and Signal Processing 25,
 * 2011). Rotor dynamics are not solved: this is a signal model, and its sizes were chosen so that the
 * task is neither trivial nor hopeless (docs/condition.md).
 */
import { cos, exp, sin } from "../kernels/elementary.ts";
import type { Random } from "../kernels/random.ts";

/** All channels, after alignment to one clock; 100 steps are 0.2 s or about five turns. */
export const RATE_HZ = 500;
export const STEPS = 100;
export const CHANNELS = [
  { name: "vibration x", unit: "mm/s" },
  { name: "vibration y", unit: "mm/s" },
  { name: "vibration axial", unit: "mm/s" },
  { name: "current", unit: "A" },
  { name: "pressure", unit: "bar" },
  { name: "flow", unit: "m3/h" },
  { name: "temperature", unit: "°C" },
  { name: "speed", unit: "rpm" },
] as const;
/** Pressure and flow are sampled at 10 Hz and held, temperature at 1 Hz. */
const HELD_STEPS = RATE_HZ / 10;

/** Frequencies as multiples of the shaft's: running speed, its harmonic, and the outer race of 8 balls, 8/2 (1 - d/D cos α). */
export const ORDERS = { running: 1, harmonic: 2, outerRace: 3.58 } as const;
const RATED_HZ = 25;
/** Largest departure of a window's speed from its site's, as a share. */
export const SPEED_JITTER = 0.05;

/** A fault moves one relation one way; another fault moves the same relation the other way. */
export interface Fault {
  readonly name: string;
  /** Index into (2): 0 orbit, 1 stiffness, 2 pressure, 3 current. */
  readonly relation: number;
  readonly sign: 1 | -1;
}

/** Opposite faults are four apart. */
export const FAULTS: readonly Fault[] = [
  { name: "preload to the right", relation: 0, sign: 1 },
  { name: "outlet clogging", relation: 2, sign: 1 },
  { name: "upright looseness", relation: 1, sign: -1 },
  { name: "coupling slip", relation: 3, sign: -1 },
  { name: "preload to the left", relation: 0, sign: -1 },
  { name: "internal leakage", relation: 2, sign: -1 },
  { name: "sideways looseness", relation: 1, sign: 1 },
  { name: "rotor rub", relation: 3, sign: 1 },
];
const RELATIONS = 4;

/** What the machines of one factory share: differences that no scaling takes away. */
export interface Site {
  /** Multiplies vibration: foundation and coupling of the sensors. */
  readonly gain: number;
  readonly resonanceHz: number;
  /** How far the radial pair of sensors is turned from the axes, radians. */
  readonly mounting: number;
  /** Standard deviation of vibration noise, mm/s. */
  readonly noise: number;
  /** Drift of the thermometer over a life, K; of the pressure sensor, in units of 0.4 %. */
  readonly drift: number;
  readonly shaftHz: number;
  readonly load: number;
  /** °C */
  readonly ambient: number;
  /** Length of the early stages: with it the mix of states differs. */
  readonly endurance: number;
}

export interface Machine {
  readonly fault: Fault;
  readonly gain: number;
  readonly sensitivity: number;
  /** b of (2). */
  readonly baseline: readonly number[];
  /** Of its place in the hall, K. */
  readonly warmth: number;
  /** u_j of (1). */
  readonly breaks: readonly number[];
  /** Wear at which its technician calls it DEGRADED, CRITICAL and FAILURE. */
  readonly thresholds: readonly number[];
}

/** What an average technician goes by. */
export const THRESHOLDS: readonly number[] = [0.2, 0.52, 0.86];
/** A defect starts, breaks through quickly, and damages its surroundings. */
const STAGES = { slope: 0.1, steps: [0.3, 0.36, 0.28], widths: [0.02, 0.006, 0.015] };
/** Standard deviations between machines. */
const SPREAD = { gain: 0.1, sensitivity: 0.05, baseline: 0.03, warmth: 2.5, breaks: 0.02, thresholds: 0.02 };

export function makeMachine(site: Site, fault: Fault, stream: Random): Machine {
  const vary = (spread: number) => spread * stream.normal();
  const breaks = [0.46 * site.endurance, 0.36 * (1 + site.endurance), 0.86];
  return {
    breaks: breaks.map((share) => share + vary(SPREAD.breaks)),
    fault,
    gain: exp(vary(SPREAD.gain)),
    sensitivity: exp(vary(SPREAD.sensitivity)),
    baseline: Array.from({ length: RELATIONS }, () => vary(SPREAD.baseline)),
    warmth: vary(SPREAD.warmth),
    thresholds: THRESHOLDS.map((threshold) => threshold + vary(SPREAD.thresholds)),
  };
}

/** (1) Wear at a used share of life: 0 new, about 1 at the end. */
export function wearAt(machine: Machine, used: number): number {
  const { slope, steps, widths } = STAGES;
  return steps.reduce((sum, step, j) => sum + step / (1 + exp((machine.breaks[j] - used) / widths[j])), slope * used);
}

/** 0 HEALTHY … 3 FAILURE: how many thresholds the wear has passed. */
export function stateOf(wear: number, thresholds: readonly number[] = THRESHOLDS): number {
  return thresholds.filter((threshold) => wear >= threshold).length;
}

/** Measure one window, (T,I) into `window`, with everything but the machine drawn anew: speed, load, every phase, noise. */
export function measure(window: Float32Array, site: Site, machine: Machine, used: number, stream: Random): void {
  const severity = wearAt(machine, used) * machine.sensitivity;
  const s = machine.baseline.map((base, relation) =>                                                             // (2)
    clamp(base + (relation === machine.fault.relation ? machine.fault.sign * 0.9 * severity : 0), 0.98));
  const shaftHz = site.shaftHz * (1 + clamp(0.02 * stream.normal(), SPEED_JITTER));
  const S = shaftHz / RATED_HZ;
  const L = Math.max(0.4, Math.min(1.1, site.load + 0.08 * stream.normal()));
  const gain = site.gain * machine.gain;
  const drift = site.drift * (used - 0.5);

  const A = 2 * gain * S * S * (0.7 + 0.3 * L) * (1 + 0.6 * severity);
  const quadrature = Math.sqrt(1 - s[0] * s[0]);
  const across = exp(0.8 * s[1]);
  const noise = site.noise * (1 + 0.4 * severity);
  const impact = 0.6 * gain * S * severity;
  const ring = ringing(site.resonanceHz);
  const [turnX, turnY] = [cos(site.mounting), sin(site.mounting)];
  const angle = () => 2 * Math.PI * stream.uniform();
  const [flutter, harmonic, axial] = [angle(), angle(), angle()];

  const headBar = 4 * S * S * (1.2 - 0.35 * L * L) * (1 + 0.6 * s[2]);                                          // (5)
  const meanA = 20 * (0.3 + 0.7 * L * S * S) * (1 + 0.6 * s[3]);                                                // (6)
  const temperature = site.ambient + machine.warmth + 14 * L + 6 * severity + drift + 0.5 * stream.normal();
  let pressure = 0;
  let flow = 0;
  let theta = angle();
  let ball = stream.uniform();
  for (let t = 0; t < STEPS; t++) {
    const turnsPerStep = (shaftHz / RATE_HZ) * (1 + 0.01 * sin(flutter + (2 * Math.PI * 4 * t) / RATE_HZ));
    theta += 2 * Math.PI * turnsPerStep;
    ball += ORDERS.outerRace * turnsPerStep;
    const passed = ball >= 1;
    if (passed) ball -= 1;
    const r = ring(passed ? impact * (1 + 0.3 * stream.normal()) : 0);
    if (t % HELD_STEPS === 0) {
      pressure = headBar * (1 + 0.003 * stream.normal() + 0.004 * drift);
      flow = 60 * S * L * (1 + 0.01 * stream.normal());
    }

    const c = cos(theta);
    const d = sin(theta);
    const second = ORDERS.harmonic * theta + harmonic;
    const x = A * (c + 0.1 * cos(second)) * across + r;                                                         // (3), (4)
    const y = (A * (s[0] * c + quadrature * d + 0.1 * sin(second))) / across + 0.7 * r;
    const row = t * CHANNELS.length;
    window[row] = x * turnX - y * turnY + noise * stream.normal();
    window[row + 1] = x * turnY + y * turnX + noise * stream.normal();
    window[row + 2] = 0.5 * A * cos(theta + axial) + 0.4 * r + 0.7 * noise * stream.normal();
    window[row + 3] = meanA * (1 + 0.005 * d + 0.003 * stream.normal());
    window[row + 4] = pressure;
    window[row + 5] = flow;
    window[row + 6] = temperature;
    window[row + 7] = 60 * RATE_HZ * turnsPerStep + 2 * stream.normal();
  }
}

/** A damped mode of the structure: takes one strike a step, returns its motion. */
function ringing(resonanceHz: number): (strike: number) => number {
  const decay = 0.82;
  const feedback = 2 * decay * cos((2 * Math.PI * resonanceHz) / RATE_HZ);
  let now = 0;
  let before = 0;
  return (strike) => {
    [before, now] = [now, feedback * now - decay * decay * before + strike];
    return now;
  };
}

const clamp = (value: number, limit: number): number => Math.max(-limit, Math.min(limit, value));
