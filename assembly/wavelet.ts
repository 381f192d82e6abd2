/**
 * One level of the discrete wavelet transform of four series: a low and a high pass filter of L taps, of
 * which every second output is kept,
 *
 *   a_i = Σ_j low_j e_{2i+1-j},   d_i = Σ_j high_j e_{2i+1-j},   0 <= i < outputs             (1)
 *
 * with e the series x (N,4), continued beyond its ends (2):
 *
 *   0 symmetric       … x_1 x_0 | x_0 x_1 … x_{N-1} | x_{N-1} x_{N-2} …     floor((N + L - 1) / 2) outputs
 *   1 periodic        … x_{N-1} | x_0 x_1 … x_{N-1} | x_0 …                 the same
 *   2 zero            … 0 0     | x_0 x_1 … x_{N-1} | 0 0 …                 the same
 *   3 periodization   as periodic, an odd series with its last sample twice; ceil(N/2) outputs, and the
 *                     index in (1) is 2i + L/2 - j
 *
 * as PyWavelets. Reference: Mallat, A Wavelet Tour of Signal Processing, section 7.3.
 */
import { high, join, low } from "./simd";

const SYMMETRIC: i32 = 0;
const ZERO: i32 = 2;
const PERIODIZATION: i32 = 3;

/** Samples of a level's approximation, and of its detail. */
export function waveletOutputs(N: i32, L: i32, mode: i32): i32 {
  return mode == PERIODIZATION ? (N + 1) / 2 : (N + L - 1) / 2;
}

/** Floats of scratch that `wavelet` needs: the continued series. */
export function waveletScratch(N: i32, L: i32): i32 {
  return 4 * (N + 2 * L + 1);
}

/** a, d (outputs,4) from x (N,4): (1). `filters` holds low (L) and high (L), both turned around. */
export function wavelet(a: usize, d: usize, x: usize, filters: usize, scratch: usize, N: i32, L: i32, mode: i32): void {
  const outputs = waveletOutputs(N, L, mode);
  // e begins at index L/2 + 1 - L of x when periodized, and at 2 - L else: where the first output looks first
  const before = mode == PERIODIZATION ? L / 2 - 1 : L - 2;
  extend(scratch, x, N, before, 2 * (outputs - 1) + L, mode);
  const other = filters + (<usize>L << 2);
  let e = scratch, i = 0;
  for (; i + 2 <= outputs; i += 2) {
    let a0 = f32x4.splat(0), d0 = a0, a1 = a0, d1 = a0;
    let at = e;
    for (let j: usize = 0; j < <usize>L << 2; j += 4) {
      const h = v128.load32_splat(filters + j), g = v128.load32_splat(other + j), e0 = v128.load(at), e1 = v128.load(at, 32);
      a0 = f32x4.add(a0, f32x4.mul(h, e0));
      d0 = f32x4.add(d0, f32x4.mul(g, e0));
      a1 = f32x4.add(a1, f32x4.mul(h, e1));
      d1 = f32x4.add(d1, f32x4.mul(g, e1));
      at += 16;
    }
    v128.store(a, a0);
    v128.store(a, a1, 16);
    v128.store(d, d0);
    v128.store(d, d1, 16);
    a += 32;
    d += 32;
    e += 64;
  }
  if (i < outputs) {
    let a0 = f32x4.splat(0), d0 = a0;
    for (let j: usize = 0; j < <usize>L << 2; j += 4) {
      const e0 = v128.load(e);
      a0 = f32x4.add(a0, f32x4.mul(v128.load32_splat(filters + j), e0));
      d0 = f32x4.add(d0, f32x4.mul(v128.load32_splat(other + j), e0));
      e += 16;
    }
    v128.store(a, a0);
    v128.store(d, d0);
  }
}

/** (2) e (count,4): the continued series from index -before on. */
function extend(e: usize, x: usize, N: i32, before: i32, count: i32, mode: i32): void {
  const inside = min(N, count - before);
  memory.copy(e + (<usize>before << 4), x, <usize>inside << 4);
  for (let n = 0; n < before; n++) continued(e + (<usize>n << 4), x, n - before, N, mode);
  for (let n = before + inside; n < count; n++) continued(e + (<usize>n << 4), x, n - before, N, mode);
}

/** e at an index outside of 0..N-1. */
function continued(e: usize, x: usize, index: i32, N: i32, mode: i32): void {
  const period = mode == SYMMETRIC ? 2 * N : mode == PERIODIZATION ? N + (N & 1) : N;
  if (mode == ZERO) {
    v128.store(e, f32x4.splat(0));
    return;
  }
  let at = index % period;
  if (at < 0) at += period;
  if (mode == SYMMETRIC && at >= N) at = 2 * N - 1 - at;
  v128.store(e, v128.load(x + (<usize>min(at, N - 1) << 4)));
}

/** y (4) = Σ x² of x (N,4). */
export function energy(y: usize, x: usize, N: i32): void {
  let s0 = f64x2.splat(0), s1 = s0;
  const end = x + (<usize>N << 4);
  for (; x < end; x += 16) {
    const v = v128.load(x), a = low(v), b = high(v);
    s0 = f64x2.add(s0, f64x2.mul(a, a));
    s1 = f64x2.add(s1, f64x2.mul(b, b));
  }
  v128.store(y, join(s0, s1));
}
