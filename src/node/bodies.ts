/**
 * @module
 * Bodies of requests, so many in memory at a time and each of bounded length. The others wait unread: what has not
 * been asked for stays with the sender, by TCP's own flow control.
 *
 * A body stands in line when it has begun to arrive, so whoever sends a header and then nothing keeps nobody
 * waiting; a short one is all there by then and needs no place. In its place it has to keep up a pace while others wait.
 */
import type { IncomingMessage } from "node:http";

export interface BodyLimits {
  /** Bytes of a body. */
  readonly bodyBytes: number;
  /** Bodies in memory at a time. */
  readonly bodies: number;
  /** The pace of a body while others wait, measured over graceMs. */
  readonly bytesPerS: number;
  readonly graceMs: number;
}

/** A body in memory, until it is released. */
export interface Body {
  readonly length: number;
  /** Hands the bytes over; they are not kept here. */
  takeBytes(): Uint8Array;
  /** Makes room for another. Once is enough, more do no harm. */
  release(): void;
}

/** Why a body was not read to its end. */
export class BodyError extends Error {
  override readonly name = "BodyError";
  readonly reason: "oversized" | "slow";
  constructor(reason: "oversized" | "slow", message: string) {
    super(message);
    this.reason = reason;
  }
}

/** A body of at most so many bytes lies whole in what Node reads ahead. */
const SHORT_BYTES = 16_384;

/** The pace is looked at so many times in graceMs. Looks are counted and not the time, in which this thread may have had no time to read. */
const LOOKS = 8;

interface Reading {
  looks: number;
  bytes: number;
  readonly fail: (error: BodyError) => void;
}

export class Bodies {
  readonly #limits: BodyLimits;
  readonly #waiting = new Set<() => void>();
  readonly #reading = new Set<Reading>();
  #watch: NodeJS.Timeout | undefined;
  #held = 0;
  #most = 0;

  constructor(limits: BodyLimits) {
    this.#limits = limits;
  }

  /** In memory now. */
  get held(): number {
    return this.#held;
  }
  /** The most that were at a time. */
  get most(): number {
    return this.#most;
  }
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Resolves when the body is whole, or as much of it is here as is read ahead; rejects with the signal's reason. From then on
   * the connection is not read, so that its end is not seen before it is the body's turn.
   */
  arrive(request: IncomingMessage, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (!request.complete && request.readableLength < request.readableHighWaterMark) return;
        end();
        resolve();
      };
      const stop = () => {
        end();
        reject(signal.reason);
      };
      const end = () => {
        request.off("readable", look);
        signal.removeEventListener("abort", stop);
      };
      if (signal.aborted) return reject(signal.reason);
      signal.addEventListener("abort", stop);
      request.on("readable", look);
      look();
    });
  }

  /**
   * The body of a request that has arrived, when its turn comes.
   * @throws BodyError; the signal's reason
   */
  async take(request: IncomingMessage, signal: AbortSignal): Promise<Body> {
    const short = request.complete && request.readableLength <= SHORT_BYTES;
    if (!short) await this.#turn(signal);
    let held = !short;
    const release = () => {
      if (!held) return;
      held = false;
      this.#leave();
    };
    try {
      let bytes: Uint8Array | undefined = await this.#read(request, signal);
      const takeBytes = () => {
        const taken = bytes;
        bytes = undefined;
        if (!taken) throw new Error("the bytes of a body were taken twice");
        return taken;
      };
      return { length: bytes.length, takeBytes, release };
    } catch (error) {
      release();
      throw error;
    }
  }

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const enter = () => {
        signal.removeEventListener("abort", stop);
        this.#waiting.delete(enter);
        this.#most = Math.max(this.#most, ++this.#held);
        resolve();
      };
      const stop = () => {
        this.#waiting.delete(enter);
        reject(signal.reason);
      };
      if (this.#held < this.#limits.bodies) return enter();
      signal.addEventListener("abort", stop);
      this.#waiting.add(enter);
      this.#watch ??= setInterval(() => this.#hurry(), this.#limits.graceMs / LOOKS).unref();
    });
  }

  #leave(): void {
    this.#held--;
    const [next] = this.#waiting;
    next?.();
  }

  /** While others wait, whoever is slow gives up its place. */
  #hurry(): void {
    if (this.#waiting.size === 0) {
      clearInterval(this.#watch);
      this.#watch = undefined;
      return;
    }
    const { graceMs, bytesPerS } = this.#limits;
    for (const reading of this.#reading) {
      if (++reading.looks < LOOKS) continue;
      if (reading.bytes < (bytesPerS * graceMs) / 1000) reading.fail(new BodyError("slow", `body slower than ${bytesPerS} bytes a second while others waited`));
      reading.looks = 0;
      reading.bytes = 0;
    }
  }

  #read(request: IncomingMessage, signal: AbortSignal): Promise<Uint8Array> {
    const { bodyBytes } = this.#limits;
    const declared = request.headers["content-length"];
    // Without a length the body comes in chunks, and its length is known at its end.
    const whole = declared === undefined ? undefined : new Uint8Array(Number(declared));
    const chunks: Uint8Array[] = [];
    let length = 0;
    return new Promise((resolve, reject) => {
      const fail = (error: unknown) => {
        end();
        reject(error);
      };
      const reading: Reading = { looks: 0, bytes: 0, fail };
      const read = (chunk: Uint8Array) => {
        if (length + chunk.length > bodyBytes) {
          request.pause();
          return fail(new BodyError("oversized", `body of more than ${bodyBytes} bytes`));
        }
        if (whole) whole.set(chunk, length);
        else chunks.push(chunk);
        length += chunk.length;
        reading.bytes += chunk.length;
      };
      const finish = () => {
        end();
        resolve(whole ?? concat(chunks, length));
      };
      const stop = () => fail(signal.reason);
      const end = () => {
        this.#reading.delete(reading);
        request.off("data", read).off("end", finish);
        signal.removeEventListener("abort", stop);
      };
      if (signal.aborted) return reject(signal.reason);
      this.#reading.add(reading);
      signal.addEventListener("abort", stop);
      // Of an empty one the end has passed while it arrived.
      if (request.readableEnded) return finish();
      request.on("data", read).on("end", finish).resume();
    });
  }
}

function concat(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let end = 0;
  for (const chunk of chunks) {
    whole.set(chunk, end);
    end += chunk.length;
  }
  return whole;
}
