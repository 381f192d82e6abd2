/** A federation of real processes: kill -9 at moments drawn from a seed, TLS, a roster, and who is not in it. */
import { cpSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Plant, somewhere } from "../real/plant.js";
import { Scene, type Running } from "../real/process.js";
import { undisturbed } from "../real/undisturbed.js";

const CLIENTS = ["a", "b"];
const ROUNDS = 8;
const KILLS = 2;
/** For a hang, not for a slow machine. */
const PATIENCE_MS = 240_000;

const refusals = ({ lines }: Running) => lines.filter((line) => line.includes('"event":"refused"')).map((line) => JSON.parse(line) as { reason: string; client: string });

describe("a federation of real processes", () => {
  const scene = new Scene("federation", 1);
  const ended: (number | string)[] = [];
  let plant: Plant;
  let expected: string;
  let first: Running;
  const status: { code: number; text: string }[] = [];

  beforeAll(async () => {
    plant = await Plant.open(scene, { clients: CLIENTS, rounds: ROUNDS, tls: true });
    await scene.run(["roster", "add", "gone", "--dir", "keys"]);
    cpSync(scene.path("keys"), scene.path("before"), { recursive: true });
    await scene.run(["roster", "revoke", "gone", "--dir", "keys"]);
    // Whoever makes a roster of his own is in it, but its root is not ours.
    await scene.run(["roster", "init", "forged"]);
    for (const id of ["a", "mallory"]) await scene.run(["roster", "add", id, "--dir", "forged"]);

    let orchestrator = (first = await plant.orchestrate());
    const intruders = [plant.join("mallory", { keys: "forged", share: "1/2" }), plant.join("a", { keys: "forged", state: "false-a" }), plant.join("gone", { keys: "before", share: "1/2" })];
    for (const reason of ["unknown", "signature", "revoked"]) await orchestrator.line((line: string) => line.includes(`"reason":"${reason}"`));
    ended.push(await intruders[2].done());
    for (const intruder of intruders) await intruder.kill();

    const clients = new Map(CLIENTS.map((id) => [id, plant.join(id)]));
    const undisturbedRun = undisturbed(plant.config);
    await orchestrator.line((line: string) => line.includes('"closed"'));
    const pin = plant.fingerprintOfCertificate;
    for (const each of [pin, pin.replace(/^../, (digits) => (digits === "00" ? "01" : "00"))]) status.push(await scene.attempt(["status", plant.url, "--tls-fingerprint", each]));
    for (let kill = 0; kill < KILLS; kill++) {
      await somewhere(orchestrator, 1 + scene.random.integer(9), scene.random);
      await orchestrator.kill();
      orchestrator = await plant.orchestrate({ exit: kill === KILLS - 1 });
      await somewhere(orchestrator, 2 + scene.random.integer(9), scene.random);
      await clients.get("a")!.kill();
      clients.set("a", plant.join("a"));
    }
    ended.push(...(await Promise.all([...clients.values(), orchestrator].map((process) => process.done()))));
    expected = await undisturbedRun;
  }, PATIENCE_MS);
  afterAll(() => scene.close());

  const replayed = async () => (await scene.run(["replay", "state", "--json"])).trim().split("\n").map((line) => JSON.parse(line) as { round: number; model: string; clients: string[] });

  test("refuses who is unknown, has a wrong key or was revoked, and logs why", () => {
    const logged = refusals(first);
    expect(logged).toContainEqual(expect.objectContaining({ client: "mallory", reason: "unknown" }));
    expect(logged).toContainEqual(expect.objectContaining({ client: "a", reason: "signature" }));
    expect(logged).toContainEqual(expect.objectContaining({ client: "gone", reason: "revoked" }));
  });

  test("keeps the configuration as it was given, to be given again", () => {
    expect(readFileSync(scene.path("state", "config.json"), "utf8")).toBe(readFileSync(scene.path("config.json"), "utf8"));
  });

  test("shows its status to who knows the certificate by its fingerprint", async () => {
    expect(status.map(({ code }) => code)).toEqual([0, 2]);
    expect(status[0].text).toMatch(/^trial  round \d\/8  /);
    expect(status[1].text).toContain("fingerprint");
  });

  test("goes on after kill -9 of orchestrator and clients to the model of one process that nothing disturbs", async () => {
    expect(ended).toEqual([2, 0, 0, 0]);
    const rounds = await replayed();
    expect(rounds.map(({ round }) => round)).toEqual(Array.from({ length: ROUNDS }, (_, index) => index + 1));
    expect(rounds.every(({ clients }) => clients.join() === "a,b")).toBe(true);
    expect(rounds.at(-1)!.model).toBe(expected);
  });

  test("a byte that was altered in a segment is named by replay; the orchestrator does not start where it needs the segment", async () => {
    const folder = scene.path("state", "journal");
    const segments = readdirSync(folder).filter((name) => name.startsWith("journal-")).sort();
    const altered = async (segment: string, attempt: () => Promise<{ code: number | string; text: string }>) => {
      const path = join(folder, segment);
      const whole = readFileSync(path);
      // In the fields of the first record.
      writeFileSync(path, whole.with(4096 + 108 + 40, whole[4096 + 108 + 40] ^ 1));
      const { code, text } = await attempt();
      writeFileSync(path, whole);
      expect(code).toBe(2);
      expect(text).toContain(`${segment}, byte 4096, record`);
    };
    await altered(segments[2], () => scene.attempt(["replay", "state"]));
    await altered(segments.at(-1)!, async () => {
      const orchestrator = await plant.orchestrate();
      return { code: await orchestrator.done(), text: orchestrator.tail() };
    });
    expect((await replayed()).at(-1)!.model).toBe(expected);
  });
});
