/**
 * @module millwright/node
 * What needs Node: a pool of worker threads, and files. Deno and Bun provide the same modules.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import type { Source } from "./data/source.ts";
import { Partner, serve, type Place, type Thread } from "./kernels/partner.ts";
import type { PartnerOptions } from "./kernels/web.ts";
import { Bench, type AdaptJob, type BenchOptions, type FitJob, type FitResult, type Job, type Pool, type PredictJob } from "./tasks/pool.ts";

export { nodeDisk } from "./node/disk.ts";
export { nodeFetch, type Certificates } from "./node/fetch.ts";
export { createLog, type Level, type Log } from "./node/log.ts";
export { Registry, type Counter, type Histogram, type Labels } from "./node/metrics.ts";
export { machine, readRoster, readSigner, watchRoster } from "./node/roster.ts";
export { fingerprintOfCertificate, pinnedAgent, readCertificate, selfSigned, type Certificate, type SelfSignedOptions } from "./node/tls.ts";
export { serveExchange, type ServeOptions, type ServerLimits, type Serving } from "./node/server.ts";
export type { AdaptJob, FitJob, Partner, PartnerOptions, Pool, PredictJob };

/** What a worker of this file is for; other workers may load it as a module, and are none. */
const BENCH = "millwright bench", PARTNER = "millwright partner";

interface Ticket {
  readonly job: Job;
  readonly priority: number;
  readonly resolve: (result: never) => void;
  readonly reject: (error: unknown) => void;
}

/** What comes back from a worker. */
type Answer = { readonly result: FitResult | Float32Array } | { readonly error: unknown };

/**
 * A pool of `size` threads, each with WebAssembly instances of its own. Data in SharedArrayBuffers is
 * not copied to them.
 */
export function threadPool(size: number, options: BenchOptions = {}): Pool {
  if (!Number.isInteger(size) || size < 1) throw new RangeError(`"workers" expected integer >= 1, got ${size}`);
  const waiting: Ticket[] = [];
  const idle: Worker[] = [];
  const busy = new Map<Worker, Ticket>();
  /** Why no job is taken any more. */
  let ended: Error | undefined;

  const assign = () => {
    while (idle.length > 0 && waiting.length > 0) {
      const next = waiting.reduce((best, ticket, index) => (ticket.priority > waiting[best].priority ? index : best), 0);
      const [ticket] = waiting.splice(next, 1);
      const worker = idle.pop()!;
      busy.set(worker, ticket);
      worker.postMessage(ticket.job);
    }
  };
  const end = (reason: Error) => {
    ended ??= reason;
    for (const ticket of [...waiting.splice(0), ...busy.values()]) ticket.reject(ended);
    busy.clear();
  };
  const workers = Array.from({ length: size }, () => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { role: BENCH, options } });
    worker.on("message", (answer: Answer) => {
      const ticket = busy.get(worker);
      busy.delete(worker);
      if ("error" in answer) ticket?.reject(answer.error);
      else ticket?.resolve(answer.result as never);
      idle.push(worker);
      assign();
    });
    // A worker reports what a job throws; this is a worker that died, out of memory say. The run cannot go on without it.
    worker.on("error", end);
    idle.push(worker);
    return worker;
  });
  const submit = (job: Job, priority: number) =>
    new Promise<never>((resolve, reject) => {
      if (ended) return reject(ended);
      waiting.push({ job, priority, resolve, reject });
      assign();
    });
  return {
    size,
    fit: (job) => submit(job, job.examples.count),
    predict: (job) => submit(job, Infinity),
    adapt: (job) => submit(job, Infinity),
    close: async () => {
      end(new Error("the pool of workers was closed"));
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}

/**
 * Start a second thread for networks that are made with it: `new Network(spec, { …, partner })`. It does
 * not keep the process alive; close it to end it earlier.
 */
export async function startPartner({ build }: PartnerOptions = {}): Promise<Partner> {
  return Partner.on(nodeThread(), build);
}

function nodeThread(): Thread {
  const worker = new Worker(new URL(import.meta.url), { workerData: PARTNER });
  let died = (_: Error) => {};
  return {
    begin: (place: Place) =>
      new Promise((resolve, reject) => {
        worker.once("message", () => {
          worker.unref();
          resolve();
        });
        worker.once("error", (cause) => {
          reject(new Error(`the partner thread did not start: ${cause.message}`, { cause }));
          died(cause);
        });
        worker.once("exit", (code) => died(new Error(`it ended with code ${code}`)));
        worker.postMessage(place);
      }),
    onDeath: (report) => (died = report),
    end: async () => void (await worker.terminate()),
  };
}

/** Reads files below a folder: the user's data. @throws RangeError for a folder in a file's place, and what the system says of a file that it refuses */
export function folderSource(folder: string): Source {
  const read: Source = async (path) => {
    const place = join(folder, path);
    try {
      return new Uint8Array(await readFile(place));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT" || code === "ENOTDIR") return undefined;
      if (code === "EISDIR") throw new RangeError(`${place}: expected a file, got a folder; move what is in it, or give the folder that holds the file itself as --data`);
      throw error;
    }
  };
  return Object.assign(read, { place: folder });
}

if (!isMainThread && workerData?.role === BENCH) {
  const bench = new Bench(workerData.options);
  parentPort!.on("message", async (job: Job) => {
    let answer: Answer;
    try {
      answer = { result: await bench.perform(job) };
    } catch (error) {
      answer = { error };
    }
    parentPort!.postMessage(answer);
  });
}

if (!isMainThread && workerData === PARTNER) {
  parentPort!.once("message", (place: Place) => serve(place, () => parentPort!.postMessage("ready")));
}
