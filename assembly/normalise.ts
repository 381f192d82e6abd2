/**
 * Normalisation: to mean 0 and variance 1, then to the scale γ and bias β that are learnt.
 *
 * Over a batch: the N rows of a feature, which are the windows, or all steps of all windows.
 *
 *   μ_i = Σ_n x_ni / N        σ²_i = Σ_n x_ni² / N - μ_i²                                  (1)
 *   y_ni = γ_i x̂_ni + β_i,    x̂_ni = r_i (x_ni - μ_i),    r_i = 1 / √(σ²_i + ε)              (2)
 *
 * and backward, where μ and σ² are functions of x, too:
 *
 *   dβ_i += Σ_n dy_ni         dγ_i += Σ_n dy_ni x̂_ni = r_i (Σ_n dy_ni x_ni - μ_i Σ_n dy_ni)   (3)
 *   dx_ni += γ_i r_i (dy_ni - Σ_m dy_mi / N - x̂_ni Σ_m dy_mi x̂_mi / N)                      (4)
 *
 * Over a layer: the I features of a row, with g = γ dy,
 *
 *   μ_n = Σ_i x_ni / I        σ²_n = Σ_i x_ni² / I - μ_n²                                  (5)
 *   y_ni = γ_i x̂_ni + β_i,    x̂_ni = r_n (x_ni - μ_n),    r_n = 1 / √(σ²_n + ε)              (6)
 *   dβ_i += Σ_n dy_ni         dγ_i += Σ_n dy_ni x̂_ni                                        (7)
 *   dx_ni += r_n (g_ni - Σ_j g_nj / I - x̂_ni Σ_j g_nj x̂_nj / I)                            (8)
 *
 *   x, dx, y, dy (N,I)   γ, β, μ, σ² (I)   ε = 1e-5
 *
 * Means are taken of float64 sums, in the order of the rows. So (1) needs no second pass for the differences,
 * loses nothing to them until a mean is thousands of deviations away from zero, and its sums go on from
 * batch to batch over as many windows as there are. (7) adds row by row to float32. The variance is that of
 * the numbers themselves, divided by how many they are.
 *
 * References: Ioffe & Szegedy, Batch Normalization, ICML 2015, algorithm 1. Ba, Kiros & Hinton, Layer
 * Normalization, 2016, equation 4.
 */
import { flush, loadLanes, madd, storeLanes, sumLanes } from "./simd";

const EPSILON: f32 = 1e-5;

/** Floats of sums, and of scratch that batchNormBackward needs. */
export function batchNormFloats(I: i32): i32 {
  return 4 * ((I + 3) & ~3);
}

/** Add Σ_n u_n and Σ_n u_n v_n to sums, float64: four features' one, four features' other, the next four features'. */
export function batchNormSums(sums: usize, u: usize, v: usize, N: i32, I: i32): void {
  const stride = <usize>I << 2;
  for (let i = 0; i < I; i += 4) {
    let s0 = v128.load(sums), s1 = v128.load(sums, 16), q0 = v128.load(sums, 32), q1 = v128.load(sums, 48);
    for (let n = 0, row = <usize>i << 2; n < N; n++, row += stride) {
      const u_n = loadLanes(u + row, I - i), v_n = loadLanes(v + row, I - i);
      const u0 = low(u_n), u1 = high(u_n);
      s0 = f64x2.add(s0, u0);
      s1 = f64x2.add(s1, u1);
      q0 = f64x2.add(q0, f64x2.mul(u0, low(v_n)));
      q1 = f64x2.add(q1, f64x2.mul(u1, high(v_n)));
    }
    v128.store(sums, s0);
    v128.store(sums, s1, 16);
    v128.store(sums, q0, 32);
    v128.store(sums, q1, 48);
    sums += 64;
  }
}

