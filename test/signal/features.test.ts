import { describe, expect, test } from "vitest";
import { SignalKernels } from "../../src/kernels/signal.ts";
import { faultOrders } from "../../src/signal/bearing.ts";
import { Envelope } from "../../src/signal/envelope.ts";
import { Features } from "../../src/signal/features.ts";
import type { Recipe } from "../../src/signal/recipe.ts";
import { Spectrum } from "../../src/signal/spectrum.ts";
import { percentiles, statistics, STATISTICS } from "../../src/signal/statistics.ts";
import { Wavelet, WaveletPacket } from "../../src/signal/wavelet.ts";
import { difference, numbers } from "../memory.ts";

const bearing = { balls: 9, ballDiameter: 0.3126, pitchDiameter: 1.537 };
const rateHz = 1000, shaftHz = 29;
const full: Recipe = {
  rateHz,
  statistics: STATISTICS,
  percentiles: [25, 75],
  spectrum: { segment: 64, shape: ["power", "centroidHz", "spreadHz", "entropy", "peakHz", "peakOrder"], bandsHz: [[0, 100], [100, 500]] },
  envelope: { bandHz: [100, 400], whiten: true, orders: { shaft: 1, ...faultOrders(bearing) }, harmonics: 2, relative: true, log: true },
  wavelet: { wavelet: "db4", levels: 3, relative: true },
  tutorial: true,
};

/** Every `C`th number from the first. */
const channel = (inputs: Float32Array, window: number, c: number, C: number, from: number, samples: number, T: number) =>
  Float32Array.from({ length: samples }, (_, n) => inputs[(window * T + from + n) * C + c]);

