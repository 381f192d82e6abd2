/**
 * What lies between a plant and an orchestrator, on its bad days. Two kinds:
 *
 *   messageProxy   reads HTTP: drops requests, and replies, whole; delays, repeats and corrupts them
 *   wireProxy      reads nothing: cuts connections and flips bits, below TLS
 */
import { createServer as createHttp, request as requestHttp } from "node:http";
import { connect, createServer } from "node:net";

const listen = (server) => new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server.address().port)));

const body = async (message) => {
  const chunks = [];
  for await (const chunk of message) chunks.push(chunk);
  return Buffer.concat(chunks);
};

/** One bit of a copy. */
function flipped(bytes, chance) {
  const copy = Buffer.from(bytes);
  if (copy.length > 0) copy[chance.integer(copy.length)] ^= 1 << chance.integer(8);
  return copy;
}

/**
 * @param {{ port: number, random: import("../../build/kernels/random.js").Random, drop?: number, corrupt?: number, repeat?: number, delayMs?: number }} options
 *   shares of messages, requests and replies alike; those that are repeated reach the orchestrator twice
 */
export async function messageProxy({ port, random, drop = 0.3, corrupt = 0.01, repeat = 0.05, delayMs = 20 }) {
  const counts = { messages: 0, dropped: 0, corrupted: 0, repeated: 0 };
  const happens = (share, name) => {
    if (random.uniform() >= share) return false;
    counts[name] += 1;
    return true;
  };
  const ask = (path, bytes) => new Promise((resolve, reject) => {
    const sent = requestHttp({ port, host: "127.0.0.1", method: "POST", path, headers: { "content-type": "application/octet-stream", "content-length": bytes.length } });
    sent.on("error", reject);
    sent.on("response", async (response) => resolve({ status: response.statusCode, bytes: await body(response).catch(() => Buffer.alloc(0)) }));
    sent.end(bytes);
  });
  const server = createHttp(async (request, response) => {
    try {
      let bytes = await body(request);
      counts.messages += 1;
      if (happens(drop, "dropped")) return request.socket.destroy();
      if (happens(corrupt, "corrupted")) bytes = flipped(bytes, random);
      if (delayMs) await new Promise((resolve) => setTimeout(resolve, random.uniform() * delayMs));
      if (happens(repeat, "repeated")) ask(request.url, bytes).catch(() => {});
      const reply = await ask(request.url, bytes);
      counts.messages += 1;
      if (happens(drop, "dropped")) return request.socket.destroy();
      response.writeHead(reply.status, { "content-type": "application/octet-stream" });
      response.end(happens(corrupt, "corrupted") ? flipped(reply.bytes, random) : reply.bytes);
    } catch {
      request.socket.destroy();
    }
  });
  return { port: await listen(server), counts, close: () => stop(server) };
}

/** The same below TLS: a share of the pieces that pass cut the connection, a share have a bit flipped. */
export async function wireProxy({ port, random, drop = 0.3, corrupt = 0.01 }) {
  const counts = { connections: 0, pieces: 0, cut: 0, corrupted: 0 };
  const sockets = new Set();
  const pass = (from, to) => from.on("data", (bytes) => {
    counts.pieces += 1;
    if (random.uniform() < drop) {
      counts.cut += 1;
      from.destroy();
      to.destroy();
    } else if (random.uniform() < corrupt) {
      counts.corrupted += 1;
      to.write(flipped(bytes, random));
    } else to.write(bytes);
  });
  const server = createServer((near) => {
    counts.connections += 1;
    const far = connect(port, "127.0.0.1");
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    pass(near, far);
    pass(far, near);
  });
  return { port: await listen(server), counts, close: () => (sockets.forEach((socket) => socket.destroy()), stop(server)) };
}

function stop(server) {
  server.closeAllConnections?.();
  return new Promise((resolve) => server.close(resolve));
}
