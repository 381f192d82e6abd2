/**
 * @module
 * Tables of numbers as the older data sets publish them: a row a line, cells separated by blanks or
 * tabs, no header. Nothing is guessed: a cell that is not a finite number is an error with its line.
 */

export interface Table {
  /** The file, for messages about its content. */
  readonly path: string;
  /** (rows, columns) row-major. */
  readonly values: Float64Array;
  readonly rows: number;
  readonly columns: number;
  /** (rows) line number in the file, from 1; blank lines make it differ from the row's index. */
  readonly lines: Int32Array;
}

const NEWLINE = 10;
/** Blank, tab and the carriage return of Windows' line ends. */
const isBlank = (code: number): boolean => code === 32 || code === 9 || code === 13;

/**
 * Read a table whose every row has exactly this many columns. Blank lines are passed over.
 * @throws RangeError `file:line: …` for another number of columns, a cell that is not a finite number, or no rows at all.
 */
export function parseTable(text: string, path: string, columns: number): Table {
  const capacity = countRows(text, columns);
  const values = new Float64Array(capacity * columns);
  const lines = new Int32Array(capacity);
  let rows = 0;
  let line = 1;
  let column = 0;
  let at = 0;
  const endRow = () => {
    if (column !== 0 && column !== columns) {
      throw new RangeError(`${path}:${line}: expected ${columns} columns, got ${column}; the file is damaged or of another data set, get it again`);
    }
    if (column === columns) lines[rows++] = line;
    column = 0;
  };
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === NEWLINE) {
      endRow();
      line++;
      at++;
    } else if (isBlank(code)) {
      at++;
    } else {
      const end = endOfCell(text, at);
      // Cells beyond the last column are counted for the message and not kept.
      if (column < columns) values[rows * columns + column] = parseCell(text, at, end, path, line, column);
      column++;
      at = end;
    }
  }
  endRow();
  if (rows === 0) throw new RangeError(`${path}: the file has no rows; get it again`);
  return { path, values: values.subarray(0, rows * columns), rows, columns, lines: lines.subarray(0, rows) };
}

/** An upper bound of the rows: by lines, and by the two characters that a cell takes at least, so that memory follows the file's size. */
function countRows(text: string, columns: number): number {
  let lines = 1;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) lines++;
  return Math.min(lines, Math.ceil((text.length + 1) / (2 * columns)));
}

function endOfCell(text: string, at: number): number {
  let end = at;
  for (; end < text.length; end++) {
    const code = text.charCodeAt(end);
    if (code === NEWLINE || isBlank(code)) break;
  }
  return end;
}

const POWERS_OF_TEN = Array.from({ length: 16 }, (_, power) => Number(`1e${power}`));
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/**
 * A decimal number. Up to 15 digits, digits and power of ten are both exact doubles, and their one
 * quotient is correctly rounded (Clinger 1990), so the short way gives what Number() gives.
 */
function parseCell(text: string, start: number, end: number, path: string, line: number, column: number): number {
  let at = start;
  const negative = text.charCodeAt(at) === 45;
  if (negative) at++;
  let digits = 0;
  let decimals = 0;
  let pointed = false;
  let mantissa = 0;
  for (; at < end; at++) {
    const code = text.charCodeAt(at);
    if (code >= 48 && code <= 57) {
      mantissa = mantissa * 10 + (code - 48);
      digits++;
      if (pointed) decimals++;
    } else if (code === 46 && !pointed) {
      pointed = true;
    } else {
      break;
    }
  }
  if (at === end && digits > 0 && digits <= 15) return (negative ? -mantissa : mantissa) / POWERS_OF_TEN[decimals];
  const cell = text.slice(start, end);
  const value = NUMBER.test(cell) ? Number(cell) : NaN;
  if (!Number.isFinite(value)) {
    const shown = cell.length > 20 ? `${cell.slice(0, 20)}…` : cell;
    throw new RangeError(`${path}:${line}: column ${column + 1} expected a finite number, got ${JSON.stringify(shown)}; mend or remove the row`);
  }
  return value;
}
