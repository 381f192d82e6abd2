/**
 * The readers on the data that people recorded, which the project does not contain. They run where the
 * environment variable MILLWRIGHT_DATA names the folder, or ../shared/data exists beside the checkout.
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { readEnergy } from "../../src/data/energy.ts";
import { dealEngines, engineWindows, readCmapss, SUBSETS } from "../../src/data/cmapss.ts";
import { CLASSES, readCwru, recordingWindows } from "../../src/data/cwru.ts";
import { hydraulicFactories, readHydraulic } from "../../src/data/hydraulic.ts";
import { mergeMoments, windowMoments } from "../../src/data/moments.ts";
import { readPronostia } from "../../src/data/pronostia.ts";
import { clusterSettings, mergeClusters } from "../../src/data/regime.ts";
import { scale, scalerFromMoments } from "../../src/data/scaler.ts";
import { readSkab } from "../../src/data/skab.ts";
import type { Source } from "../../src/data/source.ts";
import { readTep } from "../../src/data/tep.ts";
import { concatWindows } from "../../src/signal/window.ts";

const root = process.env.MILLWRIGHT_DATA ?? resolve("../shared/data");
const folder = (name: string): Source => (path) => readFile(join(root, name, path)).catch(() => undefined);
const missing = (name: string) => {
  const absent = !existsSync(join(root, name));
  if (absent) console.warn(`skipped: no folder ${join(root, name)}; set MILLWRIGHT_DATA to the folder that holds "${name}"`);
  return absent;
};

describe.skipIf(missing("cmapss"))("C-MAPSS", () => {
  const present = SUBSETS.filter((subset) => existsSync(join(root, "cmapss", `RUL_${subset}.txt`)));

  it.each(present)("%s reads, deals and scales", { timeout: 60_000 }, async (subset) => {
    const data = await readCmapss(folder("cmapss"), subset);
    const factories = dealEngines(data, { factories: 5, seed: 1, stride: 10 });
    const several = data.features > 14;
    const regimes = several ? mergeClusters(factories.map(({ train }) => clusterSettings(train, 3, 6)), 3, 6) : undefined;
    expect(regimes?.centres.length).toBe(several ? 6 : undefined);
    const scaler = scalerFromMoments(mergeMoments(factories.map(({ train }) => windowMoments(train, regimes)), 14, several ? 6 : 1), 14, regimes);
    // Sensors of one regime differ by wear alone, so scaled values stay within some standard deviations.
    for (const { train, test } of factories) for (const windows of [train, test]) expect(scale(windows, scaler).every((value) => Math.abs(value) < 12)).toBe(true);
  });

  it.runIf(present.includes("FD001"))("FD001 has NASA's counts, and the floor of RMSE that protocol CMAPSS-P1 states for cap 125", async () => {
    const data = await readCmapss(folder("cmapss"), "FD001");
    expect([data.train.length, data.test.length]).toEqual([100, 100]);
    expect(engineWindows(data.train, 14).count).toBe(17_731);
    const { targets, rawTargets } = engineWindows(data.test, 14, { last: true });
    const squares = rawTargets.map((raw, at) => (raw - targets[at]) * (raw - targets[at]));
    expect(Math.sqrt(squares.reduce((sum, square) => sum + square, 0) / squares.length)).toBeCloseTo(3.74, 2);
  });
});

describe.skipIf(missing("hydraulic"))("hydraulic rig", () => {
  it("has 2,205 cycles, 194 blocks and three factories; federated moments are the pooled ones", { timeout: 60_000 }, async () => {
    const data = await readHydraulic(folder("hydraulic"));
    expect([data.windows.count, new Set(data.windows.groups).size]).toEqual([2205, 194]);
    const factories = hydraulicFactories(data, 1);
    expect(factories.reduce((sum, { train, validation, test }) => sum + train.count + validation.count + test.count, 0)).toBe(2205);
    const merged = mergeMoments(factories.map(({ train }) => windowMoments(train)), 17);
    const pooled = windowMoments(concatWindows(factories.map(({ train }) => train)));
    merged.forEach((value, at) => expect(Math.abs(value - pooled[at])).toBeLessThanOrEqual(1e-12 * Math.abs(pooled[at])));
  });
});

describe.skipIf(missing("steel_energy"))("steel plant", () => {
  it("reads whole days, and of 273 persistence has the errors that the protocol states", async () => {
    const { usage, count } = await readEnergy(folder("steel_energy"));
    if (count !== 273 * 96) return expect(count).toBe(35_040); // UCI's whole year
    const first = Math.floor(0.8 * count);
    const errorOf = (back: number) => usage.subarray(first).reduce((sum, load, n) => sum + Math.abs(load - usage[first + n - back]), 0) / (count - first);
    expect([1, 4, 96].map((back) => errorOf(back).toFixed(1))).toEqual(["5.4", "11.6", "13.9"]);
  });
});

describe.skipIf(missing("skab"))("SKAB", () => {
  it("has the anomalous rows that the protocol counts, and 296 among those that train", { timeout: 60_000 }, async () => {
    const files = await readSkab(folder("skab"));
    const anomalous = (from: number, to?: number) => files.reduce((sum, file) => sum + file.anomalous.subarray(from, to).reduce((a, b) => a + b, 0), 0);
    if (files.length !== 24) return console.warn(`SKAB: expected 24 files to know the counts of, got ${files.length}`);
    expect([files.reduce((sum, { rows }) => sum + rows - 400, 0), anomalous(0, 400), anomalous(400)]).toEqual([16_952, 296, 8_940]);
    for (const { values } of files) expect(values.every(Number.isFinite)).toBe(true);
  });
});

describe.skipIf(missing("tep"))("Tennessee Eastman process", () => {
  it("has 500 rows of normal operation, and 480 of each fault from its first row on", { timeout: 60_000 }, async () => {
    const { normal, faults, tests } = await readTep(folder("tep"));
    if (tests) expect([tests.normal.rows, tests.faults.length]).toEqual([960, 21]);
    expect([normal.rows, ...new Set(faults.map(({ rows }) => rows))]).toEqual([500, 480]);
    const I = 52;
    const mean = Array.from({ length: I }, (_, i) => normal.values.filter((_, at) => at % I === i).reduce((sum, value) => sum + value, 0) / 500);
    const std = mean.map((centre, i) => Math.sqrt(normal.values.filter((_, at) => at % I === i).reduce((sum, value) => sum + (value - centre) ** 2, 0) / 500));
    const far = (fault: number) => mean.reduce((sum, centre, i) => sum + ((faults[fault - 1].values[i] - centre) / std[i]) ** 2, 0) / I;
    // Steps that act at once are in the first row, so the hour without a fault is not in the files.
    for (const fault of [4, 5, 6, 7]) expect(far(fault)).toBeGreaterThan(2);
    for (const fault of [3, 9, 15]) expect(far(fault)).toBeLessThan(1.5);
  });
});

describe.skipIf(missing("cwru"))("CWRU bearings", () => {
  it("has nine recordings of ten seconds a load whose speed falls with the load", { timeout: 60_000 }, async () => {
    const { loads, recordings, notes } = await readCwru(folder("cwru"));
    expect([recordings.length, loads.slice(0, 3)]).toEqual([9 * loads.length, [0, 1, 2]]);
    if (loads.length === 3) expect(notes).toEqual([]);
    for (const { samples } of recordings) expect(samples.length).toBeGreaterThan(120_000);
    for (const { load, shaftHz } of recordings) expect(Math.abs(60 * shaftHz - [1797, 1773, 1750, 1728][load])).toBeLessThan(load < 3 ? 5 : 12);
    expect(new Set(recordingWindows(recordings, { samples: 2048, stride: 2048 }).targets).size).toBe(CLASSES.length);
  });
});

describe.skipIf(missing("pronostia"))("PRONOSTIA bearings", () => {
  it("has six lives of the learning set that end with the rig's last snapshot", { timeout: 60_000 }, async () => {
    const lives = (await readPronostia(folder("pronostia"))).filter(({ bearing }) => /_[12]$/.test(bearing));
    expect(lives.map(({ lifeHours }) => Math.round(lifeHours * 360) + 1)).toEqual([2803, 871, 911, 797, 515, 1637]);
    for (const { hours, snapshots } of lives) expect(snapshots.length).toBe(hours.length);
  });
});
