/**
 * @module
 * Linear models in closed form, from sums that are exact: ridge regression, least-squares classification
 * and vector autoregression (a forecast of all channels from their own past) are one computation.
 *
 * A row is z = [x, 1, y]: the scaled window from its first step to its last (p columns), a one for the
 * intercept, and the targets (O columns). All that is needed of N rows is the matrix of sums
 *
 *     G = Σ_n q(z_n) q(z_n)ᵀ 2^-32        q(z) = round(z 2^16)                            (1)
 *
 * whose integers float64 holds without an error (assembly/gram.ts says why its diagonal proves that). So
 * the G of any number of parts, merged in any order, is the G of all rows, bit for bit, and what is
 * computed from it is the same model whether the rows were in one place or in many:
 *
 *     C = G_xx / N - m mᵀ      c_y = G_xy / N - m m_yᵀ      m, m_y the means              (2)
 *     (C + λ I) w = c_y        b = m_y - m · w              by Cholesky, C + λ I = L Lᵀ   (3)
 *     Σ_n (y_n - b - w·x_n)² = vᵀ G v,   v = [-w, -b, 1]    a model's error, from G alone (4)
 *
 * y is a value over the head's scale, or 1 for the window's class and 0 for the others. The intercept is
 * not penalised, and λ is relative to columns of variance 1, as scaled ones have about.
 *
 * A column that is, to 2^-40 of its variance, a sum of those before it would divide by rounding errors:
 * it gets weight 0 and is counted as left out. Among scaled columns no λ of LAMBDAS leaves one out.
 *
 * Packed for the wire: the upper half of G 2^32 by rows, D (D+1) / 2 integers, D = p + 1 + O.
 *
 * Reference: Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, 2nd ed., 3.4.1, 4.2.
 */
import { Kernels } from "../kernels/kernels.ts";
import { quantilesOf } from "./head.ts";
import { layoutOf } from "./layout.ts";
import type { ModelSpec } from "./spec.ts";
import type { Examples } from "./trainer.ts";

/** Rows that the kernel takes at a time: enough to hide the load of the sums, few enough for its cache. */
const BLOCK_ROWS = 128;
/** Integer steps in 1, squared: the unit of the sums. */
const UNIT = 2 ** -32;
/** Every sum on the diagonal is below this, and so all are exact. */
const EXACT = 2 ** 53;
/** Share of a column's variance that has to be its own. */
const OWN_SHARE = 2 ** -40;

/** Penalties to choose from, relative to columns of variance 1. */
export const LAMBDAS: readonly number[] = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10];

/** The columns of a row z. */
interface Columns {
  /** p */
  readonly inputs: number;
  /** O */
  readonly outputs: number;
  /** Behind the inputs, the one and the targets: D. */
  readonly all: number;
}

/** Whether a spec is one that closed form solves: flatten, and a head that is a plain linear layer. */
export function isLinear({ layers, side, head }: ModelSpec): boolean {
  return !side && layers.length === 1 && layers[0].type === "flatten" && head.type !== "reconstruct" && quantilesOf(head).length === 0;
}

function columnsOf(spec: ModelSpec): Columns {
  if (!isLinear(spec)) {
    throw new RangeError(`model spec: a linear model expected layers [{"type":"flatten"}] and a head that is classify, regress, or forecast without quantiles`);
  }
  const inputs = spec.input.steps * spec.input.features;
  const outputs = layoutOf(spec).parameters.find(({ name }) => name === "head.b")!.length;
  return { inputs, outputs, all: inputs + 1 + outputs };
}

/** How many integers the packed sums of a linear spec have. */
export function gramLength(spec: ModelSpec): number {
  const { all } = columnsOf(spec);
  return (all * (all + 1)) / 2;
}

/**
 * (1) of scaled windows, packed.
 * @throws RangeError where the spec is not linear, the examples do not fit it, or a sum is too large to be exact
 */
