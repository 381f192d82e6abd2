/**
 * What a client in another runtime joins: an orchestrator behind the HTTP server or a broker, as the command has it,
 * and a first client in this process. Both train; the model must be that of a federation in one process.
 */
import { guard } from "../../build/federation/guard.js";
import { generateKeys, publicKeyOfPrivate, signerOf } from "../../build/federation/identity.js";
import { encodeRoster, signRoster } from "../../build/federation/roster.js";
import { SEAL_BYTES } from "../../build/federation/envelope.js";
import { adam, fingerprintOf, initialParameters, layoutOf, maxFrameBytes, Orchestrator, parseSpec, systemClock } from "../../build/index.js";
import { connectNats, serveNats } from "../../build/nats.js";
import { machine, serveExchange } from "../../build/node.js";
import { federate } from "../../build/tasks/federation.js";
import { mergeOf } from "../../build/tasks/party.js";
import { inlinePool } from "../../build/tasks/pool.js";
import { classificationCounts } from "../../build/model/metrics.js";
import { startBroker } from "../real/broker.js";
import { Scene } from "../real/process.js";

/** Small windows, and a model of 20,000 parameters, as long as a frame has to be to go through a broker in pieces. */
const SPEC = parseSpec({
  input: { steps: 12, features: 3 },
  layers: [{ type: "lstm", hidden: 48, bidirectional: true }, { type: "dropout", rate: 0.1 }, { type: "attention", size: 5 }],
  head: { type: "classify", classes: ["HEALTHY", "DEGRADED", "CRITICAL", "FAILURE"] },
});
/** The longest frame that a broker gets whole. */
const PIECE_BYTES = 65_536;
const SEED = 1;
export const ROUNDS = 3;
const [HOST, GUEST] = ["Aachen", "Brno"];
const DATA = { settings: 0, regimes: 1 };
const training = (round) => ({ epochs: 1, batch: 8, learningRate: 0.02 / round, optimizer: adam, clipNorm: 1, loss: {} });

/** The ways to an orchestrator. */
export const TRANSPORTS = ["HTTP", "WebSocket"];

/**
 * @param guest the module guest.js, which imports what is extracted from a page of the docs
 * @returns `federate` for each attempt, and `reference`, the model's hash when all clients are in one process
 */
export async function openHost({ join, windowsOf }) {
  const scene = new Scene("runtimes", SEED);
  const broker = await startBroker(scene);
  const credentials = await enrol();
  const fingerprint = await fingerprintOf(SPEC);
  const factories = [HOST, GUEST].map((id) => ({ id, ...windowsOf(id, SPEC) }));
  const { sha256: reference } = await federate({
    factories, spec: SPEC, seed: SEED, rounds: ROUNDS, data: DATA, training, pool: inlinePool(), everyRound: true,
    counts: (predictions, { targets }) => classificationCounts(predictions, targets, SPEC.head.classes.length),
  });

  /** One federation. @param {(invitation: object) => Promise<{ hash: string }>} guest joins in its runtime @param {{ name: string, transport: string, signed: boolean, origins?: string[] }} options */
  const invite = async (guest, { name, transport, signed, origins = [] }) => {
    const orchestrator = new Orchestrator({
      clients: [HOST, GUEST], task: name, fingerprint, rounds: ROUNDS, training, parameters: initialParameters(SPEC, SEED), merge: mergeOf(DATA, SPEC), clock: systemClock,
    });
    const handle = !signed ? orchestrator.handle
      : guard((frame, signal, sender) => orchestrator.handle(frame, signal, sender), { ...machine, signer: credentials.orchestrator, roster: () => credentials.roster });
    const place = await serve(handle, { transport, name, broker, origins });
    const config = { name, spec: SPEC, seed: SEED };
    const invitation = (id, url) => ({ id, url, config, ...(signed && { membership: credentials.memberships[id] }) });
    const ending = new AbortController();
    const host = join(invitation(HOST, place.url), ending.signal);
    try {
      // Who fails first says why: the other would wait for ever.
      const guested = guest(invitation(GUEST, place.guestUrl)).then((answer) => (answer.unsealed ? { answer } : host.then((own) => ({ answer, own }))));
      const { answer, own } = await Promise.race([guested, host.then(() => guested)]);
      if (answer.unsealed) return answer;
      const { sha256 } = await orchestrator.finished;
      if (own.hash !== sha256 || answer.hash !== sha256) throw new Error(`error: the clients ended with ${own.hash.slice(0, 16)} and ${answer.hash.slice(0, 16)}, the orchestrator with ${sha256.slice(0, 16)}`);
      return { hash: sha256, rounds: answer.rounds };
    } finally {
      ending.abort();
      await host.catch(() => {});
      orchestrator.stop();
      await place.close();
    }
  };
  return { reference, invite, missing: { HTTP: undefined, WebSocket: typeof broker === "string" ? broker : undefined }, close: () => scene.close() };
}

async function serve(handle, { transport, name, broker, origins }) {
  const bodyBytes = maxFrameBytes(layoutOf(SPEC).length) + SEAL_BYTES;
  if (transport === "HTTP") {
    const { url, close } = await serveExchange({ handle, host: "127.0.0.1", port: 0, origins, limits: { bodyBytes, closeMs: 500 }, log: () => {} });
    return { url, guestUrl: url, close };
  }
  const connection = await connectNats(broker.url);
  const server = await serveNats(connection, async (frame, signal) => handle(frame, signal), { task: name, maxBytes: bodyBytes, inlineBytes: PIECE_BYTES });
  const close = async () => {
    await server.close();
    await connection.close();
  };
  return { url: broker.url, guestUrl: broker.websocketUrl, close };
}

/** Keys for all, and the roster that names them. */
async function enrol() {
  const keys = {};
  for (const id of ["root", "orchestrator", HOST, GUEST]) keys[id] = (await generateKeys()).privatePem;
  const member = async (id, role) => ({ id, key: await publicKeyOfPrivate(keys[id]), role, organisation: "Consortium" });
  const root = await publicKeyOfPrivate(keys.root);
  const members = [await member(HOST, "client"), await member(GUEST, "client"), await member("orchestrator", "orchestrator")];
  const { sign } = await signerOf("root", keys.root);
  const roster = await signRoster({ format: "millwright roster 1", version: 1, root, members }, sign, machine.digest);
  const text = new TextDecoder().decode(encodeRoster(roster));
  const memberships = Object.fromEntries([HOST, GUEST].map((id) => [id, { key: keys[id], roster: text, root }]));
  return { roster, orchestrator: await signerOf("orchestrator", keys.orchestrator), memberships };
}
