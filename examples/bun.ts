// Three factories train one model, each in a thread of its own. Only updates of the model leave it; measurements stay there.
//
//     bun examples/bun.ts
import {
  adam, exportOnnx, FactoryClient, fingerprintOf, mergeMoments, Model, Orchestrator, parseSpec, scale, scalerFromMoments,
  simulateFactories, windowMoments, type Exchange, type FitOptions, type Training, type Windows,
} from "millwright";

const spec = parseSpec({
  input: { steps: 100, features: 8 }, head: { type: "classify", classes: ["HEALTHY", "DEGRADED", "CRITICAL", "FAILURE"] },
  layers: [{ type: "lstm", hidden: 24, bidirectional: true }, { type: "attention", size: 16 }],
});
const rounds = 6;
const training = (round: number): Training => ({ epochs: 1, batch: 8, learningRate: 0.01 * (1 - (round - 1) / rounds), optimizer: adam, clipNorm: 1, loss: {} });
const percent = (share: number) => Math.round(1000 * share) / 10;
/** From a factory's thread: each request has a channel for its reply. */
const exchange: Exchange = (frame) => new Promise((resolve) => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = ({ data }) => { port1.close(); resolve(data); };
  postMessage({ frame, reply: port2 }, { transfer: [port2] });
});

/** What runs in one factory: it agrees on a scaler, then trains in every round, alone to compare and together. */
async function takePart(index: number) {
  const { id, train, test } = simulateFactories({ factories: 3, seed: 1 }).factories[index];
  const [alone, together] = [new Model(spec, { seed: 1 }), new Model(spec, { seed: 1 })];
  const fit = (model: Model, { round, settings }: FitOptions) => model.fit(examples, settings as Training, [id, round]);
  const learner = {
    parameters: together.parameters, samples: train.count,
    async fit(options: FitOptions) { fit(alone, options); return fit(together, options); },
    evaluate: async () => Float64Array.of(accuracy(together)),
  };
  const client = new FactoryClient({ id, exchange, learner, fingerprint: await fingerprintOf(spec) });
  const scaler = scalerFromMoments(await client.gather("moments", windowMoments(train)), 8);
  const scaled = (windows: Windows) => ({ ...windows, inputs: scale(windows, scaler) });
  const [examples, unseen] = [scaled(train), scaled(test)];
  const accuracy = (model: Model) => model.predictState(unseen.inputs).filter((state, n) => state === unseen.targets[n]).length / unseen.count;
  await client.run();
  return { scaler, row: { factory: id, windows: train.count, "alone, %": percent(accuracy(alone)), "together, %": percent(accuracy(together)) } };
}

if (!Bun.isMainThread) self.onmessage = async ({ data }) => postMessage(await takePart(data));
else {
  const orchestrator = new Orchestrator({
    clients: ["factory-1", "factory-2", "factory-3"], rounds, training, fingerprint: await fingerprintOf(spec), parameters: new Model(spec, { seed: 1 }).parameters,
    merge: (topic, parts) => (topic === "moments" ? mergeMoments([...parts.values()], 8) : new Float64Array(0)),
    onRound: ({ round, bytes, clients }) => console.log(`round ${round}: ${clients.map(({ evaluation: [share] }) => `${percent(share)} %`).join("  ")}   ${Math.round(bytes / 1000)} kB`),
  });
  const threads = [0, 1, 2].map(() => new Worker(import.meta.url));
  const results = await Promise.all(threads.map((thread, index) => new Promise<Awaited<ReturnType<typeof takePart>>>((resolve, reject) => {
    thread.onerror = reject;
    thread.onmessage = async ({ data }) => ("row" in data ? resolve(data) : data.reply.postMessage(await orchestrator.handle(data.frame)));
    thread.postMessage(index);
  })));
  const { parameters, sha256 } = await orchestrator.finished;
  console.table(results.map(({ row }) => row));
  await Bun.write("model.onnx", exportOnnx({ spec, parameters, scaler: results[0].scaler, metadata: { rounds: String(rounds), sha256 } }));
  console.log(`wrote model.onnx, parameters ${sha256}`);
  threads.forEach((thread) => thread.terminate());
}
