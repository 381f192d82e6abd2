/**
 * Convolution: every step of the output is a weighted sum of the steps in a window that slides over the
 * input, over a sequence or over rows and columns of an image alike.
 *
 *   y_p = b + Σ_k W_k x_{p,k}                                                            (1)
 *
 * p is a place of the output, k one of the K taps of its window, and x_{p,k} the step that it meets
 * there; beyond the border of the input that is zero. Backward:
 *
 *   db += Σ_p dy_p        dW_k += Σ_p dy_p x_{p,k}ᵀ        dx_{p,k} += W_kᵀ dy_p            (2) (3) (4)
 *
 * Steps lie on a grid of `rows` times `columns`, as pixels do; a sequence is one row. A window has `tall`
 * rows (1 for a sequence) and `size` columns of taps, K in all, `dilation` steps apart; windows begin
 * `stride` steps apart, the first of them `above` rows and `before` columns outside of the grid.
 *
 *   x, dx (rows · columns,B,I)   W, dW (O,I,K)   b, db (O)   y, dy (rowsOut · columnsOut,B,O)
 *
 * All taps of a window are copied side by side, so that (1), (3) and (4) are products with the matrices
 * in the order V (K·I,O), v_{ki,o} = w_{o,i,k}:
 *
 *   patches (M,K·I), a row for each window of each of the B;   y = patches · V;   dV = patchesᵀ · dy;   dpatches = dy · Vᵀ
 *
 * A block of patches at a time, which stays in the cache: what a tap costs to copy is one part in O/2 of
 * what it costs to multiply. Nothing but x is kept for the backward pass.
 *
 * Reference: Chellapilla, Puri & Simard, High Performance Convolutional Neural Networks for Document
 * Processing, IWFHR 2006.
 */
import { addRows, gemm, gemmBias, gemmOuter, oddLines, pack, packTransposed, panelFloats } from "./gemm";
import { flush, loadLanes, storeLanes } from "./simd";

/** Rows of a block of patches; a step's B rows stay together. */
const BLOCK_ROWS: i32 = 64;

/** Row stride of patches, in floats. */
@inline
function patchRow(KI: i32): i32 {
  return oddLines((KI + 15) & ~15);
}

/** Floats of scratch that convolutionForward and convolutionBackward need. */
export function convolutionScratch(K: i32, B: i32, I: i32, O: i32): i32 {
  const KI = K * I;
  return max(B, BLOCK_ROWS) * patchRow(KI) + max(panelFloats(O, KI) + panelFloats(O, 1), panelFloats(KI, O)) + 2 * KI * O;
}

export function convolutionForward(
  y: usize, x: usize, W: usize, b: usize, scratch: usize,
  rows: i32, columns: i32, rowsOut: i32, columnsOut: i32, tall: i32, size: i32, stride: i32, dilation: i32, above: i32, before: i32,
  B: i32, I: i32, O: i32,
): void {
  const K = tall * size;
  const KI = K * I;
  const row = patchRow(KI);
  const V = scratch;
  const panels = V + (<usize>(KI * O) << 2);
  const bias = panels + (<usize>panelFloats(O, KI) << 2);
  const patches = bias + (<usize>panelFloats(O, 1) << 2);
  order(V, W, K, I, O, false);
  pack(panels, V, KI, O);
  pack(bias, b, 1, O);
  const block = max(1, BLOCK_ROWS / B);
  for (let p = 0, P = rowsOut * columnsOut; p < P; p += block) {
    const M = min(block, P - p) * B;
    visit(patches, x, p, M / B, rows, columns, columnsOut, tall, size, stride, dilation, above, before, B, I, row, false);
    gemmBias(y + (<usize>p * B * O << 2), patches, panels, bias, M, O, KI, O, row); // (1)
  }
}

/** Add to dx, dW and db. dx may be 0: the gradient of the input is not needed. */
export function convolutionBackward(
  dx: usize, dW: usize, db: usize,
  dy: usize, x: usize, W: usize, scratch: usize,
  rows: i32, columns: i32, rowsOut: i32, columnsOut: i32, tall: i32, size: i32, stride: i32, dilation: i32, above: i32, before: i32,
  B: i32, I: i32, O: i32,
): void {
  const K = tall * size;
  const KI = K * I;
  const row = patchRow(KI);
  const V = scratch;
  const dV = V + (<usize>(KI * O) << 2);
  const panels = dV + (<usize>(KI * O) << 2);
  const patches = panels + (<usize>panelFloats(KI, O) << 2);
  if (dx) {
    order(V, W, K, I, O, false);
    packTransposed(panels, V, KI, O);
  }
  memory.fill(dV, 0, <usize>(KI * O) << 2);
  const block = max(1, BLOCK_ROWS / B);
  const P = rowsOut * columnsOut;
  for (let p = 0; p < P; p += block) {
    const M = min(block, P - p) * B;
    const dy_p = dy + (<usize>p * B * O << 2);
    visit(patches, x, p, M / B, rows, columns, columnsOut, tall, size, stride, dilation, above, before, B, I, row, false);
    gemmOuter(dV, patches, dy_p, M, KI, O, O, row, O); // (3)
    if (!dx) continue;
    gemm(patches, dy_p, panels, M, KI, O, row, O, false); // (4)
    visit(patches, dx, p, M / B, rows, columns, columnsOut, tall, size, stride, dilation, above, before, B, I, row, true);
  }
  addRows(db, dy, P * B, O, O); // (2)
  order(dW, dV, K, I, O, true);
}

