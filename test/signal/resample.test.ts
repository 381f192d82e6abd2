import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { filtered, kaiserFilter, LINEAR, Resampler, type Filter } from "../../src/signal/resample.ts";

const decibel = (x: number) => 20 * Math.log10(x);

/** The filter's answer to a frequency in cycles per input sample: the sum over its table, which samples h(t) at 1/phases. */
function response({ phases, taps, coefficients }: Filter, frequency: number): number {
  let sum = 0;
  for (let row = 0; row < phases; row++) {
    for (let k = 0; k < taps; k++) {
      sum += coefficients[row * taps + k] * Math.cos(2 * Math.PI * frequency * (row / phases + taps / 2 - 1 - k));
    }
  }
  return sum / phases;
}

/** Stuff with zeros, filter, keep one of `down`: the definition, in one go. */
function reference(values: Float32Array, { up, down, filter }: Resampler): number[] {
  const { taps, phases, coefficients } = filter;
  const at = (n: number) => values[Math.min(Math.max(n, 0), values.length - 1)];
  const outputs: number[] = [];
  for (let n = 0; n * down <= (values.length - 1) * up; n++) {
    const input = Math.floor((n * down) / up);
    const row = ((n * down) % up) * (phases / up);
    let sum = 0;
    for (let k = 0; k < taps; k++) sum += coefficients[row * taps + k] * at(input - taps / 2 + 1 + k);
    outputs.push(Math.fround(sum));
  }
  return outputs;
}

const all = (resampler: Resampler, chunks: readonly Float32Array[]) =>
  [...chunks.map((chunk) => resampler.push(chunk)), resampler.end()].flatMap((outputs) => [...outputs]);
const noise = (length: number) => Float32Array.from({ length }, (_, n) => Math.sin(n * n * 0.37) + 2);

describe("the filter", () => {
  const ratios = [1, 2 / 5, 25 / 64, 1 / 256, 3 / 2, 44.1];
  const options = [{}, { passband: 0.5, attenuationDb: 60 }, { passband: 0.9, attenuationDb: 100 }];

  test.each(ratios.flatMap((ratio) => options.map((given) => [ratio, given] as const)))("to %d of the rate, %o, keeps its pass band and stops what would alias", (ratio, given) => {
    const { passband = 0.8, attenuationDb = 80 } = given as { passband?: number; attenuationDb?: number };
    const filter = kaiserFilter(ratio, given);
    const nyquist = Math.min(1, ratio) / 2;
    let ripple = 0, leak = 0;
    for (let n = 0; n <= 100; n++) ripple = Math.max(ripple, Math.abs(response(filter, (n / 100) * passband * nyquist) - 1));
    for (let n = 0; n <= 300; n++) leak = Math.max(leak, Math.abs(response(filter, nyquist * (1 + (n / 300) * 8))));
    expect(decibel(ripple)).toBeLessThan(-attenuationDb);
    expect(decibel(leak)).toBeLessThan(-attenuationDb);
    console.log(`ratio ${ratio.toFixed(4)}, ${attenuationDb} dB stated: pass band within ${decibel(ripple).toFixed(1)} dB, stop band below ${decibel(leak).toFixed(1)} dB, ${filter.taps} taps`);
  });

  test("has rows that sum to one, and a last row that is the first, one sample on", () => {
    const { phases, taps, coefficients } = kaiserFilter(0.4);
    for (let row = 0; row <= phases; row++) {
      expect(coefficients.subarray(row * taps, (row + 1) * taps).reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 14);
    }
    for (let k = 1; k < taps; k++) expect(Math.abs(coefficients[phases * taps + k] - coefficients[k - 1])).toBeLessThan(1e-6);
  });

  test("takes a fraction of a sample between its rows to 100 dB", () => {
    const filter = kaiserFilter(1);
    const wave = (t: number) => Math.cos(2 * Math.PI * 0.35 * t);
    const values = Float64Array.from({ length: filter.taps + 1 }, (_, k) => wave(k - filter.taps / 2 + 1));
    for (let n = 0; n <= 1000; n++) expect(Math.abs(filtered(filter, values, 0, n / 1000) - wave(n / 1000))).toBeLessThan(1.1e-4);
    for (const fraction of [0, 0.25, 0.9, 1]) expect(filtered(LINEAR, [3, 5], 0, fraction)).toBe(3 + 2 * fraction);
  });

  test.each([
    [() => kaiserFilter(0), '"ratio" expected a number > 0, got 0'],
    [() => kaiserFilter(1, { passband: 1 }), '"passband" expected from 0.1 to 0.95 of the lower Nyquist frequency, got 1'],
    [() => kaiserFilter(1, { attenuationDb: 20 }), '"attenuationDb" expected from 51 to 100 dB, got 20'],
    [() => kaiserFilter(1e-6, { passband: 0.95 }), "resample in two steps"],
    [() => new Resampler({ up: 1.5, down: 1 }), '"up" expected an integer from 1 to 1048576, got 1.5'],
    [() => new Resampler({ up: 1, down: 0 }), '"down" expected an integer from 1 to 1048576, got 0'],
  ])("refuses what it cannot do: %s", (make, message) => {
    expect(make).toThrow(RangeError);
    expect(make).toThrow(message);
  });
});

