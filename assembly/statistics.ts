/**
 * Statistics of four series (N,4). Sums are of float64, so that a million samples cost no digits; with
 * d_n = x_n - mean and m_j = Σ d^j / N:
 *
 *   mean = Σ x / N      std = sqrt(m_2)      rms = sqrt(Σ x² / N)      peak = max |x|          (1)
 *   crest = peak / rms   skewness = m_3 / m_2^1.5   kurtosis = m_4 / m_2²  (a normal law: 3)   (2)
 *   crossings = the n for which d_n < 0 differs from d_{n-1} < 0                            (3)
 *   percentile q = s_i + (s_{i+1} - s_i)(r - i),  r = (N-1) q / 100,  i = floor(r)           (4)
 *
 * of the sorted series s. A constant series has skewness and kurtosis 0, a zero one crest 0: a model
 * downstream needs a number. (4) is NumPy's method "linear".
 *
 * Sorting is Batcher's merge exchange (Knuth, TAOCP 3, algorithm 5.2.2M): its comparisons do not depend
 * on the data, so four series are sorted at once, without a branch, at about log2(N)² / 4 comparisons a
 * sample.
 */

import { high, join, low, ratio } from "./simd";

/** Rows of `moments`. */
const ROWS: i32 = 10;

export function momentRows(): i32 {
  return ROWS;
}

/** (1) to (3): y (10,4) = mean, std, rms, least, greatest, peak, crest, skewness, kurtosis, crossings of x (N,4). */
export function moments(y: usize, x: usize, N: i32): void {
  let s0 = f64x2.splat(0), s1 = s0, e0 = s0, e1 = s0;
  let least = v128.load(x), greatest = least;
  const end = x + (<usize>N << 4);
  for (let at = x; at < end; at += 16) {
    const v = v128.load(at), a = low(v), b = high(v);
    s0 = f64x2.add(s0, a);
    s1 = f64x2.add(s1, b);
    e0 = f64x2.add(e0, f64x2.mul(a, a));
    e1 = f64x2.add(e1, f64x2.mul(b, b));
    least = f32x4.pmin(least, v);
    greatest = f32x4.pmax(greatest, v);
  }
  const count = f64x2.splat(<f64>N);
  const rms0 = f64x2.sqrt(f64x2.div(e0, count)), rms1 = f64x2.sqrt(f64x2.div(e1, count));
  const peak = f32x4.pmax(f32x4.abs(least), f32x4.abs(greatest));
  const mean0 = f64x2.div(s0, count), mean1 = f64x2.div(s1, count);
  v128.store(y, join(mean0, mean1));
  v128.store(y, join(rms0, rms1), 32);
  v128.store(y, least, 48);
  v128.store(y, greatest, 64);
  v128.store(y, peak, 80);
  v128.store(y, join(ratio(low(peak), rms0), ratio(high(peak), rms1)), 96); // (2)
  deviations(y, x, mean0, mean1, N);
}

/** What of (1) to (3) is made of deviations from the mean. */
function deviations(y: usize, x: usize, mean0: v128, mean1: v128, N: i32): void {
  const zero = f64x2.splat(0);
  let a2 = zero, b2 = zero, a3 = zero, b3 = zero, a4 = zero, b4 = zero, c0 = zero, c1 = zero;
  let before0 = f64x2.lt(f64x2.sub(low(v128.load(x)), mean0), zero), before1 = f64x2.lt(f64x2.sub(high(v128.load(x)), mean1), zero);
  const end = x + (<usize>N << 4);
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
  const count = f64x2.splat(<f64>N);
  a2 = f64x2.div(a2, count);
  b2 = f64x2.div(b2, count);
  const std0 = f64x2.sqrt(a2), std1 = f64x2.sqrt(b2);
  v128.store(y, join(std0, std1), 16);
  v128.store(y, join(ratio(f64x2.div(a3, count), f64x2.mul(a2, std0)), ratio(f64x2.div(b3, count), f64x2.mul(b2, std1))), 112); // (2)
  v128.store(y, join(ratio(f64x2.div(a4, count), f64x2.mul(a2, a2)), ratio(f64x2.div(b4, count), f64x2.mul(b2, b2))), 128);
  v128.store(y, f32x4.convert_i32x4_s(v128.shuffle<i32>(c0, c1, 0, 2, 4, 6)), 144); // (3)
}

/** Sort each of four series (N,4) in place, upwards. */
export function sort(x: usize, N: i32): void {
  let top = 1;
  while (2 * top < N) top *= 2;
  for (let p = N > 1 ? top : 0; p > 0; p >>= 1) {
    let q = top, r = 0, d = p;
    for (;;) {
      exchange(x, p, r, d, N);
      if (q == p) break;
      d = q - p;
      q >>= 1;
      r = p;
    }
  }
}

/** Put in order what is at n and n + d, for all n of which bit p is that of r. */
@inline
function exchange(x: usize, p: i32, r: i32, d: i32, N: i32): void {
  const far = <usize>d << 4;
  for (let first = r; first < N - d; first += 2 * p) {
    let at = x + (<usize>first << 4);
    const end = x + (<usize>min(first + p, N - d) << 4);
    for (; at < end; at += 16) {
      const a = v128.load(at), b = v128.load(at + far);
      v128.store(at, f32x4.pmin(a, b));
      v128.store(at + far, f32x4.pmax(a, b));
    }
  }
}

/** (4) of sorted series x (N,4): y (4). */
export function percentile(y: usize, x: usize, N: i32, percent: f64): void {
  const rank = <f64>(N - 1) * percent / 100;
  const below = <i32>Math.floor(rank);
  const s_i = v128.load(x + (<usize>below << 4)), s_next = v128.load(x + (<usize>min(below + 1, N - 1) << 4));
  const part = f64x2.splat(rank - <f64>below);
  const a = f64x2.add(low(s_i), f64x2.mul(f64x2.sub(low(s_next), low(s_i)), part));
  const b = f64x2.add(high(s_i), f64x2.mul(f64x2.sub(high(s_next), high(s_i)), part));
  v128.store(y, join(a, b));
}
