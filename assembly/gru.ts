/**
 * One direction of a gated recurrent unit, forward and backward through time.
 *
 * With gates in ONNX order z (update), r (reset), h (candidate, g below), and the reset applied behind the
 * recurrent product (ONNX: linear_before_reset = 1), as cuDNN and PyTorch have it:
 *
 *   z, r = sigmoid(x_t W_z,rᵀ + Wb_z,r + h_{t-1} R_z,rᵀ + Rb_z,r)                            (1)
 *   p = x_t W_hᵀ + Wb_h;   q = h_{t-1} R_hᵀ + Rb_h;   g = tanh(p + r q)                      (2)
 *   h_t = g + z (h_{t-1} - g)                                                              (3)
 *
 * and backward, with dh_t the gradient of h_t from above plus the one from step t+1:
 *
 *   da_z = dh (h_{t-1} - g) z (1-z);   dp = dh (1-z) (1-g²);   dq = dp r;   da_r = dp q r (1-r)   (4)
 *   dh_{t-1} = dh z + [da_z, da_r, dq] R;   dx_t = [da_z, da_r, dp] W                        (5)
 *   dW = Σ [da_z, da_r, dp]ᵀ x_t;   dR = Σ [da_z, da_r, dq]ᵀ h_{t-1};   dWb, dRb likewise     (6)
 *
 * Reference: Cho et al., EMNLP 2014; the place of the reset: Appleyard et al., arXiv:1604.01946; layout
 * as ONNX GRU-14.
 *
 *   x (T,B,I)   W (3H,I)   R (3H,H)   bias (6H) = [Wb, Rb]   y (T,B,·) with row stride ldy
 *   gates (T,B,·) with row stride lstmRow(H)   c (T,B,Hp)        Hp = H rounded up to a multiple of 4
 *
 * A unit has four columns as an LSTM's has, | z | r | q | p |: W has zeros for q and R for p, so that one
 * product makes all four, and everything has the size that lstm.ts says (lstmRow, lstmForwardScratch …,
 * lstmInputScratch). A quarter of it is wasted. `gates`
 * holds the products, then z, r, q, g, then their gradients, all in place.
 *
 * c is h once more, in whole vectors and for one direction alone; dc is the part of dh_{t-1} that passes
 * by the gates, dh z. So c, c0, dh, dc, blocks of time and the order of sums are those of lstm.ts.
 */
import { addRows, gemm, gemmBelow, gemmOuter, gemmPair, oddLines } from "./gemm";
import { packBias, packFromGates, packGates, padded, unpackBias, unpackGates } from "./gates";
import { flush, loadLanes, madd, storeLanes } from "./simd";
import { sigmoid4, tanh4 } from "./activation";

/** As in lstm.ts: rows that a product over several steps should have. */
const PRODUCT_ROWS: i32 = 32;

/** Of the columns z, r, q, p the blocks of W and of R: see gates.ts. */
const ORDER_W: i32 = 0x02ff0100;
const ORDER_R: i32 = 0xff020100;

/** y, gates and c from x: equations (1) to (3). */
export function gruForward(
  y: usize, gates: usize, c: usize,
  x: usize, W: usize, R: usize, bias: usize, c0: usize, scratch: usize,
  T: i32, B: i32, I: i32, H: i32, ldy: i32, reverse: bool,
): void {
  const columns = 4 * padded(H);
  const row = oddLines(columns);
  const panels = scratch;
  const packedBias = panels + (<usize>columns * (I + H) << 2);
  gruPack(panels, W, R, bias, I, H);

  const gatesStep = <usize>B * row << 2;
  const stateStep = <usize>B * padded(H) << 2;
  const outputStep = <usize>B * ldy << 2;
  const inputStep = <usize>B * I << 2;
  const steps = max(1, PRODUCT_ROWS / B);
  for (let begin = 0; begin < T; begin += steps) {
    const end = min(T, begin + steps);
    if (steps > 1) {
      const t = <usize>(reverse ? T - end : begin); // the least of them
      gemmPair(gates + t * gatesStep, packedBias, x + t * inputStep, 0, panels, B * (end - begin), columns, I, H, false, row, I, 0); // (1) (2)
    }
    for (let step = begin; step < end; step++) {
      const t = <usize>(reverse ? T - 1 - step : step);
      const before = reverse ? t + 1 : t - 1;
      const gates_t = gates + t * gatesStep;
      const h0 = y + before * outputStep;
      const c_before = step > 0 ? c + before * stateStep : c0;
      if (steps == 1) gemmPair(gates_t, packedBias, x + t * inputStep, h0, panels, B, columns, I, H, c_before != 0, row, I, ldy); // (1) (2)
      else if (c_before) gemmBelow(gates_t, h0, panels, I, B, columns, H, row, ldy); // (1) (2)
      stateForward(y + t * outputStep, gates_t, c + t * stateStep, c_before, B, H, ldy, row);
    }
  }
}

