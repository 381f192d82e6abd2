/**
 * @module
 * Plain-text tables: words to the left, numbers to the right, nothing that a pipe or a log would spoil.
 */

export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
  /** Where lines are printed before all rows are known; a wider cell pushes its line out. */
  readonly width?: number;
}

const GAP = "  ";

/** Code points, since that is what a terminal counts for the characters used here. */
const widthOf = (text: string) => [...text].length;

/** One line. Columns without a width take that of their title. */
export function formatRow(columns: readonly Column[], cells: readonly string[]): string {
  const padded = columns.map(({ title, align, width }, index) => {
    const cell = cells[index] ?? "";
    const space = " ".repeat(Math.max(0, Math.max(width ?? 0, widthOf(title)) - widthOf(cell)));
    return align === "left" ? cell + space : space + cell;
  });
  return padded.join(GAP).trimEnd();
}

/** The line of titles. */
export function formatTitles(columns: readonly Column[]): string {
  return formatRow(columns, columns.map(({ title }) => title));
}

/** Titles and rows; a row that is null becomes a rule. Ends with a newline. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[] | null)[]): string {
  const fitted = columns.map((column, index) => ({
    ...column,
    width: Math.max(widthOf(column.title), ...rows.map((row) => widthOf(row?.[index] ?? ""))),
  }));
  const rule = fitted.map(({ width }) => "─".repeat(width)).join(GAP);
  const lines = rows.map((row) => (row === null ? rule : formatRow(fitted, row)));
  return [formatTitles(fitted), rule, ...lines].map((line) => `${line}\n`).join("");
}
