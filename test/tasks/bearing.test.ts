/** The parts of the two bearing studies, on signals that are made here; their tables are in docs/. */
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { BEARING, CLASSES, FAULTS, RATE_HZ, recordingWindows, type Fault, type Recording } from "../../src/data/cwru.ts";
import { SAMPLES as SNAPSHOT, type Life } from "../../src/data/pronostia.ts";
import type { Source } from "../../src/data/source.ts";
import { random } from "../../src/kernels/random.ts";
import { layoutOf } from "../../src/model/layout.ts";
import { faultOrders } from "../../src/signal/bearing.ts";
import { bearing } from "../../src/tasks/bearing.ts";
import { bearingLife, evenly, lifeRows } from "../../src/tasks/bearinglife.ts";
import { inlinePool } from "../../src/tasks/pool.ts";
import { evidentFaults, faultPowers } from "../../src/tasks/severity.ts";
import { bandPowers, classFigures, convolutional, recordingIntervals } from "../../src/tasks/vibration.ts";
import { mat, tar } from "../data/archive.ts";

const orders = faultOrders(BEARING);
const STRIKES: Record<Fault, number> = { ball: 2 * orders.bsf, inner: orders.bpfi, outer: orders.bpfo };

/** Blows at a fault's rate that ring at 3 kHz, in noise. They slip a little: whitening is there to silence what is exactly periodic. */
function struck(fault: Fault, shaftHz: number, strength: number): Recording {
  const { normal, uniform } = random(1, fault);
  const samples = Float32Array.from({ length: 40_000 }, () => normal());
  for (let blow = 0; blow < samples.length; blow += (RATE_HZ * (1 + 0.04 * (uniform() - 0.5))) / (STRIKES[fault] * shaftHz)) {
    for (let t = Math.ceil(blow); t < Math.min(samples.length, blow + 60); t++) {
      const since = (t - blow) / RATE_HZ;
      samples[t] += strength * Math.exp(-800 * since) * Math.sin(2 * Math.PI * 3000 * since);
    }
  }
  return { load: 0, fault, width: 7, samples, shaftHz };
}

describe("fault orders", () => {
  const windowsOf = (recordings: Recording[]) => recordingWindows(recordings, { samples: 8192, stride: 8192, target: ({ fault }) => FAULTS.indexOf(fault) });

  it.each([29, 29.95])("of a shaft with %d turns a second are greatest for the part that is struck", (shaftHz) => {
    const recordings = FAULTS.map((fault) => struck(fault, shaftHz, 12));
    const windows = windowsOf(recordings);
    const { inputs, features } = faultPowers(windows, recordings);
    expect(features).toBe(3);
    for (let n = 0; n < windows.count; n++) {
      const row = [...inputs.subarray(3 * n, 3 * n + 3)];
      expect(row.indexOf(Math.max(...row))).toBe(windows.targets[n]);
    }
  });

  it("name a ring by rule where its order stands out, and else the ball", () => {
    const recordings = [struck("ball", 29.5, 12), struck("inner", 29.5, 12), struck("outer", 29.5, 12), struck("outer", 29.5, 0)];
    const windows = windowsOf(recordings);
    const votes = evidentFaults(faultPowers(windows, recordings));
    const named = Array.from({ length: windows.count }, (_, n) => FAULTS[votes.subarray(3 * n, 3 * n + 3).indexOf(1)]);
    expect(named).toEqual([...windows.groups].map((group) => ["ball", "inner", "outer", "ball"][group]));
  });
});

