/**
 * Signal features: a transform against fft.js, the nine features that tutorials take against vectorised
 * NumPy, and everything of eight channels at 25.6 kHz against real time. One thread, one core.
 */
import { existsSync } from "node:fs";
import { faultOrders, Features, Fft, STATISTICS } from "../build/signal.js";
import { numbers } from "./builds.js";
import { compare, ratio, slice, sliceOfMany } from "./measure.js";
import { judged } from "./table.js";

const FFT_JS = new URL("peers/node_modules/fft.js/lib/fft.js", import.meta.url);
const LENGTHS = [512, 1000, 1024, 2048, 4096];
const WINDOWS = { count: 1000, steps: 100, channels: 8 };
const RATE_HZ = 25_600;
const CHANNELS = Array.from({ length: 8 }, (_, c) => `channel ${c + 1}`);

export async function signal({ peers }) {
  return {
    title: "Signal features, one thread",
    rows: [...(await transforms()), ...(await tutorial(peers)), await realTime()],
    notes: [
      "transform: an array in, an array out. fft.js knows powers of two only; another length is filled up with zeros to the next one.",
      `real time: 1 s of ${CHANNELS.length} channels at ${RATE_HZ} Hz; ${everything.columns.length / CHANNELS.length} features of each: statistics, percentiles, Welch's spectrum, whitened envelope with bearing faults, wavelet.`,
    ],
  };
}

/** Real series to its spectrum. */
async function transforms() {
  const contenders = {};
  for (const length of LENGTHS) {
    const fft = new Fft(length), x = numbers(length), X = new Float32Array(2 * fft.bins);
    contenders[`ours ${length}`] = (seconds) => sliceOfMany(() => fft.forward(x, X), seconds);
    contenders[`fft.js ${length}`] = await fftJs(x);
  }
  const found = await compare(contenders, { seconds: 0.2, warm: 0.5 });
  return LENGTHS.map((length) => {
    const [ours, theirs] = [found[`ours ${length}`], found[`fft.js ${length}`]];
    const against = theirs.absent ? `fft.js: ${theirs.absent}` : `fft.js, ${powerOfTwo(length)} points`;
    return judged({ work: `transform of ${length} samples`, build: "simd", ms: ours.ms, against, theirs: theirs.ms, figure: ratio(theirs, ours), target: { faster: 3 } });
  });
}

const powerOfTwo = (length) => 2 ** Math.ceil(Math.log2(length));

async function fftJs(x) {
  if (!existsSync(FFT_JS)) return () => { throw new Error("not installed; npm ci --prefix bench/peers"); };
  const { default: FFT } = await import(FFT_JS);
  const fft = new FFT(powerOfTwo(x.length));
  const data = Array.from({ length: fft.size }, (_, n) => x[n] ?? 0), spectrum = fft.createComplexArray();
  return (seconds) => sliceOfMany(() => fft.realTransform(spectrum, data), seconds);
}

/** The same numbers as numpy_features.py makes. */
function windows({ count, steps, channels }) {
  return Float32Array.from({ length: count * steps * channels }, (_, n) => ((n * 7919 + 13 * (n % 101) ** 2) % 1009) / 504.5 - 1);
}

async function tutorial(peers) {
  const { count, steps, channels } = WINDOWS;
  const features = new Features({ rateHz: 1, tutorial: true }, { steps, channels: CHANNELS.slice(0, channels) });
  const inputs = windows(WINDOWS);
  const found = await compare({ ours: (seconds) => slice(() => features.extract(inputs, count), seconds), numpy: peers.contender("NumPy", WINDOWS) });
  const row = judged({
    work: `nine features of ${count} windows ${steps} x ${channels}`, build: "simd", ms: found.ours.ms,
    against: "NumPy, vectorised", theirs: found.numpy.ms, figure: ratio(found.numpy, found.ours), target: { faster: 10 },
  });
  if (found.numpy.absent) return [row];
  const theirs = await peers.outputs("NumPy", { ...WINDOWS, outputs: 2 }), ours = features.extract(inputs, count);
  const apart = Math.max(...theirs.map((value, n) => Math.abs(value - ours[n]) / (1 + Math.abs(value))));
  if (!(apart < 1e-5)) throw new Error(`features differ from NumPy's by ${apart}`);
  return [row];
}

const everything = new Features({
  rateHz: RATE_HZ,
  statistics: STATISTICS,
  percentiles: [5, 25, 50, 75, 95],
  spectrum: { segment: 2048, shape: ["power", "centroidHz", "spreadHz", "entropy", "peakHz", "peakOrder"], bandsHz: [[10, 1000], [1000, 5000], [5000, 12_800]], orders: { shaft: 1 }, harmonics: 3 },
  envelope: { bandHz: [2000, 10_000], whiten: true, orders: faultOrders({ balls: 9, ballDiameter: 0.3126, pitchDiameter: 1.537 }), harmonics: 3, relative: true },
  wavelet: { wavelet: "db4", levels: 5, relative: true },
}, { steps: RATE_HZ, channels: CHANNELS });

async function realTime() {
  const inputs = numbers(RATE_HZ * CHANNELS.length);
  const { ours } = await compare({ ours: (seconds) => slice(() => everything.extract(inputs, 1, { shaftHz: 29.5 }), seconds) });
  return judged({ work: `all features of 1 s of ${CHANNELS.length} channels at ${RATE_HZ / 1000} kHz`, build: "simd", ms: ours.ms, against: "real time", theirs: 1000, figure: 1000 / ours.ms, target: { faster: 100 } });
}
