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
 *   gates (T,B,4·Hp)   c (T,B,Hp)            Hp = H rounded up to a multiple of 4
 *
 * Inside, the four gates of four units lie side by side, so that one epilogue loads i, o, f and g of
 * the same units as four neighbouring vectors, and 16 columns are one panel of gemm:
 *
 *   column(g, j) = (j >> 2) * 16 + g * 4 + (j & 3)        | i0…3 | o0…3 | f0…3 | g0…3 | i4…7 | …
 *
 * `gates` holds z, then the activated gates, then dz, all in place. The units that pad H to Hp have
 * zero weights, hence z = 0, g = 0 and c = h = 0: they never need a special case.
 * A reversed direction walks from T-1 to 0; rows stay where their time step is.
 */
import { addRows, gemm, gemmBias, gemmOuter, panelFloats } from "./gemm";
import { flush, madd, loadLanes, storeLanes } from "./simd";
import { sigmoid4, tanh4 } from "./activation";

@inline
function padded(H: i32): i32 {
  return (H + 3) & ~3;
}

/** Floats of scratch that lstmForward needs. */
export function lstmForwardScratch(I: i32, H: i32): i32 {
  return 4 * padded(H) * (I + H + 1);
}

/** Floats of scratch that lstmBackward needs. */
export function lstmBackwardScratch(B: i32, I: i32, H: i32): i32 {
  const columns = 4 * padded(H);
  return panelFloats(H, columns) + panelFloats(I, columns) + columns * (I + H + 1) + 2 * B * padded(H);
}

/** y, gates and c from x: equations (1) to (4). h_0 = c_0 = 0. */
export function lstmForward(
  y: usize, gates: usize, c: usize,
  x: usize, W: usize, R: usize, bias: usize, scratch: usize,
  T: i32, B: i32, I: i32, H: i32, ldy: i32, reverse: bool,
): void {
  const Hp = padded(H);
  const columns = 4 * Hp;
  const inputPanels = scratch;
  const recurrentPanels = inputPanels + (<usize>columns * I << 2);
  const packedBias = recurrentPanels + (<usize>columns * H << 2);
  packGates(inputPanels, W, I, H);
  packGates(recurrentPanels, R, H, H);
  packBias(packedBias, bias, H);

  gemmBias(gates, x, inputPanels, packedBias, T * B, columns, I, columns, I); // (1), all steps at once
  const gatesStep = <usize>B * columns << 2;
  const cellStep = <usize>B * Hp << 2;
  const outputStep = <usize>B * ldy << 2;
  let before: usize = 0; // index of the step before t in walking order, valid from the second step on
  for (let step = 0; step < T; step++) {
    const t = <usize>(reverse ? T - 1 - step : step);
    const gates_t = gates + t * gatesStep;
    if (step > 0) gemm(gates_t, y + before * outputStep, recurrentPanels, B, columns, H, columns, ldy, true); // (1)
    cellForward(y + t * outputStep, gates_t, c + t * cellStep, step > 0 ? c + before * cellStep : 0, B, H, ldy);
    before = t;
  }
}

/** Equations (2) to (4) for one step. c0 = 0 means a zero state. */
function cellForward(y_t: usize, gates_t: usize, c_t: usize, c0: usize, B: i32, H: i32, ldy: i32): void {
  for (let b = 0; b < B; b++) {
    let y_tb = y_t + (<usize>b * ldy << 2);
    for (let j = 0; j < H; j += 4) {
      const i = sigmoid4(v128.load(gates_t)); // (2)
      const o = sigmoid4(v128.load(gates_t, 16));
      const f = sigmoid4(v128.load(gates_t, 32));
      const g = tanh4(v128.load(gates_t, 48));
      let cell = f32x4.mul(i, g);
      if (c0) {
        cell = madd(f, v128.load(c0), cell); // (3)
        c0 += 16;
      }
      cell = flush(cell);
      v128.store(gates_t, i);
      v128.store(gates_t, o, 16);
      v128.store(gates_t, f, 32);
      v128.store(gates_t, g, 48);
      v128.store(c_t, cell);
      storeLanes(y_tb, flush(f32x4.mul(o, tanh4(cell))), H - j); // (4)
      gates_t += 64;
      c_t += 16;
      y_tb += 16;
    }
  }
}

