/**
 * @module
 * An exchange served over HTTP or HTTPS: bytes in, bytes out, and for people /status, /metrics and /healthz. There are four
 * routes and all the work is in what a slow, large or rude sender may cost, so this stands on node:http and on no framework.
 * docs/http.md has routes, statuses and limits.
 *
 *     const { url, close } = await serveExchange({ handle: orchestrator.handle, host: "0.0.0.0", port: 8443, tls: { cert, key }, limits: { bodyBytes: maxFrameBytes(P) }, … });
 */
import { createServer as createHttp, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from "node:http";
import { createServer as createHttps } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Unanswered, type PartedExchange } from "../federation/exchange.ts";
import { EXCHANGE_PATH } from "../federation/http.ts";
import { saysNonsense } from "../federation/nonsense.ts";
import { Bodies, BodyError, type Body } from "./bodies.ts";
import { Connections, type Connection } from "./connections.ts";
import type { Log } from "./log.ts";
import { Registry } from "./metrics.ts";
import { admit, checkOrigins } from "./origin.ts";

export interface ServerLimits {
  /** Bytes of a request: what maxFrameBytes says, and what is put around a frame. */
  readonly bodyBytes: number;
  /** Bodies in memory at a time; the others wait unread. Default: 32. */
  readonly bodies?: number;
  /** The pace of a body while others wait, 16,000 bytes a second, measured over graceMs, 2 s. */
  readonly bytesPerS?: number;
  readonly graceMs?: number;
  /** A request that is not answered after this long, 1 s, counts as a long poll: its bytes hold no place among the bodies. */
  readonly holdMs?: number;
  /** What is no message is answered after this long, 1 s: whoever sends nothing else costs little, and who was damaged on the way asks again a moment later. */
  readonly nonsenseMs?: number;
  /** Open connections; one more closes the one that has been idle longest, or is closed itself. Default: 2,048. */
  readonly connections?: number;
  /** Bytes of a request's head, 16,384, and the time for it to arrive, 10 s. */
  readonly headBytes?: number;
  readonly headMs?: number;
  /** How long a connection is kept for the next request, 75 s. */
  readonly idleMs?: number;
  /** How long close() waits for what is being sent, 5 s. */
  readonly closeMs?: number;
}

export interface ServeOptions {
  readonly handle: PartedExchange;
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** PEM. Without it the server speaks HTTP, for a reverse proxy or a trusted network. */
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer; readonly ca?: string | Buffer; readonly requestCert?: boolean };
  readonly limits: ServerLimits;
  /** A request that `handle` has not answered after this long is answered "nothing yet". Default: 25 s. */
  readonly pollMs?: number;
  /** Origins whose pages may call, as "https://plant.example"; none unless given, and no wildcard. */
  readonly origins?: readonly string[];
  /** What /status shows, as JSON. Absent: there is no such route here. */
  readonly status?: () => unknown;
  /** What /metrics shows beside the server's own figures, in Prometheus' text format. Absent: there is no such route here. */
  readonly metrics?: () => string;
  readonly log: Log;
}

export interface Serving {
  /** With the port that it listens at. */
  readonly url: string;
  /** No more requests are taken; waiting ones are answered 204, unread ones 503. Resolves when all connections are closed. */
  close(): Promise<void>;
}

const DEFAULTS = {
  bodies: 32, bytesPerS: 16_000, graceMs: 2_000, holdMs: 1_000, nonsenseMs: 1_000, connections: 2_048, headBytes: 16_384, headMs: 10_000, idleMs: 75_000, closeMs: 5_000,
};
/** A request that is not whole after this long is given up, whoever waits. */
const REQUEST_MS = 300_000;
/** When all come back at once, handshakes queue. Whoever is idle in one makes room like any other who is idle. */
const HANDSHAKE_MS = 30_000;
/** Large replies are written piece by piece: what TLS has encrypted and nobody reads stays small. */
const PIECE_BYTES = 65_536;
const REFUSALS = {
  403: "pages of this origin may not ask: it is not in the orchestrator's list of origins",
  404: "there is nothing here; an orchestrator answers POST /v1/exchange",
  405: "not with this method",
  413: "the body is too long",
  500: "failed; the orchestrator's log says why",
  503: "stopping; ask again later",
};
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25];

export async function serveExchange(options: ServeOptions): Promise<Serving> {
  const server = new ExchangeServer(options);
  const url = await server.listen();
  return { url, close: () => server.close() };
}

