/**
 * Temporal attention: a sequence becomes one vector, the mean of its steps under weights that are
 * learned from the steps themselves.
 *
 *   u_tb = tanh(W h_tb + b)                                                              (1)
 *   e_tb = v · u_tb + c                                                                  (2)
 *   α_tb = exp(e_tb - max_s e_sb) / Σ_s exp(e_sb - max_s e_sb)                           (3)
 *   context_b = Σ_t α_tb h_tb                                                            (4)
 *
 * and backward:
 *
 *   dα_tb = dcontext_b · h_tb                                                            (5)
 *   de_tb = α_tb (dα_tb - Σ_s α_sb dα_sb)                                                (6)
 *   dv += Σ_tb de_tb u_tb;    dz_tb = de_tb v (1 - u_tb²);    db += Σ_tb dz_tb             (7)
 *   dh_tb += α_tb dcontext_b + Wᵀ dz_tb;    dW += Σ_tb dz_tb h_tbᵀ                         (8) (9)
 *
 * The gradient of c is exactly zero, because softmax does not see a constant, so none is computed: its
 * rounding errors are all that would remain, and Adam scales those up to full steps.
 *
 *   h, dh (T,B,D)   u (T,B,A)   α (T,B)   context, dcontext (B,D)
 *   W, dW (A,D)     b, db (A)   v, dv (A)   c (1)
 *
 * Rows go through (1) and through (7) to (9) in blocks that stay in the cache. Where u = 0 it is not
 * kept: only a block of it exists at a time, and backward computes it again, to the same bits.
 *
 * Reference: Bahdanau, Cho & Bengio, Neural Machine Translation by Jointly Learning to Align and
 * Translate, ICLR 2015, section 3.1, without the decoder's state.
 */
import { exp4, tanh4 } from "./activation";
import { addRows, gemm, gemmBias, gemmOuter, pack, packTransposed, panelFloats } from "./gemm";
import { flush, loadLanes, madd, storeLanes, sumLanes } from "./simd";

/** Rows of a block; a step's B rows stay together. */
const BLOCK_ROWS: i32 = 64;

/** Floats of scratch that attentionForward and attentionBackward need. */
export function attentionScratch(T: i32, B: i32, D: i32, A: i32): i32 {
  return panelFloats(A, D) + panelFloats(A, 1) + panelFloats(D, A) + 2 * max(B, BLOCK_ROWS) * A + T * B;
}

/** u may be 0. */
export function attentionForward(
  context: usize, alpha: usize, u: usize,
  h: usize, W: usize, b: usize, v: usize, c: usize, scratch: usize,
  T: i32, B: i32, D: i32, A: i32,
): void {
  const panels = scratch; // of Wᵀ, then b
  const block = panels + (<usize>(panelFloats(A, D) + panelFloats(A, 1)) << 2);
  packHidden(panels, W, b, D, A);
  const steps = max(1, BLOCK_ROWS / B);
  for (let t = 0; t < T; t += steps) {
    const at = <usize>t * B;
    const rows = min(steps, T - t) * B;
    const u_t = u ? u + (at * A << 2) : block;
    hidden(u_t, h + (at * D << 2), panels, rows, D, A); // (1)
    for (let row = 0; row < rows; row++) {
      f32.store(alpha + (at + row << 2), dot(u_t + (<usize>(row * A) << 2), v, A) + f32.load(c)); // (2)
    }
  }
  softmaxOverTime(alpha, T, B); // (3)
  memory.fill(context, 0, <usize>(B * D) << 2);
  for (let t = 0; t < T; t++) {
    const at = <usize>t * B;
    for (let row = 0; row < B; row++) {
      const tb = at + row;
      addScaled(context + (<usize>(row * D) << 2), h + (tb * D << 2), f32.load(alpha + (tb << 2)), D); // (4)
    }
  }
}

function packHidden(panels: usize, W: usize, b: usize, D: i32, A: i32): void {
  packTransposed(panels, W, A, D);
  pack(panels + (<usize>panelFloats(A, D) << 2), b, 1, A);
}

/** (1) for M rows of h. */
function hidden(u: usize, h: usize, panels: usize, M: i32, D: i32, A: i32): void {
  gemmBias(u, h, panels, panels + (<usize>panelFloats(A, D) << 2), M, A, D, A, D);
  for (let n = 0, N = M * A; n < N; n += 4) {
    storeLanes(u, tanh4(loadLanes(u, N - n)), N - n);
    u += 16;
  }
}

/** (3) for each column of e (T,B), in place, four columns at once. A weight that underflows is zero. */
function softmaxOverTime(e: usize, T: i32, B: i32): void {
  const stride = <usize>B << 2;
  for (let b = 0; b < B; b += 4) {
    const lanes = B - b;
    const first = e + (<usize>b << 2);
    const end = first + <usize>T * stride;
    let highest = loadLanes(first, lanes);
    for (let e_t = first; e_t < end; e_t += stride) highest = f32x4.max(highest, loadLanes(e_t, lanes));
    let total = f32x4.splat(0);
    for (let e_t = first; e_t < end; e_t += stride) {
      const weight = exp4(f32x4.sub(loadLanes(e_t, lanes), highest));
      storeLanes(e_t, weight, lanes);
      total = f32x4.add(total, weight);
    }
    for (let e_t = first; e_t < end; e_t += stride) storeLanes(e_t, flush(f32x4.div(loadLanes(e_t, lanes), total)), lanes);
  }
}

