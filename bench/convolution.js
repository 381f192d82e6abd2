/** The train step of convolutional networks against PyTorch and against the machine's ceiling. */
import { parseSpec } from "../build/index.js";
import { shapesOf } from "../build/model/shape.js";
import { builds, prepare, trainStep } from "./builds.js";
import { compare, ratio } from "./measure.js";
import { judged } from "./table.js";
import { local } from "./train.js";

const B = 32;
const convolution = (filters, kernel, options = {}) => ({ type: "convolution", filters, kernel, padding: "same", ...options });
const relu = { type: "activation", kind: "relu" };
const halved = { type: "pool", kind: "max", size: 2 };
const head = { type: "classify", classes: ["HEALTHY", "DEGRADED", "CRITICAL", "FAILURE"] };

/** Zhang et al. 2017, the form that bearing faults are judged by, without its normalisation: a wide first kernel, then short ones. */
const wide = {
  input: { steps: 2048, features: 1 }, head,
  layers: [
    ...[convolution(16, 64, { stride: 16 }), ...[32, 64, 64, 64].map((filters) => convolution(filters, 3))].flatMap((layer) => [layer, relu, halved]),
    { type: "flatten" }, { type: "dense", units: 100 },
  ],
};
const causal = {
  input: { steps: 96, features: 8 }, head,
  layers: [...[1, 2, 4, 8, 16].flatMap((dilation) => [convolution(64, 3, { dilation, padding: "causal" }), relu]), { type: "mean" }],
};
const image = {
  input: { steps: 64 * 64, features: 1, width: 64 }, head,
  layers: [...[16, 32, 64].flatMap((filters) => [convolution(filters, 3), relu, halved]), { type: "flatten" }, { type: "dense", units: 64 }],
};

const SHAPES = [
  { name: "2048 samples, wide first kernel", spec: wide, torch: { simd: 1, relaxed: 0.9 }, share: 0.7 },
  { name: "96 steps, 5 causal dilated layers", spec: causal, torch: { simd: 1, relaxed: 0.9 }, share: 0.7 },
  { name: "images of 64 x 64, 3 layers", spec: image, torch: { simd: 1, relaxed: 0.9 }, share: 0.7 },
];

/** Multiplications and additions of a step: three products of each layer, two of the first one. Zeros beyond a border count as what they cost. */
function flops(spec) {
  const shapes = shapesOf(spec);
  const products = [...spec.layers, { type: "dense", units: head.classes.length }].flatMap((layer, index) => {
    const { features: I } = shapes[index];
    if (layer.type === "dense") return [I * layer.units];
    if (layer.type !== "convolution") return [];
    const { steps } = shapes[index + 1];
    return [steps * layer.kernel ** (spec.input.width ? 2 : 1) * I * layer.filters];
  });
  return 2 * B * products.reduce((sum, product, index) => sum + (index === 0 ? 2 : 3) * product, 0);
}

export async function convolutions({ peers, ceilings }) {
  const rows = [];
  for (const { name, spec: given, torch, share } of SHAPES) {
    const spec = parseSpec(given);
    const work = flops(spec);
    const { steps: T, features: I } = spec.input;
    const contenders = { torch: peers.contender("PyTorch 1.13", { work: "train", batch: B, model: { T, I, width: spec.input.width, chain: spec.layers } }) };
    contenders.torch2 = peers.contender("PyTorch 2", { work: "train", batch: B, model: { T, I, width: spec.input.width, chain: spec.layers } });
    for (const build of builds.keys()) {
      contenders[build] = local(trainStep(prepare({ spec, T, I }, B, { build, training: true }), B));
      contenders[`${build} ceiling`] = async () => work / ceilings[build].rate(0.15) / 1e6;
    }
    const found = await compare(contenders);
    for (const build of builds.keys()) {
      const { ms } = found[build];
      const against = (key, peer, target) => rows.push(judged({ work: name, build, ms, against: peer, theirs: found[key].ms, figure: ratio(found[build], found[key]), target }));
      against("torch", "PyTorch 1.13, 1 thread", { atMost: torch[build] });
      against("torch2", "PyTorch 2, 1 thread", {});
      const most = found[`${build} ceiling`];
      const rate = `${(work / ms / 1e6).toFixed(1)} of ${(work / most.ms / 1e6).toFixed(1)} GFLOP/s`;
      rows.push(judged({ work: name, build, ms, against: `ceiling, ${rate}`, figure: ratio(most, found[build]), target: { share } }));
    }
  }
  return { title: `Convolutions, train step, B ${B}: forward, backward, clip, Adam`, rows };
}
