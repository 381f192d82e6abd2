import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { crc32, sha256 } from "../../src/federation/checksum.ts";
import { FactoryClient, RefusedError, type Learner } from "../../src/federation/client.ts";
import type { Exchange } from "../../src/federation/exchange.ts";
import { decode, encode } from "../../src/federation/message.ts";
import { Orchestrator, type RoundReport } from "../../src/federation/orchestrator.ts";
import { factories, federate, fingerprint, initial, learner } from "./learner.ts";

const bits = (parameters: Float32Array) => [...new Uint32Array(parameters.buffer, parameters.byteOffset, parameters.length)];

describe("a federation", () => {
  test.each(["lattice", "float32"] as const)("on %s gives the same bits, reports and bytes whatever the order of arrival", async (arithmetic) => {
    const calm = await federate({ arithmetic });
    await fc.assert(fc.asyncProperty(fc.scheduler(), fc.shuffledSubarray([...factories], { minLength: factories.length }), async (scheduler, members) => {
      const delayed = (handle: Exchange): Exchange => async (request, signal) => {
        await scheduler.schedule(Promise.resolve(), "request");
        const reply = await handle(request, signal);
        await scheduler.schedule(Promise.resolve(), "reply");
        return reply;
      };
      const { sha256, history } = await scheduler.waitFor(federate({ arithmetic }, delayed, members));
      expect(sha256).toBe(calm.sha256);
      expect(history).toEqual(calm.history);
    }), { numRuns: 25 });
  });

  test("gives the same bits twice, and others for another federation", async () => {
    const { sha256 } = await federate();
    expect((await federate()).sha256).toBe(sha256);
    expect((await federate({}, undefined, [...factories.slice(1), { ...factories[0], samples: 501 }])).sha256).not.toBe(sha256);
  });

  test("loads the final parameters into every client", async () => {
    const learners = new Map(factories.map(({ id, target, samples }) => [id, learner(target, samples)]));
    const orchestrator = new Orchestrator({ clients: [...learners.keys()], parameters: initial, rounds: 2, fingerprint });
    const finals = await Promise.all([...learners].map(([id, learner]) => new FactoryClient({ id, exchange: orchestrator.handle, learner, fingerprint }).run()));
    const { parameters } = await orchestrator.finished;
    for (const final of finals) expect(final).toEqual(parameters);
    for (const { parameters: own } of learners.values()) expect(own).toEqual(parameters);
  });

  test("moves towards the sample-weighted mean of its factories", async () => {
    const { parameters } = await federate({ rounds: 60 });
    const total = factories.reduce((sum, { samples }) => sum + samples, 0);
    parameters.forEach((value, p) => {
      expect(value).toBeCloseTo(factories.reduce((sum, { target, samples }) => sum + (samples / total) * target[p], 0), 5);
    });
  });

  test("weighs by samples as float64 does, to a lattice step and a float32 rounding", async () => {
    await fc.assert(fc.asyncProperty(
      fc.array(fc.record({ samples: fc.integer({ min: 1, max: 2 ** 20 }), target: fc.array(fc.double({ min: -4, max: 4, noNaN: true }), { minLength: 7, maxLength: 7 }) }), { minLength: 1, maxLength: 6 }),
      async (drawn) => {
        const members = drawn.map((member, index) => ({ id: `plant-${index}`, ...member }));
        const parameters = new Float32Array(7).fill(0.5);
        const result = await federate({ parameters, rounds: 1 }, undefined, members);
        const trained = await Promise.all(members.map(async ({ target, samples }) => {
          const local = learner(target, samples);
          local.parameters.set(parameters);
          await local.fit({ round: 1, settings: null });
          return { w: local.parameters, samples };
        }));
        const total = trained.reduce((sum, { samples }) => sum + samples, 0);
        for (let p = 0; p < 7; p++) {
          const exact = trained.reduce((sum, { w, samples }) => sum + (samples / total) * w[p], 0);
          expect(Math.abs(result.parameters[p] - exact)).toBeLessThanOrEqual(2 ** -24 + 2 ** -23 * Math.max(1, Math.abs(exact)));
        }
      }), { numRuns: 40 });
  });

  test("carries the training settings of a round to its learners", async () => {
    const seen: unknown[] = [];
    const local = learner([1], 1);
    const watching: Learner = { parameters: local.parameters, samples: 1, fit: (options) => (seen.push([options.round, options.settings]), local.fit(options)) };
    const orchestrator = new Orchestrator({ clients: ["a"], parameters: Float32Array.of(0), rounds: 3, fingerprint, training: (round) => ({ rate: 1 / round }) });
    await new FactoryClient({ id: "a", exchange: orchestrator.handle, learner: watching, fingerprint }).run();
    expect(seen).toEqual([[1, { rate: 1 }], [2, { rate: 1 / 2 }], [3, { rate: 1 / 3 }]]);
  });

  test("tells that it has stopped when its disk fails behind the last round", async () => {
    let broken = false;
    const store = { epoch: 1, snapshot: async () => {}, append: async () => { if (broken) throw new Error("EIO: sync"); }, close: async () => {} };
    const [{ id, target, samples }] = factories;
    const orchestrator = await Orchestrator.open({ clients: [id], parameters: initial, rounds: 1, fingerprint }, { store, snapshot: undefined, entries: (async function* () {})() });
    await new FactoryClient({ id, exchange: orchestrator.handle, learner: learner(target, samples), fingerprint }).run();
    await orchestrator.finished;
    broken = true;
    orchestrator.enrol([id, "east"]);
    expect((await orchestrator.stopped).message).toBe("EIO: sync");
    await expect(orchestrator.handle(encode({ kind: "pull", task: "local", fingerprint, client: id }))).rejects.toThrow("EIO: sync");
  });

  test("goes on from earlier parameters as if it had not stopped", async () => {
    const whole = await federate({ rounds: 5 });
    const { parameters } = await federate({ rounds: 2 });
    const rest = await federate({ parameters, startRound: 3, rounds: 5 });
    expect(rest.sha256).toBe(whole.sha256);
    expect(rest.history.map(({ round }) => round)).toEqual([3, 4, 5]);
  });

  test("leaves the server's step to the strategy", async () => {
    const strategy = vi.fn((global: Float32Array, mean: Float32Array) => global.map((value, p) => value + 0.5 * mean[p]));
    const { parameters } = await federate({ strategy, rounds: 1 });
    const full = await federate({ rounds: 1 });
    expect(strategy).toHaveBeenCalledTimes(1);
    parameters.forEach((value, p) => expect(value).toBeCloseTo((initial[p] + full.parameters[p]) / 2, 6));
  });
});

