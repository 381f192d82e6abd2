/**
 * @module
 * The question of the whole exercise as rows: how good is each factory alone, in the federation, and with all data in one place?
 */
import type { FactorySummary, Metrics, Summary } from "../tasks/result.ts";
import { count } from "./format.ts";
import { measuresOf, type Measure } from "./measure.ts";
import { formatTable, type Column } from "./table.ts";

/** The three ways to train that are compared. */
export const ways = ["solo", "federated", "centralised"] as const;
export type Way = (typeof ways)[number];

export interface ComparisonRow {
  readonly id: string;
  /** Absent in rows that sum others up. */
  readonly train?: number;
  readonly test?: number;
  readonly values: Readonly<Record<Way, number | null>>;
}

export interface Comparison {
  /** Which test windows: "each factory's own", or "all factories'". */
  readonly windows: string;
  readonly measure: Measure;
  /** The ways that were trained: all three with --compare. */
  readonly ways: readonly Way[];
  readonly factories: readonly ComparisonRow[];
  /** Over the factories above, each counted once. */
  readonly worst: ComparisonRow;
  readonly mean: ComparisonRow;
  readonly heldOut: ComparisonRow | null;
}

/** The comparison that the task goes by and, where that is on all factories' windows, the one on each factory's own. */
export function comparisons(summary: Summary): Comparison[] {
  const own = summary.factories.some((factory) => factory.own);
  return own ? [compare(summary), compare(summary, true)] : [compare(summary)];
}

export function compare(summary: Summary, own = false): Comparison {
  const [measure] = measuresOf(summary.metrics.federated);
  const row = (factory: FactorySummary): ComparisonRow => {
    const metrics = (own && factory.own) || factory;
    const { id, train, test } = factory;
    return { id, train, test, values: overWays((way) => (metrics[way] ? measure.of(metrics[way]) : null)) };
  };
  const factories = summary.factories.map(row);
  const onAll = !own && summary.factories.some((factory) => factory.own);
  const reduce = (id: string, reduction: (values: number[]) => number): ComparisonRow => ({
    id,
    values: overWays((way) => {
      const values = factories.map((factory) => factory.values[way]).filter((value): value is number => Number.isFinite(value));
      return values.length > 0 ? reduction(values) : null;
    }),
  });
  return {
    windows: onAll ? "all factories'" : "each factory's own",
    measure,
    ways: ways.filter((way) => factories.some((factory) => factory.values[way] !== null)),
    factories,
    worst: reduce("worst factory", (values) => (measure.higherIsBetter ? Math.min(...values) : Math.max(...values))),
    mean: reduce("mean of factories", (values) => values.reduce((sum, value) => sum + value, 0) / values.length),
    heldOut: summary.heldOut && row(summary.heldOut),
  };
}

function overWays(value: (way: Way) => number | null): Record<Way, number | null> {
  return { solo: value("solo"), federated: value("federated"), centralised: value("centralised") };
}

/** The leading measure per factory, then all measures of each way to train. */
export function formatComparison(summary: Summary): string {
  const { federated, centralised, solo } = summary.metrics;
  const models: [string, Metrics | undefined | null][] = [
    ["federated", federated],
    ["centralised", centralised],
    ["solo, mean", solo?.mean],
    ["solo, worst", solo?.worst],
  ];
  const tables = comparisons(summary).map(formatFactories);
  return [...tables, formatMeasures("model", models.flatMap(([id, metrics]) => (metrics ? [{ id, metrics }] : [])))].join("\n");
}

function formatFactories({ windows, measure, ways, factories, worst, mean, heldOut }: Comparison): string {
  const cells = ({ id, train, test, values }: ComparisonRow) => [
    id,
    train === undefined ? "" : count(train),
    test === undefined ? "" : count(test),
    ...ways.map((way) => measure.show(values[way])),
  ];
  const columns: Column[] = [{ title: `${measure.title}, ${windows} test windows`, align: "left" }, { title: "train" }, { title: "test" }, ...ways.map((title) => ({ title }))];
  const rows = [...factories.map(cells), null, cells(worst), cells(mean)];
  if (heldOut) rows.push(cells({ ...heldOut, id: `${heldOut.id} (held out)` }));
  return formatTable(columns, rows);
}

/** One row a name, one column a measure. */
export function formatMeasures(title: string, rows: readonly { readonly id: string; readonly metrics: Metrics }[]): string {
  const measures = measuresOf(rows[0].metrics);
  const columns: Column[] = [{ title, align: "left" }, { title: "windows" }, ...measures.map((measure) => ({ title: measure.title }))];
  return formatTable(
    columns,
    rows.map(({ id, metrics }) => [id, count(metrics.samples), ...measures.map((measure) => measure.show(measure.of(metrics)))]),
  );
}
