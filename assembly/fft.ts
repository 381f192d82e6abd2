/**
 * Discrete Fourier transform of complex and of real series, by Stockham's passes of radix 4, 2, 3 and 5.
 *
 *   X_k = Σ_n x_n w_M^(kn),   w_M = e^(-2πi/M)                                             (1)
 *
 * A pass takes n = r·m points that are s apart to r transforms of m points that are r·s apart:
 *
 *   y[q + s(r p + k)] = w_n^(pk) Σ_j x[q + s(p + m j)] w_r^(jk)      p < m, q < s, k < r     (2)
 *
 * from one buffer to another, so that the result comes out in order without a permutation. The first
 * pass has s = S, the number of series that lie side by side: 4 series fill the lanes of every vector at
 * any M; 1 series does from the second pass on, when the first is of radix 4 (`first4` transposes).
 *
 * A real series of N = 2M points is transformed as M complex ones, z_m = x_2m + i x_2m+1, and split:
 *
 *   E = (Z_k + conj Z_{M-k}) / 2,   O = (Z_k - conj Z_{M-k}) / 2i
 *   X_k = E + w_N^k O,   X_{M-k} = conj(E - w_N^k O)                                       (3)
 *
 * Lengths with other prime factors go through a convolution with a chirp (Bluestein), of which only the
 * products are here: src/signal/fft.ts plans all of it and computes the twiddles in float64.
 *
 *   z (2,M,S) real parts, then imaginary ones      x (N,S)      X (2,M+1,S)
 *   passes: for each, as int32, r, m, s and the pointer to its twiddles w_n^(pk), (m,r-1,2);
 *   of a first pass of radix 4 over one series (3,2,m)
 *
 * References: Cochran et al., Proc. IEEE 55 (1967), for Stockham's form; Bluestein, IEEE Trans. AU-18
 * (1970); Sorensen et al., IEEE Trans. ASSP-35 (1987), for (3).
 */
import { loadLanes, storeLanes } from "./simd";

/** sqrt(3)/2; cos and sin of 2π/5; cos and sin of 4π/5: where they are used, one broadcast from memory each. */
const CONSTANTS: usize = memory.data<f32>([0.8660254037844386, 0.30901699437494745, 0.9510565162951535, -0.8090169943749475, 0.5877852522924731, 0.5]);

@inline
function constant(index: i32): v128 {
  return v128.load32_splat(CONSTANTS + (index << 2));
}

/**
 * (1) of M points for S series: z from `work` when the count of passes is odd, else from z itself, which
 * saves a copy; `size` is M·S. The inverse, without its factor 1/M, is the same with the parts exchanged.
 */
export function fft(z: usize, work: usize, passes: usize, count: i32, size: i32, inverse: bool): void {
  let plane = <usize>size << 2; // from a real part to its imaginary part
  if (inverse) {
    z += plane;
    work += plane;
    plane = 0 - plane;
  }
  let x = count & 1 ? work : z, y = count & 1 ? z : work;
  for (let pass = 0; pass < count; pass++) {
    const r = i32.load(passes), m = i32.load(passes, 4), s = i32.load(passes, 8);
    const w = <usize>i32.load(passes, 12);
    if (r == 4 && s == 1) first4(y, x, w, m, plane);
    else if (r == 4) pass4(y, x, w, m, s, plane);
    else if (r == 2) pass2(y, x, w, m, s, plane);
    else if (r == 3) pass3(y, x, w, m, s, plane);
    else pass5(y, x, w, m, s, plane);
    const read = x;
    x = y;
    y = read;
    passes += 16;
  }
}

/** Store (re, im) · w_n^(pk) at y; for p = 0 the twiddle is 1. */
@inline
function storeTwiddled(y: usize, plane: usize, re: v128, im: v128, w: usize, twiddled: bool, count: i32): void {
  if (!twiddled) {
    storeLanes(y, re, count);
    storeLanes(y + plane, im, count);
    return;
  }
  const wr = v128.load32_splat(w), wi = v128.load32_splat(w, 4);
  storeLanes(y, f32x4.sub(f32x4.mul(re, wr), f32x4.mul(im, wi)), count);
  storeLanes(y + plane, f32x4.add(f32x4.mul(re, wi), f32x4.mul(im, wr)), count);
}

