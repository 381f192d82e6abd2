/**
 * The small vector vocabulary that the kernels are written in.
 *
 * A vector is four float32 lanes. Kernels use raw pointers (usize, in bytes); `offset` arguments of
 * load and store must be compile-time constants.
 *
 * WebAssembly has no flush-to-zero mode, and one denormal operand makes an operation up to 70 times
 * slower, so everything that decays is flushed explicitly.
 */

/** Below this a state or a gradient counts as zero: 2^-63 = sqrt(FLT_MIN), so that the product of two kept values is normal. */
export const FLUSH: f32 = 1.0842021724855044e-19;

/** acc + a * b: two roundings in the `simd` build, fused in the `relaxed` build. The one place that knows. */
@inline
export function madd(a: v128, b: v128, acc: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, acc);
  return f32x4.add(acc, f32x4.mul(a, b));
}

/** Zero where |v| < threshold. NaN stays NaN: the comparison is false for it. */
@inline
export function flushBelow(v: v128, threshold: v128): v128 {
  return v128.andnot(v, f32x4.lt(f32x4.abs(v), threshold));
}

/** FLUSH in memory, for the reason that activation.ts gives. */
const THRESHOLD: usize = memory.data<f32>([1.0842021724855044e-19]);

@inline
export function flush(v: v128): v128 {
  return flushBelow(v, v128.load32_splat(THRESHOLD));
}

/** The same for one float, for tails. */
@inline
export function flushScalar(v: f32): f32 {
  return abs(v) < FLUSH ? 0 : v;
}

/** min(max(v, low), high). The value stands first: that operand order keeps NaN, the other hides it. */
@inline
export function clamp(v: v128, low: v128, high: v128): v128 {
  return f32x4.pmin(f32x4.pmax(v, low), high);
}

/** Sum of the four lanes, in a fixed order: (0 + 1) + (2 + 3). */
@inline
export function sumLanes(v: v128): f32 {
  return (f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1)) + (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3));
}

/** Store the first `count` (1 to 4) lanes. With loadLanes the one place for the tails of vectors. */
@inline
export function storeLanes(pointer: usize, v: v128, count: i32): void {
  if (count >= 4) v128.store(pointer, v);
  else storeTail(pointer, v, count);
}

/** Load the first `count` (1 to 4) lanes, the rest zero. */
@inline
export function loadLanes(pointer: usize, count: i32): v128 {
  return count >= 4 ? v128.load(pointer) : loadTail(pointer, count);
}

// Not inline: at a hundred places, and seldom run, they would be a quarter of the module.

function storeTail(pointer: usize, v: v128, count: i32): void {
  f32.store(pointer, f32x4.extract_lane(v, 0));
  if (count > 1) f32.store(pointer, f32x4.extract_lane(v, 1), 4);
  if (count > 2) f32.store(pointer, f32x4.extract_lane(v, 2), 8);
}

function loadTail(pointer: usize, count: i32): v128 {
  let v = f32x4.splat(0);
  v = f32x4.replace_lane(v, 0, f32.load(pointer));
  if (count > 1) v = f32x4.replace_lane(v, 1, f32.load(pointer, 4));
  if (count > 2) v = f32x4.replace_lane(v, 2, f32.load(pointer, 8));
  return v;
}

// Sums that must not lose digits are of float64, two pairs for the four lanes.

/** The first two lanes, as float64. */
@inline
export function low(v: v128): v128 {
  return f64x2.promote_low_f32x4(v);
}

/** The last two lanes, as float64. */
@inline
export function high(v: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<f64>(v, v, 1, 1));
}

/** Four float32 of two pairs of float64. */
@inline
export function join(a: v128, b: v128): v128 {
  return v128.shuffle<f64>(f32x4.demote_f64x2_zero(a), f32x4.demote_f64x2_zero(b), 0, 2);
}

/** a / b of pairs of float64, and 0 where b is 0. */
@inline
export function ratio(a: v128, b: v128): v128 {
  return v128.and(f64x2.div(a, b), f64x2.ne(b, f64x2.splat(0)));
}
