/**
 * @module
 * Features of many windows at once:
 *
 *     const features = new Features(recipe, { steps: 2048, channels: ["drive end", "fan end"] });
 *     const rows = features.extract(windows.inputs, windows.count);
 *
 *     inputs (N,T,C) ─ frames ─► four series at a time ─ parts of the recipe ─► (N, frames, C·F)
 *
 * What comes back is what a ModelSpec takes: sequences with input { steps: frames, features: C·F }, or with
 * one frame a vector. The plan is made once; a series' features do not depend on its neighbours.
 */
import { log } from "../kernels/elementary.ts";
import { SignalKernels } from "../kernels/signal.ts";
import { checkLength } from "./fft.ts";
import { NOWHERE, ROW_BYTES } from "./lanes.ts";
import { needsShaft, partsOf, type Column, type Part, type Recipe } from "./recipe.ts";
import { checkRate, checkSamples } from "./spectrum.ts";
import type { Windows } from "./window.ts";

export interface WindowShape {
  /** T, samples of a window. */
  readonly steps: number;
  /** Names of the C channels. */
  readonly channels: readonly string[];
}

export interface ExtractOptions {
  /** Frequency of the shaft in Hz, one for all windows or (N) one for each; for recipes with orders. */
  readonly shaftHz?: number | ArrayLike<number>;
}

/** A stretch of consecutive samples (steps,C) in kernel memory, such as a view of a ring buffer. */
export interface Span {
  readonly pointer: number;
  readonly steps: number;
}

const LANES = 4;
const COLUMN_WORDS = 3;
/** Numbers that are copied into kernel memory at a time; a window is never cut. */
const CHUNK = 2 ** 18;
/** Below, a logarithm is that of this: what lies there is rounding. */
const LEAST = 1e-30;

export class Features {
  readonly recipe: Recipe;
  readonly kernels: SignalKernels;
  /** Names of the C·F columns: "channel.feature", channel by channel. */
  readonly columns: readonly string[];
  /** Frames of a window: steps of a sequence of features. */
  readonly frames: number;
  readonly #steps: number;
  readonly #channels: readonly string[];
  readonly #samples: number;
  readonly #hop: number;
  readonly #parts: readonly Part[];
  readonly #shown: readonly Column[];
  readonly #block: number;
  readonly #table: number;
  readonly #chunk: number;
  readonly #input: number;
  readonly #output: number;

  /** @throws RangeError for an impossible recipe, naming the field */
  constructor(recipe: Recipe, { steps, channels }: WindowShape, { kernels = new SignalKernels() }: { readonly kernels?: SignalKernels } = {}) {
    checkRate(recipe.rateHz);
    checkSamples(steps);
    if (channels.length === 0) throw new RangeError('"channels" expected at least one name');
    const { samples = steps, hop = samples } = recipe.frame ?? {};
    if (!(Number.isSafeInteger(samples) && samples >= 2 && samples <= steps)) throw new RangeError(`"frame.samples" expected an integer from 2 to ${steps}, got ${samples}`);
    if (!(Number.isSafeInteger(hop) && hop >= 1)) throw new RangeError(`"frame.hop" expected an integer >= 1, got ${hop}`);
    this.recipe = recipe;
    this.kernels = kernels;
    this.frames = Math.floor((steps - samples) / hop) + 1;
    this.#steps = steps;
    this.#channels = channels;
    this.#samples = samples;
    this.#hop = hop;
    this.#block = kernels.allocate(ROW_BYTES * kernels.wasm.sortRows(samples)); // percentiles sort it
    this.#parts = partsOf(recipe, samples, kernels);
    this.#shown = this.#parts.flatMap((part) => part.columns);
    this.columns = channels.flatMap((channel) => this.#shown.map(({ name }) => `${channel}.${name}`));
    this.#table = this.#writeTable();
    this.#chunk = Math.max(1, Math.floor(CHUNK / (steps * channels.length)));
    this.#input = kernels.allocate(4 * this.#chunk * steps * channels.length);
    this.#output = kernels.allocate(4 * this.#chunk * this.frames * this.columns.length);
  }

  /** The columns as the kernel `scatter` reads them. */
  #writeTable(): number {
    const table = this.kernels.allocate(4 * COLUMN_WORDS * this.#shown.length);
    const words = this.kernels.int32(table, COLUMN_WORDS * this.#shown.length), scales = this.kernels.float32(table, words.length);
    this.#shown.forEach(({ row, over = 0, scale = 1 }, column) => {
      words[COLUMN_WORDS * column] = row;
      words[COLUMN_WORDS * column + 1] = over;
      scales[COLUMN_WORDS * column + 2] = scale;
    });
    return table;
  }

