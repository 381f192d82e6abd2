/** The configuration that `millwright configure` prints. */
import { expect, test } from "vitest";
import { configOf, parseConfig } from "../../src/tasks/charter.ts";
import type { RunConfig } from "../../src/tasks/run.ts";
import type { TaskData } from "../../src/tasks/task.ts";

const run = {
  task: "condition", subset: null, seed: 1, rounds: 3, localEpochs: 1, batch: 4, build: "simd",
  spec: { input: { steps: 4, features: 1 }, layers: [{ type: "mean" }], head: { type: "classify", classes: ["calm", "failing"] } },
} as unknown as RunConfig;
const data = { settings: 0, regimes: 1, channels: [{ name: "speed", unit: "Hz" }], rateHz: 50, origin: "simulated" } as unknown as TaskData;

test("no round closes with one update, unless there is one client; who they are may be a roster's to say", () => {
  const minClients = (...clients: string[]) => parseConfig(configOf("mill", run, data, clients), "config.json").policy.minClients;
  expect([minClients(), minClients("a"), minClients("a", "b"), minClients("a", "b", "c")]).toEqual([2, 1, 2, 2]);
});
