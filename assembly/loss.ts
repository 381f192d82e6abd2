/**
 * Losses: each returns the mean loss of a batch and assigns its gradient, from which the backward pass
 * starts. Rows are short, so the code is scalar; sums over the batch are float64.
 *
 * Softmax cross-entropy with class weights w and label smoothing ε, as PyTorch's CrossEntropyLoss:
 *
 *   p_o = exp(z_o - max z) / Σ_j exp(z_j - max z)                                        (1)
 *   q_o = w_o ((1 - ε) [o = target] + ε / O)                                             (2)
 *   loss = Σ_b Σ_o -q_o log p_o / Σ_b w_target                                           (3)
 *   dz_o = (p_o Σ_j q_j - q_o) / Σ_b w_target                                            (4)
 *
 * Regression, e = y - target:
 *
 *   mse     loss = Σ e² / N                                  dy = 2 e / N                (5)
 *   huber   loss = Σ e²/2 where |e| <= δ, else δ (|e| - δ/2), / N;  dy = clamp(e, -δ, δ) / N    (6)
 *
 * Quantiles, e = target - y, for each of Q quantiles q of every target:
 *
 *   pinball loss = Σ e (q - [e < 0]) / NQ                   dy = ([e < 0] - q) / NQ, 0 at e = 0  (7)
 *
 *   logits, dlogits, probabilities (B,O)   target (B), a class's index as a float   weights (O)
 *   y, dy, target (N); of quantiles y, dy (N,Q)   quantiles (Q)
 *
 * Reference: Szegedy et al., Rethinking the Inception Architecture, CVPR 2016, section 7 (smoothing);
 * Huber, Robust Estimation of a Location Parameter, Annals of Mathematical Statistics 1964;
 * Koenker & Bassett, Regression Quantiles, Econometrica 1978 (7).
 */
import { expScalar } from "./activation";
import { flushScalar } from "./simd";

/** (1) row by row. */
export function softmax(probabilities: usize, logits: usize, B: i32, O: i32): void {
  for (let b = 0; b < B; b++) {
    softmaxRow(probabilities, logits, O);
    probabilities += <usize>O << 2;
    logits += <usize>O << 2;
  }
}

/** (1) Returns log Σ_j exp(z_j), from which log p_o = z_o - that stays finite when p_o underflows. */
function softmaxRow(p: usize, z: usize, O: i32): f64 {
  let highest = f32.load(z);
  for (let o = 1; o < O; o++) highest = max(highest, f32.load(z + (o << 2)));
  let total: f32 = 0;
  for (let o = 0; o < O; o++) {
    const e = expScalar(f32.load(z + (o << 2)) - highest);
    f32.store(p + (o << 2), e);
    total += e;
  }
  for (let o = 0; o < O; o++) f32.store(p + (o << 2), f32.load(p + (o << 2)) / total);
  return <f64>highest + NativeMath.log(<f64>total);
}

/** (1) to (4). The weights of the batch's target classes must not all be zero. */
export function softmaxCrossEntropy(
  probabilities: usize, dlogits: usize,
  logits: usize, target: usize, weights: usize,
  B: i32, O: i32, smoothing: f32,
): f64 {
  let totalWeight: f64 = 0;
  for (let b = 0; b < B; b++) totalWeight += <f64>f32.load(weights + (<usize>f32.load(target + (b << 2)) << 2));
  let loss: f64 = 0;
  for (let b = 0; b < B; b++) {
    const logTotal = softmaxRow(probabilities, logits, O); // (1)
    const class_b = <i32>f32.load(target + (b << 2));
    let share: f32 = 0;
    for (let o = 0; o < O; o++) {
      const q = targetShare(weights, o, class_b, O, smoothing); // (2)
      share += q;
      if (q > 0) loss += <f64>q * (logTotal - <f64>f32.load(logits + (o << 2))); // (3)
    }
    for (let o = 0; o < O; o++) {
      const q = targetShare(weights, o, class_b, O, smoothing);
      const dz = f32.load(probabilities + (o << 2)) * share - q; // (4)
      f32.store(dlogits + (o << 2), flushScalar(<f32>(<f64>dz / totalWeight)));
    }
    probabilities += <usize>O << 2;
    dlogits += <usize>O << 2;
    logits += <usize>O << 2;
  }
  return loss / totalWeight;
}

/** (2) */
@inline
function targetShare(weights: usize, o: i32, class_b: i32, O: i32, smoothing: f32): f32 {
  return f32.load(weights + (o << 2)) * ((o == class_b ? 1 - smoothing : 0) + smoothing / <f32>O);
}

/** (5) */
export function mse(dy: usize, y: usize, target: usize, N: i32): f64 {
  let loss: f64 = 0;
  for (let n = 0; n < N; n++) {
    const at = <usize>n << 2;
    const e = f32.load(y + at) - f32.load(target + at);
    loss += <f64>e * <f64>e;
    f32.store(dy + at, flushScalar(2 * e / <f32>N));
  }
  return loss / <f64>N;
}

/** (6) */
export function huber(dy: usize, y: usize, target: usize, N: i32, delta: f32): f64 {
  let loss: f64 = 0;
  for (let n = 0; n < N; n++) {
    const at = <usize>n << 2;
    const e = f32.load(y + at) - f32.load(target + at);
    const size = abs(e);
    loss += size <= delta ? 0.5 * <f64>e * <f64>e : <f64>delta * (<f64>size - 0.5 * <f64>delta);
    f32.store(dy + at, flushScalar(min(max(e, -delta), delta) / <f32>N));
  }
  return loss / <f64>N;
}

/** (7) */
export function pinball(dy: usize, y: usize, target: usize, quantiles: usize, N: i32, Q: i32): f64 {
  const count: f64 = <f64>N * <f64>Q;
  const share = <f32>(1 / count);
  let loss: f64 = 0;
  for (let n = 0; n < N; n++) {
    const value = f32.load(target + (<usize>n << 2));
    for (let k = 0; k < Q; k++) {
      const q = f32.load(quantiles + (<usize>k << 2));
      const e = value - f32.load(y);
      const slope: f32 = e < 0 ? 1 - q : -q;
      loss -= <f64>e * <f64>slope;
      f32.store(dy, e == 0 ? 0 : slope * share);
      y += 4;
      dy += 4;
    }
  }
  return loss / count;
}
