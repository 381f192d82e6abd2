/**
 * @module
 * A study: the evidence for a use case. It asks its question in several cases (a shift of load, a bearing
 * held out, a horizon), answers each with several models trained in several ways, and leaves nothing but
 * scores: one row for each case, model, way and factory. Tables, intervals over seeds, the worst factory
 * and the comparison with targets are made of these rows, the same for all studies (tasks/evidence.ts).
 *
 *     study ─ cases (read once) ─ run(seed) ─► scores ─► scores.jsonl ─► tables, report
 */
import type { Source } from "../data/source.ts";
import type { BuildName } from "../kernels/build.ts";
import type { OnnxRunner } from "./artefact.ts";
import type { Pool } from "./pool.ts";

/** Where a model's training data were: its own factory, all of them unseen, or all in one place. A rule is not trained across factories. */
export type Way = "solo" | "federated" | "centralised" | "rule";

/** The factory of a score over the test data of all factories together. */
export const ALL = "all";

/** How good one model was on one factory's test data. */
export interface Score {
  /** Which question, such as "load 0 to 1". */
  readonly case: string;
  /** Which model, such as "CNN" or "linear". */
  readonly model: string;
  readonly way: Way;
  /** A factory's id, or ALL. */
  readonly factory: string;
  /** Windows, rows or engines that were judged. */
  readonly samples: number;
  /** By the name of the measure. A share is a number from 0 to 1. NaN is not allowed: leave out what has no denominator. */
  readonly figures: Readonly<Record<string, number>>;
  /** 95 % intervals from resampling test units (engines, files, recordings), where the study gives them. */
  readonly intervals?: Readonly<Record<string, readonly [number, number]>>;
}

/** A figure that people are shown. */
export interface StudyMeasure {
  /** As in figures. */
  readonly name: string;
  readonly title: string;
  /** In a sentence's part: "windows whose fault is named right". */
  readonly meaning: string;
  /** "%" for shares, which are shown times 100; else the unit or "". */
  readonly unit: string;
  readonly digits: number;
  readonly better: "higher" | "lower";
}

/** What the project sets out to reach. */
export interface Target {
  readonly model: string;
  readonly way: Way;
  readonly measure: string;
  /** A case by name, or over all cases their mean or the worst. */
  readonly over: { readonly case: string } | "mean" | "worst";
  /** Then the figure is over that of the same model trained this way, case by case, and so are the bounds: 1.03 allows 3 % more. */
  readonly against?: Way;
  readonly must: number;
  readonly stretch?: number;
}

export interface StudyData {
  readonly source: Source;
  /** One of the study's subsets. */
  readonly subset: string | undefined;
  readonly signal?: AbortSignal;
}

export interface CaseContext {
  readonly seed: number;
  /** The first of the study's seeds: what depends on no seed is scored under it and no other, also where the study is resumed. Default: this one. */
  readonly firstSeed?: number;
  readonly pool: Pool;
  readonly build: BuildName;
  readonly signal?: AbortSignal;
  /** Absent where no ONNX runtime is installed. */
  readonly runOnnx?: OnnxRunner;
  /** How much of the case is done, from 0 to 1, and what it is at. */
  progress(share: number, what: string): void;
}

/** Whether what depends on no seed is scored here. */
export const isFirst = ({ seed, firstSeed = seed }: CaseContext): boolean => seed === firstSeed;

export interface CaseResult {
  readonly scores: readonly Score[];
  /** A model that can be deployed, the federated one where there is one. */
  readonly model?: { readonly checkpoint: Uint8Array; readonly onnx: Uint8Array; readonly maxAbsDifference: number | null };
  /** Bytes up and down of the federated models, by model. */
  readonly bytes?: Readonly<Record<string, number>>;
  /** Counted repairs and what else a reader has to know: a sentence each. */
  readonly notes?: readonly string[];
}

/** Where a case lies on a curve: cases of one curve ask the same question with more and more of something. */
export interface Place {
  readonly curve: string;
  /** What there is more and more of, such as "engines with labels". */
  readonly axis: string;
  readonly at: number;
}

export interface StudyCase {
  readonly name: string;
  readonly place?: Place;
  /** @throws RangeError for what is wrong with the data; whatever the signal was aborted with */
  run(context: CaseContext): Promise<CaseResult>;
}

export interface Study {
  readonly name: string;
  /** One line for --help. */
  readonly summary: string;
  /** Where the data come from, to be cited. */
  readonly origin: string;
  /** What --subset chooses from; the first by default. Absent: there is nothing to choose. */
  readonly subsets?: readonly string[];
  readonly seeds: readonly number[];
  /** The first stands for all where there is room for one. */
  readonly measures: readonly StudyMeasure[];
  /** Models that are exact linear ones: where such a one does as well as a network, the product says so. */
  readonly linear: readonly string[];
  targets(subset: string | undefined): readonly Target[];
  /** Reads the data once. @throws RangeError naming file and line */
  cases(data: StudyData): Promise<readonly StudyCase[]>;
}