/** (2) for r = 2, one p and four q, of which the last may be less than `count`. `far` is from j to j+1, `near` from k to k+1. */
@inline
function butterfly2(y: usize, x: usize, w: usize, far: usize, near: usize, plane: usize, twiddled: bool, count: i32): void {
  const ar = loadLanes(x, count), ai = loadLanes(x + plane, count);
  const br = loadLanes(x + far, count), bi = loadLanes(x + far + plane, count);
  storeTwiddled(y, plane, f32x4.add(ar, br), f32x4.add(ai, bi), w, false, count);
  storeTwiddled(y + near, plane, f32x4.sub(ar, br), f32x4.sub(ai, bi), w, twiddled, count);
}

function pass2(y: usize, x: usize, w: usize, m: i32, s: i32, plane: usize): void {
  const near = <usize>s << 2, far = near * m;
  if (s & 3) {
    for (let p = 0; p < m; p++) {
      for (let q = 0; q < s; q += 4) butterfly2(y + (<usize>q << 2), x + (<usize>q << 2), w, far, near, plane, true, min(4, s - q));
      x += near;
      y += 2 * near;
      w += 8;
    }
    return;
  }
  for (let q: usize = 0; q < near; q += 16) butterfly2(y + q, x + q, w, far, near, plane, false, 4);
  for (let p = 1; p < m; p++) {
    x += near;
    y += 2 * near;
    w += 8;
    for (let q: usize = 0; q < near; q += 16) butterfly2(y + q, x + q, w, far, near, plane, true, 4);
  }
}

/** (2) for r = 3. */
@inline
function butterfly3(y: usize, x: usize, w: usize, far: usize, near: usize, plane: usize, twiddled: bool, count: i32): void {
  const ar = loadLanes(x, count), ai = loadLanes(x + plane, count);
  const br = loadLanes(x + far, count), bi = loadLanes(x + far + plane, count);
  const cr = loadLanes(x + 2 * far, count), ci = loadLanes(x + 2 * far + plane, count);
  const sr = f32x4.add(br, cr), si = f32x4.add(bi, ci);
  const h = constant(5), sine = constant(0);
  const tr = f32x4.sub(ar, f32x4.mul(h, sr)), ti = f32x4.sub(ai, f32x4.mul(h, si));
  const ur = f32x4.mul(sine, f32x4.sub(bi, ci)), ui = f32x4.mul(sine, f32x4.sub(cr, br)); // -i sin (b - c)
  storeTwiddled(y, plane, f32x4.add(ar, sr), f32x4.add(ai, si), w, false, count);
  storeTwiddled(y + near, plane, f32x4.add(tr, ur), f32x4.add(ti, ui), w, twiddled, count);
  storeTwiddled(y + 2 * near, plane, f32x4.sub(tr, ur), f32x4.sub(ti, ui), w + 8, twiddled, count);
}

function pass3(y: usize, x: usize, w: usize, m: i32, s: i32, plane: usize): void {
  const near = <usize>s << 2, far = near * m;
  if (s & 3) {
    for (let p = 0; p < m; p++) {
      for (let q = 0; q < s; q += 4) butterfly3(y + (<usize>q << 2), x + (<usize>q << 2), w, far, near, plane, true, min(4, s - q));
      x += near;
      y += 3 * near;
      w += 16;
    }
    return;
  }
  for (let q: usize = 0; q < near; q += 16) butterfly3(y + q, x + q, w, far, near, plane, false, 4);
  for (let p = 1; p < m; p++) {
    x += near;
    y += 3 * near;
    w += 16;
    for (let q: usize = 0; q < near; q += 16) butterfly3(y + q, x + q, w, far, near, plane, true, 4);
  }
}

/** (2) for r = 4. */
@inline
function butterfly4(y: usize, x: usize, w: usize, far: usize, near: usize, plane: usize, twiddled: bool, count: i32): void {
  const ar = loadLanes(x, count), ai = loadLanes(x + plane, count);
  const br = loadLanes(x + far, count), bi = loadLanes(x + far + plane, count);
  const cr = loadLanes(x + 2 * far, count), ci = loadLanes(x + 2 * far + plane, count);
  const dr = loadLanes(x + 3 * far, count), di = loadLanes(x + 3 * far + plane, count);
  const sr = f32x4.add(ar, cr), si = f32x4.add(ai, ci), tr = f32x4.sub(ar, cr), ti = f32x4.sub(ai, ci);
  const ur = f32x4.add(br, dr), ui = f32x4.add(bi, di), vr = f32x4.sub(bi, di), vi = f32x4.sub(dr, br); // -i (b - d)
  storeTwiddled(y, plane, f32x4.add(sr, ur), f32x4.add(si, ui), w, false, count);
  storeTwiddled(y + near, plane, f32x4.add(tr, vr), f32x4.add(ti, vi), w, twiddled, count);
  storeTwiddled(y + 2 * near, plane, f32x4.sub(sr, ur), f32x4.sub(si, ui), w + 8, twiddled, count);
  storeTwiddled(y + 3 * near, plane, f32x4.sub(tr, vr), f32x4.sub(ti, vi), w + 16, twiddled, count);
}

