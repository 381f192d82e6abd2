// Three factories train one model over HTTP. Only updates of the model travel; measurements stay where they are.
//
//     deno run --allow-net=127.0.0.1 --allow-write=model.onnx examples/deno.ts
import {
  adam, exportOnnx, FactoryClient, fingerprintOf, mergeMoments, Model, Orchestrator, parseSpec, scale, scalerFromMoments,
  simulateFactories, windowMoments, type Exchange, type FitOptions, type Training, type Windows,
} from "millwright";

const spec = parseSpec({
  input: { steps: 100, features: 8 },
  layers: [{ type: "lstm", hidden: 24, bidirectional: true }, { type: "attention", size: 16 }],
  head: { type: "classify", classes: ["HEALTHY", "DEGRADED", "CRITICAL", "FAILURE"] },
});
const rounds = 6;
const training = (round: number): Training => ({ epochs: 1, batch: 8, learningRate: 0.01 * (1 - (round - 1) / rounds), optimizer: adam, clipNorm: 1, loss: {} });
const fingerprint = await fingerprintOf(spec);
const { factories } = simulateFactories({ factories: 3, seed: 1 });
const percent = (share: number) => Math.round(1000 * share) / 10;

const orchestrator = new Orchestrator({
  clients: factories.map(({ id }) => id), fingerprint, rounds, training,
  parameters: new Model(spec, { seed: 1 }).parameters,
  merge: (topic, parts) => (topic === "moments" ? mergeMoments([...parts.values()], 8) : new Float64Array(0)),
  onRound: ({ round, bytes, clients }) => console.log(`round ${round}: ${clients.map(({ evaluation: [share] }) => `${percent(share)} %`).join("  ")}   ${Math.round(bytes / 1000)} kB`),
});
const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
  const reply = await orchestrator.handle(await request.bytes());
  return new Response(reply as Uint8Array<ArrayBuffer>);
});
const exchange: Exchange = async (frame, signal) => {
  const reply = await fetch(`http://127.0.0.1:${server.addr.port}`, { method: "POST", body: frame as Uint8Array<ArrayBuffer>, signal });
  return new Uint8Array(await reply.arrayBuffer());
};

/** What runs in one factory: it agrees on a scaler, then trains in every round, alone to compare and together. */
async function takePart({ id, train, test }: (typeof factories)[number]) {
  const [alone, together] = [new Model(spec, { seed: 1 }), new Model(spec, { seed: 1 })];
  const fit = (model: Model, { round, settings }: FitOptions) => model.fit(examples, settings as Training, [id, round]);
  const learner = {
    parameters: together.parameters, samples: train.count,
    async fit(options: FitOptions) { fit(alone, options); return fit(together, options); },
    evaluate: async () => Float64Array.of(accuracy(together)),
  };
  const client = new FactoryClient({ id, exchange, learner, fingerprint });
  const scaler = scalerFromMoments(await client.gather("moments", windowMoments(train)), 8);
  const scaled = (windows: Windows) => ({ ...windows, inputs: scale(windows, scaler) });
  const [examples, unseen] = [scaled(train), scaled(test)];
  const accuracy = (model: Model) => model.predictState(unseen.inputs).filter((state, n) => state === unseen.targets[n]).length / unseen.count;
  await client.run();
  return { scaler, row: { factory: id, windows: train.count, "alone, %": percent(accuracy(alone)), "together, %": percent(accuracy(together)) } };
}

const results = await Promise.all(factories.map(takePart));
const { parameters, sha256 } = await orchestrator.finished;
await server.shutdown();
console.table(results.map(({ row }) => row));
await Deno.writeFile("model.onnx", exportOnnx({ spec, parameters, scaler: results[0].scaler, metadata: { rounds: String(rounds), sha256 } }));
console.log(`wrote model.onnx, parameters ${sha256}`);
