import { describe, expect, test } from "vitest";
import type { Clock } from "../../src/federation/clock.ts";
import { divide, divideParts, prepare, unite } from "../../src/nats/parcel.ts";
import { partsOf, Transfer, type Window } from "../../src/nats/transfer.ts";

const KiB = 1024;
const bytesOf = (length: number) => Uint8Array.from({ length }, (_, at) => (at * 2654435761) >>> 24);

/** Time that passes when it is told to. */
class Hand implements Clock {
  #nowMs = 0;
  readonly #timers = new Set<{ atMs: number; callback: () => void }>();
  nowMs = () => this.#nowMs;
  after = (ms: number, callback: () => void) => {
    const timer = { atMs: this.#nowMs + ms, callback };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  };
  pass(ms: number): void {
    this.#nowMs += ms;
    for (const timer of [...this.#timers]) if (timer.atMs <= this.#nowMs && this.#timers.delete(timer)) timer.callback();
  }
}

/** A body on its way between a client that sends what it is asked for, but for what is lost. */
function way(length: number, loses: (from: number, time: number) => boolean = () => false) {
  const sent = bytesOf(length), received = new Uint8Array(length);
  const clock = new Hand();
  const asked: Window[] = [];
  const queue: Window[] = [];
  const transfer = new Transfer(received, clock, (window) => void (asked.push(window), queue.push(window)));
  const deliver = () => {
    for (let window = queue.shift(); window; window = queue.shift()) {
      for (const { window: place, part } of partsOf(sent, window)) if (!loses(place.from, asked.length)) transfer.take(place, part);
    }
  };
  return { sent, received, clock, asked, transfer, deliver };
}

describe("a body on its way", () => {
  test.each([1, 128 * KiB, 384 * KiB, 384 * KiB + 1, 615_188, 2 ** 21])("of %i bytes arrives, a window at a time", async (length) => {
    const { sent, received, asked, transfer, deliver } = way(length);
    expect(asked.length).toBe(1); // nothing more before that has come
    deliver();
    expect(await transfer.received).toBe(true);
    expect(Buffer.compare(received, sent)).toBe(0);
    expect(asked.every(({ from, to }, index) => from === index * 384 * KiB && to - from <= 384 * KiB)).toBe(true);
  });

  test("a part that is lost is asked for again, with what came after it: when the client asks a second time, or after 10 s", async () => {
    for (const wake of [(way: { transfer: Transfer }) => (way.transfer.remind(), way.transfer.remind()), ({ clock }: { clock: Hand }) => clock.pass(10_000)]) {
      const lossy = way(600 * KiB, (from, time) => from === 128 * KiB && time === 1);
      lossy.deliver();
      wake(lossy);
      expect(lossy.asked).toEqual([{ from: 0, to: 384 * KiB }, { from: 128 * KiB, to: 384 * KiB }]);
      lossy.deliver();
      expect(await lossy.transfer.received).toBe(true);
      expect(Buffer.compare(lossy.received, lossy.sent)).toBe(0);
    }
  });

  test("of a client that is gone is given up after 30 s; parts that come late, twice, or beyond the end change nothing", async () => {
    const { received, clock, asked, transfer } = way(200 * KiB, () => true);
    transfer.take({ from: 64 * KiB, to: 65 * KiB }, new Uint8Array(KiB).fill(1));
    transfer.take({ from: 0, to: KiB }, new Uint8Array(2 * KiB).fill(1));
    transfer.take({ from: 0, to: 201 * KiB }, new Uint8Array(201 * KiB).fill(1));
    for (let time = 0; time < 3; time++) clock.pass(10_000);
    expect(await transfer.received).toBe(false);
    expect(asked.length).toBe(3);
    expect(received.every((byte) => byte === 0)).toBe(true);
  });
});

test("a frame in parts divides as a whole one does, and its middle is a view of the largest part where it can be", () => {
  const model = bytesOf(5_000);
  for (const [head, tail, viewed] of [[0, 0, true], [100, 64, true], [512, 512, true], [600, 10, false], [10, 700, false]] as const) {
    const parts = [bytesOf(head), model, bytesOf(tail)];
    const { ends, middle, of } = divideParts(parts);
    const whole = Buffer.concat(parts);
    expect(Buffer.compare(ends, divide(whole).ends)).toBe(0);
    expect(Buffer.compare(unite(ends, middle), whole)).toBe(0);
    expect(of === model && middle.buffer === model.buffer).toBe(viewed);
    const prepared = prepare(ends, middle.length);
    prepared.middle.set(middle);
    expect(Buffer.compare(prepared.frame, whole)).toBe(0);
  }
});
