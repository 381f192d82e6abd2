/**
 * Counter-based random numbers: word n of a stream is a function of (seed, stream, n) and of nothing
 * else, so a dropout mask is computed again in the backward pass instead of being stored.
 *
 * Philox4x32-10 turns a counter of four words and a key of two into four random words, by ten rounds of
 *
 *   c0, c1, c2, c3 = high(M1 c2) ^ c1 ^ k0, low(M1 c2), high(M0 c0) ^ c3 ^ k1, low(M0 c0)   (1)
 *   k0, k1 = k0 + W0, k1 + W1                                                            (2)
 *
 * Four neighbouring counters are worked on at once, one a lane. The key is the seed (64 bits), the
 * counter is (block, 0, stream, 0), and a group of 16 words is the four first words of its four blocks,
 * then the four second ones, and so on: word n is word (n >> 2) & 3 of block 4 (n >> 4) + (n & 3).     (3)
 *
 * Not for keys or for privacy noise. Reference: Salmon, Moraes, Dror & Shaw, Parallel Random Numbers:
 * As Easy as 1, 2, 3, SC 2011, section 3.3.
 */
import { loadLanes, storeLanes } from "./simd";

/** M0, M1; then W0 (the golden ratio) and W1 (sqrt(3) - 1). In memory for the reason that activation.ts gives. */
const CONSTANTS: usize = memory.data<u32>([0xd2511f53, 0xcd9e8d57, 0x9e3779b9, 0xbb67ae85]);
const ROUNDS: i32 = 10;

/** Where a group of 16 words lies until it is used. */
const group: usize = memory.data(64, 16);

/** (1), (2) The 16 words of the counters (c0, c1, c2, c3) to (c0 + 3, c1, c2, c3) under the key (k0, k1), in the order of (3). */
export function philox(words: usize, c0: u32, c1: u32, c2: u32, c3: u32, k0: u32, k1: u32): void {
  const m0 = v128.load32_splat(CONSTANTS), m1 = v128.load32_splat(CONSTANTS, 4);
  const w0 = v128.load32_splat(CONSTANTS, 8), w1 = v128.load32_splat(CONSTANTS, 12);
  let x0 = i32x4.add(i32x4.splat(c0), i32x4(0, 1, 2, 3));
  let x1 = i32x4.splat(c1);
  let x2 = i32x4.splat(c2);
  let x3 = i32x4.splat(c3);
  let key0 = i32x4.splat(k0), key1 = i32x4.splat(k1);
  for (let round = 0; round < ROUNDS; round++) {
    const a01 = i64x2.extmul_low_i32x4_u(x0, m0), a23 = i64x2.extmul_high_i32x4_u(x0, m0);
    const b01 = i64x2.extmul_low_i32x4_u(x2, m1), b23 = i64x2.extmul_high_i32x4_u(x2, m1);
    x0 = v128.xor(v128.xor(highWords(b01, b23), x1), key0); // (1)
    x2 = v128.xor(v128.xor(highWords(a01, a23), x3), key1);
    x1 = lowWords(b01, b23);
    x3 = lowWords(a01, a23);
    key0 = i32x4.add(key0, w0); // (2)
    key1 = i32x4.add(key1, w1);
  }
  v128.store(words, x0);
  v128.store(words, x1, 16);
  v128.store(words, x2, 32);
  v128.store(words, x3, 48);
}

@inline
function lowWords(a: v128, b: v128): v128 {
  return v128.shuffle<i32>(a, b, 0, 2, 4, 6);
}

@inline
function highWords(a: v128, b: v128): v128 {
  return v128.shuffle<i32>(a, b, 1, 3, 5, 7);
}

/** y (N) uniform in [low, high], 24 bits, from one stream. */
export function uniform(y: usize, N: i32, low: f32, high: f32, seedLow: u32, seedHigh: u32, stream: u32): void {
  const width = f32x4.splat((high - low) * (1.0 / 16777216.0));
  for (let n = 0; n < N; n += 4) {
    if ((n & 15) == 0) philox(group, n >> 2, 0, stream, 0, seedLow, seedHigh);
    const word = v128.load(group + ((n & 15) << 2)); // (3)
    const steps = f32x4.convert_i32x4_u(i32x4.shr_u(word, 8));
    storeLanes(y + (<usize>n << 2), f32x4.add(f32x4.splat(low), f32x4.mul(width, steps)), N - n);
  }
}

/**
 * Inverted dropout: y_n = x_n / (1 - rate) where word n of the stream is at least rate · 2^32, else 0.
 * y may be x. It is linear in each element, so its backward pass is the same call with dy for x.
 * Reference: Srivastava et al., Dropout, JMLR 2014.
 */
export function dropout(y: usize, x: usize, N: i32, rate: f64, seedLow: u32, seedHigh: u32, stream: u32): void {
  const scale = f32x4.splat(<f32>(1 / (1 - rate)));
  const threshold = i32x4.splat(<u32>(rate * 4294967296));
  for (let n = 0; n < N; n += 4) {
    if ((n & 15) == 0) philox(group, n >> 2, 0, stream, 0, seedLow, seedHigh);
    const kept = i32x4.ge_u(v128.load(group + ((n & 15) << 2)), threshold); // (3)
    const at = <usize>n << 2;
    storeLanes(y + at, v128.and(kept, f32x4.mul(scale, loadLanes(x + at, N - n))), N - n);
  }
}
