/**
 * @module
 * What a use case is: how its data become factories, which model learns them, and how it is trained.
 * A task is one file that exports one of these; tasks/run.ts does the rest, the same for all.
 */
import { cos } from "../kernels/elementary.ts";
import type { Source } from "../data/source.ts";
import type { ModelSpec } from "../model/spec.ts";
import type { Training } from "../model/trainer.ts";
import type { Windows } from "../signal/window.ts";

export interface LoadOptions {
  readonly seed: number;
  readonly factories: number;
  /** Part of a data set that has several, such as FD001. */
  readonly subset?: string;
  /** The user's data; absent where no folder was given. */
  readonly source?: Source;
}

/** Windows, with the labels as they were before capping where the task caps them. */
export type TaskWindows = Windows & { readonly rawTargets?: Float32Array };

export interface TaskFactory {
  readonly id: string;
  readonly train: TaskWindows;
  readonly validation: TaskWindows;
  readonly test: TaskWindows;
}

export interface TaskData {
  readonly factories: readonly TaskFactory[];
  /** A factory that takes no part in training; only its test windows count. */
  readonly heldOut: { readonly id: string; readonly test: TaskWindows } | null;
  /** Leading columns of raw rows that are operating settings, and how many regimes they form; 0 and 1 without. */
  readonly settings: number;
  readonly regimes: number;
  /** The raw columns, in order; a unit is empty where there is none. */
  readonly channels: readonly { readonly name: string; readonly unit: string }[];
  /** Samples a second, or null where a step is not a time (a flight, say). */
  readonly rateHz: number | null;
  /** Where the data come from, to be cited. */
  readonly origin: string;
}

/** What the command line may override. */
export interface Schedule {
  readonly factories: number;
  readonly rounds: number;
  readonly localEpochs: number;
  readonly batch: number;
}

export interface Task {
  readonly name: string;
  /** One line for --help. */
  readonly summary: string;
  readonly kind: "classify" | "regress";
  readonly needsData: boolean;
  /** Whether the data set has parts to choose from with --subset. */
  readonly subsets?: boolean;
  readonly schedule: Schedule;
  /**
   * On which test windows a factory's solo, federated and centralised models are compared: its own, or
   * all factories'. All, where its own are too few to tell, or where it will meet what the others have met.
   */
  readonly judgedOn: "own" | "all";
  /** Largest label, for regression: metrics read predictions as within [0, cap]. */
  readonly cap?: number;
  load(options: LoadOptions): Promise<TaskData>;
  spec(data: TaskData): ModelSpec;
  /** How a round is trained; round counts from 1. Epochs and batch come from the schedule. */
  training(round: number, rounds: number): Omit<Training, "epochs" | "batch">;
}

/** The four machine states, in order of severity: an alarm is one of the last two. */
export const STATES = ["HEALTHY", "DEGRADED", "CRITICAL", "FAILURE"];

/** Linear from `first` in round 1 to `last` in the last round. */
export function ramp(first: number, last: number, round: number, rounds: number): number {
  return rounds === 1 ? first : first + ((last - first) * (round - 1)) / (rounds - 1);
}

/** Half a cosine (Loshchilov & Hutter 2017), from `first` in round 1 to about `last` behind the last round. */
export function halfCosine(first: number, last: number, round: number, rounds: number): number {
  return last + (first - last) * 0.5 * (1 + cos((Math.PI * (round - 1)) / rounds));
}
