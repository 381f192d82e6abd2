import { describe, expect, test } from "vitest";
import { faultOrders } from "../../src/signal/bearing.ts";
import { Envelope } from "../../src/signal/envelope.ts";
import { Fft } from "../../src/signal/fft.ts";
import { Spectrum } from "../../src/signal/spectrum.ts";
import { percentiles, statistics } from "../../src/signal/statistics.ts";
import { numbers } from "../memory.ts";
import { envelope, error, rdft, welch } from "./reference.ts";

test("a transform of any even length equals the float64 reference, one series or four", () => {
  for (const N of [2, 4, 14, 100, 202, 512, 1000, 1018, 2048]) {
    const x = numbers(N, N), { re, im } = rdft(x);
    expect(error(new Fft(N).forward(x), [...re, ...im]), `${N}`).toBeLessThan(1e-6);
    const four = new Fft(N, { lanes: 4 }).forward(Float32Array.from({ length: 4 * N }, (_, n) => (n % 4 === 1 ? x[n >> 2] : 1)));
    expect(error(four.filter((_, n) => n % 4 === 1), [...re, ...im]), `${N}`).toBeLessThan(1e-6);
  }
  expect(() => new Fft(15)).toThrow('"samples" expected an even integer >= 2, got 15; leave out the last sample of an odd number');
  expect(() => new Fft(16).forward(new Float32Array(15))).toThrow('"x" expected 16 numbers, got 15');
  expect(() => new Fft(16).forward([1] as unknown as Float32Array)).toThrow('"x" expected a Float32Array');
});

describe("a spectrum", () => {
  test("equals the float64 reference for any segments", () => {
    const x = numbers(330, 1).map((value) => value + 2);
    for (const [segment, overlap] of [[330, 0], [64, 32], [64, 63], [100, 0], [74, 10]]) {
      const density = new Spectrum({ samples: 330, rateHz: 50, segment, overlap }).density(x);
      expect(error(density, welch(x, 50, segment, overlap)), `${segment}`).toBeLessThan(1e-6);
    }
  });

  test("has the mean square of a signal as its power", () => {
    const x = Float32Array.from({ length: 1000 }, (_, n) => 3 * Math.sin((2 * Math.PI * 50 * n) / 1000));
    const spectrum = new Spectrum({ samples: 1000, rateHz: 1000 });
    spectrum.density(x);
    expect(spectrum.shape().power).toBeCloseTo(4.5, 5);
    expect(spectrum.power([48, 53])).toBeCloseTo(4.5, 5);
    expect(spectrum.shape([20, 300]).peakHz).toBe(50);
    expect(spectrum.power([0, 1000])).toBe(spectrum.power([0, 500]));
  });

  test("finds the frequencies around one", () => {
    const spectrum = new Spectrum({ samples: 100, rateHz: 100 });
    expect(spectrum.around(20, 0.1)).toEqual([18, 23]);
    expect(spectrum.around(20.3, 0.001)).toEqual([20, 21]); // none within: the nearest
    expect(spectrum.around(49.9, 0.1)).toEqual([45, 51]);
    expect(spectrum.around(60, 0.1)).toEqual([0, 0]);
    expect(() => new Spectrum({ samples: 100, rateHz: 100, overlap: 100 })).toThrow('"overlap" expected an integer from 0 to 99, got 100');
  });
});

test("an envelope equals the float64 reference, whitened or not", () => {
  const x = numbers(150, 1).map((value, n) => value + (n % 3) + 4);
  for (const whiten of [false, true]) {
    for (const [from, to] of [[0, 76], [20, 50], [75, 76]]) {
      const actual = new Envelope({ samples: 150, rateHz: 150, bandHz: [from, to], whiten }).of(x);
      expect(error(actual, envelope(x, from, to, whiten)), `${from} ${to} ${whiten}`).toBeLessThan(whiten ? 1e-5 : 1e-6);
    }
  }
});

test("blows on a resonance show at their rate in the envelope, and nowhere in the spectrum", () => {
  const rateHz = 12_000, blowsHz = 100;
  const x = Float32Array.from({ length: rateHz }, (_, n) => {
    const since = n % (rateHz / blowsHz);
    return Math.exp(-since / 10) * Math.sin((2 * Math.PI * 3000 * since) / rateHz) + 2 * Math.sin((2 * Math.PI * 29 * n) / rateHz);
  });
  const spectrum = new Spectrum({ samples: rateHz, rateHz });
  spectrum.density(x);
  expect(spectrum.shape().peakHz).toBe(29);
  spectrum.density(new Envelope({ samples: rateHz, rateHz, bandHz: [2000, 4000] }).of(x));
  expect(spectrum.shape().peakHz).toBe(blowsHz);
});

test("fault orders are those of the bearing's data sheet", () => {
  // SKF 6205-2RS JEM, as the Case Western Reserve University's bearing data center states them.
  const orders = faultOrders({ balls: 9, ballDiameter: 0.3126, pitchDiameter: 1.537 });
  for (const [fault, order] of [["bpfi", 5.4152], ["bpfo", 3.5848], ["ftf", 0.39828], ["bsf", 4.7135 / 2]] as const) expect(orders[fault]).toBeCloseTo(order, 3);
  expect(() => faultOrders({ balls: 9, ballDiameter: 2, pitchDiameter: 1 })).toThrow('"ballDiameter" expected a number above 0 and below the pitch diameter, 1, got 2');
  expect(() => faultOrders({ balls: 0, ballDiameter: 1, pitchDiameter: 2 })).toThrow('"balls" expected an integer >= 1, got 0');
});

test("statistics refuse what they cannot be taken of", () => {
  expect(() => statistics(new Float32Array(0))).toThrow('"x" expected at least one sample, got none');
  expect(() => statistics(Float32Array.of(1, NaN))).toThrow('"x" expected finite samples; fill gaps');
  expect(() => percentiles(Float32Array.of(1), [-1])).toThrow("percentile expected a number from 0 to 100, got -1");
});