/** V (K·I,O) from W (O,I,K); or, back, W += V. */
function order(to: usize, from: usize, K: i32, I: i32, O: i32, back: bool): void {
  for (let o = 0; o < O; o++) {
    for (let i = 0; i < I; i++) {
      for (let k = 0; k < K; k++) {
        const w = <usize>((o * I + i) * K + k) << 2;
        const v = <usize>((k * I + i) * O + o) << 2;
        if (back) f32.store(to + w, f32.load(to + w) + f32.load(from + v));
        else f32.store(to + v, f32.load(from + w));
      }
    }
  }
}

/** The patches of `count` windows from the p-th on; or, back, those added to what they were copied from. */
function visit(
  patches: usize, x: usize, p: i32, count: i32,
  rows: i32, columns: i32, columnsOut: i32, tall: i32, size: i32, stride: i32, dilation: i32, above: i32, before: i32,
  B: i32, I: i32, row: i32, back: bool,
): void {
  const step = <usize>(B * I) << 2;
  for (const end = p + count; p < end; p++) {
    const top = p / columnsOut * stride - above;
    const left = p % columnsOut * stride - before;
    let patch = patches;
    for (let i = 0; i < tall; i++) {
      const r = top + i * dilation;
      const line = r >= 0 && r < rows ? x + <usize>(r * columns) * step : 0;
      if (I == 1 && !back) copySingles(patch, line, left, columns, size, dilation, B, row);
      else {
        for (let j = 0; j < size; j++) {
          const c = left + j * dilation;
          const x_step = line && c >= 0 && c < columns ? line + <usize>c * step : 0;
          const tap = patch + (<usize>(j * I) << 2);
          if (!back) copy(tap, x_step, B, I, row);
          else if (x_step) add(x_step, tap, B, I, row);
        }
      }
      patch += <usize>(size * I) << 2;
    }
    patches += <usize>B * row << 2;
  }
}

/**
 * A row of taps of B patches where a step has one number: four taps of four patches at once. What it
 * writes behind the taps is overwritten by the next row of them, or lies in what rounds a patch up.
 */
function copySingles(patch: usize, line: usize, left: i32, columns: i32, size: i32, dilation: i32, B: i32, row: i32): void {
  const step = <usize>(dilation * B) << 2;
  const next = <usize>row << 2;
  for (let j = 0; j < size; j += 4) {
    const c = left + j * dilation;
    const inside = line && c >= 0 && c + 3 * dilation < columns;
    for (let b = 0; b < B; b += 4) {
      const x_cb = line + (<isize>(c * B + b) << 2);
      const to = patch + <usize>b * next + (<usize>j << 2);
      if (inside && b + 4 <= B) {
        const v0 = v128.load(x_cb), v1 = v128.load(x_cb + step), v2 = v128.load(x_cb + 2 * step), v3 = v128.load(x_cb + 3 * step);
        const low01 = v128.shuffle<f32>(v0, v1, 0, 4, 1, 5), high01 = v128.shuffle<f32>(v0, v1, 2, 6, 3, 7);
        const low23 = v128.shuffle<f32>(v2, v3, 0, 4, 1, 5), high23 = v128.shuffle<f32>(v2, v3, 2, 6, 3, 7);
        v128.store(to, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5));
        v128.store(to + next, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7));
        v128.store(to + 2 * next, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5));
        v128.store(to + 3 * next, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7));
        continue;
      }
      for (let k = 0; k < 4; k++) {
        const at = c + k * dilation;
        const found = line && at >= 0 && at < columns;
        for (let lane = 0, lanes = min(4, B - b); lane < lanes; lane++) {
          f32.store(to + <usize>lane * next + (k << 2), found ? f32.load(x_cb + <usize>k * step + (lane << 2)) : 0);
        }
      }
    }
  }
}

/** One tap of B patches: a step's (B,I), or zeros where there is none. */
function copy(patch: usize, x_step: usize, B: i32, I: i32, row: i32): void {
  const bytes = <usize>I << 2;
  for (let b = 0; b < B; b++) {
    if (!x_step) memory.fill(patch, 0, bytes);
    else {
      let to = patch;
      for (const end = patch + (bytes & ~63); to < end; to += 64) {
        v128.store(to, v128.load(x_step));
        v128.store(to, v128.load(x_step, 16), 16);
        v128.store(to, v128.load(x_step, 32), 32);
        v128.store(to, v128.load(x_step, 48), 48);
        x_step += 64;
      }
      for (const end = patch + (bytes & ~15); to < end; to += 16) {
        v128.store(to, v128.load(x_step));
        x_step += 16;
      }
      if (I & 2) {
        i64.store(to, i64.load(x_step));
        to += 8;
        x_step += 8;
      }
      if (I & 1) {
        f32.store(to, f32.load(x_step));
        x_step += 4;
      }
    }
    patch += <usize>row << 2;
  }
}

/** (4) */
function add(dx_step: usize, patch: usize, B: i32, I: i32, row: i32): void {
  for (let b = 0; b < B; b++) {
    let from = patch;
    for (const end = patch + (<usize>(I & ~3) << 2); from < end; from += 16) {
      v128.store(dx_step, flush(f32x4.add(v128.load(dx_step), v128.load(from))));
      dx_step += 16;
    }
    if (I & 3) storeLanes(dx_step, flush(f32x4.add(loadLanes(dx_step, I & 3), v128.load(from))), I & 3); // a patch is rounded up
    dx_step += <usize>(I & 3) << 2;
    patch += <usize>row << 2;
  }
}
