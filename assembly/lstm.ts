/**
 * One direction of a long short-term memory layer, forward and backward through time.
 *
 * With gates in ONNX order i (input), o (output), f (forget), g (cell candidate; ONNX calls it c):
 *
 *   z_t = x_t Wᵀ + Wb + h_{t-1} Rᵀ + Rb                                                    (1)
 *   i, o, f = sigmoid(z_i), sigmoid(z_o), sigmoid(z_f);   g = tanh(z_g)                     (2)
 *   c_t = f c_{t-1} + i g                                                                  (3)
 *   h_t = o tanh(c_t)                                                                      (4)
 *
 * and backward, with dh_t the gradient of h_t from above plus the one from step t+1:
 *
 *   dc_t = dc_{t+1} f_{t+1} + dh_t o (1 - tanh²(c_t))                                       (5)
 *   dz_i = dc g i (1-i);  dz_o = dh tanh(c) o (1-o);  dz_f = dc c_{t-1} f (1-f);  dz_g = dc i (1-g²)   (6)
 *   dh_{t-1} = dz_t R;   dx_t = dz_t W                                                      (7)
 *   dW = Σ dz_tᵀ x_t;    dR = Σ dz_tᵀ h_{t-1};    dWb = dRb = Σ dz_t                         (8)
 *
 * Reference: Hochreiter & Schmidhuber, Neural Computation 1997; gates and layout as ONNX LSTM-14.
 *
 *   x (T,B,I)   W (4H,I)   R (4H,H)   bias (8H) = [Wb, Rb]   y (T,B,·) with row stride ldy
 *   gates (T,B,·) with row stride lstmRow(H)   c (T,B,Hp)        Hp = H rounded up to a multiple of 4
 *
 * Inside, the four gates of four units lie side by side (gates.ts), so that one epilogue loads i, o, f
 * and g of the same units as four neighbouring vectors:        | i0…3 | o0…3 | f0…3 | g0…3 | i4…7 | …
 *
 * `gates` holds z, then the activated gates, then dz, all in place. The units that pad H to Hp have
 * zero weights, hence z = 0, g = 0 and c = h = 0: they never need a special case.
 * A reversed direction walks from T-1 to 0; rows stay where their time step is.
 *
 * A sequence may be walked in blocks: T is then the length of a block, and c0 points to the cell
 * state (B,Hp) before its first step; h before it is the row of y on the other side of the block's
 * border. c0 = 0 says that the block is the first, and both states are zero. Sums over time run in
 * the backward pass's order, from the last step walked to the first, so that blocks change no bit.
 */
import { addRows, gemm, gemmBelow, gemmOuter, gemmPair, oddLines, panelFloats } from "./gemm";
import { packBias, packFromGates, packGates, padded, unpackBias, unpackGates } from "./gates";
import { flush, madd, loadLanes, storeLanes } from "./simd";
import { sigmoid12, tanh4 } from "./activation";

/** Rows that a product over several steps should have: fewer are not worth a pass over W, or over dW and dR. */
const PRODUCT_ROWS: i32 = 32;

/** Every column has the gate of its place, in W and in R: see gates.ts. */
const ORDER: i32 = 0x03020100;

/** Row stride of `gates`, in floats: 4·Hp columns, and an odd number of cache lines. */
export function lstmRow(H: i32): i32 {
  return oddLines(4 * padded(H));
}

/** Floats of scratch that lstmForward needs. */
export function lstmForwardScratch(I: i32, H: i32): i32 {
  return 4 * padded(H) * (I + H + 1);
}

/** y, gates and c from x: equations (1) to (4). */
export function lstmForward(
  y: usize, gates: usize, c: usize,
  x: usize, W: usize, R: usize, bias: usize, c0: usize, scratch: usize,
  T: i32, B: i32, I: i32, H: i32, ldy: i32, reverse: bool,
): void {
  const columns = 4 * padded(H);
  const row = lstmRow(H);
  const panels = scratch;
  const packedBias = panels + (<usize>columns * (I + H) << 2);
  lstmPack(panels, W, R, bias, I, H);

  const gatesStep = <usize>B * row << 2;
  const cellStep = <usize>B * padded(H) << 2;
  const outputStep = <usize>B * ldy << 2;
  const inputStep = <usize>B * I << 2;
  // With fewer rows a step than a product should have, the input's part is done for several steps at once.
  const steps = max(1, PRODUCT_ROWS / B);
  for (let begin = 0; begin < T; begin += steps) {
    const end = min(T, begin + steps);
    if (steps > 1) {
      const t = <usize>(reverse ? T - end : begin); // the least of them
      gemmPair(gates + t * gatesStep, packedBias, x + t * inputStep, 0, panels, B * (end - begin), columns, I, H, false, row, I, 0); // (1)
    }
    for (let step = begin; step < end; step++) {
      const t = <usize>(reverse ? T - 1 - step : step);
      const before = reverse ? t + 1 : t - 1;
      const gates_t = gates + t * gatesStep;
      const h0 = y + before * outputStep;
      const c_before = step > 0 ? c + before * cellStep : c0;
      if (steps == 1) gemmPair(gates_t, packedBias, x + t * inputStep, h0, panels, B, columns, I, H, c_before != 0, row, I, ldy); // (1)
      else if (c_before) gemmBelow(gates_t, h0, panels, I, B, columns, H, row, ldy); // (1)
      cellForward(y + t * outputStep, gates_t, c + t * cellStep, c_before, B, H, ldy, row);
    }
  }
}