describe("a resampler", () => {
  test.each([[1, 1], [2, 5], [25, 64], [3, 2], [7, 1], [1, 16]])("to %d/%d equals the definition", (up, down) => {
    for (const length of [1, 2, 3, 7, 100, 1000]) {
      const resampler = new Resampler({ up, down });
      expect(all(resampler, [noise(length)])).toEqual(reference(noise(length), resampler));
    }
  });

  test("gives the same bits however the stream is cut", () => {
    const cuts = fc.array(fc.nat(400), { maxLength: 8 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 12 }), fc.array(fc.float({ noNaN: true, min: -100, max: 100 }), { maxLength: 300 }), cuts, (up, down, list, cuts) => {
        const values = Float32Array.from(list);
        const edges = [0, ...cuts.map((cut) => Math.min(cut, values.length)).sort((a, b) => a - b), values.length];
        const chunks = edges.slice(1).map((edge, n) => values.subarray(edges[n], edge));
        const make = () => new Resampler({ up, down, passband: 0.5, attenuationDb: 60 });
        expect(all(make(), chunks)).toEqual(all(make(), [values]));
      }),
    );
  });

  test.each([[2, 5], [25, 64], [3, 2], [40, 1]])("to %d/%d keeps a tone of the pass band where it is, and removes one that would alias", (up, down) => {
    const lower = Math.min(1, up / down) / 2;
    const length = 12_000;
    const tone = (frequency: number) => Float32Array.from({ length }, (_, n) => Math.cos(2 * Math.PI * frequency * n));
    const inside = (outputs: number[], at: (n: number, output: number) => number) => {
      const edge = Math.ceil((new Resampler({ up, down }).delay * up) / down);
      return outputs.slice(edge, -edge).reduce((most, output, n) => Math.max(most, at(n + edge, output)), 0);
    };
    const kept = 0.75 * lower;
    expect(inside(all(new Resampler({ up, down }), [tone(kept)]), (n, output) => Math.abs(output - Math.cos((2 * Math.PI * kept * n * down) / up)))).toBeLessThan(1e-4);
    if (up < down) expect(inside(all(new Resampler({ up, down }), [tone(1.05 * lower)]), (_, output) => Math.abs(output))).toBeLessThan(1e-4);
  });

  test("keeps a constant, and ends once", () => {
    const resampler = new Resampler({ up: 25, down: 64 });
    const outputs = all(resampler, [new Float32Array(1000).fill(7.3)]);
    expect(outputs).toHaveLength(Math.floor((999 * 25) / 64) + 1);
    for (const output of outputs) expect(output).toBe(Math.fround(7.3));
    expect(resampler.end()).toHaveLength(0);
    expect(() => resampler.push([1])).toThrow("the stream has ended; make another resampler");
  });
});
