/**
 * Optimizers: what a gradient does to the parameters. All arrays have length P and are updated in place.
 *
 * Gradient clipping by global norm:
 *
 *   g *= maxNorm / |g|   where |g| > maxNorm                                              (1)
 *
 * Adam, and with a weight decay λ AdamW (the step number t is in the bias corrections 1 - βᵗ):
 *
 *   m = β1 m + (1 - β1) g                                                                (2)
 *   v = β2 v + (1 - β2) g²                                                               (3)
 *   w = w (1 - η λ) - η m / (1 - β1ᵗ) / (sqrt(v / (1 - β2ᵗ)) + ε)                         (4)
 *
 * Stochastic gradient descent with momentum μ and (coupled) weight decay λ, as PyTorch's:
 *
 *   m = μ m + g + λ w;   w = w - η m                                                     (5)
 *
 * FedProx's proximal term, added to a gradient before (1):
 *
 *   g += μ (w - w0)                                                                      (6)
 *
 * Moments that decay are flushed: m below 2^-63, v below 1e-36. A constant zero gradient
 * would otherwise make a step 28 times slower after some hundred steps.
 *
 * References: Pascanu, Mikolov & Bengio, ICML 2013 (1); Kingma & Ba, Adam, ICLR 2015, algorithm 1;
 * Loshchilov & Hutter, Decoupled Weight Decay Regularization, ICLR 2019, algorithm 2; Li et al.,
 * Federated Optimization in Heterogeneous Networks, MLSys 2020, equation 2 (6).
 */
import { flush, flushBelow, loadLanes, madd, storeLanes } from "./simd";

/** Below this v counts as zero. 2^-63, the threshold of m, would change results: v is a square. */
const FLUSH_V: f32 = 1e-36;

/** (1) Returns |g| before clipping. If that is not finite, g is left as it is, for the caller to refuse. */
export function clipNorm(g: usize, P: i32, maxNorm: f64): f64 {
  let low = f64x2.splat(0);
  let high = f64x2.splat(0);
  for (let p = 0; p < P; p += 4) {
    const g_p = loadLanes(g + (<usize>p << 2), P - p);
    const g01 = f64x2.promote_low_f32x4(g_p);
    const g23 = f64x2.promote_low_f32x4(i8x16.shuffle(g_p, g_p, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15));
    low = f64x2.add(low, f64x2.mul(g01, g01)); // exact squares: 24 bits twice are 48
    high = f64x2.add(high, f64x2.mul(g23, g23));
  }
  const squares = f64x2.add(low, high);
  const norm = sqrt(f64x2.extract_lane(squares, 0) + f64x2.extract_lane(squares, 1));
  if (!(norm > maxNorm) || norm == Infinity) return norm;
  const factor = f32x4.splat(<f32>(maxNorm / norm));
  for (let p = 0; p < P; p += 4) {
    const g_p = g + (<usize>p << 2);
    storeLanes(g_p, flush(f32x4.mul(factor, loadLanes(g_p, P - p))), P - p);
  }
  return norm;
}

/** (2) to (4). correction1 = 1 - β1ᵗ and correction2 = 1 - β2ᵗ, t from 1. */
export function adam(
  w: usize, m: usize, v: usize, g: usize, P: i32,
  learningRate: f64, beta1: f64, beta2: f64, epsilon: f64, weightDecay: f64, correction1: f64, correction2: f64,
): void {
  // The corrections are moved out of the loop: (4) is η' m / (sqrt(v) + ε') with both sides scaled by sqrt(1 - β2ᵗ).
  const take = f32x4.splat(<f32>(1 - beta1));
  const keep = f32x4.splat(<f32>beta2);
  const root = f32x4.splat(<f32>sqrt(1 - beta2));
  const step = f32x4.splat(<f32>(-learningRate * sqrt(correction2) / correction1));
  const floor = f32x4.splat(<f32>(epsilon * sqrt(correction2)));
  const decay = f32x4.splat(<f32>(1 - learningRate * weightDecay));
  const whole = P & ~3;
  for (let p = 0; p < whole; p += 4) {
    const at = <usize>p << 2;
    adam4(w + at, m + at, v + at, g + at, 4, take, keep, root, step, floor, decay);
  }
  const at = <usize>whole << 2;
  if (whole < P) adam4(w + at, m + at, v + at, g + at, P - whole, take, keep, root, step, floor, decay);
}

/** Inlined where `lanes` is the constant 4, nothing is left of the code for tails. */
@inline
function adam4(
  w: usize, m: usize, v: usize, g: usize, lanes: i32,
  take: v128, keep: v128, root: v128, step: v128, floor: v128, decay: v128,
): void {
  const g4 = loadLanes(g, lanes);
  const m0 = loadLanes(m, lanes);
  const m4 = flush(madd(take, f32x4.sub(g4, m0), m0)); // (2)
  storeLanes(m, m4, lanes);
  const r4 = flush(f32x4.mul(root, g4)); // squared after the flush, so that no square is a denormal
  const v4 = flushBelow(madd(r4, r4, f32x4.mul(keep, loadLanes(v, lanes))), f32x4.splat(FLUSH_V)); // (3)
  storeLanes(v, v4, lanes);
  const direction = f32x4.div(m4, f32x4.add(f32x4.sqrt(v4), floor));
  storeLanes(w, madd(step, direction, f32x4.mul(decay, loadLanes(w, lanes))), lanes); // (4)
}

/** (5) */
export function sgd(w: usize, m: usize, g: usize, P: i32, learningRate: f64, momentum: f64, weightDecay: f64): void {
  const keep = f32x4.splat(<f32>momentum);
  const decay = f32x4.splat(<f32>weightDecay);
  const step = f32x4.splat(<f32>-learningRate);
  const whole = P & ~3;
  for (let p = 0; p < whole; p += 4) {
    const at = <usize>p << 2;
    sgd4(w + at, m + at, g + at, 4, keep, decay, step);
  }
  const at = <usize>whole << 2;
  if (whole < P) sgd4(w + at, m + at, g + at, P - whole, keep, decay, step);
}

@inline
function sgd4(w: usize, m: usize, g: usize, lanes: i32, keep: v128, decay: v128, step: v128): void {
  const w4 = loadLanes(w, lanes);
  const g4 = madd(decay, w4, loadLanes(g, lanes));
  const m4 = flush(madd(keep, loadLanes(m, lanes), g4));
  storeLanes(m, m4, lanes);
  storeLanes(w, madd(step, m4, w4), lanes);
}

/** (6) */
export function proximal(g: usize, w: usize, w0: usize, P: i32, mu: f32): void {
  const mu4 = f32x4.splat(mu);
  const whole = P & ~3;
  for (let p = 0; p < whole; p += 4) {
    const at = <usize>p << 2;
    proximal4(g + at, w + at, w0 + at, 4, mu4);
  }
  const at = <usize>whole << 2;
  if (whole < P) proximal4(g + at, w + at, w0 + at, P - whole, mu4);
}

@inline
function proximal4(g: usize, w: usize, w0: usize, lanes: i32, mu: v128): void {
  const drift = f32x4.sub(loadLanes(w, lanes), loadLanes(w0, lanes));
  storeLanes(g, madd(mu, drift, loadLanes(g, lanes)), lanes);
}
