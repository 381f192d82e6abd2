/** Aggregation of many clients' parameters, kernels alone: everything lies in kernel memory already, as PyTorch's tensors do. */
import { Kernels } from "../build/kernels/kernels.js";
import { builds, numbers } from "./builds.js";
import { compare, ratio } from "./measure.js";
import { judged } from "./table.js";
import { local } from "./train.js";

const K = 100;
const P = 154_053;

export async function aggregate({ peers }) {
  const contenders = { torch: peers.contender("PyTorch 1.13", { work: "add", clients: K, parameters: P }), torch2: peers.contender("PyTorch 2", { work: "add", clients: K, parameters: P }) };
  for (const build of builds.keys()) {
    contenders[`${build} float32`] = local(float32(build));
    contenders[`${build} lattice`] = local(lattice(build));
  }
  const found = await compare(contenders);
  const rows = [];
  for (const build of builds.keys()) {
    for (const [arithmetic, faster] of [["float32", 2], ["lattice", 1]]) {
      const ours = found[`${build} ${arithmetic}`];
      for (const [key, against, bound] of [["torch", "PyTorch 1.13, flat add_(alpha)", faster], ["torch2", "PyTorch 2, flat add_(alpha)"]]) {
        rows.push(judged({ work: `${arithmetic}, ${((4 * K * P) / ours.ms / 1e6).toFixed(1)} GB/s read`, build, ms: ours.ms, against, theirs: found[key].ms, figure: ratio(found[key], ours), target: { faster: bound } }));
      }
    }
  }
  return { title: `Aggregation of ${K} clients x ${P.toLocaleString("en")} parameters, one thread`, rows, notes: [] };
}

/** mean = Σ w_k / K */
function float32(build) {
  const { kernels, mean, list, factors } = memory(build, (pointer, kernels) => kernels.float32(pointer, P).set(numbers(P)));
  kernels.float32(factors, K).fill(1 / K);
  return () => kernels.wasm.average32(mean, list, factors, K, P);
}

/** mean = Σ samples_k q_k / Σ samples_k */
function lattice(build) {
  const updates = Int32Array.from(numbers(P), (value) => 1e6 * value);
  const { kernels, mean, list, factors } = memory(build, (pointer, kernels) => kernels.int32(pointer, P).set(updates));
  const sum = kernels.allocate(8 * P);
  const samples = Array.from({ length: K }, (_, k) => 100 + k);
  kernels.int32(factors, K).set(samples);
  const total = BigInt(samples.reduce((all, each) => all + each));
  return () => {
    kernels.bigInt64(sum, P).fill(0n);
    kernels.wasm.latticeAdd(sum, list, factors, K, P);
    kernels.wasm.latticeMean(mean, sum, total, P);
  };
}

/** K blocks of P numbers, the list of pointers to them, K factors, and a block for the mean. */
function memory(build, fill) {
  const kernels = new Kernels({ build: builds.get(build) });
  const [list, factors, mean] = [kernels.allocate(4 * K), kernels.allocate(4 * K), kernels.allocate(4 * P)];
  const blocks = Array.from({ length: K }, () => kernels.allocate(4 * P));
  for (const block of blocks) fill(block, kernels);
  kernels.int32(list, K).set(blocks);
  return { kernels, list, factors, mean };
}
