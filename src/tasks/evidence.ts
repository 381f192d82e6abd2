/**
 * @module
 * From scores to what people read: each model of each case over the seeds, the worst factory, all cases
 * together, targets met and missed, and whether a linear model would do.
 *
 * The figure of a model in one seed is that of all factories' test data together; where a study has no
 * such score, as for models that each belong to one factory, it is the mean over the factories.
 */
import { curvesOf, type Curve } from "./curve.ts";
import { intervalsOf } from "./interval.ts";
import { ALL, type CaseResult, type Score, type Study, type StudyCase, type StudyMeasure, type Target, type Way } from "./study.ts";

/** One case under one seed, done: a line of scores.jsonl. */
export interface Unit extends Pick<CaseResult, "scores" | "bytes" | "notes"> {
  readonly case: string;
  readonly seed: number;
  readonly seconds: number;
  /** Of the deployable model, where the case left one: greatest difference between a runtime's prediction and ours. */
  readonly model?: { readonly maxAbsDifference: number | null };
}

/** A figure over the seeds. */
export interface Spread {
  readonly mean: number;
  readonly least: number;
  readonly greatest: number;
  readonly seeds: number;
}

export interface Row {
  readonly case: string;
  readonly model: string;
  readonly way: Way;
  /** What was judged in one seed. */
  readonly samples: number;
  readonly figures: Readonly<Record<string, Spread>>;
  /**
   * Of the first measure, 95 %: of resampled test units where the study gives it, else Student's of the mean over the seeds;
   * of a mean of cases, of their test units, or of resampled cases. Null where nothing varies.
   */
  readonly interval: { readonly low: number; readonly high: number; readonly of: "units" | "seeds" | "cases" } | null;
  /** By the first measure: the factory that is worst off, in the mean over the seeds. Null where factories are not told apart. */
  readonly worst: { readonly factory: string; readonly spread: Spread } | null;
  /** Of a federated model, by the first measure in the digits that are shown: the factories whose own models are better for them. */
  readonly harmed: readonly { readonly factory: string; readonly alone: number; readonly federated: number }[];
  /** Up and down, a seed; null where nothing travels. */
  readonly bytes: number | null;
}

export interface Verdict {
  readonly target: Target;
  readonly measure: StudyMeasure;
  /** The case that was meant, or that is worst. */
  readonly case: string;
  /** Null where the model was not run, or not both ways where they are compared. */
  readonly measured: number | null;
  readonly must: boolean;
  readonly stretch: boolean | null;
}

export interface Evidence {
  /** Those of the study that were taken; the first stands for all. */
  readonly measures: readonly StudyMeasure[];
  readonly rows: readonly Row[];
  /** Over all cases, one row a model and way; empty where there is one case, or where all are points of curves. */
  readonly mean: readonly Row[];
  readonly worst: readonly Row[];
  readonly curves: readonly Curve[];
  readonly verdicts: readonly Verdict[];
  /** What an engineer should know: where a linear model does as well, and the cases' own notes. */
  readonly advice: readonly string[];
}

/** Two-sided 95 % quantiles of Student's t for 1 to 10 degrees of freedom; beyond, the normal one is near enough. */
const STUDENT = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];

/** @param asked of the study, for what lies on curves */
export function evidenceOf(whole: Study, subset: string | undefined, units: readonly Unit[], asked: readonly Pick<StudyCase, "name" | "place">[] = []): Evidence {
  const cases = [...new Set(units.map((unit) => unit.case))];
  const measures = whole.measures.filter(({ name }) => units.some(({ scores }) => scores.some(({ figures }) => name in figures)));
  const study = { ...whole, measures };
  const rows = cases.flatMap((name) => rowsOf(study, units.filter((unit) => unit.case === name)));
  const models = unique(rows, ({ model, way }) => `${model}\n${way}`);
  const places = new Map(asked.flatMap(({ name, place }) => (place ? [[name, place] as const] : [])));
  const several = cases.length > 1 && cases.some((name) => !places.has(name)); // few and many labels have no mean that says anything
  const everyCase = models.map((kind) => rows.filter((row) => row.model === kind.model && row.way === kind.way)).filter((all) => all.length === cases.length);
  return {
    measures,
    rows,
    mean: several ? everyCase.map((all) => overCases(study, all, "mean of cases", mean)) : [],
    worst: several ? everyCase.map((all) => worstCase(study.measures[0], all)) : [],
    curves: curvesOf(rows, places),
    verdicts: study.targets(subset).map((target) => verdictOn(study, rows, target)),
    advice: [...recommendations(study, rows), ...harms(measures[0], rows), ...new Set(units.flatMap(({ notes }) => notes ?? []))],
  };
}

