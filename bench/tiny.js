/**
 * A train step whose gradients are tiny against a normal one. WebAssembly cannot flush denormals by itself,
 * and arithmetic on them takes a hundred times as long; kernels that do not keep them out stop at such a step.
 */
import { builds, prepare, trainStep } from "./builds.js";
import { compare, ratio } from "./measure.js";
import { shape } from "./models.js";
import { judged } from "./table.js";
import { local } from "./train.js";

const B = 32;
const SCALES = [1, 1e-20, 1e-30];

export async function tiny() {
  const model = shape({ T: 100, I: 8, H: 64, D: 1, layers: 2 }); // its loss sees the last step only
  const contenders = {};
  for (const build of builds.keys()) {
    for (const scale of SCALES) {
      const network = prepare(model, B, { build, training: true });
      scaleLoss(network, scale);
      contenders[`${build} ${scale}`] = local(trainStep(network, B));
    }
  }
  const found = await compare(contenders);
  const rows = [...builds.keys()].flatMap((build) => SCALES.slice(1).map((scale) => {
    const [ours, normal] = [found[`${build} ${scale}`], found[`${build} 1`]];
    return judged({ work: `loss on the last step, gradients x ${scale}`, build, ms: ours.ms, against: "a normal step", theirs: normal.ms, figure: ratio(ours, normal), target: { atMost: 1.3 } });
  }));
  return { title: "Tiny gradients, 2 layers unidirectional, H 64", rows, notes: [] };
}

/** Multiply the gradient that the backward pass starts from. */
function scaleLoss({ kernels }, scale) {
  const { softmaxCrossEntropy } = kernels.wasm;
  kernels.wasm.softmaxCrossEntropy = (...args) => {
    const loss = softmaxCrossEntropy(...args);
    const [, dlogits, , , , rows, classes] = args;
    const gradient = kernels.float32(dlogits, rows * classes);
    gradient.forEach((value, n) => (gradient[n] = value * scale));
    return loss;
  };
}
