/**
 * A federation of real processes at a broker that lets nobody do more than `millwright roster nats` says: it runs to the
 * model of one process, with bodies larger than a message; and what a client may not do, it cannot.
 */
import type { NatsConnection, Status } from "@nats-io/nats-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { variableOf } from "../../src/cli/permissions.ts";
import { connectNats, credentials, inboxPrefix } from "../../src/nats.ts";
import { natsVersion } from "../nats/server.ts";
import { startBroker } from "../real/broker.js";
import { configOf, tinySpec } from "../real/plant.js";
import { Scene } from "../real/process.js";
import { undisturbed } from "../real/undisturbed.js";

const CLIENTS = ["plant.1", "plant_2"];
const NAME = "trial_1.b";
/** For a hang, not for a slow machine. */
const PATIENCE_MS = 240_000;
/** 180,000 parameters and more: a model is an object at the broker, an update is sent in parts. */
const spec = { ...tinySpec, layers: [{ type: "mean" }, { type: "dense", units: 14_000, activation: "relu" }] };

describe.skipIf(!natsVersion)(`a broker with permissions, ${natsVersion}`, () => {
  const scene = new Scene("broker", 1);
  const members = ["orchestrator", ...CLIENTS];
  let broker: Exclude<Awaited<ReturnType<typeof startBroker>>, string>;
  let ended: (number | string)[];
  let tail = "";
  let takenOver = "";
  let config: object;

  beforeAll(async () => {
    config = { ...configOf({ clients: CLIENTS, rounds: 2 }), name: NAME, spec };
    scene.write("config.json", config);
    await scene.run(["roster", "init", "keys"]);
    for (const id of CLIENTS) await scene.run(["roster", "add", id, "--dir", "keys"]);
    for (const id of members) scene.write(`${id}.nats`, `${id}:secret-of-${id}\n`);
    const settings = await scene.run(["roster", "nats", "--config", "--task", NAME, "--dir", "keys"]);
    const env = Object.fromEntries(members.map((id) => [variableOf(id, "password"), `secret-of-${id}`]));
    broker = (await startBroker(scene, { settings, env })) as typeof broker;

    const at = (id: string) => ["--nats", broker.url, "--nats-credentials", `${id}.nats`, "--roster", "keys/roster.json", "--key", `keys/${id}.key`];
    const orchestrator = scene.millwright(["orchestrate", "config.json", "--state", "state", "--exit", ...at("orchestrator")]);
    await orchestrator.line((line) => line.includes('"orchestrating"'));
    const standBy = scene.millwright(["orchestrate", "config.json", "--state", "other", ...at("orchestrator")]);
    const clients = CLIENTS.map((id, index) => scene.millwright(["join", "--id", id, "--name", NAME, "--share", `${index + 1}/2`, "--state", id, ...at(id)]));
    ended = await Promise.all([orchestrator, ...clients].map((process) => process.done()));
    // The stand-by takes over what is over, from the journal's copy.
    const line = await standBy.line((line) => line.includes('"finished"'));
    takenOver = (JSON.parse(line) as { model: string }).model;
    tail = [orchestrator, standBy, ...clients].map((process) => process.tail(200)).join("\n");
    await standBy.kill();
  }, PATIENCE_MS);
  afterAll(() => scene.close());

  test("runs, with a stand-by, to the model of one process that nothing disturbs", async () => {
    expect({ ended, tail }).toEqual({ ended: [0, 0, 0], tail: expect.not.stringMatching(/permissions? violation/i) });
    const replayed = (await scene.run(["replay", "state", "--json"])).trim().split("\n").map((line) => (JSON.parse(line) as { model: string }).model);
    expect([replayed.length, replayed.at(-1), takenOver]).toEqual([2, ...Array(2).fill(await undisturbed(config))]);
  }, PATIENCE_MS);

  /** What the broker refuses to a client who tries. */
  async function refusals(id: string, attempt: (connection: NatsConnection) => void): Promise<string[]> {
    const connection = await connectNats(broker.url, { authenticator: credentials(`${id}:secret-of-${id}`), inboxPrefix: inboxPrefix(id) });
    const said: string[] = [];
    void (async () => {
      for await (const status of connection.status() as AsyncIterable<Status & { error?: Error }>) if (status.type === "error") said.push(status.error!.message);
    })();
    attempt(connection);
    await connection.flush();
    await connection.flush();
    await connection.close();
    return said.filter((message) => /permissions violation/i.test(message));
  }

  const T = "millwright-trial__1_-b", S = "millwright.trial__1_-b";
  test.each([
    ["ask for another", `${S}.plant__2.ask`],
    ["say that a round is over", `${S}.announce`],
    ["answer another", "_INBOX.plant__2.x"],
    ["take the lease", `$KV.${T}.lease`],
    ["read the lease", `$JS.API.DIRECT.GET.KV_${T}.$KV.${T}.lease`],
    ["write the journal", `${S}.journal`],
    ["read the journal", `$JS.API.STREAM.MSG.GET.${T}-journal`],
    ["read the journal's bodies", `$JS.API.DIRECT.GET.OBJ_${T}-journal`],
    ["empty the journal", `$JS.API.STREAM.PURGE.${T}-journal`],
    ["delete the journal", `$JS.API.STREAM.DELETE.${T}-journal`],
    ["put a model", `$O.${T}.M.x`],
    ["put a chunk of one", `$O.${T}.C.x`],
    ["empty the models' bucket", `$JS.API.STREAM.PURGE.OBJ_${T}`],
    ["make a consumer", `$JS.API.CONSUMER.CREATE.${T}-journal`],
    ["make a stream", "$JS.API.STREAM.CREATE.other"],
  ])("a client cannot %s", async (_, subject) => {
    expect(await refusals("plant.1", (connection) => connection.publish(subject, "x"))).toEqual([expect.stringContaining(subject)]);
  });

  test.each([
    ["another's inbox", "_INBOX.plant__2.>"], ["all inboxes", "_INBOX.>"], ["another's requests", `${S}.plant__2.ask`],
    ["the journal", `${S}.journal`], ["chunks of bodies", `$O.${T}.>`],
  ])("a client cannot hear %s", async (_, subject) => {
    expect(await refusals("plant.1", (connection) => void connection.subscribe(subject))).toEqual([expect.stringContaining(subject)]);
  });

  test("what it may do is not refused; another's password is", async () => {
    expect(await refusals("plant.1", (connection) => {
      connection.publish(`${S}.plant_-1.ask`, "x");
      connection.subscribe("_INBOX.plant_-1.>");
      connection.subscribe(`${S}.announce`);
    })).toEqual([]);
    await expect(connectNats(broker.url, { authenticator: credentials("plant.1:secret-of-plant_2"), reconnect: false })).rejects.toThrow(/authorization violation/i);
  });
});

test("credentials are a password, a seed or a creds file, and never in the address", async () => {
  expect(() => credentials("just-a-password")).toThrow(/credentials for the broker expected as USER:PASSWORD/);
  expect(credentials("plant.1:with:colons\n")("")).toEqual({ user: "plant.1", pass: "with:colons" });
  await expect(connectNats("nats://plant.1:secret@127.0.0.1:4222")).rejects.toThrow(/without a user.*--nats-credentials FILE/);
});