describe("figures of classes", () => {
  const windows = { inputs: new Float32Array(6), targets: Float32Array.of(0, 0, 0, 1, 1, 2), groups: Int32Array.of(0, 0, 0, 1, 1, 2), count: 6, steps: 1, features: 1 };
  const votes = (...classes: number[]) => Float32Array.from(classes.flatMap((chosen) => [0, 1, 2, 3].map((c) => (c === chosen ? 1 : 0))));

  it("are the share that is right, and the mean F1 of the classes that occur", () => {
    expect(classFigures(votes(0, 0, 1, 1, 1, 3), windows)).toEqual({ accuracy: 4 / 6, macroF1: (4 / 5 + 4 / 5 + 0) / 3 });
    expect(classFigures(votes(0, 0, 0, 1, 1, 2), windows)).toEqual({ accuracy: 1, macroF1: 1 });
  });

  it("have intervals from whole recordings", () => {
    expect(recordingIntervals(votes(0, 0, 0, 1, 1, 2), windows)).toEqual({ accuracy: [1, 1], macroF1: [1, 1] });
    const { accuracy } = recordingIntervals(votes(0, 0, 0, 1, 1, 0), windows);
    expect(accuracy[0]).toBe(0); // only the third recording was drawn
    expect(accuracy[1]).toBe(1);
    expect(recordingIntervals(votes(0, 1, 0, 1, 1, 0), windows)).toEqual(recordingIntervals(votes(0, 1, 0, 1, 1, 0), windows));
  });
});

describe("cases", () => {
  /** The same short saw in every recording: nothing is trained on it. */
  const source = (most: number): Source => async (path) => {
    const number = Number(/^(\d+)\.mat$/.exec(path)?.[1] ?? NaN);
    const load = [118, 185, 222, 105, 169, 209, 130, 197, 234].map((first) => number - first).find((load) => load >= 0 && load < 4);
    return load !== undefined && load <= most ? mat({ [`X${number}_DE_time`]: Float64Array.from({ length: 100_000 }, (_, at) => at % 1000) }) : undefined;
  };
  const names = async (subset: string, most: number) => (await bearing.cases({ source: source(most), subset })).map(({ name }) => name);

  it("go from each load that is there to each other one", async () => {
    const three = ["load 0 to 1", "load 1 to 2", "load 2 to 0", "load 0 to 2", "load 1 to 0", "load 2 to 1"];
    expect(await names("load", 2)).toEqual(three);
    const four = await names("load", 3);
    expect(new Set(four).size).toBe(12);
    expect(four).toEqual(expect.arrayContaining([...three, "load 3 to 0", "load 2 to 3"]));
    expect([await names("federated", 2), await names("federated", 3)]).toEqual([["three loads"], ["four loads"]]);
  });
});

describe("inputs and models", () => {
  it("band powers are greatest in the band of a tone", () => {
    const samples = Float32Array.from({ length: 4096 }, (_, t) => Math.sin((2 * Math.PI * 1000 * t) / RATE_HZ));
    const windows = { inputs: samples, targets: new Float32Array(2), groups: new Int32Array(2), count: 2, steps: 2048, features: 1 };
    const { inputs, steps, features } = bandPowers(windows, RATE_HZ, 64);
    expect([steps, features]).toEqual([1, 64]);
    for (const n of [0, 1]) expect(inputs.subarray(64 * n, 64 * n + 64).indexOf(Math.max(...inputs.subarray(64 * n, 64 * n + 64)))).toBe(Math.floor(1000 / (6000 / 64)));
  });

  it("the network is small, whatever it is normalised over", () => {
    for (const kind of ["batch", "layer"] as const) expect(layoutOf(convolutional(kind, CLASSES)).length).toBe(26_761);
  });

  it("every target names a subset's model and measure", () => {
    for (const subset of bearing.subsets!) for (const { measure } of bearing.targets(subset)) expect(bearing.measures.map(({ name }) => name)).toContain(measure);
    for (const { measure } of bearingLife.targets(undefined)) expect(bearingLife.measures.map(({ name }) => name)).toContain(measure);
  });
});

