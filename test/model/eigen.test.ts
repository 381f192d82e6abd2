import { describe, expect, test } from "vitest";
import { random } from "../../src/kernels/random.ts";
import { eigen } from "../../src/model/eigen.ts";
import { vectors } from "../memory.ts";

interface Case { n: number; matrix: number[]; values: number[]; vectors: number[] }

function symmetric(n: number, seed = 1): Float64Array {
  const { normal } = random(seed, "eigen", n);
  const matrix = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = i; j < n; j++) matrix[i * n + j] = matrix[j * n + i] = normal();
  return matrix;
}
const norm = (values: Float64Array) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));

describe("eigen", () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 40, 104])("rotates a matrix of %i rows to its diagonal, by unit vectors that are at right angles", (n) => {
    const A = symmetric(n);
    const { values, vectors: V } = eigen(A, n);
    const size = norm(A);
    for (let a = 0; a < n; a++) {
      expect(a === 0 || values[a] <= values[a - 1]).toBe(true);
      const v = V.subarray(a * n, (a + 1) * n);
      const residual = Float64Array.from({ length: n }, (_, i) => v.reduce((sum, x, j) => sum + A[i * n + j] * x, 0) - values[a] * v[i]);
      expect(norm(residual)).toBeLessThan(1e-14 * n * size);
      for (let b = 0; b <= a; b++) {
        const product = v.reduce((sum, x, i) => sum + x * V[b * n + i], 0);
        expect(Math.abs(product - (a === b ? 1 : 0))).toBeLessThan(1e-14 * n);
      }
    }
  });

  test.each(vectors<Case>("eigen"))("matches NumPy's eigh, $n rows", ({ n, matrix, values, vectors: rows }) => {
    const found = eigen(Float64Array.from(matrix), n);
    found.values.forEach((value, k) => expect(Math.abs(value - values[k])).toBeLessThan(1e-14 * values[0]));
    // A vector is as sure as its value is apart from the next ones.
    const gap = (k: number) => Math.min(...values.filter((_, other) => other !== k).map((value) => Math.abs(value - values[k])), values[0]);
    found.vectors.forEach((element, at) => expect(Math.abs(element - rows[at])).toBeLessThan((1e-14 * values[0]) / gap(Math.floor(at / n))));
  });

  test("finds a diagonal's own elements, equal ones and zeros among them, and reads the upper half only", () => {
    const { values, vectors: V } = eigen(Float64Array.of(2, 0, 0, 9, 5, 0, 9, 9, 2), 3);
    expect([...values]).toEqual([5, 2, 2]);
    expect([...V]).toEqual([0, 1, 0, 1, 0, 0, 0, 0, 1]);
    expect([...eigen(new Float64Array(4), 2).values]).toEqual([0, 0]);
  });

  test("leaves its input as it is and gives the same bits again", () => {
    const A = symmetric(9);
    const before = A.slice();
    expect(eigen(A, 9)).toEqual(eigen(A, 9));
    expect(A).toEqual(before);
  });

  test("refuses what is no matrix of finite numbers", () => {
    expect(() => eigen(new Float64Array(5), 2)).toThrow('"matrix" expected 2 x 2 = 4 elements, got 5');
    expect(() => eigen(Float64Array.of(1, 0, NaN, 1), 2)).toThrow('"matrix" expected finite elements, got NaN in row 1, column 0');
  });
});
