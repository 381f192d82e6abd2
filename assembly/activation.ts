/**
 * Activations: exp, sigmoid and tanh on four lanes, and the four that a dense layer may have.
 *
 *   exp      x = n ln2 + r, |r| <= ln2 / 2;  e^x = 2^n p(r)                              (1)
 *   sigmoid  1 / (1 + e^-x)                                                              (2)
 *   tanh     x P(x^2) / Q(x^2) on [-9, 9], P of degree 6 and Q of degree 3 in x^2          (3)
 *
 * Largest errors against float64, on ten million arguments:
 *
 *   exp      0.99 ulp on [-87, 88]
 *   sigmoid  2.5 ulp on [-30, inf); below -30 it is 9.4e-14
 *   tanh     6.9 ulp and 4.1e-7 absolute, at |x| = 5.8; 4.2 ulp on [-1, 1] down to 1e-35
 *
 * sigmoid is not built from tanh: for x < -1 its relative error would be unbounded. NaN stays NaN in
 * all of them.
 *
 * (1) Cephes expf, S. Moshier. (3) the 13/6 rational minimax of Eigen's generic fast tanh.
 */
import { clamp, madd } from "./simd";

/** The codes of a dense layer's activation. */
export const LINEAR: i32 = 0;
export const RELU: i32 = 1;
export const TANH: i32 = 2;
export const SIGMOID: i32 = 3;

/** (1) Arguments beyond [-87, 88] are clamped: the results stay normal and finite. */
@inline
export function exp4(x: v128): v128 {
  const LOG2E: f32 = 1.44269504088896341;
  const LN2_HIGH: f32 = 0.693359375;
  const LN2_LOW: f32 = -2.12194440e-4;
  const MAGIC: f32 = 12582912; // 1.5 * 2^23: adding it rounds to an integer in the low bits
  x = clamp(x, f32x4.splat(-87), f32x4.splat(88));
  const shifted = madd(x, f32x4.splat(LOG2E), f32x4.splat(MAGIC));
  const n = f32x4.sub(shifted, f32x4.splat(MAGIC));
  let r = madd(n, f32x4.splat(-LN2_HIGH), x);
  r = madd(n, f32x4.splat(-LN2_LOW), r);
  let p = f32x4.splat(1.9875691500e-4);
  p = madd(p, r, f32x4.splat(1.3981999507e-3));
  p = madd(p, r, f32x4.splat(8.3334519073e-3));
  p = madd(p, r, f32x4.splat(4.1665795894e-2));
  p = madd(p, r, f32x4.splat(1.6666665459e-1));
  p = madd(p, r, f32x4.splat(5.0000001201e-1));
  p = f32x4.add(madd(p, f32x4.mul(r, r), r), f32x4.splat(1)); // 1 last: adding it to r first would cost half an ulp
  // 2^n by adding n to the exponent field; the low bits of `shifted` hold n in two's complement.
  return i32x4.add(p, i32x4.shl(shifted, 23));
}

/** (2) The argument is clamped at -30, so that the result never becomes a denormal's neighbour. */
@inline
export function sigmoid4(x: v128): v128 {
  const one = f32x4.splat(1);
  const e = exp4(f32x4.neg(clamp(x, f32x4.splat(-30), f32x4.splat(30))));
  return f32x4.div(one, f32x4.add(one, e));
}

/** (3) Rounding may carry the quotient beyond 1; the last clamp keeps the slope 1 - tanh² from being negative. */
@inline
export function tanh4(x: v128): v128 {
  x = clamp(x, f32x4.splat(-9), f32x4.splat(9));
  const s = f32x4.mul(x, x);
  let p = f32x4.splat(-2.76076847742355e-16);
  p = madd(p, s, f32x4.splat(2.00018790482477e-13));
  p = madd(p, s, f32x4.splat(-8.60467152213735e-11));
  p = madd(p, s, f32x4.splat(5.12229709037114e-8));
  p = madd(p, s, f32x4.splat(1.48572235717979e-5));
  p = madd(p, s, f32x4.splat(6.37261928875436e-4));
  p = madd(p, s, f32x4.splat(4.89352455891786e-3));
  let q = f32x4.splat(1.19825839466702e-6);
  q = madd(q, s, f32x4.splat(1.18534705686654e-4));
  q = madd(q, s, f32x4.splat(2.26843463243900e-3));
  q = madd(q, s, f32x4.splat(4.89352518554385e-3));
  return clamp(f32x4.div(f32x4.mul(x, p), q), f32x4.splat(-1), f32x4.splat(1));
}

/** One float, by the same formulas: a tail must round as its neighbours do. */
@inline
export function expScalar(x: f32): f32 {
  return f32x4.extract_lane(exp4(f32x4.splat(x)), 0);
}

/** f(x), f given by its code. */
@inline
export function activate4(x: v128, activation: i32): v128 {
  if (activation == RELU) return f32x4.pmax(x, f32x4.splat(0));
  if (activation == TANH) return tanh4(x);
  if (activation == SIGMOID) return sigmoid4(x);
  return x;
}

/** f'(x) as a function of y = f(x). */
@inline
export function slope4(y: v128, activation: i32): v128 {
  const one = f32x4.splat(1);
  if (activation == RELU) return v128.and(one, f32x4.gt(y, f32x4.splat(0)));
  if (activation == TANH) return f32x4.sub(one, f32x4.mul(y, y));
  if (activation == SIGMOID) return f32x4.mul(y, f32x4.sub(one, y));
  return one;
}
