/**
 * @module
 * A recipe names the features that are taken of every channel; here it becomes parts, each of which plans
 * its memory once and then writes rows of four numbers, one for each series in the lanes:
 *
 *     block (N,4) ─ part.run ─► rows (·,4) ─ columns ─► a row of features for each series
 *
 * A column says which row it shows, in which scale, as a share of which other row, and whether as a logarithm.
 */
import type { SignalKernels } from "../kernels/signal.ts";
import { Envelope } from "./envelope.ts";
import { Fft } from "./fft.ts";
import { ROW_BYTES } from "./lanes.ts";
import { SHAPE_COUNT, SHAPE_ROWS, Spectrum } from "./spectrum.ts";
import { checkPercent, HIGHER, STATISTICS, type Statistic } from "./statistics.ts";
import { Wavelet, WaveletPacket, type WaveletMode, type WaveletName } from "./wavelet.ts";

export interface Recipe {
  readonly rateHz: number;
  /** Take features of frames of a window, so that they are a sequence. Default: the window is one frame. */
  readonly frame?: { readonly samples: number; readonly hop?: number };
  readonly statistics?: readonly Statistic[];
  /** From 0 to 100. */
  readonly percentiles?: readonly number[];
  readonly spectrum?: SpectrumRecipe;
  readonly envelope?: EnvelopeRecipe;
  readonly wavelet?: WaveletRecipe;
  /**
   * The nine features that tutorials of this field take: mean, std, min, max, percentiles 25 and 75, and of the
   * magnitudes of a transform without window, its constant part included, the greatest, its place, and their mean.
   */
  readonly tutorial?: boolean;
  /** The samples of the frame themselves, so that a network has both. Default false. */
  readonly samples?: boolean;
}

export interface SpectrumRecipe {
  /** As in `Spectrum`. */
  readonly segment?: number;
  readonly overlap?: number;
  /** Of all frequencies but the constant part. A peak order is in multiples of the shaft's frequency. */
  readonly shape?: readonly ShapeName[];
  /** Power of each band, from <= f < to. */
  readonly bandsHz?: readonly (readonly [number, number])[];
  /** Power around harmonics of these multiples of the shaft's frequency, such as `{ shaft: 1, ...faultOrders(bearing) }`. */
  readonly orders?: Readonly<Record<string, number>>;
  /** Default 1. */
  readonly harmonics?: number;
  /** How far around, as a share of the harmonic's frequency. Default 0.02. */
  readonly tolerance?: number;
  /** The density at every frequency. Default false. */
  readonly bins?: boolean;
  /** Powers as shares of the total but for the constant part: independent of the sensor's gain. Default false. */
  readonly relative?: boolean;
  /** Powers as natural logarithms, of at least 1e-30. Default false. */
  readonly log?: boolean;
}

export interface EnvelopeRecipe extends SpectrumRecipe {
  readonly bandHz?: readonly [number, number];
  readonly whiten?: boolean;
}

export interface WaveletRecipe {
  readonly wavelet: WaveletName;
  readonly levels: number;
  readonly mode?: WaveletMode;
  /** All 2^levels bands in place of the levels. Default false. */
  readonly packet?: boolean;
  readonly relative?: boolean;
  readonly log?: boolean;
  /** Entropy of the bands' shares of the energy: 0 for all in one, 1 for equal ones. Default true. */
  readonly entropy?: boolean;
}

const SHAPES = ["power", "centroidHz", "spreadHz", "entropy", "peakHz", "peakOrder"] as const;
export type ShapeName = (typeof SHAPES)[number];

export interface Column {
  readonly name: string;
  /** Pointer to (4). */
  readonly row: number;
  readonly scale?: number;
  /** Pointer to the row of which this one is a share. */
  readonly over?: number;
  readonly log?: boolean;
  /** Divided by the shaft's frequency. */
  readonly order?: boolean;
}

export interface Part {
  readonly columns: readonly Column[];
  /** @param shaftsHz of the four series, where the recipe needs them */
  run(block: number, shaftsHz: readonly number[]): void;
}

/** Whether features depend on the shaft's frequency. */
export const needsShaft = ({ spectrum, envelope }: Recipe): boolean =>
  [spectrum, envelope].some((part) => part?.orders !== undefined || part?.shape?.includes("peakOrder"));

/** The parts of a recipe for frames of so many samples, in the order of their columns. */
export function partsOf(recipe: Recipe, samples: number, kernels: SignalKernels): Part[] {
  const { rateHz, statistics, percentiles, spectrum, envelope, wavelet, tutorial } = recipe;
  const parts: Part[] = [];
  if (statistics) parts.push(statisticsPart(statistics, samples, kernels));
  if (spectrum) parts.push(spectrumPart("spectrum", spectrum, { samples, rateHz }, kernels));
  if (envelope) parts.push(envelopePart(envelope, { samples, rateHz }, kernels));
  if (wavelet) parts.push(waveletPart(wavelet, samples, kernels));
  if (tutorial) parts.push(tutorialPart(samples, kernels));
  if (recipe.samples) parts.push(samplesPart(samples, kernels));
  // Last, since they sort the block.
  const percents = [...(tutorial ? [25, 75] : []), ...(percentiles ?? [])];
  if (percents.length > 0) parts.push(percentilePart(percents, samples, kernels));
  if (parts.length === 0) throw new RangeError("recipe expected at least one of statistics, percentiles, spectrum, envelope, wavelet, tutorial, samples");
  return parts;
}