/** (1) from the sums of x and x over N rows. */
export function batchNormStatistics(mean: usize, variance: usize, sums: usize, N: f64, I: i32): void {
  for (let i: usize = 0; i < <usize>I; i++) {
    const at = sums + (i << 3) + (i & ~3) * 8;
    const mean_i = f64.load(at) / N;
    f32.store(mean + (i << 2), <f32>mean_i);
    f32.store(variance + (i << 2), varianceOf(f64.load(at, 32) / N, mean_i));
  }
}

/** (2) */
export function batchNormForward(
  y: usize, x: usize, mean: usize, variance: usize, scale: usize, bias: usize, N: i32, I: i32,
): void {
  const stride = <usize>I << 2;
  for (let i = 0; i < I; i += 4) {
    const at = <usize>i << 2;
    const mean_i = loadLanes(mean + at, I - i);
    const factor = f32x4.mul(loadLanes(scale + at, I - i), inverseRoot(loadLanes(variance + at, I - i)));
    const bias_i = loadLanes(bias + at, I - i);
    for (let n = 0, row = at; n < N; n++, row += stride) {
      storeLanes(y + row, madd(f32x4.sub(loadLanes(x + row, I - i), mean_i), factor, bias_i), I - i);
    }
  }
}

/** Add to dx, dscale and dbias; mean and variance are those of x. dx may be 0: the gradient of the input is not needed. */
export function batchNormBackward(
  dx: usize, dscale: usize, dbias: usize, dy: usize, x: usize, mean: usize, variance: usize, scale: usize, scratch: usize, N: i32, I: i32,
): void {
  const stride = <usize>I << 2;
  memory.fill(scratch, 0, <usize>batchNormFloats(I) << 2);
  batchNormSums(scratch, dy, x, N, I);
  for (let i = 0; i < I; i += 4) {
    const at = <usize>i << 2;
    const mean_i = loadLanes(mean + at, I - i);
    const root = inverseRoot(loadLanes(variance + at, I - i));
    const s0 = v128.load(scratch), s1 = v128.load(scratch, 16);
    const q0 = f64x2.sub(v128.load(scratch, 32), f64x2.mul(low(mean_i), s0));
    const q1 = f64x2.sub(v128.load(scratch, 48), f64x2.mul(high(mean_i), s1));
    const sum = join(s0, s1), sumHat = f32x4.mul(root, join(q0, q1));
    addTo(dbias + at, sum, I - i); // (3)
    addTo(dscale + at, sumHat, I - i);
    const factor = f32x4.mul(loadLanes(scale + at, I - i), root);
    const meanDy = f32x4.div(sum, f32x4.splat(<f32>N)), meanHat = f32x4.div(sumHat, f32x4.splat(<f32>N));
    for (let n = 0, row = at; dx && n < N; n++, row += stride) {
      const hat = f32x4.mul(root, f32x4.sub(loadLanes(x + row, I - i), mean_i));
      addTo(dx + row, gradient(loadLanes(dy + row, I - i), hat, factor, meanDy, meanHat), I - i); // (4)
    }
    scratch += 64;
  }
}

/** (5) and (6) */
export function layerNormForward(y: usize, x: usize, scale: usize, bias: usize, N: i32, I: i32): void {
  for (let n = 0; n < N; n++) {
    const statistics = rowStatistics(x, I);
    const mean = splat0(statistics), root = splat1(statistics);
    for (let i = 0; i < I; i += 4) {
      const at = <usize>i << 2;
      const hat = f32x4.mul(root, f32x4.sub(loadLanes(x + at, I - i), mean));
      storeLanes(y + at, madd(hat, loadLanes(scale + at, I - i), loadLanes(bias + at, I - i)), I - i);
    }
    x += <usize>I << 2;
    y += <usize>I << 2;
  }
}

