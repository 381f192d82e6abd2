/**
 * What can go wrong, one section each: a list of attempts, each with a scene of its own.
 */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { startBroker } from "./broker.js";
import { faketime, moveClock } from "./faketime.js";
import { fuzzLong } from "./frames.js";
import { fillUp, smallDisk } from "./smalldisk.js";
import { checkFederation, checkInclusions, checkReplay, entriesOf, roundsOf } from "./ledger.js";
import { Plant, somewhere } from "./plant.js";
import { pause } from "./process.js";
import { messageProxy, wireProxy } from "./proxy.js";
import { undisturbed } from "./undisturbed.js";

/** For a hang, not for a bad line. */
const PATIENCE_MS = 900_000;
const FOUR = ["north", "south", "east", "west"];
const short = ({ model, ...figures }) => ({ ...figures, model: model.slice(0, 12) });

/** Whose clients are those of the command write down no acknowledgements and learn something else: the chain and the models are held, by replay. */
async function checkRun(scene, plant, joined) {
  if (!joined) return short(await checkFederation(scene, plant, plant.acks()));
  const entries = await entriesOf(plant.state);
  await checkReplay(scene, "state", entries);
  const model = await undisturbed(plant.config);
  assert.equal(roundsOf(entries).rounds.at(-1).model, model, "the last model is another than that of one process");
  return { ...checkInclusions(entries, []), model: model.slice(0, 12) };
}

/** The clients are done, and the orchestrator is asked to end. */
async function finish(clients, orchestrator) {
  for (const client of clients) assert.equal(await client.done(PATIENCE_MS), 0, client.tail());
  await orchestrator.kill("SIGINT");
}

/** kill -9 of the orchestrator, again and again. */
async function killOrchestrator(scene, kills, options = {}) {
  const plant = await Plant.open(scene, { clients: FOUR, rounds: Math.max(5, Math.ceil(1.5 * kills)), ...options });
  let orchestrator = await plant.orchestrate();
  const clients = plant.small();
  let killed = 0;
  for (; killed < kills && !clients.ended; killed++) {
    await somewhere(orchestrator, 1 + scene.random.integer(14), scene.random);
    await orchestrator.kill();
    orchestrator = await plant.orchestrate();
  }
  await finish([clients], orchestrator);
  return { kills: killed, ...short(await checkFederation(scene, plant, plant.acks())) };
}

/** kill -9 of clients, each a process of its own; `deleted` of them find their folder gone. */
async function killClients(scene, kills, deleted = 0) {
  const plant = await Plant.open(scene, { clients: FOUR, rounds: Math.max(5, Math.ceil(1.5 * kills)) });
  const orchestrator = await plant.orchestrate();
  const start = (id) => plant.small([id], { folder: `clients-${id}`, delayMs: 5 });
  const clients = new Map(FOUR.map((id) => [id, start(id)]));
  const acks = [];
  let killed = 0;
  for (; killed < kills; killed++) {
    await somewhere(orchestrator, 1 + scene.random.integer(14), scene.random);
    const id = FOUR[scene.random.integer(FOUR.length)];
    const client = clients.get(id);
    if (client.ended) break;
    await client.kill();
    if (killed < deleted) {
      acks.push(...acksOf(plant, id));
      rmSync(scene.path(`clients-${id}`), { recursive: true, force: true });
    }
    clients.set(id, start(id));
  }
  await finish([...clients.values()], orchestrator);
  acks.push(...FOUR.flatMap((id) => acksOf(plant, id)));
  return { kills: killed, ...(deleted && { deleted: Math.min(deleted, killed) }), ...short(await checkFederation(scene, plant, acks)) };
}

/** A client that was killed early has none. */
function acksOf(plant, id) {
  try {
    return plant.acks(`clients-${id}`);
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
    return [];
  }
}

/** The state folder's disk is full, then there is room again. With `joined`, the models in that folder are full ones too. */
async function fillDisk(scene, times, joined = false) {
  const plant = await Plant.open(scene, { clients: joined ? ["north", "south"] : FOUR, rounds: 8 * times });
  const disk = smallDisk(scene, "state", 64);
  if (typeof disk === "string") return disk;
  const codes = [];
  let orchestrator = await plant.orchestrate();
  const clients = joined ? plant.clients.map((id) => plant.join(id)) : [plant.small(FOUR, { delayMs: 5 })];
  for (let time = 0; time < times; time++) {
    await somewhere(orchestrator, 5 + scene.random.integer(10), scene.random);
    const empty = fillUp(disk, 4096 * scene.random.integer(40));
    codes.push(await orchestrator.done());
    assert.match(orchestrator.tail(1), /^millwright: .*(ENOSPC|no space)/i);
    empty();
    orchestrator = await plant.orchestrate();
  }
  await finish(clients, orchestrator);
  assert(codes.every((code) => code !== 0));
  return { "times full": times, ...(await checkRun(scene, plant, joined)) };
}

