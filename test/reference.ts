/**
 * Plain float64 definitions of what the kernels compute, written to be read and not to be fast.
 *
 * Arrays are row-major; sequences are (T,B,·); the letters are those of assembly/index.ts. Backward
 * functions return fresh gradients, one object with the names of the inputs. The gradient of v is dv.
 */
export type Vector = ArrayLike<number>;

const zeros = (length: number) => new Float64Array(length);
const sum = (values: Iterable<number>) => [...values].reduce((total, value) => total + value, 0);

export const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** The activations, each with its derivative as a function of the output. Their place is the kernels' code. */
export const activations = [
  { name: "linear", value: (x: number) => x, slope: () => 1 },
  { name: "relu", value: (x: number) => Math.max(x, 0), slope: (y: number) => (y > 0 ? 1 : 0) },
  { name: "tanh", value: Math.tanh, slope: (y: number) => 1 - y * y },
  { name: "sigmoid", value: sigmoid, slope: (y: number) => y * (1 - y) },
];

/** C (M,N) = A (M,K) · B (K,N). */
export function product(A: Vector, B: Vector, M: number, N: number, K: number): Float64Array {
  const C = zeros(M * N);
  for (let m = 0; m < M; m++) {
    for (let n = 0; n < N; n++) {
      for (let k = 0; k < K; k++) C[m * N + n] += A[m * K + k] * B[k * N + n];
    }
  }
  return C;
}

/** A (M,N) as (N,M). */
export function transpose(A: Vector, M: number, N: number): Float64Array {
  const result = zeros(M * N);
  for (let m = 0; m < M; m++) for (let n = 0; n < N; n++) result[n * M + m] = A[m * N + n];
  return result;
}

/** Column sums of A (M,N): (N). */
export function columnSums(A: Vector, M: number, N: number): Float64Array {
  const result = zeros(N);
  for (let m = 0; m < M; m++) for (let n = 0; n < N; n++) result[n] += A[m * N + n];
  return result;
}

// ---- LSTM, one direction -------------------------------------------------------------------------

export interface LstmInput {
  /** x (T,B,I), W (4H,I), R (4H,H), b (8H) = [Wb, Rb]; gates i, o, f, c. */
  x: Vector; W: Vector; R: Vector; b: Vector;
  T: number; B: number; I: number; H: number;
  reverse?: boolean;
}

/**
 * One direction of an LSTM over a whole sequence, from a zero state. Returns h (T,B,H), c (T,B,H) and
 * the activated gates (T,B,4H), all at the steps of x: in reverse, h[T-1] is the first to be computed.
 */
export function lstmForward({ x, W, R, b, T, B, I, H, reverse = false }: LstmInput) {
  const h = zeros(T * B * H);
  const c = zeros(T * B * H);
  const gates = zeros(T * B * 4 * H);
  for (let step = 0; step < T; step++) {
    const t = reverse ? T - 1 - step : step;
    const before = step === 0 ? -1 : reverse ? t + 1 : t - 1;
    for (let batch = 0; batch < B; batch++) {
      const x_tb = (t * B + batch) * I;
      const h_tb = (t * B + batch) * H;
      const h_before = (before * B + batch) * H;
      const gates_tb = (t * B + batch) * 4 * H;
      for (let row = 0; row < 4 * H; row++) {
        let z = b[row] + b[4 * H + row];
        for (let i = 0; i < I; i++) z += W[row * I + i] * x[x_tb + i];
        if (before >= 0) for (let j = 0; j < H; j++) z += R[row * H + j] * h[h_before + j];
        gates[gates_tb + row] = row < 3 * H ? sigmoid(z) : Math.tanh(z);
      }
      for (let j = 0; j < H; j++) {
        const [i, o, f, g] = [0, 1, 2, 3].map((gate) => gates[gates_tb + gate * H + j]);
        c[h_tb + j] = i * g + (before >= 0 ? f * c[h_before + j] : 0);
        h[h_tb + j] = o * Math.tanh(c[h_tb + j]);
      }
    }
  }
  return { h, c, gates };
}