function rowsOf({ measures }: Study, units: readonly Unit[]): Row[] {
  const scores = units.flatMap((unit) => unit.scores);
  const trained = (model: string, way: Way) => units.map((unit) => unit.scores.filter((score) => score.model === model && score.way === way)).filter((own) => own.length > 0);
  return unique(scores, ({ model, way }) => `${model}\n${way}`).map(({ model, way }): Row => {
    const bySeed = trained(model, way);
    const figures: Record<string, Spread> = {};
    for (const { name } of measures) {
      const values = bySeed.map((own) => figureOf(own, name)).filter((value) => value !== undefined);
      if (values.length > 0) figures[name] = spreadOf(values);
    }
    const sent = units.map(({ bytes }) => bytes?.[model]).filter((value) => value !== undefined);
    return {
      case: units[0].case,
      model,
      way,
      samples: Math.round(mean(bySeed.map((own) => (pooled(own) ? pooled(own)!.samples : own.reduce((sum, { samples }) => sum + samples, 0))))),
      figures,
      interval: intervalOf(measures[0], bySeed, figures[measures[0].name]),
      worst: worstFactory(measures[0], bySeed),
      harmed: way === "federated" ? harmedBy(measures[0], bySeed, trained(model, "solo")) : [],
      bytes: way === "federated" && sent.length > 0 ? mean(sent) : null,
    };
  });
}

const pooled = (scores: readonly Score[]): Score | undefined => scores.find(({ factory }) => factory === ALL);

function figureOf(scores: readonly Score[], name: string): number | undefined {
  const judged = pooled(scores) ? [pooled(scores)!] : scores;
  const values = judged.map(({ figures }) => figures[name]).filter((value) => value !== undefined);
  return values.length > 0 ? mean(values) : undefined;
}

function intervalOf({ name }: StudyMeasure, bySeed: readonly (readonly Score[])[], spread: Spread | undefined): Row["interval"] {
  const given = bySeed.map((own) => pooled(own)?.intervals?.[name]).filter((interval) => interval !== undefined);
  if (given.length > 0) return { low: mean(given.map(([low]) => low)), high: mean(given.map(([, high]) => high)), of: "units" };
  if (!spread || spread.seeds < 2) return null;
  const values = bySeed.map((own) => figureOf(own, name)!);
  if (values.every((value) => value === values[0])) return null; // equal figures do not say that another seed's would be equal
  const variance = values.reduce((sum, value) => sum + (value - spread.mean) ** 2, 0) / (values.length - 1);
  const half = (STUDENT[values.length - 2] ?? 1.96) * Math.sqrt(variance / values.length);
  return { low: spread.mean - half, high: spread.mean + half, of: "seeds" };
}

function worstFactory(measure: StudyMeasure, bySeed: readonly (readonly Score[])[]): Row["worst"] {
  const factories = factoriesOf(measure, bySeed).filter(({ factory }) => factory !== ALL).map(({ factory, spread }) => ({ factory, spread }));
  const alike = factories.every(({ spread }) => spread.mean === factories[0].spread.mean); // judged on the same windows by the same model
  return factories.length < 2 || alike ? null : worstOf(measure, factories, ({ spread }) => spread.mean);
}

function factoriesOf({ name }: StudyMeasure, bySeed: readonly (readonly Score[])[]): { readonly factory: string; readonly samples: number; readonly spread: Spread }[] {
  const all = bySeed.flat().filter(({ figures }) => name in figures);
  return [...new Set(all.map(({ factory }) => factory))].map((factory) => {
    const own = all.filter((score) => score.factory === factory);
    return { factory, samples: own[0].samples, spread: spreadOf(own.map(({ figures }) => figures[name])) };
  });
}