/** Time of day goes back and forth by years, for the orchestrator; a member is not valid in some of them. */
async function moveTime(scene, moves) {
  const env = faketime(scene);
  if (typeof env === "string") return env;
  // The fifth member does not take part.
  const plant = await Plant.open(scene, { clients: FOUR, rounds: 12 * moves, policy: { closeAt: FOUR.length } });
  await scene.run(["roster", "add", "brief", "--dir", "keys", "--not-after", "2039-01-01"]);
  let orchestrator = await plant.orchestrate({ env });
  const clients = plant.small(FOUR, { delayMs: 5 });
  const states = [orchestrator.line((line) => line.includes('"reason":"expired"'))];
  states[0].catch(() => {});
  for (let move = 0; move < moves; move++) {
    await somewhere(orchestrator, 5 + scene.random.integer(10), scene.random);
    const days = move === 0 ? 9_000 : Math.round((scene.random.uniform() - 0.5) * 8_000);
    moveClock(scene, days);
    if (move === 0) {
      const brief = plant.small(["brief"], { folder: "brief" });
      await states[0];
      await brief.kill();
    }
    if (move % 3 === 2) {
      await orchestrator.kill();
      orchestrator = await plant.orchestrate({ env });
    }
  }
  await finish([clients], orchestrator);
  return { moves, ...short(await checkFederation(scene, plant, plant.acks())) };
}

/** Messages are lost, late, repeated and damaged. With `joined`, the clients are those of the command, a process each, which send less often: more of it is damaged. */
async function disturb(scene, rounds, { proxy, joined = false, ...options }) {
  const plant = await Plant.open(scene, { clients: FOUR, rounds, ...options });
  const between = await proxy({ port: plant.port, random: scene.random });
  scene.onClose(between.close);
  const orchestrator = await plant.orchestrate();
  const url = new URL(plant.url);
  url.port = between.port;
  const clients = joined ? FOUR.map((id) => plant.join(id, { url: url.origin })) : [plant.small(FOUR, { url: url.origin })];
  await finish(clients, orchestrator);
  return { ...between.counts, ...(await checkRun(scene, plant, joined)) };
}

/** Mutated frames and envelopes: nothing but refusals, and nothing left behind. */
function mutated(frames, seed) {
  const { grownMiB, ...figures } = fuzzLong(frames, seed);
  if (globalThis.gc) assert(grownMiB < 1, `the heap has grown by ${grownMiB.toFixed(1)} MiB`);
  return figures;
}

/** The broker is killed and comes back, sometimes without what it stored. */
async function killBroker(scene, kills, { stores = false, orchestrators = false } = {}) {
  const broker = await startBroker(scene);
  if (typeof broker === "string") return broker;
  const plant = await Plant.open(scene, { clients: FOUR, rounds: Math.max(6, 2 * kills) });
  plant.broker = broker.url;
  let orchestrator = await plant.orchestrate();
  const clients = plant.small(FOUR, { delayMs: 20 });
  let killed = 0;
  for (; killed < kills && !clients.ended; killed++) {
    await somewhere(orchestrator, 4 + scene.random.integer(10), scene.random, 100);
    await broker.kill();
    if (stores) broker.deleteStore();
    if (orchestrators) await orchestrator.kill();
    await pause(scene.random.uniform() * 500);
    await broker.run();
    if (orchestrators || orchestrator.ended) orchestrator = await plant.orchestrate();
  }
  await finish([clients], orchestrator);
  return { kills: killed, ...short(await checkFederation(scene, plant, plant.acks())) };
}

export const sections = {
  orchestrator: ({ kills }) => [
    ["kill orchestrator", (scene) => killOrchestrator(scene, kills)],
    ["kill, buffered rounds", (scene) => killOrchestrator(scene, Math.ceil(kills / 5), { policy: { closeAt: 3, minClients: 2, maxStaleness: 2 } })],
  ],
  clients: ({ kills }) => [["kill clients", (scene) => killClients(scene, kills)]],
  folders: ({ kills }) => [["client folders deleted", (scene) => killClients(scene, Math.ceil(kills / 5), kills)]],
  disk: ({ kills }) => [
    ["disk full", (scene) => fillDisk(scene, Math.ceil(kills / 5))],
    ["disk full, join", (scene) => fillDisk(scene, Math.ceil(kills / 10), true)],
  ],
  clock: ({ kills }) => [["clock moved", (scene) => moveTime(scene, Math.ceil(kills / 5))]],
  proxy: ({ kills }) => [
    ["lossy, signed", (scene) => disturb(scene, kills, { proxy: messageProxy })],
    ["lossy, unsigned", (scene) => disturb(scene, kills, { proxy: messageProxy, secure: false })],
    ["lossy, join", (scene) => disturb(scene, Math.max(3, Math.ceil(kills / 10)), { proxy: (line) => messageProxy({ ...line, corrupt: 0.03 }), joined: true })],
    ["lossy below TLS", (scene) => disturb(scene, Math.ceil(kills / 5), { proxy: wireProxy, tls: true })],
  ],
  fuzz: ({ frames, seed }) => [["mutated frames", async () => mutated(frames, seed)]],
  nats: ({ kills }) => [
    ["broker killed", (scene) => killBroker(scene, Math.ceil(kills / 5))],
    ["broker's store deleted", (scene) => killBroker(scene, Math.ceil(kills / 10), { stores: true })],
    ["broker and orchestrator", (scene) => killBroker(scene, Math.ceil(kills / 10), { orchestrators: true })],
  ],
};