/** Gradients of Σ dh · h, for the dh (T,B,H) given at every step: dx, dW, dR and db (8H), both halves of which are equal. */
export function lstmBackward(dh: Vector, input: LstmInput) {
  const { x, W, R, T, B, I, H, reverse = false } = input;
  const { h, c, gates } = lstmForward(input);
  const dx = zeros(T * B * I);
  const dW = zeros(4 * H * I);
  const dR = zeros(4 * H * H);
  const db = zeros(8 * H);
  for (let batch = 0; batch < B; batch++) {
    let dh_next = zeros(H);
    let dc_next = zeros(H);
    for (let step = T - 1; step >= 0; step--) {
      const t = reverse ? T - 1 - step : step;
      const before = step === 0 ? -1 : reverse ? t + 1 : t - 1;
      const x_tb = (t * B + batch) * I;
      const h_tb = (t * B + batch) * H;
      const h_before = (before * B + batch) * H;
      const gates_tb = (t * B + batch) * 4 * H;
      const dz = zeros(4 * H);
      const dc_before = zeros(H);
      for (let j = 0; j < H; j++) {
        const [i, o, f, g] = [0, 1, 2, 3].map((gate) => gates[gates_tb + gate * H + j]);
        const tanhC = Math.tanh(c[h_tb + j]);
        const dh_j = dh[h_tb + j] + dh_next[j];
        const dc_j = dc_next[j] + dh_j * o * (1 - tanhC * tanhC);
        dz[j] = dc_j * g * i * (1 - i);
        dz[H + j] = dh_j * tanhC * o * (1 - o);
        dz[2 * H + j] = before >= 0 ? dc_j * c[h_before + j] * f * (1 - f) : 0;
        dz[3 * H + j] = dc_j * i * (1 - g * g);
        dc_before[j] = dc_j * f;
      }
      const dh_before = zeros(H);
      for (let row = 0; row < 4 * H; row++) {
        db[row] += dz[row];
        db[4 * H + row] += dz[row];
        for (let i = 0; i < I; i++) {
          dW[row * I + i] += dz[row] * x[x_tb + i];
          dx[x_tb + i] += dz[row] * W[row * I + i];
        }
        if (before < 0) continue;
        for (let j = 0; j < H; j++) {
          dR[row * H + j] += dz[row] * h[h_before + j];
          dh_before[j] += dz[row] * R[row * H + j];
        }
      }
      dh_next = dh_before;
      dc_next = dc_before;
    }
  }
  return { dx, dW, dR, db };
}

// ---- GRU, one direction --------------------------------------------------------------------------

/** x (T,B,I), W (3H,I), R (3H,H), b (6H) = [Wb, Rb]; gates z, r, h. */
export type GruInput = LstmInput;

/** Of one row: the gates, the candidate g, and q, the recurrent part of the candidate, from x and the state before. */
function gruGates({ x, W, R, b, I, H }: GruInput, x_tb: number, h: Vector, h_before: number) {
  const input = (row: number) => {
    let z = b[row];
    for (let i = 0; i < I; i++) z += W[row * I + i] * x[x_tb + i];
    return z;
  };
  const recurrent = (row: number) => {
    let z = b[3 * H + row];
    if (h_before >= 0) for (let j = 0; j < H; j++) z += R[row * H + j] * h[h_before + j];
    return z;
  };
  return Array.from({ length: H }, (_, j) => {
    const [z, r] = [0, 1].map((gate) => sigmoid(input(gate * H + j) + recurrent(gate * H + j)));
    const q = recurrent(2 * H + j);
    return { z, r, q, g: Math.tanh(input(2 * H + j) + r * q), before: h_before < 0 ? 0 : h[h_before + j] };
  });
}

/** One direction of a GRU over a whole sequence, from a zero state: h (T,B,H), at the steps of x. */
export function gruForward(input: GruInput) {
  const { T, B, I, H, reverse = false } = input;
  const h = zeros(T * B * H);
  for (let step = 0; step < T; step++) {
    const t = reverse ? T - 1 - step : step;
    const before = reverse ? t + 1 : t - 1;
    for (let batch = 0; batch < B; batch++) {
      const gates = gruGates(input, (t * B + batch) * I, h, step === 0 ? -1 : (before * B + batch) * H);
      gates.forEach(({ z, g, before }, j) => (h[(t * B + batch) * H + j] = (1 - z) * g + z * before));
    }
  }
  return { h };
}