/** Floats of packed weights and scratch that lstmStep needs. */
export function lstmStepFloats(I: i32, H: i32): i32 {
  return 4 * padded(H) * (I + H + 2);
}

/** The weights of one direction, packed for lstmStep: panels of [Wᵀ; Rᵀ], then Wb + Rb, both in gate order. */
export function lstmPack(packed: usize, W: usize, R: usize, bias: usize, I: i32, H: i32): void {
  for (let j = 0; j < H; j += 4) {
    packGates(packed, W, ORDER, I, H, j);
    packed += <usize>I << 6;
    packGates(packed, R, ORDER, H, H, j);
    packed += <usize>H << 6;
  }
  packBias(packed, bias, ORDER, ORDER, 4, H);
}

/**
 * One step of a stream, equations (1) to (4) for one row: h (Hp) and c (Hp) become the next state.
 * `packed` comes from lstmPack and has lstmStepFloats(I, H) floats, the last 4·Hp of them scratch.
 */
export function lstmStep(h: usize, c: usize, x: usize, packed: usize, I: i32, H: i32): void {
  const columns = 4 * padded(H);
  const packedBias = packed + (<usize>columns * (I + H) << 2);
  const z = packedBias + (<usize>columns << 2);
  gemmPair(z, packedBias, x, h, packed, 1, columns, I, H, true, columns, I, H); // (1)
  cellForward(h, z, c, c, 1, H, H, columns);
}

/**
 * Equations (2) to (4) for one step. c0 = 0 means a zero state; c_t may be c0. In two passes over a row,
 * because (4) waits for all of (2) and (3): in one, a processor would run out of work to overlap.
 */
function cellForward(y_t: usize, gates_t: usize, c_t: usize, c0: usize, B: i32, H: i32, ldy: i32, row: i32): void {
  for (let b = 0; b < B; b++) {
    for (let j = 0; j < H; j += 4) {
      const gates_tbj = gates_t + (<usize>j << 4);
      sigmoid12(gates_tbj); // (2)
      v128.store(gates_tbj, tanh4(v128.load(gates_tbj, 48)), 48);
    }
    for (let j = 0; j < H; j += 4) {
      const gates_tbj = gates_t + (<usize>j << 4);
      let cell = f32x4.mul(v128.load(gates_tbj), v128.load(gates_tbj, 48));
      if (c0) {
        cell = madd(v128.load(gates_tbj, 32), v128.load(c0), cell); // (3)
        c0 += 16;
      }
      cell = flush(cell);
      v128.store(c_t, cell);
      storeLanes(y_t + (<usize>j << 2), flush(f32x4.mul(v128.load(gates_tbj, 16), tanh4(cell))), H - j); // (4)
      c_t += 16;
    }
    y_t += <usize>ldy << 2;
    gates_t += <usize>row << 2;
  }
}

/** Floats of the packed gradients of one direction: dW, dR and dbias as lstmBackward gathers them. */
export function lstmGradientFloats(I: i32, H: i32): i32 {
  return 4 * padded(H) * (I + H + 1);
}

/** Floats of scratch that lstmBackward needs. */
export function lstmBackwardScratch(H: i32): i32 {
  return panelFloats(H, 4 * padded(H));
}

/**
 * Equations (5) to (8) but for dx: `gates` becomes dz; dh and dc (B,Hp) come in as the gradients of the
 * states behind the last step and go out as those before the first; the gradients of the weights are
 * added to `packed`. dy has the row stride of y.
 */
