/**
 * Matrix products, the only two that training needs:
 *
 *   gemm        C (M,N) = bias + A (M,K) · B (K,N)        every forward product and every dx       (1)
 *   gemmOuter   G (M,N) += Aᵀ · D, A (R,M), D (R,N)       every weight gradient                    (2)
 *
 * Both work on tiles of 2 rows by 16 columns: eight accumulators, four columns of B or D, one broadcast
 * value of A and one product are 14 of the 15 vector registers an engine can use. On two families of
 * processors it is within a tenth of the best of twenty tiles, on every engine; tiles that need a
 * sixteenth register fall to two thirds. Unrolling the inner loop by hand spills and costs a third.
 *
 * B is read from panels: 16 columns side by side, all of K below each other, zeros where N ends:
 *
 *      B (K,N)     n 0 … 15 | 16 … 31 | …          panel p = B[:, 16p … 16p+15], K × 16 contiguous
 *
 * so that the inner loop reads one 64-byte line a step. Packing a weight costs microseconds a step.
 * Row strides (ld*) are in elements. A stride that is a multiple of 128 floats puts the rows of a tile
 * into few sets of the first-level cache; the big matrices choose theirs by `oddLines`.
 *
 * Every element is one chain of additions in the order of K (or R), whatever its tile: neither the
 * tiling nor the number of rows in a call changes a bit. The tails of N live in `start` and `store`
 * and in the zero columns of the panels; M has a last odd row, K and R have no tails.
 *
 * Reference: Goto & van de Geijn, Anatomy of High-Performance Matrix Multiplication, ACM TOMS 2008.
 */
import { loadLanes, madd, storeLanes } from "./simd";

/** Rows of D in one pass of (2): as many rows of 16 columns and of A stay in the first-level cache, half of them where a stride puts them into few sets. */
const OUTER_ROWS: i32 = 64;

/** What a product without bias starts from. */
const ZEROS: usize = memory.data(64, 16);

/** The least row stride, in floats, that holds N (a multiple of 16) columns and is an odd number of 64-byte lines. */
export function oddLines(N: i32): i32 {
  return ((N >> 4) | 1) << 4;
}

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
  product(C, 0, A, 0, panels, M, N, K, 0, 0, ldc, lda, 0, accumulate);
}

/** (1) C = bias + A · panels; bias has panelFloats(N, 1) floats, zeros behind N. */
export function gemmBias(C: usize, A: usize, panels: usize, bias: usize, M: i32, N: i32, K: i32, ldc: i32, lda: i32): void {
  product(C, bias, A, 0, panels, M, N, K, 0, 0, ldc, lda, 0, false);
}

/**
 * (1) with A in two pieces, C = bias + [A, A2] · panels: A (M,K), A2 (M,K2), panels of (K+K2,N). What is
 * one sum needs no second pass over C. Without `second`, A2 counts as zero and is not read.
 */
export function gemmPair(
  C: usize, bias: usize, A: usize, A2: usize, panels: usize,
  M: i32, N: i32, K: i32, K2: i32, second: bool, ldc: i32, lda: i32, lda2: i32,
): void {
  product(C, bias, A, A2, panels, M, N, K, K2, second ? K2 : 0, ldc, lda, lda2, false);
}

/** (1) C += A · B', B' (K,N) being what lies below the first `skip` rows of panels of (skip+K,N). */
export function gemmBelow(C: usize, A: usize, panels: usize, skip: i32, M: i32, N: i32, K: i32, ldc: i32, lda: i32): void {
  product(C, 0, A, 0, panels + (<usize>skip << 6), M, N, K, skip, 0, ldc, lda, 0, true);
}

/** `used` is K2, or 0 where A2 counts as zero. */
function product(
  C: usize, bias: usize, A: usize, A2: usize, panels: usize,
  M: i32, N: i32, K: i32, K2: i32, used: i32, ldc: i32, lda: i32, lda2: i32, accumulate: bool,
): void {
  const panelBytes = <usize>(K + K2) << 6;
  const cStride = <usize>ldc << 2;
  const aStride = <usize>lda << 2;
  const aStride2 = <usize>lda2 << 2;
  const pairs = M >> 1;
  const biasStep: usize = bias ? 64 : 0;
  if (!bias) bias = ZEROS;
  if (pairs) {
    let panel = panels;
    let bias_p = bias;
    for (let p = 0; p < N; p += 16) {
      let a = A, a2 = A2, c = C + (p << 2);
      for (let m = 0; m < pairs; m++) {
        twoRows(c, a, a2, panel, bias_p, K, used, cStride, aStride, aStride2, N - p, accumulate);
        a += 2 * aStride;
        a2 += 2 * aStride2;
        c += 2 * cStride;
      }
      panel += panelBytes;
      bias_p += biasStep;
    }
  }
  if (M & 1) {
    const m = <usize>M - 1;
    oneRow(C + m * cStride, A + m * aStride, A2 + m * aStride2, panels, bias, biasStep, panelBytes, N, K, used, accumulate);
  }
}