function statisticsPart(wanted: readonly Statistic[], samples: number, kernels: SignalKernels): Part {
  const rows = kernels.allocate(ROW_BYTES * STATISTICS.length);
  const some = (from: number, to: number) => STATISTICS.slice(from, to).some((name) => wanted.includes(name));
  const lower = some(0, HIGHER), higher = some(HIGHER, STATISTICS.length);
  return {
    columns: wanted.map((name) => ({ name, row: rows + ROW_BYTES * place(STATISTICS, name, "statistics") })),
    run(block) {
      if (lower) kernels.wasm.moments(rows, block, samples);
      if (higher) kernels.wasm.higherMoments(rows + ROW_BYTES * HIGHER, block, samples);
    },
  };
}

/** @throws RangeError for a name that is none of them */
function place<Name extends string>(names: readonly Name[], name: Name, field: string): number {
  const index = names.indexOf(name);
  if (index < 0) throw new RangeError(`"${field}" expected some of ${names.join(", ")}, got ${JSON.stringify(name)}`);
  return index;
}

function percentilePart(percents: readonly number[], samples: number, kernels: SignalKernels): Part {
  percents.forEach(checkPercent);
  const rows = kernels.allocate(ROW_BYTES * percents.length);
  return {
    columns: percents.map((percent, n) => ({ name: `p${percent}`, row: rows + ROW_BYTES * n })),
    run(block) {
      kernels.wasm.sortRuns(block, samples);
      percents.forEach((percent, n) => kernels.wasm.percentile(rows + ROW_BYTES * n, block, samples, percent));
    },
  };
}

function samplesPart(samples: number, kernels: SignalKernels): Part {
  const rows = kernels.allocate(ROW_BYTES * samples);
  return {
    columns: Array.from({ length: samples }, (_, n) => ({ name: `sample ${n}`, row: rows + ROW_BYTES * n })),
    run: (block) => kernels.float32(rows, 4 * samples).set(kernels.float32(block, 4 * samples)),
  };
}

interface Frame {
  readonly samples: number;
  readonly rateHz: number;
}

function spectrumPart(name: string, recipe: SpectrumRecipe, frame: Frame, kernels: SignalKernels): Part {
  const { shape = [], bandsHz = [], orders = {}, harmonics = 1, tolerance = 0.02, bins = false, relative = false, log = false } = recipe;
  checkOrders(orders, harmonics, tolerance);
  const spectrum = new Spectrum({ ...frame, segment: recipe.segment, overlap: recipe.overlap, kernels });
  const figures = kernels.allocate(ROW_BYTES * SHAPE_COUNT);
  const row = (figure: keyof typeof SHAPE_ROWS) => figures + ROW_BYTES * SHAPE_ROWS[figure];
  const scale = spectrum.binHz;
  const power = relative ? { over: row("power"), log } : { scale, log };
  const shapes: Readonly<Record<ShapeName, Omit<Column, "name">>> = {
    power: { row: row("power"), scale, log },
    centroidHz: { row: row("centroid"), scale },
    spreadHz: { row: row("spread"), scale },
    entropy: { row: row("entropy") },
    peakHz: { row: row("peak"), scale },
    peakOrder: { row: row("peak"), scale, order: true },
  };
  const bands = bandsHz.map((band) => ({ title: `${band[0]}-${band[1]} Hz`, range: spectrum.range(band), row: kernels.allocate(ROW_BYTES) }));
  const multiples = Object.entries(orders).flatMap(([title, order]) =>
    Array.from({ length: harmonics }, (_, h) => ({ title: harmonics > 1 ? `${title} x${h + 1}` : title, order: order * (h + 1), row: kernels.allocate(ROW_BYTES) })));
  const around = kernels.allocate(ROW_BYTES);
  const wantsShape = relative || shape.length > 0, wantsPeak = shape.includes("peakHz") || shape.includes("peakOrder");
  const columns = [
    ...shape.map((figure) => ({ name: figure, ...shapes[SHAPES[place(SHAPES, figure, "shape")]] })),
    ...[...bands, ...multiples].map(({ title, row }) => ({ name: title, row, ...power })),
    ...(bins ? Array.from({ length: spectrum.bins }, (_, k) => ({ name: `${k * scale} Hz`, row: spectrum.result + ROW_BYTES * k, ...power, scale: undefined })) : []),
  ];
  if (columns.length === 0) throw new RangeError(`"${name}" expected at least one of shape, bandsHz, orders, bins`);
  return {
    columns: columns.map((column) => ({ ...column, name: `${name}.${column.name}` })),
    run(block, shaftsHz) {
      spectrum.run(block);
      if (wantsShape) kernels.wasm.shape(figures, spectrum.result, 1, spectrum.bins);
      if (shape.includes("entropy")) kernels.wasm.entropy(row("entropy"), spectrum.result, figures, 1, spectrum.bins);
      if (wantsPeak) kernels.wasm.peak(row("peak"), spectrum.result, 1, spectrum.bins);
      for (const { range: [from, to], row } of bands) kernels.wasm.sumRows(row, spectrum.result, from, to);
      for (const { order, row } of multiples) sumAround(row, around, spectrum, shaftsHz.map((hertz) => spectrum.around(order * hertz, tolerance)), kernels);
    },
  };
}