/** Gradients of Σ dh · h, for the dh (T,B,H) given at every step: dx, dW, dR and db (6H). */
export function gruBackward(dh: Vector, input: GruInput) {
  const { x, W, R, T, B, I, H, reverse = false } = input;
  const { h } = gruForward(input);
  const dx = zeros(T * B * I);
  const dW = zeros(3 * H * I);
  const dR = zeros(3 * H * H);
  const db = zeros(6 * H);
  for (let batch = 0; batch < B; batch++) {
    let dh_next = zeros(H);
    for (let step = T - 1; step >= 0; step--) {
      const t = reverse ? T - 1 - step : step;
      const x_tb = (t * B + batch) * I;
      const h_before = step === 0 ? -1 : ((reverse ? t + 1 : t - 1) * B + batch) * H;
      const dh_before = zeros(H);
      gruGates(input, x_tb, h, h_before).forEach(({ z, r, q, g, before }, j) => {
        const dh_j = dh[(t * B + batch) * H + j] + dh_next[j];
        const dp = dh_j * (1 - z) * (1 - g * g);
        const dz = dh_j * (before - g) * z * (1 - z);
        const dr = dp * q * r * (1 - r);
        dh_before[j] += dh_j * z;
        // Rows of W and of R with the gradients of their products.
        [dz, dr, dp].forEach((d, gate) => {
          const row = gate * H + j;
          db[row] += d;
          for (let i = 0; i < I; i++) {
            dW[row * I + i] += d * x[x_tb + i];
            dx[x_tb + i] += d * W[row * I + i];
          }
        });
        [dz, dr, dp * r].forEach((d, gate) => {
          const row = gate * H + j;
          db[3 * H + row] += d;
          for (let i = 0; h_before >= 0 && i < H; i++) {
            dR[row * H + i] += d * h[h_before + i];
            dh_before[i] += d * R[row * H + i];
          }
        });
      });
      dh_next = dh_before;
    }
  }
  return { dx, dW, dR, db };
}

// ---- Attention -----------------------------------------------------------------------------------

export interface AttentionInput {
  /** h (T,B,D), W (A,D), b (A), v (A), c (1). */
  h: Vector; W: Vector; b: Vector; v: Vector; c: number;
  T: number; B: number; D: number; A: number;
}

/** context (B,D) = Σ_t α_tb h_tb; α (T,B) = softmax over t of v · u_tb + c; u (T,B,A) = tanh(W h_tb + b). */
export function attentionForward({ h, W, b, v, c, T, B, D, A }: AttentionInput) {
  const u = product(h, transpose(W, A, D), T * B, A, D).map((z, index) => Math.tanh(z + b[index % A]));
  const scores = product(u, v, T * B, 1, A).map((score) => score + c);
  const alpha = transpose(softmax(transpose(scores, T, B), B, T), B, T);
  const context = zeros(B * D);
  for (let tb = 0; tb < T * B; tb++) for (let d = 0; d < D; d++) context[(tb % B) * D + d] += alpha[tb] * h[tb * D + d];
  return { context, alpha, u };
}

/** Gradients of Σ dcontext · context. That of c is zero: softmax does not see a constant. */
export function attentionBackward(dcontext: Vector, input: AttentionInput) {
  const { h, W, v, T, B, D, A } = input;
  const { alpha, u } = attentionForward(input);
  const dh = zeros(T * B * D);
  const dalpha = zeros(T * B);
  const mean = zeros(B);
  for (let tb = 0; tb < T * B; tb++) {
    for (let d = 0; d < D; d++) {
      dh[tb * D + d] = alpha[tb] * dcontext[(tb % B) * D + d];
      dalpha[tb] += dcontext[(tb % B) * D + d] * h[tb * D + d];
    }
    mean[tb % B] += alpha[tb] * dalpha[tb];
  }
  const dscores = dalpha.map((value, tb) => alpha[tb] * (value - mean[tb % B]));
  const dz = u.map((value, index) => dscores[Math.floor(index / A)] * v[index % A] * (1 - value * value));
  product(dz, W, T * B, D, A).forEach((value, index) => (dh[index] += value));
  return {
    dh,
    dW: product(transpose(dz, T * B, A), h, A, D, T * B),
    db: columnSums(dz, T * B, A),
    dv: product(transpose(u, T * B, A), dscores, A, 1, T * B),
  };
}

// ---- Convolution and pooling -------------------------------------------------------------------------

/** How a window slides over steps on a grid: over a sequence, one row of them, or over rows and columns alike. */
export interface Slide {
  rows: number; columns: number;
  /** Rows and columns of a window, the distance of neighbouring windows, and that of neighbouring steps in one. */
  tall: number; size: number; stride: number; dilation: number;
  /** Zeros around the grid. */
  above: number; below: number; before: number; behind: number;
}

