/**
 * How the cost of a train step grows with H, T and B, and that of an aggregation with K: time, time for a
 * unit of work, memory. Where it is not linear in the work, the sentence under the table says what
 * was measured to be the cause.
 */
import { accumulator } from "../build/federation/accumulator.js";
import { numbers, prepare, trainStep } from "./builds.js";
import { arena } from "./kernels.js";
import { median, slice, sliceOfMany } from "./measure.js";
import { flops, shape } from "./models.js";
import { profileSteps } from "./profile.js";
import { bytes, percent, print, time } from "./table.js";

const BASE = { T: 100, I: 8, H: 64, D: 2, layers: 2, attention: true };
const BATCH = 32;
const P = 154_053;
/** What a step does once, whatever T and B are. */
const ONCE = ["adam", "clipNorm", "lstmGradients"];

export async function grow() {
  const tables = [
    growth("H", [32, 64, 128, 256, 512], (H) => ({ ...BASE, H }), "GFLOP", (model, B) => flops(model, B).train / 1e9, aboutH),
    growth("T", [30, 100, 300, 1000], (T) => ({ ...BASE, T }), "step of a window", ({ T }, B) => T * B, aboutT),
    growth("B", [1, 2, 4, 8, 16, 32, 64, 128, 256], () => BASE, "window", (_, B) => B, aboutB),
    clients([10, 30, 100, 300, 1000]),
  ];
  return { title: "How cost grows", rows: tables, print: () => tables.forEach(({ title, columns, cells, notes }) => print(title, columns, cells, notes)) };
}

function growth(axis, values, change, unit, unitsOf, explain) {
  const points = values.map((value) => {
    const B = axis === "B" ? value : BATCH;
    const model = shape(change(value));
    const network = prepare(model, B, { training: true });
    const step = trainStep(network, B);
    slice(step, 0.5);
    const ms = slice(step, 1);
    const memory = network.kernels.mark();
    const profile = Object.fromEntries(profileSteps(network, step, Math.max(1, Math.min(20, Math.round(500 / ms)))).map((row) => [row.kernel, row.ms]));
    const work = flops(model, B).train;
    return {
      value, ms, unit: ms / unitsOf(model, B), gflops: work / ms / 1e6, products: work / productsMs(model, B) / 1e6, memory, profile,
      inference: prepare(model, B).kernels.mark(),
      once: ONCE.reduce((sum, kernel) => sum + profile[kernel], 0),
    };
  });
  for (const point of points) point.outside = 1 - point.gflops / point.products;
  return {
    axis, points,
    title: `Train step over ${axis}; else ${Object.entries({ ...BASE, B: BATCH }).filter(([name]) => "HTBI".includes(name) && name !== axis).map(([name, value]) => `${name} ${value}`).join(", ")}, 2 layers, bidirectional, attention; simd, one thread`,
    columns: [axis, "time", `per ${unit}`, "GFLOP/s", "its products alone", "not products", "once a step", "memory, training", "inference"],
    cells: points.map(({ value, ms, unit, gflops, products, outside, once, memory, inference }) => [
      value, time(ms), time(unit), gflops.toFixed(1), products.toFixed(1), percent(outside), time(once), bytes(memory), bytes(inference),
    ]),
    notes: explain(points),
  };
}

/** The matrix products of a train step's layers by themselves, called as assembly/lstm.ts calls them. */
function productsMs({ T, I: inputs, H, D, layers, attention }, B) {
  const { wasm, floats } = arena("simd");
  const row = wasm.lstmRow(H);
  const stepsAtOnce = Math.max(1, Math.floor(32 / B));
  const rows = B * stepsAtOnce;
  const widest = Math.max(inputs, D * H);
  const [z, x, h, dh, bias] = [floats(rows * row), floats(rows * widest), floats(rows * D * H), floats(B * H), floats(4 * H)];
  const [panels, G] = [floats(4 * H * (widest + H)), floats(4 * H * widest, 0)];
  const ms = (call) => median([0, 1, 2].map(() => sliceOfMany(call, 0.05)));
  let total = 0;
  for (let layer = 0; layer < layers; layer++) {
    const I = layer ? D * H : inputs;
    const forward = stepsAtOnce === 1
      ? ms(() => wasm.gemmPair(z, bias, x, h, panels, B, 4 * H, I, H, true, row, I, D * H))
      : ms(() => wasm.gemmPair(z, bias, x, 0, panels, rows, 4 * H, I, H, false, row, I, 0)) / stepsAtOnce + ms(() => wasm.gemmBelow(z, h, panels, I, B, 4 * H, H, row, D * H));
    const dhMs = ms(() => wasm.gemm(dh, z, panels, B, H, 4 * H, H, row, false));
    const outer = ms(() => {
      wasm.gemmOuter(G, x, z, rows, I, 4 * H, 4 * H, I, row);
      wasm.gemmOuter(G, h, z, rows, H, 4 * H, 4 * H, D * H, row);
    });
    const dx = layer ? ms(() => wasm.gemm(x, z, panels, B, I, 4 * H, I, row, true)) : 0;
    total += D * T * (forward + dhMs + dx + outer / stepsAtOnce);
  }
  if (!attention) return total;
  const F = D * H;
  return total + T * ms(() => {
    wasm.gemm(z, h, panels, B, 64, F, 64, F, false);
    wasm.gemm(x, z, panels, B, F, 64, F, 64, true);
    wasm.gemmOuter(G, z, h, B, 64, F, F, 64, F);
  });
}

