/**
 * Power spectra, envelopes and what is read off them, of four series at once.
 *
 * Welch's estimate is the mean over K segments of N samples, Hann window h, of
 *
 *   P_k = c_k |FFT(h (x - mean))_k|² / (rate Σ h²),   c_k = 1 for k = 0 and N/2, else 2       (1)
 *
 * the one-sided density in (unit)²/Hz, as scipy.signal.welch with detrend="constant". Of it, with
 * p_k = P_k / Σ P over the bins from..to-1:
 *
 *   total = Σ P_k      centroid = Σ k p_k      spread = sqrt(Σ (k - centroid)² p_k)            (2)
 *   entropy = -Σ p_k ln p_k / ln(to - from)     peak = the k of the greatest P_k              (3)
 *
 * The envelope is the magnitude of the analytic signal (Hilbert by FFT), band-passed and whitened on the
 * way, where that is asked for; the mean is left out, since an offset would drown the modulation:
 *
 *   A_k = 2 X_k / N for from <= k < to, 0 < k < N/2; A_{N/2} = X_{N/2} / N; else 0;   e = |IFFT(A)|  (4)
 *   whitened: X_k / |X_k| in place of X_k                                                (5)
 *
 * References: Welch, IEEE Trans. AU-15 (1967); Marple, IEEE Trans. SP-47 (1999) for (4); Sawalhi & Randall
 * (2011), cepstrum prewhitening, for (5).
 *
 *   x (N,4)   w (N) window   z (2,M,4) with M = N/2, even and odd samples   X (2,M+1,4)   P (M+1,4)
 */
import { flush, high, join, low, ratio } from "./simd";

/** z = w (x - mean), in pairs for a transform of real numbers. */
export function windowed(z: usize, x: usize, w: usize, N: i32): void {
  let s0 = f64x2.splat(0), s1 = s0;
  const end = x + (<usize>N << 4);
  for (let at = x; at < end; at += 16) {
    const v = v128.load(at);
    s0 = f64x2.add(s0, low(v));
    s1 = f64x2.add(s1, high(v));
  }
  const count = f64x2.splat(<f64>N);
  const mean = join(f64x2.div(s0, count), f64x2.div(s1, count));
  const odd = <usize>N << 3; // M vectors
  for (let at = x; at < end; at += 32) {
    v128.store(z, f32x4.mul(v128.load32_splat(w), f32x4.sub(v128.load(at), mean)));
    v128.store(z + odd, f32x4.mul(v128.load32_splat(w, 4), f32x4.sub(v128.load(at, 16), mean)));
    z += 16;
    w += 8;
  }
}

/** (1) P += factor c_k |X_k|². */
export function power(P: usize, X: usize, M: i32, factor: f32): void {
  const plane = <usize>(M + 1) << 4;
  for (let k = 0; k <= M; k++) {
    const re = flush(v128.load(X)), im = flush(v128.load(X + plane));
    const c = f32x4.splat(k == 0 || k == M ? factor : 2 * factor);
    v128.store(P, f32x4.add(v128.load(P), f32x4.mul(c, f32x4.add(f32x4.mul(re, re), f32x4.mul(im, im)))));
    X += 16;
    P += 16;
  }
}

/** y (N,4) = |z_n|, z (2,N,4). */
export function modulus(y: usize, z: usize, N: i32): void {
  const plane = <usize>N << 4;
  for (let n = 0; n < N; n++) {
    const re = flush(v128.load(z)), im = flush(v128.load(z + plane));
    v128.store(y, f32x4.sqrt(f32x4.add(f32x4.mul(re, re), f32x4.mul(im, im))));
    z += 16;
    y += 16;
  }
}

/** (4) A (2,N,4) from X (2,M+1,4), N = 2M; when whitening, (5). */
export function analytic(A: usize, X: usize, M: i32, from: i32, to: i32, whiten: bool): void {
  const planeX = <usize>(M + 1) << 4, planeA = <usize>M << 5;
  const zero = f32x4.splat(0);
  const whole: f32 = 1.0 / <f32>M, half: f32 = 0.5 * whole;
  memory.fill(A, 0, 2 * planeA);
  for (let k = max(1, from); k < min(to, M + 1); k++) {
    const at = <usize>k << 4;
    let re = flush(v128.load(X + at)), im = flush(v128.load(X + at + planeX));
    let factor = f32x4.splat(k == M ? half : whole);
    if (whiten) {
      const length = f32x4.sqrt(f32x4.add(f32x4.mul(re, re), f32x4.mul(im, im)));
      factor = v128.and(f32x4.div(factor, length), f32x4.gt(length, zero));
    }
    v128.store(A + at, f32x4.mul(re, factor));
    v128.store(A + at + planeA, f32x4.mul(im, factor));
  }
}

/** y (4) = Σ x over the rows from..to-1 of x (·,4); rows in turn go to two sums, so that an addition need not wait. */
export function sumRows(y: usize, x: usize, from: i32, to: i32): void {
  let s0 = f64x2.splat(0), s1 = s0, S0 = s0, S1 = s0;
  const end = x + (<usize>to << 4);
  x += <usize>from << 4;
  for (; x + 16 < end; x += 32) {
    const u = v128.load(x), v = v128.load(x, 16);
    s0 = f64x2.add(s0, low(u));
    s1 = f64x2.add(s1, high(u));
    S0 = f64x2.add(S0, low(v));
    S1 = f64x2.add(S1, high(v));
  }
  if (x < end) {
    const u = v128.load(x);
    s0 = f64x2.add(s0, low(u));
    s1 = f64x2.add(s1, high(u));
  }
  v128.store(y, join(f64x2.add(s0, S0), f64x2.add(s1, S1)));
}