/** Steps of each window, row by row; -1 where there is none. */
export function windowsOf({ rows, columns, tall, size, stride, dilation, above, below, before, behind }: Slide): number[][] {
  const starts = (length: number, size: number, first: number, last: number) =>
    Array.from({ length: Math.floor((length + first + last - (size - 1) * dilation - 1) / stride) + 1 }, (_, n) => n * stride - first);
  const taps = (size: number, start: number, length: number) =>
    Array.from({ length: size }, (_, k) => start + k * dilation).map((at) => (at >= 0 && at < length ? at : NaN));
  return starts(rows, tall, above, below).flatMap((row) => starts(columns, size, before, behind).map((column) =>
    taps(tall, row, rows).flatMap((r) => taps(size, column, columns).map((c) => (Number.isNaN(r + c) ? -1 : r * columns + c)))));
}

export interface ConvolutionInput extends Slide {
  /** x (T,B,I), T = rows · columns; W (O,I,K), K = tall · size; b (O). */
  x: Vector; W: Vector; b: Vector;
  B: number; I: number; O: number;
}

/** y (T',B,O), a step for each window. */
export function convolutionForward({ x, W, b, B, I, O, ...slide }: ConvolutionInput): Float64Array {
  const windows = windowsOf(slide);
  const y = zeros(windows.length * B * O);
  for (let at = 0; at < y.length; at++) {
    const [p, batch, o] = [Math.floor(at / B / O), Math.floor(at / O) % B, at % O];
    y[at] = b[o];
    windows[p].forEach((step, k) => {
      for (let i = 0; i < I && step >= 0; i++) y[at] += W[(o * I + i) * windows[p].length + k] * x[(step * B + batch) * I + i];
    });
  }
  return y;
}

export function convolutionBackward(dy: Vector, { x, W, B, I, O, ...slide }: ConvolutionInput) {
  const windows = windowsOf(slide);
  const [dx, dW] = [x, W].map(({ length }) => zeros(length));
  for (let at = 0; at < dy.length; at++) {
    const [p, batch, o] = [Math.floor(at / B / O), Math.floor(at / O) % B, at % O];
    windows[p].forEach((step, k) => {
      for (let i = 0; i < I && step >= 0; i++) {
        const [w, x_at] = [(o * I + i) * windows[p].length + k, (step * B + batch) * I + i];
        dW[w] += dy[at] * x[x_at];
        dx[x_at] += dy[at] * W[w];
      }
    });
  }
  return { dx, dW, db: columnSums(dy, dy.length / O, O) };
}

export interface PoolInput extends Slide {
  /** x (T,N), T = rows · columns. */
  x: Vector;
  N: number; average: boolean;
}

/** The greatest or the mean of each window's steps: y (T',N). */
export function poolForward({ x, N, average, ...slide }: PoolInput): Float64Array {
  const windows = windowsOf(slide);
  return Float64Array.from({ length: windows.length * N }, (_, at) => {
    const values = windows[Math.floor(at / N)].map((step) => x[step * N + (at % N)]);
    return average ? sum(values) / values.length : Math.max(...values);
  });
}

/** Of equal values the first is the greatest. */
export function poolBackward(dy: Vector, { x, N, average, ...slide }: PoolInput): Float64Array {
  const dx = zeros(x.length);
  windowsOf(slide).forEach((steps, p) => {
    for (let n = 0; n < N; n++) {
      const values = steps.map((step) => x[step * N + n]);
      const greatest = values.indexOf(Math.max(...values));
      steps.forEach((step, k) => (dx[step * N + n] += average ? dy[p * N + n] / steps.length : k === greatest ? dy[p * N + n] : 0));
    }
  });
  return dx;
}

// ---- Normalisation -------------------------------------------------------------------------------

export interface NormaliseInput {
  /** x (N,I), scale (I), bias (I). */
  x: Vector; scale: Vector; bias: Vector;
  N: number; I: number;
}

/** Mean and variance (I) of the columns of x (N,I). */
export function batchStatistics(x: Vector, N: number, I: number) {
  const mean = columnSums(x, N, I).map((total) => total / N);
  const variance = columnSums(Float64Array.from(x, (value, at) => (value - mean[at % I]) ** 2), N, I).map((total) => total / N);
  return { mean, variance };
}

/** By statistics that are given, or by those of x. */
export function batchNormForward({ x, scale, bias, N, I }: NormaliseInput, { mean, variance }: { mean: Vector; variance: Vector } = batchStatistics(x, N, I)): Float64Array {
  return Float64Array.from(x, (value, at) => (scale[at % I] * (value - mean[at % I])) / Math.sqrt(variance[at % I] + 1e-5) + bias[at % I]);
}