function pass4(y: usize, x: usize, w: usize, m: i32, s: i32, plane: usize): void {
  const near = <usize>s << 2, far = near * m;
  if (s & 3) {
    for (let p = 0; p < m; p++) {
      for (let q = 0; q < s; q += 4) butterfly4(y + (<usize>q << 2), x + (<usize>q << 2), w, far, near, plane, true, min(4, s - q));
      x += near;
      y += 4 * near;
      w += 24;
    }
    return;
  }
  for (let q: usize = 0; q < near; q += 16) butterfly4(y + q, x + q, w, far, near, plane, false, 4);
  for (let p = 1; p < m; p++) {
    x += near;
    y += 4 * near;
    w += 24;
    for (let q: usize = 0; q < near; q += 16) butterfly4(y + q, x + q, w, far, near, plane, true, 4);
  }
}

/** (2) for r = 4 and s = 1: four p side by side, which the results leave as rows of four k. */
function first4(y: usize, x: usize, w: usize, m: i32, plane: usize): void {
  const far = <usize>m << 2;
  for (let p = 0; p < m; p += 4) {
    const count = min(4, m - p);
    if (count == 4) rows4(y, x, w, far, plane, 4);
    else rows4(y, x, w, far, plane, count);
    x += 16;
    y += 64;
    w += 16;
  }
}

@inline
function rows4(y: usize, x: usize, w: usize, far: usize, plane: usize, count: i32): void {
  const ar = loadLanes(x, count), ai = loadLanes(x + plane, count);
  const br = loadLanes(x + far, count), bi = loadLanes(x + far + plane, count);
  const cr = loadLanes(x + 2 * far, count), ci = loadLanes(x + 2 * far + plane, count);
  const dr = loadLanes(x + 3 * far, count), di = loadLanes(x + 3 * far + plane, count);
  const sr = f32x4.add(ar, cr), si = f32x4.add(ai, ci), tr = f32x4.sub(ar, cr), ti = f32x4.sub(ai, ci);
  const ur = f32x4.add(br, dr), ui = f32x4.add(bi, di), vr = f32x4.sub(bi, di), vi = f32x4.sub(dr, br); // -i (b - d)
  const y1r = f32x4.add(tr, vr), y1i = f32x4.add(ti, vi), y2r = f32x4.sub(sr, ur), y2i = f32x4.sub(si, ui);
  const y3r = f32x4.sub(tr, vr), y3i = f32x4.sub(ti, vi);
  let wr = loadLanes(w, count), wi = loadLanes(w + far, count);
  const z1r = f32x4.sub(f32x4.mul(y1r, wr), f32x4.mul(y1i, wi)), z1i = f32x4.add(f32x4.mul(y1r, wi), f32x4.mul(y1i, wr));
  wr = loadLanes(w + 2 * far, count);
  wi = loadLanes(w + 3 * far, count);
  const z2r = f32x4.sub(f32x4.mul(y2r, wr), f32x4.mul(y2i, wi)), z2i = f32x4.add(f32x4.mul(y2r, wi), f32x4.mul(y2i, wr));
  wr = loadLanes(w + 4 * far, count);
  wi = loadLanes(w + 5 * far, count);
  const z3r = f32x4.sub(f32x4.mul(y3r, wr), f32x4.mul(y3i, wi)), z3i = f32x4.add(f32x4.mul(y3r, wi), f32x4.mul(y3i, wr));
  storeTransposed(y, f32x4.add(sr, ur), z1r, z2r, z3r, count);
  storeTransposed(y + plane, f32x4.add(si, ui), z1i, z2i, z3i, count);
}

/** The first `count` rows of the four columns a, b, c and d. */
@inline
function storeTransposed(y: usize, a: v128, b: v128, c: v128, d: v128, count: i32): void {
  const ab = v128.shuffle<f32>(a, b, 0, 4, 1, 5), cd = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
  v128.store(y, v128.shuffle<f64>(ab, cd, 0, 2));
  if (count > 1) v128.store(y, v128.shuffle<f64>(ab, cd, 1, 3), 16);
  const AB = v128.shuffle<f32>(a, b, 2, 6, 3, 7), CD = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
  if (count > 2) v128.store(y, v128.shuffle<f64>(AB, CD, 0, 2), 32);
  if (count > 3) v128.store(y, v128.shuffle<f64>(AB, CD, 1, 3), 48);
}

