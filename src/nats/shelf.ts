/**
 * @module
 * Bodies of replies: each is put once for all clients that are told about it, and the oldest are taken away when new
 * ones come, as models of finished rounds are.
 */
import { sha256 } from "../federation/checksum.ts";
import type { Clock } from "../federation/clock.ts";
import type { Objects } from "./objects.ts";
import { divideParts, type Parcel } from "./parcel.ts";

interface Body {
  readonly bytes: Uint8Array;
  /** When it was last put or found, and that. */
  atMs: number;
  put: Promise<unknown>;
}

/** Bodies on the shelf: at least so many, and more up to so many bytes. */
const MIN_BODIES = 4, MAX_BYTES = 64 * 2 ** 20;
/** A body that was seen so shortly ago, in ms, is not looked for again for the next client that misses it. */
const FRESH_MS = 1_000;

export class Shelf {
  readonly #objects: Objects;
  readonly #clock: Clock;
  /** By name, the latest used last. */
  readonly #bodies = new Map<string, Body>();
  /** Of middles of parts, which do not change. */
  readonly #names = new WeakMap<Uint8Array, { readonly from: number; readonly length: number; readonly name: Promise<string> }>();
  #bytes = 0;

  constructor(objects: Objects, clock: Clock) {
    this.#objects = objects;
    this.#clock = clock;
  }

  /** The parcel of a large reply in parts, when its body is at the broker. */
  async pack(reply: readonly Uint8Array[]): Promise<Parcel> {
    const { ends, middle, of, from } = divideParts(reply);
    const name = await this.#nameOf(middle, of, from);
    const body = this.#bodies.get(name) ?? this.#put(name, middle);
    this.#bodies.delete(name);
    this.#bodies.set(name, body);
    await body.put;
    this.#trim();
    return { payload: ends, body: { name, bytes: middle.length } };
  }

  /**
   * A client did not get a body: put it again, if it is not there whole. Putting it breaks off whoever is reading it, so
   * a client that is only slow must not lead to that.
   * @returns whether it is there; false when it is forgotten here, too
   */
  async again(name: string): Promise<boolean> {
    const body = this.#bodies.get(name);
    if (!body) return false;
    await body.put;
    if (this.#clock.nowMs() - body.atMs > FRESH_MS) this.#begin(body, async () => (await this.#objects.get(name, body.bytes.length)) ?? this.#objects.put(body.bytes));
    await body.put;
    return true;
  }

  /** The hash of a middle, which is not computed again for a part that many are sent. */
  #nameOf(middle: Uint8Array, of: Uint8Array, from: number): Promise<string> {
    const known = this.#names.get(of);
    if (known?.from === from && known.length === middle.length) return known.name;
    const name = sha256(middle);
    this.#names.set(of, { from, length: middle.length, name });
    return name;
  }

  #put(name: string, bytes: Uint8Array): Body {
    const body: Body = { bytes, atMs: 0, put: Promise.resolve() };
    this.#bytes += bytes.length;
    this.#begin(body, () => this.#objects.put(bytes));
    body.put.catch(() => this.#bodies.get(name) === body && this.#drop(name, body));
    return body;
  }

  #begin(body: Body, put: () => Promise<unknown>): void {
    body.atMs = Infinity; // until it is there
    body.put = put().finally(() => (body.atMs = this.#clock.nowMs()));
    body.put.catch(() => {});
  }

  #trim(): void {
    for (const [name, body] of this.#bodies) {
      if (this.#bodies.size <= MIN_BODIES || this.#bytes <= MAX_BYTES) return;
      this.#drop(name, body);
      void this.#objects.remove(name);
    }
  }

  #drop(name: string, { bytes }: Body): void {
    this.#bodies.delete(name);
    this.#bytes -= bytes.length;
  }
}