describe("one client alone", () => {
  const only = factories.slice(0, 1);
  const start = Float32Array.of(...initial.subarray(0, 4), -0);

  /** Local training, with the parameters passed through `snap` at the end of each round. */
  async function local(rounds: number, snap: (after: number, before: number) => number): Promise<Float32Array> {
    const alone = learner(only[0].target, only[0].samples);
    alone.parameters.set(start);
    for (let round = 1; round <= rounds; round++) {
      const before = alone.parameters.slice();
      await alone.fit({ round, settings: null });
      alone.parameters.forEach((after, p) => (alone.parameters[p] = snap(after, before[p])));
    }
    return alone.parameters;
  }

  test("in float32 equals local training bit for bit", async () => {
    const { parameters } = await federate({ arithmetic: "float32", parameters: start }, undefined, only);
    expect(bits(parameters)).toEqual(bits(await local(4, (after) => after)));
  });

  test("in float32 keeps even the sign of zero", async () => {
    const idle: Learner = { parameters: new Float32Array(2), samples: 1, fit: async () => ({ samples: 1, loss: 0, steps: 0 }) };
    const orchestrator = new Orchestrator({ clients: ["a"], parameters: Float32Array.of(-0, 0), rounds: 1, fingerprint, arithmetic: "float32" });
    expect(bits(await new FactoryClient({ id: "a", exchange: orchestrator.handle, learner: idle, fingerprint }).run())).toEqual([0x80000000, 0]);
  });

  test("on the lattice equals local training snapped to the lattice at each round's end, bit for bit", async () => {
    const snapped = (after: number, before: number) => {
      const steps = (after - before) * 2 ** 24;
      const nearest = steps - Math.floor(steps) === 0.5 ? 2 * Math.round(steps / 2) : Math.round(steps);
      return Math.fround(before + Math.fround(nearest / 2 ** 24));
    };
    const { parameters } = await federate({ parameters: start }, undefined, only);
    expect(bits(parameters)).toEqual(bits(await local(4, snapped)));
  });
});

