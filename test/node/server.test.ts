/** The server's side of the exchange over HTTP, over real sockets; clients that misbehave write bytes of their own. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { afterEach, describe, expect, test } from "vitest";
import { Unanswered, type Exchange } from "../../src/federation/exchange.ts";
import { httpExchange } from "../../src/federation/http.ts";
import { encode } from "../../src/federation/message.ts";
import { nodeFetch } from "../../src/node/fetch.ts";
import { serveExchange, type ServeOptions, type ServerLimits, type Serving } from "../../src/node/server.ts";

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

interface Logged { level: string; event: string; fields: Record<string, unknown> }

async function serve(handle: Exchange, { limits, ...options }: Partial<Omit<ServeOptions, "limits">> & { limits?: Partial<ServerLimits> } = {}): Promise<Serving & { logged: Logged[]; metrics: () => Promise<Map<string, number>> }> {
  const logged: Logged[] = [];
  const serving = await serveExchange({
    handle, host: "127.0.0.1", port: 0, limits: { bodyBytes: 700_000, closeMs: 500, ...limits }, status: () => ({ round: 3 }), metrics: () => "",
    log: (level, event, fields = {}) => void logged.push({ level, event, fields }), ...options,
  });
  ends.push(() => serving.close());
  return { ...serving, logged, metrics: async () => parseMetrics(await (await fetch(`${serving.url}/metrics`)).text()) };
}

/** Name and labels to value, after the grammar of the text format; throws at any line that it does not know. */
function parseMetrics(text: string): Map<string, number> {
  const values = new Map<string, number>();
  const types = new Map<string, string>();
  expect(text.endsWith("\n")).toBe(true);
  for (const line of text.trimEnd().split("\n")) {
    const type = /^# TYPE ([a-z_][a-z0-9_]*) (counter|gauge|histogram)$/.exec(line);
    if (type) expect(types.has(type[1])).toBe(false);
    if (type) types.set(type[1], type[2]);
    if (line.startsWith("#")) {
      expect(line).toMatch(/^# (HELP|TYPE) [a-z_][a-z0-9_]* ./);
      continue;
    }
    const [, name, labels = "", value] = /^([a-z_][a-z0-9_]*)(\{(?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)+\})? ([-+]?(?:\d+(?:\.\d+)?(?:e[-+]\d+)?|Inf)|NaN)$/.exec(line) ?? (() => { throw new Error(`no line of metrics: ${line}`); })();
    expect(types.has(name) || types.get(name.replace(/_(bucket|sum|count)$/, "")) === "histogram", line).toBe(true);
    values.set(name + labels, Number(value.replace("Inf", "Infinity")));
  }
  return values;
}

/** A socket that writes as it likes, and everything that came back until the other side ended. */
function raw(url: string): { socket: Socket; ended: Promise<string> } {
  const socket = connect({ port: Number(new URL(url).port), host: "127.0.0.1" });
  ends.push(() => socket.destroy());
  let text = "";
  socket.on("data", (chunk) => (text += chunk.toString("latin1")));
  socket.on("error", () => {});
  return { socket, ended: new Promise((resolve) => socket.on("close", () => resolve(text))) };
}

const post = (length: number | undefined, ...headers: string[]) =>
  `POST /v1/exchange HTTP/1.1\r\nhost: x\r\n${length === undefined ? "transfer-encoding: chunked" : `content-length: ${length}`}\r\n${headers.map((header) => `${header}\r\n`).join("")}\r\n`;

const bytes = (length: number) => Uint8Array.from({ length }, (_, n) => (n * n) % 251);
const echo: Exchange = async (request) => request;
/** Pending until it is told, or aborted. */
function waiting() {
  const asked: { request: Uint8Array; signal: AbortSignal; answer: (reply: Uint8Array) => void }[] = [];
  const arrivals: (() => void)[] = [];
  const handle: Exchange = (request, signal) => new Promise((resolve, reject) => {
    signal!.addEventListener("abort", () => reject(signal!.reason));
    asked.push({ request, signal: signal!, answer: resolve });
    arrivals.splice(0).forEach((arrived) => arrived());
  });
  const until = async (count: number) => {
    while (asked.length < count) await new Promise<void>((resolve) => arrivals.push(resolve));
  };
  return { handle, asked, until };
}
const aborted = (signal: AbortSignal) => new Promise<void>((resolve) => (signal.aborted ? resolve() : signal.addEventListener("abort", () => resolve())));
const settled = (promises: readonly Promise<unknown>[]) => Promise.allSettled(promises).then((results) => results.map((result) => (result.status === "fulfilled" ? result.value : result.reason)));
/** Until it is so; a hang is found by the test's timeout. */
async function eventually(holds: () => boolean | Promise<boolean>) {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe("the exchange", () => {
  test.each([0, 1, 4096, 16_384, 16_385, 65_536, 700_000])("hands %i bytes over and the reply's back", async (length) => {
    const { url } = await serve(echo);
    expect(Buffer.from(await httpExchange(url)(bytes(length))).equals(bytes(length))).toBe(true);
  });

  test("takes a body in chunks, split anywhere", async () => {
    const { url } = await serve(echo);
    const body = bytes(50_000);
    const { socket, ended } = raw(url);
    socket.write(post(undefined, "connection: close"));
    for (let from = 0; from < body.length; from += 7001) {
      const part = body.subarray(from, from + 7001);
      socket.write(`${part.length.toString(16)}\r\n`);
      socket.write(part);
      socket.write("\r\n");
    }
    socket.write("0\r\n\r\n");
    expect(Buffer.from((await ended).split("\r\n\r\n").slice(1).join("\r\n\r\n"), "latin1").equals(body)).toBe(true);
  });

  test("hands over bytes that are nobody else's and start at zero", async () => {
    const seen: Uint8Array[] = [];
    const { url } = await serve(async (request) => (seen.push(request), request));
    for (const length of [10, 100_000]) await httpExchange(url)(bytes(length));
    for (const request of seen) expect([request.byteOffset, request.buffer.byteLength]).toEqual([0, request.length]);
  });

  test("serves many replies of megabytes at a time as they are", async () => {
    const reply = bytes(1_000_000);
    const { url } = await serve(async () => reply);
    const replies = await Promise.all(Array.from({ length: 20 }, () => httpExchange(url)(bytes(10))));
    for (const got of replies) expect(Buffer.from(got).equals(reply)).toBe(true);
  });

  test("a reply in parts is one body", async () => {
    const parts = [bytes(41), bytes(300_000), bytes(64)];
    const handle = Object.assign(async () => bytes(1), { parts: async () => parts });
    const { url } = await serve(handle);
    const replies = await Promise.all(Array.from({ length: 5 }, () => httpExchange(url)(bytes(3))));
    for (const reply of replies) expect(Buffer.compare(reply, Buffer.concat(parts))).toBe(0);
  });

  test("a handle that throws, at once or later, is answered 500 without details, and logged", async () => {
    const { url, logged } = await serve((request) => {
      if (request.length === 1) throw new Error("private detail");
      return Promise.reject(new RangeError("private detail"));
    });
    for (const length of [1, 2, 100_000]) {
      const response = await fetch(`${url}/v1/exchange`, { method: "POST", body: bytes(length) });
      expect([response.status, await response.text()]).toEqual([500, "failed; the orchestrator's log says why\n"]);
    }
    expect(logged.filter(({ level, event }) => level === "error" && event === "request failed")).toHaveLength(3);
    expect(logged.at(-1)!.fields.error).toBeInstanceOf(RangeError);
  });
});

describe("a long poll", () => {
  test("is answered when the reply is there", async () => {
    const { handle, asked, until } = waiting();
    const { url } = await serve(handle);
    const reply = httpExchange(url)(bytes(10));
    await until(1);
    asked[0].answer(bytes(5));
    expect([...(await reply)]).toEqual([...bytes(5)]);
    expect(asked[0].signal.aborted).toBe(false);
  });

  test("ends as unanswered after pollMs, and the signal is aborted", async () => {
    const { handle, asked } = waiting();
    const { url, logged } = await serve(handle, { pollMs: 30 });
    await expect(httpExchange(url)(bytes(10))).rejects.toThrow(Unanswered);
    expect(asked[0].signal.reason).toBeInstanceOf(Unanswered);
    expect(logged.filter(({ level }) => level === "error")).toEqual([]);
  });

  test("ends as unanswered even if handle does not heed the signal, and its late reply or failure is of no consequence", async () => {
    const late: { resolve: (reply: Uint8Array) => void; reject: (error: Error) => void }[] = [];
    const { url, logged } = await serve(() => new Promise((resolve, reject) => late.push({ resolve, reject })), { pollMs: 30 });
    const exchange = httpExchange(url);
    for (const _ of "ab") await expect(exchange(bytes(10))).rejects.toThrow(Unanswered);
    late[0].resolve(bytes(1));
    late[1].reject(new Error("late"));
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(logged.filter(({ level }) => level === "error")).toEqual([]);
  });

  test("a handle that is itself unanswered, as one that asks another, is unanswered", async () => {
    const { url } = await serve(() => Promise.reject(new Unanswered("not yet")));
    await expect(httpExchange(url)(bytes(10))).rejects.toThrow(Unanswered);
  });

  test("a client that gives up aborts the signal", async () => {
    const { handle, asked, until } = waiting();
    const { url, metrics } = await serve(handle);
    const giving = new AbortController();
    const asking = expect(httpExchange(url)(bytes(10), giving.signal)).rejects.toThrow("enough");
    await until(1);
    giving.abort(new Error("enough"));
    await asking;
    await aborted(asked[0].signal);
    await eventually(async () => (await metrics()).get("millwright_http_polls") === 0);
  });

  test("a thousand wait at a time beside two bodies, and each gets its own reply", async () => {
    const { handle, asked, until } = waiting();
    const { url, metrics } = await serve(handle, { limits: { bodies: 2 } });
    const exchange = httpExchange(url, { fetch: nodeFetch() });
    const replies = Array.from({ length: 1000 }, (_, n) => exchange(Uint8Array.of(n >> 8, n & 255)));
    await until(1000);
    expect((await metrics()).get("millwright_http_polls")).toBe(1000);
    expect((await metrics()).get("millwright_http_bodies_most")).toBe(0);
    for (const { request, answer } of asked.reverse()) answer(Uint8Array.of(...request, 7));
    for (const [n, reply] of (await Promise.all(replies)).entries()) expect([...reply]).toEqual([n >> 8, n & 255, 7]);
  });
});

describe("bodies in memory", () => {
  test("of 200 clients with 600 kB each, no more than 16 are there at a time", async () => {
    const { handle, asked, until } = waiting();
    let [now, most] = [0, 0];
    const counted: Exchange = async (request, signal) => {
      most = Math.max(most, ++now);
      return handle(request, signal).finally(() => now--);
    };
    const { url, metrics } = await serve(counted, { limits: { bodies: 16, holdMs: 1_000_000 }, pollMs: 1_000_000 });
    const exchange = httpExchange(url, { fetch: nodeFetch() });
    const body = bytes(600_000);
    const replies = Array.from({ length: 200 }, () => exchange(body));
    await until(16);
    await eventually(async () => (await metrics()).get("millwright_http_bodies_waiting") === 184);
    expect(asked).toHaveLength(16);
    for (let n = 0; n < 200; n++) {
      await until(n + 1);
      expect(Buffer.from(asked[n].request).equals(body)).toBe(true);
      asked[n].answer(bytes(8));
    }
    for (const reply of await Promise.all(replies)) expect(reply).toEqual(bytes(8));
    const figures = await metrics();
    expect(most).toBe(16);
    expect(figures.get("millwright_http_bodies_most")).toBe(16);
    expect(figures.get("millwright_http_bodies")).toBe(0);
    expect(figures.get("millwright_http_received_bytes_total")).toBe(200 * 600_000);
  });

  test("the next one stays with its sender until there is room", async () => {
    const { handle, asked, until } = waiting();
    const { url, metrics } = await serve(handle, { limits: { bodies: 1, bodyBytes: 50_000_000, holdMs: 1_000_000 } });
    const exchange = httpExchange(url);
    const first = exchange(bytes(100_000));
    await until(1);
    const { socket } = raw(url);
    let flushed = false;
    socket.write(post(50_000_000));
    socket.write(Buffer.alloc(50_000_000), () => (flushed = true));
    await eventually(async () => (await metrics()).get("millwright_http_bodies_waiting") === 1);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(flushed).toBe(false);
    expect(asked).toHaveLength(1);
    asked[0].answer(bytes(1));
    await first;
    await until(2);
    expect(flushed).toBe(true);
    expect(asked[1].request).toHaveLength(50_000_000);
  });

  test("what is no message is answered after those that came later, and holds no place meanwhile", async () => {
    const refusal = encode({ kind: "refused", task: "local", fingerprint: "ab".repeat(8), code: "frame", reason: "damaged" });
    const { url } = await serve(async (request) => (request.length > 50_000 ? refusal : request), { limits: { bodies: 1, nonsenseMs: 500 } });
    const order: number[] = [];
    const ask = async (bytes: number) => {
      const reply = await httpExchange(url)(new Uint8Array(bytes));
      order.push(bytes);
      return reply;
    };
    const nonsense = ask(60_000);
    for (let times = 0; times < 3; times++) await ask(40_000);
    expect(await nonsense).toEqual(refusal);
    expect(order).toEqual([40_000, 40_000, 40_000, 60_000]);
  });

  test("a connection that waits for such an answer makes room for another", async () => {
    const refusal = encode({ kind: "refused", task: "local", fingerprint: "ab".repeat(8), code: "frame", reason: "damaged" });
    let came = () => {};
    const nonsenseCame = new Promise<void>((resolve) => (came = resolve));
    const { url, logged } = await serve(async (request) => (request.length > 50_000 ? (came(), refusal) : request), { limits: { connections: 1, nonsenseMs: 60_000 } });
    const nonsense = httpExchange(url)(new Uint8Array(60_000)).then(() => "answered", () => "closed");
    await nonsenseCame;
    await new Promise(setImmediate);
    expect(await httpExchange(url)(bytes(40_000))).toEqual(bytes(40_000));
    expect(await nonsense).toBe("closed");
    expect(logged).toContainEqual(expect.objectContaining({ event: "connection closed", fields: expect.objectContaining({ reason: "crowded" }) }));
  });

  test("a request that waits long makes room, and so does one whose client leaves once handle is done", async () => {
    const { handle, asked, until } = waiting();
    const { url } = await serve(handle, { limits: { bodies: 1, holdMs: 30 } });
    const exchange = httpExchange(url);
    const polls = [exchange(bytes(100_000)), exchange(bytes(100_000)), exchange(bytes(100_000))];
    await until(3);
    asked.forEach(({ answer }) => answer(bytes(1)));
    await Promise.all(polls);

    const slow = waiting();
    const held = await serve((request) => slow.handle(request, new AbortController().signal), { limits: { bodies: 1, holdMs: 1_000_000 } });
    const leaving = new AbortController();
    const left = settled([httpExchange(held.url)(bytes(100_000), leaving.signal)]);
    await slow.until(1);
    leaving.abort();
    await left;
    const next = httpExchange(held.url)(bytes(100_000));
    await eventually(async () => (await held.metrics()).get("millwright_http_bodies_waiting") === 1);
    expect(slow.asked).toHaveLength(1);
    slow.asked[0].answer(bytes(1));
    await slow.until(2);
    slow.asked[1].answer(bytes(2));
    expect(await next).toHaveLength(2);
  });

  test("a short one passes those that wait for room", async () => {
    const { handle, asked, until } = waiting();
    const { url } = await serve((request, signal) => (request.length < 1000 ? echo(request) : handle(request, signal)), { limits: { bodies: 1, holdMs: 1_000_000 } });
    const exchange = httpExchange(url);
    const first = exchange(bytes(100_000));
    await until(1);
    expect(await exchange(bytes(999))).toHaveLength(999);
    asked[0].answer(bytes(1));
    await first;
  });

  test("one that waits and goes does not take the place of the next one", async () => {
    const { handle, asked, until } = waiting();
    const { url, metrics } = await serve(handle, { limits: { bodies: 1, holdMs: 1_000_000 } });
    const exchange = httpExchange(url);
    const first = exchange(bytes(100_000));
    await until(1);
    const leaving = new AbortController();
    const left = settled([exchange(bytes(400_000), leaving.signal)]);
    await eventually(async () => (await metrics()).get("millwright_http_bodies_waiting") === 1);
    const third = exchange(bytes(100_001));
    await eventually(async () => (await metrics()).get("millwright_http_bodies_waiting") === 2);
    leaving.abort();
    await left;
    asked[0].answer(bytes(1));
    await first;
    const answering = setInterval(() => asked.forEach(({ answer }) => answer(bytes(2))), 5);
    expect(await third).toHaveLength(2);
    clearInterval(answering);
    await eventually(async () => (await metrics()).get("millwright_http_bodies") === 0);
  });
});

describe("limits", () => {
  test("an oversized body is refused by its length alone, and the connection serves on", async () => {
    const { url } = await serve(() => Promise.reject(new Error("not for handle")), { limits: { bodyBytes: 1000 } });
    const { socket, ended } = raw(url);
    socket.write(post(1001));
    await new Promise((resolve) => socket.once("data", resolve));
    socket.write(Buffer.alloc(1001));
    socket.write("GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    const answer = await ended;
    expect(answer).toMatch(/^HTTP\/1\.1 413 .*\r\n[^]*the body is too long: at most 1000 bytes\n[^]*HTTP\/1\.1 200 OK/);
    await expect(httpExchange(url)(bytes(500_000))).rejects.toThrow(/answered 413; the request is longer than/);
  });

  test("whoever sends on after a 413 is cut off", async () => {
    const { url } = await serve(echo, { limits: { bodyBytes: 1000, graceMs: 30 } });
    const { socket, ended } = raw(url);
    socket.write(post(1_000_000_000));
    const sending = setInterval(() => socket.write(Buffer.alloc(1000)), 5);
    expect(await ended).toMatch(/^HTTP\/1\.1 413 /);
    clearInterval(sending);
  });

  test("a body in chunks is cut at the limit", async () => {
    const { url } = await serve(() => Promise.reject(new Error("not for handle")), { limits: { bodyBytes: 100_000, graceMs: 30 } });
    const { socket, ended } = raw(url);
    socket.write(post(undefined));
    const sending = setInterval(() => socket.write(`3e8\r\n${"x".repeat(1000)}\r\n`.repeat(10)), 2);
    expect(await ended).toMatch(/^HTTP\/1\.1 413 /);
    clearInterval(sending);
    const exact = raw(url);
    exact.socket.write(`${post(undefined, "connection: close")}186a0\r\n${"x".repeat(100_000)}\r\n0\r\n\r\n`);
    expect(await exact.ended).toMatch(/^HTTP\/1\.1 500 /);
  });

  test("a slow body is closed while another waits, and only then", async () => {
    const { url, metrics, logged } = await serve(echo, { limits: { bodies: 1, graceMs: 40, bytesPerS: 1_000_000 } });
    const slow = raw(url);
    slow.socket.write(post(700_000));
    slow.socket.write(Buffer.alloc(100_000));
    await eventually(async () => (await metrics()).get("millwright_http_bodies") === 1);
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(slow.socket.closed).toBe(false);
    const other = httpExchange(url)(bytes(100_000));
    expect(await slow.ended).toBe("");
    expect(await other).toHaveLength(100_000);
    expect((await metrics()).get('millwright_http_closed_total{reason="slow"}')).toBe(1);
    expect(logged).toContainEqual({ level: "warn", event: "connection closed", fields: { reason: "slow", address: "127.0.0.1" } });
  });

  test("a body is not slow because the server was busy", async () => {
    const busy: Exchange = async (request) => {
      for (const endMs = performance.now() + 400; performance.now() < endMs; );
      return request;
    };
    const { url, metrics } = await serve((request, signal) => (request.length < 100 ? busy : echo)(request, signal), { limits: { bodies: 1, graceMs: 80 } });
    const steady = raw(url);
    steady.socket.write(post(600_000, "connection: close"));
    let left = 600_000;
    steady.socket.write(Buffer.alloc(100_000));
    left -= 100_000;
    await eventually(async () => (await metrics()).get("millwright_http_bodies") === 1);
    const other = httpExchange(url)(bytes(100_000));
    await eventually(async () => (await metrics()).get("millwright_http_bodies_waiting") === 1);
    const sending = setInterval(() => {
      steady.socket.write(Buffer.alloc(Math.min(left, 20_000)));
      left -= 20_000;
      if (left <= 0) clearInterval(sending);
    }, 5);
    await httpExchange(url)(bytes(10));
    expect((await steady.ended).slice(0, 15)).toBe("HTTP/1.1 200 OK");
    expect(await other).toHaveLength(100_000);
  });

  test("a hundred that send a header and next to nothing keep nobody waiting", async () => {
    const { url, metrics } = await serve(echo, { limits: { bodies: 1, graceMs: 1_000_000, bytesPerS: 1 } });
    const loris = Array.from({ length: 100 }, () => raw(url));
    for (const { socket } of loris) socket.write(`${post(600_000)}few bytes`);
    await eventually(async () => (await metrics()).get("millwright_http_connections")! >= 100);
    for (let n = 0; n < 5; n++) expect(await httpExchange(url)(bytes(600_000))).toHaveLength(600_000);
    expect((await metrics()).get("millwright_http_bodies_most")).toBe(1);
  });

  test("a head that does not arrive in time, or not at all, is closed", async () => {
    const { url, metrics } = await serve(echo, { limits: { headMs: 500 } });
    const [silent, halting] = [raw(url), raw(url)];
    halting.socket.write("POST /v1/exchange HTTP/1.1\r\nhost: x\r\nx-");
    const dripping = setInterval(() => halting.socket.write("a"), 10);
    for (const { ended } of [silent, halting]) expect(await ended).toMatch(/^(HTTP\/1\.1 408 Request Timeout\r\n.*)?/);
    clearInterval(dripping);
    expect((await metrics()).get('millwright_http_closed_total{reason="timeout"}')).toBe(2);
  });

  test("one connection too many closes the one that is idle longest, and none that waits for a reply", async () => {
    const { handle, asked, until } = waiting();
    const { url, metrics } = await serve(handle, { limits: { connections: 4 } });
    const polls = [raw(url), raw(url)];
    for (const { socket } of polls) socket.write(`${post(3, "connection: close")}abc`);
    await until(2);
    const idle = [raw(url), raw(url)];
    for (const { socket } of idle) await new Promise((resolve) => socket.once("connect", resolve));
    const more = raw(url);
    await idle[0].ended;
    more.socket.write("GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    expect(await more.ended).toMatch(/ 200 OK/);
    expect(idle[1].socket.closed).toBe(false);
    for (const { answer } of asked) answer(bytes(3));
    for (const { ended } of polls) expect(await ended).toMatch(/ 200 OK/);
    expect((await metrics()).get('millwright_http_closed_total{reason="crowded"}')).toBe(1);
  });

  test("when all connections wait for replies, one more is closed itself", async () => {
    const { handle, asked, until } = waiting();
    const { url } = await serve(handle, { limits: { connections: 2 } });
    const polls = [raw(url), raw(url)];
    for (const { socket } of polls) socket.write(`${post(3, "connection: close")}abc`);
    await until(2);
    expect(await raw(url).ended).toBe("");
    for (const { answer } of asked) answer(bytes(3));
    for (const { ended } of polls) expect(await ended).toMatch(/ 200 OK/);
  });

  test("a request before the answer to the one before it closes the connection", async () => {
    const { handle, asked } = waiting();
    const { url, metrics } = await serve(handle);
    const { socket, ended } = raw(url);
    socket.write(`${post(1)}a${post(1)}b${post(1)}c`);
    expect(await ended).toBe("");
    await eventually(() => asked.every(({ signal }) => signal.aborted));
    expect(asked.length).toBeLessThanOrEqual(1);
    expect((await metrics()).get('millwright_http_closed_total{reason="pipelined"}')).toBeGreaterThanOrEqual(1);
  });

  test.each([
    ["garbage", "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n", 400],
    ["a negative length", "POST /v1/exchange HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n", 400],
    ["a length that is no number", "POST /v1/exchange HTTP/1.1\r\nhost: x\r\ncontent-length: 0x10\r\n\r\n", 400],
    ["two lengths", "POST /v1/exchange HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", 400],
    ["a length and chunks", "POST /v1/exchange HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400],
    ["an enormous length", `POST /v1/exchange HTTP/1.1\r\nhost: x\r\ncontent-length: ${2 ** 53}\r\n\r\n`, 413],
    ["a length beyond numbers", `POST /v1/exchange HTTP/1.1\r\nhost: x\r\ncontent-length: ${"9".repeat(400)}\r\n\r\n`, 400],
    ["no host", "POST /v1/exchange HTTP/1.1\r\ncontent-length: 0\r\n\r\n", 400],
    ["a head without end", `GET /healthz HTTP/1.1\r\nhost: x\r\nx: ${"x".repeat(20_000)}`, 431],
    ["a chunk that is none", `${post(undefined)}zz\r\n`, 400],
    ["another protocol", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
    ["an absolute address", "GET http://elsewhere.example/healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", 404],
    ["a way out of the routes", "GET /v1/../status/../../etc HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", 404],
    ["an expectation", "POST /v1/exchange HTTP/1.1\r\nhost: x\r\nexpect: 200-ok\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", 417],
  ])("%s is answered and others are served on", async (_, text, status) => {
    const { url } = await serve(echo, { limits: { graceMs: 30 } });
    const { socket, ended } = raw(url);
    socket.write(Buffer.from(text, "latin1"));
    expect(await ended).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(await httpExchange(url)(bytes(3))).toHaveLength(3);
  });

  test.each(["bodyBytes", "bodies", "connections", "holdMs"])("%s that is no positive integer is refused", async (name) => {
    await expect(serve(echo, { limits: { [name]: 0 } })).rejects.toThrow(`"${name}" expected integer >= 1, got 0`);
  });

  test("a port that is taken rejects with the system's error", async () => {
    const { url } = await serve(echo);
    await expect(serve(echo, { port: Number(new URL(url).port) })).rejects.toMatchObject({ code: "EADDRINUSE", syscall: "listen" });
  });
});

describe("routes", () => {
  test("status is JSON, healthz is text, metrics are the caller's and the server's", async () => {
    const { url } = await serve(echo, { metrics: () => "# HELP millwright_round The round.\n# TYPE millwright_round gauge\nmillwright_round 3\n" });
    await httpExchange(url)(bytes(10));
    const get = async (path: string) => {
      const response = await fetch(url + path);
      return [response.status, response.headers.get("content-type"), await response.text()] as const;
    };
    expect(await get("/status?x=1")).toEqual([200, "application/json", '{"round":3}\n']);
    expect(await get("/healthz")).toEqual([200, "text/plain; charset=utf-8", "ok\n"]);
    const [status, type, text] = await get("/metrics");
    expect([status, type]).toEqual([200, "text/plain; version=0.0.4; charset=utf-8"]);
    const figures = parseMetrics(text);
    expect(figures.get("millwright_round")).toBe(3);
    expect(figures.get('millwright_http_requests_total{route="exchange",status="200"}')).toBe(1);
    expect(figures.get('millwright_http_requests_total{route="healthz",status="200"}')).toBe(1);
    expect(figures.get('millwright_http_reply_seconds_bucket{le="+Inf"}')).toBe(1);
    expect(figures.get("millwright_http_sent_bytes_total")).toBe(10);
    expect((await fetch(`${url}/status`, { method: "HEAD" })).status).toBe(200);
  });

  test("others are 404, other methods 405, and there is no status where none is given", async () => {
    const { url } = await serve(echo, { status: undefined, metrics: undefined });
    const statusOf = async (method: string, path: string) => (await fetch(url + path, { method })).status;
    expect(await Promise.all([["GET", "/"], ["GET", "/status"], ["GET", "/metrics"], ["POST", "/v2/exchange"], ["GET", "/v1/exchange"], ["DELETE", "/healthz"], ["OPTIONS", "/healthz"]].map(([method, path]) => statusOf(method, path))))
      .toEqual([404, 404, 404, 404, 405, 405, 405]);
  });

  test("a status that throws is a 500 without details, and logged", async () => {
    const { url, logged } = await serve(echo, { status: () => { throw new Error("private detail"); } });
    const response = await fetch(`${url}/status`);
    expect([response.status, await response.text()]).toEqual([500, "failed; the orchestrator's log says why\n"]);
    expect(logged.at(-1)).toMatchObject({ level: "error", event: "request failed", fields: { route: "status" } });
  });

  test("pages are refused unless their origin is in the list", async () => {
    const { url } = await serve(echo, { origins: ["https://plant.example"] });
    const ask = async (method: string, origin: string) => {
      const response = await nodeFetch()(`${url}/v1/exchange`, { method, headers: { origin }, body: method === "POST" ? bytes(3) : undefined });
      return [response.status, response.headers.get("access-control-allow-origin"), response.headers.get("access-control-allow-methods"), response.headers.get("vary")];
    };
    expect(await ask("OPTIONS", "https://plant.example")).toEqual([204, "https://plant.example", "POST", "origin"]);
    expect(await ask("POST", "https://plant.example")).toEqual([200, "https://plant.example", "POST", "origin"]);
    expect(await ask("OPTIONS", "https://elsewhere.example")).toEqual([403, null, null, null]);
    expect(await ask("POST", "https://elsewhere.example")).toEqual([403, null, null, null]);
    await expect(serve(echo, { origins: ["*"] })).rejects.toThrow(`"origins" expected origins of pages as https://plant.example, got "*"; name each page's origin, a wildcard is none`);
    await expect(serve(echo, { origins: ["https://plant.example/"] })).rejects.toThrow("write https://plant.example");
    for (const origin of ["null", "plant.example", "https://Plant.example", "https://plant.example:443", "file:///page.html"]) await expect(serve(echo, { origins: [origin] })).rejects.toThrow(RangeError);
    const off = await serve(echo);
    expect((await nodeFetch()(`${off.url}/status`, { method: "GET", headers: { origin: "https://plant.example" } })).status).toBe(403);
  });
});

describe("close", () => {
  test("answers what is unread, lets what is worked on finish, and takes nothing more", async () => {
    const { handle, asked, until } = waiting();
    const { url, close, metrics } = await serve(handle, { limits: { bodies: 1, holdMs: 1_000_000, closeMs: 1_000_000, graceMs: 10 } });
    const exchange = httpExchange(url, { fetch: nodeFetch() });
    const worked = exchange(bytes(100_000));
    await until(1);
    const unread = settled([exchange(bytes(100_001))]);
    await eventually(async () => (await metrics()).get("millwright_http_bodies_waiting") === 1);
    const idle = raw(url);
    await new Promise((resolve) => idle.socket.once("connect", resolve));
    const closed = close();
    await idle.ended;
    expect((await unread)[0].message).toMatch(/answered 503|is the orchestrator running/);
    await expect(exchange(bytes(1))).rejects.toThrow(/ECONNREFUSED.*is the orchestrator running/);
    expect(asked[0].signal.aborted).toBe(false);
    asked[0].answer(bytes(3));
    expect(await worked).toEqual(bytes(3));
    await closed;
    await close();
    expect(asked).toHaveLength(1);
  });

  test("answers what waits: there is no reply yet", async () => {
    const { handle, until } = waiting();
    const { url, close } = await serve(handle, { limits: { bodies: 1, holdMs: 20 } });
    const exchange = httpExchange(url, { fetch: nodeFetch() });
    const polls = settled([exchange(bytes(100_000)), exchange(bytes(100_000))]);
    await until(2); // so the first counts as waiting, and the second will
    await close();
    for (const reply of await polls) expect(reply).toBeInstanceOf(Unanswered);
  });

  test("does not wait for those who do not read or do not send", async () => {
    const { url, close } = await serve(async () => new Uint8Array(20_000_000), { limits: { closeMs: 50 } });
    const [deaf, mute] = [raw(url), raw(url)];
    deaf.socket.pause().write(`${post(1)}a`);
    mute.socket.write(`${post(100_000)}abc`);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await close();
    deaf.socket.resume();
    await Promise.all([deaf.ended, mute.ended]);
  });
});

describe("over TLS", () => {
  const made = () => {
    const folder = mkdtempSync(join(tmpdir(), "millwright-"));
    try {
      const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
      execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], { stdio: "ignore" });
      return { key: readFileSync(key), cert: readFileSync(cert) };
    } catch {
      return undefined; // no openssl here
    } finally {
      rmSync(folder, { recursive: true });
    }
  };
  const tls = made();

  test.skipIf(!tls)("serves who trusts its certificate, and is refused by who does not", async () => {
    const { url, metrics: _, logged } = await serve(echo, { tls: tls! });
    expect(url).toMatch(/^https:/);
    const exchange = httpExchange(url, { fetch: nodeFetch({ ca: tls!.cert }) });
    for (const length of [1, 600_000]) expect(Buffer.from(await exchange(bytes(length))).equals(bytes(length))).toBe(true);
    await expect(httpExchange(url)(bytes(1))).rejects.toThrow(/^POST https:.*self-signed certificate; is the orchestrator running/);
    await eventually(() => logged.some(({ fields }) => fields.reason === "handshake"));
  });

  test.skipIf(!tls)("a long poll, a client that leaves, one connection too many and a close are as without", async () => {
    const { handle, asked, until } = waiting();
    const { url, close } = await serve(handle, { tls: tls!, limits: { connections: 2, holdMs: 10 } });
    const exchange = httpExchange(url, { fetch: nodeFetch({ ca: tls!.cert }) });
    const leaving = new AbortController();
    const left = settled([exchange(bytes(10), leaving.signal)]);
    await until(1);
    leaving.abort();
    await left;
    await aborted(asked[0].signal);

    const idle = connectTls({ port: Number(new URL(url).port), host: "127.0.0.1", ca: tls!.cert });
    idle.on("error", () => {});
    await new Promise((resolve) => idle.once("secureConnect", resolve));
    const dropped = new Promise((resolve) => idle.once("close", resolve));
    const polls = [exchange(bytes(10)), exchange(bytes(10))];
    await until(3);
    await dropped;
    asked[1].answer(bytes(3));
    expect(await Promise.race(polls)).toHaveLength(3);
    await close();
    expect((await settled(polls)).filter((reply) => reply instanceof Unanswered)).toHaveLength(1);
  });
});
