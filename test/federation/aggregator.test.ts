import { describe, expect, test } from "vitest";
import { Aggregator } from "../../src/federation/aggregator.ts";
import { systemClock } from "../../src/federation/clock.ts";
import { FactoryClient } from "../../src/federation/client.ts";
import type { Exchange } from "../../src/federation/exchange.ts";
import { decode, encode } from "../../src/federation/message.ts";
import { Orchestrator, type OrchestratorOptions } from "../../src/federation/orchestrator.ts";
import { federate, fingerprint, initial, learner, type Factory } from "./learner.ts";

const lines: readonly Factory[] = Array.from({ length: 7 }, (_, k) => ({ id: `line-${k}`, target: initial.length === 5 ? [0.1 * k, -0.7 + 0.2 * k, 0.3, 1 / (k + 2), 0.9 - k] : [], samples: 100 + 37 * k }));
const plants = { "plant-1": lines.slice(0, 3), "plant-2": lines.slice(3, 6) };

function twoLevels(options: Partial<OrchestratorOptions> = {}, deadlineMs = 60_000, through: (exchange: Exchange) => Exchange = (exchange) => exchange) {
  const orchestrator = new Orchestrator({ clients: lines.map(({ id }) => id), aggregators: Object.keys(plants), parameters: initial, rounds: 4, fingerprint, ...options });
  const counted: Record<string, number> = {};
  const counting: Exchange = (request, signal) => {
    const { kind } = decode(request);
    counted[kind] = (counted[kind] ?? 0) + 1;
    return orchestrator.handle(request, signal);
  };
  const aggregators = Object.entries(plants).map(([id, members]) =>
    new Aggregator({ id, members: members.map((line) => line.id), exchange: through(counting), parameters: initial.length, deadlineMs, clock: systemClock, retry: { clock: systemClock, random: () => 0.5, firstMs: 1 } }));
  const exchangeOf = (id: string): Exchange => Object.values(plants).map((members, at) => (members.some((line) => line.id === id) ? aggregators[at].handle : undefined)).find(Boolean) ?? counting;
  const run = ({ id, target, samples }: Factory) => new FactoryClient({ id, exchange: exchangeOf(id), learner: learner(target, samples), fingerprint }).run();
  return { orchestrator, run, counted, aggregators };
}

