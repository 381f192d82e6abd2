/**
 * @module
 * Learning curves: their data, and the script that draws them with uPlot, whose code is read from the installed package.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { RoundRecord } from "../tasks/result.ts";
import { measuresOf } from "./measure.ts";
import { meanLoss } from "./progress.ts";
import { palette } from "./style.ts";

export interface Curves {
  /** Shown with the chart, and read to those who do not see it. */
  readonly title: string;
  readonly percent: boolean;
  readonly rounds: readonly number[];
  /** The first is the federation's: bold. */
  readonly series: readonly { readonly name: string; readonly values: readonly (number | null)[] }[];
}

/** One chart of the leading measure on validation data, one of the training loss. */
export function curvesOf(records: readonly RoundRecord[]): readonly Curves[] {
  const [measure] = measuresOf(records[0].metrics);
  const rounds = records.map(({ round }) => round);
  const factory = (read: (factory: RoundRecord["factories"][number]) => number) =>
    records[0].factories.map(({ id }, index) => ({ name: id, values: records.map(({ factories }) => read(factories[index])) }));
  return [
    {
      title: `${measure.title} on validation data`,
      percent: measure.show(0).endsWith("%"),
      rounds,
      series: [{ name: "all", values: records.map(({ metrics }) => measure.of(metrics)) }, ...factory(({ metrics }) => measure.of(metrics))],
    },
    { title: "training loss", percent: false, rounds, series: [{ name: "mean", values: records.map(meanLoss) }, ...factory(({ loss }) => loss)] },
  ];
}

/** uPlot as it is distributed, with its licence. */
export function plotter(): { script: string; style: string } {
  const folder = dirname(createRequire(import.meta.url).resolve("uplot/package.json"));
  const read = (name: string) => readFileSync(join(folder, name), "utf8");
  const script = read("dist/uPlot.iife.min.js").replace(/^\/\*!.*?\*\/\s*/, "");
  return { script: `/* uPlot. ${read("LICENSE").trim()} */\n${script}`, style: read("dist/uPlot.min.css") };
}

/** Runs in the reader's browser, after uPlot and beside <script id="curves" type="application/json">. */
export const drawing = `
const charts = JSON.parse(document.getElementById("curves").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");
let printing = false;
const light = () => printing || !dark.matches;
const ink = () => (light() ? "#16202c" : "#f2f6fa");
const soft = () => (light() ? "#5b6776" : "#9aa8b8");
const line = () => (light() ? "#e6eaef" : "#26303c");
const palette = ${JSON.stringify(palette)};
const colour = (index) => () => palette[light() ? "light" : "dark"][(index - 1) % 8];
const plots = charts.map((chart) => {
  const host = document.querySelector('[data-chart="' + chart.title + '"]');
  const show = (value) => (value == null ? "–" : chart.percent ? (100 * value).toFixed(1) + " %" : value >= 999.5 ? String(Math.round(value)) : value.toPrecision(3));
  const axis = (options) => ({ stroke: soft, grid: { stroke: line, width: 1 }, ticks: { stroke: line, size: 5, width: 1 }, font: "12px system-ui", ...options });
  const lines = chart.series.map((series, index) => ({
    label: series.name,
    stroke: index === 0 ? ink : colour(index),
    width: index === 0 ? 3 : 1.25,
    points: { show: chart.rounds.length === 1, size: 6 },
    // Where no round is pointed at, the last one is read.
    value: (plot, value, at, round) => show(round == null ? series.values[series.values.length - 1] : value),
  }));
  // What is drawn last lies on top: the bold line.
  const data = [chart.rounds, ...chart.series.slice(1).map((series) => series.values), chart.series[0].values];
  const size = () => ({ width: host.clientWidth, height: 300 });
  const plot = new uPlot({
    ...size(),
    scales: { x: { time: false } },
    legend: { live: true },
    cursor: { y: false, points: { size: 6 } },
    series: [{ label: "round", value: (plot, value, at, round) => String(round == null ? chart.rounds[chart.rounds.length - 1] : value) }, ...lines.slice(1), lines[0]],
    axes: [
      axis({ label: "round", incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000], size: 30, labelSize: 18, labelGap: -4, labelFont: "12px system-ui" }),
      axis({ size: 56, values: (plot, ticks) => ticks.map((tick) => (chart.percent ? Math.round(1000 * tick) / 10 + " %" : String(+tick.toPrecision(6)))) }),
    ],
  }, data, host);
  new ResizeObserver(() => plot.setSize(size())).observe(host);
  return plot;
});
const redraw = () => plots.forEach((plot) => plot.redraw(false, true));
dark.addEventListener("change", redraw);
addEventListener("beforeprint", () => { printing = true; redraw(); });
addEventListener("afterprint", () => { printing = false; redraw(); });
`;
