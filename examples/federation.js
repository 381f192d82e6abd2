// Three factories train one LSTM without showing each other a window:  npm run build && node examples/federation.js
import { adam, FactoryClient, fingerprintOf, Model, Orchestrator, parseSpec, random } from "millwright";

const spec = parseSpec({
  input: { steps: 24, features: 1 },
  layers: [{ type: "lstm", hidden: 16, bidirectional: true }, { type: "attention", size: 8 }],
  head: { type: "classify", classes: ["calm", "wavering", "failing"] },
});
const training = { epochs: 2, batch: 8, learningRate: 1e-2, optimizer: adam, clipNorm: 1, loss: {} };

/** Windows of one sensor whose swing grows with the state; each factory's sensor has a gain of its own. */
function windows(id, count, { uniform, normal } = random(1, id)) {
  const gain = 0.8 + 0.4 * uniform();
  const targets = Float32Array.from({ length: count }, (_, n) => n % 3);
  return { count, targets, inputs: Float32Array.from({ length: 24 * count }, (_, i) => gain * (0.3 + 0.5 * targets[Math.floor(i / 24)]) * normal()) };
}

const fingerprint = await fingerprintOf(spec);
const clients = ["Aachen", "Brno", "Cork"];
const orchestrator = new Orchestrator({ clients, rounds: 15, fingerprint, parameters: new Model(spec, { seed: 1 }).parameters });
await Promise.all(clients.map((id) => {
  const model = new Model(spec), data = windows(id, 90);
  const learner = { parameters: model.parameters, samples: data.count, fit: async ({ round }) => model.fit(data, training, [id, round]) };
  return new FactoryClient({ id, learner, fingerprint, exchange: orchestrator.handle }).run();
}));
const { parameters, sha256 } = await orchestrator.finished;
const fresh = windows("Delft", 300), states = new Model(spec, { parameters }).predictState(fresh.inputs);
console.log(`${Math.round((100 * states.filter((state, n) => state === fresh.targets[n]).length) / 300)} % right in a factory that took no part, model ${sha256.slice(0, 12)}`);
