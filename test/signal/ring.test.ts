import { Worker } from "node:worker_threads";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Kernels } from "../../src/kernels/kernels.ts";
import { Ring } from "../../src/signal/ring.ts";

const count = (from: number, length: number) => Float32Array.from({ length }, (_, n) => from + n);
const make = (capacity: number, window: number, shared = false) => new Ring(new Kernels({ shared }), { capacity, window });

describe("a ring", () => {
  test("gives every reader what was written, in windows that never wrap, whatever the chunks", () => {
    const step = fc.oneof(
      fc.record({ write: fc.nat(30) }),
      fc.record({ reader: fc.nat(2), window: fc.integer({ min: 1, max: 9 }), hop: fc.nat(12) }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 9, max: 25 }), fc.integer({ min: 9, max: 25 }), fc.array(step, { maxLength: 60 }), (a, b, steps) => {
        const [window, capacity] = a < b ? [a, b] : [b, a];
        const ring = make(capacity, window);
        const readers = [ring.reader(), ring.reader(), ring.reader("newest")].map((reader) => ({ reader, at: 0, lost: 0, read: 0 }));
        let written = 0;
        for (const now of steps) {
          if ("write" in now) {
            ring.write(count(written, now.write));
            written += now.write;
            continue;
          }
          const state = readers[now.reader];
          const oldest = Math.max(0, written - capacity);
          const missed = Math.max(0, oldest - state.at);
          state.at += missed;
          state.lost += missed;
          const view = state.reader.read(now.window);
          expect(state.reader.lost).toBe(state.lost);
          expect(state.reader.available).toBe(written - state.at);
          if (written - state.at < now.window) {
            expect(view).toBeUndefined();
            continue;
          }
          expect(view!.position).toBe(state.at);
          expect(view!.lost).toBe(state.lost - state.read);
          state.read = state.lost;
          expect(view!.values).toEqual(count(state.at, now.window));
          expect(new Float32Array(view!.values.buffer, view!.pointer, now.window)).toEqual(count(state.at, now.window));
          expect(state.reader.advance(now.hop)).toBe(true);
          state.at += Math.min(now.hop, written - state.at);
        }
        expect(ring.head).toBe(written);
      }),
      { numRuns: 300 },
    );
  });

  test("does not write outside its block", () => {
    const kernels = new Kernels();
    const before = kernels.allocate(64), ring = new Ring(kernels, { capacity: 21, window: 20 }), after = kernels.allocate(64);
    for (const pointer of [before, after]) kernels.int32(pointer, 16).fill(-1);
    for (let n = 0; n < 50; n++) ring.write(count(0, n));
    for (const pointer of [before, after]) expect(kernels.int32(pointer, 16).every((word) => word === -1)).toBe(true);
  });

  test("keeps what it has when the memory grows", () => {
    const kernels = new Kernels();
    const ring = new Ring(kernels, { capacity: 8, window: 4 });
    const reader = ring.reader();
    ring.write(count(1, 8));
    kernels.allocate(2 ** 20);
    expect(reader.read(4)!.values).toEqual(count(1, 4));
    ring.write(count(9, 2));
    expect([ring.head, ring.tail]).toEqual([10, 2]);
    expect(reader.advance(4)).toBe(false);
  });

  test("tells a reader whose view was overwritten while it worked on it", () => {
    const ring = make(10, 5);
    const reader = ring.reader();
    ring.write(count(0, 10));
    expect(reader.read(5)).toBeDefined();
    ring.write(count(10, 3));
    expect(reader.advance(5)).toBe(false);
    expect(reader.lost).toBe(3);
    expect(reader.read(5)).toMatchObject({ position: 3, lost: 3, values: count(3, 5) });
    expect(reader.advance(5)).toBe(true);
    expect(reader.read(5)).toMatchObject({ position: 8, lost: 0 });
  });

  test.each([
    [{ capacity: 0, window: 1 }, '"capacity" expected integer >= 1, got 0'],
    [{ capacity: 2.5, window: 1 }, '"capacity" expected integer >= 1, got 2.5'],
    [{ capacity: 4, window: 5 }, '"window" expected an integer from 1 to the capacity of 4, got 5'],
  ])("refuses %o", (options, message) => {
    expect(() => new Ring(new Kernels(), options)).toThrow(new RangeError(message));
  });

  test("refuses a view that is longer than its window, and a step back", () => {
    const reader = make(9, 3).reader();
    expect(() => reader.read(4)).toThrow(new RangeError('"count" expected an integer from 1 to the ring\'s window of 3, got 4; make the ring with a longer window'));
    expect(() => reader.advance(-1)).toThrow(new RangeError('"count" expected integer >= 0, got -1'));
  });
});

/** The other thread, of the built files: writes 0, 1, 2 … in uneven chunks, in a hurry or waiting for its reader now and then. */
const WRITER = `
const { parentPort, workerData } = require("node:worker_threads");
import(workerData.module).then(({ Ring }) => {
  const ring = Ring.at(workerData.place);
  for (let at = 0, turn = 1; at < workerData.total; turn++) {
    const length = Math.min(1 + (turn * 37) % 61, workerData.total - at);
    ring.write(Float32Array.from({ length }, (_, n) => (at + n) % 65536));
    at += length;
    if (turn % workerData.burst === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
  }
  parentPort.postMessage("done");
});
`;

describe("a ring in shared memory", () => {
  test.each([
    [2 ** 18, 64, "that holds all: nothing is lost"],
    [256, 1e9, "that is too small: losses are counted, and nothing torn gets through"],
  ])("of %d samples, written by another thread in bursts of %d chunks, %s", async (capacity, burst) => {
    const total = 200_000;
    const ring = make(capacity, 100, true);
    const worker = new Worker(WRITER, { eval: true, workerData: { module: new URL("../../build/signal/ring.js", import.meta.url).href, place: ring.place, total, burst } });
    const failed = new Promise<never>((_, reject) => worker.once("error", reject));
    const reader = ring.reader();
    let read = 0, torn = 0;
    const drain = () => {
      for (let view = reader.read(Math.min(100, reader.available || 100)); view; view = reader.read(Math.min(100, reader.available || 100))) {
        const { position } = view;
        const values = view.values.slice();
        if (!reader.advance(values.length)) {
          torn++;
          continue;
        }
        expect(values).toEqual(Float32Array.from(values, (_, n) => (position + n) % 65536));
        read += values.length;
      }
    };
    while (ring.head <= 256) await Promise.race([failed, new Promise((resolve) => setImmediate(resolve))]);
    while (ring.head < total) {
      ring.wait(ring.head, 20);
      drain();
      await Promise.race([failed, new Promise((resolve) => setImmediate(resolve))]);
    }
    drain();
    await worker.terminate();
    expect(read + reader.lost).toBe(total);
    if (capacity > total) expect([reader.lost, torn]).toEqual([0, 0]);
    else expect(reader.lost).toBeGreaterThan(0);
  }, 30_000);

  test("says when nothing came in time", () => {
    expect(make(4, 1, true).wait(0, 1)).toBe(false);
    expect(() => make(4, 1).wait(0, 1)).toThrow(TypeError);
  });
});
