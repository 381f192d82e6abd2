import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Kernels } from "../../src/kernels/kernels.ts";
import { SensorArray, type AlignedWindows, type SensorArrayOptions } from "../../src/signal/array.ts";
import { GAP, NOT_A_NUMBER, OUT_OF_RANGE, STUCK, type Channel } from "../../src/signal/channel.ts";

const make = (options: SensorArrayOptions) => new SensorArray(new Kernels(), options);
const channel = (name: string, rateHz: number, more: Partial<Channel> = {}): Channel => ({ name, unit: "V", rateHz, stuckS: Infinity, ...more });

interface Sample { readonly name: string; readonly time: number; readonly value: number }

/** Samples of a function of time. */
const sampled = (name: string, rateHz: number, fromS: number, toS: number, value: (timeS: number) => number): Sample[] =>
  Array.from({ length: Math.floor((toS - fromS) * rateHz) + 1 }, (_, n) => ({ name, time: fromS + n / rateHz, value: value(fromS + n / rateHz) }));
const inOrder = (...streams: Sample[][]) => streams.flat().map((sample, n) => ({ sample, n })).sort((a, b) => a.sample.time - b.sample.time || a.n - b.n).map(({ sample }) => sample);

/** Push samples in this order, runs of one channel as one piece, cut at the given places. */
function run(array: SensorArray, samples: readonly Sample[], cuts: ReadonlySet<number> = new Set()) {
  const pieces: AlignedWindows[] = [];
  for (let from = 0; from < samples.length;) {
    let to = from + 1;
    while (to < samples.length && samples[to].name === samples[from].name && !cuts.has(to)) to++;
    const piece = samples.slice(from, to);
    pieces.push(array.push(piece[0].name, piece.map(({ time }) => time), piece.map(({ value }) => value)));
    from = to;
  }
  pieces.push(array.end());
  const all = <K extends "inputs" | "timesS" | "marks" | "whole" | "positions">(key: K) => pieces.flatMap((piece) => Array.from(piece[key]));
  return {
    count: pieces.reduce((sum, { count }) => sum + count, 0),
    inputs: all("inputs"), timesS: all("timesS"), marks: all("marks"), whole: all("whole"), positions: all("positions"),
    report: array.report(),
  };
}

/** The first difference in a bit, or none. */
function difference(a: ReturnType<typeof run>, b: ReturnType<typeof run>): string | undefined {
  for (const key of ["timesS", "marks", "whole", "positions", "inputs"] as const) {
    if (a[key].length !== b[key].length) return `${a[key].length} and ${b[key].length} of ${key}`;
    const at = a[key].findIndex((value, n) => !Object.is(value, b[key][n]));
    if (at >= 0) return `${key}[${at}] is ${a[key][at]} and ${b[key][at]}`;
  }
  const [reportA, reportB] = [a, b].map(({ report }) => JSON.stringify(report));
  return reportA === reportB ? undefined : `${reportA} and ${reportB}`;
}

const counts = (report: ReturnType<SensorArray["report"]>, name: string) => {
  const found = report.channels.find((one) => one.name === name)!;
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== 0));
};

