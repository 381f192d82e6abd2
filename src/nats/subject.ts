/**
 * @module
 * What things are called at the broker: subjects, streams and buckets of one federation. docs/nats.md has the table.
 */

/** Which federation, and where its streams are. */
export interface Place {
  /** The federation's name, as in its messages. */
  readonly task: string;
  /** JetStream domain in which the streams are, for a plant that is connected through a leaf node with streams of its own. */
  readonly domain?: string;
}

/** The most bytes in one message; of a longer reply the rest is an object, in chunks of this. */
export const INLINE_BYTES = 512 * 1024;

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** A name as one token: broker subjects are divided by points, and names of streams have none. `_` is `__`, `.` is `_-`. */
export function tokenOf(title: string, name: string): string {
  if (!NAME.test(name)) throw new RangeError(`"${title}" expected 1 to 64 of A-Z a-z 0-9 . _ -, the first a letter or digit, got ${JSON.stringify(name)}`);
  return name.replaceAll("_", "__").replaceAll(".", "_-");
}

/** The name behind a token; undefined for what is no token. */
export function nameOf(token: string): string | undefined {
  if (!/^([A-Za-z0-9-]|_[_-])+$/.test(token)) return undefined;
  const name = token.replace(/_([_-])/g, (_, mark) => (mark === "_" ? "_" : "."));
  return NAME.test(name) ? name : undefined;
}

/** Where a client asks; a client "*" is all of them. */
export const askSubject = (task: string, client: string): string =>
  `millwright.${tokenOf("task", task)}.${client === "*" ? "*" : tokenOf("client", client)}.ask`;

/** What the inboxes of one who is connected begin with, `inboxPrefix` of its connection: permissions tell them apart by it. */
export const inboxPrefix = (id: string): string => `_INBOX.${tokenOf("id", id)}`;

/** Where the orchestrator says what happened, for all. */
export const announceSubject = (task: string): string => `millwright.${tokenOf("task", task)}.announce`;

/** Where the journal's copy goes. */
export const journalSubject = (task: string): string => `millwright.${tokenOf("task", task)}.journal`;

/** The stream of announcements, the bucket of large replies and the bucket with the lease: of three kinds, so one name. */
export const streamName = (task: string): string => `millwright-${tokenOf("task", task)}`;

/** The stream with the journal's copy, and the bucket of its large bodies. */
export const journalName = (task: string): string => `millwright-${tokenOf("task", task)}-journal`;

/** The stream behind an object bucket. */
export const objectStream = (bucket: string): string => `OBJ_${bucket}`;

/** The stream behind a bucket of values, and the one key in it: who is the orchestrator. */
export const valueStream = (bucket: string): string => `KV_${bucket}`;
export const LEASE_KEY = "lease";

/** Where JetStream is asked. */
export const apiOf = (domain?: string): string => (domain ? `$JS.${domain}.API` : "$JS.API");
