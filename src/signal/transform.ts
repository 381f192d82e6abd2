/**
 * @module
 * The plan of a complex transform: which passes take M points apart, their twiddles, and where the
 * numbers lie. Made once, run as often as wanted; the mathematics is in assembly/fft.ts.
 *
 *     M = 4^a 2^b 3^c 5^d       passes of these radices
 *     else                      a convolution with a chirp by two transforms of L >= 2M - 1 points (Bluestein)
 *
 * With k n = (k² + n² - (k-n)²) / 2 the transform is a product, a convolution and a product:
 *
 *     X_k = c_k Σ_n (x_n c_n) conj(c_{k-n}),   c_n = e^(-πi n²/M)
 */
import { cos, sin } from "../kernels/elementary.ts";
import type { SignalKernels } from "../kernels/signal.ts";

/** How many series lie side by side: 4 fill the lanes of a vector. */
export type Lanes = 1 | 4;

const RADICES = [4, 2, 3, 5];
const PASS_WORDS = 4;

/** M complex points of S series, (2,M,S): real parts, then imaginary ones. */
export class Transform {
  readonly points: number;
  readonly lanes: Lanes;
  /** Pointer to (2,M,S): what `run` transforms; it does not outlive the run. */
  readonly input: number;
  /** Pointer to (2,M,S): the result of `run`, until the next one. */
  readonly output: number;
  readonly #run: (inverse: boolean) => void;

  constructor(kernels: SignalKernels, points: number, lanes: Lanes) {
    this.points = points;
    this.lanes = lanes;
    const radices = factors(points);
    const bytes = 8 * points * lanes;
    this.output = kernels.allocate(bytes);
    if (radices) {
      const work = kernels.allocate(bytes);
      this.input = radices.length % 2 ? work : this.output;
      const passes = writePasses(kernels, radices, points, lanes);
      this.#run = (inverse) => kernels.wasm.fft(this.output, work, passes, radices.length, points * lanes, inverse);
    } else {
      this.input = kernels.allocate(bytes);
      this.#run = this.#bluestein(kernels);
    }
  }

  /** Transform `input` to `output`; the inverse leaves the factor 1/M to the caller. */
  run(inverse = false): void {
    this.#run(inverse);
  }

  #bluestein(kernels: SignalKernels): (inverse: boolean) => void {
    const { points: M, lanes: S, input, output } = this;
    const convolution = new Transform(kernels, convolutionPoints(2 * M - 1), S);
    const L = convolution.points;
    const chirp = kernels.allocate(8 * M * S), response = kernels.allocate(8 * L * S);
    // conj(c) around 0, its transform over L being the response; and 1/L of the inverse
    fillComplex(kernels, convolution.input, L, S, (n) => {
      const k = n < M ? n : L - n;
      return k < M ? [chirpCos(k, M) / L, chirpSin(k, M) / L] : [0, 0];
    });
    convolution.run();
    kernels.float32(response, 2 * L * S).set(kernels.float32(convolution.output, 2 * L * S));
    fillComplex(kernels, chirp, M, S, (n) => [chirpCos(n, M), -chirpSin(n, M)]);

    const { wasm } = kernels;
    const planeM = 4 * M * S, planeL = 4 * L * S;
    return (inverse) => {
      const begin = inverse ? planeM : 0, plane = inverse ? -planeM : planeM; // the inverse exchanges real and imaginary parts
      kernels.float32(convolution.input, 2 * L * S).fill(0);
      wasm.product(convolution.input, input + begin, chirp, M * S, planeL, plane, planeM);
      convolution.run();
      wasm.product(convolution.input, convolution.output, response, L * S, planeL, planeL, planeL);
      convolution.run(true);
      wasm.product(output + begin, convolution.output, chirp, M * S, plane, planeL, planeM);
    };
  }
}

/** The radices of M in the order of the passes, or undefined where it has another prime factor. */
function factors(points: number): number[] | undefined {
  const radices: number[] = [];
  let rest = points;
  for (const radix of RADICES) {
    while (rest % radix === 0) {
      radices.push(radix);
      rest /= radix;
    }
  }
  return rest === 1 ? radices : undefined;
}

/** The least even length of passes that is long enough. */
function convolutionPoints(least: number): number {
  for (let length = least + (least % 2); ; length += 2) if (factors(length)) return length;
}

/** The passes as assembly/fft.ts reads them. */
function writePasses(kernels: SignalKernels, radices: readonly number[], points: number, lanes: Lanes): number {
  const passes = kernels.allocate(4 * PASS_WORDS * radices.length);
  let n = points, s: number = lanes;
  radices.forEach((r, pass) => {
    const m = n / r;
    const twiddles = kernels.allocate(8 * (r - 1) * m);
    const table = kernels.float32(twiddles, 2 * (r - 1) * m);
    const rows = r === 4 && s === 1; // a first pass over one series wants four p side by side
    for (let p = 0; p < m; p++) {
      for (let k = 1; k < r; k++) {
        const at = rows ? 2 * (k - 1) * m + p : 2 * ((r - 1) * p + k - 1);
        const angle = (2 * Math.PI * p * k) / n;
        table[at] = cos(angle);
        table[at + (rows ? m : 1)] = -sin(angle);
      }
    }
    kernels.int32(passes, PASS_WORDS * radices.length).set([r, m, s, twiddles], PASS_WORDS * pass);
    n = m;
    s *= r;
  });
  return passes;
}

// k² is taken modulo 2M, the period of the chirp: the angle stays small and keeps its digits.
const chirpCos = (k: number, M: number) => cos((Math.PI * ((k * k) % (2 * M))) / M);
const chirpSin = (k: number, M: number) => sin((Math.PI * ((k * k) % (2 * M))) / M);

function fillComplex(kernels: SignalKernels, pointer: number, points: number, lanes: number, value: (n: number) => readonly [number, number]): void {
  const view = kernels.float32(pointer, 2 * points * lanes);
  for (let n = 0; n < points; n++) {
    const [re, im] = value(n);
    for (let lane = 0; lane < lanes; lane++) {
      view[n * lanes + lane] = re;
      view[(points + n) * lanes + lane] = im;
    }
  }
}
