/**
 * @module
 * What must survive a crash.
 */

/** One fact that must survive: small JSON fields, and the numbers they are about. */
export interface Entry {
  readonly kind: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly numbers: Uint8Array;
}

export interface Store {
  /** Resolves when the entries are durable. Calls are kept in order and may share an fsync (group commit). A rejection is final. */
  append(entries: readonly Entry[]): Promise<void>;
  /** Write state as of all appended entries into the other of two slots, durable when resolved; the journal goes on in a new segment. */
  snapshot(entry: Entry): Promise<void>;
  /** Which start of the orchestrator this is: one more than the last, durable before it is used. */
  readonly epoch: number;
  close(): Promise<void>;
}
