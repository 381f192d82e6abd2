/**
 * @module
 * report.html: one file that opens from disk and asks the network for nothing. Figures first, then curves, then the rest.
 */
import type { Metrics, RoundRecord, Summary } from "../tasks/result.ts";
import type { RunConfig } from "../tasks/run.ts";
import { curvesOf, drawing, plotter } from "./chart.ts";
import { compare, comparisons, type ComparisonRow, type Comparison } from "./comparison.ts";
import { formatJson, type Json } from "./folder.ts";
import { bytes, count, decimal, duration, percent } from "./format.ts";
import { embedJson, html, Html } from "./html.ts";
import { isClassification, measuresOf, spread, type Measure } from "./measure.ts";
import { renderPage } from "./page.ts";
import { confusionMatrix, scatter } from "./plot.ts";

export interface ReportInput {
  readonly config: RunConfig;
  readonly records: readonly RoundRecord[];
  readonly summary: Summary;
}

/** The federation may cost this much against all data in one place, where errors are measured. */
const CENTRALISED_FACTOR = 1.05;

export function renderReport({ config, records, summary }: ReportInput): string {
  const uplot = plotter();
  return renderPage({
    title: `${summary.task}, seed ${summary.seed}`,
    eyebrow: "Millwright run report",
    heading: `${capital(summary.task)}: one model from ${summary.factories.length} ${summary.factories.length === 1 ? "factory" : "factories"}`,
    lead: `${summary.rounds} rounds, seed ${summary.seed}, ${count(summary.model.parameters)} parameters, ${duration(summary.wallSeconds)}. All figures below are of test data, which training never saw.`,
    main: html`${headline(summary)}
${learningCurves(records)}
${comparisonSection(summary)}
${predictionSection(config, summary)}
${facts(summary, records)}
${details(config, records)}`,
    styles: uplot.style,
    data: html`<script type="application/json" id="curves">${embedJson(curvesOf(records))}</script>
`,
    scripts: [uplot.script, drawing],
  });
}

interface Card {
  readonly title: string;
  readonly value: string;
  readonly note: string;
  readonly met?: boolean;
}

function headline(summary: Summary): Html {
  const { federated, centralised } = summary.metrics;
  const classes = isClassification(federated);
  const cards: Card[] = measuresOf(federated)
    .slice(0, classes ? 3 : 2)
    .map((measure) => {
      const value = measure.of(federated);
      const bound = measure.target === undefined ? "" : `target ${measure.higherIsBetter ? ">" : "<"} ${100 * measure.target} %`;
      const lower = classes && measure.title === "critical detection" ? `, 95 % sure of ≥ ${measure.show(federated.criticalDetectionLower95)}` : "";
      return {
        title: measure.title,
        value: measure.show(value),
        note: bound + lower || measure.meaning,
        met: measure.target === undefined ? undefined : measure.higherIsBetter ? value > measure.target : value < measure.target,
      };
    });
  if (!classes && centralised && !isClassification(centralised)) {
    const ratio = federated.rmse / centralised.rmse;
    cards.push({ title: "RMSE against centralised", value: `× ${ratio.toFixed(3)}`, note: `target ≤ ${CENTRALISED_FACTOR}`, met: ratio <= CENTRALISED_FACTOR });
  }
  const { measure, worst } = compare(summary);
  const alone = worst.values.solo;
  cards.push({
    title: `worst factory, ${measure.title}`,
    value: measure.show(worst.values.federated),
    note: alone === null ? "federated" : `the worst alone: ${measure.show(alone)}`,
    met: alone === null ? undefined : isBetter(measure, worst.values.federated, alone),
  });
  return html`<dl class="figures">
${cards.map(
  ({ title, value, note, met }) =>
    html`<div class="figure"><dt>${title}</dt><dd class="value">${value}</dd><dd class="target">${verdict(met)}${note.replaceAll(" %", "\u00a0%")}</dd></div>\n`,
)}</dl>`;
}

function verdict(met: boolean | undefined): Html | null {
  if (met === undefined) return null;
  return met ? html`<span class="verdict met">✓ met</span> ` : html`<span class="verdict missed">✗ missed</span> `;
}

function isBetter(measure: Measure, value: number | null, than: number | null): boolean {
  if (value === null || than === null) return false;
  return measure.higherIsBetter ? value > than : value < than;
}

