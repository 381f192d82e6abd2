/**
 * Matrix products, the only two that training needs:
 *
 *   gemm        C (M,N) = bias + A (M,K) · B (K,N)        every forward product and every dx       (1)
 *   gemmOuter   G (M,N) += Aᵀ · D, A (R,M), D (R,N)       every weight gradient                    (2)
 *
 * Both work on tiles of 2 rows by 16 columns: eight accumulators, four columns of B or D and two
 * broadcast values of A are 14 of the 15 vector registers an engine can use, and measured as fast as
 * any larger tile on every engine. Unrolling the inner loop gains nothing.
 *
 * B is read from panels: 16 columns side by side, all of K below each other, zeros where N ends:
 *
 *      B (K,N)     n 0 … 15 | 16 … 31 | …          panel p = B[:, 16p … 16p+15], K × 16 contiguous
 *
 * so that the inner loop reads one 64-byte line a step. Packing a weight costs microseconds a step.
 * Row strides (ld*) are in elements. The tails of N are the only special case, and live in `store`,
 * `load` and the zero columns of the panels; M and K have none but the last odd row.
 *
 * Reference: Goto & van de Geijn, Anatomy of High-Performance Matrix Multiplication, ACM TOMS 2008.
 */
import { loadLanes, madd, storeLanes } from "./simd";

/** Rows of D in one pass of (2): 32 rows of 16 columns and of A stay in the first-level cache. */
const OUTER_ROWS: i32 = 32;

/** Floats that the panels of a (K,N) matrix take. */
export function panelFloats(N: i32, K: i32): i32 {
  return ((N + 15) >> 4) * 16 * K;
}

/** Panels of B = W (K,N). */
export function pack(panels: usize, W: usize, K: i32, N: i32): void {
  for (let p = 0; p < N; p += 16) {
    const columns = min(16, N - p);
    for (let k = 0; k < K; k++) {
      const row = W + ((<usize>k * N + p) << 2);
      for (let n = 0; n < 16; n++) f32.store(panels + (n << 2), n < columns ? f32.load(row + (n << 2)) : 0);
      panels += 64;
    }
  }
}

/** Panels of B = Wᵀ, W (N,K): a weight matrix (O,I) for y = x · Wᵀ. */
export function packTransposed(panels: usize, W: usize, N: i32, K: i32): void {
  for (let p = 0; p < N; p += 16) {
    const columns = min(16, N - p);
    for (let k = 0; k < K; k++) {
      const first = W + ((<usize>p * K + k) << 2);
      for (let n = 0; n < 16; n++) f32.store(panels + (n << 2), n < columns ? f32.load(first + ((<usize>n * K) << 2)) : 0);
      panels += 64;
    }
  }
}

/** (1) without bias: C = or += A · panels. */
export function gemm(C: usize, A: usize, panels: usize, M: i32, N: i32, K: i32, ldc: i32, lda: i32, accumulate: bool): void {
  product(C, A, panels, 0, M, N, K, ldc, lda, accumulate);
}

/** (1) C = bias + A · panels; bias has panelFloats(N, 1) floats, zeros behind N. */
export function gemmBias(C: usize, A: usize, panels: usize, bias: usize, M: i32, N: i32, K: i32, ldc: i32, lda: i32): void {
  product(C, A, panels, bias, M, N, K, ldc, lda, false);
}

function product(C: usize, A: usize, panels: usize, bias: usize, M: i32, N: i32, K: i32, ldc: i32, lda: i32, accumulate: bool): void {
  const aStride = <usize>lda << 2;
  const cStride = <usize>ldc << 2;
  for (let p = 0; p < N; p += 16) {
    const columns = min(16, N - p);
    const panel = panels + (<usize>p * K << 2);
    const bias_p = bias ? bias + (p << 2) : 0;
    let a = A;
    let c = C + (p << 2);
    let m = 0;
    for (; m + 2 <= M; m += 2) {
      twoRows(c, c + cStride, a, a + aStride, panel, bias_p, K, columns, accumulate);
      a += 2 * aStride;
      c += 2 * cStride;
    }
    if (m < M) oneRow(c, a, panel, bias_p, K, columns, accumulate);
  }
}

function twoRows(c0: usize, c1: usize, a0: usize, a1: usize, panel: usize, bias: usize, K: i32, columns: i32, accumulate: bool): void {
  let s00 = initial(c0, bias, 0, columns, accumulate), s10 = initial(c1, bias, 0, columns, accumulate);
  let s01 = initial(c0, bias, 1, columns, accumulate), s11 = initial(c1, bias, 1, columns, accumulate);
  let s02 = initial(c0, bias, 2, columns, accumulate), s12 = initial(c1, bias, 2, columns, accumulate);
  let s03 = initial(c0, bias, 3, columns, accumulate), s13 = initial(c1, bias, 3, columns, accumulate);
  const end = a0 + (<usize>K << 2);
  while (a0 < end) {
    const b0 = v128.load(panel), b1 = v128.load(panel, 16), b2 = v128.load(panel, 32), b3 = v128.load(panel, 48);
    const x0 = v128.load32_splat(a0);
    s00 = madd(x0, b0, s00);
    s01 = madd(x0, b1, s01);
    s02 = madd(x0, b2, s02);
    s03 = madd(x0, b3, s03);
    const x1 = v128.load32_splat(a1);
    s10 = madd(x1, b0, s10);
    s11 = madd(x1, b1, s11);
    s12 = madd(x1, b2, s12);
    s13 = madd(x1, b3, s13);
    a0 += 4;
    a1 += 4;
    panel += 64;
  }
  store(c0, s00, s01, s02, s03, columns);
  store(c1, s10, s11, s12, s13, columns);
}

