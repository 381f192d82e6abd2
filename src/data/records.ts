/**
 * @module
 * Rows with named columns of a kind each, column by column: what readers of CSV and Parquet give.
 */

/** Timestamps are seconds since 1970-01-01T00:00Z. */
export type Column =
  | { readonly name: string; readonly kind: "number" | "timestamp"; readonly values: Float64Array; readonly missing: number }
  | { readonly name: string; readonly kind: "text"; readonly values: readonly string[]; readonly missing: number };

export interface Records {
  /** The file, for messages about its content. */
  readonly path: string;
  readonly rows: number;
  /** In the file's order, or as they were asked for. A missing number is NaN, a missing text is empty, and `missing` counts them. */
  readonly columns: readonly Column[];
}

/**
 * The values of a column of numbers or timestamps.
 * @throws RangeError when there is no such column, or it is text
 */
export function numbersOf({ path, columns }: Records, name: string): Float64Array {
  const column = columns.find((column) => column.name === name);
  if (!column) throw new RangeError(`${path}: expected a column "${name}", got ${columns.map(({ name }) => JSON.stringify(name)).join(", ")}; is it a file of this data set?`);
  if (column.kind === "text") throw new RangeError(`${path}: column "${name}" expected numbers, got text such as ${JSON.stringify(shown(column.values.find((value) => value !== "") ?? ""))}; declare its kind to see the first line that is none`);
  return column.values;
}

/** One set of rows from several, in order, of the same file. */
export function concatRecords(parts: readonly Records[]): Records {
  const [first] = parts;
  if (parts.length === 1) return first;
  const rows = parts.reduce((sum, part) => sum + part.rows, 0);
  const columns = first.columns.map(({ name, kind }, index): Column => {
    const all = parts.map((part) => part.columns[index]);
    const missing = all.reduce((sum, column) => sum + column.missing, 0);
    if (kind === "text") return { name, kind, values: all.flatMap((column) => column.values as readonly string[]), missing };
    const values = new Float64Array(rows);
    let at = 0;
    for (const column of all) {
      values.set(column.values as Float64Array, at);
      at += column.values.length;
    }
    return { name, kind, values, missing };
  });
  return { path: first.path, rows, columns };
}

/** As much of a cell as a message needs. */
export const shown = (cell: string): string => (cell.length > 20 ? `${cell.slice(0, 20)}…` : cell);
