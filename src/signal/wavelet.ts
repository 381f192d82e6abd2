/**
 * @module
 * Discrete wavelet transform and wavelet packet, with PyWavelets' conventions:
 *
 *     const wavelet = new Wavelet({ samples: 2048, wavelet: "db4", levels: 4 });
 *     const [a4, d4, d3, d2, d1] = wavelet.decompose(samples);       // pywt.wavedec
 *
 *     const packet = new WaveletPacket({ samples: 2048, wavelet: "sym8", levels: 3 });
 *     const nodes = packet.decompose(samples);      // 8, from the lowest frequencies to the highest
 *
 * A transform halves the band of lowest frequencies at each level, a packet every band.
 */
import { SignalKernels } from "../kernels/signal.ts";
import { FILTERS } from "./filters.ts";
import { Block, firstLane, ROW_BYTES } from "./lanes.ts";
import { checkSamples } from "./spectrum.ts";

export const WAVELETS = Object.keys(FILTERS) as readonly WaveletName[];
export type WaveletName = keyof typeof FILTERS;
/** How a series goes on beyond its ends; in the order of the kernel's codes. */
export const MODES = ["symmetric", "periodic", "zero", "periodization"] as const;
export type WaveletMode = (typeof MODES)[number];

export interface WaveletOptions {
  /** N, samples of a signal. */
  readonly samples: number;
  readonly wavelet: WaveletName;
  /** At most log2(N / (taps - 1)): beyond, every coefficient would be one of the ends. */
  readonly levels: number;
  /** Default: symmetric. */
  readonly mode?: WaveletMode;
  /** Where the plan lies; default a memory of its own. */
  readonly kernels?: SignalKernels;
}

/** Coefficients in kernel memory, (samples,4). */
export interface Coefficients {
  readonly pointer: number;
  readonly samples: number;
}

/** One level: how long its results are, and the kernel with its filters. */
class Level {
  readonly kernels: SignalKernels;
  readonly #filters: number;
  readonly #taps: number;
  readonly #mode: number;
  readonly #scratch: number;