export function lstmBackward(
  packed: usize, dh: usize, dc: usize,
  dy: usize, y: usize, gates: usize, c: usize, x: usize, R: usize, c0: usize, scratch: usize,
  T: i32, B: i32, I: i32, H: i32, ldy: i32, reverse: bool,
): void {
  const Hp = padded(H);
  const columns = 4 * Hp;
  const row = lstmRow(H);
  const dW = packed; // (I, columns)
  const dR = dW + (<usize>columns * I << 2); // (H, columns)
  const dbias = dR + (<usize>columns * H << 2); // (columns)
  const panels = scratch;
  packFromGates(panels, R, ORDER, H, H);

  const gatesStep = <usize>B * row << 2;
  const cellStep = <usize>B * Hp << 2;
  const outputStep = <usize>B * ldy << 2;
  const inputStep = <usize>B * I << 2;
  const sign = reverse ? 1 : -1; // where the next row of (8) lies: from the last step walked to the first
  const lastRow: usize = reverse ? 0 : <usize>B - 1; // of the B rows of a step, the first of (8)
  const steps = max(1, PRODUCT_ROWS / B);
  for (let end = T; end > 0; end -= steps) {
    const begin = max(0, end - steps);
    for (let step = end - 1; step >= begin; step--) {
      const t = <usize>(reverse ? T - 1 - step : step);
      const before = reverse ? t + 1 : t - 1;
      const gates_t = gates + t * gatesStep;
      const c_before = step > 0 ? c + before * cellStep : c0;
      cellBackward(gates_t, dc, dy + t * outputStep, dh, c + t * cellStep, c_before, B, H, ldy, row);
      if (c_before) gemm(dh, gates_t, panels, B, H, columns, Hp, row, false); // (7)
    }
    const t = <usize>(reverse ? T - end : end - 1);
    const before = reverse ? t + 1 : t - 1;
    const dz = gates + t * gatesStep + (lastRow * row << 2);
    const rows = B * (end - begin);
    gemmOuter(dW, x + t * inputStep + (lastRow * I << 2), dz, rows, I, columns, columns, sign * I, sign * row); // (8)
    const rowsAfterState = begin > 0 || c0 ? rows : rows - B;
    gemmOuter(dR, y + before * outputStep + (lastRow * ldy << 2), dz, rowsAfterState, H, columns, columns, sign * ldy, sign * row); // (8)
    addRows(dbias, dz, rows, columns, sign * row); // (8)
  }
}

/** Equation (7) for dx (M,I) += dz W, for any M rows of `gates`; scratch of panelFloats(I, 4·Hp) floats. */
export function lstmInput(dx: usize, gates: usize, W: usize, scratch: usize, M: i32, I: i32, H: i32): void {
  packFromGates(scratch, W, ORDER, I, H);
  gemm(dx, gates, scratch, M, I, 4 * padded(H), I, lstmRow(H), true); // (7)
}

/** Floats of scratch that lstmInput needs. */
export function lstmInputScratch(I: i32, H: i32): i32 {
  return panelFloats(I, 4 * padded(H));
}

/** Add the gradients that lstmBackward has gathered to dW (4H,I), dR (4H,H) and dbias (8H). */
export function lstmGradients(dW: usize, dR: usize, dbias: usize, packed: usize, I: i32, H: i32): void {
  const columns = <usize>(4 * padded(H));
  unpackGates(dW, packed, ORDER, I, H);
  unpackGates(dR, packed + (columns * I << 2), ORDER, H, H);
  unpackBias(dbias, packed + (columns * (I + H) << 2), ORDER, ORDER, 4, H);
}

/** Equations (5) and (6) for one step; gates become dz. */
function cellBackward(
  gates_t: usize, dc: usize, dy_t: usize, dh: usize, c_t: usize, c0: usize, B: i32, H: i32, ldy: i32, row: i32,
): void {
  const one = f32x4.splat(1);
  for (let b = 0; b < B; b++) {
    let dy_tb = dy_t + (<usize>b * ldy << 2);
    let gates_tb = gates_t + (<usize>b * row << 2);
    for (let j = 0; j < H; j += 4) {
      const i = v128.load(gates_tb);
      const o = v128.load(gates_tb, 16);
      const f = v128.load(gates_tb, 32);
      const g = v128.load(gates_tb, 48);
      const dh_t = f32x4.add(loadLanes(dy_tb, H - j), loadLanes(dh, H - j));
      const tanhC = tanh4(v128.load(c_t));
      const dho = f32x4.mul(dh_t, o);
      const dcell = flush(f32x4.add(v128.load(dc), f32x4.mul(dho, f32x4.sub(one, f32x4.mul(tanhC, tanhC))))); // (5)
      v128.store(dc, flush(f32x4.mul(dcell, f)));
      const dci = f32x4.mul(dcell, i);
      v128.store(gates_tb, flush(f32x4.mul(f32x4.mul(dci, g), f32x4.sub(one, i)))); // (6)
      v128.store(gates_tb, flush(f32x4.mul(f32x4.mul(dho, tanhC), f32x4.sub(one, o))), 16);
      let df = f32x4.splat(0);
      if (c0) {
        df = flush(f32x4.mul(f32x4.mul(f32x4.mul(dcell, v128.load(c0)), f), f32x4.sub(one, f)));
        c0 += 16;
      }
      v128.store(gates_tb, df, 32);
      v128.store(gates_tb, flush(f32x4.mul(dci, f32x4.sub(one, f32x4.mul(g, g)))), 48);
      gates_tb += 64;
      dc += 16;
      dh += 16;
      c_t += 16;
      dy_tb += 16;
    }
  }
}
