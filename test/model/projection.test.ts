import { describe, expect, test } from "vitest";
import { random } from "../../src/kernels/random.ts";
import { canonicalVariates, columnsOf, principalComponents, project } from "../../src/model/projection.ts";
import { vectors } from "../memory.ts";

interface Case { P: number; F: number; states: number; rho: number; mean: number[]; covariance: number[]; rows: number[]; squares: number[] }

const floats = (values: readonly number[]) => Float64Array.from(values);
const squares = (variates: Float64Array, P: number, from: number, to: number) =>
  Array.from({ length: variates.length / P }, (_, n) => variates.subarray(n * P + from, n * P + to).reduce((sum, value) => sum + value * value, 0));

/** Rows of correlated columns and their moments. */
function rowsOf(N: number, D: number) {
  const { normal } = random(1, "projection", N, D);
  const mixing = Float64Array.from({ length: D * D }, normal);
  const rows = new Float64Array(N * D);
  for (let n = 0; n < N; n++) {
    const sources = Float64Array.from({ length: D }, normal);
    for (let i = 0; i < D; i++) rows[n * D + i] = 3 + sources.reduce((sum, source, j) => sum + mixing[i * D + j] * source, 0);
  }
  const mean = Float64Array.from({ length: D }, (_, i) => sumOver(N, (n) => rows[n * D + i]) / N);
  const covariance = Float64Array.from({ length: D * D }, (_, at) => {
    const [i, j] = [Math.floor(at / D), at % D];
    return sumOver(N, (n) => (rows[n * D + i] - mean[i]) * (rows[n * D + j] - mean[j])) / N;
  });
  return { rows, moments: { samples: N, mean, covariance } };
}
const sumOver = (N: number, term: (n: number) => number) => Array.from({ length: N }, (_, n) => term(n)).reduce((sum, value) => sum + value, 0);

describe("canonicalVariates", () => {
  test.each(vectors<Case>("projection"))("matches SciPy's singular values of the whitened covariance, past $P and future $F", ({ P, F, states, rho, mean, covariance, rows, squares: expected }) => {
    const found = canonicalVariates({ samples: 1, mean: floats(mean), covariance: floats(covariance) }, P, states, rho);
    const variates = project(found, floats(rows));
    const [state, rest] = [squares(variates, P, 0, states), squares(variates, P, states, P)];
    // With fewer futures than pasts the last variates are any of equal correlation 0, but their squares together are the same.
    expect(F + P).toBe(mean.length);
    state.forEach((value, n) => {
      expect(Math.abs(value / expected[2 * n] - 1)).toBeLessThan(1e-8);
      expect(Math.abs(rest[n] / expected[2 * n + 1] - 1)).toBeLessThan(1e-8);
    });
  });

  test("are uncorrelated and of variance 1 over the rows they were made of", () => {
    const [N, D, P] = [60, 7, 4];
    const { rows, moments } = rowsOf(N, D);
    const past = Float64Array.from({ length: N * P }, (_, at) => rows[Math.floor(at / P) * D + (at % P)]);
    const variates = project(canonicalVariates(moments, P, 2, 0), past);
    for (let a = 0; a < P; a++) {
      for (let b = 0; b <= a; b++) expect(sumOver(N, (n) => variates[n * P + a] * variates[n * P + b]) / N).toBeCloseTo(a === b ? 1 : 0, 10);
    }
  });

  test("do not depend on the units of the columns", () => {
    const { rows, moments } = rowsOf(50, 6);
    const units = [1, 1e-3, 1e4, 7, 1, 100];
    const other = {
      ...moments,
      mean: moments.mean.map((value, i) => value * units[i]),
      covariance: moments.covariance.map((value, at) => value * units[Math.floor(at / 6)] * units[at % 6]),
    };
    const past = rows.filter((_, at) => at % 6 < 4);
    const a = project(canonicalVariates(moments, 4, 2, 0.05), past);
    const b = project(canonicalVariates(other, 4, 2, 0.05), past.map((value, at) => value * units[at % 4]));
    squares(a, 4, 0, 2).forEach((value, n) => expect(squares(b, 4, 0, 2)[n] / value).toBeCloseTo(1, 8));
  });

  test("refuse a column that others make up, unless it is shrunk", () => {
    const covariance = Float64Array.of(1, 1, 0.5, 1, 1, 0.5, 0.5, 0.5, 1);
    const moments = { samples: 9, mean: new Float64Array(3), covariance };
    expect(() => canonicalVariates(moments, 2, 1, 0)).toThrow(/^covariance: column 1 is constant, or a sum of those before it; leave it out, or raise the shrinkage/);
    expect(() => canonicalVariates(moments, 2, 1, 0.01)).not.toThrow();
    expect(() => canonicalVariates(moments, 2, 1, 2)).toThrow('"shrinkage" expected a number in [0, 1], got 2');
  });
});

describe("principalComponents", () => {
  test("have variance 1 in the state, and the squares of the rest are the error of reconstruction", () => {
    const [N, D] = [60, 5];
    const { rows, moments } = rowsOf(N, D);
    const found = principalComponents(moments, 2);
    const variates = project(found, rows);
    for (const k of [0, 1]) expect(sumOver(N, (n) => variates[n * D + k] ** 2) / N).toBeCloseTo(1, 10);
    // Unit vectors of the state by the variance that they were divided by.
    const unit = [0, 1].map((k) => {
      const row = found.matrix.subarray(k * D, (k + 1) * D);
      const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
      return row.map((value) => value / length);
    });
    squares(variates, D, 2, D).forEach((q, n) => {
      const centred = rows.subarray(n * D, (n + 1) * D).map((value, i) => value - moments.mean[i]);
      for (const v of unit) {
        const share = v.reduce((sum, value, i) => sum + value * centred[i], 0);
        v.forEach((value, i) => (centred[i] -= share * value));
      }
      expect(q).toBeCloseTo(centred.reduce((sum, value) => sum + value * value, 0), 9);
    });
  });

  test("of some columns are of their moments alone", () => {
    const { moments } = rowsOf(30, 5);
    const part = columnsOf(moments, 2, 4);
    expect([...part.mean]).toEqual([...moments.mean.subarray(2, 4)]);
    expect([...part.covariance]).toEqual([12, 13, 17, 18].map((at) => moments.covariance[at]));
  });
});