  /** @throws RangeError for impossible options */
  constructor({ samples, wavelet, levels, mode = "symmetric", kernels = new SignalKernels() }: WaveletOptions) {
    checkSamples(samples);
    if (!WAVELETS.includes(wavelet)) throw new RangeError(`"wavelet" expected one of ${WAVELETS.join(", ")}, got ${JSON.stringify(wavelet)}`);
    if (!MODES.includes(mode)) throw new RangeError(`"mode" expected one of ${MODES.join(", ")}, got ${JSON.stringify(mode)}`);
    const low = FILTERS[wavelet];
    const most = mostLevels(samples, low.length);
    if (!(Number.isSafeInteger(levels) && levels >= 1 && levels <= most)) {
      throw new RangeError(`"levels" expected an integer from 1 to ${most} for ${samples} samples and ${wavelet}, got ${levels}`);
    }
    this.kernels = kernels;
    this.#taps = low.length;
    this.#mode = MODES.indexOf(mode);
    this.#scratch = kernels.allocate(4 * kernels.wasm.waveletScratch(samples, low.length));
    this.#filters = kernels.allocate(8 * low.length);
    const high = low.map((_, j) => (j % 2 ? 1 : -1) * low[low.length - 1 - j]);
    kernels.float32(this.#filters, 2 * low.length).set([...low.toReversed(), ...high.toReversed()]); // turned around, as the kernel reads
  }

  /** Room for the two halves of a series. */
  halves(samples: number): [Coefficients, Coefficients] {
    const count = this.kernels.wasm.waveletOutputs(samples, this.#taps, this.#mode);
    const half = () => ({ pointer: this.kernels.allocate(ROW_BYTES * count), samples: count });
    return [half(), half()];
  }

  run(a: Coefficients, d: Coefficients, x: Coefficients): void {
    this.kernels.wasm.wavelet(a.pointer, d.pointer, x.pointer, this.#filters, this.#scratch, x.samples, this.#taps, this.#mode);
  }
}

function mostLevels(samples: number, taps: number): number {
  let levels = 0;
  while ((taps - 1) * 2 ** (levels + 1) <= samples) levels++;
  return levels;
}

/** The discrete wavelet transform. */
export class Wavelet {
  /** Results for four signals: the approximation, then the details from the last level to the first. */
  readonly bands: readonly Coefficients[];
  readonly kernels: SignalKernels;
  readonly #level: Level;
  readonly #samples: number;
  readonly #steps: readonly (readonly [Coefficients, Coefficients])[];
  #block: Block | undefined;

  /** @throws RangeError for impossible options */
  constructor(options: WaveletOptions) {
    this.#level = new Level(options);
    this.#samples = options.samples;
    this.kernels = this.#level.kernels;
    const steps: [Coefficients, Coefficients][] = [];
    for (let samples = options.samples; steps.length < options.levels; samples = steps.at(-1)![0].samples) steps.push(this.#level.halves(samples));
    this.#steps = steps;
    this.bands = [steps.at(-1)![0], ...steps.map(([, d]) => d).toReversed()];
  }

  /** Transform four signals x (N,4) in kernel memory, into `bands`. */
  run(x: number): void {
    let series: Coefficients = { pointer: x, samples: this.#samples };
    for (const [a, d] of this.#steps) {
      this.#level.run(a, d, series);
      series = a;
    }
  }

  /**
   * The transform of one signal x (N): approximation, then details from the last level to the first.
   * @throws TypeError or RangeError unless x is a Float32Array of N finite samples
   */
  decompose(x: Float32Array): Float32Array[] {
    this.#block ??= new Block(this.kernels, this.#samples);
    this.#block.load(x);
    this.run(this.#block.pointer);
    return this.bands.map(({ pointer, samples }) => firstLane(this.kernels, pointer, samples));
  }
}

/** All bands of the last level. */
export class WaveletPacket {
  /** Results for four signals, 2^levels of them from the lowest frequencies to the highest. */
  readonly bands: readonly Coefficients[];
  readonly kernels: SignalKernels;
  readonly #level: Level;
  readonly #samples: number;
  /** By level: each node of the one before, by frequency, with its two halves. */
  readonly #steps: readonly { readonly parent: number; readonly low: Coefficients; readonly high: Coefficients }[][];
  #block: Block | undefined;

  /** @throws RangeError for impossible options */
  constructor(options: WaveletOptions) {
    this.#level = new Level(options);
    this.#samples = options.samples;
    this.kernels = this.#level.kernels;
    let nodes: Coefficients[] = [{ pointer: 0, samples: options.samples }];
    this.#steps = Array.from({ length: options.levels }, () => {
      const step = nodes.map(({ samples }, parent) => {
        const [low, high] = this.#level.halves(samples);
        return { parent, low, high };
      });
      // Keeping every second output of a high pass turns its band around, so that there the high half is the lower one.
      nodes = step.flatMap(({ parent, low, high }) => (parent % 2 ? [high, low] : [low, high]));
      return step;
    });
    this.bands = nodes;
  }

  /** Transform four signals x (N,4) in kernel memory, into `bands`. */
  run(x: number): void {
    let nodes: Coefficients[] = [{ pointer: x, samples: this.#samples }];
    for (const step of this.#steps) {
      for (const { parent, low, high } of step) this.#level.run(low, high, nodes[parent]);
      nodes = step.flatMap(({ parent, low, high }) => (parent % 2 ? [high, low] : [low, high]));
    }
  }

  /**
   * The bands of one signal x (N), from the lowest frequencies to the highest.
   * @throws TypeError or RangeError unless x is a Float32Array of N finite samples
   */
  decompose(x: Float32Array): Float32Array[] {
    this.#block ??= new Block(this.kernels, this.#samples);
    this.#block.load(x);
    this.run(this.#block.pointer);
    return this.bands.map(({ pointer, samples }) => firstLane(this.kernels, pointer, samples));
  }
}
