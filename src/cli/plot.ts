/**
 * @module
 * The report's still pictures, as HTML and SVG: a confusion matrix, and predictions against truth.
 */
import type { Summary } from "../tasks/result.ts";
import { count, percent } from "./format.ts";
import { html, type Html } from "./html.ts";

/** Classes in order of severity; the last two are the critical ones, as in the metrics. */
export function confusionMatrix(classes: readonly string[], confusion: readonly (readonly number[])[]): Html {
  const alarm = classes.length >= 3 ? classes.length - 2 : -1;
  const column = (index: number) => (index === alarm ? "alarm" : "");
  return html`<table class="confusion">
<thead><tr><th scope="col">true state</th>${classes.map((name, index) => html`<th scope="col" class="${column(index)}">${name}</th>`)}</tr></thead>
<tbody>
${confusion.map((row, truth) => {
  const total = row.reduce((sum, value) => sum + value, 0);
  return html`<tr><th scope="row">${classes[truth]}</th>${row.map((value, predicted) => cell(value, total, column(predicted)))}</tr>\n`;
})}</tbody>
</table>`;
}

function cell(value: number, total: number, name: string): Html {
  const share = total > 0 ? value / total : 0;
  const strong = share > 0.75 ? "strong" : "";
  return html`<td class="${name}"><svg viewBox="0 0 100 64" role="img" aria-label="${percent(share)}, ${value} windows">
<rect width="100" height="64" opacity="${(0.06 + 0.94 * share).toFixed(3)}"/>
<text class="${strong}" x="50" y="31">${percent(total > 0 ? share : null)}</text>
<text class="count ${strong}" x="50" y="49">${count(value)}</text>
</svg></td>`;
}

const SIZE = 420;
const MARGIN = { left: 48, right: 14, top: 12, bottom: 42 };

/** Equal axes, so that the diagonal is where prediction and truth agree. */
export function scatter(predictions: NonNullable<Summary["predictions"]>, unit: string): Html {
  const values = predictions.flatMap(({ truth, predicted }) => [truth, predicted]);
  const low = Math.min(0, ...values);
  const step = niceStep(Math.max(...values) - low);
  const first = Math.floor(low / step);
  const last = Math.max(first + 1, Math.ceil(Math.max(...values) / step));
  const ticks = Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step);
  const [from, to] = [ticks[0], ticks[ticks.length - 1]];
  const x = (value: number) => (MARGIN.left + ((value - from) / (to - from)) * (SIZE - MARGIN.left - MARGIN.right)).toFixed(1);
  const y = (value: number) => (SIZE - MARGIN.bottom - ((value - from) / (to - from)) * (SIZE - MARGIN.top - MARGIN.bottom)).toFixed(1);
  const label = unit ? ` (${unit})` : "";
  return html`<svg class="scatter" viewBox="0 0 ${SIZE} ${SIZE}" role="img" aria-label="Scatter plot of predicted against true values for ${predictions.length} test windows, from ${from} to ${to} ${unit}">
${ticks.map(
  (tick) => html`<line class="grid" x1="${x(tick)}" x2="${x(tick)}" y1="${y(from)}" y2="${y(to)}"/>
<line class="grid" x1="${x(from)}" x2="${x(to)}" y1="${y(tick)}" y2="${y(tick)}"/>
<text x="${x(tick)}" y="${SIZE - MARGIN.bottom + 16}" text-anchor="middle">${tick}</text>
<text x="${MARGIN.left - 8}" y="${y(tick)}" dy="4" text-anchor="end">${tick}</text>\n`,
)}<line class="diagonal" x1="${x(from)}" y1="${y(from)}" x2="${x(to)}" y2="${y(to)}"/>
${predictions.map(
  ({ factory, truth, predicted }) =>
    html`<circle cx="${x(truth)}" cy="${y(predicted)}" r="3.2"><title>${factory}: true ${truth}, predicted ${predicted.toFixed(1)}</title></circle>\n`,
)}<text x="${(SIZE + MARGIN.left - MARGIN.right) / 2}" y="${SIZE - 8}" text-anchor="middle">true${label}</text>
<text transform="translate(13 ${(SIZE - MARGIN.bottom + MARGIN.top) / 2}) rotate(-90)" text-anchor="middle">predicted${label}</text>
</svg>`;
}

/** A step of 1, 2 or 5 times a power of ten; about so many fill the range. */
function niceStep(range: number, steps = 6): number {
  let power = 1;
  while (power * 10 <= range / steps) power *= 10;
  while (power > range / steps && power > 1e-9) power /= 10;
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => range / step <= steps) ?? 10 * power;
}

/** About five steps around the values: from, to and the ticks. */
export function axisOf(low: number, high: number): { readonly from: number; readonly to: number; readonly ticks: readonly number[] } {
  const step = niceStep(high - low || Math.abs(high) || 1, 5);
  const from = Math.floor(low / step) * step;
  const to = Math.max(from + step, Math.ceil(high / step) * step);
  return { from, to, ticks: Array.from({ length: Math.round((to - from) / step) + 1 }, (_, index) => from + index * step) };
}
