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

/**
 * The first `count` lanes of chosen rows as rows of y (count,F): y_f = scale_f · row_f / over_f, and 0 over 0.
 * `columns` has for each f the pointer to its row (4), the one to the row that it is a share of, or 0, and the scale.
 */
export function scatter(y: usize, columns: usize, F: i32, count: i32): void {
  for (let f = 0; f < F; f++) {
    const over = <usize>i32.load(columns, 4);
    let v = f32x4.mul(v128.load(<usize>i32.load(columns)), v128.load32_splat(columns, 8));
    if (over) {
      const whole = v128.load(over);
      v = v128.and(f32x4.div(v, whole), f32x4.ne(whole, f32x4.splat(0)));
    }
    const at = y + (<usize>f << 2), row = <usize>F << 2;
    f32.store(at, f32x4.extract_lane(v, 0));
    if (count > 1) f32.store(at + row, f32x4.extract_lane(v, 1));
    if (count > 2) f32.store(at + 2 * row, f32x4.extract_lane(v, 2));
    if (count > 3) f32.store(at + 3 * row, f32x4.extract_lane(v, 3));
    columns += 12;
  }
}