function learningCurves(records: readonly RoundRecord[]): Html {
  const last = records[records.length - 1];
  const [measure] = measuresOf(last.metrics);
  const spoken = `${measure.title} after ${last.round} rounds: ${measure.show(measure.of(last.metrics))}, per factory ${spread(measure, last.factories.map(({ metrics }) => metrics))}`;
  return html`<section aria-labelledby="curves-title">
<h2 id="curves-title">Learning curves</h2>
<p>The bold line is the shared model on all factories, each thin line on one of them. Point at a round to read its figures; click a name to hide its line.</p>
<div class="pair">
${curvesOf(records).map(
  ({ title }) => html`<div><h3>${capital(title)}</h3><div class="chart" data-chart="${title}" role="img" aria-label="Line chart of ${title} by round. ${spoken}. The table of rounds below has all values."></div></div>\n`,
)}</div>
<noscript><p>The curves need JavaScript; the table of rounds below has the same figures.</p></noscript>
</section>`;
}

function comparisonSection(summary: Summary): Html {
  const [judged, ...others] = comparisons(summary);
  const gains = judged.ways.includes("solo");
  return html`<section aria-labelledby="comparison-title">
<h2 id="comparison-title">${gains ? "Alone, together, or all data in one place" : "Per factory"}</h2>
${gains ? html`<p>Solo: the factory trains by itself. Federated: only updates travel. Centralised: what nobody may do, all data in one place. Each with as many gradient steps per sample.</p>` : null}
${[judged, ...others].map((comparison) => comparisonTable(comparison))}</section>`;
}

function comparisonTable(comparison: Comparison): Html {
  const { windows, measure, ways, factories, worst, mean, heldOut } = comparison;
  const all = [...factories, worst, mean, ...(heldOut ? [heldOut] : [])];
  const longest = measure.higherIsBetter ? 1 : Math.max(...all.flatMap(({ values }) => ways.map((way) => values[way] ?? 0)));
  const row = (entry: ComparisonRow, held = false) => comparisonRow(entry, comparison, longest, held);
  const gains = ways.includes("solo");
  return html`<p>${capital(measure.title)} on ${windows} test windows: ${measure.meaning}; ${measure.higherIsBetter ? "more" : "less"} is better.</p>
<div class="scroll"><table class="wide">
<thead><tr><th scope="col">factory</th><th scope="col" class="windows">train</th><th scope="col" class="windows">test</th>${ways.map((way) => html`<th scope="col" class="bar">${way}</th>`)}${
    gains ? html`<th scope="col">gain</th>` : null
  }</tr></thead>
<tbody>
${factories.map((entry) => row(entry))}${heldOut ? row(heldOut, true) : null}</tbody>
<tfoot>
${row(worst)}${row(mean)}</tfoot>
</table></div>
`;
}

function comparisonRow({ id, train, test, values }: ComparisonRow, { measure, ways }: Comparison, longest: number, held: boolean): Html {
  const cell = (way: (typeof ways)[number]) => {
    const value = values[way];
    const others = ways.filter((other) => other !== way).map((other) => values[other]);
    const best = value !== null && others.length > 0 && others.every((other) => other === null || !isBetter(measure, other, value));
    const width = value === null || !(longest > 0) ? 0 : Math.min(100, (100 * value) / longest);
    return html`<td class="bar${best ? " best" : ""}">${measure.show(value)}<svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect class="track" width="100" height="6"/><rect class="fill-${way}" width="${width.toFixed(2)}" height="6"/></svg></td>`;
  };
  return html`<tr${held ? new Html(' class="held"') : null}><th scope="row">${id}</th><td class="windows">${train === undefined ? "" : count(train)}</td><td class="windows">${
    test === undefined ? "" : count(test)
  }</td>${ways.map(cell)}${ways.includes("solo") ? gain(values, measure) : null}</tr>\n`;
}

function gain({ solo, federated }: ComparisonRow["values"], measure: Measure): Html {
  if (solo === null || federated === null) return html`<td>–</td>`;
  const difference = federated - solo;
  const points = measure.show(0).endsWith("%");
  const text = points ? `${Math.abs(100 * difference).toFixed(1)} points` : decimal(Math.abs(difference));
  return html`<td class="${isBetter(measure, federated, solo) ? "gain" : "loss"}">${difference < 0 ? "−" : "+"}${text}</td>`;
}