describe("features", () => {
  test("of windows and channels are those of each series by itself, frame by frame", () => {
    const [N, T, samples, hop] = [3, 300, 200, 50];
    for (const C of [1, 2, 3, 4, 5]) {
      const inputs = numbers(N * T * C, C);
      const names = Array.from({ length: C }, (_, c) => `c${c}`);
      const features = new Features({ ...full, frame: { samples, hop } }, { steps: T, channels: names });
      expect(features.frames).toBe(3);
      const rows = features.extract(inputs, N, { shaftHz: [shaftHz, 31, 17] });
      const F = features.columns.length / C;
      expect(rows.length).toBe(N * features.frames * C * F);
      const spectrum = new Spectrum({ samples, rateHz, segment: 64 }), whole = new Spectrum({ samples, rateHz });
      const envelope = new Envelope({ samples, rateHz, bandHz: [100, 400], whiten: true }), wavelet = new Wavelet({ samples, wavelet: "db4", levels: 3 });
      for (let n = 0; n < N; n++) {
        for (let frame = 0; frame < features.frames; frame++) {
          for (let c = 0; c < C; c++) {
            const at = ((n * features.frames + frame) * C + c) * F;
            const row = Object.fromEntries(Array.from({ length: F }, (_, f) => [features.columns[c * F + f], rows[at + f]]));
            const value = (name: string) => row[`c${c}.${name}`];
            const x = channel(inputs, n, c, C, frame * hop, samples, T), statistic = statistics(x);
            for (const name of STATISTICS) expect(value(name)).toBe(statistic[name]);
            expect([value("p25"), value("p75")]).toEqual([...percentiles(x, [25, 75])]);
            spectrum.density(x);
            const shape = spectrum.shape();
            for (const name of ["power", "centroidHz", "spreadHz", "entropy", "peakHz"] as const) expect(value(`spectrum.${name}`)).toBeCloseTo(shape[name], 3);
            expect(value("spectrum.100-500 Hz")).toBeCloseTo(spectrum.power([100, 501]), 5);
            whole.density(envelope.of(x));
            const shaft = [shaftHz, 31, 17][n];
            expect(value("spectrum.peakOrder")).toBeCloseTo(shape.peakHz / shaft, 4);
            const range = whole.around(2 * faultOrders(bearing).bpfi * shaft, 0.02);
            const share = range[1] > range[0] ? whole.power([range[0] * whole.binHz, range[1] * whole.binHz]) / whole.shape().power : 1e-30;
            expect(Math.abs(value("envelope.bpfi x2") - Math.log(share))).toBeLessThan(1e-4);
            const energies = wavelet.decompose(x).map((band) => band.reduce((sum, a) => sum + a * a, 0)), total = energies.reduce((sum, a) => sum + a, 0);
            expect(difference(["a3", "d3", "d2", "d1"].map((name) => value(`wavelet.${name}`)), energies.map((energy) => energy / total))).toBeLessThan(1e-6);
          }
        }
      }
    }
  });

  test("do not depend on how windows are chunked, and are deterministic", () => {
    const [N, T] = [30, 20_000], inputs = numbers(N * T, 1);
    const features = new Features({ rateHz, statistics: ["rms"], percentiles: [50] }, { steps: T, channels: ["x"] });
    const rows = features.extract(inputs, N);
    expect(features.extract(inputs, N)).toEqual(rows);
    for (let n = 0; n < N; n++) expect(features.extract(inputs.subarray(n * T, (n + 1) * T), 1)).toEqual(rows.subarray(2 * n, 2 * n + 2));
  });

  test("of a ring buffer are read where it lies, over its end", () => {
    const [T, C, rows] = [256, 3, 400], kernels = new SignalKernels({ shared: true });
    const features = new Features({ ...full, tutorial: false }, { steps: T, channels: ["a", "b", "c"] }, { kernels });
    const ring = kernels.allocate(4 * rows * C), inputs = numbers(rows * C, 1);
    kernels.float32(ring, rows * C).set(inputs);
    for (const first of [0, 100, 144, 145, 399]) {
      const before = Math.min(T, rows - first);
      const spans = [{ pointer: ring + 4 * first * C, steps: before }, { pointer: ring, steps: T - before }].filter(({ steps }) => steps > 0);
      const window = Float32Array.from({ length: T * C }, (_, n) => inputs[(first * C + n) % inputs.length]);
      expect(features.extractAt(spans, { shaftHz })).toEqual(features.extract(window, 1, { shaftHz }));
    }
    expect(() => features.extractAt([{ pointer: ring, steps: 100 }], { shaftHz })).toThrow('"spans" expected one or two that add up to 256 steps, got 100');
  });

  test("of a packet, of bins, and as logarithms", () => {
    const x = numbers(128, 1);
    const features = new Features({ rateHz, spectrum: { bins: true, log: true }, wavelet: { wavelet: "haar", levels: 2, packet: true, entropy: false } }, { steps: 128, channels: ["x"] });
    const density = new Spectrum({ samples: 128, rateHz }).density(x);
    const bands = new WaveletPacket({ samples: 128, wavelet: "haar", levels: 2 }).decompose(x);
    const expected = [...density].map((value) => Math.log(Math.max(1e-30, value))).concat(bands.map((band) => band.reduce((sum, a) => sum + a * a, 0)));
    expect(difference(features.extract(x, 1), expected)).toBeLessThan(1e-6);
    expect(features.columns.slice(-4)).toEqual(["x.wavelet.band 0", "x.wavelet.band 1", "x.wavelet.band 2", "x.wavelet.band 3"]);
  });

  test("of windows are windows again, of sequences of features, samples beside them where they are wanted", () => {
    const [T, samples, C] = [60, 20, 2], inputs = numbers(2 * T * C, 1);
    const windows = { inputs, targets: Float32Array.of(3, 4), groups: Int32Array.of(7, 8), count: 2, steps: T, features: C };
    const features = new Features({ rateHz, statistics: ["max"], percentiles: [0], samples: true, frame: { samples } }, { steps: T, channels: ["a", "b"] });
    const { inputs: rows, ...rest } = features.windows(windows);
    expect(rest).toEqual({ targets: windows.targets, groups: windows.groups, count: 2, steps: 3, features: C * (samples + 2) });
    for (let row = 0; row < 2 * 3 * C; row++) {
      const x = channel(inputs, Math.floor(row / 3 / C), row % C, C, (Math.floor(row / C) % 3) * samples, samples, T);
      expect(rows.subarray(row * (samples + 2), (row + 1) * (samples + 2))).toEqual(Float32Array.of(Math.max(...x), ...x, Math.min(...x)));
    }
    expect(() => features.windows({ ...windows, features: 3 })).toThrow('"windows" expected 60 steps of 2 channels, got 60 of 3');
  });

  const shape = { steps: 100, channels: ["x"] };
  test("refuse what cannot be, naming the place and a remedy", () => {
    const refused = (recipe: object, window: object = shape) => expect(() => new Features({ rateHz, ...recipe } as Recipe, { ...shape, ...window }));
    refused({}).toThrow("recipe expected at least one of statistics, percentiles, spectrum, envelope, wavelet, tutorial, samples");
    refused({ rateHz: 0, tutorial: true }).toThrow('"rateHz" expected a number above 0, got 0');
    refused({ statistics: ["median"] }).toThrow('"statistics" expected some of mean, std, rms, min, max, peak, crest, skewness, kurtosis, crossings, got "median"');
    refused({ percentiles: [101] }).toThrow("percentile expected a number from 0 to 100, got 101");
    refused({ spectrum: {} }).toThrow('"spectrum" expected at least one of shape, bandsHz, orders, bins');
    refused({ spectrum: { bandsHz: [[501, 502]] } }).toThrow(/band expected at least one of the frequencies 0, 10, … 500 Hz, got 501 to 502 Hz; widen it, or use longer segments/);
    refused({ spectrum: { bins: true, segment: 101 } }).toThrow('"segment" expected an even integer >= 2, got 101; leave out the last sample of an odd number');
    refused({ spectrum: { orders: { shaft: -1 } } }).toThrow('"orders" expected numbers above 0, got -1 for "shaft"');
    refused({ envelope: { bins: true, bandHz: [600, 700] } }).toThrow(/"bandHz" expected to hold at least one of the frequencies 10, 20, … 500 Hz, got 600 to 700 Hz/);
    refused({ wavelet: { wavelet: "db9", levels: 1 } }).toThrow(/"wavelet" expected one of haar, db2, .*sym8, got "db9"/);
    refused({ wavelet: { wavelet: "db8", levels: 9 } }).toThrow('"levels" expected an integer from 1 to 2 for 100 samples and db8, got 9');
    refused({ statistics: ["rms"], frame: { samples: 101 } }).toThrow('"frame.samples" expected an integer from 2 to 100, got 101');
    refused({ statistics: ["rms"] }, { channels: [] }).toThrow('"channels" expected at least one name');
  });

  test("refuse windows that they cannot be taken of", () => {
    const features = new Features({ rateHz, spectrum: { orders: { shaft: 1 } } }, { steps: 100, channels: ["x", "y"] });
    const inputs = numbers(600, 1);
    expect(() => features.extract(inputs, 2, { shaftHz })).toThrow('"inputs" expected 400 numbers, got 600');
    expect(() => features.extract(inputs, 3)).toThrow('"shaftHz" expected one number, or one for each of 3 windows, since the recipe has orders, got none');
    expect(() => features.extract(inputs, 3, { shaftHz: [1, 0, 1] })).toThrow('"shaftHz" expected numbers above 0, got 0 for window 1');
    inputs[200 + 7] = NaN;
    expect(() => features.extract(inputs, 3, { shaftHz })).toThrow('window 1, channel "y": expected finite samples; fill gaps, or leave out the window, before features are taken');
  });
});
