/** Tables for people: aligned columns, numbers on the right. */

export function print(title, columns, rows, notes = []) {
  const table = [columns, ...rows.map((row) => columns.map((_, column) => String(row[column] ?? "")))];
  const widths = columns.map((_, column) => Math.max(...table.map((row) => row[column].length)));
  const numeric = columns.map((_, column) => rows.every((row) => /^[-<>=~]*\s?[\d.]|^$/.test(String(row[column] ?? ""))));
  const line = (row) => row.map((text, column) => (numeric[column] ? text.padStart(widths[column]) : text.padEnd(widths[column]))).join("  ").trimEnd();
  console.log(`\n${title}\n`);
  console.log(line(columns));
  console.log(widths.map((width) => "-".repeat(width)).join("  "));
  for (const row of table.slice(1)) console.log(line(row));
  for (const note of notes) console.log(note);
}

/** Three significant digits, with the unit that suits. */
export function time(ms) {
  if (ms === undefined) return "";
  if (ms >= 1000) return `${(ms / 1000).toPrecision(3)} s`;
  if (ms >= 0.1) return `${Number(ms.toPrecision(3))} ms`;
  if (ms >= 1e-4) return `${Number((ms * 1e3).toPrecision(3))} us`;
  return `${Number((ms * 1e6).toPrecision(3))} ns`;
}

export const bytes = (count) => (count >= 2 ** 20 ? `${(count / 2 ** 20).toPrecision(3)} MiB` : `${(count / 1024).toPrecision(3)} KiB`);
export const percent = (share) => (share === undefined ? "" : `${(100 * share).toFixed(0)} %`);

/**
 * A comparison as a row, judged by its target:
 *   { atMost }  ours over theirs    { faster }  theirs over ours    { share }  part of the ceiling
 */
export function judged({ work, build, ms, against, theirs, figure, target = {} }) {
  const bound = target.atMost ?? target.faster ?? target.share;
  const met = figure === undefined || bound === undefined ? "" : (target.atMost !== undefined ? figure <= bound : figure >= bound) ? "yes" : "no";
  return { work, build, ms, against, theirs, figure, target, met };
}

const FIGURES = {
  atMost: [(figure) => `${figure.toFixed(2)}x the time`, (bound) => `<= ${bound.toFixed(2)}x`],
  faster: [(figure) => `${figure.toPrecision(3)}x faster`, (bound) => `>= ${bound}x`],
  share: [percent, (bound) => `>= ${percent(bound)}`],
};

export function printJudged(title, rows, notes) {
  const cells = rows.map(({ work, build, ms, against, theirs, figure, target, met }) => {
    const [kind] = Object.keys(target);
    const [show, bound] = FIGURES[kind ?? "atMost"];
    return [work, build, time(ms), against, time(theirs), figure === undefined ? "" : show(figure), target[kind] === undefined ? "" : bound(target[kind]), met];
  });
  print(title, ["work", "build", "time", "against", "its time", "figure", "target", "met"], cells, notes);
}
