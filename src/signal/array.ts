/**
 * @module
 * Sensors of different rates as windows of one rate, aligned by the times of their samples.
 *
 *     push("vibration", …) ─► channel ─► steps ┐
 *     push("pressure", …)  ─► channel ─► steps ┼─► windows (N,T,I), marks (N,I)
 *     push("temperature",…)─► channel ─► steps ┘
 *
 * The front is the latest time of all samples. A sample may be older than the front by the tolerance,
 * whatever its channel, and is late beyond that: counted and dropped. So, what lies before the front less
 * the tolerance is final, and windows are made of nothing else. They are a function of the samples and their
 * times: the same bits for any cut into chunks, and for any order of arrival within the tolerance.
 *
 * No timestamp moves the front far on its own. A sample that is further ahead than a pause waits until
 * another one agrees: then everything stood still, and a new segment begins. If its channel goes on at the
 * old time instead, its time was wrong, and it is refused.
 */
import { ChannelAligner, type Channel, type ChannelCounts } from "./channel.ts";
import { Ring, type Memory } from "./ring.ts";
import type { Windows } from "./window.ts";

export interface SensorArrayOptions {
  /** In the order of a window's features. */
  readonly channels: readonly Channel[];
  /** The common rate. */
  readonly rateHz: number;
  /** T: steps of a window. */
  readonly steps: number;
  /** Steps from the beginning of a window to that of the next. Default: T. */
  readonly hop?: number;
  /** How much older than the latest sample of all channels a sample may be. Default 1 s. */
  readonly toleranceS?: number;
  /** A silence of all channels that ends a segment. Default: 60 s or 100 samples of the slowest channel, whichever is longer. */
  readonly pauseS?: number;
  /** The time, on the scale of the timestamps, that windows are counted from, and the drift of clocks. Default 0, without drift. */
  readonly startS?: number;
}

/** Windows as models take them, but for targets and groups, and what is known of their quality. */
export interface AlignedWindows extends Omit<Windows, "targets" | "groups"> {
  /** (N) time of the first step. */
  readonly timesS: Float64Array;
  /** (N,I) marks of all steps of a channel, one or'ed with the other: GAP, STUCK, OUT_OF_RANGE, NOT_A_NUMBER. */
  readonly marks: Uint8Array;
  /** (N,I) share of the steps without any mark. */
  readonly whole: Float32Array;
  /** (N,I) where in the channel's own ring the window begins, or -1: for features at the channel's own rate. */
  readonly positions: Float64Array;
}

export interface QualityReport {
  readonly windows: number;
  /** Silences that have ended a segment. */
  readonly pauses: number;
  readonly channels: readonly (ChannelCounts & { readonly name: string })[];
}

interface Sample {
  readonly channel: ChannelAligner;
  readonly timestamp: number;
  readonly value: number;
  readonly time: number;
}

interface Window {
  readonly time: number;
  readonly inputs: Float32Array;
  readonly marks: Uint8Array;
  readonly whole: Float32Array;
  readonly positions: Float64Array;
}

/** A channel and its steps of the common rate. */
class Lane {
  readonly channel: ChannelAligner;
  readonly steps: Ring;
  /** By position in the ring, modulo the length. */
  readonly marks: Uint8Array;
  readonly #block = new Float32Array(BLOCK);
  #count = 0;

  constructor(channel: ChannelAligner, steps: Ring) {
    this.channel = channel;
    this.steps = steps;
    this.marks = new Uint8Array(steps.place.capacity);
  }