/**
 * Add to dh, dW, db and dv. dh may be 0: the gradient of the input is not needed. It may be h: then it
 * takes the place of h, and is not added to it. u may be 0 if it was for attentionForward.
 */
export function attentionBackward(
  dh: usize, dW: usize, db: usize, dv: usize,
  dcontext: usize, alpha: usize, u: usize, h: usize, W: usize, b: usize, v: usize, scratch: usize,
  T: i32, B: i32, D: i32, A: i32,
): void {
  const steps = max(1, BLOCK_ROWS / B);
  const panels = scratch; // of Wᵀ and b for (1), then of W for (8)
  const inputPanels = panels + (<usize>(panelFloats(A, D) + panelFloats(A, 1)) << 2);
  const block = inputPanels + (<usize>panelFloats(D, A) << 2);
  const dz = block + (<usize>(max(B, BLOCK_ROWS) * A) << 2);
  const de = dz + (<usize>(max(B, BLOCK_ROWS) * A) << 2); // (T,B)
  if (!u) packHidden(panels, W, b, D, A);
  if (dh) pack(inputPanels, W, A, D);
  for (let t = 0; t < T; t++) {
    for (let row = 0; row < B; row++) {
      const tb = <usize>t * B + row;
      f32.store(de + (tb << 2), dot(dcontext + (<usize>(row * D) << 2), h + (tb * D << 2), D)); // (5)
    }
  }
  scoresBackward(de, alpha, T, B);
  for (let t = 0; t < T; t += steps) {
    const at = <usize>t * B;
    const rows = min(steps, T - t) * B;
    const h_t = h + (at * D << 2);
    const u_t = u ? u + (at * A << 2) : block;
    if (!u) hidden(u_t, h_t, panels, rows, D, A); // (1)
    tanhBackward(dz, dv, de + (at << 2), u_t, v, rows, A);
    addRows(db, dz, rows, A, A); // (7)
    gemmOuter(dW, dz, h_t, rows, A, D, D, A, D); // (9)
    if (!dh) continue;
    const dh_t = dh + (at * D << 2);
    if (dh == h) memory.fill(dh_t, 0, <usize>(rows * D) << 2);
    for (let row = 0; row < rows; row++) {
      addScaled(dh_t + (<usize>(row * D) << 2), dcontext + (<usize>(row % B * D) << 2), f32.load(alpha + (at + row << 2)), D); // (8)
    }
    gemm(dh_t, dz, inputPanels, rows, D, A, D, A, true); // (8)
  }
}

/** (6) dα becomes de, in place, four columns at once. */
function scoresBackward(dalpha: usize, alpha: usize, T: i32, B: i32): void {
  const stride = <usize>B << 2;
  for (let b = 0; b < B; b += 4) {
    const lanes = B - b;
    const first = <usize>b << 2;
    const end = first + <usize>T * stride;
    let mean = f32x4.splat(0);
    for (let at = first; at < end; at += stride) {
      mean = madd(loadLanes(alpha + at, lanes), loadLanes(dalpha + at, lanes), mean);
    }
    for (let at = first; at < end; at += stride) {
      const de = f32x4.mul(loadLanes(alpha + at, lanes), f32x4.sub(loadLanes(dalpha + at, lanes), mean));
      storeLanes(dalpha + at, flush(de), lanes);
    }
  }
}

/** (7) */
function tanhBackward(dz: usize, dv: usize, de: usize, u: usize, v: usize, M: i32, A: i32): void {
  const whole = A & ~3;
  for (let m = 0; m < M; m++) {
    const de_m = v128.load32_splat(de + (<usize>m << 2));
    for (let a = 0; a < whole; a += 4) {
      const at = <usize>a << 2;
      tanhBackward4(dz + at, dv + at, de_m, u + at, v + at, 4);
    }
    const at = <usize>whole << 2;
    if (whole < A) tanhBackward4(dz + at, dv + at, de_m, u + at, v + at, A - whole);
    u += <usize>A << 2;
    dz += <usize>A << 2;
  }
}

@inline
function tanhBackward4(dz: usize, dv: usize, de_m: v128, u: usize, v: usize, lanes: i32): void {
  const u_m = loadLanes(u, lanes);
  const slope = f32x4.sub(f32x4.splat(1), f32x4.mul(u_m, u_m));
  storeLanes(dz, flush(f32x4.mul(f32x4.mul(de_m, loadLanes(v, lanes)), slope)), lanes);
  storeLanes(dv, madd(de_m, u_m, loadLanes(dv, lanes)), lanes);
}

/** y (N) += scale x (N). */
function addScaled(y: usize, x: usize, scale: f32, N: i32): void {
  const factor = f32x4.splat(scale);
  const whole = N & ~3;
  for (let n = 0; n < whole; n += 4) {
    const at = <usize>n << 2;
    v128.store(y + at, madd(factor, v128.load(x + at), v128.load(y + at)));
  }
  const at = <usize>whole << 2;
  const rest = N - whole;
  if (rest) storeLanes(y + at, madd(factor, loadLanes(x + at, rest), loadLanes(y + at, rest)), rest);
}

function dot(x: usize, y: usize, N: i32): f32 {
  let sum = f32x4.splat(0);
  const whole = N & ~3;
  for (let n = 0; n < whole; n += 4) sum = madd(v128.load(x + (n << 2)), v128.load(y + (n << 2)), sum);
  const at = <usize>whole << 2;
  if (whole < N) sum = madd(loadLanes(x + at, N - whole), loadLanes(y + at, N - whole), sum);
  return sumLanes(sum);
}
