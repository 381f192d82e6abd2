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

/** (2) sum (P, int64) += Σ_k samples_k q_k: updates (K) points to the q_k (P, int32), samples (K, int32). */
export function latticeAdd(sum: usize, updates: usize, samples: usize, K: i32, P: i32): void {
  let k = 0;
  for (; k + 2 <= K; k += 2) latticeAddTwo(sum, pointer(updates, k), pointer(updates, k + 1), samples + (k << 2), P);
  if (k < K) latticeAddOne(sum, pointer(updates, k), samples + (k << 2), P);
}

/** Two updates in one pass: half the traffic of the sums, which weigh twice what an update does. */
function latticeAddTwo(sum: usize, q0: usize, q1: usize, samples: usize, P: i32): void {
  const n0 = v128.load32_splat(samples), n1 = v128.load32_splat(samples, 4);
  for (const end = sum + (<usize>(P & ~3) << 3); sum < end; sum += 32) {
    const a = v128.load(q0), b = v128.load(q1);
    const low = i64x2.add(i64x2.extmul_low_i32x4_s(a, n0), i64x2.extmul_low_i32x4_s(b, n1));
    const high = i64x2.add(i64x2.extmul_high_i32x4_s(a, n0), i64x2.extmul_high_i32x4_s(b, n1));
    v128.store(sum, i64x2.add(v128.load(sum), low));
    v128.store(sum, i64x2.add(v128.load(sum, 16), high), 16);
    q0 += 16;
    q1 += 16;
  }
  latticeAddRest(sum, q0, samples, P & 3);
  latticeAddRest(sum, q1, samples + 4, P & 3);
}

function latticeAddOne(sum: usize, q: usize, samples: usize, P: i32): void {
  const n = v128.load32_splat(samples);
  for (const end = sum + (<usize>(P & ~3) << 3); sum < end; sum += 32) {
    const a = v128.load(q);
    v128.store(sum, i64x2.add(v128.load(sum), i64x2.extmul_low_i32x4_s(a, n)));
    v128.store(sum, i64x2.add(v128.load(sum, 16), i64x2.extmul_high_i32x4_s(a, n)), 16);
    q += 16;
  }
  latticeAddRest(sum, q, samples, P & 3);
}

function latticeAddRest(sum: usize, q: usize, samples: usize, P: i32): void {
  for (let p = 0; p < P; p++) {
    const sum_p = sum + (<usize>p << 3);
    i64.store(sum_p, i64.load(sum_p) + <i64>i32.load(samples) * <i64>i32.load(q + (<usize>p << 2)));
  }
}

@inline
function pointer(list: usize, k: i32): usize {
  return load<usize>(list + (<usize>k << 2));
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

/**
 * Float32 averaging: mean (P) = Σ_k weights_k w_k in the order of k, the weights (K) adding up to 1;
 * parameters (K) points to the w_k (P). The sum starts from -0, the zero of addition that keeps a -0:
 * one client of weight 1 gets its own bits back. The bits depend on the order of the clients. Whole
 * passes, not parts of the sum that stay in a cache: long runs through memory are worth more.
 */
export function average32(mean: usize, parameters: usize, weights: usize, K: i32, P: i32): void {
  for (let p = 0; p < P; p += 4) storeLanes(mean + (<usize>p << 2), f32x4.splat(-0.0), P - p);
  let k = 0;
  for (; k + 4 <= K; k += 4) {
    average32Four(
      mean, pointer(parameters, k), pointer(parameters, k + 1), pointer(parameters, k + 2), pointer(parameters, k + 3),
      weights + (k << 2), P,
    );
  }
  for (; k < K; k++) average32One(mean, pointer(parameters, k), weights + (k << 2), P);
}

/** Four clients in one pass, added one after the other as four passes would. */
function average32Four(sum: usize, w0: usize, w1: usize, w2: usize, w3: usize, weights: usize, P: i32): void {
  const a0 = v128.load32_splat(weights), a1 = v128.load32_splat(weights, 4), a2 = v128.load32_splat(weights, 8), a3 = v128.load32_splat(weights, 12);
  for (const end = sum + (<usize>(P & ~3) << 2); sum < end; sum += 16) {
    let total = madd(a0, v128.load(w0), v128.load(sum));
    total = madd(a1, v128.load(w1), total);
    total = madd(a2, v128.load(w2), total);
    v128.store(sum, madd(a3, v128.load(w3), total));
    w0 += 16;
    w1 += 16;
    w2 += 16;
    w3 += 16;
  }
  const rest = P & 3;
  if (!rest) return;
  let total = madd(a0, loadLanes(w0, rest), loadLanes(sum, rest));
  total = madd(a1, loadLanes(w1, rest), total);
  total = madd(a2, loadLanes(w2, rest), total);
  storeLanes(sum, madd(a3, loadLanes(w3, rest), total), rest);
}

function average32One(sum: usize, w: usize, weights: usize, P: i32): void {
  const a = v128.load32_splat(weights);
  for (const end = sum + (<usize>(P & ~3) << 2); sum < end; sum += 16) {
    v128.store(sum, madd(a, v128.load(w), v128.load(sum)));
    w += 16;
  }
  const rest = P & 3;
  if (rest) storeLanes(sum, madd(a, loadLanes(w, rest), loadLanes(sum, rest)), rest);
}
