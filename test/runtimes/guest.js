/**
 * A client of a federation across processes, in any runtime: the program of docs/browser.md with windows of its own,
 * a key, and one of the two ways to the orchestrator.
 */
import { httpExchange, random, sha256 } from "../../build/index.js";
import { signerOf } from "../../build/identity.js";
import { connectNats, natsExchange } from "../../build/nats.js";
import { sealed, takePart } from "./.installed/member.js";

/**
 * @param invitation as host.js makes it
 * @returns the hash of the model it ended with, and the rounds that it trained in; or, where the runtime's WebCrypto
 *   cannot sign, why
 */
export async function join({ id, url, config, membership }, signal) {
  const reason = membership && (await cannotSign());
  if (reason) return { unsealed: reason };
  const { exchange, close } = await reach(url, config.name, id);
  try {
    const rounds = [];
    const { parameters } = await takePart({
      id, config, ...windowsOf(id, config.spec), onRound: (round) => rounds.push(round),
      exchange: membership ? await sealed(exchange, await credentials(id, membership)) : exchange,
    }, signal);
    return { hash: await sha256(new Uint8Array(parameters.buffer, parameters.byteOffset, parameters.byteLength)), rounds };
  } finally {
    await close();
  }
}

async function cannotSign() {
  try {
    await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"]);
  } catch (error) {
    return `no Ed25519 in WebCrypto (${error.name})`;
  }
}

const credentials = async (id, { key, roster, root }) => ({ signer: await signerOf(id, key), roster: new TextEncoder().encode(roster), root });

async function reach(url, task, client) {
  if (url.startsWith("http")) return { exchange: httpExchange(url), close: async () => {} };
  const connection = await connectNats(url);
  return { exchange: natsExchange(connection, { task, client }), close: () => connection.close() };
}

/** Sensors whose swing grows with the state, each with a gain of its own. */
export function windowsOf(id, { input: { steps, features }, head: { classes } }) {
  const part = (name, count) => {
    const { normal, uniform } = random(1, "runtimes", id, name);
    const gain = 0.8 + 0.4 * uniform();
    const targets = Float32Array.from({ length: count }, (_, n) => n % classes.length);
    const inputs = Float32Array.from({ length: count * steps * features }, (_, i) => gain * (0.3 + 0.5 * targets[Math.floor(i / (steps * features))]) * normal());
    return { inputs, targets, groups: Int32Array.from({ length: count }, (_, n) => n), count, steps, features };
  };
  return { train: part("train", 48), validation: part("validation", 16), test: part("test", 16) };
}
