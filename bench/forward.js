/**
 * The forward pass, a window at a time and a batch at a time, against ONNX runtimes that are given the same
 * model; and one step of a stream, which has no peer but a time.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportOnnx } from "../build/index.js";
import { Kernels } from "../build/kernels/kernels.js";
import { builds, numbers, prepare } from "./builds.js";
import { compare, ratio, sliceOfMany } from "./measure.js";
import { flops, plain, reference, streaming, turbofan } from "./models.js";
import { judged } from "./table.js";
import { local } from "./train.js";

const MODELS = [
  { name: "reference, H 64", model: reference(), faster: 1.4, torch: true },
  { name: "C-MAPSS, 2 layers", model: turbofan(2) },
];

export async function forward({ peers, ceilings }) {
  const rows = [];
  const notes = [];
  const folder = mkdtempSync(join(tmpdir(), "bench-"));
  try {
    for (const { name, model, faster, torch } of MODELS) {
      for (const B of [32, 1]) {
        const networks = new Map([...builds.keys()].map((build) => [build, prepare(model, B, { build })]));
        const request = onnxRequest(folder, model, networks.get("simd"), B);
        const work = flops(model, B).forward;
        const contenders = {};
        for (const [build, network] of networks) {
          contenders[build] = local(() => network.forward(B));
          contenders[`${build} ceiling`] = async () => work / ceilings[build].rate(0.1) / 1e6;
        }
        for (const peer of ["onnxruntime-web", "onnxruntime-node"]) contenders[peer] = peers.contender(peer, request);
        if (torch) contenders["PyTorch 1.13"] = peers.contender("PyTorch 1.13", { work: "forward", model: plain(model), batch: B });
        const found = await compare(contenders);
        for (const [build, network] of networks) {
          for (const peer of ["onnxruntime-web", "onnxruntime-node", ...(torch ? ["PyTorch 1.13"] : [])]) {
            const bound = peer === "onnxruntime-web" ? faster : undefined;
            rows.push(judged({ work: `${name}, B ${B}`, build, ms: found[build].ms, against: peer, theirs: found[peer].ms, figure: ratio(found[peer], found[build]), target: { faster: bound } }));
          }
          rows.push(judged({ work: `${name}, B ${B}`, build, ms: found[build].ms, against: `ceiling, ${(work / found[build].ms / 1e6).toFixed(1)} GFLOP/s`, figure: ratio(found[`${build} ceiling`], found[build]), target: { share: undefined } }));
          notes.push(`${name}, B ${B}, ${build}: ${await agreement(peers, request, network, B)}`);
        }
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  rows.push(...(await stream()));
  return { title: "Forward pass, one thread", rows, notes };
}

/** One row of sensors through one layer of 64 units, one direction, and through the head to probabilities. */
async function stream() {
  const { I, H } = streaming;
  const contenders = {};
  for (const build of builds.keys()) {
    const kernels = new Kernels({ build: builds.get(build) });
    const { wasm } = kernels;
    const floats = (count) => {
      const pointer = kernels.allocate(4 * count);
      kernels.float32(pointer, count).set(numbers(count).map((value) => value / 8));
      return pointer;
    };
    const [h, c, x, packed, logits, probabilities] = [floats(H), floats(H), floats(I), floats(wasm.lstmStepFloats(I, H)), floats(4), floats(4)];
    const [W, R, bias, headW, headB, scratch] = [floats(4 * H * I), floats(4 * H * H), floats(8 * H), floats(4 * H), floats(4), floats(wasm.denseScratch(1, 4, H))];
    wasm.lstmPack(packed, W, R, bias, I, H);
    contenders[build] = (seconds) => sliceOfMany(() => {
      wasm.lstmStep(h, c, x, packed, I, H);
      wasm.denseForward(logits, h, headW, headB, scratch, 1, 4, H, 0);
      wasm.softmax(probabilities, logits, 1, 4);
    }, seconds);
  }
  const found = await compare(contenders, { seconds: 0.2 });
  return [...builds.keys()].map((build) => judged({ work: "stream, 1 layer, H 64, one step", build, ms: found[build].ms, against: "10 us", figure: found[build].ms / 0.01, target: { atMost: 1 } }));
}

/** Our own export of the network's model, and the batch that it has loaded. The scaler leaves values as they are. */
function onnxRequest(folder, { spec, T, I }, network, B) {
  const [onnx, input] = ["model.onnx", "input.f32"].map((name) => join(folder, `${B}-${I}-${name}`));
  const scaler = { mean: [new Array(I).fill(0)], std: [new Array(I).fill(1)] };
  writeFileSync(onnx, exportOnnx({ spec: network.spec, parameters: network.parameters.slice(), scaler }));
  writeFileSync(input, numbers(B * T * I));
  return { work: "forward", onnx, input, shape: [B, T, I] };
}

/** The greatest difference between our probabilities and those of each runtime. */
async function agreement(peers, request, network, B) {
  network.forward(B);
  const ours = network.predictions(B);
  const parts = [];
  for (const peer of ["onnxruntime-web", "onnxruntime-node"]) {
    try {
      const theirs = await peers.outputs(peer, request);
      const difference = Math.max(...ours.map((p, n) => Math.abs(p - theirs[n])));
      parts.push(`${peer} differs by at most ${difference.toExponential(1)}${difference <= 1e-5 ? "" : ", MORE THAN 1e-5"}`);
    } catch {
      // Not there; the head of the report says why.
    }
  }
  return parts.join(", ") || "no runtime to compare with";
}
