/**
 * Clients of a federation that learn something small, several in one process: real FactoryClient, seal, HTTP and
 * outbox on disk. What is acknowledged is written down before anything else happens, so that it can be held against
 * the orchestrator's journal when everybody has been killed several times:
 *
 *     acks.jsonl    {"client":"a","round":3,"digest":"…"}     an update that was acknowledged
 *                   {"client":"a","model":"…"}                the model that the client ended with
 *
 *     node client.js '{"url":"http://127.0.0.1:8080","ids":["a","b"],"folder":"state"}'
 */
import { appendFileSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { sha256 } from "../../build/federation/checksum.js";
import { FactoryClient } from "../../build/federation/client.js";
import { systemClock } from "../../build/federation/clock.js";
import { httpExchange } from "../../build/federation/http.js";
import { decode } from "../../build/federation/message.js";
import { diskOutbox } from "../../build/federation/outbox.js";
import { seal } from "../../build/federation/seal.js";
import { nodeDisk } from "../../build/node/disk.js";
import { nodeFetch } from "../../build/node/fetch.js";
import { machine, readRoster, readSigner } from "../../build/node/roster.js";
import { learner } from "./learner.js";

/** Notes what is acknowledged, and how long that took. */
function noting(exchange, note) {
  return async (request, signal) => {
    const begunMs = performance.now();
    const reply = await exchange(request, signal);
    const asked = decode(request);
    if (asked.kind === "update" && decode(reply).kind === "accepted") {
      const bytes = new Uint8Array(asked.numbers.buffer, asked.numbers.byteOffset, asked.numbers.byteLength);
      note({ client: asked.client, round: asked.round, digest: await sha256(bytes), ms: performance.now() - begunMs });
    }
    return reply;
  };
}

async function sealed(exchange, id, { roster, keys }) {
  if (!roster) return exchange;
  return seal(exchange, { ...machine, signer: await readSigner(join(keys, `${id}.key`), id), roster: await readRoster(roster) });
}

/** One client, from the first message to the last. */
async function take(id, { folder, task, fingerprint, parameters, delayMs = 0, ...reach }, note) {
  const { exchange: plain, close } = await transport(id, task, reach);
  const exchange = noting(await sealed(plain, id, reach), note);
  const disk = nodeDisk(join(folder, id));
  const client = new FactoryClient({
    id, exchange, task, fingerprint, learner: learner(id, parameters, delayMs), outbox: diskOutbox(disk),
    retry: { clock: systemClock, random: Math.random, firstMs: 50, mostMs: 1000 },
  });
  const last = await client.run();
  note({ client: id, model: await sha256(last) });
  await disk.close();
  await close();
}

/** By HTTP, or through a broker. */
async function transport(id, task, { url, ca }) {
  if (!url.startsWith("nats:")) return { exchange: httpExchange(url, { fetch: nodeFetch(ca ? { ca: readFileSync(ca) } : {}) }), close: async () => {} };
  const { connectNats, natsExchange } = await import("../../build/nats.js");
  const connection = await connectNats(url);
  return { exchange: natsExchange(connection, { task, client: id }), close: () => connection.close() };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { ids, ...options } = JSON.parse(process.argv[2]);
  mkdirSync(options.folder, { recursive: true });
  const note = (line) => {
    appendFileSync(join(options.folder, "acks.jsonl"), `${JSON.stringify(line)}\n`);
    console.log(line.model ? `${line.client} is done: ${line.model}` : `${line.client} round ${line.round} acknowledged`);
  };
  await Promise.all(ids.map((id) => take(id, options, note)));
}