/** Add to dx, dscale and dbias. dx may be 0: the gradient of the input is not needed. */
export function layerNormBackward(
  dx: usize, dscale: usize, dbias: usize, dy: usize, x: usize, scale: usize, N: i32, I: i32,
): void {
  const stride = <usize>I << 2;
  for (let n = 0; n < N; n++) {
    const statistics = rowStatistics(x, I); // again, to the same bits, so that nothing has to be kept
    const mean = splat0(statistics), root = splat1(statistics);
    let sum = f32x4.splat(0), sumHat = sum;
    for (let i = 0; i < I; i += 4) {
      const at = <usize>i << 2;
      const dy_n = loadLanes(dy + at, I - i);
      const hat = f32x4.mul(root, f32x4.sub(loadLanes(x + at, I - i), mean));
      addTo(dbias + at, dy_n, I - i); // (7)
      addTo(dscale + at, f32x4.mul(dy_n, hat), I - i);
      const g = f32x4.mul(dy_n, loadLanes(scale + at, I - i)); // zero beyond the last feature
      sum = f32x4.add(sum, g);
      sumHat = madd(g, hat, sumHat);
    }
    const meanG = f32x4.splat(sumLanes(sum) / <f32>I), meanHat = f32x4.splat(sumLanes(sumHat) / <f32>I);
    for (let i = 0; dx && i < I; i += 4) {
      const at = <usize>i << 2;
      const g = f32x4.mul(loadLanes(dy + at, I - i), loadLanes(scale + at, I - i));
      const hat = f32x4.mul(root, f32x4.sub(loadLanes(x + at, I - i), mean));
      addTo(dx + at, gradient(g, hat, root, meanG, meanHat), I - i); // (8)
    }
    x += stride;
    dy += stride;
    if (dx) dx += stride;
  }
}

/** (4) and (8), from means. */
@inline
function gradient(g: v128, hat: v128, factor: v128, mean: v128, meanHat: v128): v128 {
  return flush(f32x4.mul(factor, f32x4.sub(f32x4.sub(g, mean), f32x4.mul(hat, meanHat))));
}

/** (5) of a row: μ in lane 0, r in lane 1. */
function rowStatistics(x: usize, I: i32): v128 {
  let s = f64x2.splat(0), q = s;
  for (let i = 0; i < I; i += 4) {
    const v = loadLanes(x + (<usize>i << 2), I - i);
    const v0 = low(v), v1 = high(v);
    s = f64x2.add(s, f64x2.add(v0, v1));
    q = f64x2.add(q, f64x2.add(f64x2.mul(v0, v0), f64x2.mul(v1, v1)));
  }
  const mean = sumPair(s) / <f64>I;
  return f32x4.replace_lane(inverseRoot(f32x4.splat(varianceOf(sumPair(q) / <f64>I, mean))), 0, <f32>mean);
}

/** Rounding may take the variance of a constant below zero. */
@inline
function varianceOf(meanSquare: f64, mean: f64): f32 {
  return <f32>max(0, meanSquare - mean * mean);
}

/** 1 / √(variance + ε) */
@inline
function inverseRoot(variance: v128): v128 {
  return f32x4.div(f32x4.splat(1), f32x4.sqrt(f32x4.add(variance, f32x4.splat(EPSILON))));
}

/** Lanes 0 and 1 as float64, and lanes 2 and 3. */
@inline
function low(v: v128): v128 {
  return f64x2.promote_low_f32x4(v);
}

@inline
function high(v: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<i64>(v, v, 1, 1));
}

/** Two pairs of float64 as four float32. */
@inline
function join(v0: v128, v1: v128): v128 {
  return v128.shuffle<i64>(f32x4.demote_f64x2_zero(v0), f32x4.demote_f64x2_zero(v1), 0, 2);
}

@inline
function sumPair(v: v128): f64 {
  return f64x2.extract_lane(v, 0) + f64x2.extract_lane(v, 1);
}

@inline
function splat0(v: v128): v128 {
  return v128.shuffle<f32>(v, v, 0, 0, 0, 0);
}

@inline
function splat1(v: v128): v128 {
  return v128.shuffle<f32>(v, v, 1, 1, 1, 1);
}

@inline
function addTo(pointer: usize, v: v128, count: i32): void {
  storeLanes(pointer, f32x4.add(loadLanes(pointer, count), v), count);
}
