/**
 * Activations: exp, sigmoid and tanh on four lanes, and the four that a layer may have.
 *
 *   exp      x = n ln2 + r, |r| <= ln2 / 2;  e^x = 2^n p(r)                              (1)
 *   sigmoid  1 / (1 + e^-x)                                                              (2)
 *   tanh     x P(x^2) / Q(x^2) on [-9, 9], P of degree 6 and Q of degree 3 in x^2          (3)
 *
 * Largest errors against float64, on ten million arguments:
 *
 *   exp      0.99 ulp on [-87, 88]
 *   sigmoid  2.5 ulp on [-30, inf); below -30 it is 9.4e-14
 *   tanh     6.0 ulp and 3.6e-7 absolute, for |x| from 5 to 7; 4.7 ulp on [-1, 1] down to 1e-35
 *
 * sigmoid is not built from tanh: for x < -1 its relative error would be unbounded. NaN stays NaN in
 * all of them.
 *
 * (1) Cephes expf, S. Moshier. (3) the 13/6 rational minimax of Eigen's generic fast tanh.
 */
import { clamp, flush, loadLanes, madd, storeLanes } from "./simd";

/** The codes of a layer's activation. */
export const LINEAR: i32 = 0;
export const RELU: i32 = 1;
export const TANH: i32 = 2;
export const SIGMOID: i32 = 3;

/**
 * The constants of (1) to (3), read where they are used: an engine builds a vector constant anew at each
 * use, with three instructions, and broadcasts a float from memory with one. A third of the time.
 */
const CONSTANTS: usize = memory.data<f32>([
  -87, 88, -30, 30, -9, 9, -1, 1, // bounds
  1.44269504088896341, 12582912, // log2(e); 1.5 * 2^23: adding it rounds to an integer in the low bits
  -0.693359375, 2.12194440e-4, // -ln2 in two pieces
  1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1, // p
  -2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-8, // P
  1.48572235717979e-5, 6.37261928875436e-4, 4.89352455891786e-3,
  1.19825839466702e-6, 1.18534705686654e-4, 2.26843463243900e-3, 4.89352518554385e-3, // Q
]);
const ONE: i32 = 7, LOG2E: i32 = 8, ROUND: i32 = 9, LN2_HIGH: i32 = 10, LN2_LOW: i32 = 11, p: i32 = 12, P: i32 = 18, Q: i32 = 25;

@inline
function constant(index: i32): v128 {
  return v128.load32_splat(CONSTANTS + (index << 2));
}

/** The argument, between the bounds at `index` and after it. */
@inline
function bounded(x: v128, index: i32): v128 {
  return clamp(x, constant(index), constant(index + 1));
}

/** (1) Arguments beyond [-87, 88] are clamped: the results stay normal and finite. */
@inline
export function exp4(x: v128): v128 {
  return expWithin(bounded(x, 0));
}

/** (1) for arguments that are known to lie in [-87, 88]. */
@inline
function expWithin(x: v128): v128 {
  const shifted = madd(x, constant(LOG2E), constant(ROUND));
  const n = f32x4.sub(shifted, constant(ROUND));
  let r = madd(n, constant(LN2_HIGH), x);
  r = madd(n, constant(LN2_LOW), r);
  let s = constant(p);
  s = madd(s, r, constant(p + 1));
  s = madd(s, r, constant(p + 2));
  s = madd(s, r, constant(p + 3));
  s = madd(s, r, constant(p + 4));
  s = madd(s, r, constant(p + 5));
  s = f32x4.add(madd(s, f32x4.mul(r, r), r), constant(ONE)); // 1 last: adding it to r first would cost half an ulp
  // 2^n by adding n to the exponent field; the low bits of `shifted` hold n in two's complement.
  return i32x4.add(s, i32x4.shl(shifted, 23));
}

/** (2) The argument is clamped at -30, so that the result never becomes a denormal's neighbour. */
@inline
export function sigmoid4(x: v128): v128 {
  const e = expWithin(f32x4.neg(bounded(x, 2)));
  return f32x4.div(constant(ONE), f32x4.add(constant(ONE), e));
}

/**
 * (2) of three neighbouring vectors in place, the same bits as one by one: a constant is read once for
 * the three, and their chains overlap. A quarter of the time of an LSTM's gates.
 */
