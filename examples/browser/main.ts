// The page: the orchestrator, and what a person sees of it. Factories are workers.
import { fingerprintOf, mergeMoments, Model, Orchestrator, type Result, type Scaler } from "millwright";
import { rounds, spec, training, type News, type Start } from "./federation.ts";
import { enable, panel, report } from "./panel.ts";

const ids = ["factory-1", "factory-2", "factory-3"];
let model: (Result & { readonly scaler: Scaler }) | undefined;

async function train(seed: number): Promise<void> {
  enable({ again: false, download: false });
  report("Simulating machines …", 0);
  const panels = ids.map((id) => panel(id, rounds));
  let kilobytes = 0;
  const orchestrator = new Orchestrator({
    clients: ids, rounds, training,
    fingerprint: await fingerprintOf(spec),
    parameters: new Model(spec, { seed }).parameters,
    merge: (topic, parts) => (topic === "moments" ? mergeMoments([...parts.values()], spec.input.features) : new Float64Array(0)),
    onRound({ round, clients, bytes }) {
      kilobytes += bytes / 1000;
      clients.forEach(({ evaluation: [accuracy] }, index) => panels[index].add("together", accuracy));
      report(`Round ${round} of ${rounds}. ${Math.round(kilobytes)} kB have travelled.`, round / rounds);
    },
  });
  let scaler!: Scaler;
  const workers = ids.map(() => new Worker(new URL("./factory.ts", import.meta.url), { type: "module" }));
  const failed = new Promise<never>((_, reject) => workers.forEach((worker, index) => {
    worker.onerror = ({ message }) => reject(`${ids[index]}: ${message}`);
    worker.onmessage = async ({ data }: MessageEvent<News>) => {
      if (data.type === "request") data.reply.postMessage(await orchestrator.handle(data.frame));
      if (data.type === "alone") panels[index].add("alone", data.accuracy);
      if (data.type === "failed") reject(`${ids[index]}: ${data.reason}`);
      if (data.type === "started") panels[index].describe(data.windows);
      if (data.type === "started") ({ scaler } = data);
    };
    worker.postMessage({ index, seed } satisfies Start);
  }));
  try {
    model = { ...(await Promise.race([orchestrator.finished, failed])), scaler };
    report(`Done. ${Math.round(kilobytes)} kB have travelled. SHA-256 of the model, the same in every runtime:`, 1, model.sha256);
  } finally {
    workers.forEach((worker) => worker.terminate());
    enable({ again: true, download: model !== undefined });
  }
}

/** The export is a chunk of its own: a page that only trains does not load it. */
async function download(): Promise<void> {
  const { exportOnnx } = await import("./onnx.ts");
  const bytes = exportOnnx({ spec, ...model!, metadata: { rounds: String(rounds), sha256: model!.sha256 } });
  const link = Object.assign(document.createElement("a"), { download: "model.onnx", href: URL.createObjectURL(new Blob([bytes])) });
  link.click();
  URL.revokeObjectURL(link.href);
}

let seed = 1;
const start = () => train(seed++).catch((error) => report(`It failed: ${error}`, 0));
document.getElementById("again")!.onclick = start;
document.getElementById("download")!.onclick = download;
start();
