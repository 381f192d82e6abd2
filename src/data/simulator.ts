/**
 * @module
 * Simulated factories for condition monitoring: machines run to failure and are measured on the way.
 * Training, validation and test machines are different machines, and one more factory takes no part.
 *
 * A factory has seen few failures. The machines of its history (training and validation) failed in
 * five of the eight ways; its next machines (test) fail in all eight.
 * Labels of training windows are a technician's: 3 % are wrong. Validation and test labels are right,
 * but every machine has thresholds of its own, so that even the true wear does not tell all states.
 *
 * Everything is drawn from streams named by factory, split and machine: another factory changes nothing.
 */
import { random, type Random } from "../kernels/random.ts";
import type { Windows } from "../signal/window.ts";
import { CHANNELS, FAULTS, makeMachine, measure, stateOf, STEPS, wearAt, type Fault, type Site } from "./machine.ts";

/** Windows (N,100,8) in the units of CHANNELS, with the wear (N) behind each: what an oracle would know. */
export interface WornWindows extends Windows {
  readonly wear: Float32Array;
}

export interface SimulatedFactory {
  readonly id: string;
  readonly train: WornWindows;
  readonly validation: WornWindows;
  readonly test: WornWindows;
}

export interface Simulation {
  readonly factories: readonly SimulatedFactory[];
  /** A factory nobody has trained on; all its machines are test machines. */
  readonly heldOut: { readonly id: string; readonly test: WornWindows };
}

/** Training windows of a factory, in turn. Validation has a fifth of that. */
export const TRAINING_WINDOWS: readonly number[] = [500, 1000, 1500, 500, 500];
const TEST_WINDOWS = 384;
const WINDOWS_PER_MACHINE = { train: 25, validation: 12, test: 12 };
/** Machines are numbered within a factory, each split in a range of its own. */
const FIRST_MACHINE = { train: 0, validation: 1000, test: 2000 };
export const LABEL_NOISE = 0.03;
/** Of the eight faults, in the history of a factory. */
const FAULTS_SEEN = 5;
const STATE_COUNT = 4;

type SplitName = keyof typeof WINDOWS_PER_MACHINE;

/** @throws RangeError for a number of factories that is not a positive integer. */
export function simulateFactories({ factories = 5, seed = 1 }: { factories?: number; seed?: number | string } = {}): Simulation {
  if (!Number.isInteger(factories) || factories < 1) throw new RangeError(`"factories" expected integer >= 1, got ${factories}`);
  return {
    factories: Array.from({ length: factories }, (_, index) => simulateFactory(index, seed)),
    heldOut: simulateHeldOut(seed),
  };
}

function simulateFactory(index: number, seed: number | string): SimulatedFactory {
  const id = `factory-${index + 1}`;
  const site = makeSite(random(seed, "condition", id, "site"));
  const history = Array.from({ length: FAULTS_SEEN }, (_, j) => FAULTS[(3 * index + j) % FAULTS.length]);
  const windows = TRAINING_WINDOWS[index % TRAINING_WINDOWS.length];
  return {
    id,
    train: simulateSplit({ seed, id, split: "train", site, faults: history, count: windows }),
    validation: simulateSplit({ seed, id, split: "validation", site, faults: history, count: windows / 5 }),
    test: simulateSplit({ seed, id, split: "test", site, faults: FAULTS, count: TEST_WINDOWS }),
  };
}

function simulateHeldOut(seed: number | string): Simulation["heldOut"] {
  const id = "factory-0";
  const site = makeSite(random(seed, "condition", id, "site"));
  return { id, test: simulateSplit({ seed, id, split: "test", site, faults: FAULTS, count: TEST_WINDOWS }) };
}

/** Ranges in which factories differ; see Site for the meanings. */
export const SITES = {
  gain: [0.8, 1.25],
  resonanceHz: [130, 190],
  mounting: [-0.15, 0.15],
  noise: [0.3, 0.6],
  drift: [-2, 2],
  shaftHz: [24, 26],
  load: [0.65, 0.85],
  ambient: [30, 34],
  endurance: [0.85, 1.15],
} as const satisfies Record<keyof Site, readonly [number, number]>;

function makeSite(stream: Random): Site {
  const draw = ([least, most]: readonly [number, number]) => least + (most - least) * stream.uniform();
  return {
    gain: draw(SITES.gain),
    resonanceHz: draw(SITES.resonanceHz),
    mounting: draw(SITES.mounting),
    noise: draw(SITES.noise),
    drift: draw(SITES.drift),
    shaftHz: draw(SITES.shaftHz),
    load: draw(SITES.load),
    ambient: draw(SITES.ambient),
    endurance: draw(SITES.endurance),
  };
}

interface SplitPlan {
  readonly seed: number | string;
  readonly id: string;
  readonly split: SplitName;
  readonly site: Site;
  /** Machines have them in turn. */
  readonly faults: readonly Fault[];
  readonly count: number;
}

function simulateSplit({ seed, id, split, site, faults, count }: SplitPlan): WornWindows {
  const size = STEPS * CHANNELS.length;
  const inputs = new Float32Array(count * size);
  const targets = new Float32Array(count);
  const groups = new Int32Array(count);
  const wear = new Float32Array(count);
  const technician = random(seed, "condition", id, split, "labels");
  for (let first = 0, number = 0; first < count; number++) {
    const stream = random(seed, "condition", id, split, number);
    const machine = makeMachine(site, faults[number % faults.length], stream);
    const windows = Math.min(WINDOWS_PER_MACHINE[split], count - first);
    for (let i = 0; i < windows; i++) {
      const n = first + i;
      const used = (i + stream.uniform()) / windows;
      measure(inputs.subarray(n * size, (n + 1) * size), site, machine, used, stream);
      wear[n] = wearAt(machine, used);
      const state = stateOf(wear[n], machine.thresholds);
      const wrong = split === "train" && technician.uniform() < LABEL_NOISE;
      targets[n] = wrong ? (state + 1 + technician.integer(STATE_COUNT - 1)) % STATE_COUNT : state;
      groups[n] = FIRST_MACHINE[split] + number;
    }
    first += windows;
  }
  return { inputs, targets, groups, count, steps: STEPS, features: CHANNELS.length, wear };
}
