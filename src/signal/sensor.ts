/**
 * @module
 * What is said of a sensor's channel before it sends, and what is said and counted of what it sent.
 */
import type { FilterOptions } from "./resample.ts";

export interface Channel {
  readonly name: string;
  readonly unit: string;
  readonly rateHz: number;
  /** Least and greatest value that the sensor can mean; others count as missing. Default: all numbers. */
  readonly range?: readonly [least: number, greatest: number];
  /** What is known of its clock: how far it is ahead at the array's start, and what it gains per million. Default: it is right. */
  readonly clock?: { readonly offsetS?: number; readonly driftPpm?: number };
  /**
   * How it gets to the common rate; "linear" only to a higher one. Default: 0.8 and 80 dB to a lower rate,
   * 0.5 and 60 dB to a higher one, where sharp filters would only wait longer.
   */
  readonly filter?: FilterOptions | "linear";
  /** The same value for longer than this is marked as stuck. Default: 10 s or 100 samples, whichever is longer. */
  readonly stuckS?: number;
  /**
   * How much of it is to be read in place at its own rate: at least the duration of a window, or of the longest piece
   * that is pushed. See `SensorArray.ring`. Default 0.
   */
  readonly keepS?: number;
}

/** Marks of a window's channel, added up. */
export const GAP = 1, STUCK = 2, OUT_OF_RANGE = 4, NOT_A_NUMBER = 8;

export interface ChannelCounts {
  /** Samples that were pushed. */
  received: number;
  /** … that have a slot and a value. */
  accepted: number;
  /** … that came after later ones, but in time. */
  reordered: number;
  /** … that came too late, and were dropped. */
  late: number;
  /** … for a slot that had its sample, dropped: times that do not fit the rate. */
  doubled: number;
  /** … whose time is no number, or alone ahead of everything, dropped. */
  refused: number;
  /** … that are no finite number. */
  notANumber: number;
  /** … beyond the range. */
  outOfRange: number;
  /** Slots between the array's beginning and end without an accepted sample. */
  missing: number;
  /** Slots that were marked as stuck. */
  stuck: number;
}

const MAX_CHANNELS = 4096;
/** From a sample a day to a megahertz. */
const MIN_RATE_HZ = 1e-5, MAX_RATE_HZ = 1e6;
/** A clock that is off by a thousandth is another rate. */
const MAX_DRIFT_PPM = 1000;
/** Samples at a channel's own rate: 256 MB. */
const MAX_KEPT = 2 ** 26;

/** @throws RangeError naming the channel and what is wrong with it */
export function checkChannels(channels: readonly Channel[], common: number): void {
  if (!(channels.length >= 1 && channels.length <= MAX_CHANNELS)) throw new RangeError(`"channels" expected from 1 to ${MAX_CHANNELS}, got ${channels.length}`);
  checkRate('"rateHz"', common);
  const names = new Set<string>();
  for (const { name, rateHz, range, clock = {}, filter, stuckS = 0, keepS = 0 } of channels) {
    const place = `channel ${JSON.stringify(name)}`;
    if (names.has(name)) throw new RangeError(`${place} is there twice; give each channel a name of its own`);
    names.add(name);
    checkRate(`${place}: "rateHz"`, rateHz);
    if (range && !(range[0] < range[1])) throw new RangeError(`${place}: "range" expected [least, greatest], got [${range.join(", ")}]`);
    const { offsetS = 0, driftPpm = 0 } = clock;
    if (!Number.isFinite(offsetS)) throw new RangeError(`${place}: "offsetS" expected a finite number, got ${offsetS}`);
    if (!(Math.abs(driftPpm) <= MAX_DRIFT_PPM)) throw new RangeError(`${place}: "driftPpm" expected at most ${MAX_DRIFT_PPM} either way, got ${driftPpm}; correct its rateHz`);
    if (filter === "linear" && rateHz > common) {
      throw new RangeError(`${place}: "filter" expected a filter against aliasing from ${rateHz} to ${common} Hz, got "linear"; leave it out, or give { passband, attenuationDb }`);
    }
    if (!(stuckS >= 0)) throw new RangeError(`${place}: "stuckS" expected a number >= 0, got ${stuckS}`);
    if (!(keepS >= 0 && keepS * rateHz <= MAX_KEPT)) throw new RangeError(`${place}: "keepS" expected from 0 to ${MAX_KEPT / rateHz} s, got ${keepS}`);
  }
}

function checkRate(name: string, rateHz: number): void {
  if (!(rateHz >= MIN_RATE_HZ && rateHz <= MAX_RATE_HZ)) throw new RangeError(`${name} expected from ${MIN_RATE_HZ} to ${MAX_RATE_HZ} Hz, got ${rateHz}`);
}
