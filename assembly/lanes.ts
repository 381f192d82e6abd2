/**
 * Four series side by side, one a lane: the form that every kernel of features works on. At any length
 * no vector is half empty, and a series' features do not depend on which three lie beside it.
 */
import { flush } from "./simd";

/**
 * y (N,4) from four series whose samples are `stride` bytes apart, tiny ones flushed to zero. Returns
 * which series have a sample that is not finite, as bits from the lowest.
 */
export function gather(y: usize, x0: usize, x1: usize, x2: usize, x3: usize, stride: usize, N: i32): i32 {
  let wrong = f32x4.splat(0);
  const neighbours = x1 == x0 + 4 && x2 == x0 + 8 && x3 == x0 + 12;
  for (let n = 0; n < N; n++) {
    let v = neighbours ? v128.load(x0) : v128.load32_splat(x0);
    if (!neighbours) {
      v = v128.load_lane<f32>(x1, v, 1);
      v = v128.load_lane<f32>(x2, v, 2);
      v = v128.load_lane<f32>(x3, v, 3);
    }
    v = flush(v);
    const zero = f32x4.sub(v, v); // NaN for an infinity and for NaN
    wrong = v128.or(wrong, f32x4.ne(zero, zero));
    v128.store(y, v);
    y += 16;
    x0 += stride;
    x1 += stride;
    x2 += stride;
    x3 += stride;
  }
  return i32x4.bitmask(wrong);
}

/** The first `count` lanes of x (N,4) as rows of y (count,N). */
export function scatter(y: usize, x: usize, N: i32, count: i32): void {
  for (let lane = 0; lane < count; lane++) {
    for (let n = 0; n < N; n++) f32.store(y + (<usize>(lane * N + n) << 2), f32.load(x + (<usize>(4 * n + lane) << 2)));
  }
}