describe("channels of different rates", () => {
  const slow = (t: number) => 20 + Math.sin(2 * Math.PI * 0.02 * t);
  const middle = (t: number) => 5 + Math.sin(2 * Math.PI * 0.9 * t);
  const fast = (t: number) => Math.sin(2 * Math.PI * 30 * t + 1) + Math.sin(2 * Math.PI * 300 * t);

  test("come as windows of one rate, each step the value at its time, what would alias removed", () => {
    const channels = [channel("vibration", 1000), channel("pressure", 10), channel("temperature", 1)];
    const array = make({ channels, rateHz: 100, steps: 50 });
    const samples = inOrder(sampled("vibration", 1000, 0, 60, fast), sampled("pressure", 10, 0.033, 60, middle), sampled("temperature", 1, 0.4, 60, slow));
    const { count, inputs, timesS, marks, report } = run(array, samples);
    expect(count).toBe(120);
    expect(report.windows).toBe(120);
    expect(timesS).toEqual(Array.from({ length: 120 }, (_, n) => n * 0.5));
    expect(marks.every((mark) => mark === 0)).toBe(true);
    // The edges of the recording are continued with a constant, which the filters see for as long as they are.
    for (let n = 40; n < 80; n++) {
      for (let step = 0; step < 50; step++) {
        const at = (n * 50 + step) * 3;
        const time = timesS[n] + step / 100;
        expect(Math.abs(inputs[at] - Math.sin(2 * Math.PI * 30 * time + 1))).toBeLessThan(2e-4);
        expect(Math.abs(inputs[at + 1] - middle(time))).toBeLessThan(2e-3);
        expect(Math.abs(inputs[at + 2] - slow(time))).toBeLessThan(2e-3);
      }
    }
    for (const { name } of channels) expect(Object.keys(counts(report, name))).toEqual(["name", "received", "accepted"]);
  });

  test("are where they were when their clocks are wrong by what is known", () => {
    const clock = { offsetS: 2.345, driftPpm: 400 };
    const wrong = (samples: Sample[]) => samples.map(({ name, time, value }) => ({ name, value, time: time * (1 + 400e-6) + 2.345 }));
    const samples = [
      sampled("a", 100, 0, 100, middle),
      // Its oscillator gains, so that it samples faster than it says.
      wrong(sampled("b", 100 * (1 + 400e-6), 0, 100, middle)),
    ];
    const array = make({ channels: [channel("a", 100), channel("b", 100, { clock })], rateHz: 50, steps: 10, startS: 0 });
    const order = samples.flat().map((sample) => ({ sample, true: sample.name === "b" ? (sample.time - 2.345) / (1 + 400e-6) : sample.time })).sort((a, b) => a.true - b.true);
    const { count, inputs, report } = run(array, order.map(({ sample }) => sample));
    expect(counts(report, "b")).toEqual({ name: "b", received: 10_005, accepted: 10_005 });
    expect(count).toBe(500);
    for (let n = 1000; n < 8000; n += 2) expect(Math.abs(inputs[n] - inputs[n + 1])).toBeLessThan(3e-4);
  });

  test("may trample their times by less than half a period", () => {
    const tidy = sampled("a", 10, 0, 50, middle);
    const shaken = tidy.map((sample, n) => ({ ...sample, time: sample.time + (n === 0 ? 0 : 0.045 * Math.sin(n * n)) }));
    const options: SensorArrayOptions = { channels: [channel("a", 10)], rateHz: 20, steps: 20 };
    expect(run(make(options), shaken).inputs).toEqual(run(make(options), tidy).inputs.slice(0, run(make(options), shaken).inputs.length));
  });

  test("can be read in place at their own rate, where a window says", () => {
    const kernels = new Kernels();
    const array = new SensorArray(kernels, { channels: [channel("vibration", 1000, { keepS: 2 }), channel("pressure", 10)], rateHz: 10, steps: 10 });
    const ring = array.ring("vibration");
    let seen = 0;
    for (let second = 0; second < 40; second++) {
      const found = [
        array.pushBlock("vibration", second, Float32Array.from({ length: 1000 }, (_, n) => second * 1000 + n)),
        array.pushBlock("pressure", second, Float32Array.from({ length: 10 }, (_, n) => n)),
      ];
      for (const { count, positions, timesS } of found) {
        for (let n = 0; n < count; n++) {
          const values = ring.view(positions[2 * n], 1000);
          expect(values.buffer).toBe(kernels.memory.buffer);
          expect([values[0], values[999]]).toEqual([timesS[n] * 1000, timesS[n] * 1000 + 999]);
          expect(ring.intact(positions[2 * n])).toBe(true);
          seen++;
        }
      }
    }
    expect(seen).toBeGreaterThan(30);
  });
});

