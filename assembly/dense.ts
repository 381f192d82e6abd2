/**
 * A dense layer: every output is an activation of a weighted sum of all inputs.
 *
 *   y = f(x Wᵀ + b)                                                                      (1)
 *
 * and backward, where f' is taken from y:
 *
 *   dz = dy f'(y)                                                                        (2)
 *   db += Σ_b dz_b        dW += dzᵀ x        dx += dz W                                   (3) (4) (5)
 *
 *   x, dx (B,I)   W, dW (O,I)   b, db (O)   y, dy (B,O)   f linear, relu, tanh or sigmoid by its code
 */
import { activationBackward, activationForward, LINEAR } from "./activation";
import { addRows, gemm, gemmBias, gemmOuter, pack, packTransposed, panelFloats } from "./gemm";

/** Floats of scratch that denseForward and denseBackward need. */
export function denseScratch(B: i32, O: i32, I: i32): i32 {
  return max(panelFloats(O, I) + panelFloats(O, 1), panelFloats(I, O) + B * O);
}

export function denseForward(y: usize, x: usize, W: usize, b: usize, scratch: usize, B: i32, O: i32, I: i32, activation: i32): void {
  const panels = scratch;
  const bias = panels + (<usize>panelFloats(O, I) << 2);
  packTransposed(panels, W, O, I);
  pack(bias, b, 1, O);
  gemmBias(y, x, panels, bias, B, O, I, O, I); // (1)
  if (activation != LINEAR) activationForward(y, y, B * O, activation); // (1)
}

/** Add to dx, dW and db. dx may be 0: the gradient of the input is not needed. */
export function denseBackward(
  dx: usize, dW: usize, db: usize,
  dy: usize, y: usize, x: usize, W: usize, scratch: usize,
  B: i32, O: i32, I: i32, activation: i32,
): void {
  const dz = scratch;
  const panels = dz + (<usize>(B * O) << 2);
  activationBackward(dz, dy, y, B * O, activation); // (2)
  addRows(db, dz, B, O, O); // (3)
  gemmOuter(dW, dz, x, B, O, I, I, O, I); // (4)
  if (dx) {
    pack(panels, W, O, I);
    gemm(dx, dz, panels, B, I, O, I, O, true); // (5)
  }
}
