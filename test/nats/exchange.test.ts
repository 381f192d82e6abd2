import { headers, type NatsConnection } from "@nats-io/nats-core";
import { Objm } from "@nats-io/obj";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Unanswered } from "../../src/federation/exchange.ts";
import { natsExchange, serveNats, type Announcement, type NatsExchangeOptions, type ServeNatsOptions } from "../../src/nats.ts";
import { random } from "../../src/kernels/random.ts";
import { Broker, natsVersion, pause } from "./server.ts";

/** Bytes that differ from seed to seed and are no repetition. */
function frameOf(length: number, seed: number): Uint8Array {
  const frame = new Uint8Array(length);
  let state = (seed * 2654435761 + 1) >>> 0;
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    frame[at] = state >>> 24;
  }
  return frame;
}

/** What an orchestrator that echoes has handled, by first byte. */
function echo() {
  const handled = new Map<number, number>();
  const handle = async (frame: Uint8Array) => {
    handled.set(frame[0], (handled.get(frame[0]) ?? 0) + 1);
    return frame.slice().reverse();
  };
  return { handled, handle };
}

/** A connection that loses what its filter says, on the way out. */
function lossy(connection: NatsConnection, loses: (subject: string) => boolean): NatsConnection {
  return new Proxy(connection, {
    get(target, key) {
      if (key === "publish") return (subject: string, ...rest: never[]) => void (loses(subject) || target.publish(subject, ...rest));
      const value = Reflect.get(target, key);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

describe.skipIf(!natsVersion)(`exchange over NATS ${natsVersion}`, () => {
  let broker: Broker;
  beforeEach(async () => void (broker = await Broker.start()));
  afterEach(() => broker.stop());

  const client = async (options: Partial<NatsExchangeOptions> = {}, url = broker.url) => natsExchange(await broker.connect(url), { task: "mill.1", client: "plant_3", ...options });
  const serve = async (handle: Parameters<typeof serveNats>[1], options: Partial<ServeNatsOptions> = {}) => serveNats(await broker.connect(), handle, { task: "mill.1", ...options });
  /** Chunk messages and names in the bucket of bodies. */
  const bucket = async () => new Objm(await broker.connect()).open("millwright-mill_-1");

  test.each([0, 1, 64 * 1024, 64 * 1024 + 1, 512 * 1024, 512 * 1024 + 1, 2 * 2 ** 20])("a frame of %i bytes comes back", async (length) => {
    const { handle, handled } = echo();
    await serve(handle);
    const frame = frameOf(length, 1);
    expect(Buffer.compare(await (await client())(frame), frame.slice().reverse())).toBe(0);
    expect([...handled.values()]).toEqual([1]);
  });

  test("the handler hears whose subject it was", async () => {
    await serve(async (_, __, client) => new TextEncoder().encode(client));
    expect(new TextDecoder().decode(await (await client({ client: "a.b_c-d" }))(new Uint8Array(1)))).toBe("a.b_c-d");
  });

  test.skipIf(typeof WebSocket === "undefined")("over WebSocket, large frames too", async () => {
    await serve(echo().handle);
    const exchange = await client({}, broker.websocketUrl);
    for (const length of [10, 2 * 2 ** 20]) expect(Buffer.compare(await exchange(frameOf(length, 1)), frameOf(length, 1).reverse())).toBe(0);
  });

  test("a model sealed for each of 20 clients is one object", async () => {
    const model = frameOf(700_000, 5);
    await serve(async (frame) => {
      const sealed = model.slice();
      sealed.set(frame, 20);
      sealed.set(frame, sealed.length - 60);
      return sealed;
    });
    const exchanges = await Promise.all(Array.from({ length: 20 }, (_, index) => client({ client: `plant-${index}` })));
    const replies = await Promise.all(exchanges.map((exchange, index) => exchange(Uint8Array.of(index))));
    replies.forEach((reply, index) => {
      expect([reply.length, reply[20], reply[reply.length - 60]]).toEqual([model.length, index, index]);
      expect(Buffer.compare(reply.subarray(21, -60), model.subarray(21, -60))).toBe(0);
    });
    expect((await (await bucket()).list()).length).toBe(1);
  });

  test("bodies of requests are not stored at the broker", async () => {
    const stored: number[] = [];
    await serve(async () => {
      stored.push((await (await bucket()).status()).size);
      return new Uint8Array(1);
    });
    await (await client())(frameOf(700_000, 1));
    expect(stored).toEqual([0]);
  });

  test("kill -9 of the broker in the middle of 40 requests, two of them 2 MB: all are answered, each is handled once", async () => {
    const { handled, handle } = echo();
    await serve(async (frame) => {
      await pause(5 * frame[0]);
      return handle(frame);
    });
    const exchange = await client();
    const frames = Array.from({ length: 40 }, (_, index) => {
      const frame = frameOf(index % 20 === 7 ? 2 * 2 ** 20 : 2_000, index);
      frame[0] = index;
      return frame;
    });
    const replies = Promise.all(frames.map(async (frame, index) => {
      await pause(10 * index);
      return exchange(frame);
    }));
    await pause(150);
    await broker.kill();
    await pause(200);
    await broker.run();
    (await replies).forEach((reply, index) => expect(Buffer.compare(reply, frames[index].slice().reverse())).toBe(0));
    expect([...handled.values()]).toEqual(Array(40).fill(1));
  });

  test("the broker's store is deleted while a request waits, and while bodies are on their way: asked again and answered", async () => {
    const { handled, handle } = echo();
    let release: (() => void) | undefined;
    await serve(async (frame) => {
      if (frame[0] === 0) await new Promise<void>((resolve) => (release = resolve));
      return handle(frame);
    });
    const exchange = await client();
    const frames = [0, 1, 2].map((index) => {
      const frame = frameOf(2 * 2 ** 20, index);
      frame[0] = index;
      return frame;
    });
    const first = exchange(frames[0]);
    while (!release) await pause(20); // its body has come: the request waits
    const second = exchange(frames[1]);
    await broker.kill();
    broker.deleteStore();
    await broker.run();
    const third = exchange(frames[2]);
    release!();
    const replies = await Promise.all([first, second, third]);
    replies.forEach((reply, index) => expect(Buffer.compare(reply, frames[index].slice().reverse())).toBe(0));
    expect([...handled.keys()].sort()).toEqual([0, 1, 2]);
  });

  test("a changed chunk is found: the reply's body is put again", async () => {
    await serve(async () => frameOf(700_000, 9));
    const exchange = await client();
    await exchange(new Uint8Array(1));
    const bodies = await bucket();
    const [{ nuid }] = await bodies.list();
    const connection = await broker.connect();
    const { jetstreamManager, jetstream } = await import("@nats-io/jetstream");
    const manager = await jetstreamManager(connection);
    const subject = `$O.millwright-mill_-1.C.${nuid}`;
    const whole = frameOf(700_000, 9).slice(512, -512);
    whole[300_000] ^= 1;
    await manager.streams.purge("OBJ_millwright-mill_-1", { filter: subject });
    for (const from of [0, 512 * 1024]) await jetstream(connection).publish(subject, whole.subarray(from, from + 512 * 1024));
    await expect(bodies.getBlob((await bodies.list())[0].name)).rejects.toThrow(/digest/);
    await pause(1_100); // what was put within a second is not put again
    expect(Buffer.compare(await exchange(new Uint8Array(1)), frameOf(700_000, 9))).toBe(0);
  });

  test("with 30 % of the messages lost, both ways, each request is handled once and answered", async () => {
    const { handled, handle } = echo();
    const draw = random("lost messages");
    const loses = (subject: string) => /\.ask$|^_INBOX/.test(subject) && draw.uniform() < 0.3;
    await serveNats(lossy(await broker.connect(), loses), handle, { task: "t" });
    const exchange = natsExchange(lossy(await broker.connect(), loses), { task: "t", client: "c" });
    const replies = await Promise.all(Array.from({ length: 60 }, (_, index) => exchange(Uint8Array.of(index, 1))));
    expect(replies.map((reply) => [...reply])).toEqual(Array.from({ length: 60 }, (_, index) => [1, index]));
    expect([...handled.values()]).toEqual(Array(60).fill(1));
  });

  test("a client that asks for more than its share and sends nothing does not keep another's large request out", async () => {
    await serve(echo().handle, { concurrency: 2 });
    const connection = await broker.connect();
    for (let index = 0; index < 20; index++) {
      const labels = headers();
      labels.set("Millwright-Says", "ask");
      labels.set("Nats-Msg-Id", `greedy${index}xx`);
      labels.set("Millwright-Follows", "1000000");
      connection.publish("millwright.mill_-1.greedy.ask", new Uint8Array(1024), { headers: labels, reply: "_INBOX.greedy" });
    }
    await connection.flush();
    const frame = frameOf(700_000, 3);
    expect(Buffer.compare(await (await client())(frame), frame.slice().reverse())).toBe(0);
  });

  test("nothing to say in time: Unanswered, and the handler's signal has aborted", async () => {
    let aborted: AbortSignal | undefined;
    await serve((_, signal) => new Promise(() => (aborted = signal)), { pollMs: 100 });
    await expect((await client({ parkMs: 0 }))(new Uint8Array(1))).rejects.toBeInstanceOf(Unanswered);
    expect(aborted?.aborted).toBe(true);
  });

  test("an announcement ends the wait after that", async () => {
    const server = await serve(() => new Promise(() => {}), { pollMs: 50 });
    const heard: Announcement[] = [];
    const exchange = await client({ parkMs: 3_600_000, onAnnouncement: (announcement) => heard.push(announcement) });
    const asked = exchange(new Uint8Array(1));
    const caught = asked.catch((error) => error);
    await pause(400);
    expect(await server.announce({ kind: "opened", round: 3 })).toBe(true);
    expect(await caught).toBeInstanceOf(Unanswered);
    expect(heard).toEqual([{ kind: "opened", round: 3 }]);
  });

  test("an orchestrator that is replaced: what it had not answered is asked of the next one at once", async () => {
    const first = await serve(() => new Promise(() => {}));
    const exchange = await client({ patienceMs: 3_600_000 });
    const asked = exchange(Uint8Array.of(1, 2));
    await pause(200);
    await first.close();
    await pause(100);
    await serve(echo().handle);
    expect([...(await asked)]).toEqual([2, 1]);
  });

  test("a handler that fails, an orchestrator that is not there, a signal and a closed connection reject with the reason", async () => {
    await expect((await client({ patienceMs: 700 }))(new Uint8Array(1))).rejects.toThrow(/no answer from an orchestrator of "mill.1"/);
    await serve(async () => { throw new RangeError("disk is full"); });
    await expect((await client())(new Uint8Array(1))).rejects.toThrow(/could not handle the request: disk is full/);
    const waiting = (await client({ task: "other" }))(new Uint8Array(1), AbortSignal.timeout(50));
    await expect(waiting).rejects.toThrow(/timeout/);
    const connection = await broker.connect();
    const left = natsExchange(connection, { task: "other", client: "c" })(new Uint8Array(1));
    await connection.close();
    await expect(left).rejects.toThrow(/connection to the broker was closed/);
  });

  test("messages that make no sense are logged and change nothing; a request beyond the limit is refused", async () => {
    const lines: string[] = [];
    const { handle, handled } = echo();
    await serve(handle, { log: (line) => lines.push(line), maxBytes: 2_000_000 });
    const connection = await broker.connect();
    const odd = headers();
    odd.set("Millwright-Says", "ask");
    odd.set("Nats-Msg-Id", "../../x");
    connection.publish("millwright.mill_-1.plant.ask", new Uint8Array(3), { headers: odd, reply: "inbox" });
    connection.publish("millwright.mill_-1.plant_x.ask", new Uint8Array(3), { reply: "inbox" });
    connection.publish("millwright.mill_-1.plant.ask");
    await expect((await client())(frameOf(2 * 2 ** 20, 1))).rejects.toThrow(/longer than the orchestrator takes/);
    await (await client())(Uint8Array.of(7));
    expect([...handled]).toEqual([[7, 1]]);
    expect(lines.filter((line) => /is no request/.test(line)).length).toBe(3);
  });
});

test("names of tasks and clients are checked before they become subjects", () => {
  const connection = {} as NatsConnection;
  for (const client of ["", "a b", "a>", "*", "ä"]) {
    expect(() => natsExchange(connection, { task: "t", client: client === "*" ? "**" : client })).toThrow(/"client" expected 1 to 64/);
  }
  expect(() => natsExchange(connection, { task: "t.*", client: "c" })).toThrow(/"task" expected/);
});
