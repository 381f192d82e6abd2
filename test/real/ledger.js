/**
 * What clients were told, held against what an orchestrator wrote down, and both against the definition:
 *
 *   - every acknowledged update is in the journal, once, with the numbers that were acknowledged;
 *   - no client's update is twice in a round, or twice of one model;
 *   - a round that closed has exactly the updates before it, and its model is what plain arithmetic makes of them;
 *   - `millwright replay` finds the same rounds.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { sha256 } from "../../build/federation/checksum.js";
import { fromStored } from "../../build/federation/entry.js";
import { readStore } from "../../build/federation/store.js";
import { nodeDisk } from "../../build/node/disk.js";
import { join } from "node:path";
import { roundOf } from "./learner.js";

const hashOf = (numbers) => createHash("sha256").update(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength)).digest("hex");

/** The entries of a journal, with the parameters of each opened round. */
export async function entriesOf(state) {
  const disk = nodeDisk(join(state, "journal"));
  const entries = [];
  try {
    const { records } = await readStore(disk, { digest: sha256 });
    for await (const { entry } of records) entries.push({ ...fromStored(entry), numbers: entry.numbers });
  } finally {
    await disk.close();
  }
  return entries;
}

/** The rounds that closed: { round, model, updates, parameters (P) it began with }. */
export function roundsOf(entries) {
  const rounds = [];
  let open;
  for (const entry of entries) {
    if (entry.kind === "opened" && entry.attempt === 1) open = { round: entry.round, parameters: new Float32Array(entry.numbers.slice().buffer), updates: [] };
    else if (entry.kind === "update") open.updates.push(entry);
    else if (entry.kind === "closed") rounds.push({ ...open, model: entry.model, clients: entry.clients });
  }
  return { rounds, open };
}

/**
 * @param acks { client, round, digest } of updates that were acknowledged
 * @returns counts for a table
 * @throws AssertionError for whatever does not hold
 */
export function checkInclusions(entries, acks) {
  const updates = entries.filter(({ kind }) => kind === "update");
  const included = new Map();
  for (const { client, round, digest } of updates) {
    const key = `${client} ${round}`;
    assert(!included.has(key), `the update of ${key} is counted twice`);
    included.set(key, digest);
  }
  const acknowledged = acks.filter(({ digest }) => digest);
  for (const { client, round, digest } of acknowledged) {
    assert.equal(included.get(`${client} ${round}`), digest, `the acknowledged update of ${client}, round ${round}, is not in the journal as it was acknowledged`);
  }
  const { rounds } = roundsOf(entries);
  rounds.forEach(({ round, updates, clients }, index) => {
    assert.equal(round, rounds[0].round + index, "a round is missing");
    assert.deepEqual(updates.map(({ client }) => client).sort(), [...clients], `round ${round} has other updates than it says`);
  });
  return { updates: updates.length, acknowledged: new Set(acknowledged.map(({ client, round }) => `${client} ${round}`)).size, rounds: rounds.length };
}

/** Every round of small learners (learner.js) again, in plain arithmetic. @returns the last model's hash */
export function checkModels(entries) {
  const { rounds } = roundsOf(entries);
  let global = rounds[0].parameters;
  const models = new Map([[rounds[0].round, global]]);
  for (const { round, updates, model, parameters } of rounds) {
    assert.equal(hashOf(parameters), hashOf(global), `round ${round} begins with other parameters than the one before ended with`);
    global = roundOf(global, updates.map(({ client, round: of, weight }) => ({ id: client, round: of, from: models.get(of), weight })));
    models.set(round + 1, global);
    assert.equal(model, hashOf(global), `round ${round} has another model than an undisturbed run with the same inclusions`);
  }
  return rounds.at(-1).model;
}

/** What `millwright replay --json` says, held against the journal. */
export async function checkReplay(scene, state, entries) {
  const replayed = (await scene.run(["replay", state, "--json"])).split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
  const { rounds } = roundsOf(entries);
  assert.deepEqual(replayed.map(({ round, model }) => ({ round, model })), rounds.map(({ round, model }) => ({ round, model })));
}

/** All of it. @returns counts for a table, and the last model */
export async function checkFederation(scene, plant, acks) {
  const entries = await entriesOf(plant.state);
  const counts = checkInclusions(entries, acks);
  assert.equal(counts.rounds, plant.rounds, "rounds that closed");
  const model = checkModels(entries);
  await checkReplay(scene, "state", entries);
  for (const { client, model: ended } of acks.filter(({ model }) => model)) assert.equal(ended, model, `client ${client} ended with another model`);
  return { ...counts, model };
}
