/**
 * @module
 * Eigenvalues and eigenvectors of a symmetric matrix, by Jacobi's rotations (1846): each makes one pair
 * of elements off the diagonal zero, and sweeps over all pairs converge quadratically. Slower than what
 * LAPACK does, but the small eigenvalues are as accurate as the large ones, and nothing but + - * / and
 * square roots is used, so that the bits are the same everywhere.
 *
 *     A = Vᵀ diag(λ) V,  V Vᵀ = 1                                                  (1)
 *     τ = (a_qq - a_pp) / 2 a_pq                                                   (2)
 *     t = tan φ = sign(τ) / (|τ| + √(1 + τ²)),  c = 1/√(1 + t²),  s = t c          (3)
 *     a_pp -= t a_pq,  a_qq += t a_pq,  a_kp = c a_kp - s a_kq,  a_kq = s a_kp + c a_kq   (4)
 *
 * Golub & Van Loan, Matrix Computations, section 8.5.
 */

export interface Eigen {
  /** (n) in falling order. */
  readonly values: Float64Array;
  /** (n,n) row k is the unit eigenvector of values[k]; its largest element is positive. */
  readonly vectors: Float64Array;
}

/** Some six to ten are needed, whatever the matrix. */
const MAX_SWEEPS = 50;

/**
 * @param matrix (n,n) symmetric; only its upper half is read
 * @throws RangeError for elements that are not finite
 */
export function eigen(matrix: Float64Array, n: number): Eigen {
  if (matrix.length !== n * n) throw new RangeError(`"matrix" expected ${n} x ${n} = ${n * n} elements, got ${matrix.length}`);
  const wrong = matrix.findIndex((element) => !Number.isFinite(element));
  if (wrong >= 0) throw new RangeError(`"matrix" expected finite elements, got ${matrix[wrong]} in row ${Math.floor(wrong / n)}, column ${wrong % n}`);
  const A = new Float64Array(n * n);
  const V = new Float64Array(n * n);
  for (let p = 0; p < n; p++) {
    V[p * n + p] = 1;
    for (let q = p; q < n; q++) A[p * n + q] = A[q * n + p] = matrix[p * n + q];
  }
  for (let sweep = 0; sweep < MAX_SWEEPS; sweep++) {
    let rotations = 0;
    for (let p = 0; p < n - 1; p++) for (let q = p + 1; q < n; q++) rotations += rotate(A, V, p, q, n);
    if (rotations === 0) return sorted(A, V, n);
  }
  throw new RangeError(`the eigenvalues of a ${n} x ${n} matrix did not settle in ${MAX_SWEEPS} sweeps`);
}

/** Make a_pq zero; 0 where it is nothing beside the diagonal already. */
function rotate(A: Float64Array, V: Float64Array, p: number, q: number, n: number): number {
  const apq = A[p * n + q];
  const app = A[p * n + p];
  const aqq = A[q * n + q];
  // Beside a positive diagonal this bounds the relative error of each eigenvalue (Demmel & Veselić 1992).
  if (Math.abs(apq) <= 2 ** -53 * Math.sqrt(Math.abs(app * aqq)) || apq === 0) return 0;
  const tau = (aqq - app) / (2 * apq); // (2)
  const t = (tau < 0 ? -1 : 1) / (Math.abs(tau) + Math.sqrt(1 + tau * tau)); // (3)
  const c = 1 / Math.sqrt(1 + t * t);
  const s = t * c;
  for (let k = 0; k < n; k++) {
    const akp = A[p * n + k];
    const akq = A[q * n + k];
    A[k * n + p] = A[p * n + k] = c * akp - s * akq; // (4), both halves, of which the rows are in one piece
    A[k * n + q] = A[q * n + k] = s * akp + c * akq;
    const vpk = V[p * n + k];
    const vqk = V[q * n + k];
    V[p * n + k] = c * vpk - s * vqk;
    V[q * n + k] = s * vpk + c * vqk;
  }
  A[p * n + p] = app - t * apq;
  A[q * n + q] = aqq + t * apq;
  A[p * n + q] = A[q * n + p] = 0;
  return 1;
}

function sorted(A: Float64Array, V: Float64Array, n: number): Eigen {
  const order = Array.from({ length: n }, (_, k) => k).sort((a, b) => A[b * n + b] - A[a * n + a] || a - b);
  const vectors = new Float64Array(n * n);
  order.forEach((from, to) => {
    const row = V.subarray(from * n, (from + 1) * n);
    let largest = 0;
    for (let k = 1; k < n; k++) if (Math.abs(row[k]) > Math.abs(row[largest])) largest = k;
    const sign = row[largest] < 0 ? -1 : 1;
    for (let k = 0; k < n; k++) vectors[to * n + k] = sign * row[k];
  });
  return { values: Float64Array.from(order, (k) => A[k * n + k]), vectors };
}
