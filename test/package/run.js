/**
 * The packed tarball, installed in empty folders outside the checkout, with nothing else:
 *
 *     node test/package/run.js          needs npm and its registry; `npm run build` before. --only NAME for one of these:
 *
 *   readme        what README.md tells a newcomer to type for a trial across machines, as it stands there but for the port
 *   deployment    the same of docs/deployment.md, with keys and TLS
 *   federation    roster, TLS by the printed fingerprint, three clients; the orchestrator is killed and started again
 *   nats          the same through a broker, with the packages that the page names; skipped without a nats-server
 *
 * The last two end with the model of a federation in one process that nothing disturbs.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { startBroker } from "../real/broker.js";
import { somewhere, tinySpec } from "../real/plant.js";
import { freePort, Scene } from "../real/process.js";
import { undisturbed } from "../real/undisturbed.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** For a hang, not for a slow machine. */
const PATIENCE_MS = 900_000;
const PLANTS = ["plant-1", "plant-2", "plant-3"];
const ROUNDS = 30;

const page = (name) => readFileSync(new URL(`../../${name}`, import.meta.url), "utf8");

/** The first block of commands below a heading of a page. */
function blockOf(name, heading) {
  const text = page(name);
  const at = text.indexOf(`\n## ${heading}\n`);
  if (at < 0) throw new RangeError(`${name}: expected a heading "${heading}"`);
  return /```\n([^]*?)```/.exec(text.slice(at))[1];
}

const npm = (args, cwd) => execFileSync("npm", args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });

/** A folder with the package installed and nothing else. */
function installedIn(name, tarball) {
  const scene = new Scene(name, 1);
  npm(["init", "-y"], scene.folder);
  npm(["install", "--silent", "--ignore-scripts", tarball], scene.folder);
  return scene;
}

/** The commands of a page in a shell, as a person pastes them. @returns what they printed */
async function paste(scene, block) {
  const port = await freePort();
  // With jobs in groups of their own, as in a shell that somebody types into; what is left of them ends with it.
  scene.write("pasted.sh", `set -me\ntrap 'kill -9 -- $(jobs -p | sed s/^/-/) 2>/dev/null || true' EXIT\n${block.replaceAll("8443", port)}`);
  const shell = scene.command("bash", ["pasted.sh"]);
  assert.equal(await shell.done(PATIENCE_MS), 0, shell.tail());
  return shell.lines;
}

/** What a page promises of its trial: the last round is done, and replay finds the model that status names. */
function checkPasted(scene, lines, out) {
  const { rounds } = JSON.parse(readFileSync(scene.path("config.json"), "utf8"));
  const records = readFileSync(scene.path("state", "rounds.jsonl"), "utf8").trim().split("\n").map((line) => JSON.parse(line));
  const model = records.at(-1).sha256;
  assert.deepEqual(records.map(({ round, clients }) => [round, clients.length]), Array.from({ length: rounds }, (_, index) => [index + 1, 2]));
  for (const said of [`  round ${rounds}/${rounds}  done`, `model     ${model}`, ` ${model}`, `${rounds} rounds recomputed to the same hashes`]) {
    assert(lines.some((line) => line.includes(said)), `expected a line with "${said}", got:\n${lines.slice(-40).join("\n")}`);
  }
  for (const folder of out) assert(readFileSync(scene.path(folder, "model.onnx")).length > 600_000);
  return model;
}

