/**
 * Many clients in one process, for bench/federation.js: they pull, wait as if they trained, and send an update that was
 * made beforehand. Nothing is trained and no model is looked at, so that what is measured is the orchestrator.
 *
 *     node bench/load.js '{"url":… or "broker":…,"task":…,"fingerprint":…,"parameters":…,"ids":[…],"rounds":3,"spreadMs":0}'
 *
 * Prints a line for each round: { round, beganMs, firstMs, acknowledgedMs: [sorted], endedMs }, on the machine's monotonic clock.
 */
import { Agent, request } from "node:http";
import { join } from "node:path";
import { Unanswered } from "../build/federation/exchange.js";
import { encode } from "../build/federation/message.js";
import { seal } from "../build/federation/seal.js";
import { random } from "../build/kernels/random.js";
import { connectNats, natsExchange } from "../build/nats.js";
import { machine, readRoster, readSigner } from "../build/node/roster.js";

const { url, broker, task, fingerprint, parameters, ids, rounds, spreadMs, keys, seed = 1 } = JSON.parse(process.argv[2]);
const agent = new Agent({ keepAlive: true, maxSockets: Infinity });
const address = url && new URL("/v1/exchange", url);
/** Of a small change of every parameter. */
const numbers = Int32Array.from({ length: parameters }, (_, p) => ((p * 2654435761) % 65536) - 32768);
const nowMs = () => Number(process.hrtime.bigint() / 1000n) / 1000;

/** The fields of a reply's frame; its numbers go by. */
const fieldsOf = (frame) => JSON.parse(Buffer.from(frame.buffer, frame.byteOffset + 16, new DataView(frame.buffer, frame.byteOffset).getUint32(8, true)).toString());

/** One request; the reply is kept as far as it is looked at, and whole where somebody checks its signature. */
function post(frame, whole) {
  return new Promise((resolve, reject) => {
    const sent = request(address, { method: "POST", agent, headers: { "content-type": "application/octet-stream", "content-length": frame.length } });
    sent.on("error", reject);
    sent.on("response", (response) => {
      const chunks = [];
      let length = 0;
      response.on("data", (chunk) => {
        if (whole || length < 16_384) chunks.push(chunk);
        length += chunk.length;
      });
      response.on("error", reject);
      response.on("end", () => {
        if (response.statusCode === 204) return reject(new Unanswered());
        if (response.statusCode !== 200) return reject(new Error(`status ${response.statusCode}`));
        resolve(Buffer.concat(chunks));
      });
    });
    sent.end(frame);
  });
}

const roster = keys && (await readRoster(join(keys, "roster.json")));
const connections = [];
/** At a broker each client has its own connection, as in its own plant. */
async function transportOf(id) {
  if (!broker) return (frame) => post(frame, keys !== undefined);
  const connection = await connectNats(broker, { name: id, timeout: 60_000 });
  connections.push(connection);
  return natsExchange(connection, { task, client: id });
}
const exchangeOf = async (id) => (keys ? seal(await transportOf(id), { ...machine, roster, signer: await readSigner(join(keys, `${id}.key`), id) }) : transportOf(id));

async function answered(exchange, frame) {
  for (;;) {
    try {
      const fields = fieldsOf(await exchange(frame));
      if (fields.code) throw new RangeError(`refused: ${fields.code}, ${fields.reason}`);
      return fields;
    } catch (error) {
      if (error instanceof RangeError) throw error;
      if (error instanceof Unanswered) continue;
      failures += 1;
      lastFailure = error.message;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

let failures = 0;
let lastFailure = "";
const figures = new Map();
const of = (round) => figures.get(round) ?? figures.set(round, { beganMs: Infinity, pulledMs: 0, times: [], endedMs: 0 }).get(round);

async function client(id, exchange, chance) {
  const named = { task, fingerprint, client: id };
  const pull = encode({ kind: "pull", ...named });
  for (let done = 0; done < rounds; done++) {
    const askedMs = nowMs();
    const { round, attempt, model } = await answered(exchange, pull);
    const figure = of(round);
    // The first round is there when it is asked for, the others when the one before is over.
    figure.beganMs = Math.min(figure.beganMs, done === 0 ? askedMs : of(round - 1).endedMs);
    figure.pulledMs = nowMs();
    if (round > 1) await answered(exchange, encode({ kind: "gather", ...named, topic: "evaluation", round: round - 1, numbers: new Float64Array(0) }));
    if (spreadMs > 0) await new Promise((resolve) => setTimeout(resolve, chance.uniform() * spreadMs));
    const sentMs = nowMs();
    const frame = encode({ kind: "update", ...named, round, attempt, model, samples: 500, loss: 1, numbers });
    await answered(exchange, frame);
    figure.endedMs = nowMs();
    figure.times.push(figure.endedMs - sentMs);
  }
}

const chance = random(seed, "load", ids[0]);
// Everybody is connected before the first one asks: plants do not join in the same second.
const exchanges = [];
for (const id of ids) exchanges.push(await exchangeOf(id));
await Promise.all(ids.map((id, index) => client(id, exchanges[index], chance)));
for (const [round, { times, ...figure }] of figures) console.log(JSON.stringify({ round, ...figure, times: times.sort((a, b) => a - b).map((ms) => Math.round(10 * ms) / 10) }));
console.log(JSON.stringify({ failures, lastFailure, cpuS: process.cpuUsage().user / 1e6 + process.cpuUsage().system / 1e6, rssMiB: process.memoryUsage.rss() / 2 ** 20 }));
agent.destroy();
await Promise.all(connections.map((connection) => connection.close()));
