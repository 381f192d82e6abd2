/**
 * @module millwright/signal
 * From sensors to features, portable: transforms, spectra, envelopes, statistics, wavelets. An entry of
 * its own, since its kernels are a module of their own that a page which only trains does not need.
 *
 *     const features = new Features({ rateHz: 12_000, statistics: ["rms", "kurtosis"], spectrum: { bandsHz: [[10, 1000]] } }, { steps: 2048, channels: ["drive end"] });
 *     const rows = features.extract(windows.inputs, windows.count);      // (N, features.columns.length)
 */

// From sensors to windows: the last samples in place, channels of different rates aligned by time
export { Ring, type RingOptions, type RingPlace, type RingReader, type RingView } from "./signal/ring.ts";
export { Resampler, type FilterOptions, type ResamplerOptions } from "./signal/resample.ts";
export { SensorArray, type AlignedWindows, type QualityReport, type SensorArrayOptions } from "./signal/array.ts";
export { GAP, NOT_A_NUMBER, OUT_OF_RANGE, STUCK, type Channel, type ChannelCounts } from "./signal/sensor.ts";

// Files that people have
export { csvBatches, readCsv, type CsvKind, type CsvLimits, type CsvOptions } from "./data/csv.ts";
export { parseParquet, readParquet, type ParquetLimits, type ParquetOptions } from "./data/parquet.ts";
export { parseNpy, readNpy, type NpyArray } from "./data/npy.ts";
export { readMat as parseMat, readMatFile as readMat, type Mat, type MatArray } from "./data/mat.ts";
export { numbersOf, type Column, type Records } from "./data/records.ts";
export type { Bytes } from "./data/stream.ts";

// Features of one signal
export { Fft, type FftOptions } from "./signal/fft.ts";
export { Spectrum, type Shape, type SpectrumOptions } from "./signal/spectrum.ts";
export { Envelope, type EnvelopeOptions } from "./signal/envelope.ts";
export { percentiles, statistics, STATISTICS, type Statistic } from "./signal/statistics.ts";
export { faultOrders, FAULTS, type Bearing, type Fault } from "./signal/bearing.ts";
export { Wavelet, WaveletPacket, WAVELETS, type WaveletMode, type WaveletName, type WaveletOptions } from "./signal/wavelet.ts";

// Features of many windows
export { Features, type ExtractOptions, type Span, type WindowShape } from "./signal/features.ts";
export type { EnvelopeRecipe, Recipe, ShapeName, SpectrumRecipe, WaveletRecipe } from "./signal/recipe.ts";
export { SignalKernels } from "./kernels/signal.ts";
