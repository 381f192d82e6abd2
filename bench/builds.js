/**
 * What of Millwright is measured: its builds and the networks made of them. The only file here that knows
 * how a build is loaded and how a second thread is started.
 */
import v8 from "node:v8";
import { initialParameters, loadBuild, Network, parseSpec, random } from "../build/index.js";
import { startPartner } from "../build/node.js";

// Node 20 has relaxed SIMD, but behind a flag, which the engine reads when a module is compiled.
if (process.versions.node.startsWith("20.")) v8.setFlagsFromString("--experimental-wasm-relaxed-simd");

/** The builds that this runtime accepts, by name. */
export const builds = new Map([["simd", await loadBuild("simd")]]);
/** Why there is no relaxed build here. */
export let noRelaxed;
try {
  builds.set("relaxed", await loadBuild("relaxed"));
} catch (error) {
  noRelaxed = error.message;
}

/** Numbers in [-1, 1), the same in every run. */
export function numbers(count, name = "bench") {
  const { uniform } = random(1, name);
  return Float32Array.from({ length: count }, () => 2 * uniform() - 1);
}

/** A network with initial weights and a batch of B windows loaded. */
export function prepare({ spec, T, I }, B, { build = "simd", training = false, partner } = {}) {
  const network = new Network(parseSpec(spec), { batch: B, training, build: builds.get(build), partner });
  network.parameters.set(initialParameters(network.spec, 1));
  network.load(numbers(B * T * I), Array.from({ length: B }, (_, b) => b));
  return network;
}

/** One train step as a call: forward, backward, clip to norm 1, Adam. What `Trainer` does, without its shuffle. */
export function trainStep(network, B) {
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

/** A second thread; the networks that are made with it live in its memory until it is closed. */
export const partnerFor = (build) => startPartner({ build: builds.get(build) });