/** The weights of one direction, packed for gruStep, which wants lstmStepFloats(I, H) floats, the last 4·Hp of them scratch. */
export function gruPack(packed: usize, W: usize, R: usize, bias: usize, I: i32, H: i32): void {
  for (let j = 0; j < H; j += 4) {
    packGates(packed, W, ORDER_W, I, H, j);
    packed += <usize>I << 6;
    packGates(packed, R, ORDER_R, H, H, j);
    packed += <usize>H << 6;
  }
  packBias(packed, bias, ORDER_W, ORDER_R, 3, H);
}

/** One step of a stream, equations (1) to (3) for one row: h (Hp) becomes the next state. */
export function gruStep(h: usize, x: usize, packed: usize, I: i32, H: i32): void {
  const columns = 4 * padded(H);
  const packedBias = packed + (<usize>columns * (I + H) << 2);
  const gates = packedBias + (<usize>columns << 2);
  gemmPair(gates, packedBias, x, h, packed, 1, columns, I, H, true, columns, I, H); // (1) (2)
  stateForward(h, gates, h, h, 1, H, H, columns);
}

/** The gates of (1), then (2) and (3), for one step. c0 = 0 means a zero state; c_t and y_t may be c0. */
function stateForward(y_t: usize, gates_t: usize, c_t: usize, c0: usize, B: i32, H: i32, ldy: i32, row: i32): void {
  for (let b = 0; b < B; b++) {
    for (let j = 0; j < H; j += 4) {
      const gates_tbj = gates_t + (<usize>j << 4);
      v128.store(gates_tbj, sigmoid4(v128.load(gates_tbj))); // (1)
      v128.store(gates_tbj, sigmoid4(v128.load(gates_tbj, 16)), 16);
    }
    for (let j = 0; j < H; j += 4) {
      const gates_tbj = gates_t + (<usize>j << 4);
      const g = tanh4(madd(v128.load(gates_tbj, 16), v128.load(gates_tbj, 32), v128.load(gates_tbj, 48))); // (2)
      v128.store(gates_tbj, g, 48);
      let before = f32x4.splat(0);
      if (c0) {
        before = v128.load(c0);
        c0 += 16;
      }
      const h = flush(madd(v128.load(gates_tbj), f32x4.sub(before, g), g)); // (3)
      v128.store(c_t, h);
      storeLanes(y_t + (<usize>j << 2), h, H - j);
      c_t += 16;
    }
    y_t += <usize>ldy << 2;
    gates_t += <usize>row << 2;
  }
}

/**
 * Equations (4) to (6) but for dx: `gates` becomes their gradient; dh and dc (B,Hp) come in as the two
 * parts of the gradient of the state behind the last step and go out as those before the first; the
 * gradients of the weights are added to `packed`, lstmGradientFloats(I, H). dy has the row stride of y.
 */