/** (3) y (2,4) = peak, and P there, of the rows from..to-1 of P (·,4); the first of equals. */
export function peak(y: usize, P: usize, from: i32, to: i32): void {
  let greatest = f32x4.splat(-1), place = i32x4.splat(0), k = i32x4.splat(from);
  const one = i32x4.splat(1), end = P + (<usize>to << 4);
  for (let at = P + (<usize>from << 4); at < end; at += 16) {
    const v = v128.load(at), higher = f32x4.gt(v, greatest);
    greatest = f32x4.pmax(greatest, v);
    place = v128.bitselect(k, place, higher);
    k = i32x4.add(k, one);
  }
  v128.store(y, f32x4.convert_i32x4_s(place));
  v128.store(y, greatest, 16);
}

/** (2) y (3,4) = total, centroid, spread. */
export function shape(y: usize, P: usize, from: i32, to: i32): void {
  let t0 = f64x2.splat(0), t1 = t0, c0 = t0, c1 = t0, q0 = t0, q1 = t0;
  let k = f64x2.splat(<f64>from);
  const one = f64x2.splat(1), zero = t0, end = P + (<usize>to << 4);
  for (let at = P + (<usize>from << 4); at < end; at += 16) {
    const v = v128.load(at), a = low(v), b = high(v);
    const ka = f64x2.mul(k, a), kb = f64x2.mul(k, b);
    t0 = f64x2.add(t0, a);
    t1 = f64x2.add(t1, b);
    c0 = f64x2.add(c0, ka);
    c1 = f64x2.add(c1, kb);
    q0 = f64x2.add(q0, f64x2.mul(k, ka));
    q1 = f64x2.add(q1, f64x2.mul(k, kb));
    k = f64x2.add(k, one);
  }
  c0 = ratio(c0, t0);
  c1 = ratio(c1, t1);
  // In float64 the difference keeps nine digits at a million bins.
  const variance0 = f64x2.max(zero, f64x2.sub(ratio(q0, t0), f64x2.mul(c0, c0))), variance1 = f64x2.max(zero, f64x2.sub(ratio(q1, t1), f64x2.mul(c1, c1)));
  v128.store(y, join(t0, t1));
  v128.store(y, join(c0, c1), 16);
  v128.store(y, join(f64x2.sqrt(variance0), f64x2.sqrt(variance1)), 32);
}

/** (3) y (4) = entropy of the rows from..to-1 of P (·,4), of which `total` (4) is the sum. */
export function entropy(y: usize, P: usize, total: usize, from: i32, to: i32): void {
  const t = v128.load(total), one = f64x2.splat(1);
  const inverse = join(ratio(one, low(t)), ratio(one, high(t)));
  let h0 = f64x2.splat(0), h1 = h0;
  const end = P + (<usize>to << 4);
  for (let at = P + (<usize>from << 4); at < end; at += 16) {
    const p = flush(f32x4.mul(v128.load(at), inverse));
    const term = f32x4.mul(p, logarithm4(p));
    h0 = f64x2.sub(h0, low(term));
    h1 = f64x2.sub(h1, high(term));
  }
  const scale = f64x2.splat(to - from > 1 ? 1 / NativeMath.log(<f64>(to - from)) : 0);
  v128.store(y, join(f64x2.mul(h0, scale), f64x2.mul(h1, scale)));
}

/** ln2 in two pieces, sqrt(1/2), the polynomial of Cephes logf, and 1, 1/2. */
const LOGARITHM: usize = memory.data<f32>([
  0.693359375, -2.12194440e-4, 0.707106781186547524,
  7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
  1, 0.5,
]);

@inline
function constant(index: i32): v128 {
  return v128.load32_splat(LOGARITHM + (index << 2));
}

/** ln x for normal x > 0, below 2 ulp; 0 for x = 0, so that 0 ln 0 is 0 in sums. (Cephes logf, S. Moshier.) */
@inline
function logarithm4(x: v128): v128 {
  // x = 2^e f with f in [sqrt(1/2), sqrt(2))
  const bits = i32x4.sub(x, i32x4.splat(0x3f3504f3));
  const e = f32x4.convert_i32x4_s(i32x4.shr_s(bits, 23));
  const f = f32x4.sub(i32x4.add(v128.and(bits, i32x4.splat(0x007fffff)), i32x4.splat(0x3f3504f3)), constant(12));
  let s = constant(3);
  for (let n = 4; n < 12; n++) s = f32x4.add(f32x4.mul(s, f), constant(n));
  const ff = f32x4.mul(f, f);
  s = f32x4.mul(f32x4.mul(s, f), ff);
  s = f32x4.add(s, f32x4.mul(e, constant(1)));
  s = f32x4.sub(s, f32x4.mul(constant(13), ff));
  const result = f32x4.add(f32x4.add(f, s), f32x4.mul(e, constant(0)));
  return v128.and(result, f32x4.gt(x, f32x4.splat(0)));
}
