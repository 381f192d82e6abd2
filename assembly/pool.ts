/**
 * Pooling: a window slides over the steps and leaves its greatest value or its mean; and a sequence as
 * one vector.
 *
 *   y_p = max_k x_{p,k}                       dx_{p,k} += dy_p for the first k with x_{p,k} = y_p      (1)
 *   y_p = Σ_k x_{p,k} / K                     dx_{p,k} += dy_p / K                                   (2)
 *   y_bt = x_tb                               dx_tb = dy_bt                                          (3)
 *
 * p is a place of the output, k one of the K steps in its window. Steps lie on a grid of `rows` times
 * `columns`, as pixels do; a sequence is one row. Windows have `tall` rows (1 for a sequence) and `size`
 * columns, lie `stride` apart in both directions, and are all within the grid. With a window as long as
 * the sequence, (1) and (2) are the maximum and the mean over time.
 *
 * All N = B·I numbers of a step are pooled alike and lie side by side, so lanes are independent. Which
 * step was the greatest is not kept: backward finds it again.
 *
 *   x, dx (steps,N)   y, dy (rowsOut · columnsOut,N)        (3) x, dx (T,B,I)   y, dy (B,T,I)
 */
import { flush, loadLanes, storeLanes } from "./simd";

/** (1), or (2) where `average`. */
export function poolForward(
  y: usize, x: usize,
  columns: i32, rowsOut: i32, columnsOut: i32, tall: i32, size: i32, stride: i32, N: i32, average: bool,
): void {
  const step = <usize>N << 2;
  const share = f32x4.splat(<f32>1 / <f32>(tall * size));
  for (let row = 0; row < rowsOut; row++) {
    for (let column = 0; column < columnsOut; column++) {
      const first = x + <usize>(row * stride * columns + column * stride) * step;
      for (let n = 0; n < N; n += 4) {
        const lanes = N - n;
        let line = first + (<usize>n << 2);
        let result = f32x4.splat(average ? 0 : -Infinity);
        for (let i = 0; i < tall; i++) {
          for (let at = line, end = line + <usize>size * step; at < end; at += step) {
            const value = loadLanes(at, lanes);
            result = average ? f32x4.add(result, value) : f32x4.max(result, value);
          }
          line += <usize>columns * step;
        }
        storeLanes(y + (<usize>n << 2), average ? f32x4.mul(result, share) : result, lanes); // (1) (2)
      }
      y += step;
    }
  }
}

/**
 * Add to dx. It may be x, where no window has a step of another: then it takes the place of x, and is not
 * added to it. (2) does not read x and y.
 */
export function poolBackward(
  dx: usize, dy: usize, y: usize, x: usize,
  columns: i32, rowsOut: i32, columnsOut: i32, tall: i32, size: i32, stride: i32, N: i32, average: bool,
): void {
  const step = <usize>N << 2;
  const share = f32x4.splat(<f32>1 / <f32>(tall * size));
  for (let row = 0; row < rowsOut; row++) {
    for (let column = 0; column < columnsOut; column++) {
      const first = <usize>(row * stride * columns + column * stride) * step;
      for (let n = 0; n < N; n += 4) {
        const lanes = N - n;
        let line = first + (<usize>n << 2);
        let d = loadLanes(dy + (<usize>n << 2), lanes);
        const greatest = average ? d : loadLanes(y + (<usize>n << 2), lanes);
        if (average) d = flush(f32x4.mul(d, share));
        for (let i = 0; i < tall; i++) {
          for (let at = line, end = line + <usize>size * step; at < end; at += step) {
            let part = d; // (2)
            if (!average) {
              const found = f32x4.eq(loadLanes(x + at, lanes), greatest);
              part = v128.and(d, found); // (1)
              d = v128.andnot(d, found); // the next ones get nothing
            }
            if (dx != x) part = f32x4.add(part, loadLanes(dx + at, lanes));
            storeLanes(dx + at, part, lanes);
          }
          line += <usize>columns * step;
        }
      }
      y += step;
      dy += step;
    }
  }
}

/** (3) Its backward pass is the same call with dy for x, and T and B exchanged. */
export function exchange(y: usize, x: usize, T: i32, B: i32, I: i32): void {
  for (let b = 0; b < B; b++) {
    let x_tb = x + (<usize>(b * I) << 2);
    for (let t = 0; t < T; t++) {
      for (let i = 0; i < I; i += 4) storeLanes(y + (<usize>i << 2), loadLanes(x_tb + (<usize>i << 2), I - i), I - i);
      y += <usize>I << 2;
      x_tb += <usize>(B * I) << 2;
    }
  }
}
