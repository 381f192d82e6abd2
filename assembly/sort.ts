/**
 * Order statistics of four series at once, each in its lane. A comparison network does the same whatever
 * the numbers are, so that lanes never part and no branch is mispredicted; at some hundreds of samples it is
 * several times faster than sorting the series one by one, at tens of thousands it still is not slower.
 *
 * The network is the bitonic one in the form in which every comparison puts the smaller number first:
 * runs of s samples are merged in pairs by comparing i with 2s-1-i, then i with i + s/2, i + s/4 … i + 1.
 * What would lie beyond the end counts as infinite and is never moved, so any number of rows will do.
 * Rows of eight are sorted, and the last three comparisons of each merge done, in registers (1); of the
 * comparisons before, two at a time (2). The last merge is left out: of two sorted runs a and b, the one
 * in place r is found directly, as the least of the greatest that i of a and r+1-i of b can have,
 *
 *   min over i of max(a_{i-1}, b_{r-i})                                                     (3)
 *
 * References: Batcher, AFIPS 32 (1968); Knuth, TAOCP 3, section 5.3.4, also for the 19 comparisons of (1).
 */
import { high, join, low } from "./simd";

@inline
function lower(a: v128, b: v128): v128 {
  return f32x4.pmin(a, b);
}

@inline
function upper(a: v128, b: v128): v128 {
  return f32x4.pmax(a, b);
}

/** Rows of four that `sortRuns` needs for N samples: what is missing to a multiple of eight is its own. */
export function sortRows(N: i32): i32 {
  return (N + 7) & ~7;
}

/** Rows of the first run: a power of two; all rows when they are at most eight. */
function firstRun(rows: i32): i32 {
  let s = 8;
  while (2 * s < rows) s *= 2;
  return s;
}

/** Sort each of four series (N,4) in place, upwards, as two runs; x has sortRows(N) rows, of which the last ones become infinite. */
export function sortRuns(x: usize, N: i32): void {
  const rows = sortRows(N), last = firstRun(rows);
  for (let row = N; row < rows; row++) v128.store(x + (<usize>row << 4), f32x4.splat(Infinity));
  for (let row = 0; row < rows; row += 8) sortEight(x + (<usize>row << 4));
  for (let s = 8; s < last; s *= 2) {
    for (let first = 0; first + s < rows; first += 2 * s) merge(x + (<usize>first << 4), s, min(rows - first, 2 * s));
  }
}

/**
 * y (4) = percentile of the series (N,4) that sortRuns has left at x, as numpy.percentile: with r = (N-1) percent / 100
 * and i = floor(r), s_i + (s_{i+1} - s_i)(r - i).
 */
export function percentile(y: usize, x: usize, N: i32, percent: f64): void {
  const rank = <f64>(N - 1) * percent / 100;
  const i = <i32>Math.floor(rank);
  const part = f64x2.splat(rank - <f64>i);
  const s = min(N, firstRun(sortRows(N)));
  ranked(y, x, s, x + (<usize>s << 4), N - s, i);
  const s_i = v128.load(y);
  if (i + 1 < N) ranked(y, x, s, x + (<usize>s << 4), N - s, i + 1);
  const s_next = v128.load(y);
  const first = f64x2.add(low(s_i), f64x2.mul(f64x2.sub(low(s_next), low(s_i)), part));
  const second = f64x2.add(high(s_i), f64x2.mul(f64x2.sub(high(s_next), high(s_i)), part));
  v128.store(y, join(first, second));
}

/** (3) y (4) of a sorted run of A rows and one of B rows; the least is taken of two halves in turn, so that one need not wait. */
function ranked(y: usize, a: usize, A: i32, b: usize, B: i32, r: i32): void {
  let least = f32x4.splat(Infinity), other = least;
  if (r < B) least = v128.load(b + (<usize>r << 4)); // i = 0
  if (r < A) other = v128.load(a + (<usize>r << 4)); // i = r + 1
  let i = max(1, r + 1 - B);
  const end = min(A, r) + 1;
  let p = a + (<usize>(i - 1) << 4), q = b + (<usize>(r - i) << 4);
  for (; i + 1 < end; i += 2) {
    least = lower(least, upper(v128.load(p), v128.load(q)));
    other = lower(other, upper(v128.load(p, 16), v128.load(q - 16)));
    p += 32;
    q -= 32;
  }
  if (i < end) least = lower(least, upper(v128.load(p), v128.load(q)));
  v128.store(y, lower(least, other));
}

/** Merge the first s rows and the rest of `rows`, at most 2s. */
function merge(x: usize, s: i32, rows: i32): void {
  const whole = rows == 2 * s;
  let k = s;
  if (whole && s >= 16) {
    mirrorTwice(x, s);
    k = s >> 1;
  } else {
    mirror(x, s, rows);
  }
  for (k >>= 1; k >= 8; k >>= 1) {
    const twice = whole && k >= 16;
    for (let first = 0; first + k < rows; first += 2 * k) {
      const at = x + (<usize>first << 4);
      if (twice) compareTwice(at, k);
      else compare(at, k, min(k, rows - first - k));
    }
    if (twice) k >>= 1;
  }
  for (let row = 0; row < rows; row += 8) mergeEight(x + (<usize>row << 4));
}

/** Rows i and 2s-1-i, where there is such a row. */
function mirror(x: usize, s: i32, rows: i32): void {
  let a = x + (<usize>(2 * s - rows) << 4), b = x + (<usize>(rows - 1) << 4);
  for (; a < b; a += 16) {
    const u = v128.load(a), v = v128.load(b);
    v128.store(a, lower(u, v));
    v128.store(b, upper(u, v));
    b -= 16;
  }
}

