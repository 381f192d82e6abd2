/**
 * How exact signal features are: the table of docs/features.md, against NumPy, SciPy and PyWavelets in float64 on
 * lengths that are too long for committed vectors. Nothing is timed.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Envelope, Fft, percentiles, Spectrum, statistics, STATISTICS, Wavelet } from "../build/signal.js";
import { random } from "../build/kernels/random.js";
import { print } from "./table.js";

const SAMPLES = 25_600, RATE_HZ = 25_600;
/** Of white noise. */
const LENGTHS = [1024, SAMPLES, 262_144];
const REMEDY = "apt-get install python3-scipy python3-pywt";

export function exactness() {
  const signals = { machine: machine(), ...Object.fromEntries(LENGTHS.map((length) => [`noise ${length}`, noise(length, "white")])) };
  const { versions, results, absent } = peer(signals);
  const section = { title: "Exactness of signal features", print: show, versions, rows: [], absent };
  if (absent) return section;
  const row = (work, ours, name) => section.rows.push({ work, ...apart(ours, results[name]) });
  const x = signals.machine;
  for (const [name, signal] of Object.entries(signals)) row(`transform of ${name === "machine" ? `${SAMPLES} samples` : name}`, new Fft(signal.length).forward(signal), `${name} transform`);
  const density = (signal, segment) => new Spectrum({ samples: SAMPLES, rateHz: RATE_HZ, segment }).density(signal);
  const envelope = (options) => new Envelope({ samples: SAMPLES, rateHz: 1, ...options }).of(x);
  const whitened = envelope({ bandHz: [0.1, 0.3], whiten: true });
  row("density, segments of 2048", density(x, 2048), "density 2048");
  row("density, one segment", density(x), "density");
  row("envelope", envelope({}), "envelope");
  row("envelope, banded and whitened", whitened, "whitened");
  row("density of the whitened envelope", density(whitened), "whitened density");
  const figures = statistics(x);
  row("statistics, percentiles", [...STATISTICS.map((name) => figures[name]), ...percentiles(x, [5, 25, 50, 75, 95])], "statistics");
  const bands = new Wavelet({ samples: SAMPLES, wavelet: "db8", levels: 6 }).decompose(x);
  row("wavelet db8, six levels", bands.flatMap((band) => [...band]), "wavelet");
  row("their energies", bands.map((band) => band.reduce((sum, value) => sum + value * value, 0)), "energies");
  return section;
}

/** A tone, noise and gravity. */
function machine() {
  const hiss = noise(SAMPLES, "machine");
  return hiss.map((value, n) => Math.sin((2 * Math.PI * 1000.3 * n) / RATE_HZ) + 0.3 * value + 9.81);
}

function noise(length, name) {
  const { normal } = random(1, "exactness", name);
  return Float32Array.from({ length }, normal);
}

function peer(signals) {
  const input = `${JSON.stringify({ signals: Object.fromEntries(Object.entries(signals).map(([name, { buffer }]) => [name, Buffer.from(buffer).toString("base64")])) })}\n`;
  const run = spawnSync("/usr/bin/python3", [fileURLToPath(new URL("peers/exactness.py", import.meta.url))], { input, encoding: "utf8", maxBuffer: 2 ** 28 });
  if (run.error || run.status !== 0) return { absent: `${run.error?.message ?? run.stderr.trim().split("\n").at(-1)}; ${REMEDY}` };
  const { versions, results } = JSON.parse(run.stdout);
  const numbers = (text) => new Float64Array(Uint8Array.from(Buffer.from(text, "base64")).buffer);
  return { versions, results: Object.fromEntries(Object.entries(results).map(([name, text]) => [name, numbers(text)])) };
}

/** The largest and the root mean square difference over the largest value, and each number's by itself: median and largest. */
function apart(ours, theirs) {
  if (ours.length !== theirs.length) throw new Error(`${ours.length} numbers against ${theirs.length}`);
  const differences = Array.from(theirs, (value, n) => Math.abs(ours[n] - value));
  const largest = theirs.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const squares = theirs.reduce((sum, value) => sum + value * value, 0), errors = differences.reduce((sum, value) => sum + value * value, 0);
  const each = differences.map((value, n) => value / Math.abs(theirs[n])).filter(Number.isFinite).sort((a, b) => a - b);
  return { ofLargest: differences.reduce((most, value) => Math.max(most, value), 0) / largest, rms: Math.sqrt(errors / squares), median: each[Math.floor(each.length / 2)], worst: each.at(-1) };
}

function show({ title, rows, versions, absent }) {
  const digits = (value) => value.toExponential(1);
  const cells = rows.map(({ work, ofLargest, rms, median, worst }) => [work, digits(ofLargest), digits(rms), digits(median), digits(worst)]);
  print(title, ["work", "of the largest", "rms of rms", "each, median", "each, largest"], cells, [absent ? `Nothing to compare with: ${absent}` : `Differences from ${versions} in float64.`]);
}
