import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock, type Clock } from "../../src/federation/clock.ts";
import { lease, type Lease, type LeaseOptions } from "../../src/nats.ts";
import { Broker, natsVersion, pause } from "./server.ts";

/** A clock that starts anywhere and runs at another rate. */
const skewed = (offsetMs: number, rate: number): Clock => ({
  nowMs: () => offsetMs + systemClock.nowMs() * rate,
  after: (ms, callback) => systemClock.after(ms / rate, callback),
});

/** A machine that dies or stands still: its timers do not fire any more, its clock is read by nobody. */
function mortal(clock: Clock) {
  let stopped = false;
  return {
    stop: () => void (stopped = true),
    clock: { nowMs: clock.nowMs, after: (ms: number, callback: () => void) => clock.after(ms, () => void (stopped || callback())) } as Clock,
  };
}

describe.skipIf(!natsVersion)(`lease over NATS ${natsVersion}`, () => {
  let broker: Broker;
  beforeEach(async () => void (broker = await Broker.start()));
  afterEach(() => broker.stop());

  const take = async (holder: string, options: Partial<LeaseOptions> = {}) => lease(await broker.connect(), { task: "t", holder, ttlMs: 500, ...options });

  test("is held and renewed, and another waits; released, it is taken at once with a greater token", async () => {
    const first = await take("north");
    let second: Lease | undefined;
    const waiting = take("south").then((taken) => (second = taken));
    await pause(1_500);
    expect([first.held, second]).toEqual([true, undefined]);
    await first.release();
    expect(first.held).toBe(false);
    expect((await waiting).token).toBeGreaterThan(first.token);
    expect(second!.held).toBe(true);
    await second!.release();
  });

  test("20 takeovers by holders whose clocks differ, with the broker killed and once emptied: never two at a time, and tokens rise", async () => {
    const tokens: number[] = [];
    const history: { from: number; to: number }[] = [];
    const draws = Array.from({ length: 20 }, (_, index) => ({ offset: index * 86_400_000 - 5e8, rate: 1 + ((index * 7) % 5 - 2) * 0.04 }));
    let current: { held: Lease; machine: ReturnType<typeof mortal> } | undefined;
    for (const [index, { offset, rate }] of draws.entries()) {
      const machine = mortal(skewed(offset, rate));
      const above = tokens.at(-1) ?? 0;
      const waiting = take(`machine-${index}`, { clock: machine.clock, ttlMs: 300, above: index === 11 ? above : 0 });
      if (current) {
        const { held, machine: before } = current;
        // The next one waits while this one holds it; then this one dies, and with some the broker does, too.
        await pause(100);
        before.stop();
        if (index % 4 === 3) {
          await broker.kill();
          if (index === 11) broker.deleteStore();
          await broker.run();
        }
        let lastHeld = performance.now();
        const watch = setInterval(() => void (held.held && (lastHeld = performance.now())), 2);
        const next = await waiting;
        const from = performance.now();
        expect(held.held, `takeover ${index}`).toBe(false);
        await pause(50);
        clearInterval(watch);
        history.push({ from, to: lastHeld });
        expect(lastHeld, `takeover ${index}`).toBeLessThanOrEqual(from);
        tokens.push(next.token);
        current = { held: next, machine };
      } else {
        const held = await waiting;
        tokens.push(held.token);
        current = { held, machine };
      }
    }
    expect(tokens).toEqual([...tokens].sort((a, b) => a - b));
    expect(new Set(tokens).size).toBe(20);
    current!.machine.stop();
  });

  test("of six that wait for a holder that died one gets it", async () => {
    const machine = mortal(systemClock);
    await take("first", { clock: machine.clock });
    const giveUp = new AbortController();
    const won: string[] = [];
    const waiting = Array.from({ length: 6 }, (_, index) => take(`m${index}`, { signal: giveUp.signal }).then((held) => (won.push(`m${index}`), held)).catch(() => undefined));
    machine.stop();
    while (won.length === 0) await pause(20);
    await pause(1_500);
    expect(won.length).toBe(1);
    giveUp.abort(new Error("enough"));
    const [held] = (await Promise.all(waiting)).filter((lease) => lease !== undefined);
    expect(held.held).toBe(true);
    await held.release();
  });

  test("a holder that cannot reach the broker says that it lost it, in time, and nothing before", async () => {
    let lost: Error | undefined;
    const held = await take("north", { onLost: (reason) => (lost = reason) });
    await pause(700);
    expect([held.held, lost]).toEqual([true, undefined]);
    await broker.kill();
    const started = performance.now();
    while (held.held) await pause(5);
    while (!lost && performance.now() - started < 2_000) await pause(5);
    expect(lost?.message).toMatch(/"north" is no longer the orchestrator of "t"/);
    await broker.run();
    await pause(300);
    expect(held.held).toBe(false);
  });

  test("a broker that restarts, or comes back empty, within the time of the lease does not end it, and nobody else gets it", async () => {
    let lost: Error | undefined;
    const held = await take("north", { ttlMs: 3_000, onLost: (reason) => (lost = reason) });
    const giveUp = new AbortController();
    const other = take("south", { ttlMs: 3_000, signal: giveUp.signal }).then(() => "taken", () => "not");
    for (const empty of [false, true]) {
      await broker.kill();
      if (empty) broker.deleteStore();
      await broker.run();
      await pause(4_500);
      expect([held.held, lost]).toEqual([true, undefined]);
    }
    giveUp.abort();
    expect(await other).toBe("not");
    await held.release();
  });

  test("a holder that stood still while another took over is told so when it goes on", async () => {
    let late: (() => void)[] = [];
    let still = false;
    const clock: Clock = { nowMs: systemClock.nowMs, after: (ms, callback) => systemClock.after(ms, () => void (still ? late.push(callback) : callback())) };
    let lost: Error | undefined;
    const first = await take("north", { clock, onLost: (reason) => (lost = reason) });
    still = true;
    const second = await take("south");
    expect(first.held).toBe(false);
    still = false;
    late.forEach((callback) => callback());
    for (let attempt = 0; attempt < 100 && !lost; attempt++) await pause(10);
    expect(lost?.message).toMatch(/no longer the orchestrator/);
    expect(second.held).toBe(true);
    expect(second.token).toBeGreaterThan(first.token);
    await second.release();
  });
});