/** Gradients of Σ dy · y through the statistics of x, too. */
export function batchNormBackward(dy: Vector, { x, scale, N, I }: NormaliseInput) {
  const { mean, variance } = batchStatistics(x, N, I);
  const dx = zeros(N * I), dscale = zeros(I), dbias = zeros(I);
  for (let i = 0; i < I; i++) {
    const rows = Array.from({ length: N }, (_, n) => n * I + i);
    const hat = rows.map((at) => (x[at] - mean[i]) / Math.sqrt(variance[i] + 1e-5));
    dbias[i] = sum(rows.map((at) => dy[at]));
    dscale[i] = sum(rows.map((at, n) => dy[at] * hat[n]));
    rows.forEach((at, n) => (dx[at] = (scale[i] / Math.sqrt(variance[i] + 1e-5)) * (dy[at] - dbias[i] / N - (hat[n] * dscale[i]) / N)));
  }
  return { dx, dscale, dbias };
}

/** A row by its own mean and variance: over a batch, of x turned round, without scale and bias. */
export function layerNormForward({ x, scale, bias, N, I }: NormaliseInput): Float64Array {
  return turned({ x, N, I }, (plain) => batchNormForward(plain)).map((hat, at) => scale[at % I] * hat + bias[at % I]);
}

export function layerNormBackward(dy: Vector, { x, scale, N, I }: NormaliseInput) {
  const hat = turned({ x, N, I }, (plain) => batchNormForward(plain));
  const g = transpose(Float64Array.from(dy, (value, at) => value * scale[at % I]), N, I);
  return {
    dx: turned({ x, N, I }, (plain) => batchNormBackward(g, plain).dx),
    dscale: columnSums(hat.map((value, at) => value * dy[at]), N, I),
    dbias: columnSums(dy, N, I),
  };
}

function turned({ x, N, I }: Pick<NormaliseInput, "x" | "N" | "I">, work: (plain: NormaliseInput) => Float64Array): Float64Array {
  return transpose(work({ x: transpose(x, N, I), scale: new Float64Array(N).fill(1), bias: zeros(N), N: I, I: N }), I, N);
}

// ---- Dense ---------------------------------------------------------------------------------------

export interface DenseInput {
  /** x (B,I), W (O,I), b (O); `activation` is an index into `activations`. */
  x: Vector; W: Vector; b: Vector;
  B: number; O: number; I: number; activation: number;
}

export function denseForward({ x, W, b, B, O, I, activation }: DenseInput): Float64Array {
  return product(x, transpose(W, O, I), B, O, I).map((z, index) => activations[activation].value(z + b[index % O]));
}

export function denseBackward(dy: Vector, input: DenseInput) {
  const { x, W, B, O, I, activation } = input;
  const dz = denseForward(input).map((y, index) => dy[index] * activations[activation].slope(y));
  return { dx: product(dz, W, B, I, O), dW: product(transpose(dz, B, O), x, O, I, B), db: columnSums(dz, B, O) };
}

// ---- Losses --------------------------------------------------------------------------------------

/** Row by row over logits (B,O). */
export function softmax(logits: Vector, B: number, O: number): Float64Array {
  const result = zeros(B * O);
  for (let b = 0; b < B; b++) {
    const row = Array.from(logits).slice(b * O, (b + 1) * O);
    const highest = Math.max(...row);
    const exponentials = row.map((z) => Math.exp(z - highest));
    const total = sum(exponentials);
    exponentials.forEach((e, o) => (result[b * O + o] = e / total));
  }
  return result;
}

/** PyTorch's CrossEntropyLoss(weight, label_smoothing), mean: the mean is weighted by the weights of the target classes. */
export function crossEntropy(logits: Vector, target: Vector, weights: Vector, smoothing: number, B: number, O: number) {
  const probabilities = softmax(logits, B, O);
  const dlogits = zeros(B * O);
  const totalWeight = sum(Array.from(target).map((t) => weights[t]));
  let loss = 0;
  for (let b = 0; b < B; b++) {
    for (let class_ = 0; class_ < O; class_++) {
      const share = weights[class_] * ((target[b] === class_ ? 1 - smoothing : 0) + smoothing / O);
      loss -= share * Math.log(probabilities[b * O + class_]);
      // d(-log p_class)/dz_o = p_o - [o = class]
      for (let o = 0; o < O; o++) dlogits[b * O + o] += share * (probabilities[b * O + o] - (o === class_ ? 1 : 0));
    }
  }
  return { loss: loss / totalWeight, probabilities, dlogits: dlogits.map((d) => d / totalWeight) };
}