function oneRow(c: usize, a: usize, panel: usize, bias: usize, K: i32, columns: i32, accumulate: bool): void {
  let s0 = initial(c, bias, 0, columns, accumulate), s1 = initial(c, bias, 1, columns, accumulate);
  let s2 = initial(c, bias, 2, columns, accumulate), s3 = initial(c, bias, 3, columns, accumulate);
  const end = a + (<usize>K << 2);
  while (a < end) {
    const x = v128.load32_splat(a);
    s0 = madd(x, v128.load(panel), s0);
    s1 = madd(x, v128.load(panel, 16), s1);
    s2 = madd(x, v128.load(panel, 32), s2);
    s3 = madd(x, v128.load(panel, 48), s3);
    a += 4;
    panel += 64;
  }
  store(c, s0, s1, s2, s3, columns);
}

/** What an accumulator starts from: the bias, what C holds, or zero. */
@inline
function initial(c: usize, bias: usize, vector: i32, columns: i32, accumulate: bool): v128 {
  if (accumulate) return load(c, vector, columns);
  return bias ? v128.load(bias + (vector << 4)) : f32x4.splat(0);
}

@inline
function load(row: usize, vector: i32, columns: i32): v128 {
  const rest = columns - (vector << 2);
  return rest > 0 ? loadLanes(row + (vector << 4), rest) : f32x4.splat(0);
}

@inline
function store(row: usize, s0: v128, s1: v128, s2: v128, s3: v128, columns: i32): void {
  if (columns == 16) {
    v128.store(row, s0);
    v128.store(row, s1, 16);
    v128.store(row, s2, 32);
    v128.store(row, s3, 48);
    return;
  }
  storeLanes(row, s0, columns);
  if (columns > 4) storeLanes(row + 16, s1, columns - 4);
  if (columns > 8) storeLanes(row + 32, s2, columns - 8);
  if (columns > 12) storeLanes(row + 48, s3, columns - 12);
}

/** (2) */
export function gemmOuter(G: usize, A: usize, D: usize, R: i32, M: i32, N: i32, ldg: i32, lda: i32, ldd: i32): void {
  const aStride = <usize>lda << 2;
  const dStride = <usize>ldd << 2;
  const gStride = <usize>ldg << 2;
  for (let r = 0; r < R; r += OUTER_ROWS) {
    const rows = min(OUTER_ROWS, R - r);
    const a_r = A + <usize>r * aStride;
    const d_r = D + <usize>r * dStride;
    for (let n = 0; n < N; n += 16) {
      const columns = min(16, N - n);
      const d = d_r + (n << 2);
      let g = G + (n << 2);
      let m = 0;
      for (; m + 2 <= M; m += 2) {
        if (columns == 16) outerTile(g, g + gStride, a_r + (m << 2), d, rows, aStride, dStride);
        else {
          outerTail(g, a_r + (m << 2), d, rows, aStride, dStride, columns);
          outerTail(g + gStride, a_r + (m << 2) + 4, d, rows, aStride, dStride, columns);
        }
        g += 2 * gStride;
      }
      if (m < M) outerTail(g, a_r + (m << 2), d, rows, aStride, dStride, columns);
    }
  }
}

function outerTile(g0: usize, g1: usize, a: usize, d: usize, rows: i32, aStride: usize, dStride: usize): void {
  let s00 = v128.load(g0), s01 = v128.load(g0, 16), s02 = v128.load(g0, 32), s03 = v128.load(g0, 48);
  let s10 = v128.load(g1), s11 = v128.load(g1, 16), s12 = v128.load(g1, 32), s13 = v128.load(g1, 48);
  for (let r = 0; r < rows; r++) {
    const d0 = v128.load(d), d1 = v128.load(d, 16), d2 = v128.load(d, 32), d3 = v128.load(d, 48);
    const x0 = v128.load32_splat(a);
    s00 = madd(x0, d0, s00);
    s01 = madd(x0, d1, s01);
    s02 = madd(x0, d2, s02);
    s03 = madd(x0, d3, s03);
    const x1 = v128.load32_splat(a, 4);
    s10 = madd(x1, d0, s10);
    s11 = madd(x1, d1, s11);
    s12 = madd(x1, d2, s12);
    s13 = madd(x1, d3, s13);
    a += aStride;
    d += dStride;
  }
  store(g0, s00, s01, s02, s03, 16);
  store(g1, s10, s11, s12, s13, 16);
}

/** One row of any width. It never reads behind the last column of D. */
function outerTail(g: usize, a: usize, d: usize, rows: i32, aStride: usize, dStride: usize, columns: i32): void {
  let s0 = load(g, 0, columns), s1 = load(g, 1, columns), s2 = load(g, 2, columns), s3 = load(g, 3, columns);
  for (let r = 0; r < rows; r++) {
    const x = v128.load32_splat(a);
    s0 = madd(x, load(d, 0, columns), s0);
    s1 = madd(x, load(d, 1, columns), s1);
    s2 = madd(x, load(d, 2, columns), s2);
    s3 = madd(x, load(d, 3, columns), s3);
    a += aStride;
    d += dStride;
  }
  store(g, s0, s1, s2, s3, columns);
}

/** sums (N) += Σ_r rows (R,N): every bias gradient. */
export function addRows(sums: usize, rows: usize, R: i32, N: i32): void {
  for (let r = 0; r < R; r++) {
    for (let n = 0; n < N; n += 4) {
      const at = <usize>n << 2;
      storeLanes(sums + at, f32x4.add(loadLanes(sums + at, N - n), loadLanes(rows + at, N - n)), N - n);
    }
    rows += <usize>N << 2;
  }
}