describe("a federation of two levels", () => {
  test("gives the bits of the flat one, with one update from each plant", async () => {
    const flat = await federate({}, undefined, lines);
    const { orchestrator, run, counted } = twoLevels();
    await Promise.all(lines.map(run));
    const { sha256, history } = await orchestrator.finished;
    expect(sha256).toBe(flat.sha256);
    expect(history.map((report) => report.clients.map(({ id, samples, loss, evaluation }) => ({ id, samples, loss, evaluation }))))
      .toEqual(flat.history.map((report) => report.clients.map(({ id, samples, loss, evaluation }) => ({ id, samples, loss, evaluation }))));
    expect(counted.update).toBe(4 * (2 + 1)); // two sums, and the line that stands alone
  });

  test("sends at the deadline what is there, and the rest behind it", async () => {
    const flat = await federate({}, undefined, lines);
    const { orchestrator, run, counted } = twoLevels({}, 1);
    await Promise.all(lines.map((line, at) => new Promise((resolve) => setTimeout(resolve, 5 * at)).then(() => run(line))));
    expect((await orchestrator.finished).sha256).toBe(flat.sha256);
    expect(counted.update).toBeGreaterThan(4 * 3);
  });

  test("counts nothing twice when sums are lost, and when an aggregator is started again with other members there", async () => {
    const flat = await federate({}, undefined, lines);
    let sent = 0;
    const losing = (exchange: Exchange): Exchange => async (request, signal) => {
      const reply = await exchange(request, signal);
      if (decode(request).kind === "update" && sent++ % 2 === 0) throw new Error("the line is dead"); // it has arrived, and nobody is told
      return reply;
    };
    const { orchestrator, run } = twoLevels({}, 60_000, losing);
    await Promise.all(lines.map(run));
    expect((await orchestrator.finished).sha256).toBe(flat.sha256);
  });

  test("tells a gateway that was not listening when the sum was taken, without another sum", async () => {
    const clock = { now: 0, timers: [] as (() => void)[], nowMs: () => 0, after: (_: number, callback: () => void) => { clock.timers.push(callback); return () => {}; } };
    const sums: ((reply: Uint8Array) => void)[] = [];
    const aggregator = new Aggregator({ id: "plant-0", members: ["line-0", "line-1"], parameters: 5, deadlineMs: 1000, clock, exchange: () => new Promise((resolve) => sums.push(resolve)) });
    const named = { task: "local", fingerprint, round: 1 } as const;
    const frame = encode({ kind: "update", ...named, client: "line-0", attempt: 1, model: "0".repeat(64), samples: 5, loss: 1, numbers: new Int32Array(5) });
    const [first, second] = [new AbortController(), new AbortController()];
    const kindOf = (reply: Promise<Uint8Array>) => reply.then((bytes) => decode(bytes).kind, () => "nobody listens");
    const unheard = kindOf(aggregator.handle(frame, first.signal));
    clock.timers.forEach((wake) => wake());
    first.abort();
    const alsoUnheard = kindOf(aggregator.handle(frame, second.signal)); // joins the sum on its way
    second.abort();
    await Promise.resolve();
    sums[0](encode({ kind: "accepted", ...named }));
    expect([await unheard, await alsoUnheard]).toEqual(["nobody listens", "nobody listens"]);
    await new Promise((resolve) => setTimeout(resolve));
    expect(await kindOf(aggregator.handle(frame))).toBe("accepted");
    expect(sums).toHaveLength(1);
    expect(clock.timers).toHaveLength(1);
  });

  test("does not add updates of two rounds that begin with the same model", async () => {
    const sums: { round: number; members: string[] }[] = [];
    const exchange: Exchange = async (request) => {
      const sum = decode(request);
      if (sum.kind === "update") sums.push({ round: sum.round, members: sum.members!.map(({ id }) => id) });
      return encode({ kind: "accepted", task: "local", fingerprint, round: 1 });
    };
    const timers: (() => void)[] = [];
    const clock = { nowMs: () => 0, after: (_: number, callback: () => void) => { timers.push(callback); return () => {}; } };
    const aggregator = new Aggregator({ id: "plant-0", members: ["line-0", "line-1"], parameters: 5, deadlineMs: 1000, clock, exchange });
    const send = (client: string, round: number) =>
      aggregator.handle(encode({ kind: "update", task: "local", fingerprint, round, client, attempt: 1, model: "0".repeat(64), samples: 5, loss: 1, numbers: new Int32Array(5) }));
    const replies = [send("line-0", 2), send("line-1", 3)];
    timers.forEach((wake) => wake());
    await Promise.all(replies);
    expect(sums).toEqual([{ round: 2, members: ["line-0"] }, { round: 3, members: ["line-1"] }]);
  });

  test("refuses who is no member, and what is no update of this model", async () => {
    const { aggregators: [plant] } = twoLevels();
    const good = { kind: "update", task: "local", fingerprint, client: "line-0", round: 1, attempt: 1, model: "0".repeat(64), samples: 5, loss: 1, numbers: new Int32Array(5) } as const;
    const codeOf = async (frame: Uint8Array, sender?: string) => (decode(await plant.handle(frame, undefined, sender)) as { code?: string }).code;
    expect(await codeOf(encode({ ...good, client: "line-6" }))).toBe("client");
    expect(await codeOf(encode(good), "line-1")).toBe("client");
    expect(await codeOf(encode({ ...good, numbers: new Int32Array(4) }))).toBe("length");
    expect(await codeOf(encode({ ...good, numbers: new Float32Array(5) }))).toBe("arithmetic");
    expect(await codeOf(encode({ ...good, samples: 0.5 }))).toBe("samples");
    expect(await codeOf(encode({ ...good, numbers: Int32Array.of(0, 0, 0, 0, -(2 ** 31)) }))).toBe("values");
    expect(await codeOf(new Uint8Array(40))).toBe("frame");
  });
});
