/**
 * Statistics of four series (N,4). Sums are of float64, so that a million samples cost no digits; with
 * d_n = x_n - mean and m_j = Σ d^j / N:
 *
 *   mean = Σ x / N      std = sqrt(m_2)      rms = sqrt(Σ x² / N)      peak = max |x|          (1)
 *   crest = peak / rms   skewness = m_3 / m_2^1.5   kurtosis = m_4 / m_2²  (a normal law: 3)   (2)
 *   crossings = the n for which d_n < 0 differs from d_{n-1} < 0                            (3)
 *
 * A constant series has skewness and kurtosis 0, a zero one crest 0: a model
 * downstream needs a number.
 */

import { high, join, low, ratio } from "./simd";

/**
 * (1), (2) y (7,4) = mean, std, rms, least, greatest, peak, crest of x (N,4), in one pass: with c the first
 * sample, Σ (x - c)² / N - (Σ (x - c) / N)² is std². In float64 the difference costs float32 samples no
 * digit, and c makes it exactly zero for a constant series.
 */
export function moments(y: usize, x: usize, N: i32): void {
  const first = v128.load(x), c0 = low(first), c1 = high(first);
  // Two sums each, of even and of odd samples: an addition need not wait for the one before.
  let s0 = f64x2.splat(0), s1 = s0, e0 = s0, e1 = s0, S0 = s0, S1 = s0, E0 = s0, E1 = s0;
  let least = first, greatest = first;
  const end = x + (<usize>N << 4), even = x + (<usize>(N & ~1) << 4);
  for (; x < even; x += 32) {
    const u = v128.load(x), v = v128.load(x, 16);
    const a = f64x2.sub(low(u), c0), b = f64x2.sub(high(u), c1), A = f64x2.sub(low(v), c0), B = f64x2.sub(high(v), c1);
    s0 = f64x2.add(s0, a);
    s1 = f64x2.add(s1, b);
    S0 = f64x2.add(S0, A);
    S1 = f64x2.add(S1, B);
    e0 = f64x2.add(e0, f64x2.mul(a, a));
    e1 = f64x2.add(e1, f64x2.mul(b, b));
    E0 = f64x2.add(E0, f64x2.mul(A, A));
    E1 = f64x2.add(E1, f64x2.mul(B, B));
    least = f32x4.pmin(least, f32x4.pmin(u, v));
    greatest = f32x4.pmax(greatest, f32x4.pmax(u, v));
  }
  if (x < end) {
    const u = v128.load(x), a = f64x2.sub(low(u), c0), b = f64x2.sub(high(u), c1);
    s0 = f64x2.add(s0, a);
    s1 = f64x2.add(s1, b);
    e0 = f64x2.add(e0, f64x2.mul(a, a));
    e1 = f64x2.add(e1, f64x2.mul(b, b));
    least = f32x4.pmin(least, u);
    greatest = f32x4.pmax(greatest, u);
  }
  const count = f64x2.splat(<f64>N), zero = f64x2.splat(0);
  s0 = f64x2.div(f64x2.add(s0, S0), count);
  s1 = f64x2.div(f64x2.add(s1, S1), count);
  const variance0 = f64x2.max(zero, f64x2.sub(f64x2.div(f64x2.add(e0, E0), count), f64x2.mul(s0, s0)));
  const variance1 = f64x2.max(zero, f64x2.sub(f64x2.div(f64x2.add(e1, E1), count), f64x2.mul(s1, s1)));
  const mean0 = f64x2.add(c0, s0), mean1 = f64x2.add(c1, s1);
  const rms0 = f64x2.sqrt(f64x2.add(variance0, f64x2.mul(mean0, mean0))), rms1 = f64x2.sqrt(f64x2.add(variance1, f64x2.mul(mean1, mean1)));
  const peak = f32x4.pmax(f32x4.abs(least), f32x4.abs(greatest));
  v128.store(y, join(mean0, mean1));
  v128.store(y, join(f64x2.sqrt(variance0), f64x2.sqrt(variance1)), 16);
  v128.store(y, join(rms0, rms1), 32);
  v128.store(y, least, 48);
  v128.store(y, greatest, 64);
  v128.store(y, peak, 80);
  v128.store(y, join(ratio(low(peak), rms0), ratio(high(peak), rms1)), 96); // (2)
}

/** (2), (3) y (3,4) = skewness, kurtosis, crossings of x (N,4). */
export function higherMoments(y: usize, x: usize, N: i32): void {
  const zero = f64x2.splat(0), count = f64x2.splat(<f64>N);
  const end = x + (<usize>N << 4);
  let mean0 = zero, mean1 = zero;
  for (let at = x; at < end; at += 16) {
    const v = v128.load(at);
    mean0 = f64x2.add(mean0, low(v));
    mean1 = f64x2.add(mean1, high(v));
  }
  mean0 = f64x2.div(mean0, count);
  mean1 = f64x2.div(mean1, count);
  let a2 = zero, b2 = zero, a3 = zero, b3 = zero, a4 = zero, b4 = zero, c0 = zero, c1 = zero;
  let before0 = f64x2.lt(f64x2.sub(low(v128.load(x)), mean0), zero), before1 = f64x2.lt(f64x2.sub(high(v128.load(x)), mean1), zero);
  for (let at = x; at < end; at += 16) {
    const v = v128.load(at);
    const a = f64x2.sub(low(v), mean0), b = f64x2.sub(high(v), mean1);
    const aa = f64x2.mul(a, a), bb = f64x2.mul(b, b);
    a2 = f64x2.add(a2, aa);
    b2 = f64x2.add(b2, bb);
    a3 = f64x2.add(a3, f64x2.mul(aa, a));
    b3 = f64x2.add(b3, f64x2.mul(bb, b));
    a4 = f64x2.add(a4, f64x2.mul(aa, aa));
    b4 = f64x2.add(b4, f64x2.mul(bb, bb));
    const negative0 = f64x2.lt(a, zero), negative1 = f64x2.lt(b, zero);
    c0 = i64x2.sub(c0, v128.xor(negative0, before0)); // a lane that differs is -1
    c1 = i64x2.sub(c1, v128.xor(negative1, before1));
    before0 = negative0;
    before1 = negative1;
  }
  a2 = f64x2.div(a2, count);
  b2 = f64x2.div(b2, count);
  v128.store(y, join(ratio(f64x2.div(a3, count), f64x2.mul(a2, f64x2.sqrt(a2))), ratio(f64x2.div(b3, count), f64x2.mul(b2, f64x2.sqrt(b2)))));
  v128.store(y, join(ratio(f64x2.div(a4, count), f64x2.mul(a2, a2)), ratio(f64x2.div(b4, count), f64x2.mul(b2, b2))), 16);
  v128.store(y, f32x4.convert_i32x4_s(v128.shuffle<i32>(c0, c1, 0, 2, 4, 6)), 32); // (3)
}
