/**
 * What can go wrong, one section each: a list of attempts, each with a scene of its own.
 */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { checkFederation } from "./ledger.js";
import { Plant, somewhere } from "./plant.js";
import { pause } from "./process.js";

const FOUR = ["north", "south", "east", "west"];
const short = ({ model, ...figures }) => ({ ...figures, model: model.slice(0, 12) });

/** The clients are done, and the orchestrator is asked to end. */
async function finish(clients, orchestrator) {
  for (const client of clients) assert.equal(await client.done(), 0, client.tail());
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

export const sections = {
  orchestrator: ({ kills }) => [
    ["kill orchestrator", (scene) => killOrchestrator(scene, kills)],
    ["kill, buffered rounds", (scene) => killOrchestrator(scene, Math.ceil(kills / 5), { policy: { closeAt: 3, minClients: 2, maxStaleness: 2 } })],
  ],
  clients: ({ kills }) => [["kill clients", (scene) => killClients(scene, kills)]],
  folders: ({ kills }) => [["client folders deleted", (scene) => killClients(scene, Math.ceil(kills / 5), kills)]],
};