  readonly make = (value: number, mark: number): void => {
    this.marks[(this.steps.head + this.#count) % this.marks.length] = mark;
    this.#block[this.#count++] = value;
    if (this.#count === BLOCK) this.flush();
  };

  flush(): void {
    this.steps.write(this.#block.subarray(0, this.#count));
    this.#count = 0;
  }
}

const MAX_CHANNELS = 4096;
/** From a sample a day to a megahertz. */
const MIN_RATE_HZ = 1e-5, MAX_RATE_HZ = 1e6;
/** A clock that is off by a thousandth is another rate. */
const MAX_DRIFT_PPM = 1000;
/** Samples at a channel's own rate: 256 MB. */
const MAX_KEPT = 2 ** 26;
/** Samples of the fastest channel that are settled before windows are made of them. */
const SLICE = 65_536;
/** Steps that are written to a ring at a time. */
const BLOCK = 1024;
/** Steps more than the lags of channels need, where times are rounded. */
const SPARE = 64;
/** Share of a step by which a time may miss a step and be meant to be it. */
const NEAR = 1e-6;

/** Made for one stream. Times are seconds: of one scale for all channels, such as UTC since 1970 or since the start of a recording. */
export class SensorArray {
  readonly rateHz: number;
  readonly steps: number;
  readonly hop: number;
  readonly toleranceS: number;
  readonly pauseS: number;
  readonly startS: number;
  readonly #lanes: readonly Lane[];
  readonly #byName: ReadonlyMap<string, Lane>;
  readonly #sliceS: number;
  /** Samples far ahead of the front, one a channel at most. */
  #ahead: Sample[] = [];
  #pauses = 0;
  #count = 0;

  // Of the segment: everything since the beginning or the last pause. Times are since `startS`.
  /** Earliest and latest time of a sample. */
  #earliest = Infinity;
  #front = -Infinity;
  /** Everything before this time is final; undefined before there is something. */
  #final: number | undefined;
  /** First step of the next window. */
  #next = 0;
  /** Where in the rings of steps step 0 would be. */
  #origin = 0;
  readonly #made: Window[] = [];

  /** @throws RangeError for options that do not fit each other */
  constructor(arena: Memory, options: SensorArrayOptions) {
    const { channels, rateHz, steps, hop = steps, toleranceS = 1, startS = 0 } = options;
    checkChannels(channels, rateHz);
    const drifting = channels.find(({ clock }) => clock?.driftPpm);
    if (drifting && options.startS === undefined) throw new RangeError(`"startS" expected the time since which the clock of channel "${drifting.name}" drifts, got none; from 1970 on, 1 ppm would be half an hour`);
    for (const [name, value] of [["steps", steps], ["hop", hop]] as const) {
      if (!(Number.isInteger(value) && value >= 1)) throw new RangeError(`"${name}" expected integer >= 1, got ${value}`);
    }
    const slowest = Math.min(...channels.map((channel) => channel.rateHz));
    const fastest = Math.max(rateHz, ...channels.map((channel) => channel.rateHz));
    const { pauseS = Math.max(60, 100 / slowest, 2 * toleranceS) } = options;
    if (!(toleranceS >= 0 && toleranceS * fastest <= 2 ** 26)) {
      throw new RangeError(`"toleranceS" expected from 0 to ${2 ** 26} samples of the fastest channel, got ${toleranceS}; push shorter pieces of each channel in turn`);
    }
    if (!(pauseS > toleranceS && pauseS < Infinity)) throw new RangeError(`"pauseS" expected more than the tolerance of ${toleranceS} s, got ${pauseS}`);
    if (!Number.isFinite(startS)) throw new RangeError(`"startS" expected a finite number, got ${startS}`);
    this.rateHz = rateHz;
    this.steps = steps;
    this.hop = hop;
    this.toleranceS = toleranceS;
    this.pauseS = pauseS;
    this.startS = startS;
    this.#sliceS = SLICE / fastest;
    const aligners = channels.map((channel) => new ChannelAligner(channel, { rateHz, toleranceS }));
    const behindS = Math.max(...aligners.map(({ lagS }) => lagS)) + this.#sliceS;
    for (const channel of aligners) channel.open(arena, behindS + steps / rateHz);
    const capacity = Math.ceil((behindS + this.#sliceS) * rateHz) + 2 * Math.max(steps, hop) + SPARE;
    this.#lanes = aligners.map((channel) => new Lane(channel, new Ring(arena, { capacity, window: steps })));
    this.#byName = new Map(this.#lanes.map((lane) => [lane.channel.channel.name, lane]));
  }

  /**
   * Samples of one channel: their times in seconds, ascending or nearly so, and their values.
   * @returns the windows that these samples complete
   * @throws RangeError for an unknown channel, lists of different lengths, or samples at another rate than the channel's
   */
  push(name: string, times: ArrayLike<number>, values: ArrayLike<number>): AlignedWindows {
    const { channel } = this.#lane(name);
    if (times.length !== values.length) throw new RangeError(`channel "${name}" expected a time for each of its ${values.length} values, got ${times.length}`);
    for (let n = 0; n < values.length; n++) this.#take(channel, times[n] - this.startS, values[n]);
    this.#advance(this.#front - this.toleranceS);
    return this.#windows();
  }

  /** Samples of one channel that begin at a time and follow each other at its rate: what an acquisition card delivers. */
  pushBlock(name: string, startS: number, values: ArrayLike<number>): AlignedWindows {
    const { rateHz } = this.#lane(name).channel.channel;
    return this.push(name, Float64Array.from({ length: values.length }, (_, n) => startS + n / rateHz), values);
  }

  /** What is left when nothing comes any more: windows until the latest sample. A push after that begins anew. */
  end(): AlignedWindows {
    for (const { channel } of this.#ahead) channel.counts.refused++;
    this.#ahead = [];
    this.#finish();
    return this.#windows();
  }

  /** All that was not as it should be, since the array was made. */
  report(): QualityReport {
    return {
      windows: this.#count,
      pauses: this.#pauses,
      channels: this.#lanes.map(({ channel: { channel, counts } }) => ({ name: channel.name, ...counts })),
    };
  }

  /**
   * A channel's samples at its own rate, in order, repaired, in the arena's memory; views are of `keepS` seconds at most.
   * `positions` of a window say where it begins, `ring.pointer` and `ring.view` read it in place, `ring.intact` says that it is still there.
   */
  ring(name: string): Ring {
    return this.#lane(name).channel.ring;
  }

  #lane(name: string): Lane {
    const lane = this.#byName.get(name);
    if (!lane) throw new RangeError(`"channel" expected one of ${[...this.#byName.keys()].join(", ")}, got ${JSON.stringify(name)}`);
    return lane;
  }

  #take(channel: ChannelAligner, timestamp: number, value: number): void {
    channel.receive(timestamp);
    const time = channel.time(timestamp);
    if (!Number.isFinite(time)) {
      channel.counts.refused++;
      return;
    }
    const sample = { channel, timestamp, value, time };
    if (time > this.#front + this.pauseS || this.#front === -Infinity) {
      this.#jump(sample);
      return;
    }
    if (this.#ahead.length > 0) this.#refuse(channel);
    this.#accept(sample);
  }

  #accept({ channel, timestamp, value, time }: Sample): void {
    if (time < this.#front - this.toleranceS) {
      channel.counts.late++;
      return;
    }
    if (time > this.#front) this.#front = time;
    if (time < this.#earliest) this.#earliest = time;
    if (!channel.fits(timestamp)) this.#advance(this.#front - this.toleranceS);
    channel.place(timestamp, value);
  }

  /** A sample far ahead: alone it is held back, with another one that agrees it ends the segment. */
  #jump(sample: Sample): void {
    const agreeing = this.#ahead.filter(({ time }) => Math.abs(time - sample.time) <= this.pauseS);
    if (agreeing.length === 0) {
      this.#refuse(sample.channel);
      this.#ahead.push(sample);
      return;
    }
    for (const { channel } of this.#ahead) if (!agreeing.some((one) => one.channel === channel)) channel.counts.refused++;
    this.#ahead = [];
    if (this.#front !== -Infinity) this.#pauses++;
    this.#finish();
    for (const one of [...agreeing, sample]) this.#accept(one);
  }

  /** The sample of this channel that was held back, if there is one: its channel does not bear it out. */
  #refuse(channel: ChannelAligner): void {
    const kept = this.#ahead.filter((sample) => sample.channel !== channel);
    if (kept.length < this.#ahead.length) channel.counts.refused++;
    this.#ahead = kept;
  }

  /** All steps and windows that lie before a time for good. */
  #advance(time: number): void {
    if (this.#final === undefined) {
      if (!(time > this.#earliest)) return;
      this.#final = this.#earliest;
      this.#next = this.hop * Math.ceil((this.#earliest * this.rateHz) / this.hop - NEAR);
      this.#origin = this.#lanes[0].steps.head - this.#next;
      for (const { channel } of this.#lanes) channel.begin(this.#next);
    }
    while (this.#final < time) {
      this.#final = Math.min(time, this.#final + this.#sliceS);
      for (const { channel, make } of this.#lanes) channel.advance(this.#final, this.#earliest, make);
      this.#collect();
    }
  }

  /** The end of a segment: nothing comes any more. */
  #finish(): void {
    if (this.#front === -Infinity) return;
    this.#advance(this.#front);
    if (this.#final !== undefined) {
      const last = Math.floor(this.#front * this.rateHz + NEAR);
      for (const { channel, make } of this.#lanes) channel.finish(last, this.#earliest, this.#front, make);
      this.#collect();
    }
    for (const { channel } of this.#lanes) channel.reset();
    this.#earliest = Infinity;
    this.#front = -Infinity;
    this.#final = undefined;
  }

  /** The windows whose steps all channels have made. */
  #collect(): void {
    for (const lane of this.#lanes) lane.flush();
    const ready = Math.min(...this.#lanes.map(({ channel }) => channel.step));
    for (; this.#next + this.steps <= ready; this.#next += this.hop) this.#made.push(this.#window(this.#next));
  }

  #window(step: number): Window {
    const { steps } = this;
    const features = this.#lanes.length;
    const inputs = new Float32Array(steps * features);
    const marks = new Uint8Array(features);
    const whole = new Float32Array(features);
    const position = this.#origin + step;
    this.#lanes.forEach((lane, feature) => {
      const values = lane.steps.view(position, steps);
      let unmarked = 0;
      for (let n = 0; n < steps; n++) {
        const mark = lane.marks[(position + n) % lane.marks.length];
        inputs[n * features + feature] = values[n];
        marks[feature] |= mark;
        if (mark === 0) unmarked++;
      }
      whole[feature] = unmarked / steps;
    });
    const time = step / this.rateHz;
    return { time: this.startS + time, inputs, marks, whole, positions: Float64Array.from(this.#lanes, ({ channel }) => channel.ringPosition(time)) };
  }

  /** What was made since it was asked for last. */
  #windows(): AlignedWindows {
    const made = this.#made.splice(0);
    const { steps } = this;
    const features = this.#lanes.length;
    const count = made.length;
    this.#count += count;
    const inputs = new Float32Array(count * steps * features);
    const marks = new Uint8Array(count * features);
    const whole = new Float32Array(count * features);
    const positions = new Float64Array(count * features);
    made.forEach((window, n) => {
      inputs.set(window.inputs, n * steps * features);
      marks.set(window.marks, n * features);
      whole.set(window.whole, n * features);
      positions.set(window.positions, n * features);
    });
    return { inputs, count, steps, features, timesS: Float64Array.from(made, ({ time }) => time), marks, whole, positions };
  }
}

function checkChannels(channels: readonly Channel[], common: number): void {
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
