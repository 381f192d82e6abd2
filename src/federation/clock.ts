/**
 * @module
 * What a federation is handed from outside, so that a simulator may hand it something else.
 */

/** Time as something handed in: milliseconds that never go back, and timers. */
export interface Clock { nowMs(): number; /** Calls back once, later; returns how to cancel. */ after(ms: number, callback: () => void): () => void }
/** SHA-256 as 64 hexadecimal digits; handed in, as WebCrypto runs on threads that no seed controls. */
export type Digest = (bytes: Uint8Array) => Promise<string>;