/** Why a request is given up. */
const CLOSING = new Error("the server is closing");
const GONE = new Error("the client has gone");
const UNANSWERED = new Unanswered("nothing yet; ask again");

interface Visit {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly connection: Connection;
}

interface Route {
  readonly name: string;
  readonly methods: readonly string[];
  readonly answer: (visit: Visit) => void | Promise<void>;
}

/** A request that `handle` has. */
interface Poll {
  /** It has been there so long that it waits, and is not worked on. */
  parked: boolean;
  readonly giveUp: () => void;
}

class ExchangeServer {
  readonly #options: ServeOptions;
  readonly #limits: Required<ServerLimits>;
  readonly #pollMs: number;
  readonly #origins: readonly string[];
  readonly #server: Server;
  readonly #routes: ReadonlyMap<string, Route>;
  readonly #connections: Connections;
  readonly #bodies: Bodies;
  /** Requests whose bodies are not read yet. */
  readonly #arriving = new Set<AbortController>();
  readonly #polls = new Set<Poll>();
  readonly #registry = new Registry();
  readonly #figures: Figures;
  #closed: Promise<void> | undefined;

  constructor(options: ServeOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULTS, ...options.limits };
    this.#pollMs = options.pollMs ?? 25_000;
    this.#origins = checkOrigins(options.origins ?? [], '"origins"');
    for (const [name, value] of Object.entries({ pollMs: this.#pollMs, ...this.#limits })) {
      if (!Number.isInteger(value) || value < 1) throw new RangeError(`"${name}" expected integer >= 1, got ${value}`);
    }
    const { headBytes, headMs, idleMs, connections } = this.#limits;
    const settings: ServerOptions = {
      maxHeaderSize: headBytes, headersTimeout: headMs, requestTimeout: Math.max(REQUEST_MS, headMs),
      connectionsCheckingInterval: Math.ceil(headMs / 4), keepAliveTimeout: idleMs,
    };
    this.#server = options.tls ? createHttps({ ...settings, ...options.tls, handshakeTimeout: Math.max(HANDSHAKE_MS, headMs) }) : createHttp(settings);
    this.#routes = new Map(this.#allRoutes());
    this.#bodies = new Bodies(this.#limits);
    this.#connections = new Connections(connections, (reason, address) => this.#countClosed(reason, address));
    this.#figures = figuresOf(this.#registry, { connections: this.#connections, bodies: this.#bodies, polls: this.#polls });
    this.#server.on("connection", (socket) => this.#connections.add(socket));
    this.#server.on("request", (request, response) => this.#answer(request, response));
    this.#server.on("clientError", (error: NodeJS.ErrnoException, socket) => this.#reject(error, socket as Socket));
    this.#server.on("tlsClientError", (_: Error, socket: Socket) => this.#countClosed("handshake", socket.remoteAddress));
  }

  async listen(): Promise<string> {
    const { host, port, tls, log } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      // When an orchestrator is back all clients call at once. A queue that is full drops them, and they try again after 1, 3, 7, … s.
      this.#server.listen({ port, host, backlog: this.#limits.connections }, () => {
        this.#server.off("error", reject);
        resolve();
      });
    });
    // Out of file descriptors, say: those who are connected are served on.
    this.#server.on("error", (error) => log("error", "listening failed", { error }));
    const url = `${tls ? "https" : "http"}://${host.includes(":") ? `[${host}]` : host}:${(this.#server.address() as AddressInfo).port}`;
    log("info", "listening", { url });
    return url;
  }

  close(): Promise<void> {
    return (this.#closed ??= new Promise((resolve) => {
      this.#options.log("info", "closing", { polls: this.#polls.size });
      const force = setTimeout(() => this.#server.closeAllConnections(), this.#limits.closeMs);
      this.#server.close(() => {
        clearTimeout(force);
        resolve();
      });
      for (const arriving of this.#arriving) arriving.abort(CLOSING);
      // What is worked on may still be answered: it is given up when it turns out to wait.
      for (const poll of this.#polls) if (poll.parked) poll.giveUp();
      this.#connections.close();
    }));
  }

  *#allRoutes(): Iterable<[string, Route]> {
    const { status, metrics } = this.#options;
    const page = (name: string, type: string, text: () => string): [string, Route] => [
      `/${name}`, { name, methods: ["GET", "HEAD"], answer: (visit) => this.#send(visit, 200, [Buffer.from(text())], { "content-type": type }) },
    ];
    yield [EXCHANGE_PATH, { name: "exchange", methods: ["POST"], answer: (visit) => this.#exchange(visit) }];
    yield page("healthz", "text/plain; charset=utf-8", () => "ok\n");
    if (status) yield page("status", "application/json", () => `${JSON.stringify(status())}\n`);
    if (metrics) yield page("metrics", "text/plain; version=0.0.4; charset=utf-8", () => this.#registry.render() + metrics());
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const connection = this.#connections.begin(request.socket, response);
    if (!connection) return;
    const visit = { request, response, connection };
    const route = this.#routes.get(request.url!.split("?", 1)[0]);
    response.on("error", () => {}); // the connection is gone, as "close" says
    response.once("close", () => {
      if (response.headersSent) this.#figures.requests.add(1, { route: route?.name ?? "other", status: String(response.statusCode) });
    });
    response.setHeader("cache-control", "no-store");
    if (this.#closed) return this.#refuse(visit, 503);
    if (!route) return this.#refuse(visit, 404);
    const { origin } = request.headers; // others than pages tell none
    if (origin !== undefined && !admit(origin, this.#origins, route.methods, response)) return this.#refuse(visit, 403);
    if (request.method === "OPTIONS" && origin !== undefined) return this.#send(visit, 204);
    if (!route.methods.includes(request.method!)) return this.#refuse(visit, 405, { allow: route.methods.join(", ") });
    try {
      await route.answer(visit);
    } catch (error) {
      this.#options.log("error", "request failed", { route: route.name, error });
      if (!response.headersSent) await this.#refuse(visit, 500);
      else response.destroy();
    }
  }

  async #exchange(visit: Visit): Promise<void> {
    const { request, response, connection } = visit;
    if (Number(request.headers["content-length"] ?? 0) > this.#limits.bodyBytes) return this.#refuse(visit, 413);
    const ending = new AbortController();
    response.once("close", () => {
      if (!response.writableFinished) ending.abort(GONE);
    });
    this.#arriving.add(ending);
    try {
      await this.#bodies.arrive(request, ending.signal);
      connection.work();
      const body = await this.#bodies.take(request, ending.signal);
      this.#arriving.delete(ending);
      this.#figures.received.add(body.length);
      const reply = await this.#ask(body, ending);
      if (reply && saysNonsense(reply)) {
        connection.rest(); // it makes room, if need be, while it waits
        await sleep(this.#limits.nonsenseMs, undefined, { ref: false });
      }
      if (response.closed) return;
      this.#figures.sent.add(reply ? lengthOf(reply) : 0);
      await this.#send(visit, reply ? 200 : 204, reply, { "content-type": "application/octet-stream" });
    } catch (error) {
      if (error === GONE) return;
      if (error === CLOSING) return this.#refuse(visit, 503);
      if (!(error instanceof BodyError)) throw error;
      if (error.reason === "oversized") return this.#refuse(visit, 413);
      this.#countClosed(error.reason, request.socket.remoteAddress);
      request.socket.destroy();
    } finally {
      this.#arriving.delete(ending);
    }
  }

  /** The reply to a request, or undefined where there is none yet. */
  #ask(body: Body, ending: AbortController): Promise<readonly Uint8Array[] | undefined> {
    const { signal } = ending;
    signal.throwIfAborted();
    const begunMs = performance.now();
    // Outside of the closures below, which would keep the bytes for as long as they are kept.
    const answer = this.#handle(body.takeBytes(), signal);
    return new Promise((resolve, reject) => {
      const giveUp = () => ending.abort(UNANSWERED);
      const poll: Poll = { parked: false, giveUp };
      const stop = () => {
        this.#polls.delete(poll);
        clearTimeout(end);
        resolve(undefined);
      };
      // Whoever disconnects makes no room before `handle` is done: it may hold the bytes still.
      const hold = setTimeout(() => {
        poll.parked = true;
        body.release();
        if (this.#closed) giveUp();
      }, this.#limits.holdMs);
      const end = setTimeout(giveUp, this.#pollMs);
      this.#polls.add(poll);
      signal.addEventListener("abort", stop);
      const settle = () => {
        signal.removeEventListener("abort", stop);
        stop();
        clearTimeout(hold);
        body.release();
      };
      answer.then((reply) => {
        if (!signal.aborted) this.#figures.seconds.observe((performance.now() - begunMs) / 1000);
        resolve(reply);
        settle();
      }, (error) => {
        if (!(error instanceof Unanswered)) reject(error);
        settle();
      });
    });
  }

  async #handle(frame: Uint8Array, signal: AbortSignal): Promise<readonly Uint8Array[]> {
    const { handle } = this.#options;
    return handle.parts ? handle.parts(frame, signal) : [await handle(frame, signal)];
  }

  async #send({ response, connection }: Visit, status: number, parts: readonly Uint8Array[] = [], headers: Readonly<Record<string, string>> = {}): Promise<void> {
    if (this.#closed) response.setHeader("connection", "close");
    connection.rest();
    response.writeHead(status, status === 204 ? {} : { ...headers, "content-length": String(lengthOf(parts)) });
    for (const bytes of parts) {
      for (let from = 0; from < bytes.length && !response.closed; from += PIECE_BYTES) {
        if (!response.write(bytes.subarray(from, from + PIECE_BYTES)) && from + PIECE_BYTES < bytes.length) await drained(response);
      }
    }
    response.end();
  }

  /** A status and a line of text; the rest of the body is let go by for a moment, so that who still sends it reads the answer. */
  async #refuse(visit: Visit, status: keyof typeof REFUSALS, headers: Readonly<Record<string, string>> = {}): Promise<void> {
    const { request } = visit;
    const text = status === 413 ? `${REFUSALS[413]}: at most ${this.#limits.bodyBytes} bytes` : REFUSALS[status];
    await this.#send(visit, status, [Buffer.from(`${text}\n`)], { "content-type": "text/plain; charset=utf-8", ...(status === 503 && { "retry-after": "2" }), ...headers });
    if (request.complete) return;
    const impatience = setTimeout(() => request.socket.destroy(), this.#limits.graceMs);
    request.once("close", () => clearTimeout(impatience));
    request.resume();
  }

  /** What is no HTTP, or came too slowly. */
  #reject(error: NodeJS.ErrnoException, socket: Socket): void {
    const [status, reason] = error.code === "ERR_HTTP_REQUEST_TIMEOUT" ? ["408 Request Timeout", "timeout"]
      : error.code === "HPE_HEADER_OVERFLOW" ? ["431 Request Header Fields Too Large", "head"] : ["400 Bad Request", "malformed"];
    const gone = error.code === "ECONNRESET" || !socket.writable;
    if (!gone) this.#countClosed(reason, socket.remoteAddress);
    // Into an answer that has begun nothing more is said.
    if (gone || this.#connections.responseOf(socket)?.headersSent) socket.destroy();
    else socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  }

  #countClosed(reason: string, address: string | undefined): void {
    this.#figures.closed.add(1, { reason });
    this.#options.log("warn", "connection closed", { reason, address });
  }
}

const lengthOf = (parts: readonly Uint8Array[]): number => parts.reduce((sum, { length }) => sum + length, 0);

/** Resolves when there is room to write on, or nobody to write to. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      response.off("drain", end).off("close", end);
      resolve();
    };
    response.on("drain", end).on("close", end);
  });
}

type Figures = ReturnType<typeof figuresOf>;

function figuresOf(registry: Registry, { connections, bodies, polls }: { connections: Connections; bodies: Bodies; polls: ReadonlySet<unknown> }) {
  registry.gauge("millwright_http_connections", "Open connections.", () => connections.size);
  registry.gauge("millwright_http_bodies", "Bodies of requests in memory.", () => bodies.held);
  registry.gauge("millwright_http_bodies_most", "The most bodies that were in memory at a time.", () => bodies.most);
  registry.gauge("millwright_http_bodies_waiting", "Requests whose bodies wait unread.", () => bodies.waiting);
  registry.gauge("millwright_http_polls", "Requests that wait for a reply.", () => polls.size);
  return {
    requests: registry.counter("millwright_http_requests_total", "Requests answered."),
    received: registry.counter("millwright_http_received_bytes_total", "Bytes of requests to /v1/exchange."),
    sent: registry.counter("millwright_http_sent_bytes_total", "Bytes of replies."),
    closed: registry.counter("millwright_http_closed_total", "Connections that were closed for what the other side did."),
    seconds: registry.histogram("millwright_http_reply_seconds", "From a whole request to its reply, long polls too.", SECONDS),
  };
}
