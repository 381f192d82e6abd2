/**
 * @module
 * Evidence as text: the tables that `millwright train` prints for a study and docs/ show.
 */
import { showNumber, showSpread, showTarget, type Evidence, type Row, type Verdict } from "../tasks/evidence.ts";
import type { Curve } from "../tasks/curve.ts";
import type { StudyMeasure } from "../tasks/study.ts";
import { bytes, count } from "./format.ts";
import { formatTable, type Column } from "./table.ts";

export const WAYS = { solo: "alone", federated: "federated", centralised: "in one place", rule: "rule" } as const;

const MARKS = { units: "", seeds: " *", cases: " †" } as const;

export function formatEvidence(evidence: Evidence): string {
  const parts = [formatRows(evidence), ...evidence.curves.map((curve) => formatCurve(evidence.measures[0], curve)), formatVerdicts(evidence.verdicts), evidence.advice.map((line) => `- ${line}\n`).join("")];
  return parts.filter((part) => part !== "").join("\n");
}

/** Which columns a table has, as text: shared with the report. */
export function evidenceTable(measures: readonly StudyMeasure[], rows: readonly Row[]): { readonly columns: readonly Column[]; readonly cells: (row: Row) => readonly string[] } {
  const [first] = measures;
  const present = measures.filter(({ name }) => rows.some(({ figures }) => name in figures));
  const has = (test: (row: Row) => boolean) => rows.some(test);
  const optional: [boolean, Column, (row: Row) => string][] = [
    [has(({ interval }) => interval !== null), { title: `95 % of ${first.title}` }, ({ interval }) => (interval ? `${showNumber(first, interval.low)} to ${showNumber(first, interval.high)}${MARKS[interval.of]}` : "")],
    [has(({ worst }) => worst !== null), { title: `worst factory`, align: "left" }, ({ worst }) => (worst ? `${showNumber(first, worst.spread.mean)} ${worst.factory}` : "")],
    [has(({ bytes }) => bytes !== null), { title: "sent" }, (row) => (row.bytes === null ? "" : bytes(row.bytes))],
  ];
  const extra = optional.filter(([shown]) => shown);
  return {
    columns: [
      { title: "case", align: "left" }, { title: "model", align: "left" }, { title: "trained", align: "left" }, { title: "judged" },
      ...present.map((measure) => ({ title: withUnit(measure) })),
      ...extra.map(([, column]) => column),
    ],
    cells: (row) => [
      row.case, row.model, WAYS[row.way], count(row.samples),
      ...present.map((measure) => (row.figures[measure.name] ? showSpread(measure, row.figures[measure.name]) : "–")),
      ...extra.map(([, , cell]) => cell(row)),
    ],
  };
}

function formatRows({ measures, rows, mean, worst }: Evidence): string {
  const { columns, cells } = evidenceTable(measures, [...rows, ...mean, ...worst]);
  const lines: (readonly string[] | null)[] = [];
  let before = "";
  for (const row of rows) {
    if (before !== "" && row.case !== before) lines.push(null);
    lines.push(row.case === before ? ["", ...cells(row).slice(1)] : cells(row));
    before = row.case;
  }
  for (const summary of [mean, worst]) if (summary.length > 0) lines.push(null, ...summary.map(cells));
  const marked = (of: keyof typeof MARKS) => [...rows, ...mean].some(({ interval }) => interval?.of === of);
  const notes = [
    ...(marked("seeds") ? ["* Student's interval of the mean over seeds; without a mark, from resampled test units, of a mean the mean of theirs.\n"] : []),
    ...(marked("cases") ? ["† From resampled cases: what a mean of other such cases might be.\n"] : []),
  ];
  return `${formatTable(columns, lines)}${notes.join("")}`;
}

const withUnit = ({ title, unit }: StudyMeasure) => (unit === "" ? title : `${title}, ${unit}`);

/** A line a model and way, a column a place. */
function formatCurve(measure: StudyMeasure, { curve, axis, at, lines }: Curve): string {
  return formatTable(
    [{ title: `${curve}: ${withUnit(measure)}, by ${axis}`, align: "left" }, { title: "trained", align: "left" }, ...at.map((value) => ({ title: String(value) }))],
    lines.map(({ model, way, rows }) => [model, WAYS[way], ...rows.map((row) => (row?.figures[measure.name] ? showSpread(measure, row.figures[measure.name]) : "–"))]),
  );
}

function formatVerdicts(verdicts: readonly Verdict[]): string {
  if (verdicts.length === 0) return "";
  const columns: Column[] = [{ title: "target", align: "left" }, { title: "must" }, { title: "stretch" }, { title: "measured" }, { title: "", align: "left" }];
  return formatTable(
    columns,
    verdicts.map((verdict) => {
      const { target, measure, measured } = verdict;
      const bound = (value: number | undefined) => (value === undefined ? "" : `${measure.better === "higher" ? "≥" : "≤"} ${showTarget(target, measure, value)}`);
      return [titleOf(verdict), bound(target.must), bound(target.stretch), measured === null ? "not run" : showTarget(target, measure, measured), judgement(verdict)];
    }),
  );
}

export function titleOf({ target, measure, case: name }: Verdict): string {
  const over = typeof target.over === "object" || target.over === "mean" ? name : `worst case (${name})`;
  const way = target.against ? `${WAYS[target.way]} over ${WAYS[target.against]}` : WAYS[target.way];
  return `${measure.title}, ${target.model} ${way}, ${over}`;
}

export function judgement({ measured, must, stretch }: Verdict): string {
  if (measured === null) return "";
  if (!must) return "missed";
  return stretch ? "met, and the stretch" : "met";
}