const times = (a, b) => `${(a / b).toPrecision(2)}x`;
const least = (points) => points.reduce((best, point) => (point.unit < best.unit ? point : best));

function aboutH(points) {
  const [first, best, last] = [points[0], least(points), points.at(-1)];
  const fastest = points.reduce((a, b) => (b.products > a.products ? b : a));
  const notes = [`A GFLOP at H ${first.value} costs ${times(first.unit, best.unit)} of one at H ${best.value}: what is not a product (activations, states, dropout) grows with H and products with H², and it is ${percent(first.outside)} of the step there, ${percent(best.outside)} here.`];
  if (last.products < 0.95 * fastest.products) {
    notes.push(`The products themselves fall from ${fastest.products.toFixed(0)} GFLOP/s at H ${fastest.value} to ${last.products.toFixed(0)} at H ${last.value}: the weights that each step of the second layer reads take ${bytes(4 * 4 * last.value * 3 * last.value)} a direction there, ${bytes(4 * 4 * fastest.value * 3 * fastest.value)} at H ${fastest.value}.`);
  }
  return notes;
}

function aboutT(points) {
  const [first, best, last] = [points[0], least(points), points.at(-1)];
  const spread = Math.max(...points.map(({ unit }) => unit)) / best.unit;
  if (spread < 1.1) return [`Linear: a step of a window costs the same within ${percent(spread - 1)}; memory grows by ${bytes((last.memory - first.memory) / (last.value - first.value))} a step.`];
  const worst = points.reduce((a, b) => (b.unit > a.unit ? b : a));
  return [`A step of a window costs ${times(worst.unit, best.unit)} at T ${worst.value} of what it costs at T ${best.value}: ${excess(worst, best)}. Memory is ${bytes(worst.memory)} there, ${bytes(best.memory)} here; once a step, ${time(worst.once)} of ${time(worst.ms)}.`];
}

function aboutB(points) {
  const [first, best] = [points[0], least(points)];
  const notes = [`A window of B ${first.value} costs ${times(first.unit, best.unit)} of one of B ${best.value}: its products reach ${first.products.toFixed(1)} GFLOP/s instead of ${best.products.toFixed(1)}, since each row reads all weights, and ${time(first.once)} of ${time(first.ms)} are done once a step (clip, Adam, adding up gradients), ${time(best.once)} of ${time(best.ms)} there.`];
  const last = points.at(-1);
  if (last.unit > 1.1 * best.unit) notes.push(`From B ${best.value} to B ${last.value} a window gets ${times(last.unit, best.unit)} as dear: ${excess(last, best)}; memory is ${bytes(last.memory)} there, ${bytes(best.memory)} here.`);
  return notes;
}

/** Which kernels make the difference between two points, in time for a unit of work. */
function excess(dear, cheap) {
  const perUnit = ({ profile, ms, unit }, kernel) => ((profile[kernel] ?? 0) * unit) / ms;
  const differences = Object.keys(dear.profile).map((kernel) => ({ kernel, ms: perUnit(dear, kernel) - perUnit(cheap, kernel) })).toSorted((a, b) => b.ms - a.ms);
  const total = dear.unit - cheap.unit;
  return differences.slice(0, 3).map(({ kernel, ms }) => `${kernel} makes ${percent(ms / total)} of the difference`).join(", ");
}

/** A round's updates into the orchestrator's accumulators, which copy what they are given. */
function clients(values) {
  const parameters = numbers(P);
  const lattice = Int32Array.from(parameters, (value) => 1e6 * value);
  const cells = [];
  const points = values.flatMap((K) => [["lattice", lattice], ["float32", parameters]].map(([arithmetic, update]) => {
    const { made: sum, bytes: held } = watched(() => accumulator(arithmetic, P));
    const round = (measure) => {
      const began = performance.now();
      for (let k = 0; k < K; k++) sum.add(k, update, 100);
      const memory = measure && held();
      sum.drain();
      return { ms: performance.now() - began, memory };
    };
    round(false);
    const rounds = Array.from({ length: 3 }, () => round(true));
    const [ms, memory] = [median(rounds.map((each) => each.ms)), Math.max(...rounds.map((each) => each.memory))];
    cells.push([K, arithmetic, time(ms), time(ms / K), bytes(memory)]);
    return { K, arithmetic, ms, memory };
  }));
  const notes = ["lattice", "float32"].map((arithmetic) => {
    const own = points.filter((point) => point.arithmetic === arithmetic);
    const each = own.map(({ ms, K }) => ms / K);
    const [first, last] = [own[0], own.at(-1)];
    const growing = (last.memory - first.memory) / (last.K - first.K);
    return `${arithmetic}: a client costs ${time(Math.min(...each))} to ${time(Math.max(...each))} (the mean at a round's end is shared by its clients); memory ${growing > 1000 ? `grows by ${bytes(growing)} a client, which it keeps so that the order of arrival does not matter` : "does not grow"}.`;
  });
  return { axis: "K", points, title: `Aggregation over K, ${P.toLocaleString("en")} parameters, one thread`, columns: ["K", "arithmetic", "time", "per client", "memory"], cells, notes };
}

/** What `make` makes, and the bytes of the WebAssembly memories that it took to. */
function watched(make) {
  const { Memory } = WebAssembly;
  const memories = [];
  WebAssembly.Memory = class extends Memory {
    constructor(limits) {
      super(limits);
      memories.push(this);
    }
  };
  try {
    return { made: make(), bytes: () => memories.reduce((sum, { buffer }) => sum + buffer.byteLength, 0) };
  } finally {
    WebAssembly.Memory = Memory;
  }
}