  /**
   * Features of N windows (N,T,C): (N, frames, C·F).
   * @throws RangeError for another length, a sample that is not finite, or a recipe with orders and no shaft's frequency
   */
  extract(inputs: Float32Array, count: number, { shaftHz }: ExtractOptions = {}): Float32Array {
    const size = this.#steps * this.#channels.length, width = this.frames * this.columns.length;
    checkLength("inputs", inputs, count * size);
    const shafts = this.#shafts(shaftHz, count);
    const result = new Float32Array(count * width);
    for (let first = 0; first < count; first += this.#chunk) {
      const windows = Math.min(this.#chunk, count - first);
      this.kernels.float32(this.#input, windows * size).set(inputs.subarray(first * size, (first + windows) * size));
      this.#run({ first, windows, pointer: this.#input, end: NOWHERE, back: 0 }, shafts);
      result.set(this.kernels.float32(this.#output, windows * width), first * width);
    }
    return this.#finish(result, shafts);
  }

  /**
   * The same windows with features in place of samples, for a spec with input { steps: frames, features: columns.length }.
   * @throws RangeError for windows of another shape than the plan's, else as `extract`
   */
  windows(windows: Windows, options: ExtractOptions = {}): Windows {
    if (windows.steps !== this.#steps || windows.features !== this.#channels.length) {
      throw new RangeError(`"windows" expected ${this.#steps} steps of ${this.#channels.length} channels, got ${windows.steps} of ${windows.features}`);
    }
    return { ...windows, inputs: this.extract(windows.inputs, windows.count, options), steps: this.frames, features: this.columns.length };
  }

  /**
   * Features of one window that lies in this plan's kernel memory, read where it is: (frames, C·F). A window
   * that turns around at the end of a ring buffer has two spans.
   * @throws RangeError when the spans do not add up to the steps of a window, else as `extract`
   */
  extractAt(spans: readonly Span[], options: ExtractOptions = {}): Float32Array {
    const steps = spans.reduce((sum, span) => sum + span.steps, 0);
    if (spans.length < 1 || spans.length > 2 || steps !== this.#steps) {
      throw new RangeError(`"spans" expected one or two that add up to ${this.#steps} steps, got ${spans.map((span) => span.steps).join(" and ") || "none"}`);
    }
    const [{ pointer, steps: before }, second] = spans;
    const end = pointer + 4 * this.#channels.length * before;
    const shafts = this.#shafts(options.shaftHz, 1);
    this.#run({ first: 0, windows: 1, pointer, end: second ? end : NOWHERE, back: second ? end - second.pointer : 0 }, shafts);
    return this.#finish(this.kernels.float32(this.#output, this.frames * this.columns.length).slice(), shafts);
  }

  /** (N) the shaft's frequency of each window; without need for it, none. */
  #shafts(shaftHz: ExtractOptions["shaftHz"], count: number): ArrayLike<number> {
    if (!needsShaft(this.recipe)) return [];
    const shafts = typeof shaftHz === "number" ? new Float64Array(count).fill(shaftHz) : (shaftHz ?? []);
    if (shafts.length !== count) throw new RangeError(`"shaftHz" expected one number, or one for each of ${count} windows, since the recipe has orders, got ${shaftHz === undefined ? "none" : shafts.length}`);
    for (let n = 0; n < count; n++) if (!(shafts[n] > 0 && Number.isFinite(shafts[n]))) throw new RangeError(`"shaftHz" expected numbers above 0, got ${shafts[n]} for window ${n}`);
    return shafts;
  }

  /** Raw features of windows in kernel memory, into `#output`. */
  #run({ first, windows, pointer, end, back }: Batch, shafts: ArrayLike<number>): void {
    const { wasm } = this.kernels;
    const C = this.#channels.length, perWindow = this.frames * C, count = windows * perWindow;
    const pointers = [0, 0, 0, 0], speeds: number[] = [];
    for (let series = 0; series < count; series += LANES) {
      const lanes = Math.min(LANES, count - series);
      for (let lane = 0; lane < LANES; lane++) {
        const which = series + Math.min(lane, lanes - 1); // what is missing repeats the last one
        const window = Math.floor(which / perWindow), frame = Math.floor(which / C) % this.frames;
        const at = pointer + 4 * ((window * this.#steps + frame * this.#hop) * C + (which % C));
        pointers[lane] = at >= end ? at - back : at;
        if (shafts.length > 0) speeds[lane] = shafts[first + window];
      }
      const wrong = wasm.gather(this.#block, pointers[0], pointers[1], pointers[2], pointers[3], 4 * C, this.#samples, end, back);
      if (wrong) this.#refuse(first * perWindow + series + Math.min(lanes - 1, 31 - Math.clz32(wrong & -wrong)));
      for (const part of this.#parts) part.run(this.#block, speeds);
      wasm.scatter(this.#output + 4 * series * this.#shown.length, this.#table, this.#shown.length, lanes);
    }
  }

  #refuse(series: number): never {
    const C = this.#channels.length;
    const window = Math.floor(series / (this.frames * C));
    throw new RangeError(`window ${window}, channel "${this.#channels[series % C]}": expected finite samples; fill gaps, or leave out the window, before features are taken`);
  }

  /** Logarithms and orders, in place. */
  #finish(result: Float32Array, shafts: ArrayLike<number>): Float32Array {
    const F = this.#shown.length, perWindow = this.frames * this.columns.length;
    this.#shown.forEach((column, f) => {
      if (!column.log && !column.order) return;
      for (let at = f; at < result.length; at += F) {
        if (column.order) result[at] /= shafts[Math.floor(at / perWindow)];
        if (column.log) result[at] = log(Math.max(LEAST, result[at]));
      }
    });
    return result;
  }
}

/** Windows one after the other in kernel memory, the number of the first, and where they turn back. */
interface Batch {
  readonly first: number;
  readonly windows: number;
  readonly pointer: number;
  readonly end: number;
  readonly back: number;
}