export function huber(y: Vector, target: Vector, N: number, delta: number) {
  const error = Array.from({ length: N }, (_, n) => y[n] - target[n]);
  const loss = error.map((e) => (Math.abs(e) <= delta ? 0.5 * e * e : delta * (Math.abs(e) - 0.5 * delta)));
  return { loss: sum(loss) / N, dy: Float64Array.from(error, (e) => Math.min(Math.max(e, -delta), delta) / N) };
}

export function mse(y: Vector, target: Vector, N: number) {
  const error = Array.from({ length: N }, (_, n) => y[n] - target[n]);
  return { loss: sum(error.map((e) => e * e)) / N, dy: Float64Array.from(error, (e) => (2 * e) / N) };
}

/** Of y (N,Q), target (N), quantiles (Q). */
export function pinball(y: Vector, target: Vector, quantiles: Vector) {
  const Q = quantiles.length;
  const rows = Array.from(y, (value, n) => ({ e: target[Math.floor(n / Q)] - value, q: quantiles[n % Q] }));
  const loss = rows.map(({ e, q }) => Math.max(q * e, (q - 1) * e));
  return { loss: sum(loss) / rows.length, dy: Float64Array.from(rows, ({ e, q }) => (e === 0 ? 0 : e < 0 ? 1 - q : -q) / rows.length) };
}

// ---- Optimizers: one step, returning the new state -----------------------------------------------

export interface AdamOptions { learningRate: number; beta1: number; beta2: number; epsilon: number; weightDecay: number }
export interface SgdOptions { learningRate: number; momentum: number; weightDecay: number }

/** Step `t` (from 1) of AdamW, which without weight decay is Adam. */
export function adam(w: Vector, m: Vector, v: Vector, g: Vector, t: number, options: AdamOptions) {
  const { learningRate, beta1, beta2, epsilon, weightDecay } = options;
  const newM = Float64Array.from(m, (value, p) => beta1 * value + (1 - beta1) * g[p]);
  const newV = Float64Array.from(v, (value, p) => beta2 * value + (1 - beta2) * g[p] * g[p]);
  const newW = Float64Array.from(w, (value, p) => {
    const direction = newM[p] / (1 - beta1 ** t) / (Math.sqrt(newV[p] / (1 - beta2 ** t)) + epsilon);
    return value * (1 - learningRate * weightDecay) - learningRate * direction;
  });
  return { w: newW, m: newM, v: newV };
}

export function sgd(w: Vector, m: Vector, g: Vector, { learningRate, momentum, weightDecay }: SgdOptions) {
  const newM = Float64Array.from(m, (value, p) => momentum * value + g[p] + weightDecay * w[p]);
  return { w: Float64Array.from(w, (value, p) => value - learningRate * newM[p]), m: newM };
}

export const norm = (g: Vector) => Math.sqrt(sum(Array.from(g, (value) => value * value)));

export function clip(g: Vector, maxNorm: number): Float64Array {
  return Float64Array.from(g, (value) => value * Math.min(1, maxNorm / norm(g)));
}

// ---- Randomness ----------------------------------------------------------------------------------

/** Philox4x32-10 (Salmon et al. 2011): four words from a counter of four words and a key of two. */
export function philox(counter: readonly number[], key: readonly number[]): number[] {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  const multiply = (a: number, b: number) => {
    const full = BigInt(a) * BigInt(b);
    return { high: Number(full >> 32n), low: Number(full & 0xffffffffn) };
  };
  for (let round = 0; round < 10; round++) {
    const a = multiply(0xd2511f53, c0);
    const b = multiply(0xcd9e8d57, c2);
    [c0, c1, c2, c3] = [(b.high ^ c1 ^ k0) >>> 0, b.low, (a.high ^ c3 ^ k1) >>> 0, a.low];
    [k0, k1] = [(k0 + 0x9e3779b9) >>> 0, (k1 + 0xbb67ae85) >>> 0];
  }
  return [c0, c1, c2, c3];
}

/** Word n of a stream: 16 words come from four neighbouring counters, first the four first words, then the four second ones. */
export function streamWord(n: number, seedLow: number, seedHigh: number, stream: number): number {
  const block = Math.floor(n / 16) * 4 + (n % 4);
  return philox([block, 0, stream, 0], [seedLow, seedHigh])[Math.floor(n / 4) % 4];
}