function twoRows(
  c0: usize, a0: usize, h0: usize, panel: usize, bias: usize,
  K: i32, K2: i32, cStride: usize, aStride: usize, hStride: usize, columns: i32, accumulate: bool,
): void {
  const c1 = c0 + cStride;
  let s00: v128, s01: v128, s02: v128, s03: v128, s10: v128, s11: v128, s12: v128, s13: v128;
  if (!accumulate) {
    s00 = v128.load(bias), s01 = v128.load(bias, 16), s02 = v128.load(bias, 32), s03 = v128.load(bias, 48);
    s10 = s00, s11 = s01, s12 = s02, s13 = s03;
  } else if (columns >= 16) {
    s00 = v128.load(c0), s01 = v128.load(c0, 16), s02 = v128.load(c0, 32), s03 = v128.load(c0, 48);
    s10 = v128.load(c1), s11 = v128.load(c1, 16), s12 = v128.load(c1, 32), s13 = v128.load(c1, 48);
  } else {
    s00 = start(c0, 0, columns), s01 = start(c0, 1, columns), s02 = start(c0, 2, columns), s03 = start(c0, 3, columns);
    s10 = start(c1, 0, columns), s11 = start(c1, 1, columns), s12 = start(c1, 2, columns), s13 = start(c1, 3, columns);
  }
  let a1 = a0 + aStride;
  let end = a0 + (<usize>K << 2);
  for (;;) {
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
    if (!K2) break;
    a0 = h0;
    a1 = h0 + hStride;
    end = h0 + (<usize>K2 << 2);
    K2 = 0;
  }
  store(c0, s00, s01, s02, s03, columns);
  store(c1, s10, s11, s12, s13, columns);
}

/** The last odd row, two panels at once: four accumulators alone would wait for each other. */
function oneRow(
  c: usize, a: usize, h: usize, panels: usize, bias: usize, biasStep: usize, panelBytes: usize,
  N: i32, K: i32, K2: i32, accumulate: bool,
): void {
  for (let p = 0; p < N; p += 32) {
    const columns = N - p;
    const two = columns > 16;
    let p0 = panels;
    let p1 = two ? panels + panelBytes : panels; // the same twice, the second result unused
    const bias1 = bias + biasStep;
    let s0: v128, s1: v128, s2: v128, s3: v128, t0: v128, t1: v128, t2: v128, t3: v128;
    if (!accumulate) {
      s0 = v128.load(bias), s1 = v128.load(bias, 16), s2 = v128.load(bias, 32), s3 = v128.load(bias, 48);
      t0 = s0, t1 = s1, t2 = s2, t3 = s3;
      if (two) t0 = v128.load(bias1), t1 = v128.load(bias1, 16), t2 = v128.load(bias1, 32), t3 = v128.load(bias1, 48);
    } else if (columns >= 32) {
      s0 = v128.load(c), s1 = v128.load(c, 16), s2 = v128.load(c, 32), s3 = v128.load(c, 48);
      t0 = v128.load(c, 64), t1 = v128.load(c, 80), t2 = v128.load(c, 96), t3 = v128.load(c, 112);
    } else {
      s0 = start(c, 0, columns), s1 = start(c, 1, columns), s2 = start(c, 2, columns), s3 = start(c, 3, columns);
      t0 = start(c, 4, columns), t1 = start(c, 5, columns), t2 = start(c, 6, columns), t3 = start(c, 7, columns);
    }
    let from = a;
    let end = a + (<usize>K << 2);
    let rest = K2;
    for (;;) {
      while (from < end) {
        const x = v128.load32_splat(from);
        s0 = madd(x, v128.load(p0), s0);
        s1 = madd(x, v128.load(p0, 16), s1);
        s2 = madd(x, v128.load(p0, 32), s2);
        s3 = madd(x, v128.load(p0, 48), s3);
        t0 = madd(x, v128.load(p1), t0);
        t1 = madd(x, v128.load(p1, 16), t1);
        t2 = madd(x, v128.load(p1, 32), t2);
        t3 = madd(x, v128.load(p1, 48), t3);
        from += 4;
        p0 += 64;
        p1 += 64;
      }
      if (!rest) break;
      from = h;
      end = h + (<usize>rest << 2);
      rest = 0;
    }
    store(c, s0, s1, s2, s3, columns);
    if (two) store(c + 64, t0, t1, t2, t3, columns - 16);
    c += 128;
    panels += 2 * panelBytes;
    bias += 2 * biasStep;
  }
}

