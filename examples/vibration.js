// Spectra, statistics and wavelets as a sequence, joined with the raw signal, in one model:  npm run build && node examples/vibration.js
import { adam, Model, parseSpec, random, scale, scalerFromMoments, windowMoments } from "millwright";
import { Features } from "millwright/signal";

const rateHz = 12_000, samples = 1024;
const classes = ["sound", "unbalanced", "outer race"];

/** Acceleration of a shaft at 29 to 31 Hz: a fault of the outer race rings at 3.2 kHz, 3.6 times a turn; every machine hums at 1.1 kHz. */
function vibration(fault, { uniform, normal }) {
  const shaftHz = 29 + 2 * uniform(), phase = uniform(), gain = 0.7 + 0.6 * uniform();
  return Float32Array.from({ length: samples }, (_, n) => {
    const t = n / rateHz, turn = t * shaftHz + phase, since = ((3.6 * turn) % 1) / (3.6 * shaftHz);
    const hum = 0.5 * Math.sin(2 * Math.PI * 1100 * t) + (fault === 1 ? 1 : 0.4) * Math.sin(2 * Math.PI * turn);
    const ring = fault === 2 ? 1.2 * Math.exp(-900 * since) * Math.sin(2 * Math.PI * 3200 * since) : 0;
    return gain * (hum + ring + 0.5 * normal());
  });
}

const features = new Features({
  rateHz,
  frame: { samples: 256, hop: 128 },
  statistics: ["rms", "crest", "skewness", "kurtosis"],
  spectrum: { bandsHz: [[0, 500], [500, 1500], [1500, 3000], [3000, 6000]], log: true },
  wavelet: { wavelet: "db4", levels: 3, log: true },
}, { steps: samples, channels: ["housing"] });

/** Features are the windows, the raw signal is their side. */
function windows(name, count, draw = random(1, name)) {
  const targets = Float32Array.from({ length: count }, (_, n) => n % classes.length);
  const raw = new Float32Array(count * samples);
  targets.forEach((fault, n) => raw.set(vibration(fault, draw), n * samples));
  return {
    inputs: features.extract(raw, count), steps: features.frames, features: features.columns.length,
    side: { inputs: raw, steps: samples, features: 1 }, targets, count, groups: Int32Array.from(targets.keys()),
  };
}

const spec = parseSpec({
  input: { steps: features.frames, features: features.columns.length },
  layers: [{ type: "lstm", hidden: 16, bidirectional: true }, { type: "attention", size: 16 }, { type: "dense", units: 16 }],
  side: { input: { steps: samples, features: 1 }, layers: [{ type: "convolution", filters: 8, kernel: 32, stride: 8 }, { type: "activation", kind: "relu" }, { type: "mean" }] },
  head: { type: "classify", classes },
});
const train = windows("train", 240), test = windows("test", 300);
const scaler = {
  ...scalerFromMoments(windowMoments(train), train.features),
  side: scalerFromMoments(windowMoments({ ...train.side, count: train.count }), 1),
};
const model = new Model(spec, { seed: 1 });
model.fit({ ...train, inputs: scale(train, scaler) }, { epochs: 20, batch: 16, learningRate: 5e-3, optimizer: adam, clipNorm: 1, loss: {} }, ["vibration"]);
const right = model.predictState(scale(test, scaler)).filter((state, n) => state === test.targets[n]).length;
console.log(`${features.columns.length} features a frame, ${model.parameters.length} parameters: ${Math.round((100 * right) / test.count)} % of new windows right`);
