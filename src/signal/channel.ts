/**
 * @module
 * One channel of a sensor array on its way from samples with times to steps of the common rate.
 *
 *     samples ─► slots ─► settled samples ─► steps
 *      any order   1/rate apart   in order, repaired and marked   of the common rate, filtered
 *
 * A sample belongs to the slot nearest to its time; slots are counted from the channel's first sample, in
 * the channel's own clock. So times that tremble by less than half a period change nothing, and a clock
 * that is wrong by a known drift puts every slot where it was. With τ a time of the channel's clock:
 *
 *     slot      k = round((τ − τ₀) rate)                                      (1)
 *     time      t = (τ − offset) / (1 + drift)                                (2)
 *     position  p = (t (1 + drift) + offset − τ₀) rate, of a step at time t   (3)
 *
 * A slot is settled once no sample can come for it, nor for the next few. Empty slots are filled, with a
 * straight line to the next sample where it is near and with the last value where it is not, and marked:
 * a filter needs numbers, and whoever reads the steps needs to know. The marks of a step are those of the
 * slots under the main lobe of the filter. Everything here is a function of the samples and their times.
 */
import { filtered, kaiserFilter, LINEAR, type Filter, type FilterOptions } from "./resample.ts";
import { Ring, type Memory } from "./ring.ts";

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

/** Slots that are waited for behind an empty one, to bridge it by a straight line. */
const BRIDGE = 4;
/** Slots of slack where times are rounded. */
const SLACK = 4;
/** Slots that are settled at a time. */
const BLOCK = 4096;
/** Marks of a slot that waits to be settled: here is a sample. */
const FULL = 128;
/** Times between samples that are looked at to find the rate, and how far it may be off. */
const SPACINGS = 32;
const RATE_TOLERANCE = 0.1;

export interface ChannelOptions {
  /** The common rate. */
  readonly rateHz: number;
  readonly toleranceS: number;
}

export class ChannelAligner {
  readonly channel: Channel;
  readonly counts: ChannelCounts = { received: 0, accepted: 0, reordered: 0, late: 0, doubled: 0, refused: 0, notANumber: 0, outOfRange: 0, missing: 0, stuck: 0 };
  readonly filter: Filter;
  /** The settled samples, at the channel's own rate, and their marks by position modulo the length. */
  ring!: Ring;
  #marks!: Uint8Array;
  /** Slots of an empty beginning that the first sample fills. */
  readonly #lead: number;
  readonly #common: number;
  readonly #offset: number;
  readonly #skew: number;
  readonly #stuckSlots: number;
  /** Samples that wait to be settled, and their marks; by slot, modulo their length. */
  readonly #values: Float32Array;
  readonly #waiting: Uint8Array;
  readonly #block = new Float32Array(BLOCK);
  /** Of the first samples. */
  readonly #times: number[] = [];

  // Of the segment: everything since the beginning or the last pause.
  /** τ₀ of (1): time of the first sample. */
  #first: number | undefined;
  /** The latest time. */
  #last = 0;
  /** The first slot that is not settled, and the ring's position of slot 0. */
  #settled = 0;
  #origin = 0;
  /** The last slot with a mark. */
  #marked = -Infinity;
  /** What the slot before has, measured or filled; the last that was measured, and since when. */
  #value = 0;
  #measured = NaN;
  #since = 0;
  /** The next step to be made. */
  #step = 0;

