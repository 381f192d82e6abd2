/**
 * What every runtime computes, and must compute to the same bits: a few train steps of the reference
 * model, and a federation of three clients on the lattice with its evaluation. It knows no runtime:
 * whoever starts it hands in the threads.
 */
import {
  adam, classificationCounts, FactoryClient, fingerprintOf, initialParameters, loadBuild, Model, Network, Orchestrator, parseSpec, random, Trainer,
} from "../../build/index.js";

const CLASSES = ["HEALTHY", "DEGRADED", "CRITICAL", "FAILURE"];

const REFERENCE = parseSpec({
  input: { steps: 100, features: 8 },
  layers: [
    { type: "lstm", hidden: 64, bidirectional: true },
    { type: "dropout", rate: 0.2 },
    { type: "lstm", hidden: 64, bidirectional: true },
    { type: "attention", size: 64 },
    { type: "dense", units: 64, activation: "relu" },
    { type: "dropout", rate: 0.3 },
  ],
  head: { type: "classify", classes: CLASSES },
});
const BATCH = 32;
/** An emulated processor needs several seconds for one. */
const STEPS = 3;
const TRAINING = { epochs: 1, batch: BATCH, learningRate: 1e-3, optimizer: adam, clipNorm: 1, loss: {} };

const SMALL = parseSpec({
  input: { steps: 12, features: 3 },
  layers: [{ type: "lstm", hidden: 6, bidirectional: true }, { type: "dropout", rate: 0.1 }, { type: "attention", size: 5 }],
  head: { type: "classify", classes: CLASSES },
});
const CLIENTS = ["Aachen", "Brno", "Cork"];
const ROUNDS = 2;

/**
 * @param build name of the kernels' build
 * @param threads 2: a partner takes one direction of the LSTM layers
 * @param workers how many threads share the clients' training: the federation runs once for each number
 * @param seconds how long train steps are timed after those that count; 0: these are timed
 * @param startPartner @param openPool as the runtime has them: see src/node.ts
 * @returns SHA-256 of everything that was computed, and the median milliseconds of a train step
 * @throws Error where the runtime does not accept the build, or the federation depends on the number of workers
 */
export async function compute({ build: name, threads, workers, seconds, startPartner, openPool }) {
  const build = await loadBuild(name);
  const partner = threads === 2 ? await startPartner({ build }) : undefined;
  const { figures, stepMs } = train({ build, partner }, seconds);
  await partner?.close();

  const federations = [];
  for (const size of workers) {
    const pool = openPool(size);
    federations.push(await federate(build, pool));
    await pool.close();
  }
  const odd = federations.findIndex(({ sha256 }) => sha256 !== federations[0].sha256);
  if (odd >= 0) throw new Error(`the federation's parameters differ between ${workers[0]} and ${workers[odd]} workers`);
  return { hash: await hashOf([...figures, ...federations[0].figures]), stepMs };
}

function train(machinery, seconds) {
  const network = new Network(REFERENCE, { batch: BATCH, training: true, ...machinery });
  network.parameters.set(initialParameters(REFERENCE, 1));
  const trainer = new Trainer(network);
  const { steps: T, features: I } = REFERENCE.input;
  const { normal } = random(1, "runtimes", "windows");
  const count = STEPS * BATCH;
  const inputs = Float32Array.from({ length: count * T * I }, normal);
  const targets = Float32Array.from({ length: count }, (_, n) => n % CLASSES.length);

  const times = [];
  const fit = () => {
    const began = performance.now();
    const { loss } = trainer.fit({ inputs, targets, count }, TRAINING, ["runtimes"]);
    times.push((performance.now() - began) / STEPS);
    return loss;
  };
  const loss = Float64Array.of(fit());
  const parameters = network.parameters.slice();
  for (const end = performance.now() + 1000 * seconds; performance.now() < end; ) fit();
  return { figures: [parameters, loss], stepMs: median(times) };
}

async function federate(build, pool) {
  const fingerprint = await fingerprintOf(SMALL);
  const orchestrator = new Orchestrator({ clients: CLIENTS, rounds: ROUNDS, fingerprint, build: build.name, parameters: initialParameters(SMALL, 1) });
  await Promise.all(CLIENTS.map((id, k) => {
    const learner = learnerOf(id, 20 + 8 * k, build, pool);
    return new FactoryClient({ id, learner, fingerprint, build: build.name, exchange: orchestrator.handle }).run();
  }));
  const { parameters, sha256, history } = await orchestrator.finished;
  const figures = history.flatMap(({ clients }) => clients.flatMap(({ loss, evaluation }) => [Float64Array.of(loss), evaluation]));
  return { sha256, figures: [parameters, ...figures] };
}

/** Each client has its own data and trains in a thread of the pool. */
function learnerOf(id, samples, build, pool) {
  const examples = windowsOf(id, samples);
  const held = windowsOf(`${id}, held out`, 16);
  const parameters = initialParameters(SMALL, 1);
  return {
    parameters,
    samples,
    async fit({ round }) {
      const job = { kind: "fit", spec: SMALL, build: build.name, parameters, examples, training: { ...TRAINING, batch: 8, learningRate: 1e-2 }, stream: [id, round] };
      const { parameters: trained, ...fitted } = await pool.fit(job);
      parameters.set(trained);
      return fitted;
    },
    evaluate: async () => classificationCounts(new Model(SMALL, { parameters, build }).predictProbabilities(held.inputs), held.targets, CLASSES.length),
  };
}

/** A sensor's swing grows with the state. */
function windowsOf(id, count) {
  const { normal } = random(1, "runtimes", id);
  const size = SMALL.input.steps * SMALL.input.features;
  const targets = Float32Array.from({ length: count }, (_, n) => n % CLASSES.length);
  return { count, targets, inputs: Float32Array.from({ length: count * size }, (_, i) => (0.3 + 0.5 * targets[Math.floor(i / size)]) * normal()) };
}

/** SHA-256 of the numbers' bytes, 64 hexadecimal digits. */
async function hashOf(arrays) {
  const bytes = await new Blob(arrays.map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength))).arrayBuffer();
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
