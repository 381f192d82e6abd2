/**
 * The weights of recurrent layers as their products read them. Of four columns a unit (an LSTM's gates; a
 * GRU's two gates and the two parts of its candidate) those of four units lie side by side, so that one
 * pass over a row loads all columns of the same units as four neighbouring vectors, and 16 columns are
 * one panel of gemm:
 *
 *   column(g, j) = (j >> 2) * 16 + g * 4 + (j & 3)        | a0…3 | b0…3 | c0…3 | d0…3 | a4…7 | …
 *
 * In the canonical order all rows of a gate lie together: W (G·H,K), bias (2·G·H) = [Wb, Rb]. Which of
 * the G blocks column g has is byte g of an `order`, NONE for a column of zeros that learns nothing.
 * The units that pad H to Hp = 4 ceil(H / 4) have zero weights.
 */
import { loadLanes } from "./simd";

const NONE: i32 = 255;

@inline
export function padded(H: i32): i32 {
  return (H + 3) & ~3;
}

@inline
function column(g: i32, j: i32): usize {
  return (j >> 2) * 16 + g * 4 + (j & 3);
}

@inline
function blockOf(order: i32, g: i32): i32 {
  return (order >> (g << 3)) & 255;
}

/** One panel of Wᵀ, W (G·H,K): the columns of the units j to j + 3, four by four transposed. */
export function packGates(panel: usize, W: usize, order: i32, K: i32, H: i32, j: i32): void {
  const rowBytes = <usize>K << 2;
  for (let g = 0; g < 4; g++) {
    const block = blockOf(order, g);
    const first = W + <usize>(block * H + j) * rowBytes;
    const units = block == NONE ? 0 : H - j;
    for (let k = 0; k < K; k += 4) {
      const at = first + (<usize>k << 2);
      const rest = K - k;
      const a = units > 0 ? loadLanes(at, rest) : f32x4.splat(0);
      const b = units > 1 ? loadLanes(at + rowBytes, rest) : f32x4.splat(0);
      const c = units > 2 ? loadLanes(at + 2 * rowBytes, rest) : f32x4.splat(0);
      const d = units > 3 ? loadLanes(at + 3 * rowBytes, rest) : f32x4.splat(0);
      const ab01 = v128.shuffle<f32>(a, b, 0, 4, 1, 5), ab23 = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
      const cd01 = v128.shuffle<f32>(c, d, 0, 4, 1, 5), cd23 = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
      const to = panel + (<usize>k << 6) + (g << 4);
      v128.store(to, v128.shuffle<f32>(ab01, cd01, 0, 1, 4, 5));
      if (rest > 1) v128.store(to, v128.shuffle<f32>(ab01, cd01, 2, 3, 6, 7), 64);
      if (rest > 2) v128.store(to, v128.shuffle<f32>(ab23, cd23, 0, 1, 4, 5), 128);
      if (rest > 3) v128.store(to, v128.shuffle<f32>(ab23, cd23, 2, 3, 6, 7), 192);
    }
  }
}

/** Panels of W (G·H,N) with its rows in the order of columns: for products with dz. */
export function packFromGates(panels: usize, W: usize, order: i32, N: i32, H: i32): void {
  for (let p = 0; p < N; p += 16) {
    for (let j = 0; j < H; j += 4) {
      for (let g = 0; g < 4; g++) {
        const block = blockOf(order, g);
        for (let l = 0; l < 4; l++) {
          const row = W + ((<usize>(block * H + j + l) * N + p) << 2);
          const columns = j + l < H && block != NONE ? N - p : 0;
          for (let n = 0; n < 16; n += 4) {
            const rest = columns - n;
            v128.store(panels + (n << 2), rest > 0 ? loadLanes(row + (n << 2), rest) : f32x4.splat(0));
          }
          panels += 64;
        }
      }
    }
  }
}

/** Wb + Rb in the order of columns. */
export function packBias(packed: usize, bias: usize, orderW: i32, orderR: i32, G: i32, H: i32): void {
  for (let j = 0; j < H; j += 4) {
    for (let g = 0; g < 4; g++) {
      for (let l = 0; l < 4; l++) {
        let value: f32 = 0;
        if (j + l < H) {
          const w = blockOf(orderW, g), r = blockOf(orderR, g);
          if (w != NONE) value += f32.load(bias + ((w * H + j + l) << 2));
          if (r != NONE) value += f32.load(bias + (((G + r) * H + j + l) << 2));
        }
        f32.store(packed, value);
        packed += 4;
      }
    }
  }
}

/** dW (G·H,K) += packed (K, 4·Hp) back in the canonical order. */
export function unpackGates(dW: usize, packed: usize, order: i32, K: i32, H: i32): void {
  const columns = <usize>(4 * padded(H));
  for (let g = 0; g < 4; g++) {
    const block = blockOf(order, g);
    if (block == NONE) continue;
    let to = dW + (<usize>(block * H) * K << 2);
    for (let j = 0; j < H; j++) {
      let source = packed + (column(g, j) << 2);
      for (let k = 0; k < K; k++) {
        f32.store(to, f32.load(to) + f32.load(source));
        to += 4;
        source += columns << 2;
      }
    }
  }
}

/** dbias (2·G·H) += packed (4·Hp): Wb and Rb get the same gradient where they are only ever added. */
export function unpackBias(dbias: usize, packed: usize, orderW: i32, orderR: i32, G: i32, H: i32): void {
  for (let g = 0; g < 4; g++) {
    const w = blockOf(orderW, g), r = blockOf(orderR, g);
    for (let j = 0; j < H; j++) {
      const gradient = f32.load(packed + (column(g, j) << 2));
      if (w != NONE) addTo(dbias + ((w * H + j) << 2), gradient);
      if (r != NONE) addTo(dbias + (((G + r) * H + j) << 2), gradient);
    }
  }
}

@inline
function addTo(pointer: usize, value: f32): void {
  f32.store(pointer, f32.load(pointer) + value);
}
