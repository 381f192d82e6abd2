/** The client's side of the exchange over HTTP, against real sockets: plain node:http servers that answer as they are told. */
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { Unanswered } from "../../src/federation/exchange.ts";
import { addressOf, httpExchange } from "../../src/federation/http.ts";
import { nodeFetch } from "../../src/node/fetch.ts";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
});

async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const echo: RequestListener = (request, response) => request.pipe(response);
const bytes = (length: number) => Uint8Array.from({ length }, (_, n) => (n * n) % 251);

describe.each([["the runtime's fetch", undefined], ["nodeFetch", nodeFetch()]])("httpExchange with %s", (_, fetch) => {
  const options = fetch && { fetch };

  test.each([0, 1, 100, 65_537, 700_000])("sends %i bytes as they are and gives the reply's back as they are", async (length) => {
    const seen: unknown[] = [];
    const url = await listen((request, response) => {
      seen.push(request.method, request.url, request.headers["content-type"], request.headers["content-length"]);
      echo(request, response);
    });
    const reply = await httpExchange(url, options)(bytes(length));
    expect(reply).toBeInstanceOf(Uint8Array);
    expect(Buffer.from(reply).equals(bytes(length))).toBe(true);
    expect(seen).toEqual(["POST", "/v1/exchange", "application/octet-stream", String(length)]);
  });

  test("sends what lies inside of a larger buffer, and no more", async () => {
    const reply = await httpExchange(await listen(echo), options)(bytes(100).subarray(10, 20));
    expect([...reply]).toEqual([...bytes(100).subarray(10, 20)]);
  });

  test("keeps the connection from one request to the next", async () => {
    const ports = new Set<number | undefined>();
    const exchange = httpExchange(await listen((request, response) => {
      ports.add(request.socket.remotePort);
      echo(request, response);
    }), options);
    for (let n = 0; n < 20; n++) await exchange(bytes(1000));
    expect(ports.size).toBeLessThan(20);
  });

  test("204 is no failure but a reply that is not there yet", async () => {
    const url = await listen((_, response) => response.writeHead(204).end());
    await expect(httpExchange(url, options)(bytes(3))).rejects.toThrow(Unanswered);
  });

  test.each([
    [404, /answered 404; there is no orchestrator; give its address/],
    [413, /answered 413; the request is longer than .* takes; use the same model spec/],
    [429, /answered 429; .*ask again later/],
    [500, /answered 500; the reason is in the orchestrator's log/],
    [503, /answered 503; .*ask again later/],
    [504, /answered 504; a proxy in between gave up waiting; raise its timeout/],
    [418, /answered 418; that is no answer of an orchestrator/],
    [201, /answered 201; that is no answer of an orchestrator/],
    [302, /redirect \(302\); give the address that it leads to/],
  ])("status %i rejects with the address, the status and what to do", async (status, expected) => {
    const url = await listen((_, response) => response.writeHead(status, { location: "http://127.0.0.1:1/" }).end("<html>"));
    const failure = await httpExchange(url, options)(bytes(3)).catch((error) => error);
    expect(failure).toBeInstanceOf(Error);
    expect(failure).not.toBeInstanceOf(Unanswered);
    expect(failure.message).toMatch(expected);
    expect(failure.message).toContain(`POST ${url}/v1/exchange: `);
  });

  test("nobody there, and a connection that breaks off before, in and after the head, reject with the address and a remedy", async () => {
    const broken = [
      await listen((request) => void request.socket.destroy()),
      await listen((_, response) => void response.writeHead(200, { "content-length": "10" }).end("123").destroy()),
      await listen((request, response) => {
        response.writeHead(200, { "content-length": "10" }).write("123");
        setTimeout(() => request.socket.destroy(), 20);
      }),
      await listen((request) => void request.socket.end("HTTP/1.1 2")),
      await listen((request) => void request.socket.end("\0\0\0 garbage\r\n\r\n")),
      "http://127.0.0.1:1",
    ];
    for (const url of broken) {
      const failure = await httpExchange(url, options)(bytes(3)).catch((error) => error);
      expect(failure.constructor).toBe(Error);
      expect(failure.message).toMatch(new RegExp(`^POST ${url}/v1/exchange: .+; is the orchestrator running`));
    }
  });

  test("a reply that is longer than allowed is refused, announced or not", async () => {
    const announced = await listen((_, response) => response.end(bytes(1001)));
    const streamed = await listen((_, response) => {
      const more = () => {
        while (!response.closed && response.write(bytes(500)));
        if (!response.closed) response.once("drain", more);
      };
      more();
    });
    for (const url of [announced, streamed]) await expect(httpExchange(url, { ...options, replyBytes: 1000 })(bytes(3))).rejects.toThrow(/reply of more than 1000 bytes; use the same model spec/);
    const exact = await listen((_, response) => response.end(bytes(1000)));
    expect(await httpExchange(exact, { ...options, replyBytes: 1000 })(bytes(3))).toHaveLength(1000);
  });

  test("an abort rejects with its reason before, while waiting, and while the reply arrives, and ends the connection", async () => {
    const reason = new Error("enough");
    await expect(httpExchange(await listen(echo), options)(bytes(3), AbortSignal.abort(reason))).rejects.toBe(reason);

    for (const begin of [false, true]) {
      const aborting = new AbortController();
      const closed = new Promise<void>((resolve, reject) => {
        listen((request, response) => {
          request.socket.once("close", () => resolve());
          if (begin) response.writeHead(200, { "content-length": "10" }).write("123");
          setTimeout(() => aborting.abort(reason), 20);
        }).then((url) => expect(httpExchange(url, options)(bytes(3), aborting.signal)).rejects.toBe(reason)).catch(reject);
      });
      await closed;
    }
  });

  test("an abort afterwards changes nothing", async () => {
    const aborting = new AbortController();
    const exchange = httpExchange(await listen(echo), options);
    expect(await exchange(bytes(10), aborting.signal)).toHaveLength(10);
    aborting.abort();
    expect(await exchange(bytes(10))).toHaveLength(10);
  });
});

describe("the address", () => {
  test("may have a path of a proxy before it", () => {
    expect(["https://a.example", "https://a.example/", "https://a.example:8443/mill//", new URL("http://[::1]:80/x")].map((url) => addressOf(url, "/v1/exchange"))).toEqual([
      "https://a.example/v1/exchange", "https://a.example/v1/exchange", "https://a.example:8443/mill/v1/exchange", "http://[::1]/x/v1/exchange",
    ]);
  });

  test.each(["", "orchestrator:8443", "ftp://a.example", "https://name:word@a.example", "https://a.example?x", "https://a.example#x"])("%j is refused", (url) => {
    expect(() => httpExchange(url)).toThrow(/address of the orchestrator expected as in https:\/\/host:8443/);
  });
});