/** A factory's own model against the federated one on the same windows: its own, or those that all are judged on. */
function harmedBy(measure: StudyMeasure, federated: readonly (readonly Score[])[], solo: readonly (readonly Score[])[]): Row["harmed"] {
  const together = factoriesOf(measure, federated);
  const shown = (value: number) => Number(showNumber(measure, value));
  return factoriesOf(measure, solo).filter(({ factory }) => factory !== ALL).flatMap(({ factory, samples, spread: { mean: alone } }) => {
    const one = together.find((other) => other.factory === factory) ?? together.find((other) => other.factory === ALL && other.samples === samples);
    return one && isBetter(measure, shown(alone), shown(one.spread.mean)) ? [{ factory, alone, federated: one.spread.mean }] : [];
  });
}

function overCases({ measures }: Study, rows: readonly Row[], title: string, reduce: (values: readonly number[]) => number): Row {
  const figures: Record<string, Spread> = {};
  for (const { name } of measures) {
    const all = rows.map((row) => row.figures[name]).filter((spread) => spread !== undefined);
    if (all.length < rows.length) continue;
    const of = (field: "mean" | "least" | "greatest") => reduce(all.map((spread) => spread[field]));
    figures[name] = { mean: of("mean"), least: of("least"), greatest: of("greatest"), seeds: Math.max(...all.map(({ seeds }) => seeds)) };
  }
  const { model, way } = rows[0];
  const samples = rows.reduce((sum, row) => sum + row.samples, 0);
  return { case: title, model, way, samples, figures, interval: intervalOfCases(measures[0], rows), worst: null, harmed: [], bytes: rows.some(({ bytes }) => bytes === null) ? null : mean(rows.map(({ bytes }) => bytes!)) };
}

/** Of three cases, one draw in 27 is thrice the same: more than 2.5 %, so that the interval would be the range. */
const LEAST_CASES = 4;

/**
 * Where every case has an interval of test units, the mean of their ends: as wide as it is where the cases share their
 * units, and too wide where they do not. Else cases are drawn with replacement, models on the same draws.
 */
function intervalOfCases({ name }: StudyMeasure, rows: readonly Row[]): Row["interval"] {
  const given = rows.flatMap(({ interval }) => (interval?.of === "units" ? [interval] : []));
  if (given.length === rows.length) return { low: mean(given.map(({ low }) => low)), high: mean(given.map(({ high }) => high)), of: "units" };
  const values = rows.map(({ figures }) => figures[name]?.mean);
  if (values.length < LEAST_CASES || values.some((value) => value === undefined) || values.every((value) => value === values[0])) return null;
  const { figure: [low, high] } = intervalsOf(values.map((value) => Float64Array.of(value, 1)), ([sum, count]) => ({ figure: sum / count }), "cases", rows.length);
  return { low, high, of: "cases" };
}

function worstCase(measure: StudyMeasure, rows: readonly Row[]): Row {
  const judged = rows.filter(({ figures }) => measure.name in figures);
  if (judged.length === 0) return { ...rows[0], case: "worst case", figures: {} };
  const worst = worstOf(measure, judged, ({ figures }) => figures[measure.name].mean);
  return { ...worst, case: `worst case: ${worst.case}` };
}

function verdictOn(study: Study, rows: readonly Row[], target: Target): Verdict {
  const measure = study.measures.find(({ name }) => name === target.measure);
  if (!measure) throw new Error(`study ${study.name}: a target is about the measure "${target.measure}", which it does not have`);
  const { over, against } = target;
  const of = (way: Way) => rows.filter((row) => row.model === target.model && row.way === way && target.measure in row.figures);
  const figure = (row: Row) => row.figures[target.measure].mean;
  const base = new Map(against && of(against).map((row) => [row.case, figure(row)]));
  const own = of(target.way).filter((row) => !against || base.get(row.case)); // nothing is a share of 0
  const value = (row: Row) => (against ? figure(row) / base.get(row.case)! : figure(row));
  const meant = typeof over === "object" ? own.filter((row) => row.case === over.case) : own;
  if (meant.length === 0) return { target, measure, case: typeof over === "object" ? over.case : over, measured: null, must: false, stretch: target.stretch === undefined ? null : false };
  const worst = worstOf(measure, meant, value);
  const measured = over === "mean" ? mean(meant.map(value)) : value(worst);
  const reaches = (bound: number) => (measure.better === "higher" ? measured >= bound : measured <= bound);
  return {
    target, measure, measured,
    case: over === "mean" ? "mean of cases" : worst.case,
    must: reaches(target.must),
    stretch: target.stretch === undefined ? null : reaches(target.stretch),
  };
}