export function gramOf(spec: ModelSpec, examples: Examples): Float64Array {
  const columns = columnsOf(spec);
  const { inputs: p, all: D } = columns;
  checkExamples(spec, examples, columns);
  const kernels = new Kernels();
  const stride = Math.ceil(D / 4) * 4;
  const N = Math.min(BLOCK_ROWS, examples.count);
  const [G, z, scratch] = [8 * stride * stride, 4 * N * D, 4 * kernels.wasm.gramScratch(N, D)].map((bytes) => kernels.allocate(bytes));
  for (let first = 0; first < examples.count; first += N) {
    const rows = kernels.float32(z, Math.min(N, examples.count - first) * D);
    for (let row = 0; row * D < rows.length; row++) {
      const n = first + row;
      rows.set(examples.inputs.subarray(n * p, (n + 1) * p), row * D);
      rows[row * D + p] = 1;
      setTargets(rows, row * D + p + 1, spec, examples.targets, n, columns.outputs);
    }
    kernels.wasm.gram(G, z, scratch, rows.length / D, D);
  }
  const sums = kernels.float64(G, stride * stride);
  const packed = new Float64Array((D * (D + 1)) / 2);
  for (let i = 0, at = 0; i < D; at += D - i, i++) packed.set(sums.subarray(i * stride + i, i * stride + D), at);
  checkSums(packed, columns);
  return packed;
}

function setTargets(rows: Float32Array, at: number, { head }: ModelSpec, targets: Float32Array, n: number, O: number): void {
  if (head.type === "classify") {
    rows.fill(0, at, at + O);
    rows[at + targets[n]] = 1;
  } else if (head.type !== "reconstruct") {
    for (let o = 0; o < O; o++) rows[at + o] = targets[n * O + o] / head.scale;
  }
}

function checkExamples(spec: ModelSpec, { inputs, targets, count }: Examples, { inputs: p, outputs: O }: Columns): void {
  const { head } = spec;
  const values = head.type === "classify" ? count : count * O;
  if (inputs.length !== count * p) throw new RangeError(`"inputs" expected ${count * p} values, ${count} windows of ${p}, got ${inputs.length}`);
  if (targets.length !== values) throw new RangeError(`"targets" expected ${values} values for ${count} windows, got ${targets.length}`);
  if (head.type !== "classify") return;
  const wrong = targets.findIndex((target) => !(Number.isInteger(target) && target >= 0 && target < O));
  if (wrong >= 0) throw new RangeError(`"targets" expected class indices from 0 to ${O - 1}, got ${targets[wrong]} at ${wrong}`);
}

/**
 * The sums of all rows from those of parts, in any order.
 * @throws RangeError where a part has another length, or the whole is too large to be exact
 */
export function mergeGrams(spec: ModelSpec, parts: Iterable<Float64Array>): Float64Array {
  const whole = new Float64Array(gramLength(spec));
  for (const part of parts) {
    if (part.length !== whole.length) throw new RangeError(`sums of products expected ${whole.length} numbers for this spec, got ${part.length}`);
    for (let at = 0; at < whole.length; at++) whole[at] += part[at];
  }
  checkSums(whole, columnsOf(spec));
  return whole;
}

/** Where row i of the upper half begins, less i: element (i,j), i <= j, is at rowOf(i) + j. */
const rowOf = (i: number, D: number): number => i * D - (i * (i + 1)) / 2;

/** The proof that all sums are exact; whoever reads sums from outside calls it first. */
function checkSums(packed: Float64Array, { inputs, all: D }: Columns): void {
  for (let i = 0; i < D; i++) {
    const square = packed[rowOf(i, D) + i];
    if (square >= 0 && square < EXACT) continue;
    const column = i < inputs ? `column ${i} of the flattened window` : i === inputs ? "the number of windows" : `target ${i - inputs - 1}`;
    if (!Number.isFinite(square)) throw new RangeError(`linear model: ${column} expected finite numbers; mend or leave out the windows that have others`);
    throw new RangeError(
      `linear model: ${column} has a sum of squares of ${(square * UNIT).toPrecision(3)}, and sums are exact below 2^21; ` +
        (i > inputs ? "raise the head's scale" : i === inputs ? "use fewer windows" : "scale the windows, leave the column or its outliers out, or use fewer windows"),
    );
  }
  if (packed.some((value) => !Number.isInteger(value))) throw new RangeError("linear model: sums of products expected integers; they were damaged on their way");
}

