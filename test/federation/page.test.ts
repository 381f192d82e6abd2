/** The program of docs/browser.md, as it stands there, in a federation with the command's own clients. Needs `npm run build`. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { httpExchange, sha256, simulateFactories, type Exchange, type Fetch } from "../../build/index.js";
import { decode } from "../../build/federation/message.js";
import { signerOf } from "../../build/identity.js";
import { Plant } from "../real/plant.js";
import { Scene } from "../real/process.js";
import { undisturbed } from "../real/undisturbed.js";
import { extractExample } from "../runtimes/example.js";

const ORIGIN = "https://plant.example";
const CLIENTS = ["command", "page"];
const ROUNDS = 3;

const scene = new Scene("page", 1);
let plant: Plant;
beforeAll(async () => {
  plant = await Plant.open(scene, { clients: CLIENTS, rounds: ROUNDS });
});
afterAll(() => scene.close());

test("it is a page to read: at most 40 lines", () => {
  expect(extractExample().trimEnd().split("\n").length).toBeLessThanOrEqual(40);
});

/** What a browser does for a page: it says where the page came from, and shows it an answer only where the server agrees. */
const fetchAs = (origin: string): Fetch => async (url, init) => {
  const preflight = await fetch(url, { method: "OPTIONS", headers: { origin, "access-control-request-method": "POST", "access-control-request-headers": "content-type" } });
  const allowed = (headers: Headers) => headers.get("access-control-allow-origin") === origin;
  if (!preflight.ok || !allowed(preflight.headers)) throw new TypeError("Failed to fetch");
  const response = await fetch(url, { ...init, headers: { ...(init.headers as Record<string, string>), origin } });
  expect(response.headers.get("access-control-allow-credentials")).toBeNull();
  if (!allowed(response.headers)) throw new TypeError("Failed to fetch");
  return response;
};

/** A tab that is closed when its update has arrived, or before that, and not told either way. */
function closing(exchange: Exchange, tab: AbortController, arrives: boolean): Exchange {
  return async (frame, signal) => {
    if (decode(frame).kind !== "update") return exchange(frame, signal);
    if (arrives) await exchange(frame, signal);
    tab.abort(new Error("the tab was closed"));
    throw tab.signal.reason;
  };
}

test("beside millwright join, over HTTP and sealed, closed twice, it ends with the model of one process", async () => {
  const expected = await undisturbed(plant.config);
  const orchestrator = await plant.orchestrate({ allowOrigin: ORIGIN });
  const command = plant.join("command");
  await expect(httpExchange(plant.url, { fetch: fetchAs("https://elsewhere.example") })(new Uint8Array(1))).rejects.toThrow("Failed to fetch");

  extractExample();
  const { sealed, takePart } = await import(pathToFileURL(fileURLToPath(new URL("../runtimes/.installed/member.js", import.meta.url))).href);
  const roster = readFileSync(join(scene.folder, "keys", "roster.json"));
  const membership = { signer: await signerOf("page", readFileSync(join(scene.folder, "keys", "page.key"), "utf8")), roster, root: JSON.parse(roster.toString()).roster.root };
  const windows = simulateFactories({ factories: CLIENTS.length, seed: 1 }).factories[CLIENTS.indexOf("page")];
  const rounds: number[] = [];
  const visit = async (change = (exchange: Exchange) => exchange, signal?: AbortSignal): Promise<{ parameters: Float32Array }> => {
    const { train, validation, test } = windows;
    const exchange = change(await sealed(httpExchange(plant.url, { fetch: fetchAs(ORIGIN) }), membership));
    return takePart({ id: "page", config: plant.config, exchange, train, validation, test, onRound: (round: number) => rounds.push(round) }, signal);
  };
  for (const arrives of [false, true]) {
    const tab = new AbortController();
    await expect(visit((exchange) => closing(exchange, tab, arrives), tab.signal)).rejects.toThrow("the tab was closed");
  }
  const { parameters } = await visit();

  expect(await sha256(new Uint8Array(parameters.buffer, parameters.byteOffset, parameters.byteLength))).toBe(expected);
  // What had arrived need not be made again, though it may be where the round was still open.
  expect([[1, 1, 2, 3], [1, 1, 1, 2, 3]]).toContainEqual(rounds);
  expect(await command.done()).toBe(0);
  await orchestrator.kill("SIGINT");
});

test("the command refuses a wildcard, and a list that nothing would ask by", async () => {
  const refusal = async (...options: string[]) => (await scene.attempt(["orchestrate", "config.json", "--state", "other", "--insecure", ...options])).text;
  expect(await refusal("--listen", "127.0.0.1:0", "--allow-origin", "*")).toBe(`millwright: --allow-origin expected origins of pages as https://plant.example, got "*"; name each page's origin, a wildcard is none\n`);
  const aggregating = await scene.attempt(["aggregate", plant.url, "--id", "hall", "--listen", "127.0.0.1:0", "--insecure", "--allow-origin", "https://plant.example/page"]);
  expect(aggregating).toEqual({ code: 2, text: `millwright: --allow-origin expected origins of pages as https://plant.example, got "https://plant.example/page"; write https://plant.example\n` });
  expect(await refusal("--nats", "nats://127.0.0.1:1", "--allow-origin", ORIGIN)).toContain("--allow-origin is for --listen");
});
