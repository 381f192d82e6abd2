/**
 * @module
 * What an orchestrator tells of itself at /status. It comes from outside and is shown on a terminal, so texts are of letters
 * that do nothing there. Times are ages and time left, since no two machines agree on the hour.
 */
import * as z from "zod/mini";

const count = z.int().check(z.gte(0));
const ms = z.number().check(z.gte(0));
const id = z.string().check(z.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, "expected 1 to 64 of A-Z a-z 0-9 . _ -, the first a letter or digit"));
const word = z.string().check(z.regex(/^[a-z][a-z-]{0,31}$/, "expected 1 to 32 of a-z -"));

/** absent: not seen, or not any more; waiting: asks for a model; training: has it; updated: its update is in the sum. */
export const CLIENT_STATES = ["absent", "waiting", "training", "updated"] as const;

const client = z.object({
  id,
  /** Since its last request, or null before its first. */
  lastSeenMs: z.nullable(ms),
  state: z.enum(CLIENT_STATES),
  /** Of its last update; 0 before the first. */
  round: count,
  /** That its last update stands for. */
  samples: count,
  bytesIn: count,
  bytesOut: count,
  /** Requests of it that were refused. */
  refused: count,
});

const status = z.object({
  task: id,
  /** Which start of the orchestrator this is. */
  epoch: count,
  round: count,
  rounds: count,
  attempt: count,
  phase: word,
  /** Time left to the round's deadline, or null where it has none. */
  deadlineMs: z.nullable(ms),
  /** Of the global model. */
  model: z.object({ sha256: z.string().check(z.regex(/^[0-9a-f]{64}$/, "expected 64 hexadecimal digits")) }),
  clients: z.array(client).check(z.maxLength(100_000)),
  /** How many requests were refused, by code. */
  refusals: z.record(word, count),
  bytesIn: count,
  bytesOut: count,
  uptimeMs: ms,
});

export type Status = z.infer<typeof status>;
export type ClientStatus = z.infer<typeof client>;

const texts = { error: z.locales.en().localeError };

/**
 * A status as JSON says it. Fields that are not known here are left out: a newer orchestrator may have more.
 * @throws RangeError with the place of what is wrong
 */
export function parseStatus(json: unknown): Status {
  const parsed = status.safeParse(json, texts);
  if (parsed.success) return parsed.data;
  const [{ path, message }] = parsed.error.issues;
  throw new RangeError(`status: ${path.length > 0 ? `${JSON.stringify(path.join("."))} ` : ""}${message}; is it an orchestrator of this release?`);
}
