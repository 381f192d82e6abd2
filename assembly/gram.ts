/**
 * Sums of products of columns, exactly: all that least squares needs to know of its rows.
 *
 *   q  = round(x 2^16)                            an integer in float64, ties to even                 (1)
 *   G += Qᵀ Q          Q (N,D), G (D,D)            the tiles on and above the diagonal                 (2)
 *
 * Products and sums of integers are exact in float64 below 2^53, so (2) is the same bits in any order of
 * rows, blocks and factories, fused or not. The diagonal proves it: an off-diagonal sum, and every sum on
 * the way to it, is at most Σ|q_i q_j| <= sqrt(G_ii G_jj) (Cauchy-Schwarz), and a diagonal that passes 2^53
 * never comes back, since it only adds squares and rounding is monotone. So: every G_ii < 2^53, and all
 * sums are exact; the caller checks that, and nothing else can go wrong, NaN and infinity included.
 *
 *   x (N,D) float32, row-major    G (D',D') float64, D' = D rounded up to a multiple of 4
 *   scratch: Q in panels of 4 columns, all N rows of a panel below each other, zeros behind column D
 *
 * A tile is 4 by 4: eight accumulators, two vectors of one panel and a broadcast value of the other.
 */
import { loadLanes } from "./simd";

/** Floats of scratch that gram needs. */
export function gramScratch(N: i32, D: i32): i32 {
  return ((D + 3) >> 2) * N << 3;
}

/** (1) and (2). */
export function gram(G: usize, x: usize, scratch: usize, N: i32, D: i32): void {
  const panels = <usize>(D + 3) >> 2;
  const panelBytes = <usize>N << 5;
  let q = scratch;
  for (let d = 0; d < D; d += 4) {
    let x_nd = x + (<usize>d << 2);
    for (const end = q + panelBytes; q < end; q += 32) {
      const v = loadLanes(x_nd, D - d);
      v128.store(q, steps(v)); // (1)
      v128.store(q, steps(v128.shuffle<i32>(v, v, 2, 3, 2, 3)), 16);
      x_nd += <usize>D << 2;
    }
  }
  for (let i: usize = 0; i < panels; i++) {
    for (let j = i; j < panels; j++) {
      tile(G + ((i * panels << 2) + j << 5), scratch + i * panelBytes, scratch + j * panelBytes, panelBytes, panels << 5); // (2)
    }
  }
}

@inline
function steps(v: v128): v128 {
  return f64x2.nearest(f64x2.mul(f64x2.promote_low_f32x4(v), f64x2.splat(65536)));
}

/** (2) for the columns of panels a and b; `stride` is from one row of G to the next, in bytes. */
function tile(g0: usize, a: usize, b: usize, panelBytes: usize, stride: usize): void {
  const g1 = g0 + stride, g2 = g1 + stride, g3 = g2 + stride;
  let s00 = v128.load(g0), s01 = v128.load(g0, 16), s10 = v128.load(g1), s11 = v128.load(g1, 16);
  let s20 = v128.load(g2), s21 = v128.load(g2, 16), s30 = v128.load(g3), s31 = v128.load(g3, 16);
  for (const end = a + panelBytes; a < end; a += 32) {
    const b0 = v128.load(b), b1 = v128.load(b, 16);
    const a0 = v128.load64_splat(a);
    s00 = f64x2.add(s00, f64x2.mul(a0, b0));
    s01 = f64x2.add(s01, f64x2.mul(a0, b1));
    const a1 = v128.load64_splat(a, 8);
    s10 = f64x2.add(s10, f64x2.mul(a1, b0));
    s11 = f64x2.add(s11, f64x2.mul(a1, b1));
    const a2 = v128.load64_splat(a, 16);
    s20 = f64x2.add(s20, f64x2.mul(a2, b0));
    s21 = f64x2.add(s21, f64x2.mul(a2, b1));
    const a3 = v128.load64_splat(a, 24);
    s30 = f64x2.add(s30, f64x2.mul(a3, b0));
    s31 = f64x2.add(s31, f64x2.mul(a3, b1));
    b += 32;
  }
  v128.store(g0, s00), v128.store(g0, s01, 16), v128.store(g1, s10), v128.store(g1, s11, 16);
  v128.store(g2, s20), v128.store(g2, s21, 16), v128.store(g3, s30), v128.store(g3, s31, 16);
}