/**
 * Add to dx, dW, dR and dbias, from dy (T,B,·) with the row stride of y: equations (5) to (8).
 * dx may be 0: the gradient of the first layer's input is not needed. `gates` becomes dz.
 */
export function lstmBackward(
  dx: usize, dW: usize, dR: usize, dbias: usize,
  dy: usize, y: usize, gates: usize, c: usize, x: usize, W: usize, R: usize, scratch: usize,
  T: i32, B: i32, I: i32, H: i32, ldy: i32, reverse: bool,
): void {
  const Hp = padded(H);
  const columns = 4 * Hp;
  const recurrentPanels = scratch;
  const inputPanels = recurrentPanels + (<usize>panelFloats(H, columns) << 2);
  const dWp = inputPanels + (<usize>panelFloats(I, columns) << 2); // (I, columns)
  const dRp = dWp + (<usize>columns * I << 2); // (H, columns)
  const dbp = dRp + (<usize>columns * H << 2); // (columns)
  const dh = dbp + (<usize>columns << 2); // (B,Hp) from the step after
  const dc = dh + (<usize>B * Hp << 2); // (B,Hp)
  memory.fill(dWp, 0, <usize>columns * (I + H + 1) + 2 * <usize>B * Hp << 2);
  packFromGates(recurrentPanels, R, H, H);

  const gatesStep = <usize>B * columns << 2;
  const cellStep = <usize>B * Hp << 2;
  const outputStep = <usize>B * ldy << 2;
  for (let step = T - 1; step >= 0; step--) {
    const t = <usize>(reverse ? T - 1 - step : step);
    const before = reverse ? t + 1 : t - 1;
    const gates_t = gates + t * gatesStep;
    cellBackward(gates_t, dc, dy + t * outputStep, dh, c + t * cellStep, step > 0 ? c + before * cellStep : 0, B, H, ldy);
    if (step > 0) {
      gemm(dh, gates_t, recurrentPanels, B, H, columns, Hp, columns, false); // (7)
      gemmOuter(dRp, y + before * outputStep, gates_t, B, H, columns, columns, ldy, columns); // (8)
    }
  }
  gemmOuter(dWp, x, gates, T * B, I, columns, columns, I, columns); // (8)
  addRows(dbp, gates, T * B, columns); // (8)
  if (dx) {
    packFromGates(inputPanels, W, I, H);
    gemm(dx, gates, inputPanels, T * B, I, columns, I, columns, true); // (7)
  }
  unpackGates(dW, dWp, I, H);
  unpackGates(dR, dRp, H, H);
  unpackBias(dbias, dbp, H);
}

/** Equations (5) and (6) for one step; gates become dz. */
function cellBackward(gates_t: usize, dc: usize, dy_t: usize, dh: usize, c_t: usize, c0: usize, B: i32, H: i32, ldy: i32): void {
  const one = f32x4.splat(1);
  for (let b = 0; b < B; b++) {
    let dy_tb = dy_t + (<usize>b * ldy << 2);
    for (let j = 0; j < H; j += 4) {
      const i = v128.load(gates_t);
      const o = v128.load(gates_t, 16);
      const f = v128.load(gates_t, 32);
      const g = v128.load(gates_t, 48);
      const dh_t = f32x4.add(loadLanes(dy_tb, H - j), loadLanes(dh, H - j));
      const tanhC = tanh4(v128.load(c_t));
      const dho = f32x4.mul(dh_t, o);
      const dcell = flush(f32x4.add(v128.load(dc), f32x4.mul(dho, f32x4.sub(one, f32x4.mul(tanhC, tanhC))))); // (5)
      v128.store(dc, flush(f32x4.mul(dcell, f)));
      const dci = f32x4.mul(dcell, i);
      v128.store(gates_t, flush(f32x4.mul(f32x4.mul(dci, g), f32x4.sub(one, i)))); // (6)
      v128.store(gates_t, flush(f32x4.mul(f32x4.mul(dho, tanhC), f32x4.sub(one, o))), 16);
      let df = f32x4.splat(0);
      if (c0) {
        df = flush(f32x4.mul(f32x4.mul(f32x4.mul(dcell, v128.load(c0)), f), f32x4.sub(one, f)));
        c0 += 16;
      }
      v128.store(gates_t, df, 32);
      v128.store(gates_t, flush(f32x4.mul(dci, f32x4.sub(one, f32x4.mul(g, g)))), 48);
      gates_t += 64;
      dc += 16;
      dh += 16;
      c_t += 16;
      dy_tb += 16;
    }
  }
}