/** (2) for r = 5. */
@inline
function butterfly5(y: usize, x: usize, w: usize, far: usize, near: usize, plane: usize, twiddled: bool, count: i32): void {
  const ar = loadLanes(x, count), ai = loadLanes(x + plane, count);
  const br = loadLanes(x + far, count), bi = loadLanes(x + far + plane, count);
  const cr = loadLanes(x + 2 * far, count), ci = loadLanes(x + 2 * far + plane, count);
  const dr = loadLanes(x + 3 * far, count), di = loadLanes(x + 3 * far + plane, count);
  const er = loadLanes(x + 4 * far, count), ei = loadLanes(x + 4 * far + plane, count);
  const sr = f32x4.add(br, er), si = f32x4.add(bi, ei), tr = f32x4.add(cr, dr), ti = f32x4.add(ci, di);
  const ur = f32x4.sub(bi, ei), ui = f32x4.sub(er, br), vr = f32x4.sub(ci, di), vi = f32x4.sub(dr, cr); // -i (b - e), -i (c - d)
  const c1 = constant(1), s1 = constant(2), c2 = constant(3), s2 = constant(4);
  storeTwiddled(y, plane, f32x4.add(ar, f32x4.add(sr, tr)), f32x4.add(ai, f32x4.add(si, ti)), w, false, count);
  const er1 = f32x4.add(ar, f32x4.add(f32x4.mul(c1, sr), f32x4.mul(c2, tr))), ei1 = f32x4.add(ai, f32x4.add(f32x4.mul(c1, si), f32x4.mul(c2, ti)));
  const or1 = f32x4.add(f32x4.mul(s1, ur), f32x4.mul(s2, vr)), oi1 = f32x4.add(f32x4.mul(s1, ui), f32x4.mul(s2, vi));
  storeTwiddled(y + near, plane, f32x4.add(er1, or1), f32x4.add(ei1, oi1), w, twiddled, count);
  storeTwiddled(y + 4 * near, plane, f32x4.sub(er1, or1), f32x4.sub(ei1, oi1), w + 24, twiddled, count);
  const er2 = f32x4.add(ar, f32x4.add(f32x4.mul(c2, sr), f32x4.mul(c1, tr))), ei2 = f32x4.add(ai, f32x4.add(f32x4.mul(c2, si), f32x4.mul(c1, ti)));
  const or2 = f32x4.sub(f32x4.mul(s2, ur), f32x4.mul(s1, vr)), oi2 = f32x4.sub(f32x4.mul(s2, ui), f32x4.mul(s1, vi));
  storeTwiddled(y + 2 * near, plane, f32x4.add(er2, or2), f32x4.add(ei2, oi2), w + 8, twiddled, count);
  storeTwiddled(y + 3 * near, plane, f32x4.sub(er2, or2), f32x4.sub(ei2, oi2), w + 16, twiddled, count);
}

function pass5(y: usize, x: usize, w: usize, m: i32, s: i32, plane: usize): void {
  const near = <usize>s << 2, far = near * m;
  if (s & 3) {
    for (let p = 0; p < m; p++) {
      for (let q = 0; q < s; q += 4) butterfly5(y + (<usize>q << 2), x + (<usize>q << 2), w, far, near, plane, true, min(4, s - q));
      x += near;
      y += 5 * near;
      w += 32;
    }
    return;
  }
  for (let q: usize = 0; q < near; q += 16) butterfly5(y + q, x + q, w, far, near, plane, false, 4);
  for (let p = 1; p < m; p++) {
    x += near;
    y += 5 * near;
    w += 32;
    for (let q: usize = 0; q < near; q += 16) butterfly5(y + q, x + q, w, far, near, plane, true, 4);
  }
}

/** y = x · c, all complex, `size` numbers; each plane is from the real parts to the imaginary ones, in bytes. */
export function product(y: usize, x: usize, c: usize, size: i32, planeY: usize, planeX: usize, planeC: usize): void {
  for (let n = 0; n < size; n += 4) {
    const count = min(4, size - n);
    const xr = loadLanes(x, count), xi = loadLanes(x + planeX, count), cr = loadLanes(c, count), ci = loadLanes(c + planeC, count);
    storeLanes(y, f32x4.sub(f32x4.mul(xr, cr), f32x4.mul(xi, ci)), count);
    storeLanes(y + planeY, f32x4.add(f32x4.mul(xr, ci), f32x4.mul(xi, cr)), count);
    x += 16;
    y += 16;
    c += 16;
  }
}

