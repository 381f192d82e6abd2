// One factory, in a worker: its data stay here, requests to the orchestrator go to the page.
import {
  FactoryClient, fingerprintOf, Model, scale, scalerFromMoments, simulateFactories, windowMoments,
  type Exchange, type FitOptions, type Training, type Windows,
} from "millwright";
import { spec, type News, type Start } from "./federation.ts";

const tell = (news: News, transfer: Transferable[] = []) => self.postMessage(news, { transfer });

/** Each request has a channel for its reply. */
const exchange: Exchange = (frame) => new Promise((resolve) => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = ({ data }) => {
    port1.close();
    resolve(data);
  };
  tell({ type: "request", frame, reply: port2 }, [port2]);
});

async function takePart({ index, seed }: Start): Promise<void> {
  const { id, train, test } = simulateFactories({ factories: 3, seed }).factories[index];
  const [alone, together] = [new Model(spec, { seed }), new Model(spec, { seed })];
  const fit = (model: Model, { round, settings }: FitOptions) => model.fit(examples, settings as Training, [id, round]);
  const learner = {
    parameters: together.parameters,
    samples: train.count,
    async fit(options: FitOptions) {
      fit(alone, options);
      tell({ type: "alone", accuracy: accuracy(alone) });
      return fit(together, options);
    },
    evaluate: async () => Float64Array.of(accuracy(together)),
  };
  const client = new FactoryClient({ id, exchange, learner, fingerprint: await fingerprintOf(spec) });

  // Factories agree on a scaler from moments of their data, without showing a row.
  const scaler = scalerFromMoments(await client.gather("moments", windowMoments(train)), spec.input.features);
  const scaled = (windows: Windows) => ({ ...windows, inputs: scale(windows, scaler) });
  const [examples, unseen] = [scaled(train), scaled(test)];
  const accuracy = (model: Model) => model.predictState(unseen.inputs).filter((state, n) => state === unseen.targets[n]).length / unseen.count;
  tell({ type: "started", windows: train.count, scaler });
  await client.run();
}

self.onmessage = ({ data }: MessageEvent<Start>) => takePart(data).catch((error) => tell({ type: "failed", reason: String(error) }));
