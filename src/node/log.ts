/**
 * @module
 * Structured logs: one JSON object a line, with time, level, event and fields. What must not leave does not get in: fields
 * that are named as secrets are, and whatever holds the numbers of a model. It is one function, so there is no library.
 *
 *     const log = createLog((line) => process.stderr.write(line), () => Date.now());
 *     log("warn", "refused", { client: "plant-3", reason: "replayed" });
 */

export type Level = "debug" | "info" | "warn" | "error";
export type Log = (level: Level, event: string, fields?: Readonly<Record<string, unknown>>) => void;

const SECRET = /secret|password|passphrase|token|authorization|cookie|seed|(?<!public)key$/i;
const PEM = /-----BEGIN [A-Z ]+-----/;
const MAX_TEXT = 1024;
const MAX_ITEMS = 64;
const MAX_DEPTH = 4;
/** Somebody who is refused a thousand times a second must not fill the disk. */
const WINDOW_MS = 60_000;

/**
 * @param write takes whole lines, each ending in a newline
 * @param nowMs milliseconds since 1970
 * @param perMinute lines of one event that are written in a minute; the line after that says how many were not
 */
export function createLog(write: (line: string) => void, nowMs: () => number, perMinute = 600): Log {
  const windows = new Map<string, { sinceMs: number; lines: number }>();

  /** How many lines of this event were left out before this one, or undefined where it is to be left out too. */
  const admit = (event: string, timeMs: number): number | undefined => {
    const window = windows.get(event);
    // A clock that was set back must not silence an event.
    if (window && timeMs >= window.sinceMs && timeMs < window.sinceMs + WINDOW_MS) return ++window.lines > perMinute ? undefined : 0;
    windows.set(event, { sinceMs: timeMs, lines: 1 });
    return Math.max(0, (window?.lines ?? 0) - perMinute);
  };

  return (level, event, fields = {}) => {
    const timeMs = nowMs();
    const leftOut = admit(event, timeMs);
    if (leftOut === undefined) return;
    const line = { time: new Date(timeMs).toISOString(), level, event, ...(leftOut > 0 && { leftOut }) };
    // Named again at the end: a field must not pass itself off as one of these.
    write(`${JSON.stringify({ ...line, ...(clean(fields, 0) as object), ...line })}\n`);
  };
}

/** A value as it may be written. */
function clean(value: unknown, depth: number): unknown {
  if (typeof value === "string") return PEM.test(value) ? "[secret]" : value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value;
  if (typeof value === "bigint") return String(value);
  if (typeof value === "function" || typeof value === "symbol") return `[${typeof value}]`;
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Error) return clean(`${value.name}: ${value.message}`, depth);
  if (value instanceof Date || value instanceof URL) return clean(value.toJSON(), depth);
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return `[${value.byteLength} bytes]`;
  if (depth === MAX_DEPTH) return "[deeper]";
  if (Array.isArray(value)) {
    if (value.some((item) => typeof item === "number" || typeof item === "bigint")) return `[${value.length} numbers]`;
    const items = value.slice(0, MAX_ITEMS).map((item) => clean(item, depth + 1));
    return value.length > MAX_ITEMS ? [...items, `[${value.length - MAX_ITEMS} more]`] : items;
  }
  const entries = value instanceof Map ? [...value].map(([key, item]) => [String(key), item] as const) : Object.entries(value);
  return Object.fromEntries(entries.slice(0, MAX_ITEMS).map(([key, item]) => [key, SECRET.test(key) ? "[secret]" : clean(item, depth + 1)]));
}