describe("the same windows bit for bit", () => {
  const options = (steps: number, hop: number): SensorArrayOptions => ({
    channels: [
      channel("vibration", 64, { range: [-1.5, 1.5], stuckS: 0.5 }),
      channel("pressure", 10, { clock: { offsetS: -0.25, driftPpm: 200 }, stuckS: 1 }),
      channel("temperature", 1, { filter: "linear" }),
    ],
    rateHz: 16, steps, hop, toleranceS: 2, pauseS: 30, startS: 1000,
  });
  /** A stream with everything in it: gaps, stuck and impossible values, swapped and doubled times, a wrong time, a pause, a late channel. */
  const stream = fc.record({
    gaps: fc.array(fc.record({ channel: fc.nat(2), from: fc.double({ min: 0, max: 40, noNaN: true }), length: fc.double({ min: 0, max: 12, noNaN: true }) }), { maxLength: 4 }),
    faults: fc.array(fc.record({ at: fc.nat(3000), kind: fc.constantFrom("nan", "range", "time", "double", "future", "stuck") }), { maxLength: 20 }),
    late: fc.double({ min: 0, max: 5, noNaN: true }),
    pause: fc.option(fc.double({ min: 10, max: 35, noNaN: true }), { nil: undefined }),
  }).map(({ gaps, faults, late, pause }) => {
    const streams = [["vibration", 64, 0], ["pressure", 10, 0.01], ["temperature", 1, late]].map(([name, rate, from], index) => {
      const samples = sampled(name as string, rate as number, 1000 + (from as number), 1045, (t) => Math.sin(3 * t) + Math.cos(7 * t) * 0.4);
      return samples
        .map((sample) => (pause !== undefined && sample.time > 1000 + pause ? { ...sample, time: sample.time + 500 } : sample))
        .filter(({ time }) => !gaps.some((gap) => gap.channel === index && time - 1000 >= gap.from && time - 1000 < gap.from + gap.length));
    });
    const samples = inOrder(...streams);
    for (const { at, kind } of faults) {
      const index = at % samples.length;
      const { name, time, value } = samples[index];
      if (kind === "nan") samples[index] = { name, time, value: NaN };
      if (kind === "range") samples[index] = { name, time, value: 99 };
      if (kind === "time") samples[index] = { name, time: NaN, value };
      if (kind === "double") samples.splice(index, 0, { name, time, value: value + 1 });
      if (kind === "future") samples[index] = { name, time: time + 12_345, value };
      if (kind === "stuck") for (let n = index; n < Math.min(samples.length, index + 400); n++) if (samples[n].name === name) samples[n] = { ...samples[n], value: 0.5 };
    }
    return samples;
  });

  test("for any cut into chunks", () => {
    fc.assert(
      fc.property(stream, fc.array(fc.nat(3000), { maxLength: 40 }), fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 60 }), (samples, cuts, steps, hop) => {
        const whole = run(make(options(steps, hop)), samples);
        expect(difference(run(make(options(steps, hop)), samples, new Set(cuts)), whole)).toBeUndefined();
        expect(whole.inputs.every(Number.isFinite)).toBe(true);
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  test("for any order of the channels' arrival within the tolerance", () => {
    const delays = fc.array(fc.double({ min: 0, max: 1.7, noNaN: true }), { minLength: 3, maxLength: 3 });
    // Times of one clock: pressure lies a quarter of a second behind. Of a wrong time it cannot be said how long it takes to arrive.
    fc.assert(
      fc.property(stream, delays, fc.integer({ min: 1, max: 40 }), (given, [a, b, c], steps) => {
        const samples = given.filter(({ time }) => time < 10_000);
        const wait: Record<string, number> = { vibration: a, pressure: b, temperature: c };
        const arrival = ({ name, time }: Sample) => time + wait[name];
        const shuffled = samples.map((sample, n) => ({ sample, n })).sort((a, b) => arrival(a.sample) - arrival(b.sample) || a.n - b.n).map(({ sample }) => sample);
        expect(difference(run(make(options(steps, 7)), shuffled), run(make(options(steps, 7)), samples))).toBeUndefined();
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  test("also sample by sample", () => {
    fc.assert(
      fc.property(stream, (samples) => {
        const every = new Set(samples.map((_, n) => n));
        expect(difference(run(make(options(16, 16)), samples, every), run(make(options(16, 16)), samples))).toBeUndefined();
      }),
      { numRuns: 10 },
    );
  }, 60_000);
});

describe("what is not as it should be is marked or refused, and counted", () => {
  const one = (more: Partial<Channel> = {}, options: Partial<SensorArrayOptions> = {}) =>
    make({ channels: [channel("a", 10, { filter: "linear", ...more })], rateHz: 10, steps: 10, ...options });
  const wave = (t: number) => Math.sin(t);
  const clean = sampled("a", 10, 0, 20, wave);
  const without = (from: number, to: number) => clean.filter((_, n) => n < from || n >= to);
  const replaced = (change: (sample: Sample, n: number) => Sample) => clean.map(change);

  test("a gap: a straight line over a few samples, the last value beyond", () => {
    const { inputs, marks, whole, report } = run(one(), without(42, 45));
    expect(counts(report, "a")).toEqual({ name: "a", received: 198, accepted: 198, missing: 3 });
    expect(Array.from(marks.slice(0, 8))).toEqual([0, 0, 0, 0, GAP, 0, 0, 0]);
    expect(whole[4]).toBeCloseTo(0.7, 6);
    for (let n = 1; n <= 3; n++) expect(inputs[41 + n]).toBeCloseTo(wave(4.1) + ((wave(4.5) - wave(4.1)) * n) / 4, 6);
    const long = run(one(), without(42, 72));
    expect(long.report.channels[0].missing).toBe(30);
    for (let n = 42; n < 68; n++) expect(long.inputs[n]).toBe(Math.fround(wave(4.1)));
    expect(long.inputs[71]).toBeCloseTo(wave(4.1) + (wave(7.2) - wave(4.1)) * 0.8, 5);
    expect(Array.from(long.whole.slice(0, 9)).map((share) => share < 1)).toEqual([false, false, false, false, true, true, true, true, false]);
  });

  test("a sensor that is stuck", () => {
    const { marks, report } = run(one({ stuckS: 1 }), replaced((sample, n) => (n >= 50 && n < 100 ? { ...sample, value: 0.25 } : sample)));
    expect(counts(report, "a")).toEqual({ name: "a", received: 201, accepted: 201, stuck: 40 });
    expect(marks.slice(0, 12)).toEqual([0, 0, 0, 0, 0, 0, STUCK, STUCK, STUCK, STUCK, 0, 0]); // the first second is not known to be stuck
    expect(run(one({ stuckS: undefined }), replaced((sample) => ({ ...sample, value: 1 }))).report.channels[0].stuck).toBe(101);
  });

  test("values that are none or cannot be", () => {
    const { inputs, marks, report } = run(one({ range: [-1, 1] }), replaced((sample, n) => (n === 33 ? { ...sample, value: NaN } : n === 55 ? { ...sample, value: 1.5 } : n === 77 ? { ...sample, value: 1e300 } : sample)));
    expect(counts(report, "a")).toEqual({ name: "a", received: 201, accepted: 198, notANumber: 2, outOfRange: 1, missing: 3 });
    expect([marks[3], marks[5], marks[7]]).toEqual([GAP | NOT_A_NUMBER, GAP | OUT_OF_RANGE, GAP | NOT_A_NUMBER]);
    expect(inputs[33]).toBeCloseTo((wave(3.2) + wave(3.4)) / 2, 6);
    expect(inputs.every(Number.isFinite)).toBe(true);
  });

  test("samples out of order, in time and too late", () => {
    const swapped = [...clean];
    [swapped[30], swapped[35]] = [swapped[35], swapped[30]];
    const sorted = run(one(), clean), again = run(one(), swapped);
    expect(again.inputs).toEqual(sorted.inputs);
    expect(counts(again.report, "a")).toEqual({ name: "a", received: 201, accepted: 201, reordered: 5 });
    const [taken] = swapped.splice(100, 1);
    swapped.splice(120, 0, taken);
    expect(counts(run(one(), swapped).report, "a")).toEqual({ name: "a", received: 201, accepted: 200, reordered: 5, late: 1, missing: 1 });
  });

  test("times that are none, or stand alone far ahead", () => {
    const wrong = replaced((sample, n) => (n === 50 ? { ...sample, time: NaN } : n === 80 ? { ...sample, time: 4e9 } : n === 81 ? { ...sample, time: 1e6 } : sample));
    const { count, report } = run(one(), wrong);
    expect(count).toBe(20);
    expect(counts(report, "a")).toEqual({ name: "a", received: 201, accepted: 198, refused: 3, missing: 3 });
  });

  test("a pause of everything, which ends a segment", () => {
    const samples = [...clean, ...sampled("a", 10, 50_000, 50_012, wave)];
    const { timesS, report, marks } = run(one(), samples);
    expect(timesS).toEqual([...Array.from({ length: 20 }, (_, n) => n), ...Array.from({ length: 12 }, (_, n) => 50_000 + n)]);
    expect(marks.every((mark) => mark === 0)).toBe(true);
    expect(report.pauses).toBe(1);
    expect(counts(report, "a")).toEqual({ name: "a", received: 322, accepted: 322 });
  });

  test("a channel that never comes, ends early or begins late", () => {
    const channels = [channel("a", 10, { filter: "linear" }), channel("b", 10, { filter: "linear" })];
    const both = (from: number, to: number) => run(make({ channels, rateHz: 10, steps: 10 }), inOrder(clean, sampled("b", 10, 0, 20, wave).filter((_, n) => n >= from && n < to)));
    const b = (marks: number[]) => marks.filter((_, n) => n % 2 === 1);
    const never = both(0, 0);
    expect(never.count).toBe(20);
    expect(b(never.marks).every((mark) => mark === GAP)).toBe(true);
    expect(b(never.whole).every((share) => share === 0)).toBe(true);
    expect(never.report.channels[1]).toMatchObject({ received: 0, accepted: 0 });
    const part = both(60, 140);
    expect(b(part.marks)).toEqual(Array.from({ length: 20 }, (_, n) => (n >= 6 && n < 14 ? 0 : GAP)));
  });

  test("a rate that is not the channel's", () => {
    expect(() => run(one(), sampled("a", 20, 0, 20, wave))).toThrow(new RangeError('channel "a" expected samples at 10 Hz, got 20 Hz by their times; correct its rateHz, or give each sample its own time in seconds'));
    expect(() => run(one(), clean.map((sample) => ({ ...sample, time: sample.time * 1000 })))).toThrow(/expected samples at 10 Hz, got 0.01 Hz/);
    expect(() => run(one(), clean.map((sample) => ({ ...sample, time: Math.floor(sample.time) })))).toThrow(/got several samples with the same time/);
    // A rate that is off by less shows in the counts: every twentieth sample has no slot.
    expect(counts(run(one(), sampled("a", 10.5, 0, 20, wave)).report, "a")).toMatchObject({ doubled: 10 });
  });

  test.each<[string, () => unknown, string]>([
    ["an unknown channel", () => one().push("b", [0], [0]), '"channel" expected one of a, got "b"'],
    ["a list of times too short", () => one().push("a", [0], [0, 1]), 'channel "a" expected a time for each of its 2 values, got 1'],
    ["no channels", () => make({ channels: [], rateHz: 1, steps: 1 }), '"channels" expected from 1 to 4096, got 0'],
    ["a channel twice", () => make({ channels: [channel("a", 1), channel("a", 2)], rateHz: 1, steps: 1 }), 'channel "a" is there twice'],
    ["a rate of 0", () => one({ rateHz: 0 }), 'channel "a": "rateHz" expected from 0.00001 to 1000000 Hz, got 0'],
    ["an empty range", () => one({ range: [3, 3] }), 'channel "a": "range" expected [least, greatest], got [3, 3]'],
    ["a drift that is another rate", () => one({ clock: { driftPpm: 5000 } }), '"driftPpm" expected at most 1000 either way, got 5000; correct its rateHz'],
    ["a drift since nobody knows when", () => one({ clock: { driftPpm: 5 } }), '"startS" expected the time since which the clock of channel "a" drifts, got none'],
    ["a line where there is aliasing", () => one({ rateHz: 20 }), 'channel "a": "filter" expected a filter against aliasing from 20 to 10 Hz, got "linear"'],
    ["no steps", () => one({}, { steps: 0 }), '"steps" expected integer >= 1, got 0'],
    ["half a hop", () => one({}, { hop: 0.5 }), '"hop" expected integer >= 1, got 0.5'],
    ["a tolerance beyond memory", () => one({}, { toleranceS: 1e9 }), '"toleranceS" expected from 0 to'],
    ["a pause within the tolerance", () => one({}, { pauseS: 1 }), '"pauseS" expected more than the tolerance of 1 s, got 1'],
    ["a beginning at no time", () => one({}, { startS: NaN }), '"startS" expected a finite number, got NaN'],
  ])("%s", (_, attempt, message) => {
    expect(attempt).toThrow(RangeError);
    expect(attempt).toThrow(message);
  });
});