/** Sums of each series' own range into a row. */
function sumAround(row: number, scratch: number, spectrum: Spectrum, ranges: readonly (readonly [number, number])[], kernels: SignalKernels): void {
  kernels.wasm.sumRows(row, spectrum.result, ...ranges[0]);
  for (let lane = 1; lane < ranges.length; lane++) {
    const [from, to] = ranges[lane];
    if (from === ranges[0][0] && to === ranges[0][1]) continue;
    kernels.wasm.sumRows(scratch, spectrum.result, from, to);
    kernels.float32(row, 4)[lane] = kernels.float32(scratch, 4)[lane];
  }
}

/** @throws RangeError */
function checkOrders(orders: Readonly<Record<string, number>>, harmonics: number, tolerance: number): void {
  for (const [name, order] of Object.entries(orders)) {
    if (!(order > 0 && Number.isFinite(order))) throw new RangeError(`"orders" expected numbers above 0, got ${order} for ${JSON.stringify(name)}`);
  }
  if (!(Number.isSafeInteger(harmonics) && harmonics >= 1)) throw new RangeError(`"harmonics" expected an integer >= 1, got ${harmonics}`);
  if (!(tolerance >= 0 && tolerance < 1)) throw new RangeError(`"tolerance" expected a number from 0 to below 1, got ${tolerance}`);
}

function envelopePart(recipe: EnvelopeRecipe, frame: Frame, kernels: SignalKernels): Part {
  const envelope = new Envelope({ ...frame, bandHz: recipe.bandHz, whiten: recipe.whiten, kernels });
  const { columns, run } = spectrumPart("envelope", recipe, frame, kernels);
  return {
    columns,
    run(block, shaftsHz) {
      envelope.run(block);
      run(envelope.result, shaftsHz);
    },
  };
}

function waveletPart({ packet = false, relative = false, log = false, entropy = true, ...recipe }: WaveletRecipe, samples: number, kernels: SignalKernels): Part {
  const wavelet = new (packet ? WaveletPacket : Wavelet)({ ...recipe, samples, kernels });
  const { bands } = wavelet;
  const energies = kernels.allocate(ROW_BYTES * bands.length), total = kernels.allocate(ROW_BYTES), spread = kernels.allocate(ROW_BYTES);
  const title = (band: number) => (packet ? `band ${band}` : band === 0 ? `a${recipe.levels}` : `d${recipe.levels + 1 - band}`);
  const energy = relative ? { over: total, log } : { log };
  return {
    columns: [
      ...bands.map((_, band) => ({ name: `wavelet.${title(band)}`, row: energies + ROW_BYTES * band, ...energy })),
      ...(entropy ? [{ name: "wavelet.entropy", row: spread }] : []),
    ],
    run(block) {
      wavelet.run(block);
      bands.forEach(({ pointer, samples }, band) => kernels.wasm.energy(energies + ROW_BYTES * band, pointer, samples));
      kernels.wasm.sumRows(total, energies, 0, bands.length);
      if (entropy) kernels.wasm.entropy(spread, energies, total, 0, bands.length);
    },
  };
}

/** The nine but for the percentiles. */
function tutorialPart(samples: number, kernels: SignalKernels): Part {
  const moments = statisticsPart(["mean", "std", "min", "max"], samples, kernels);
  const fft = new Fft(samples, { lanes: 4, kernels });
  const magnitudes = kernels.allocate(ROW_BYTES * fft.bins), total = kernels.allocate(ROW_BYTES), peak = kernels.allocate(2 * ROW_BYTES);
  return {
    columns: [
      ...moments.columns,
      { name: "fft.max", row: peak + ROW_BYTES },
      { name: "fft.argmax", row: peak },
      { name: "fft.mean", row: total, scale: 1 / fft.bins },
    ],
    run(block, shaftsHz) {
      moments.run(block, shaftsHz);
      fft.forwardAt(block);
      kernels.wasm.modulus(magnitudes, fft.spectrum, fft.bins);
      kernels.wasm.sumRows(total, magnitudes, 0, fft.bins);
      kernels.wasm.peak(peak, magnitudes, 0, fft.bins);
    },
  };
}
