/** Where the time of a train step goes: each kernel's share, measured by a clock around every call. */
import { builds, prepare, trainStep } from "./builds.js";
import { reference, turbofan } from "./models.js";
import { percent, print, time } from "./table.js";

const B = 32;
const STEPS = 15;

export async function profile() {
  const rows = [];
  for (const [name, model] of [["reference, H 64", reference()], ["C-MAPSS, 2 layers", turbofan(2)]]) {
    for (const build of builds.keys()) rows.push(...profileOf(name, model, build));
  }
  return { title: `What a train step is made of, B ${B}`, columns: ["model", "build", "kernel", "calls", "time a step", "share"], rows, print: printProfile };
}

function profileOf(name, model, build) {
  const network = prepare(model, B, { build, training: true });
  const step = trainStep(network, B);
  for (let n = 0; n < STEPS; n++) step();
  return profileSteps(network, step, STEPS).map((row) => ({ model: name, build, ...row }));
}

/** Runs so many steps of a network under the clocks: { kernel, calls, ms, share }, a step each, the longest first. */
export function profileSteps(network, step, steps) {
  const kernels = watch(network.kernels.wasm);
  const began = performance.now();
  for (let n = 0; n < steps; n++) step();
  const total = performance.now() - began;
  const rows = [...kernels].map(([kernel, { calls, ms }]) => ({ kernel, calls: calls / steps, ms: ms / steps, share: ms / total }));
  const rest = total - rows.reduce((sum, { ms }) => sum + ms * steps, 0);
  return [...rows.toSorted((a, b) => b.ms - a.ms), { kernel: "JavaScript between them", calls: "", ms: rest / steps, share: rest / total }];
}

/** Puts a clock around every kernel of an instance, for good. */
function watch(wasm) {
  const kernels = new Map();
  for (const [name, kernel] of Object.entries(wasm)) {
    if (typeof kernel !== "function") continue;
    wasm[name] = (...args) => {
      const began = performance.now();
      const result = kernel(...args);
      const entry = kernels.get(name) ?? { calls: 0, ms: 0 };
      kernels.set(name, { calls: entry.calls + 1, ms: entry.ms + performance.now() - began });
      return result;
    };
  }
  return kernels;
}

function printProfile({ title, columns, rows }) {
  print(title, columns, rows.map(({ model, build, kernel, calls, ms, share }) => [model, build, kernel, calls, time(ms), percent(share)]));
}