/** (2) Rows i and 2s-1-i, and then i and i + s/2 of both halves. */
function mirrorTwice(x: usize, s: i32): void {
  const near = <usize>s << 3;
  let d = x + 4 * near - 16;
  for (const end = x + near; x < end; x += 16) {
    compareFour(x, x + near, d - near, d);
    d -= 16;
  }
}

/** Rows i and i + k, `count` of them. */
function compare(x: usize, k: i32, count: i32): void {
  const far = <usize>k << 4;
  for (const end = x + (<usize>count << 4); x < end; x += 16) {
    const a = v128.load(x), b = v128.load(x + far);
    v128.store(x, lower(a, b));
    v128.store(x + far, upper(a, b));
  }
}

/** (2) Rows i and i + k, and then i and i + k/2 of both halves. */
function compareTwice(x: usize, k: i32): void {
  const near = <usize>k << 3;
  for (const end = x + near; x < end; x += 16) compareStraight(x, x + near, x + 2 * near, x + 3 * near);
}

/** Of rows in the order a < b < c < d: (a, c) and (b, d), then (a, b) and (c, d). */
@inline
function compareStraight(a: usize, b: usize, c: usize, d: usize): void {
  const p = v128.load(a), q = v128.load(b), r = v128.load(c), s = v128.load(d);
  const u = lower(p, r), w = upper(p, r), v = lower(q, s), z = upper(q, s);
  v128.store(a, lower(u, v));
  v128.store(b, upper(u, v));
  v128.store(c, lower(w, z));
  v128.store(d, upper(w, z));
}

/** Of rows in the order a < b < c < d: (a, d) and (b, c), then (a, b) and (c, d). */
@inline
function compareFour(a: usize, b: usize, c: usize, d: usize): void {
  const p = v128.load(a), q = v128.load(b), r = v128.load(c), s = v128.load(d);
  const u = lower(p, s), z = upper(p, s), v = lower(q, r), w = upper(q, r);
  v128.store(a, lower(u, v));
  v128.store(b, upper(u, v));
  v128.store(c, lower(w, z));
  v128.store(d, upper(w, z));
}

/** (1) Eight rows, of which nothing is known. */
function sortEight(x: usize): void {
  let t: v128;
  let a = v128.load(x), b = v128.load(x, 16), c = v128.load(x, 32), d = v128.load(x, 48);
  let e = v128.load(x, 64), f = v128.load(x, 80), g = v128.load(x, 96), h = v128.load(x, 112);
  t = lower(a, c); c = upper(a, c); a = t;
  t = lower(b, d); d = upper(b, d); b = t;
  t = lower(e, g); g = upper(e, g); e = t;
  t = lower(f, h); h = upper(f, h); f = t;
  t = lower(a, e); e = upper(a, e); a = t;
  t = lower(b, f); f = upper(b, f); b = t;
  t = lower(c, g); g = upper(c, g); c = t;
  t = lower(d, h); h = upper(d, h); d = t;
  t = lower(a, b); b = upper(a, b); a = t;
  t = lower(c, d); d = upper(c, d); c = t;
  t = lower(e, f); f = upper(e, f); e = t;
  t = lower(g, h); h = upper(g, h); g = t;
  t = lower(c, e); e = upper(c, e); c = t;
  t = lower(d, f); f = upper(d, f); d = t;
  t = lower(b, e); e = upper(b, e); b = t;
  t = lower(d, g); g = upper(d, g); d = t;
  t = lower(b, c); c = upper(b, c); b = t;
  t = lower(d, e); e = upper(d, e); d = t;
  t = lower(f, g); g = upper(f, g); f = t;
  v128.store(x, a);
  v128.store(x, b, 16);
  v128.store(x, c, 32);
  v128.store(x, d, 48);
  v128.store(x, e, 64);
  v128.store(x, f, 80);
  v128.store(x, g, 96);
  v128.store(x, h, 112);
}

/** (1) Eight rows that a merge has brought together: i and i + 4, i + 2, i + 1. */
function mergeEight(x: usize): void {
  let t: v128;
  let a = v128.load(x), b = v128.load(x, 16), c = v128.load(x, 32), d = v128.load(x, 48);
  let e = v128.load(x, 64), f = v128.load(x, 80), g = v128.load(x, 96), h = v128.load(x, 112);
  t = lower(a, e); e = upper(a, e); a = t;
  t = lower(b, f); f = upper(b, f); b = t;
  t = lower(c, g); g = upper(c, g); c = t;
  t = lower(d, h); h = upper(d, h); d = t;
  t = lower(a, c); c = upper(a, c); a = t;
  t = lower(b, d); d = upper(b, d); b = t;
  t = lower(e, g); g = upper(e, g); e = t;
  t = lower(f, h); h = upper(f, h); f = t;
  t = lower(a, b); b = upper(a, b); a = t;
  t = lower(c, d); d = upper(c, d); c = t;
  t = lower(e, f); f = upper(e, f); e = t;
  t = lower(g, h); h = upper(g, h); g = t;
  v128.store(x, a);
  v128.store(x, b, 16);
  v128.store(x, c, 32);
  v128.store(x, d, 48);
  v128.store(x, e, 64);
  v128.store(x, f, 80);
  v128.store(x, g, 96);
  v128.store(x, h, 112);
}
