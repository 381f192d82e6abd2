/**
 * Clients that behave badly, for bench/federation.js, a quarter of the connections each:
 *
 *     slow       a body of the right length, a few bytes a second
 *     flood      a member's pulls, as fast as they are answered, and never waited for
 *     oversized  bodies without end
 *     garbage    whole bodies of an update's length that are none
 *
 * Whoever is thrown out comes back at once. Ends on SIGINT, and prints what it did.
 */
import { connect } from "node:net";
import { encode } from "../build/federation/message.js";
import { random } from "../build/kernels/random.js";

const { url, task, fingerprint, parameters, ids, connections } = JSON.parse(process.argv[2]);
const { hostname, port } = new URL(url);
const chance = random(1, "rude");
const did = { slow: 0, flood: 0, oversized: 0, garbage: 0 };
const headOf = (length) => `POST /v1/exchange HTTP/1.1\r\nhost: x\r\ncontent-type: application/octet-stream\r\n${length === undefined ? "transfer-encoding: chunked" : `content-length: ${length}`}\r\n\r\n`;
const updateBytes = 4 * parameters + 400;
const noise = Buffer.from(Uint8Array.from({ length: updateBytes }, () => chance.integer(256)));
const pulls = ids.map((client) => Buffer.from(encode({ kind: "pull", task, fingerprint, client })));

/** A connection that does one thing; when it ends, another. */
function again(act, delayMs = 50) {
  const socket = connect(Number(port), hostname);
  socket.on("error", () => {});
  socket.on("data", () => {});
  const end = act(socket);
  socket.on("close", () => {
    end?.();
    setTimeout(() => again(act), delayMs);
  });
}

const acts = {
  slow(socket) {
    did.slow++;
    socket.write(headOf(updateBytes));
    const timer = setInterval(() => socket.write(noise.subarray(0, 20)), 200);
    return () => clearInterval(timer);
  },
  flood(socket) {
    const [pull] = pulls.splice(0, 1);
    pulls.push(pull);
    const ask = () => {
      did.flood++;
      socket.write(headOf(pull.length));
      socket.write(pull);
    };
    // It does not wait for a model: it gives up and asks anew.
    const timer = setTimeout(() => socket.destroy(), 100);
    socket.on("data", ask);
    ask();
    return () => clearTimeout(timer);
  },
  oversized(socket) {
    did.oversized++;
    socket.write(headOf());
    const pour = () => {
      while (socket.writable && socket.write(`${noise.length.toString(16)}\r\n`) && socket.write(noise) && socket.write("\r\n"));
    };
    socket.on("drain", pour);
    pour();
  },
  garbage(socket) {
    const send = () => {
      did.garbage++;
      socket.write(headOf(noise.length));
      socket.write(noise);
    };
    socket.on("data", send);
    send();
  },
};

const kinds = Object.values(acts);
for (let k = 0; k < connections; k++) again(kinds[k % kinds.length]);
process.on("SIGINT", () => {
  console.log(JSON.stringify(did));
  setTimeout(() => process.exit(0), 50);
});