function predictionSection({ spec }: RunConfig, { metrics, predictions }: Summary): Html {
  const { federated, centralised, solo } = metrics;
  const models: [string, Metrics | null | undefined][] = [["federated", federated], ["centralised", centralised], ["solo, mean", solo?.mean], ["solo, worst", solo?.worst]];
  const all = html`<h3>All measures</h3>
${measureTable(models.flatMap(([id, value]) => (value ? [{ id, metrics: value }] : [])))}`;
  if (isClassification(federated)) {
    const classes = spec.head.type === "classify" ? spec.head.classes : federated.confusion.map((_, index) => `class ${index}`);
    return html`<section aria-labelledby="prediction-title">
<h2 id="prediction-title">What is taken for what</h2>
<p>Each row is a true state, each column a prediction of the federated model on test windows: share of the row, and windows. The upright line is the alarm: right of it, it rings.</p>
<div class="pair"><div class="scroll">${confusionMatrix(classes, federated.confusion)}</div>
<div class="scroll">${all}
<h3>Federated, per state</h3>
${stateTable(classes, federated.confusion)}</div></div>
</section>`;
  }
  const unit = "unit" in spec.head ? spec.head.unit : "";
  const dots = predictions ?? [];
  return html`<section aria-labelledby="prediction-title">
<h2 id="prediction-title">Predicted against true</h2>
<p>One dot for each of ${count(dots.length)} test windows, by the federated model. On the dashed line the prediction is right; above it, the model promises more than is left.</p>
<div class="pair"><div>${dots.length > 0 ? scatter(dots, unit) : null}</div><div class="scroll">${all}</div></div>
</section>`;
}

function measureTable(rows: readonly { readonly id: string; readonly metrics: Metrics }[]): Html {
  const measures = measuresOf(rows[0].metrics);
  return html`<table class="plain"><thead><tr><th scope="col">model</th>${measures.map(({ title }) => html`<th scope="col">${title}</th>`)}</tr></thead>
<tbody>${rows.map(({ id, metrics }) => html`<tr><th scope="row">${id}</th>${measures.map((measure) => html`<td>${measure.show(measure.of(metrics))}</td>`)}</tr>\n`)}</tbody></table>`;
}

function stateTable(classes: readonly string[], confusion: readonly (readonly number[])[]): Html {
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  return html`<table class="plain"><thead><tr><th scope="col">state</th><th scope="col">windows</th><th scope="col">recall</th><th scope="col">precision</th></tr></thead>
<tbody>${classes.map((name, index) => {
    const hits = confusion[index][index];
    return html`<tr><th scope="row">${name}</th><td>${count(sum(confusion[index]))}</td><td>${percent(hits / sum(confusion[index]))}</td><td>${percent(hits / sum(confusion.map((row) => row[index])))}</td></tr>\n`;
  })}</tbody></table>`;
}

function facts(summary: Summary, records: readonly RoundRecord[]): Html {
  const difference = summary.onnx.maxAbsDifference;
  const rows: [string, string | Html][] = [
    ["Seed", String(summary.seed)],
    ["Rounds", String(summary.rounds)],
    ["Parameters", count(summary.model.parameters)],
    ["Bytes a round", bytes(summary.bytesPerRound)],
    ["Bytes in all", bytes(records.reduce((sum, record) => sum + record.bytes, 0))],
    ["Wall time", duration(summary.wallSeconds)],
    ["ONNX against ours", difference === null ? "not measured: there is no onnxruntime-node here" : `at most ${difference.toExponential(1)} apart`],
    ["Model SHA-256", html`<code>${summary.model.sha256}</code>`],
    ["Data SHA-256", html`<code>${summary.data.sha256}</code>`],
  ];
  return html`<section aria-labelledby="facts-title">
<h2 id="facts-title">The run</h2>
<p>The same seed, data and options give the same model hash, on any number of workers.</p>
<dl class="facts">
${rows.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>\n`)}</dl>
</section>`;
}

function details(config: RunConfig, records: readonly RoundRecord[]): Html {
  const measures = measuresOf(records[0].metrics);
  return html`<section aria-labelledby="details-title">
<h2 id="details-title">Details</h2>
<details><summary>Every round, on validation data</summary>
<div class="scroll"><table class="wide">
<thead><tr><th scope="col">round</th>${measures.map(({ title }) => html`<th scope="col">${title}</th>`)}${records[0].factories.map(({ id }) => html`<th scope="col">${id}</th>`)}</tr></thead>
<tbody>
${records.map(
  ({ round, metrics, factories }) =>
    html`<tr><th scope="row">${round}</th>${measures.map((measure) => html`<td>${measure.show(measure.of(metrics))}</td>`)}${factories.map(
      (factory) => html`<td>${measures[0].show(measures[0].of(factory.metrics))}</td>`,
    )}</tr>\n`,
)}</tbody>
</table></div>
</details>
<details><summary>Configuration</summary><pre>${formatJson(config as unknown as Json)}</pre></details>
</section>`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
