/**
 * Federated averaging, on an integer lattice and in float32.
 *
 *   q_k  = round((w_k - w0) 2^24)                            client k's update, int32            (1)
 *   sum  = Σ_k samples_k q_k                                 int64, in any order                 (2)
 *   mean = round(sum / Σ_k samples_k) 2^-24                                                     (3)
 *   w    = w0 + mean                                                                            (4)
 *
 * Integer addition is associative and commutative, so (2) is the same bits whatever the order of arrival.
 * (1) is computed in float64, where the difference of two float32 is exact unless they are 2^29 apart, and
 * rounds ties to even; (3) divides integers and rounds halves away from zero. One client alone gets back
 * exactly q 2^-24 for any number of samples (rounded to float32 where |q| >= 2^24, an update beyond 1).
 *
 * With at most 2^32 samples in a round (2^12 clients of 2^20, say), |sum| <= 2^32 (2^31 - 1) < 2^63: (2)
 * cannot overflow. The caller holds this bound.
 *
 * Reference: McMahan et al., Communication-Efficient Learning of Deep Networks from Decentralized Data,
 * AISTATS 2017, algorithm 1.
 */
import { loadLanes, madd, storeLanes } from "./simd";

const LATTICE: f64 = 16777216; // 2^24 steps to one

/** (1) Returns how many elements do not fit (NaN, infinite, or a change of 128 and more); q is then to be thrown away. */
export function latticeEncode(q: usize, w1: usize, w0: usize, P: i32): i32 {
  let refused = 0;
  for (let p = 0; p < P; p += 4) {
    const at = <usize>p << 2;
    const new4 = loadLanes(w1 + at, P - p);
    const old4 = loadLanes(w0 + at, P - p);
    const low = latticeSteps(new4, old4);
    const high = latticeSteps(upperHalf(new4), upperHalf(old4));
    refused += 4 - popcnt(i64x2.bitmask(fits(low))) - popcnt(i64x2.bitmask(fits(high)));
    const steps = v128.shuffle<i32>(i32x4.trunc_sat_f64x2_s_zero(low), i32x4.trunc_sat_f64x2_s_zero(high), 0, 1, 4, 5);
    storeLanes(q + at, steps, P - p);
  }
  return refused;
}

/** (1) of the two lower lanes, still as float64. */
@inline
function latticeSteps(w1: v128, w0: v128): v128 {
  const difference = f64x2.sub(f64x2.promote_low_f32x4(w1), f64x2.promote_low_f32x4(w0));
  return f64x2.nearest(f64x2.mul(difference, f64x2.splat(LATTICE)));
}

/** All ones in the lanes that int32 can hold. NaN does not fit: the comparison is false for it. */
@inline
function fits(steps: v128): v128 {
  return f64x2.le(f64x2.abs(steps), f64x2.splat(2147483647));
}

@inline
function upperHalf(v: v128): v128 {
  return v128.shuffle<i32>(v, v, 2, 3, 2, 3);
}

/** (2) sum (P, int64) += samples q (P, int32). */
export function latticeAdd(sum: usize, q: usize, samples: i32, P: i32): void {
  const factor = i32x4.splat(samples);
  let p = 0;
  for (; p + 4 <= P; p += 4) {
    const q_p = v128.load(q);
    v128.store(sum, i64x2.add(v128.load(sum), i64x2.extmul_low_i32x4_s(q_p, factor)));
    v128.store(sum, i64x2.add(v128.load(sum, 16), i64x2.extmul_high_i32x4_s(q_p, factor)), 16);
    sum += 32;
    q += 16;
  }
  for (; p < P; p++) {
    i64.store(sum, i64.load(sum) + <i64>samples * <i64>i32.load(q));
    sum += 8;
    q += 4;
  }
}

/** (3) mean (P, float32) of sum (P, int64); totalSamples >= 1. */
export function latticeMean(mean: usize, sum: usize, totalSamples: i64, P: i32): void {
  const total = <u64>totalSamples;
  for (let p = 0; p < P; p++) {
    const value = i64.load(sum + (<usize>p << 3));
    const size = <u64>abs(value);
    const quotient = size / total;
    const rest = size - quotient * total;
    const rounded = <i64>(2 * rest >= total ? quotient + 1 : quotient);
    f32.store(mean + (<usize>p << 2), <f32>(value < 0 ? -rounded : rounded) * <f32>(1 / LATTICE));
  }
}

/** (4) w may be w0. */
export function applyUpdate(w: usize, w0: usize, mean: usize, P: i32): void {
  const whole = P & ~3;
  for (let p = 0; p < whole; p += 4) {
    const at = <usize>p << 2;
    v128.store(w + at, f32x4.add(v128.load(w0 + at), v128.load(mean + at)));
  }
  const at = <usize>whole << 2;
  const rest = P - whole;
  if (rest) storeLanes(w + at, f32x4.add(loadLanes(w0 + at, rest), loadLanes(mean + at, rest)), rest);
}

/** Float32 averaging: sum += weight w, the weights of a round adding up to 1. Its bits depend on the order of the clients. */
export function average32Add(sum: usize, w: usize, weight: f32, P: i32): void {
  const weight4 = f32x4.splat(weight);
  const whole = P & ~3;
  for (let p = 0; p < whole; p += 4) {
    const at = <usize>p << 2;
    v128.store(sum + at, madd(weight4, v128.load(w + at), v128.load(sum + at)));
  }
  const at = <usize>whole << 2;
  const rest = P - whole;
  if (rest) storeLanes(sum + at, madd(weight4, loadLanes(w + at, rest), loadLanes(sum + at, rest)), rest);
}
