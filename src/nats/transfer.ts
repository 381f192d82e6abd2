/**
 * @module
 * The body of a large request on its way: the orchestrator asks for it, a window at a time, when it has room, and the
 * client sends it in parts to where it asks. Nothing is stored at the broker, which other clients can read.
 *
 *     orchestrator  send, from 0 to 393216   client  part 0, part 131072, part 262144
 *                   send, from 393216 …              …
 *
 * What a subscriber has not read waits at the broker, 64 MB at most before that cuts it off. So it is the orchestrator
 * who sets the pace: a window times the bodies under way is what can be waiting.
 */
import type { MsgHdrs } from "@nats-io/nats-core";
import type { Clock } from "../federation/clock.ts";

/** Bytes of a part, and of a window; a part takes four seconds at 256 kbit/s. */
const PART_BYTES = 128 * 1024, WINDOW_BYTES = 3 * PART_BYTES;
/** Without a part for so long, in ms, the window is asked for again; and given up when that helps as often. */
const SILENCE_MS = 10_000, SILENCES = 3;

const FROM = "Millwright-From", TO = "Millwright-To";

export interface Window {
  readonly from: number;
  readonly to: number;
}

export function labelWindow(headers: MsgHdrs, { from, to }: Window): void {
  headers.set(FROM, String(from));
  headers.set(TO, String(to));
}

/** What a message says of bytes; undefined when that makes no sense. */
export function readWindow(headers: MsgHdrs): Window | undefined {
  const [from, to] = [Number(headers.get(FROM) || NaN), Number(headers.get(TO) || NaN)];
  return Number.isSafeInteger(from) && Number.isSafeInteger(to) && from >= 0 && from < to ? { from, to } : undefined;
}

/** The parts of a window, in order. */
export function* partsOf(bytes: Uint8Array, { from, to }: Window, maxPayload = Infinity): Generator<{ window: Window; part: Uint8Array }> {
  const most = Math.min(PART_BYTES, maxPayload - 4096);
  const end = Math.min(to, bytes.length);
  for (let at = from; at < end; at += most) yield { window: { from: at, to: Math.min(at + most, end) }, part: bytes.subarray(at, Math.min(at + most, end)) };
}

/** A body that is being received. */
export class Transfer {
  readonly #bytes: Uint8Array;
  readonly #clock: Clock;
  readonly #ask: (window: Window) => void;
  #end = 0;
  /** End of the window that was asked for. */
  #to = 0;
  #silences = 0;
  /** Whether the client asked after it since the last part came. */
  #asked = false;
  #cancel = () => {};
  #settle: (whole: boolean) => void = () => {};
  /** Whether all bytes came; else the client does not send them, or gave up. */
  readonly received: Promise<boolean>;

  /** @param bytes is filled @param ask asks the client for a window */
  constructor(bytes: Uint8Array, clock: Clock, ask: (window: Window) => void) {
    this.#bytes = bytes;
    this.#clock = clock;
    this.#ask = ask;
    this.received = new Promise((resolve) => (this.#settle = resolve));
    this.#next();
  }

  /** A part came; one that was not to come now changes nothing. */
  take({ from, to }: Window, part: Uint8Array): void {
    if (from !== this.#end || to - from !== part.length || to > this.#bytes.length) return;
    this.#bytes.set(part, from);
    this.#end = to;
    this.#silences = 0;
    this.#asked = false;
    if (to === this.#bytes.length) this.end(true);
    else if (to >= this.#to) this.#next();
    else this.#listen();
  }

  /** The client asks after its request. What it sent before has arrived, if it does, so the second time it sent nothing. */
  remind(): void {
    if (this.#asked) this.#next();
    this.#asked = !this.#asked;
  }

  end(whole = false): void {
    this.#cancel();
    this.#settle(whole);
  }

  #next(): void {
    // Up to a multiple of the window, so that one that is asked for again ends where it did.
    this.#to = Math.min(this.#bytes.length, (Math.floor(this.#end / WINDOW_BYTES) + 1) * WINDOW_BYTES);
    this.#ask({ from: this.#end, to: this.#to });
    this.#listen();
  }

  #listen(): void {
    this.#cancel();
    this.#cancel = this.#clock.after(SILENCE_MS, () => {
      if (++this.#silences < SILENCES) this.#next();
      else this.end();
    });
  }
}