describe("rows of a bearing's life", () => {
  const { normal } = random(1, "life");
  const snapshot = (strength: number) => Float32Array.from({ length: 2 * SNAPSHOT }, (_, t) => 0.1 * normal() + strength * Math.sin((2 * Math.PI * 7000 * t) / 25_600));
  const life: Life = { bearing: "1_1", hours: Float64Array.of(0, 0.5, 1, 2), lifeHours: 2, snapshots: [0.1, 0.1, 0.3, 1].map(snapshot) };

  it("are running time, and how much louder high frequencies became; targets are the share of life", () => {
    const { inputs, targets, count } = lifeRows(life, 3);
    expect([count, [...targets]]).toEqual([4, [0, 0.25, 0.5, 1]]);
    expect([...inputs.subarray(0, 4)].map((value) => Math.round(value * 1e4) / 1e4)).toEqual([0, -2.3026, 0, 0]);
    for (const [at, ratio] of [[1, 1], [2, 9], [3, 100]]) {
      for (const channel of [2, 3]) expect(Math.abs(inputs[4 * at + channel] - Math.log((0.005 * ratio + 0.0061) / (0.005 + 0.0061)))).toBeLessThan(0.15);
    }
  });

  it("train as many of each life, its ends among them", () => {
    const rows = (count: number) => ({ inputs: Float32Array.from({ length: count }, (_, at) => at), targets: new Float32Array(count), groups: new Int32Array(count), count, steps: 1, features: 1 });
    const { inputs, count } = evenly(rows(2803), 80);
    expect([count, inputs[0], inputs[1], inputs[79]]).toEqual([80, 0, 35, 2802]);
    expect(new Set(inputs).size).toBe(80);
    const few = rows(80);
    expect(evenly(few, 80)).toBe(few);
  });

  it("do not tell which of how many snapshots one is", () => {
    const every = lifeRows(life, 0);
    const some = lifeRows({ ...life, hours: life.hours.filter((_, at) => at !== 1), snapshots: life.snapshots.filter((_, at) => at !== 1) }, 0);
    expect([...some.inputs]).toEqual([...every.inputs].filter((_, at) => Math.floor(at / 4) !== 1));
  });
});

describe("bearing-life", () => {
  const LEARNING = ["1_1", "1_2", "2_1", "2_2", "3_1", "3_2"];
  /** Lives of different length whose high frequencies grow with the share that is over. */
  const archiveOf = (bearing: string) => {
    const { normal } = random(1, bearing);
    const last = 300 + 100 * LEARNING.indexOf(bearing);
    return tar([0, 0.2, 0.4, 0.6, 0.8, 1].map((share) => {
      const g = (t: number) => (0.1 * normal() + 0.05 * Math.exp(3 * share) * Math.sin(1.7 * t)).toFixed(3);
      const rows = Array.from({ length: SNAPSHOT }, (_, t) => `1,2,3,${Math.round((t * 1e6) / 25_600)},${g(t)},${g(t)}`);
      return { path: `acc_${String(1 + Math.round(share * last)).padStart(5, "0")}.csv`, bytes: new TextEncoder().encode(rows.join("\n")) };
    }));
  };

  it("learns wear that all bearings share, federated as well as in one place, and better than from time alone", { timeout: 60_000 }, async () => {
    const source = async (path: string) => {
      const bearing = /Bearing(\d_\d)\.tar\.gz$/.exec(path)?.[1];
      return bearing === undefined || !LEARNING.includes(bearing) ? undefined : gzipSync(archiveOf(bearing), { level: 1 });
    };
    const cases = await bearingLife.cases({ source, subset: undefined });
    expect(cases.map(({ name }) => name)).toEqual(LEARNING.map((bearing) => `bearing ${bearing} held out`));
    const { scores } = await cases[5].run({ seed: 1, pool: inlinePool(), build: "simd", progress: () => {} });
    const mae = (model: string, way: string) => scores.find((score) => score.model === model && score.way === way && score.factory === "all")!.figures.mae;
    expect(mae("network", "federated")).toBeLessThan(0.15);
    expect(Math.abs(mae("network", "federated") - mae("network", "centralised"))).toBeLessThan(0.05);
    expect(mae("linear", "federated")).toBe(mae("linear", "centralised"));
    expect(mae("network", "federated")).toBeLessThan(mae("network, time alone", "centralised"));
    expect(mae("half", "rule")).toBeCloseTo(0.3, 6);
  });
});
