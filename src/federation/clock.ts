/**
 * @module
 * Time and hashing as something handed in, so that a simulator can run a federation on one thread under a seed.
 */

/** Time as something handed in: milliseconds that never go back, and timers. */
export interface Clock {
  nowMs(): number;
  /** Calls back once, later; returns how to cancel. */
  after(ms: number, callback: () => void): () => void;
}

/** SHA-256 as 64 hexadecimal digits; handed in, as WebCrypto runs on threads that no seed controls. */
export type Digest = (bytes: Uint8Array) => Promise<string>;
