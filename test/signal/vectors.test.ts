/** Signal features against what SciPy, NumPy and PyWavelets make of the same signals: test/vectors/signals.py. */
import { describe, expect, test } from "vitest";
import { Envelope } from "../../src/signal/envelope.ts";
import { Features } from "../../src/signal/features.ts";
import { Fft } from "../../src/signal/fft.ts";
import type { Recipe } from "../../src/signal/recipe.ts";
import { Spectrum } from "../../src/signal/spectrum.ts";
import { percentiles, statistics } from "../../src/signal/statistics.ts";
import { Wavelet, WaveletPacket, WAVELETS, type WaveletMode, type WaveletName } from "../../src/signal/wavelet.ts";
import { vectors } from "../memory.ts";
import { error } from "./reference.ts";

/** The issue asks for 1e-5 of the largest value; what is reached is stated in docs/features.md. */
const CLOSE = 1e-6;

type Case = { kind: string; x: number[] };
const cases = <Kind extends object>(kind: string) => vectors<Case & Kind>("signals").filter((vector) => vector.kind === kind);

/** Largest |actual - expected| / |expected|, number by number. */
const relative = (actual: ArrayLike<number>, expected: readonly number[]) => Math.max(...expected.map((value, n) => Math.abs(actual[n] - value) / Math.abs(value)));

test("the transform matches NumPy", () => {
  for (const { x, re, im } of cases<{ re: number[]; im: number[] }>("fft")) {
    const X = new Fft(x.length).forward(Float32Array.from(x));
    expect(error(X, [...re, ...im]), `${x.length}`).toBeLessThan(CLOSE);
  }
});

test("densities and their figures match scipy.signal.welch", () => {
  type Welch = { rate: number; segment: number; overlap: number; density: number[] } & Record<"power" | "centroid" | "spread" | "entropy" | "peak", number>;
  for (const { x, rate, segment, overlap, density, power, centroid, spread, entropy, peak } of cases<Welch>("welch")) {
    const spectrum = new Spectrum({ samples: x.length, rateHz: rate, segment, overlap });
    expect(error(spectrum.density(Float32Array.from(x)), density)).toBeLessThan(CLOSE);
    const shape = spectrum.shape();
    expect(relative([shape.power, shape.centroidHz, shape.spreadHz, shape.entropy, shape.peakHz], [power, centroid, spread, entropy, peak])).toBeLessThan(1e-5);
  }
});

test("envelopes match scipy.signal.hilbert", () => {
  for (const { x, whole, band, whitened } of cases<Record<"whole" | "band" | "whitened", number[]>>("envelope")) {
    const envelope = (options: object) => new Envelope({ samples: x.length, rateHz: 1, ...options }).of(Float32Array.from(x));
    expect(error(envelope({}), whole)).toBeLessThan(CLOSE);
    expect(error(envelope({ bandHz: [0.1, 0.3] }), band)).toBeLessThan(CLOSE);
    expect(error(envelope({ bandHz: [0.1, 0.3], whiten: true }), whitened)).toBeLessThan(2 * CLOSE); // a weak frequency's phase counts like a strong one's
  }
});

test("statistics and percentiles match NumPy and SciPy, each number by itself", () => {
  type Statistics = { values: Record<string, number>; percents: number[]; percentiles: number[] };
  for (const { x, values, percents, percentiles: expected } of cases<Statistics>("statistics")) {
    const actual: Record<string, number> = statistics(Float32Array.from(x));
    expect(Object.keys(actual).toSorted()).toEqual(Object.keys(values).toSorted());
    expect(relative(Object.keys(values).map((name) => actual[name]), Object.values(values))).toBeLessThan(CLOSE);
    expect(relative(percentiles(Float32Array.from(x), percents), expected)).toBeLessThan(CLOSE);
  }
});

describe("wavelets", () => {
  type Bands = { wavelet: WaveletName; mode: WaveletMode; levels: number; bands: number[][]; packet: number[][] };

  test("match pywt.wavedec and pywt.WaveletPacket", () => {
    for (const { x, wavelet, mode, levels, bands, packet } of cases<Bands>("wavelet")) {
      for (const [Transform, expected] of [[Wavelet, bands], [WaveletPacket, packet]] as const) {
        const actual = new Transform({ samples: x.length, wavelet, mode, levels }).decompose(Float32Array.from(x));
        expect(actual.map((band) => band.length)).toEqual(expected.map((band) => band.length));
        expect(error(actual.flatMap((band) => [...band]), expected.flat()), `${wavelet} ${mode}`).toBeLessThan(CLOSE);
      }
    }
  });

  test("are all there", () => {
    expect([...new Set(cases<Bands>("wavelet").map(({ wavelet }) => wavelet))].toSorted()).toEqual(WAVELETS.toSorted());
  });
});

test("the tutorial's nine features match NumPy's", () => {
  for (const { x, count, steps, channels, features } of cases<{ count: number; steps: number; channels: number; features: number[] }>("tutorial")) {
    const names = Array.from({ length: channels }, (_, channel) => `c${channel}`);
    const actual = new Features({ rateHz: 1, tutorial: true }, { steps, channels: names }).extract(Float32Array.from(x), count);
    expect(error(actual, features)).toBeLessThan(CLOSE);
  }
});

test("columns of a recipe match: bands and orders of densities and envelopes, energies and entropy of wavelets", () => {
  type Columns = { rate: number; segment: number; shaft: number; orders: Record<string, number>; bands: [number, number][]; wavelet: WaveletName; levels: number; columns: Record<string, number & number[]> };
  for (const { x, rate: rateHz, segment, shaft: shaftHz, orders, bands: bandsHz, wavelet, levels, columns } of cases<Columns>("recipe")) {
    const of = (recipe: Omit<Recipe, "rateHz">) => {
      const features = new Features({ rateHz, ...recipe }, { steps: x.length, channels: ["x"] });
      return new Map([...features.extract(Float32Array.from(x), 1, { shaftHz })].map((value, f) => [features.columns[f].slice(2), value]));
    };
    const spectral = { bandsHz, orders, harmonics: 2 };
    const found = of({ spectrum: { ...spectral, segment }, envelope: { ...spectral, relative: true } });
    expect([...found.keys()].toSorted()).toEqual(Object.keys(columns).filter((name) => name.includes(".")).toSorted());
    for (const [name, value] of found) expect(Math.abs(value - columns[name]), name).toBeLessThanOrEqual(1e-5 * columns[name]);
    expect(found.get("spectrum.beyond x1")).toBe(0);
    for (const [name, packet] of [["levels", false], ["packet", true]] as const) {
      const bands = of({ wavelet: { wavelet, levels, packet } });
      const entropy = bands.get("wavelet.entropy")!;
      bands.delete("wavelet.entropy");
      expect(relative([...bands.values(), entropy], [...columns[name], columns[`${name} entropy`]]), name).toBeLessThan(1e-5);
      expect([entropy > 0.05, entropy < 0.95]).toEqual([true, true]);
    }
  }
});
