/**
 * @module
 * A curve of a study as SVG: a line a model, a dot with its range a place, the names beside it.
 */
import type { Curve } from "../tasks/curve.ts";
import type { StudyMeasure } from "../tasks/study.ts";
import { WAYS } from "./evidence.ts";
import { html, type Html } from "./html.ts";
import { axisOf } from "./plot.ts";
import { HUES } from "./style.ts";

const [WIDTH, HEIGHT] = [900, 340];
const MARGIN = { left: 60, right: 300, top: 12, bottom: 46 };
const NAME = 22;
/** Lines stand beside one another at a place, so that their ranges can be told apart. */
const APART = 5;

export function drawCurve(measure: StudyMeasure, { curve, axis, at, lines }: Curve): Html {
  const percent = measure.unit === "%";
  const spreadOf = (row: Curve["lines"][number]["rows"][number]) => row?.figures[measure.name];
  const shown = lines.filter(({ rows }) => rows.some(spreadOf));
  const scale = percent ? 100 : 1;
  const ends = shown.flatMap(({ rows }) => rows.flatMap((row) => (spreadOf(row) ? [spreadOf(row)!.least * scale, spreadOf(row)!.greatest * scale] : [])));
  const { from, to, ticks } = axisOf(Math.min(...ends), Math.max(...ends));
  const bottom = Math.max(HEIGHT, MARGIN.top + shown.length * NAME + MARGIN.bottom) - MARGIN.bottom;
  const right = WIDTH - MARGIN.right;
  const y = (value: number) => (bottom - ((value - from) / (to - from)) * (bottom - MARGIN.top)).toFixed(1);
  const place = (index: number) => MARGIN.left + ((index + 0.5) / at.length) * (right - MARGIN.left);
  const x = (index: number, line: number) => (place(index) + (line - (shown.length - 1) / 2) * APART).toFixed(1);
  return html`<svg class="curve" viewBox="0 0 ${WIDTH} ${bottom + MARGIN.bottom}" role="img" aria-label="${curve}: ${measure.title} by ${axis}, ${shown.length} models at ${at.length} places; the table below has all values">
${ticks.map((tick) => html`<line class="grid" x1="${MARGIN.left}" x2="${right}" y1="${y(tick)}" y2="${y(tick)}"/><text x="${MARGIN.left - 8}" y="${y(tick)}" dy="4" text-anchor="end">${+tick.toPrecision(6)}${percent ? " %" : ""}</text>\n`)}
${at.map((value, index) => html`<text x="${place(index).toFixed(1)}" y="${bottom + 18}" text-anchor="middle">${value}</text>`)}
<text x="${(MARGIN.left + right) / 2}" y="${bottom + 38}" text-anchor="middle">${axis}</text>
${shown.map(({ model, way, rows }, line) => {
  const points = rows.flatMap((row, index) => (spreadOf(row) ? [{ ...spreadOf(row)!, x: x(index, line) }] : []));
  const middle = MARGIN.top + (line + 0.5) * NAME;
  return html`<g class="hue-${line % HUES}"><polyline points="${points.map(({ x, mean }) => `${x},${y(mean * scale)}`).join(" ")}"/>
${points.map(({ x, mean, least, greatest }) => html`<line class="range" x1="${x}" x2="${x}" y1="${y(least * scale)}" y2="${y(greatest * scale)}"/><circle cx="${x}" cy="${y(mean * scale)}" r="4"/>`)}
<circle cx="${right + 18}" cy="${middle}" r="5"/><text x="${right + 30}" y="${middle}" dy="4">${model}, ${WAYS[way]}</text></g>\n`;
})}</svg>`;
}