export interface LinearFit {
  /** (P) the canonical vector of the spec. */
  readonly parameters: Float32Array;
  readonly lambda: number;
  /** Windows in the sums. */
  readonly samples: number;
  /** Columns left out because those before them, or nothing but a constant, make them up. */
  readonly dropped: number;
}

/**
 * (2) and (3).
 * @param lambda >= 0, relative to columns of variance 1
 * @throws RangeError where the sums are of no windows, or not exact
 */
export function solveGram(spec: ModelSpec, packed: Float64Array, lambda: number): LinearFit {
  if (!(lambda >= 0 && lambda < Infinity)) throw new RangeError(`"lambda" expected a number >= 0, got ${lambda}`);
  const { inputs: p, outputs: O, all: D } = columnsOf(spec);
  checkSums(packed, columnsOf(spec));
  const ones = rowOf(p, D);
  const N = packed[ones + p] * UNIT;
  if (N === 0) throw new RangeError("linear model: expected sums of at least one window, got none; do all factories have training windows?");
  const mean = Float64Array.from({ length: D }, (_, i) => ((i <= p ? packed[rowOf(i, D) + p] : packed[ones + i]) * UNIT) / N);

  const factor = new Float64Array(p * p);
  for (let i = 0; i < p; i++) {
    for (let j = 0; j <= i; j++) factor[i * p + j] = (packed[rowOf(j, D) + i] * UNIT) / N - mean[i] * mean[j]; // (2)
    factor[i * p + i] += lambda;
  }
  const dropped = cholesky(factor, p);
  const { parameters: places, length } = layoutOf(spec);
  const [W, b] = ["head.W", "head.b"].map((name) => places.find((place) => place.name === name)!.offset);
  const parameters = new Float32Array(length);
  const w = new Float64Array(p);
  for (let o = 0; o < O; o++) {
    const y = p + 1 + o;
    for (let i = 0; i < p; i++) w[i] = (packed[rowOf(i, D) + y] * UNIT) / N - mean[i] * mean[y]; // (2)
    substitute(w, factor, p);
    let intercept = mean[y];
    for (let i = 0; i < p; i++) intercept -= mean[i] * w[i];
    parameters.set(w, W + o * p);
    parameters[b + o] = intercept; // (3)
  }
  return { parameters, lambda, samples: N, dropped };
}

/** Means and covariances of N rows. */
export interface Covariance {
  readonly samples: number;
  /** (D) */
  readonly mean: Float64Array;
  /** (D,D) */
  readonly covariance: Float64Array;
}

/** The covariances of rows [x, y], of inputs and targets side by side: what models other than least squares are computed from. */
export function covarianceOf(spec: ModelSpec, packed: Float64Array): Covariance {
  const { inputs: p, outputs: O, all } = columnsOf(spec);
  checkSums(packed, columnsOf(spec));
  const D = p + O;
  const column = (i: number) => (i < p ? i : i + 1); // behind the inputs is the one
  const sum = (i: number, j: number) => packed[rowOf(Math.min(i, j), all) + Math.max(i, j)] * UNIT;
  const samples = sum(p, p);
  if (samples === 0) throw new RangeError("covariance: expected sums of at least one window, got none; do all factories have training windows?");
  const mean = Float64Array.from({ length: D }, (_, i) => sum(column(i), p) / samples);
  const covariance = Float64Array.from({ length: D * D }, (_, at) => {
    const [i, j] = [Math.floor(at / D), at % D];
    return sum(column(i), column(j)) / samples - mean[i] * mean[j]; // (2)
  });
  return { samples, mean, covariance };
}

/**
 * A = L Lᵀ in place of A's lower half (n,n). Where a column's own part of the variance is nothing but rounding errors, its
 * row and column of L become 0. Returns how many did.
 */
