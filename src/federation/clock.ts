/**
 * @module
 * What the machine gives, handed in: a seeded simulator gives something else.
 */

/** Time as something handed in: milliseconds that never go back, and timers. */
export interface Clock {
  nowMs(): number;
  /** Calls back once, later; returns how to cancel. */
  after(ms: number, callback: () => void): () => void;
}

/** SHA-256 as 64 hexadecimal digits; handed in, as WebCrypto runs on threads that no seed controls. */
export type Digest = (bytes: Uint8Array) => Promise<string>;

/** The machine's own. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, Math.min(ms, 2 ** 31 - 1));
    return () => clearTimeout(timer);
  },
};