/** Panels of Wᵀ, W (4H,K), columns in gate order: one panel holds the gates of four units. */
function packGates(panels: usize, W: usize, K: i32, H: i32): void {
  for (let j = 0; j < H; j += 4) {
    for (let k = 0; k < K; k++) {
      for (let g = 0; g < 4; g++) {
        for (let l = 0; l < 4; l++) {
          const value: f32 = j + l < H ? f32.load(W + ((<usize>(g * H + j + l) * K + k) << 2)) : 0;
          f32.store(panels + ((g * 4 + l) << 2), value);
        }
      }
      panels += 64;
    }
  }
}

/** Panels of W (4H,N) with its rows in gate order: for products with dz. */
function packFromGates(panels: usize, W: usize, N: i32, H: i32): void {
  for (let p = 0; p < N; p += 16) {
    for (let j = 0; j < H; j += 4) {
      for (let g = 0; g < 4; g++) {
        for (let l = 0; l < 4; l++) {
          const row = W + ((<usize>(g * H + j + l) * N + p) << 2);
          for (let n = 0; n < 16; n++) {
            f32.store(panels + (n << 2), j + l < H && p + n < N ? f32.load(row + (n << 2)) : 0);
          }
          panels += 64;
        }
      }
    }
  }
}

/** Wb + Rb in gate order. */
function packBias(packed: usize, bias: usize, H: i32): void {
  for (let j = 0; j < H; j += 4) {
    for (let g = 0; g < 4; g++) {
      for (let l = 0; l < 4; l++) {
        const Wb = bias + ((g * H + j + l) << 2);
        f32.store(packed, j + l < H ? f32.load(Wb) + f32.load(Wb + (4 * H << 2)) : 0);
        packed += 4;
      }
    }
  }
}

/** dW (4H,K) += packed (K, 4·Hp) back in the canonical order. */
function unpackGates(dW: usize, packed: usize, K: i32, H: i32): void {
  const columns = 4 * padded(H);
  for (let g = 0; g < 4; g++) {
    for (let j = 0; j < H; j++) {
      let source = packed + (column(g, j) << 2);
      for (let k = 0; k < K; k++) {
        f32.store(dW, f32.load(dW) + f32.load(source));
        dW += 4;
        source += <usize>columns << 2;
      }
    }
  }
}

/** Both halves of dbias (8H) get the same gradient: their values are only ever added. */
function unpackBias(dbias: usize, packed: usize, H: i32): void {
  for (let g = 0; g < 4; g++) {
    for (let j = 0; j < H; j++) {
      const gradient = f32.load(packed + (column(g, j) << 2));
      const Wb = dbias + ((g * H + j) << 2);
      const Rb = Wb + (4 * H << 2);
      f32.store(Wb, f32.load(Wb) + gradient);
      f32.store(Rb, f32.load(Rb) + gradient);
    }
  }
}

@inline
function column(g: i32, j: i32): usize {
  return (j >> 2) * 16 + g * 4 + (j & 3);
}