describe("history", () => {
  test("tells samples, losses, bytes and the hash of every round, clients in order of their ids", async () => {
    const heard: { report: RoundReport; hash: string }[] = [];
    const { history, sha256: final } = await federate({
      onRound: async (report, parameters) => void heard.push({ report, hash: await sha256(parameters) }),
    }, undefined, [...factories].reverse());
    expect(history.map(({ round }) => round)).toEqual([1, 2, 3, 4]);
    expect(heard.map(({ report }) => report)).toEqual(history);
    expect(heard.map(({ hash }) => hash)).toEqual(history.map(({ sha256 }) => sha256));
    expect(history[3].sha256).toBe(final);
    for (const { samples, clients, bytes } of history) {
      expect(samples).toBe(500 + 1500 + 733);
      expect(clients.map(({ id, samples }) => [id, samples])).toEqual([["north", 500], ["south", 1500], ["west", 733]]);
      expect(bytes).toBe(clients.reduce((sum, client) => sum + client.bytes, 0));
    }
    const losses = history.map(({ clients }) => clients[0].loss);
    expect(losses[3]).not.toBe(losses[0]);
  });

  test("with a store stops when a round cannot be reported, and tells no client that the run has failed", async () => {
    const store = { epoch: 1, append: async () => {}, snapshot: async () => {}, close: async () => {} };
    const options = { clients: ["north"], parameters: initial, rounds: 3, fingerprint, onRound: () => Promise.reject(new Error("no space left")) };
    const orchestrator = await Orchestrator.open(options, { store, snapshot: undefined, entries: (async function* () {})() });
    const { id, target, samples } = factories[0];
    const run = new FactoryClient({ id, exchange: orchestrator.handle, learner: learner(target, samples), fingerprint }).run();
    await expect(run).rejects.toThrow("no space left");
    await expect(run).rejects.not.toBeInstanceOf(RefusedError);
    await expect(orchestrator.finished).rejects.toThrow("no space left");
  });

  test("keeps as many reports as it is told to, the newest", async () => {
    const { history } = await federate({ keepReports: 1 });
    expect(history.map(({ round }) => round)).toEqual([4]);
    await expect(federate({ keepReports: -1 })).rejects.toThrow(/"keepReports" expected integer from 0 to 4, got -1/);
  });

  test("gives its figures again when an orchestrator that was replaced did not know the round", async () => {
    const [{ id, target, samples }] = factories;
    const orchestrator = new Orchestrator({ clients: [id], parameters: initial, rounds: 1, fingerprint });
    let refused = 0;
    const misled: Exchange = async (request, signal) => {
      if (decode(request).kind !== "gather" || refused++ > 0) return orchestrator.handle(request, signal);
      return encode({ kind: "refused", task: "local", fingerprint, code: "round", reason: "0 is the last that closed" });
    };
    const clock = { nowMs: () => 0, after: (_: number, callback: () => void) => (queueMicrotask(callback), () => {}) };
    await new FactoryClient({ id, exchange: misled, learner: learner(target, samples), fingerprint, retry: { clock, random: () => 0 } }).run();
    const { history } = await orchestrator.finished;
    expect(history[0].clients[0].evaluation.length).toBeGreaterThan(0);
    expect(refused).toBe(2);
  });

  test("counts the bytes that went over the exchange: a pull, a model, an update, an evaluation and their answers", async () => {
    let counted = 0;
    const metered = (handle: Exchange): Exchange => async (request, signal) => {
      const reply = await handle(request, signal);
      if (!["welcome", "done"].includes(decode(reply).kind)) counted += request.length + reply.length;
      return reply;
    };
    const { history } = await federate({}, metered);
    expect(history.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(counted);
  });

  test("has each client's figures of the round's new parameters", async () => {
    const { history, parameters } = await federate();
    for (const [index, { target, samples }] of factories.entries()) {
      const judge = learner(target, samples);
      judge.parameters.set(parameters);
      expect(history[3].clients[index].evaluation).toEqual(await judge.evaluate!());
    }
  });
});

describe("a gather", () => {
  const clients = (orchestrator: Orchestrator) => factories.map(({ id, target, samples }) =>
    new FactoryClient({ id, exchange: orchestrator.handle, learner: learner(target, samples), fingerprint }));
  const options = { clients: factories.map(({ id }) => id), parameters: initial, rounds: 1, fingerprint };

  test("sums the contributions in the order of ids, whoever comes first", async () => {
    const values = new Map([["north", 0.1], ["south", 1e16], ["west", -1e16]]);
    await fc.assert(fc.asyncProperty(fc.shuffledSubarray([0, 1, 2], { minLength: 3 }), async (order) => {
      const members = clients(new Orchestrator(options));
      const merged = await Promise.all(order.map((index) => members[index].gather("moments", Float64Array.of(values.get(members[index].id)!, 1))));
      for (const numbers of merged) expect(numbers).toEqual(Float64Array.of(0.1 + 1e16 - 1e16, 3));
    }));
  });

  test("leaves out clients with nothing to say", async () => {
    const [north, south, west] = clients(new Orchestrator(options));
    const none = new Float64Array(0);
    const merged = await Promise.all([north.gather("t", none), south.gather("t", Float64Array.of(2)), west.gather("t", Float64Array.of(3))]);
    expect(merged[0]).toEqual(Float64Array.of(5));
  });

  test("is merged as the caller says, and answered again to a retry", async () => {
    const merge = vi.fn((_: string, contributions: ReadonlyMap<string, Float64Array>) => Float64Array.from(contributions.values(), (numbers) => numbers[0]));
    const [north, south, west] = clients(new Orchestrator({ ...options, merge }));
    const late = Promise.all([west.gather("first", Float64Array.of(3)), west.gather("first", Float64Array.of(3)), south.gather("first", Float64Array.of(2))]);
    expect(await north.gather("first", Float64Array.of(1))).toEqual(Float64Array.of(1, 2, 3));
    expect((await late)[1]).toEqual(Float64Array.of(1, 2, 3));
    expect(await north.gather("first", Float64Array.of(1))).toEqual(Float64Array.of(1, 2, 3));
    expect(merge).toHaveBeenCalledTimes(1);
    await expect(north.gather("first", Float64Array.of(9))).rejects.toThrow(/another contribution/);
  });

  test("that cannot be merged ends the run with the reason, for everyone", async () => {
    const orchestrator = new Orchestrator(options);
    const [north, south, west] = clients(orchestrator);
    const all = await Promise.allSettled([north.gather("t", Float64Array.of(1)), south.gather("t", Float64Array.of(1, 2)), west.gather("t", Float64Array.of(1))]);
    for (const each of all) expect(String((each as PromiseRejectedResult).reason)).toMatch(/"t": client "south" expected 1 numbers as client "north", got 2/);
    await expect(orchestrator.finished).rejects.toThrow(RangeError);
    await expect(north.run()).rejects.toThrow(/client "north": join refused: "t"/);
  });

  test("refuses values that are not finite", async () => {
    const [north] = clients(new Orchestrator(options));
    await expect(north.gather("t", Float64Array.of(1, NaN, Infinity))).rejects.toThrow(/2 of 3 numbers for "t" are not finite/);
  });
});

describe("an orchestrator refuses", () => {
  const task = "local";
  /** Of `initial`. */
  const model = "0e6ffa6617155fd7b190fee0c503764ae45071d7fd71c40aca5e59959d92b3d0";
  const good = { kind: "update", task, fingerprint, client: "north", round: 1, attempt: 1, model, samples: 500, loss: 1, numbers: Int32Array.of(1, 2, 3, 4, 5) } as const;
  const ofVersion1 = encode(good);
  ofVersion1[4] = 1;
  new DataView(ofVersion1.buffer).setUint32(ofVersion1.length - 4, crc32(ofVersion1.subarray(0, -4)), true);
  const bad: [string, string, Uint8Array][] = [
    ["wrong length", "length", encode({ ...good, numbers: Int32Array.of(1, 2, 3, 4) })],
    ["greater length", "length", encode({ ...good, numbers: Int32Array.of(1, 2, 3, 4, 5, 6) })],
    ["absurd length", "length", encode({ ...good, numbers: new Int32Array(200_000) })],
    ["another version", "version", ofVersion1],
    ["another fingerprint", "fingerprint", encode({ ...good, fingerprint: "00000000" })],
    ["a future round", "round", encode({ ...good, round: 99 })],
    ["a round before the first", "round", encode({ ...good, round: 0 })],
    ["an attempt that has not been", "round", encode({ ...good, attempt: 2 })],
    ["another model", "model", encode({ ...good, model: "0".repeat(64) })],
    ["another federation", "task", encode({ ...good, task: "press" })],
    ["a sum, from one who is no aggregator", "client", encode({ ...good, members: [{ id: "north", samples: 500, loss: 1 }], numbers: BigInt64Array.of(1n, 2n, 3n, 4n, 5n) })],
    ["an unknown client", "client", encode({ ...good, client: "east" })],
    ["a client named like a method", "client", encode({ ...good, client: "constructor" })],
    ["a value beyond the lattice", "values", encode({ ...good, numbers: Int32Array.of(1, 2, 3, 4, -(2 ** 31)) })],
    ["float32 parameters", "arithmetic", encode({ ...good, numbers: Float32Array.of(1, 2, 3, 4, 5) })],
    ["no samples", "samples", encode({ ...good, samples: 0 })],
    ["negative samples", "samples", encode({ ...good, samples: -5 })],
    ["half a sample", "samples", encode({ ...good, samples: 2.5 })],
    ["more samples than the cap", "samples", encode({ ...good, samples: 2 ** 20 + 1 })],
    ["a reply in place of a request", "frame", encode({ kind: "accepted", task, fingerprint, round: 1 })],
    ["a truncated frame", "frame", encode(good).subarray(0, 60)],
    ["an empty request", "frame", new Uint8Array(0)],
    ["figures of a round not closed", "round", encode({ kind: "gather", task, fingerprint, client: "north", topic: "evaluation", round: 99, numbers: new Float64Array(1) })],
  ];

  test.each(bad)("an update with %s", async (_, code, frame) => {
    const orchestrator = new Orchestrator({ clients: factories.map(({ id }) => id), parameters: initial, rounds: 1, fingerprint });
    const reply = decode(await orchestrator.handle(frame));
    expect(reply).toMatchObject({ kind: "refused", code, fingerprint });
  });

  test("all that without harm to those who take part", async () => {
    const calm = await federate();
    const abused = (handle: Exchange): Exchange => async (request, signal) => {
      for (const [, , frame] of bad) expect(decode(await handle(frame)).kind).toBe("refused");
      return handle(request, signal);
    };
    const { sha256, history } = await federate({}, abused);
    expect(sha256).toBe(calm.sha256);
    expect(history).toEqual(calm.history);
  });

  test("what is beyond its own bounds on change and samples", async () => {
    const orchestrator = new Orchestrator({ clients: ["north"], parameters: initial, rounds: 1, fingerprint, limits: { change: 2 ** -22, samples: 500 } });
    const answer = async (message: typeof good) => decode(await orchestrator.handle(encode(message)));
    expect(await answer({ ...good, samples: 501 as typeof good.samples })).toMatchObject({ code: "samples" });
    expect(await answer(good)).toMatchObject({ code: "values", reason: expect.stringContaining("1 of 5 numbers") });
    expect(await answer({ ...good, numbers: Int32Array.of(1, 2, 3, 4, -4) as typeof good.numbers })).toMatchObject({ kind: "accepted" });
  });

  test("in float32, parameters that are not finite", async () => {
    const orchestrator = new Orchestrator({ clients: ["north"], parameters: initial, rounds: 1, fingerprint, arithmetic: "float32" });
    const reply = await orchestrator.handle(encode({ ...good, numbers: Float32Array.of(1, NaN, Infinity, 1, 1) }));
    expect(decode(reply)).toMatchObject({ code: "values", reason: expect.stringContaining("2 of 5") });
  });

  test("a second update, but acknowledges the same one again, also when its round is over", async () => {
    const calm = await federate();
    const codes: string[] = [];
    let last: Uint8Array | undefined;
    const insisting = (handle: Exchange, id: string): Exchange => async (request, signal) => {
      const message = decode(request);
      if (id !== "west") return handle(request, signal);
      if (message.kind === "pull" && last) expect(decode(await handle(last)).kind).toBe("accepted"); // the round may be over by now
      if (message.kind !== "update") return handle(request, signal);
      last = request;
      const [first, retry] = await Promise.all([handle(request, signal), handle(request)]);
      expect(retry).toEqual(first);
      const other = decode(await handle(encode({ ...message, samples: message.samples + 1 })));
      if (other.kind === "refused") codes.push(other.code);
      return first;
    };
    const { sha256 } = await federate({}, insisting);
    expect(sha256).toBe(calm.sha256);
    expect(codes).toHaveLength(4);
    for (const code of codes) expect(["duplicate", "late"]).toContain(code);
  });
});

describe("a client", () => {
  const orchestrator = () => new Orchestrator({ clients: ["north", "south"], parameters: initial, rounds: 1, fingerprint });
  const exchange = () => orchestrator().handle;
  const north = { id: "north", fingerprint, learner: learner(factories[0].target, 500) };

  test("has samples, load, train and evaluate", async () => {
    const client = new FactoryClient({ ...north, exchange: exchange() });
    expect(client.samples).toBe(500);
    client.load(initial);
    const before = await client.evaluate();
    expect(await client.train({ round: 1, settings: null })).toMatchObject({ samples: 500, steps: 3 });
    expect((await client.evaluate())[1]).toBeLessThan(before[1]);
    expect(() => client.load(new Float32Array(4))).toThrow(/client "north": expected 5 parameters, got 4/);
    expect(() => client.load(Float32Array.of(1, 2, NaN, 4, 5))).toThrow(/finite/);
  });

  test("says who refused what, and why", async () => {
    const east = new FactoryClient({ ...north, id: "east", exchange: exchange() });
    await expect(east.run()).rejects.toThrow(RefusedError);
    await expect(east.run()).rejects.toThrow(`client "east": join refused: client "east" is not in this federation`);
    await expect(new FactoryClient({ ...north, fingerprint: "00000000", exchange: exchange() }).run()).rejects.toMatchObject({ code: "fingerprint" });
  });

  test("takes no part in a federation that trains with another build of the kernels", async () => {
    const relaxed = new FactoryClient({ ...north, build: "relaxed", exchange: exchange() });
    await expect(relaxed.run()).rejects.toMatchObject({
      code: "build",
      message: 'client "north": join refused: this federation trains with the simd build of the kernels, client "north" with the relaxed build; use the same build everywhere',
    });
    expect(() => new FactoryClient({ ...north, build: "fast" as "simd", exchange: exchange() })).toThrow('"build" expected simd or relaxed, got "fast"');
  });

  test("does not start with a learner of another size", async () => {
    await expect(new FactoryClient({ ...north, learner: learner([1, 2], 10), exchange: exchange() }).run())
      .rejects.toThrow(/the federation's model has 5 parameters, the learner 2/);
  });

  test.each([
    ["its loss is NaN", NaN, 0, /round 1: training diverged: loss is NaN/],
    ["a parameter is NaN", 1, NaN, /round 1: training diverged: 1 of 5 parameters/],
    ["a parameter moved beyond the lattice", 1, 129, /round 1: training diverged: 1 of 5 parameters/],
  ])("does not send an update when %s", async (_, loss, value, message) => {
    const parameters = new Float32Array(5);
    const bad: Learner = {
      parameters, samples: 1,
      async fit() {
        parameters[2] = value;
        return { samples: 1, loss, steps: 1 };
      },
    };
    await expect(new FactoryClient({ ...north, learner: bad, exchange: exchange() }).run()).rejects.toThrow(message);
  });

  test("passes on what its learner throws", async () => {
    const failing: Learner = { ...north.learner, fit: () => Promise.reject(new Error("the disk is on fire")) };
    await expect(new FactoryClient({ ...north, learner: failing, exchange: exchange() }).run()).rejects.toThrow("the disk is on fire");
  });

  test("stops waiting when it is told to, and may come back", async () => {
    const { handle, finished } = orchestrator();
    const controller = new AbortController();
    const leaving = new FactoryClient({ ...north, exchange: handle }).run(controller.signal);
    setTimeout(() => controller.abort(new Error("shift is over")), 20); // by then its update is in and it waits for the end
    await expect(leaving).rejects.toThrow("shift is over");
    const again = new FactoryClient({ ...north, exchange: handle }).run();
    await new FactoryClient({ ...north, id: "south", exchange: handle }).run();
    expect(await again).toEqual((await finished).parameters);
  });

  test("recognises an orchestrator that answers out of turn or out of its mind", async () => {
    const answering = (reply: Uint8Array) => new FactoryClient({ ...north, exchange: async () => reply }).run();
    await expect(answering(encode({ kind: "accepted", task: "local", fingerprint, round: 1 }))).rejects.toThrow(/answered "accepted" while joining/);
    await expect(answering(encode({ kind: "accepted", task: "local", fingerprint: "00000000", round: 1 }))).rejects.toThrow(/about model 00000000/);
    await expect(answering(encode({ kind: "join", task: "local", fingerprint, client: "north", build: "simd" }))).rejects.toThrow(/with a request/);
    await expect(answering(new Uint8Array(30))).rejects.toThrow(RangeError);
  });
});

describe("a run that fails at the orchestrator", () => {
  test.each([
    ["its listener throws", { onRound: () => { throw new Error("no space left"); } }],
    ["its settings cannot be made", { training: () => { throw new Error("no space left"); } }],
    ["its strategy throws", { strategy: () => { throw new Error("no space left"); } }],
  ])("because %s tells everyone who still takes part", async (_, options) => {
    const orchestrator = new Orchestrator({ clients: factories.map(({ id }) => id), parameters: initial, rounds: 3, fingerprint, ...options });
    const runs = factories.map(({ id, target, samples }) =>
      new FactoryClient({ id, exchange: orchestrator.handle, learner: learner(target, samples), fingerprint }).run());
    await expect(orchestrator.finished).rejects.toThrow("no space left");
    for (const run of await Promise.allSettled(runs)) expect(run).toMatchObject({ status: "rejected", reason: { code: "failed" } });
  });

  test("because its strategy gives parameters that are not finite", async () => {
    const orchestrator = new Orchestrator({ clients: ["a"], parameters: Float32Array.of(1), rounds: 1, fingerprint, strategy: () => Float32Array.of(NaN) });
    await expect(new FactoryClient({ id: "a", exchange: orchestrator.handle, learner: learner([1], 1), fingerprint }).run()).rejects.toThrow(/1 finite numbers/);
  });
});

test.each([
  ["no client", { clients: [] }, /"clients" expected 1 to 4096/],
  ["a client twice", { clients: ["a", "a"] }, /distinct/],
  ["an id that is a path", { clients: ["../a"] }, /client id expected/],
  ["more samples than an int64 sum can hold", { limits: { samples: 2 ** 31 - 1 }, clients: ["a", "b", "c"] }, /"clients" expected 1 to 2 with/],
  ["no round", { rounds: 0 }, /"rounds" expected integer from 1/],
  ["a start after the end", { startRound: 9 }, /"startRound" expected integer from 1 to 3/],
  ["parameters that are not finite", { parameters: Float32Array.of(NaN) }, /finite/],
  ["no parameters", { parameters: new Float32Array(0) }, /at least one/],
  ["a name in place of a hash", { fingerprint: "my model" }, /"fingerprint" expected 8 to 128 hexadecimal digits/],
  ["a strategy for float32", { arithmetic: "float32" as const, strategy: (w: Float32Array) => w }, /"strategy" works on the lattice/],
  ["a build that there is not", { build: "fast" as "simd" }, /"build" expected simd or relaxed, got "fast"/],
  ["a bound beyond the lattice", { limits: { change: 129 } }, /"limits.change"/],
])("an orchestrator is not made with %s", (_, options, message) => {
  expect(() => new Orchestrator({ clients: ["a"], parameters: initial, rounds: 3, fingerprint, ...options })).toThrow(message);
});