export function gruBackward(
  packed: usize, dh: usize, dc: usize,
  dy: usize, y: usize, gates: usize, c: usize, x: usize, R: usize, c0: usize, scratch: usize,
  T: i32, B: i32, I: i32, H: i32, ldy: i32, reverse: bool,
): void {
  const Hp = padded(H);
  const columns = 4 * Hp;
  const row = oddLines(columns);
  const dW = packed; // (I, columns)
  const dR = dW + (<usize>columns * I << 2); // (H, columns)
  const dbias = dR + (<usize>columns * H << 2); // (columns)
  const panels = scratch;
  packFromGates(panels, R, ORDER_R, H, H);

  const gatesStep = <usize>B * row << 2;
  const stateStep = <usize>B * Hp << 2;
  const outputStep = <usize>B * ldy << 2;
  const inputStep = <usize>B * I << 2;
  const sign = reverse ? 1 : -1; // where the next row of (6) lies: from the last step walked to the first
  const lastRow: usize = reverse ? 0 : <usize>B - 1; // of the B rows of a step, the first of (6)
  const steps = max(1, PRODUCT_ROWS / B);
  for (let end = T; end > 0; end -= steps) {
    const begin = max(0, end - steps);
    for (let step = end - 1; step >= begin; step--) {
      const t = <usize>(reverse ? T - 1 - step : step);
      const before = reverse ? t + 1 : t - 1;
      const gates_t = gates + t * gatesStep;
      const c_before = step > 0 ? c + before * stateStep : c0;
      stateBackward(gates_t, dc, dy + t * outputStep, dh, c_before, B, H, ldy, row);
      if (c_before) gemm(dh, gates_t, panels, B, H, columns, Hp, row, false); // (5)
    }
    const t = <usize>(reverse ? T - end : end - 1);
    const before = reverse ? t + 1 : t - 1;
    const da = gates + t * gatesStep + (lastRow * row << 2);
    const rows = B * (end - begin);
    gemmOuter(dW, x + t * inputStep + (lastRow * I << 2), da, rows, I, columns, columns, sign * I, sign * row); // (6)
    const rowsAfterState = begin > 0 || c0 ? rows : rows - B;
    gemmOuter(dR, y + before * outputStep + (lastRow * ldy << 2), da, rowsAfterState, H, columns, columns, sign * ldy, sign * row); // (6)
    addRows(dbias, da, rows, columns, sign * row); // (6)
  }
}

/** Equation (5) for dx (M,I) += da W, for any M rows of `gates`; scratch of lstmInputScratch(I, H) floats. */
export function gruInput(dx: usize, gates: usize, W: usize, scratch: usize, M: i32, I: i32, H: i32): void {
  const columns = 4 * padded(H);
  packFromGates(scratch, W, ORDER_W, I, H);
  gemm(dx, gates, scratch, M, I, columns, I, oddLines(columns), true); // (5)
}

/** Add the gradients that gruBackward has gathered to dW (3H,I), dR (3H,H) and dbias (6H). */
export function gruGradients(dW: usize, dR: usize, dbias: usize, packed: usize, I: i32, H: i32): void {
  const columns = <usize>(4 * padded(H));
  unpackGates(dW, packed, ORDER_W, I, H);
  unpackGates(dR, packed + (columns * I << 2), ORDER_R, H, H);
  unpackBias(dbias, packed + (columns * (I + H) << 2), ORDER_W, ORDER_R, 3, H);
}

/** Equation (4) for one step; gates become their gradients, dc what of dh passes by them. */
function stateBackward(gates_t: usize, dc: usize, dy_t: usize, dh: usize, c0: usize, B: i32, H: i32, ldy: i32, row: i32): void {
  const one = f32x4.splat(1);
  for (let b = 0; b < B; b++) {
    let dy_tb = dy_t + (<usize>b * ldy << 2);
    let gates_tb = gates_t + (<usize>b * row << 2);
    for (let j = 0; j < H; j += 4) {
      const z = v128.load(gates_tb);
      const r = v128.load(gates_tb, 16);
      const q = v128.load(gates_tb, 32);
      const g = v128.load(gates_tb, 48);
      const dh_t = f32x4.add(f32x4.add(loadLanes(dy_tb, H - j), loadLanes(dh, H - j)), v128.load(dc));
      const dhz = f32x4.mul(dh_t, z);
      const dp = flush(f32x4.mul(f32x4.sub(dh_t, dhz), f32x4.sub(one, f32x4.mul(g, g)))); // (4)
      const dq = flush(f32x4.mul(dp, r));
      let before = f32x4.splat(0);
      if (c0) {
        before = v128.load(c0);
        c0 += 16;
      }
      v128.store(gates_tb, flush(f32x4.mul(f32x4.mul(dhz, f32x4.sub(before, g)), f32x4.sub(one, z))));
      v128.store(gates_tb, flush(f32x4.mul(f32x4.mul(dq, q), f32x4.sub(one, r))), 16);
      v128.store(gates_tb, dq, 32);
      v128.store(gates_tb, dp, 48);
      v128.store(dc, flush(dhz));
      gates_tb += 64;
      dc += 16;
      dh += 16;
      dy_tb += 16;
    }
  }
}
