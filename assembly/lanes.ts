/**
 * Four series side by side, one a lane: the form that every kernel of features works on. At any length
 * no vector is half empty, and a series' features do not depend on which three lie beside it.
 */
import { flush } from "./simd";

/**
 * y (N,4) from four series whose samples are `stride` bytes apart, tiny ones flushed to zero. A series that
 * comes to `end` goes on `back` bytes before: that is how a ring buffer is read in place. Returns which
 * series have a sample that is not finite, as bits from the lowest.
 */
export function gather(y: usize, x0: usize, x1: usize, x2: usize, x3: usize, stride: usize, N: i32, end: usize, back: usize): i32 {
  const stop = y + (<usize>N << 4);
  let wrong = f32x4.splat(0);
  if (x1 == x0 + 4 && x2 == x0 + 8 && x3 == x0 + 12) {
    for (; y < stop; y += 16) {
      if (x0 >= end) x0 -= back;
      wrong = v128.or(wrong, place(y, v128.load(x0)));
      x0 += stride;
    }
    return i32x4.bitmask(wrong);
  }
  for (; y < stop; y += 16) {
    if (x0 >= end) x0 -= back;
    if (x1 >= end) x1 -= back;
    if (x2 >= end) x2 -= back;
    if (x3 >= end) x3 -= back;
    let v = v128.load32_splat(x0);
    v = v128.load_lane<f32>(x1, v, 1);
    v = v128.load_lane<f32>(x2, v, 2);
    v = v128.load_lane<f32>(x3, v, 3);
    wrong = v128.or(wrong, place(y, v));
    x0 += stride;
    x1 += stride;
    x2 += stride;
    x3 += stride;
  }
  return i32x4.bitmask(wrong);
}

/** Store v, flushed; the lanes that are not finite. */
@inline
function place(y: usize, v: v128): v128 {
  v128.store(y, flush(v));
  const zero = f32x4.sub(v, v); // NaN for an infinity and for NaN
  return f32x4.ne(zero, zero);
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
