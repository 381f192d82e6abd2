/**
 * One task over several seeds: what docs/ shows as tables. A seed chooses the data's split (or the
 * simulated machines), the initial weights and the order of training.
 *
 *     npm run seeds -- hydraulic --data DIR [--seeds 1,2,3] [--subset FD00x] [--workers N]
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { folderSource, threadPool } from "../build/node.js";
import { resolve, run } from "../build/tasks/run.js";

const { positionals: [task], values } = parseArgs({
  allowPositionals: true,
  options: {
    data: { type: "string" },
    seeds: { type: "string", default: "1,2,3" },
    subset: { type: "string" },
    workers: { type: "string", default: String(availableParallelism()) },
  },
});

const measures = {
  accuracy: (value) => `${(100 * value).toFixed(1)} %`,
  criticalDetection: (value) => `${(100 * value).toFixed(1)} %`,
  falseAlarmRate: (value) => `${(100 * value).toFixed(1)} %`,
  rmse: (value) => value.toFixed(2),
  rmseRaw: (value) => value.toFixed(2),
  score: (value) => value.toFixed(0),
};

const rows = new Map();
const note = (name, metrics) => {
  if (metrics) rows.set(name, [...(rows.get(name) ?? []), metrics]);
};
const pool = threadPool(Number(values.workers));
for (const seed of values.seeds.split(",").map(Number)) {
  const prepared = await resolve({ task, seed, compare: true, subset: values.subset }, values.data && folderSource(values.data));
  const { summary } = await run(prepared, { pool });
  for (const { id, own, ...all } of summary.factories) {
    // Where a task compares models on all factories' windows, the shared ones have one figure for all; own windows tell the factories apart.
    const { solo, federated, centralised } = own ?? all;
    if (own) note(`${id}, solo, all windows`, all.solo);
    note(`${id}, solo`, solo);
    note(`${id}, federated`, federated);
    note(`${id}, centralised`, centralised);
  }
  note("held out, federated", summary.heldOut?.federated);
  note("held out, centralised", summary.heldOut?.centralised);
  note("all, solo (mean)", summary.metrics.solo.mean);
  note("all, federated", summary.metrics.federated);
  note("all, centralised", summary.metrics.centralised);
  console.error(`seed ${seed}: ${summary.wallSeconds} s, ${summary.model.sha256.slice(0, 12)}`);
}
await pool.close();

const names = Object.keys(measures).filter((name) => name in [...rows.values()][0][0]);
const cell = (all, name) => {
  const each = all.map((metrics) => metrics[name]);
  const show = measures[name];
  return `${show(each.reduce((sum, value) => sum + value, 0) / each.length)} (${show(Math.min(...each))} to ${show(Math.max(...each))})`;
};
const table = [["model", ...names], ...[...rows].map(([name, all]) => [name, ...names.map((measure) => cell(all, measure))])];
const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
table.splice(1, 0, widths.map((width) => "-".repeat(width)));
console.log(`${task} ${values.subset ?? ""}, seeds ${values.seeds}: mean (least to greatest), test data`);
for (const row of table) console.log(`| ${row.map((text, column) => text.padEnd(widths[column])).join(" | ")} |`);