/** Where an exact linear model is as good as the best network trained the same way, it is the one to use. */
function recommendations({ measures: [measure], linear }: Study, rows: readonly Row[]): string[] {
  const value = (row: Row) => row.figures[measure.name].mean;
  const judged = rows.filter(({ way, figures }) => way === "federated" && measure.name in figures);
  return [...new Set(judged.map((row) => row.case))].flatMap((name) => {
    const ofCase = judged.filter((row) => row.case === name);
    const [lines, networks] = [true, false].map((isLinear) => ofCase.filter(({ model }) => linear.includes(model) === isLinear));
    if (lines.length === 0 || networks.length === 0) return [];
    const best = (all: readonly Row[]) => all.reduce((one, other) => (isBetter(measure, value(other), value(one)) ? other : one));
    const [line, network] = [best(lines), best(networks)];
    if (isBetter(measure, value(network), value(line))) return [];
    const shown = (row: Row) => showFigure(measure, value(row));
    return [`${name}: the linear model "${line.model}" does as well as "${network.model}" (${measure.title} ${shown(line)} against ${shown(network)}); prefer it: it is exact, and solved from sums that are gathered instead of trained in rounds${line.bytes !== null && network.bytes !== null ? `; ${megabytes(line.bytes)} are sent against ${megabytes(network.bytes)}` : ""}.`];
  });
}

const megabytes = (bytes: number): string => (bytes < 1e6 ? `${(bytes / 1e3).toFixed(0)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);

/** Factories in a line before the rest is counted. */
const NAMED = 6;

/** Who would do better without the others, a line for each model: what a mean over the factories hides. */
function harms(measure: StudyMeasure, rows: readonly Row[]): string[] {
  return [...new Set(rows.map(({ model }) => model))].flatMap((model) => {
    const all = rows.filter((row) => row.model === model).flatMap((row) => row.harmed.map((harm) => ({ case: row.case, ...harm })));
    if (all.length === 0) return [];
    const named = all.slice(0, NAMED).map(({ case: name, factory, alone, federated }) => `${factory} (${name}: ${showFigure(measure, federated)} against ${showFigure(measure, alone)})`);
    return [`"${model}" federated is worse than alone, by ${measure.title}, at: ${named.join(", ")}${all.length > NAMED ? ` and ${all.length - NAMED} more` : ""}.`];
  });
}

export function isBetter({ better }: StudyMeasure, value: number, than: number): boolean {
  return better === "higher" ? value > than : value < than;
}

function worstOf<T>(measure: StudyMeasure, all: readonly T[], value: (one: T) => number): T {
  return all.reduce((worst, one) => (isBetter(measure, value(worst), value(one)) ? one : worst));
}

function spreadOf(values: readonly number[]): Spread {
  return { mean: mean(values), least: Math.min(...values), greatest: Math.max(...values), seeds: values.length };
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function unique<T>(all: readonly T[], key: (one: T) => string): T[] {
  return [...new Map([...all].reverse().map((one) => [key(one), one])).values()].reverse();
}

/** With its unit. */
export function showFigure(measure: StudyMeasure, value: number): string {
  const { unit } = measure;
  return unit === "" ? showNumber(measure, value) : `${showNumber(measure, value)} ${unit}`;
}

/** Without its unit. */
export function showNumber({ unit, digits }: StudyMeasure, value: number): string {
  return (unit === "%" ? 100 * value : value).toFixed(digits);
}

/** What a target is about, with its unit: a figure, or how many times another it is. */
export function showTarget({ against }: Target, measure: StudyMeasure, value: number): string {
  return against ? `${value.toFixed(3)}x` : showFigure(measure, value);
}

/** "93.1 (91.0 to 94.2)", or without the range where one seed stands for all. Without the unit. */
export function showSpread(measure: StudyMeasure, { mean, least, greatest, seeds }: Spread): string {
  const number = (value: number) => showNumber(measure, value);
  return seeds === 1 ? number(mean) : `${number(mean)} (${number(least)} to ${number(greatest)})`;
}
