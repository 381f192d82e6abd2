/** A state folder that an earlier version wrote is read, replayed, and gone on from: see fixtures/README.md. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Plant } from "../real/plant.js";
import { Scene } from "../real/process.js";

interface Fixture {
  readonly config: object;
  readonly files: Readonly<Record<string, string>>;
  readonly rounds: number;
  readonly models: readonly string[];
}
const { config, files, rounds, models } = JSON.parse(gunzipSync(readFileSync(new URL("fixtures/state.json.gz", import.meta.url))).toString()) as Fixture;
const CLIENTS = ["a", "b"];

const scene = new Scene("upgrade", 1);
beforeAll(() => {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(scene.path("state", name)), { recursive: true });
    writeFileSync(scene.path("state", name), Buffer.from(text, "base64"));
  }
});
afterAll(() => scene.close());

const replayed = async () => (await scene.run(["replay", "state", "--json"])).trim().split("\n").map((line) => (JSON.parse(line) as { model: string }).model);

test("a state folder of an earlier version replays to the models that it had, and its round is gone on with", async () => {
  expect(models.length).toBe(4);
  expect(await replayed()).toEqual(models.slice(0, rounds));
  const plant = await Plant.open(scene, { clients: CLIENTS, rounds: models.length, secure: false });
  scene.write("config.json", config);
  const orchestrator = await plant.orchestrate({ exit: true });
  const started = orchestrator.lines.find((line: string) => line.includes('"orchestrating"'));
  expect(JSON.parse(started ?? JSON.stringify(orchestrator.tail()))).toMatchObject({ epoch: 2, round: rounds + 1 });
  expect(await Promise.all([plant.small(CLIENTS).done(), orchestrator.done()])).toEqual([0, 0]);
  expect(await replayed()).toEqual(models);
}, 240_000);