/** Four columns of a row of C that has `columns` of them, zeros behind. Not inline: tails are rare, and many. */
function start(row: usize, vector: i32, columns: i32): v128 {
  const rest = columns - (vector << 2);
  return rest > 0 ? loadLanes(row + (vector << 4), rest) : f32x4.splat(0);
}

/** The first `columns` of 16. */
@inline
function store(row: usize, s0: v128, s1: v128, s2: v128, s3: v128, columns: i32): void {
  if (columns >= 16) {
    v128.store(row, s0);
    v128.store(row, s1, 16);
    v128.store(row, s2, 32);
    v128.store(row, s3, 48);
  } else storeTail(row, s0, s1, s2, s3, columns);
}

function storeTail(row: usize, s0: v128, s1: v128, s2: v128, s3: v128, columns: i32): void {
  for (; columns > 0; columns -= 4) {
    storeLanes(row, s0, columns);
    s0 = s1, s1 = s2, s2 = s3;
    row += 16;
  }
}

/** (2), row by row in the order of memory; a negative lda and ldd, and pointers to the last row, go backwards. */
export function gemmOuter(G: usize, A: usize, D: usize, R: i32, M: i32, N: i32, ldg: i32, lda: i32, ldd: i32): void {
  const aStride = <usize>lda << 2;
  const dStride = <usize>ldd << 2;
  const gStride = <usize>ldg << 2;
  const pass = (lda & 127) && (ldd & 127) ? OUTER_ROWS : OUTER_ROWS >> 1;
  for (let r = 0; r < R; r += pass) {
    const rows = min(pass, R - r);
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
  if (columns == 16) {
    let s0 = v128.load(g), s1 = v128.load(g, 16), s2 = v128.load(g, 32), s3 = v128.load(g, 48);
    for (let r = 0; r < rows; r++) {
      const x = v128.load32_splat(a);
      s0 = madd(x, v128.load(d), s0);
      s1 = madd(x, v128.load(d, 16), s1);
      s2 = madd(x, v128.load(d, 32), s2);
      s3 = madd(x, v128.load(d, 48), s3);
      a += aStride;
      d += dStride;
    }
    store(g, s0, s1, s2, s3, 16);
    return;
  }
  for (; columns > 0; columns -= 4) {
    let sum = loadLanes(g, columns);
    for (let r = 0, a_r = a, d_r = d; r < rows; r++) {
      sum = madd(v128.load32_splat(a_r), loadLanes(d_r, columns), sum);
      a_r += aStride;
      d_r += dStride;
    }
    storeLanes(g, sum, columns);
    g += 16;
    d += 16;
  }
}

/** sums (N) += Σ_r rows (R,N), row stride ld, in the order of memory or, with a negative ld, backwards: every bias gradient. */
export function addRows(sums: usize, rows: usize, R: i32, N: i32, ld: i32): void {
  const stride = <usize>ld << 2;
  for (; N >= 16; N -= 16) {
    let s0 = v128.load(sums), s1 = v128.load(sums, 16), s2 = v128.load(sums, 32), s3 = v128.load(sums, 48);
    let row = rows;
    for (let r = 0; r < R; r++) {
      s0 = f32x4.add(s0, v128.load(row));
      s1 = f32x4.add(s1, v128.load(row, 16));
      s2 = f32x4.add(s2, v128.load(row, 32));
      s3 = f32x4.add(s3, v128.load(row, 48));
      row += stride;
    }
    store(sums, s0, s1, s2, s3, 16);
    sums += 64;
    rows += 64;
  }
  for (; N > 0; N -= 4) {
    let sum = loadLanes(sums, N);
    let row = rows;
    for (let r = 0; r < R; r++) {
      sum = f32x4.add(sum, loadLanes(row, N));
      row += stride;
    }
    storeLanes(sums, sum, N);
    sums += 16;
    rows += 16;
  }
}