/** z (2,M,S) from x (2M,S): the even samples are real parts, the odd ones imaginary. */
export function pairs(z: usize, x: usize, M: i32, S: i32): void {
  const odd = z + (<usize>M * S << 2);
  let at: usize = 0;
  const end = <usize>M * S << 2;
  if (S == 4) {
    for (; at < end; at += 16) {
      v128.store(z + at, v128.load(x));
      v128.store(odd + at, v128.load(x, 16));
      x += 32;
    }
    return;
  }
  for (; at + 16 <= end; at += 16) {
    const a = v128.load(x), b = v128.load(x, 16);
    v128.store(z + at, v128.shuffle<f32>(a, b, 0, 2, 4, 6));
    v128.store(odd + at, v128.shuffle<f32>(a, b, 1, 3, 5, 7));
    x += 32;
  }
  for (; at < end; at += 4) {
    f32.store(z + at, f32.load(x));
    f32.store(odd + at, f32.load(x, 4));
    x += 8;
  }
}

/** (3) X (2,M+1,S) from z (2,M,S); w (M/2+1,2) holds w_N^k, for one series (2,M/2+1). */
export function split(X: usize, z: usize, w: usize, M: i32, S: i32): void {
  const near = <usize>S << 2;
  const planeX = near * (M + 1), planeZ = near * M;
  if (S == 4) {
    ends(X, z, planeX, planeZ, near * M, 4);
    for (let k = 1; 2 * k <= M; k++) {
      const a = near * k, b = near * (M - k), w_k = w + (<usize>k << 3);
      halves(X, z, planeX, planeZ, a, b, v128.load32_splat(w_k), v128.load32_splat(w_k, 4), false, 4);
    }
    return;
  }
  ends(X, z, planeX, planeZ, near * M, 1);
  const planeW = <usize>(M / 2 + 1) << 2;
  let k = 1;
  for (; 2 * k + 6 <= M; k += 4) {
    const a = <usize>k << 2, b = <usize>(M - k - 3) << 2;
    halves(X, z, planeX, planeZ, a, b, v128.load(w + a), v128.load(w + a + planeW), true, 4);
  }
  for (; 2 * k <= M; k++) {
    const a = <usize>k << 2, b = <usize>(M - k) << 2;
    halves(X, z, planeX, planeZ, a, b, v128.load32_splat(w + a), v128.load32_splat(w + a + planeW), false, 1);
  }
}

/** (3) for k = 0. */
@inline
function ends(X: usize, z: usize, planeX: usize, planeZ: usize, last: usize, count: i32): void {
  const re = loadLanes(z, count), im = loadLanes(z + planeZ, count), zero = f32x4.splat(0);
  storeLanes(X, f32x4.add(re, im), count);
  storeLanes(X + planeX, zero, count);
  storeLanes(X + last, f32x4.sub(re, im), count);
  storeLanes(X + last + planeX, zero, count);
}

@inline
function reversed(v: v128): v128 {
  return v128.shuffle<f32>(v, v, 3, 2, 1, 0);
}

/** (3) for the k at byte a and M-k at byte b; when reversing, for four k from a on and the four M-k from b on. */
@inline
function halves(X: usize, z: usize, planeX: usize, planeZ: usize, a: usize, b: usize, wr: v128, wi: v128, reverse: bool, count: i32): void {
  const half = constant(5);
  const ar = f32x4.mul(half, loadLanes(z + a, count)), ai = f32x4.mul(half, loadLanes(z + a + planeZ, count));
  let br = f32x4.mul(half, loadLanes(z + b, count)), bi = f32x4.mul(half, loadLanes(z + b + planeZ, count));
  if (reverse) {
    br = reversed(br);
    bi = reversed(bi);
  }
  const er = f32x4.add(ar, br), ei = f32x4.sub(ai, bi), or = f32x4.add(ai, bi), oi = f32x4.sub(br, ar);
  const tr = f32x4.sub(f32x4.mul(wr, or), f32x4.mul(wi, oi)), ti = f32x4.add(f32x4.mul(wr, oi), f32x4.mul(wi, or));
  storeLanes(X + a, f32x4.add(er, tr), count);
  storeLanes(X + a + planeX, f32x4.add(ei, ti), count);
  let re = f32x4.sub(er, tr), im = f32x4.sub(ti, ei);
  if (reverse) {
    re = reversed(re);
    im = reversed(im);
  }
  storeLanes(X + b, re, count);
  storeLanes(X + b + planeX, im, count);
}