export function sigmoid12(pointer: usize): void {
  let low = constant(2), high = constant(3);
  let x0 = f32x4.neg(clamp(v128.load(pointer), low, high));
  let x1 = f32x4.neg(clamp(v128.load(pointer, 16), low, high));
  let x2 = f32x4.neg(clamp(v128.load(pointer, 32), low, high));
  let c = constant(LOG2E);
  const round = constant(ROUND);
  const t0 = madd(x0, c, round), t1 = madd(x1, c, round), t2 = madd(x2, c, round);
  let s0 = f32x4.sub(t0, round), s1 = f32x4.sub(t1, round), s2 = f32x4.sub(t2, round);
  c = constant(LN2_HIGH);
  x0 = madd(s0, c, x0), x1 = madd(s1, c, x1), x2 = madd(s2, c, x2);
  c = constant(LN2_LOW);
  x0 = madd(s0, c, x0), x1 = madd(s1, c, x1), x2 = madd(s2, c, x2);
  s0 = s1 = s2 = constant(p);
  c = constant(p + 1);
  s0 = madd(s0, x0, c), s1 = madd(s1, x1, c), s2 = madd(s2, x2, c);
  c = constant(p + 2);
  s0 = madd(s0, x0, c), s1 = madd(s1, x1, c), s2 = madd(s2, x2, c);
  c = constant(p + 3);
  s0 = madd(s0, x0, c), s1 = madd(s1, x1, c), s2 = madd(s2, x2, c);
  c = constant(p + 4);
  s0 = madd(s0, x0, c), s1 = madd(s1, x1, c), s2 = madd(s2, x2, c);
  c = constant(p + 5);
  s0 = madd(s0, x0, c), s1 = madd(s1, x1, c), s2 = madd(s2, x2, c);
  const one = constant(ONE);
  s0 = f32x4.add(madd(s0, f32x4.mul(x0, x0), x0), one);
  s1 = f32x4.add(madd(s1, f32x4.mul(x1, x1), x1), one);
  s2 = f32x4.add(madd(s2, f32x4.mul(x2, x2), x2), one);
  v128.store(pointer, f32x4.div(one, f32x4.add(one, i32x4.add(s0, i32x4.shl(t0, 23)))));
  v128.store(pointer, f32x4.div(one, f32x4.add(one, i32x4.add(s1, i32x4.shl(t1, 23)))), 16);
  v128.store(pointer, f32x4.div(one, f32x4.add(one, i32x4.add(s2, i32x4.shl(t2, 23)))), 32);
}

/**
 * (3) Both polynomials by Estrin's scheme: half the chain of Horner's. Rounding may carry the quotient
 * beyond 1; the last clamp keeps the slope 1 - tanh² from being negative.
 */
@inline
export function tanh4(x: v128): v128 {
  x = bounded(x, 4);
  const s = f32x4.mul(x, x);
  const s2 = f32x4.mul(s, s);
  let n = madd(madd(constant(P), s, constant(P + 1)), s2, madd(constant(P + 2), s, constant(P + 3)));
  n = madd(n, s2, madd(constant(P + 4), s, constant(P + 5)));
  n = madd(n, s, constant(P + 6));
  const d = madd(madd(constant(Q), s, constant(Q + 1)), s2, madd(constant(Q + 2), s, constant(Q + 3)));
  return bounded(f32x4.div(f32x4.mul(x, n), d), 6);
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

/** y (N) = f(x); y may be x. */
export function activationForward(y: usize, x: usize, N: i32, activation: i32): void {
  for (let n = 0; n < N; n += 4) {
    const at = <usize>n << 2;
    storeLanes(y + at, activate4(loadLanes(x + at, N - n), activation), N - n);
  }
}

/** dx (N) = dy f'(x), assigned; dx may be dy. */
export function activationBackward(dx: usize, dy: usize, y: usize, N: i32, activation: i32): void {
  for (let n = 0; n < N; n += 4) {
    const at = <usize>n << 2;
    const slope = slope4(loadLanes(y + at, N - n), activation);
    storeLanes(dx + at, flush(f32x4.mul(loadLanes(dy + at, N - n), slope)), N - n);
  }
}
