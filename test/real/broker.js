/**
 * A NATS server of a test's own: killed, started again on the same store or without it.
 */
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { connect } from "node:net";
import { freePort, pause } from "./process.js";

const COMMAND = process.env.NATS_SERVER ?? "nats-server";

/** @returns the broker; or why there is none. @param {import("./process.js").Scene} scene @param {{ store?: string, settings?: string, env?: Record<string, string> }} [options] how much it may store, more lines of its configuration, and what those take from the environment */
export async function startBroker(scene, { store = "1GB", settings = "", env } = {}) {
  if (spawnSync(COMMAND, ["--version"]).status !== 0) return "there is no nats-server on the path";
  const port = await freePort();
  const websocketPort = await freePort();
  scene.write("nats.conf", [
    `listen: "127.0.0.1:${port}"`,
    `jetstream { store_dir: ${JSON.stringify(scene.path("store"))}, max_memory_store: 64MB, max_file_store: ${store} }`,
    `websocket { listen: "127.0.0.1:${websocketPort}", no_tls: true }`,
    settings,
  ].join("\n"));
  let running;
  const run = async () => {
    running = scene.command(COMMAND, ["-c", scene.path("nats.conf")], env);
    for (let attempt = 0; !(await answers(port)); attempt++) {
      if (attempt > 200 || running.ended) throw new Error(`the broker does not start:\n${running.tail()}`);
      await pause(50);
    }
  };
  await run();
  return {
    url: `nats://127.0.0.1:${port}`, websocketUrl: `ws://127.0.0.1:${websocketPort}`, pid: () => running.pid,
    run, kill: () => running.kill(), deleteStore: () => rmSync(scene.path("store"), { recursive: true, force: true }),
  };
}

function answers(port) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("data", () => (socket.destroy(), resolve(true)));
    socket.once("error", () => resolve(false));
  });
}
