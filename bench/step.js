/**
 * The train step and inference of the reference model and of a C-MAPSS shape: medians of single steps
 * after warm-up, GFLOP/s of the matrix products, the share of this machine's own multiply-add ceiling
 * and, where Python has PyTorch, the ratio to its step in the same run.
 *
 *     npm run bench            npm run bench -- --json FILE
 */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { initialParameters, Network, parseSpec, random } from "../build/index.js";

const layers = (D, H) => [{ type: "lstm", hidden: H, bidirectional: D === 2 }, { type: "dropout", rate: 0.2 }, { type: "lstm", hidden: H, bidirectional: D === 2 }];
const CLASSES = ["HEALTHY", "DEGRADED", "CRITICAL", "FAILURE"];
const shapes = {
  reference: {
    T: 100, I: 8, H: 64, D: 2,
    spec: { input: { steps: 100, features: 8 }, layers: [...layers(2, 64), { type: "attention", size: 64 }, { type: "dense", units: 64 }, { type: "dropout", rate: 0.3 }], head: { type: "classify", classes: CLASSES } },
  },
  turbofan: {
    T: 30, I: 14, H: 100, D: 1,
    spec: { input: { steps: 30, features: 14 }, layers: [...layers(1, 100), { type: "last" }], head: { type: "classify", classes: CLASSES } },
  },
};

/** Multiplications and additions in the matrix products of one forward pass; a train step has three times as many. */
const flops = ({ T, I, H, D }, B) => 2 * T * B * D * 4 * H * (I + H + D * H + H);

function median(values) {
  return values.sort((a, b) => a - b)[values.length >> 1];
}

/** Median milliseconds of one call, after a second and a half of warm-up. */
function time(call, seconds = 3) {
  for (const end = performance.now() + 1500; performance.now() < end; ) call();
  const times = [];
  for (const end = performance.now() + seconds * 1000; performance.now() < end; ) {
    const began = performance.now();
    call();
    times.push(performance.now() - began);
  }
  return median(times);
}

function ceiling() {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(new URL("../build/ceiling.wasm", import.meta.url))));
  const rounds = 200_000;
  return (rounds * 8 * 4 * 2) / time(() => exports.multiplyAdd(rounds), 1) / 1e6;
}

function prepare(shape, B, training) {
  const network = new Network(parseSpec(shape.spec), { batch: B, training });
  network.parameters.set(initialParameters(network.spec, 1));
  const { uniform } = random(1, "bench");
  network.load(Float32Array.from({ length: B * shape.T * shape.I }, () => 2 * uniform() - 1), Array.from({ length: B }, (_, b) => b));
  return network;
}

function trainStep(shape, B) {
  const network = prepare(shape, B, true);
  const { wasm } = network.kernels;
  const P = network.layout.length;
  const [m, v] = [network.kernels.allocate(4 * P), network.kernels.allocate(4 * P)];
  const { parameters, gradients } = network.pointers;
  const targets = Float32Array.from({ length: B }, (_, b) => b % 4);
  let step = 0;
  return () => {
    const mask = { seedLow: 1, seedHigh: 2, step: ++step };
    network.forward(B, mask);
    network.backward(targets, {}, mask);
    wasm.clipNorm(gradients, P, 1);
    wasm.adam(parameters, m, v, gradients, P, 1e-3, 0.9, 0.999, 1e-8, 0, 1 - 0.9 ** step, 1 - 0.999 ** step);
  };
}

function torch() {
  for (const python of ["python3", "/usr/bin/python3"]) {
    try {
      return JSON.parse(execFileSync(python, [new URL("peers/torch_step.py", import.meta.url).pathname], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }));
    } catch {
      // This Python has no PyTorch; the next may.
    }
  }
  return null;
}

const gflops = ceiling();
const peer = torch();
const rows = [];
for (const [name, shape] of Object.entries(shapes)) {
  for (const B of [32, 16, 8]) {
    const ms = time(trainStep(shape, B));
    rows.push({ work: `${name} train step`, B, ms, gflops: (3 * flops(shape, B)) / ms / 1e6, torch: B === 32 ? peer?.[`${name}_train`] : undefined });
  }
  for (const B of [32, 1]) {
    const network = prepare(shape, B, false);
    const ms = time(() => network.forward(B), 1.5);
    rows.push({ work: `${name} forward`, B, ms, gflops: flops(shape, B) / ms / 1e6, torch: B === 32 ? peer?.[`${name}_forward`] : undefined });
  }
}

console.log(`ceiling: ${gflops.toFixed(1)} GFLOP/s, multiply and add, four lanes, one thread; Node ${process.versions.node}`);
console.log(peer ? `PyTorch ${peer.version}, one thread, ${peer.blas}` : "PyTorch: not found, its column stays empty");
console.log(`\n${"work".padEnd(22)}${"B".padStart(4)}${"ms".padStart(10)}${"GFLOP/s".padStart(10)}${"ceiling".padStart(10)}${"to PyTorch".padStart(12)}`);
for (const { work, B, ms, gflops: rate, torch } of rows) {
  const ratio = torch ? `${(ms / torch).toFixed(2)}x` : "";
  console.log(work.padEnd(22) + String(B).padStart(4) + ms.toFixed(2).padStart(10) + rate.toFixed(1).padStart(10) + `${((100 * rate) / gflops).toFixed(0)} %`.padStart(10) + ratio.padStart(12));
}
const file = process.argv[process.argv.indexOf("--json") + 1];
if (process.argv.includes("--json")) writeFileSync(file, JSON.stringify({ ceiling: gflops, peer, rows }, null, 2));
