/**
 * @module
 * report.html of a study: targets first, then curves where the study has some, each model of each case as a dot
 * with its range, and the tables.
 */
import { showNumber, showTarget, type Evidence, type Row } from "../tasks/evidence.ts";
import type { Study, StudyMeasure } from "../tasks/study.ts";
import { drawCurve } from "./curve.ts";
import { evidenceTable, judgement, titleOf, WAYS } from "./evidence.ts";
import { duration } from "./format.ts";
import { html, type Html } from "./html.ts";
import { renderPage } from "./page.ts";
import { axisOf } from "./plot.ts";

export interface StudyReport {
  readonly study: Study;
  readonly subset: string | undefined;
  readonly seeds: readonly number[];
  readonly evidence: Evidence;
  readonly wallSeconds: number;
}

export function renderStudy({ study, subset, seeds, evidence, wallSeconds }: StudyReport): string {
  const name = subset === undefined ? study.name : `${study.name}, ${subset}`;
  const cases = new Set(evidence.rows.map((row) => row.case)).size;
  return renderPage({
    title: name,
    eyebrow: "Millwright study",
    heading: `${name.charAt(0).toUpperCase()}${name.slice(1)}`,
    lead: `${study.summary}. ${cases} case${cases === 1 ? "" : "s"}, seed${seeds.length === 1 ? "" : "s"} ${seeds.join(", ")}, ${duration(wallSeconds)}. All figures are of test data, which training never saw.`,
    main: html`${targets(evidence)}
${curves(evidence)}
${pictures(evidence)}
${tables(evidence)}
${advice(evidence)}
<section aria-labelledby="origin-title"><h2 id="origin-title">Data</h2><p>${study.origin}</p></section>`,
  });
}

function targets({ verdicts }: Evidence): Html | null {
  if (verdicts.length === 0) return null;
  return html`<dl class="figures">
${verdicts.map((verdict) => {
  const { target, measure, measured, must } = verdict;
  const sign = measure.better === "higher" ? "≥" : "≤";
  const bound = `target ${sign} ${showTarget(target, measure, target.must)}${target.stretch === undefined ? "" : `, stretch ${sign} ${showTarget(target, measure, target.stretch)}`}`;
  const mark = measured === null ? null : html`<span class="verdict ${must ? "met" : "missed"}">${must ? "✓" : "✗"} ${judgement(verdict)}</span> `;
  return html`<div class="figure"><dt>${titleOf(verdict)}</dt><dd class="value">${measured === null ? "–" : showTarget(target, measure, measured).replaceAll(" ", "\u00a0")}</dd><dd class="target">${mark}${bound}</dd></div>\n`;
})}</dl>`;
}

function curves({ measures: [measure], curves: all }: Evidence): Html | null {
  if (all.length === 0) return null;
  return html`<section aria-labelledby="curves-title">
<h2 id="curves-title">${measure.title} by ${[...new Set(all.map(({ axis }) => axis))].join(", by ")}</h2>
<p>${measure.meaning}; ${measure.better === "higher" ? "more" : "less"} is better. A dot is the mean over the seeds, its line reaches from the least to the greatest. Places are spaced evenly, whatever lies between them.</p>
${all.map((curve) => html`<h3>${curve.curve}</h3>
<div class="scroll">${drawCurve(measure, curve)}</div>
`)}</section>`;
}

const LEFT = 330;
const RIGHT = 70;
const WIDTH = 900;
const LINE = 22;

function pictures({ measures, rows, mean }: Evidence): Html {
  const [measure] = measures;
  const shown = [...rows, ...mean].filter(({ figures }) => measure.name in figures);
  return html`<section aria-labelledby="picture-title">
<h2 id="picture-title">${measure.title} at a glance</h2>
<p>${measure.meaning}; ${measure.better === "higher" ? "more" : "less"} is better. A dot is the mean over the seeds, its line reaches from the least to the greatest.</p>
<div class="scroll">${dots(measure, shown)}</div>
</section>`;
}

/** One line a row, cases apart, all on one axis. */
function dots(measure: StudyMeasure, rows: readonly Row[]): Html {
  const spreads = rows.map(({ figures }) => figures[measure.name]);
  const scale = measure.unit === "%" ? 100 : 1;
  const ends = spreads.flatMap(({ least, greatest }) => [least * scale, greatest * scale]);
  const { from, to, ticks } = axisOf(Math.min(...ends), Math.max(...ends));
  const x = (value: number) => (LEFT + ((value - from) / (to - from)) * (WIDTH - LEFT - RIGHT)).toFixed(1);
  let y = 6;
  let before = "";
  const lines = rows.map((row, index) => {
    const head = row.case !== before;
    if (head) y += LINE * 1.2;
    const title = head ? html`<text class="case" x="0" y="${(y - 2).toFixed(1)}">${row.case}</text>` : null;
    before = row.case;
    y += LINE;
    const { mean, least, greatest } = spreads[index];
    const middle = y - LINE / 2;
    return html`${title}<text x="14" y="${middle}" dy="4">${row.model}, ${WAYS[row.way]}</text>
<line class="range stroke-${row.way}" x1="${x(least * scale)}" x2="${x(greatest * scale)}" y1="${middle}" y2="${middle}"/>
<circle class="fill-${row.way}" cx="${x(mean * scale)}" cy="${middle}" r="5"/>
<text x="${WIDTH - RIGHT + 12}" y="${middle}" dy="4">${showNumber(measure, mean)}</text>\n`;
  });
  const height = y + 26;
  return html`<svg class="dots" viewBox="0 0 ${WIDTH} ${height.toFixed(0)}" role="img" aria-label="${measure.title} of ${rows.length} models; the table below has all values">
${ticks.map((tick) => html`<line class="grid" x1="${x(tick)}" x2="${x(tick)}" y1="8" y2="${y}"/><text x="${x(tick)}" y="${(y + 16).toFixed(0)}" text-anchor="middle">${+tick.toPrecision(6)}${measure.unit === "%" ? " %" : ""}</text>\n`)}${lines}</svg>`;
}

function tables({ measures, rows, mean, worst }: Evidence): Html {
  const { columns, cells } = evidenceTable(measures, [...rows, ...mean, ...worst]);
  const left = columns.map(({ align }) => (align === "left" ? "words" : ""));
  const body = (group: readonly Row[]) => group.map((row) => html`<tr>${cells(row).map((cell, index) => html`<td class="${left[index]}">${cell}</td>`)}</tr>\n`);
  const summary = [...mean, ...worst];
  return html`<section aria-labelledby="table-title">
<h2 id="table-title">Every model of every case</h2>
<p>Mean over the seeds, in brackets the least and the greatest. Alone: a factory's own data. Federated: only updates travel. In one place: all data together. A star marks Student's interval over seeds, a dagger one from resampled cases; the others are from resampled test units.</p>
<div class="scroll"><table class="wide">
<thead><tr>${columns.map(({ title }, index) => html`<th scope="col" class="${left[index]}">${title}</th>`)}</tr></thead>
<tbody>
${body(rows)}</tbody>
${summary.length > 0 ? html`<tfoot>${body(summary)}</tfoot>` : null}
</table></div>
</section>`;
}

function advice({ advice: lines }: Evidence): Html | null {
  if (lines.length === 0) return null;
  return html`<section aria-labelledby="advice-title"><h2 id="advice-title">What to know</h2><ul>${lines.map((line) => html`<li>${line}</li>\n`)}</ul></section>`;
}