function cholesky(A: Float64Array, n: number): number {
  let dropped = 0;
  for (let i = 0; i < n; i++) {
    const row = i * n;
    const variance = A[row + i];
    for (let j = 0; j < i; j++) {
      const pivot = A[j * n + j];
      A[row + j] = pivot === 0 ? 0 : (A[row + j] - dot(A, row, j * n, j)) / pivot;
    }
    const own = variance - dot(A, row, row, i);
    if (own > OWN_SHARE * variance) A[row + i] = Math.sqrt(own);
    else {
      A.fill(0, row, row + i + 1);
      dropped++;
    }
  }
  return dropped;
}

/** Four chains of additions, which do not wait for each other; their number and order are fixed. */
function dot(A: Float64Array, a: number, b: number, length: number): number {
  let s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  const end = a + (length & ~3);
  const last = a + length;
  while (a < end) {
    s0 += A[a] * A[b];
    s1 += A[a + 1] * A[b + 1];
    s2 += A[a + 2] * A[b + 2];
    s3 += A[a + 3] * A[b + 3];
    a += 4;
    b += 4;
  }
  while (a < last) s0 += A[a++] * A[b++];
  return s0 + s1 + (s2 + s3);
}

/** x of L Lᵀ x = y in place of y; 0 where a column was left out. */
function substitute(y: Float64Array, L: Float64Array, n: number): void {
  for (let i = 0; i < n; i++) {
    const pivot = L[i * n + i];
    let sum = y[i];
    for (let j = 0; j < i; j++) sum -= L[i * n + j] * y[j];
    y[i] = pivot === 0 ? 0 : sum / pivot;
  }
  for (let i = n - 1; i >= 0; i--) {
    const pivot = L[i * n + i];
    y[i] = pivot === 0 ? 0 : y[i] / pivot;
    for (let j = 0; j < i; j++) y[j] -= L[i * n + j] * y[i];
  }
}

/** (4) summed over the outputs, in units of the targets over the head's scale, squared. */
export function squaredError(spec: ModelSpec, packed: Float64Array, parameters: Float32Array): number {
  const { inputs: p, outputs: O, all: D } = columnsOf(spec);
  const { parameters: places } = layoutOf(spec);
  const [W, b] = ["head.W", "head.b"].map((name) => places.find((place) => place.name === name)!.offset);
  const v = new Float64Array(p + 2);
  let total = 0;
  for (let o = 0; o < O; o++) {
    for (let i = 0; i < p; i++) v[i] = -parameters[W + o * p + i];
    v[p] = -parameters[b + o];
    v[p + 1] = 1;
    for (let i = 0; i < p + 2; i++) {
      const row = rowOf(i < p + 1 ? i : p + 1 + o, D);
      let sum = 0.5 * v[i] * packed[row + (i < p + 1 ? i : p + 1 + o)];
      for (let j = i + 1; j < p + 2; j++) sum += v[j] * packed[row + (j < p + 1 ? j : p + 1 + o)];
      total += 2 * v[i] * sum * UNIT;
    }
  }
  return total;
}

/**
 * The model whose error on the validation sums is least, of one for each penalty; of equals the first. Of one penalty there
 * is nothing to choose, and the validation sums are not looked at.
 * @throws RangeError where sums are of no windows, or not exact
 */
export function chooseGram(spec: ModelSpec, train: Float64Array, validation: Float64Array, lambdas: readonly number[] = LAMBDAS): LinearFit {
  if (lambdas.length === 0) throw new RangeError(`"lambdas" expected at least one penalty, got none`);
  if (lambdas.length === 1) return solveGram(spec, train, lambdas[0]);
  checkSums(validation, columnsOf(spec));
  if (validation.every((sum) => sum === 0)) throw new RangeError(`"validation" expected sums of at least one window to choose a penalty by; give one penalty, or validation windows`);
  const fits = lambdas.map((lambda) => solveGram(spec, train, lambda));
  const errors = fits.map(({ parameters }) => squaredError(spec, validation, parameters));
  return fits[errors.indexOf(Math.min(...errors))];
}
