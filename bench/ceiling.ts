/**
 * The machine's own ceiling: how many multiplications and additions a second WebAssembly gets out of it
 * when nothing else limits it. What a kernel reaches is told as a share of it.
 *
 * Two things make such a loop honest. Only the addition is in the chain from turn to turn,
 *
 *   s_mn = s_mn + x_m b_n                                                                  (1)
 *
 * since a chain through both would measure their latency, half of what the units can do. And no product
 * may be the same in two turns, or the compiler computes it once: x_m comes from memory, the broadcast
 * load that does not occupy the arithmetic units. Four lanes, M N chains; compiled with relaxed SIMD,
 * (1) is one fused instruction.
 *
 * How many chains fill the units and how many registers that takes differs between machines, and which
 * loop the engine compiles without spilling differs between engines: the ceiling is the best of these.
 * Each function makes `rounds` passes over `TURNS` turns of M N multiplications and additions.
 */

export const TURNS: i32 = 128;

/** b_0 … b_3, then the x of every turn: loaded, so that no compiler knows them. */
const b: usize = memory.data(64, 64);
const x: usize = memory.data(4 * 6 * 128, 64);

@inline
function madd(a: v128, b: v128, s: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? f32x4.relaxed_madd(a, b, s) : f32x4.add(f32x4.mul(a, b), s);
}

/** Small numbers, so that no sum overflows or becomes a denormal. */
export function fill(): void {
  for (let n = 0; n < 16; n++) f32.store(b + (n << 2), 1e-3 * <f32>(n + 1));
  for (let n = 0; n < 6 * TURNS; n++) f32.store(x + (n << 2), 1e-3 * <f32>((n & 15) - 8));
}

/** (1) eight chains: the tile of gemm, two rows by sixteen columns. */
export function tile2x4(rounds: i32): f32 {
  const b0 = v128.load(b), b1 = v128.load(b, 16), b2 = v128.load(b, 32), b3 = v128.load(b, 48);
  let s00 = b0, s01 = b0, s02 = b0, s03 = b0;
  let s10 = b0, s11 = b0, s12 = b0, s13 = b0;
  for (let round = 0; round < rounds; round++) {
    for (let at = x, end = x + 8 * TURNS; at < end; at += 8) {
      const x0 = v128.load32_splat(at);
      s00 = madd(x0, b0, s00);
      s01 = madd(x0, b1, s01);
      s02 = madd(x0, b2, s02);
      s03 = madd(x0, b3, s03);
      const x1 = v128.load32_splat(at, 4);
      s10 = madd(x1, b0, s10);
      s11 = madd(x1, b1, s11);
      s12 = madd(x1, b2, s12);
      s13 = madd(x1, b3, s13);
    }
  }
  return sum(sum4(s00, s01, s02, s03), sum4(s10, s11, s12, s13));
}

/** (1) eight chains, four rows by eight columns. */
export function tile4x2(rounds: i32): f32 {
  const b0 = v128.load(b), b1 = v128.load(b, 16);
  let s00 = b0, s01 = b0, s10 = b0, s11 = b0;
  let s20 = b0, s21 = b0, s30 = b0, s31 = b0;
  for (let round = 0; round < rounds; round++) {
    for (let at = x, end = x + 16 * TURNS; at < end; at += 16) {
      const x0 = v128.load32_splat(at);
      s00 = madd(x0, b0, s00);
      s01 = madd(x0, b1, s01);
      const x1 = v128.load32_splat(at, 4);
      s10 = madd(x1, b0, s10);
      s11 = madd(x1, b1, s11);
      const x2 = v128.load32_splat(at, 8);
      s20 = madd(x2, b0, s20);
      s21 = madd(x2, b1, s21);
      const x3 = v128.load32_splat(at, 12);
      s30 = madd(x3, b0, s30);
      s31 = madd(x3, b1, s31);
    }
  }
  return sum(sum4(s00, s01, s10, s11), sum4(s20, s21, s30, s31));
}

/** (1) nine chains, three rows by twelve columns. */
export function tile3x3(rounds: i32): f32 {
  const b0 = v128.load(b), b1 = v128.load(b, 16), b2 = v128.load(b, 32);
  let s00 = b0, s01 = b0, s02 = b0;
  let s10 = b0, s11 = b0, s12 = b0;
  let s20 = b0, s21 = b0, s22 = b0;
  for (let round = 0; round < rounds; round++) {
    for (let at = x, end = x + 12 * TURNS; at < end; at += 12) {
      const x0 = v128.load32_splat(at);
      s00 = madd(x0, b0, s00);
      s01 = madd(x0, b1, s01);
      s02 = madd(x0, b2, s02);
      const x1 = v128.load32_splat(at, 4);
      s10 = madd(x1, b0, s10);
      s11 = madd(x1, b1, s11);
      s12 = madd(x1, b2, s12);
      const x2 = v128.load32_splat(at, 8);
      s20 = madd(x2, b0, s20);
      s21 = madd(x2, b1, s21);
      s22 = madd(x2, b2, s22);
    }
  }
  return sum(f32x4.add(s22, sum4(s00, s01, s02, s10)), sum4(s11, s12, s20, s21));
}

/** (1) twelve chains, six rows by eight columns: what long latencies need, where the registers suffice. */
export function tile6x2(rounds: i32): f32 {
  const b0 = v128.load(b), b1 = v128.load(b, 16);
  let s00 = b0, s01 = b0, s10 = b0, s11 = b0, s20 = b0, s21 = b0;
  let s30 = b0, s31 = b0, s40 = b0, s41 = b0, s50 = b0, s51 = b0;
  for (let round = 0; round < rounds; round++) {
    for (let at = x, end = x + 24 * TURNS; at < end; at += 24) {
      const x0 = v128.load32_splat(at);
      s00 = madd(x0, b0, s00);
      s01 = madd(x0, b1, s01);
      const x1 = v128.load32_splat(at, 4);
      s10 = madd(x1, b0, s10);
      s11 = madd(x1, b1, s11);
      const x2 = v128.load32_splat(at, 8);
      s20 = madd(x2, b0, s20);
      s21 = madd(x2, b1, s21);
      const x3 = v128.load32_splat(at, 12);
      s30 = madd(x3, b0, s30);
      s31 = madd(x3, b1, s31);
      const x4 = v128.load32_splat(at, 16);
      s40 = madd(x4, b0, s40);
      s41 = madd(x4, b1, s41);
      const x5 = v128.load32_splat(at, 20);
      s50 = madd(x5, b0, s50);
      s51 = madd(x5, b1, s51);
    }
  }
  return sum(sum4(f32x4.add(s00, s01), f32x4.add(s10, s11), s20, s21), sum4(f32x4.add(s30, s31), f32x4.add(s40, s41), s50, s51));
}

@inline
function sum4(a: v128, b: v128, c: v128, d: v128): v128 {
  return f32x4.add(f32x4.add(a, b), f32x4.add(c, d));
}

@inline
function sum(a: v128, b: v128): f32 {
  return f32x4.extract_lane(f32x4.add(a, b), 0);
}
