/** The federation of `millwright join` clients in one process, which nothing disturbs. */
import { parseConfig, trainingOf } from "../../build/tasks/charter.js";
import { federate } from "../../build/tasks/federation.js";
import { judgeOf } from "../../build/tasks/judge.js";
import { inlinePool } from "../../build/tasks/pool.js";
import { tasks } from "../../build/tasks/run.js";

/** @param {unknown} json as configOf makes it; each client has its part of the task's data @returns {Promise<string>} the last model's hash */
export async function undisturbed(json) {
  const config = parseConfig(json, "config.json");
  const { spec, seed, rounds, data, clients } = config;
  const task = tasks.find(({ name }) => name === config.task);
  const loaded = await task.load({ seed, factories: clients.length });
  const factories = loaded.factories.map((factory, index) => ({ ...factory, id: clients[index] }));
  const { sha256 } = await federate({
    factories, spec, seed, rounds, data, pool: inlinePool(), counts: judgeOf(task, spec).counts, everyRound: true, training: trainingOf(task, config),
  });
  return sha256;
}