/** Keys, certificate, three clients, kill -9 of the orchestrator between two log lines, and all goes on. */
async function federate(scene, { broker } = {}) {
  const start = (...args) => scene.command(scene.path("node_modules/.bin/millwright"), args);
  const run = async (...args) => {
    const running = start(...args);
    assert.equal(await running.done(PATIENCE_MS), 0, running.tail());
    return running.lines;
  };
  const config = { ...JSON.parse((await run("configure", "condition", "--rounds", String(ROUNDS), "--local-epochs", "1")).join("\n")), spec: tinySpec };
  config.policy = { ...config.policy, minClients: PLANTS.length };
  scene.write("config.json", config);
  await run("roster", "init", "roster");
  for (const id of PLANTS) await run("roster", "add", id, "--dir", "roster");
  const [, pin] = /--tls-fingerprint (\S+)/.exec((await run("certificate", "127.0.0.1")).join("\n"));
  const url = `https://127.0.0.1:${await freePort()}`;
  const place = broker ? ["--nats", broker.url] : ["--listen", new URL(url).host, "--tls-cert", "tls.pem", "--tls-key", "tls.key"];
  const orchestrate = async () => {
    const orchestrator = start("orchestrate", "config.json", ...place, "--state", "state", "--roster", "roster/roster.json", "--key", "roster/orchestrator.key");
    await orchestrator.line((line) => line.includes('"orchestrating"'));
    return orchestrator;
  };
  let orchestrator = await orchestrate();
  const reach = broker ? ["--nats", broker.url, "--name", config.name] : [url, "--tls-fingerprint", pin];
  const clients = PLANTS.map((id, k) => start("join", ...reach, "--id", id, "--share", `${k + 1}/${PLANTS.length}`, "--roster", "roster/roster.json", "--key", `roster/${id}.key`, "--out", `model-${id}`));
  await orchestrator.line((line) => line.includes('"closed"'));
  await somewhere(orchestrator, 7, scene.random);
  await orchestrator.kill();
  assert(clients.every(({ ended }) => !ended), "a client has ended before the orchestrator was killed");
  orchestrator = await orchestrate();
  for (const client of clients) assert.equal(await client.done(PATIENCE_MS), 0, client.tail());
  if (!broker) assert((await run("status", url, "--tls-fingerprint", pin)).some((line) => line.includes(`round ${ROUNDS}/${ROUNDS}  done`)));
  await orchestrator.kill("SIGTERM");
  const rounds = (await run("replay", "state", "--json")).map((line) => JSON.parse(line));
  assert.equal(rounds.length, ROUNDS);
  const model = await undisturbed({ ...config, clients: PLANTS });
  assert.equal(rounds.at(-1).model, model, "another model than that of one process");
  return model;
}

const tasks = {
  readme: async (scene) => checkPasted(scene, await paste(scene, blockOf("README.md", "Across machines")), ["model-a", "model-b"]),
  deployment: async (scene) => checkPasted(scene, await paste(scene, blockOf("docs/deployment.md", "With keys and TLS")), ["model-1", "model-2"]),
  federation: (scene) => federate(scene),
  nats: async (scene) => {
    const broker = await startBroker(scene);
    if (typeof broker === "string") return `skipped: ${broker}`;
    const refused = scene.command(scene.path("node_modules/.bin/millwright"), ["join", "--nats", broker.url, "--name", "any", "--id", "a", "--insecure"]);
    assert.equal(await refused.done(), 2);
    assert.match(refused.tail(), /needs packages that are not installed: npm install @nats-io/);
    const [install] = blockOf("docs/deployment.md", "Over a NATS server").split("\n");
    execFileSync("bash", ["-c", `${install} --silent`], { cwd: scene.folder, stdio: "inherit" });
    return federate(scene, { broker });
  },
};

const commands = (block) => block.replace(/ *#.*$/gm, "").trim();
assert.equal(commands(blockOf("README.md", "Across machines")), commands(blockOf("docs/deployment.md", "A trial on one machine")), "README.md and docs/deployment.md have the same trial");

const { values } = parseArgs({ options: { only: { type: "string" } } });
const wanted = Object.entries(tasks).filter(([name]) => name.startsWith(values.only ?? ""));

const packed = new Scene("packed", 1);
try {
  npm(["pack", "--silent", "--pack-destination", packed.folder], ROOT);
  const tarball = packed.path(`millwright-${JSON.parse(page("package.json")).version}.tgz`);
  for (const [name, attempt] of wanted) {
    const begunMs = performance.now();
    const scene = installedIn("package", tarball);
    try {
      console.log(`${name.padEnd(12)}${(await attempt(scene)).slice(0, 64)}  ${((performance.now() - begunMs) / 1000).toFixed(0)} s`);
    } finally {
      await scene.close();
    }
  }
} finally {
  await packed.close();
}
