/** The train step against peers and against the machine's ceiling. */
import { builds, partnerFor, prepare, trainStep } from "./builds.js";
import { compare, ratio, slice } from "./measure.js";
import { flops, plain, reference, turbofan } from "./models.js";
import { judged, time } from "./table.js";

const B = 32;

/** What is asked of each shape; a bound that is undefined is measured for information. */
const SHAPES = [
  { name: "reference, H 64", model: reference(), torch: { simd: 0.9, relaxed: 0.75 }, twoThreads: 0.5, tfjs: 18, share: 0.8 },
  { name: "C-MAPSS, 1 layer", model: turbofan(1), torch: { simd: 1.05, relaxed: 0.85 } },
  { name: "C-MAPSS, 2 layers", model: turbofan(2), torch: { simd: 1.05, relaxed: 0.85 } },
  { name: "reference, H 128", model: reference(128), torch: {}, twoThreads: 1, share: 0.8 },
  { name: "reference, H 256", model: reference(256), torch: {}, twoThreads: 1, share: 0.8, seconds: 1.5, rounds: 3 },
];

export async function train({ peers, ceilings }) {
  const rows = [];
  const notes = [];
  for (const shape of SHAPES) {
    const { name, model, seconds, rounds } = shape;
    const request = { work: "train", model: plain(model), batch: B };
    const work = flops(model, B).train;
    const partners = [];
    const contenders = {};
    for (const build of builds.keys()) {
      contenders[build] = local(trainStep(prepare(model, B, { build, training: true }), B));
      contenders[`${build} ceiling`] = async () => work / ceilings[build].rate(0.15) / 1e6;
      if (!shape.twoThreads) continue;
      const partner = await partnerFor(build);
      partners.push(partner);
      contenders[`${build} twice`] = local(trainStep(prepare(model, B, { build, training: true, partner }), B));
    }
    contenders.torch = peers.contender("PyTorch 1.13", request);
    contenders.torch2 = peers.contender("PyTorch 2", request);
    const best = {};
    for (const [key, peer] of shape.twoThreads ? [["torch best", "PyTorch 1.13"], ["torch2 best", "PyTorch 2"]] : []) {
      const tried = await peers.bestThreads(peer, request);
      best[key] = tried[0].setting;
      if (Number.isFinite(tried[0].ms)) notes.push(`${name}, ${peer}: ${tried.map(({ setting, ms, verdict }) => `${setting.label} ${verdict ?? time(ms)}`).join(", ")}`);
      contenders[key] = peers.contender(peer, request, tried[0].setting);
    }
    if (shape.twoThreads) notes.push(`${name}: ${await sameBits(model)}`);
    if (shape.tfjs) contenders.tfjs = peers.contender("tfjs-wasm", request);

    const found = await compare(contenders, { seconds, rounds, warm: seconds ?? 1 });
    await Promise.all(partners.map((partner) => partner.close()));

    for (const build of builds.keys()) {
      const ours = found[build];
      const row = (key, against, figure, target, mine = ours) => judged({ work: name, build, ms: mine.ms, against, theirs: found[key]?.ms, figure, target });
      rows.push(row("torch", "PyTorch 1.13, 1 thread", ratio(ours, found.torch), shape.torch[build] ? { atMost: shape.torch[build] } : {}));
      rows.push(row("torch2", "PyTorch 2, 1 thread", ratio(ours, found.torch2), {}));
      const twice = found[`${build} twice`];
      if (twice) {
        const against = (key, peer) => `${peer}, best: ${best[key].label}`;
        rows.push({ ...row("torch best", against("torch best", "PyTorch 1.13"), ratio(twice, found["torch best"]), { atMost: shape.twoThreads }, twice), work: `${name}, two threads` });
        rows.push({ ...row("torch2 best", against("torch2 best", "PyTorch 2"), ratio(twice, found["torch2 best"]), {}, twice), work: `${name}, two threads` });
      }
      if (shape.tfjs) rows.push(row("tfjs", "tfjs-wasm", ratio(found.tfjs, ours), { faster: shape.tfjs }));
      const share = ratio(found[`${build} ceiling`], ours);
      rows.push(row(undefined, `ceiling, ${(work / ours.ms / 1e6).toFixed(1)} of ${(work / found[`${build} ceiling`].ms / 1e6).toFixed(1)} GFLOP/s`, share, shape.share ? { share: shape.share } : { share: undefined }));
    }
  }
  return { title: `Train step, B ${B}: forward, backward, clip, Adam`, rows, notes };
}

/** Whether two threads and one come to the same weights. */
async function sameBits(model) {
  const partner = await partnerFor("simd");
  const [one, two] = [undefined, partner].map((second) => {
    const network = prepare(model, 4, { training: true, partner: second });
    const step = trainStep(network, 4);
    for (let n = 0; n < 2; n++) step();
    return Buffer.from(network.parameters.slice().buffer);
  });
  await partner.close();
  return one.equals(two) ? "one thread and two give the same weights, bit for bit" : "ONE THREAD AND TWO GIVE DIFFERENT WEIGHTS";
}

/** A contender of our own, told as `compare` wants it. */
export const local = (call) => (seconds) => slice(call, seconds);
