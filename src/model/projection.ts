/**
 * @module
 * Linear models of normal operation for fault detection: a matrix that turns a row of measurements, or a
 * window of them, into variates that are uncorrelated and of variance 1. The first describe the state of
 * the process, the rest what the state does not explain; a fault shows in the squares of either (chart.ts).
 * All are computed from means and second moments, which plants sum exactly (gram.ts).
 *
 * Canonical variates (Larimore 1983; Russell, Chiang & Braatz 2000): what in the past p tells most of the
 * future f. With S the covariances, shrunk towards the diagonal because rows are few:
 *
 *     S ← (1 - ρ) S + ρ diag(S)                                               (1)
 *     H = L_f⁻¹ S_fp L_p⁻ᵀ = U Σ Vᵀ        S_pp = L_p L_pᵀ, S_ff = L_f L_fᵀ   (2)
 *     c = Vᵀ L_p⁻¹ (p - p̄)                                                   (3)
 *
 * V are the eigenvectors of HᵀH, by falling correlation; another root of S than Cholesky's turns V and
 * leaves c as it is. Principal components (Jackson & Mudholkar 1979):
 * S = Vᵀ Λ V; the first are scaled to variance 1, the rest are left as they are, so that their squares sum
 * to the squared error of reconstruction (Q).
 */
import { eigen } from "./eigen.ts";
import type { Covariance } from "./gram.ts";

export interface Projection {
  /** (P,P) variates by rows. */
  readonly matrix: Float64Array;
  /** (P) what is subtracted first. */
  readonly mean: Float64Array;
  /** How many variates, from the first, are the state's. */
  readonly states: number;
}

/**
 * (1) to (3).
 * @param moments of rows [p, f], the past's P columns first
 * @param shrinkage ρ in [0, 1]
 */
export function canonicalVariates({ mean, covariance }: Covariance, P: number, states: number, shrinkage: number): Projection {
  const D = mean.length;
  const F = D - P;
  const block = (rows: number, columns: number, row: number, column: number) =>
    Float64Array.from({ length: rows * columns }, (_, at) => covariance[(row + Math.floor(at / columns)) * D + column + (at % columns)]);
  const past = inverseFactor(shrink(block(P, P, 0, 0), P, shrinkage), P);
  const future = inverseFactor(shrink(block(F, F, P, P), F, shrinkage), F);
  const across = block(F, P, P, 0).map((element) => (1 - shrinkage) * element);
  const H = product(product(future, across, F, F, P), transpose(past, P, P), F, P, P); // (2)
  const { vectors } = eigen(product(transpose(H, F, P), H, P, F, P), P);
  return { matrix: product(vectors, past, P, P, P), mean: mean.slice(0, P), states }; // (3)
}

/** The moments of some columns alone, which lie together. */
export function columnsOf({ samples, mean, covariance }: Covariance, from: number, to: number): Covariance {
  const n = to - from;
  const part = Float64Array.from({ length: n * n }, (_, at) => covariance[(from + Math.floor(at / n)) * mean.length + from + (at % n)]);
  return { samples, mean: mean.slice(from, to), covariance: part };
}

/** @param moments of rows of P columns */
export function principalComponents({ mean, covariance }: Covariance, states: number): Projection {
  const P = mean.length;
  const { values, vectors } = eigen(covariance, P);
  const matrix = vectors.map((element, at) => (Math.floor(at / P) < states ? element / Math.sqrt(values[Math.floor(at / P)]) : element));
  return { matrix, mean, states };
}

/** (N,P) variates of (N,P) rows. */
export function project({ matrix, mean }: Projection, rows: ArrayLike<number>): Float64Array {
  const P = mean.length;
  const N = rows.length / P;
  const variates = new Float64Array(N * P);
  const centred = new Float64Array(P);
  for (let n = 0; n < N; n++) {
    for (let i = 0; i < P; i++) centred[i] = rows[n * P + i] - mean[i];
    for (let k = 0; k < P; k++) {
      let sum = 0;
      for (let i = 0; i < P; i++) sum += matrix[k * P + i] * centred[i];
      variates[n * P + k] = sum;
    }
  }
  return variates;
}

/** (1) */
function shrink(S: Float64Array, n: number, rho: number): Float64Array {
  if (!(rho >= 0 && rho <= 1)) throw new RangeError(`"shrinkage" expected a number in [0, 1], got ${rho}`);
  return S.map((element, at) => (at % (n + 1) === 0 ? element : (1 - rho) * element));
}

/**
 * L⁻¹ of S = L Lᵀ: forward substitution in the unit matrix, row by row as L comes up.
 * @throws RangeError where S is singular: columns are constant or sums of others, and nothing was shrunk
 */
function inverseFactor(S: Float64Array, n: number): Float64Array {
  const L = new Float64Array(n * n);
  const inverse = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    let own = S[i * n + i];
    for (let j = 0; j < i; j++) {
      let sum = S[i * n + j];
      for (let k = 0; k < j; k++) sum -= L[i * n + k] * L[j * n + k];
      L[i * n + j] = sum / L[j * n + j];
      own -= L[i * n + j] * L[i * n + j];
    }
    if (!(own > 2 ** -40 * S[i * n + i])) throw new RangeError(`covariance: column ${i} is constant, or a sum of those before it; leave it out, or raise the shrinkage`);
    const pivot = Math.sqrt(own);
    L[i * n + i] = pivot;
    for (let j = 0; j < i; j++) for (let k = 0; k <= j; k++) inverse[i * n + k] -= (L[i * n + j] * inverse[j * n + k]) / pivot;
    inverse[i * n + i] = 1 / pivot;
  }
  return inverse;
}

/** (n,m) = (n,k) (k,m) */
function product(A: Float64Array, B: Float64Array, n: number, k: number, m: number): Float64Array {
  const C = new Float64Array(n * m);
  for (let i = 0; i < n; i++) {
    const row = C.subarray(i * m, (i + 1) * m);
    for (let j = 0; j < k; j++) {
      const a = A[i * k + j];
      for (let l = 0; l < m; l++) row[l] += a * B[j * m + l];
    }
  }
  return C;
}

function transpose(A: Float64Array, n: number, m: number): Float64Array {
  return Float64Array.from({ length: n * m }, (_, at) => A[(at % n) * m + Math.floor(at / n)]);
}