  constructor(channel: Channel, { rateHz, toleranceS }: ChannelOptions) {
    const { clock = {}, filter = {} } = channel;
    this.channel = channel;
    this.#common = rateHz;
    this.#offset = clock.offsetS ?? 0;
    this.#skew = 1 + (clock.driftPpm ?? 0) * 1e-6;
    this.#stuckSlots = (channel.stuckS ?? Math.max(10, 100 / channel.rateHz)) * channel.rateHz;
    const gentle = rateHz > channel.rateHz ? { passband: 0.5, attenuationDb: 60 } : {};
    this.filter = filter === "linear" ? LINEAR : kaiserFilter(rateHz / channel.rateHz, { ...gentle, ...filter });
    const { taps } = this.filter;
    const tolerance = Math.ceil(toleranceS * channel.rateHz * this.#skew);
    this.#lead = taps + BRIDGE + tolerance + SLACK;
    this.#values = new Float32Array(this.#lead + tolerance + BRIDGE + SLACK);
    this.#waiting = new Uint8Array(this.#values.length);
  }

  /** Memory for settled samples; where they are kept, windows come this much later, and it is kept beside. */
  open(arena: Memory, behindS: number): void {
    const { keepS = 0, rateHz } = this.channel;
    const kept = Math.ceil(keepS * rateHz);
    const window = Math.max(this.filter.taps + BLOCK, kept);
    const capacity = window + (kept > 0 ? kept + Math.ceil(behindS * rateHz * this.#skew) : 0) + BLOCK;
    this.ring = new Ring(arena, { window, capacity });
    this.#marks = new Uint8Array(capacity);
  }

  /** Seconds between the time of a step and the time until which all samples must have come for it. */
  get lagS(): number {
    return (this.filter.taps / 2 + BRIDGE + 1 + SLACK + this.#lead) / this.channel.rateHz;
  }

  /** (2) */
  time(timestamp: number): number {
    return (timestamp - this.#offset) / this.#skew;
  }

  /** (3), in slots. */
  #position(time: number): number {
    return (time * this.#skew + this.#offset - this.#first!) * this.channel.rateHz;
  }

  #timeOf(slot: number): number {
    return this.time(this.#first! + slot / this.channel.rateHz);
  }

  /** Whether the slot of this time can wait to be settled, or others have to be settled before. */
  fits(timestamp: number): boolean {
    return this.#first === undefined || this.#slot(timestamp) - this.#settled < this.#values.length;
  }

  /** (1) */
  #slot(timestamp: number): number {
    return Math.round((timestamp - this.#first!) * this.channel.rateHz);
  }

  /** Take a sample that is not late. */
  place(timestamp: number, value: number): void {
    const { counts, channel } = this;
    const [least, greatest] = channel.range ?? [-Infinity, Infinity];
    const rounded = Math.fround(value);
    const mark = !Number.isFinite(rounded) ? NOT_A_NUMBER : value < least || value > greatest ? OUT_OF_RANGE : FULL;
    if (mark === NOT_A_NUMBER) counts.notANumber++;
    if (mark === OUT_OF_RANGE) counts.outOfRange++;
    if (this.#first === undefined) {
      if (mark === FULL) this.#start(timestamp, rounded);
      else return;
    }
    if (timestamp < this.#last) counts.reordered++;
    else this.#last = timestamp;
    const at = (this.#slot(timestamp) + this.#lead) % this.#values.length;
    if (this.#waiting[at] !== 0) {
      counts.doubled++;
      return;
    }
    this.#waiting[at] = mark;
    this.#values[at] = rounded;
    if (mark === FULL) counts.accepted++;
  }

  #start(timestamp: number, value: number): void {
    this.#first = this.#last = timestamp;
    this.#settled = -this.#lead;
    this.#origin = this.ring.head + this.#lead;
    this.#value = value;
    this.#measured = NaN;
  }

  /**
   * A sample has come, whatever becomes of it. The middle one of the first spacings is the period, whatever is missing among them.
   * @throws RangeError when that is not the channel's
   */
  receive(timestamp: number): void {
    this.counts.received++;
    const times = this.#times;
    if (times.length > SPACINGS || !Number.isFinite(timestamp)) return;
    times.push(timestamp);
    if (times.length <= SPACINGS) return;
    const { name, rateHz } = this.channel;
    const spacings = times.slice(1).map((time, n) => Math.abs(time - times[n])).sort((a, b) => a - b);
    const found = 1 / spacings[SPACINGS / 2];
    if (Math.abs(found / rateHz - 1) <= RATE_TOLERANCE) return;
    const got = found === Infinity ? "several samples with the same time" : `${Number(found.toPrecision(4))} Hz by their times`;
    throw new RangeError(`channel "${name}" expected samples at ${rateHz} Hz, got ${got}; correct its rateHz, or give each sample its own time in seconds`);
  }

  /** Begin a segment with this step. */
  begin(step: number): void {
    this.#step = step;
  }

  /** Forget all times: what comes next has nothing to do with what was. */
  reset(): void {
    this.#first = undefined;
    this.#marked = -Infinity;
    this.#waiting.fill(0);
  }

  /** The step behind the last that is made. */
  get step(): number {
    return this.#step;
  }

  /**
   * Settle and make all steps for which every sample before this time has come.
   * @param from before this time nothing is missing
   * @param make takes a step's value and marks
   */
  advance(time: number, from: number, make: (value: number, marks: number) => void): void {
    if (this.#first !== undefined) {
      this.#settleUntil(Math.floor(this.#position(time)) - BRIDGE - 1, from, Infinity, make);
    } else {
      const absent = (time - this.lagS) * this.#common;
      for (; this.#step < absent; this.#step++) make(0, GAP);
    }
  }

  /** All steps until the end of the segment, where nothing is missing any more. */
  finish(last: number, from: number, to: number, make: (value: number, marks: number) => void): void {
    if (this.#first !== undefined) {
      const slots = Math.floor(this.#position(last / this.#common)) + this.filter.taps / 2 + 1;
      this.#settleUntil(slots, from, to, (value, marks) => { if (this.#step <= last) make(value, marks); });
    } else {
      for (; this.#step <= last; this.#step++) make(0, GAP);
    }
  }

  #settleUntil(slot: number, from: number, to: number, make: (value: number, marks: number) => void): void {
    while (this.#settled < slot) {
      const count = Math.min(BLOCK, slot - this.#settled);
      for (let n = 0; n < count; n++) this.#block[n] = this.#settle(this.#settled + n, from, to);
      this.#settled += count;
      this.ring.write(this.#block.subarray(0, count));
      this.#makeSteps(make);
    }
  }

  /** The value of a slot for which nothing can come any more. */
  #settle(slot: number, from: number, to: number): number {
    const at = (slot + this.#lead) % this.#values.length;
    const mark = this.#waiting[at];
    this.#waiting[at] = 0;
    if (mark === FULL) {
      this.#value = this.#values[at];
      if (this.#value !== this.#measured) [this.#measured, this.#since] = [this.#value, slot];
      const stuck = slot - this.#since >= this.#stuckSlots;
      if (stuck) this.counts.stuck++;
      this.#mark(slot, stuck ? STUCK : 0);
    } else {
      // A channel may begin half a period after the first of all, and end half a period before the last.
      const missing = mark !== 0 || (this.#timeOf(slot - 0.5) >= from && this.#timeOf(slot + 0.5) <= to);
      if (missing) this.counts.missing++;
      this.#mark(slot, missing ? GAP | mark : 0);
      this.#value = this.#filled(slot);
    }
    return this.#value;
  }

  /** A point of the straight line to the next sample, where it is near, or else the value before. */
  #filled(slot: number): number {
    for (let ahead = 1; ahead <= BRIDGE; ahead++) {
      const at = (slot + ahead + this.#lead) % this.#values.length;
      if (this.#waiting[at] === FULL) return Math.fround(this.#value + (this.#values[at] - this.#value) / (ahead + 1));
    }
    return this.#value;
  }

  #mark(slot: number, mark: number): void {
    this.#marks[(this.#origin + slot) % this.#marks.length] = mark;
    if (mark !== 0) this.#marked = slot;
  }

  /** The steps whose inputs are settled. */
  #makeSteps(make: (value: number, marks: number) => void): void {
    const { taps } = this.filter;
    const half = taps / 2;
    const from = Math.max(-this.#lead, this.#settled - taps - BLOCK);
    const values = this.ring.view(this.#origin + from, this.#settled - from);
    for (;; this.#step++) {
      const position = this.#position(this.#step / this.#common);
      const slot = Math.floor(position);
      if (slot + half >= this.#settled) return;
      const first = slot - half + 1;
      if (first < -this.#lead) make(0, GAP);
      else make(filtered(this.filter, values, first - from, position - slot), this.#marksAround(position, first, slot + half));
    }
  }

  /** Marks of the slots in reach of a position, between the first and the last that its filter sees. */
  #marksAround(position: number, first: number, last: number): number {
    const { reach } = this.filter;
    let marks = 0;
    const from = Math.max(first, Math.ceil(position - reach));
    if (from > this.#marked) return 0;
    for (let slot = from; slot <= Math.min(last, position + reach); slot++) marks |= this.#marks[(this.#origin + slot) % this.#marks.length];
    return marks;
  }

  /** Where in the ring the first sample at or behind the time of a step is, or -1 where the channel has none so early. */
  ringPosition(time: number): number {
    if (this.#first === undefined) return -1;
    const position = this.#position(time);
    const earliest = Math.floor(position) - this.filter.taps / 2 + 1;
    return earliest < -this.#lead ? -1 : this.#origin + Math.ceil(position - 1e-6);
  }
}
