/**
 * Every kernel by itself, at the shapes in which models use it: its rate, and for those that multiply
 * matrices its share of the machine's ceiling. A tuned tile has its line here, and so has its tail.
 */
import { Kernels } from "../build/kernels/kernels.js";
import { builds, numbers } from "./builds.js";
import { compare, ratio, sliceOfMany } from "./measure.js";
import { percent, print, time } from "./table.js";

const P = 154_053;
const T = 100, B = 32;

/**
 * Name; shape; what makes the call that is timed, given kernel memory; its work, in multiplications and
 * additions or in elements and the bytes that each moves. A list of calls [n, call] is timed each by
 * itself, and n of each make up the line: n is negative where something is to be taken away.
 */
function lines() {
  const product = (M, N, K) => ({ flops: 2 * M * N * K });
  const each = (elements, bytes) => ({ elements, bytes: bytes * elements });
  return [
    ["gemm, bias", "3200x64x128", ({ wasm, floats }) => {
      const [C, A, panels, bias] = [floats(3200 * 64), floats(3200 * 128), floats(64 * 128), floats(64)];
      return () => wasm.gemmBias(C, A, panels, bias, 3200, 64, 128, 64, 128);
    }, product(3200, 64, 128)],
    ...[[8, 64], [128, 64], [14, 100], [100, 100], [256, 128], [512, 256]].map(([I, H]) => [`gemm, pair`, `32x${4 * H}x${I}+${H}`, ({ wasm, floats }) => {
      const row = wasm.lstmRow(H);
      const [C, x, h, panels, bias] = [floats(B * row), floats(B * I), floats(B * 2 * H), floats(4 * H * (I + H)), floats(4 * H)];
      return () => wasm.gemmPair(C, bias, x, h, panels, B, 4 * H, I, H, true, row, I, 2 * H);
    }, product(B, 4 * H, I + H)]),
    ...[1, 2, 8].map((M) => ["gemm, below", `${M}x256x64`, ({ wasm, floats }) => {
      const row = wasm.lstmRow(64);
      const [C, A, panels] = [floats(M * row, 0), floats(M * 128), floats(256 * (128 + 64))];
      return () => wasm.gemmBelow(C, A, panels, 128, M, 256, 64, row, 128);
    }, product(M, 256, 64)]),
    ["gemm, stream", "1x256x8+64", ({ wasm, floats }) => {
      const [C, x, h, panels, bias] = [floats(256), floats(8), floats(64), floats(256 * 72), floats(256)];
      return () => wasm.gemmPair(C, bias, x, h, panels, 1, 256, 8, 64, true, 256, 8, 64);
    }, product(1, 256, 72)],
    ["gemm, tail of N", "32x4x64", ({ wasm, floats }) => {
      const [C, A, panels] = [floats(32 * 4), floats(32 * 64), floats(wasm.panelFloats(4, 64))];
      return () => wasm.gemm(C, A, panels, 32, 4, 64, 4, 64, false);
    }, product(32, 4, 64)],
    ...[64, 100, 256].map((H) => ["gemm, dh", `32x${H}x${4 * H}`, ({ wasm, floats }) => {
      const row = wasm.lstmRow(H);
      const [C, A, panels] = [floats(B * H), floats(B * row), floats(wasm.panelFloats(H, 4 * H))];
      return () => wasm.gemm(C, A, panels, B, H, 4 * H, H, row, false);
    }, product(B, H, 4 * H)]),
    ["gemm, dx", "3200x128x256", ({ wasm, floats }) => {
      const row = wasm.lstmRow(64);
      const [C, A, panels] = [floats(3200 * 128), floats(3200 * row), floats(128 * 256)];
      return () => wasm.gemm(C, A, panels, 3200, 128, 256, 128, row, true);
    }, product(3200, 128, 256)],
    ...[[8, 64], [64, 64], [128, 64], [100, 100], [512, 256]].map(([M, H]) => ["gemmOuter", `${M}x${4 * H}x32`, ({ wasm, floats }) => {
      const row = wasm.lstmRow(H);
      const [G, A, D] = [floats(M * 4 * H), floats(B * M), floats(B * row)];
      return () => wasm.gemmOuter(G, A, D, B, M, 4 * H, 4 * H, M, row);
    }, product(M, 4 * H, B)]),
    ["gemmOuter, tail of N", "128x100x32", ({ wasm, floats }) => {
      const [G, A, D] = [floats(128 * 100), floats(B * 128), floats(B * 100)];
      return () => wasm.gemmOuter(G, A, D, B, 128, 100, 100, 128, 100);
    }, product(128, 100, B)],
    ...[[8, 64], [128, 64]].flatMap(([I, H]) => [
      ["lstmForward", `T ${T}, B ${B}, I ${I}, H ${H}`, (kernels) => layer(kernels, I, H).forward, product(T * B, 4 * H, I + H)],
      ["lstmBackward", `T ${T}, B ${B}, I ${I}, H ${H}`, (kernels) => layer(kernels, I, H).backward, product(T * B, 4 * H, I + 2 * H)],
    ]),
    ["lstmInput", `T ${T}, B ${B}, I 128, H 64`, (kernels) => layer(kernels, 128, 64).input, product(T * B, 256, 128)],
    ...[[2048, 64, 16, 24, 1, 16], [256, 3, 1, 1, 16, 32], [96, 3, 1, 1, 64, 64]].flatMap(([T, K, stride, before, I, O]) => {
      const shape = `T ${T}, B ${B}, K ${K}, stride ${stride}, I ${I}, O ${O}`;
      return [
        ["convolutionForward", shape, (kernels) => convolution(kernels, T, K, stride, before, I, O).forward, product((T / stride) * B, O, K * I)],
        ["convolutionBackward", shape, (kernels) => convolution(kernels, T, K, stride, before, I, O).backward, product((T / stride) * B, O, (I === 1 ? 1 : 2) * K * I)],
      ];
    }),
    ["addRows", "3200x256", ({ wasm, floats }) => {
      const [sums, rows] = [floats(256, 0), floats(3200 * 272)];
      return () => wasm.addRows(sums, rows, 3200, 256, 272);
    }, each(3200 * 256, 4)],
    ["cells of lstmForward", `T ${T}, B ${B}, H 64`, (kernels) => cells(kernels, "forward"), each(T * B * 64, 4 * 11)],
    ["cells of lstmBackward", `T ${T}, B ${B}, H 64`, (kernels) => cells(kernels, "backward"), each(T * B * 64, 4 * 16)],
    ["lstmPack", "I 128, H 64", (kernels) => layer(kernels, 128, 64).pack, each(256 * 193, 8)],
    ["lstmGradients", "I 128, H 64", (kernels) => layer(kernels, 128, 64).gradients, each(256 * 193, 12)],
    ["attentionForward", `T ${T}, B ${B}, D 128, A 64`, (kernels) => attention(kernels).forward, product(T * B, 64, 128)],
    ["attentionBackward", `T ${T}, B ${B}, D 128, A 64`, (kernels) => attention(kernels).backward, product(2 * T * B, 64, 128)],
    ["attentionBackward, u again", `T ${T}, B ${B}, D 128, A 64`, (kernels) => attention(kernels, false).backward, product(3 * T * B, 64, 128)],
    ["denseForward", `${B}x64x128`, (kernels) => dense(kernels).forward, product(B, 64, 128)],
    ["denseBackward", `${B}x64x128`, (kernels) => dense(kernels).backward, product(2 * B, 64, 128)],
    ["dropout", `${T * B * 128}`, ({ wasm, floats }) => {
      const [y, x] = [floats(T * B * 128), floats(T * B * 128)];
      return () => wasm.dropout(y, x, T * B * 128, 0.2, 1, 2, 3);
    }, each(T * B * 128, 8)],
    ["softmaxCrossEntropy", `${B}x4`, ({ wasm, floats }) => {
      const [probabilities, dlogits, logits, targets, weights] = [floats(B * 4), floats(B * 4), floats(B * 4), floats(B, 0), floats(4, 1)];
      return () => wasm.softmaxCrossEntropy(probabilities, dlogits, logits, targets, weights, B, 4, 0);
    }, each(B * 4, 12)],
    ["clipNorm", `${P}`, ({ wasm, floats }) => {
      const g = floats(P);
      return () => wasm.clipNorm(g, P, 1e9);
    }, each(P, 4)],
    ["adam", `${P}`, ({ wasm, floats }) => {
      const [w, m, v, g] = [floats(P), floats(P, 0), floats(P, 0), floats(P)];
      return () => wasm.adam(w, m, v, g, P, 1e-3, 0.9, 0.999, 1e-8, 0, 0.1, 0.001);
    }, each(P, 28)],
    ["sgd", `${P}`, ({ wasm, floats }) => {
      const [w, m, g] = [floats(P), floats(P, 0), floats(P)];
      return () => wasm.sgd(w, m, g, P, 1e-9, 0.9, 0);
    }, each(P, 20)],
    ["proximal", `${P}`, ({ wasm, floats }) => {
      const [g, w, w0] = [floats(P, 0), floats(P), floats(P)];
      return () => wasm.proximal(g, w, w0, P, 1e-9);
    }, each(P, 16)],
    ...[1, 4].map((K) => ["average32", `${P}, K ${K}`, ({ wasm, floats, list }) => {
      const [mean, clients, weights] = [floats(P, 0), list(Array.from({ length: K }, () => floats(P))), floats(K, 1 / K)];
      return () => wasm.average32(mean, clients, weights, K, P);
    }, each(K * P, 4 + 8 / K)]),
    ["latticeEncode", `${P}`, ({ wasm, floats }) => {
      const [q, w1, w0] = [floats(P, 0), floats(P), floats(P)];
      return () => wasm.latticeEncode(q, w1, w0, P);
    }, each(P, 12)],
    ...[1, 2].map((K) => ["latticeAdd", `${P}, K ${K}`, ({ wasm, floats, longs, list }) => {
      const [sum, updates, samples] = [longs(P), list(Array.from({ length: K }, () => floats(P))), list(new Array(K).fill(100))];
      return () => wasm.latticeAdd(sum, updates, samples, K, P);
    }, each(K * P, 4 + 16 / K)]),
    ["latticeMean", `${P}`, ({ wasm, floats, longs }) => {
      const [mean, sum] = [floats(P, 0), longs(P)];
      return () => wasm.latticeMean(mean, sum, 10_007n, P);
    }, each(P, 12)],
    ["applyUpdate", `${P}`, ({ wasm, floats }) => {
      const [w, w0, mean] = [floats(P, 0), floats(P), floats(P)];
      return () => wasm.applyUpdate(w, w0, mean, P);
    }, each(P, 12)],
  ];
}

/** Kernel memory, filled with numbers in [-1, 1) or with one value. */
export function arena(build) {
  const kernels = new Kernels({ build: builds.get(build) });
  const random = numbers(1 << 20, "kernels");
  const fill = (view, value) => {
    if (value !== undefined) view.fill(value);
    else for (let at = 0; at < view.length; at += random.length) view.set(random.subarray(0, Math.min(random.length, view.length - at)), at);
  };
  return {
    wasm: kernels.wasm,
    floats(count, value) {
      const pointer = kernels.allocate(4 * count);
      fill(kernels.float32(pointer, count), value);
      return pointer;
    },
    list(integers) {
      const pointer = kernels.allocate(4 * integers.length);
      kernels.int32(pointer, integers.length).set(integers);
      return pointer;
    },
    longs(count) {
      const pointer = kernels.allocate(8 * count);
      kernels.bigInt64(pointer, count).forEach((_, n, all) => (all[n] = BigInt(n * 12_345)));
      return pointer;
    },
  };
}

/** One direction of a bidirectional layer: y has the two side by side. */
function layer({ wasm, floats }, I, H) {
  const row = wasm.lstmRow(H);
  const [y, dy, gates, c, x, dx] = [floats(T * B * 2 * H), floats(T * B * 2 * H), floats(T * B * row), floats(T * B * H), floats(T * B * I), floats(T * B * I)];
  const [W, R, bias] = [floats(4 * H * I), floats(4 * H * H), floats(8 * H)];
  const scale = 1 / Math.sqrt(H);
  for (const [pointer, count] of [[W, 4 * H * I], [R, 4 * H * H]]) {
    const view = new Float32Array(wasm.memory.buffer, pointer, count);
    view.forEach((value, n) => (view[n] = scale * value));
  }
  const [dW, dR, dbias, dh, dc] = [floats(4 * H * I, 0), floats(4 * H * H, 0), floats(8 * H, 0), floats(B * H, 0), floats(B * H, 0)];
  const packed = floats(wasm.lstmGradientFloats(I, H), 0);
  const scratch = floats(Math.max(wasm.lstmForwardScratch(I, H), wasm.lstmBackwardScratch(H), wasm.lstmInputScratch(I, H)), 0);
  return {
    forward: () => wasm.lstmForward(y, gates, c, x, W, R, bias, 0, scratch, T, B, I, H, 2 * H, false),
    backward: () => wasm.lstmBackward(packed, dh, dc, dy, y, gates, c, x, R, 0, scratch, T, B, I, H, 2 * H, false),
    input: () => wasm.lstmInput(dx, gates, W, scratch, T * B, I, H),
    pack: () => wasm.lstmPack(scratch, W, R, bias, I, H),
    gradients: () => wasm.lstmGradients(dW, dR, dbias, packed, I, H),
  };
}

/** What is left of a direction when its products are taken away: activations and states of T·B·H units. */
function cells(kernels, pass) {
  const [I, H] = [8, 64];
  const { wasm, floats } = kernels;
  const row = wasm.lstmRow(H);
  const [z, x, h, dh, panels, bias, G, sums] = [floats(T * B * row), floats(B * I), floats(B * 2 * H), floats(B * H), floats(4 * H * (I + H)), floats(4 * H), floats(4 * H * H), floats(4 * H)];
  const { forward, backward } = layer(kernels, I, H);
  if (pass === "forward") return [[1, forward], [-T, () => wasm.gemmPair(z, bias, x, h, panels, B, 4 * H, I, H, true, row, I, 2 * H)]];
  return [
    [1, backward],
    [-T, () => wasm.gemm(dh, z, panels, B, H, 4 * H, H, row, false)],
    [-T, () => wasm.gemmOuter(G, x, z, B, I, 4 * H, 4 * H, I, row)],
    [-T, () => wasm.gemmOuter(G, h, z, B, H, 4 * H, 4 * H, 2 * H, row)],
    [-1, () => wasm.addRows(sums, z, T * B, 4 * H, row)],
  ];
}

/** @param keep whether u is kept from the forward pass or computed again in the backward pass */
function attention({ wasm, floats }, keep = true) {
  const [D, A] = [128, 64];
  const [context, dcontext, alpha, h, dh] = [floats(B * D), floats(B * D), floats(T * B), floats(T * B * D), floats(T * B * D)];
  const u = keep ? floats(T * B * A) : 0;
  const [W, b, v, c, dW, db, dv] = [floats(A * D), floats(A), floats(A), floats(1), floats(A * D, 0), floats(A, 0), floats(A, 0)];
  const scratch = floats(wasm.attentionScratch(T, B, D, A), 0);
  return {
    forward: () => wasm.attentionForward(context, alpha, u, h, W, b, v, c, scratch, T, B, D, A),
    backward: () => wasm.attentionBackward(dh, dW, db, dv, dcontext, alpha, u, h, W, b, v, scratch, T, B, D, A),
  };
}

/** Over a sequence, with as many steps left as the stride says. The input layer, of one channel, needs no dx. */
function convolution({ wasm, floats }, T, K, stride, before, I, O) {
  const [y, dy, x, W, b] = [floats((T / stride) * B * O), floats((T / stride) * B * O), floats(T * B * I), floats(O * I * K), floats(O)];
  const [dx, dW, db] = [I === 1 ? 0 : floats(T * B * I, 0), floats(O * I * K, 0), floats(O, 0)];
  const scratch = floats(wasm.convolutionScratch(K, B, I, O), 0);
  const slide = [1, T, 1, T / stride, 1, K, stride, 1, 0, before, B, I, O];
  return {
    forward: () => wasm.convolutionForward(y, x, W, b, scratch, ...slide),
    backward: () => wasm.convolutionBackward(dx, dW, db, dy, x, W, scratch, ...slide),
  };
}

function dense({ wasm, floats }) {
  const [O, I, relu] = [64, 128, 1];
  const [y, dy, x, dx, W, b, dW, db] = [floats(B * O), floats(B * O), floats(B * I), floats(B * I), floats(O * I), floats(O), floats(O * I, 0), floats(O, 0)];
  const scratch = floats(wasm.denseScratch(B, O, I), 0);
  return {
    forward: () => wasm.denseForward(y, x, W, b, scratch, B, O, I, relu),
    backward: () => wasm.denseBackward(dx, dW, db, dy, y, x, W, scratch, B, O, I, relu),
  };
}

export async function kernels({ ceilings }) {
  const rows = [];
  const names = [...builds.keys()];
  for (const [name, shape, setup, work] of lines()) {
    const contenders = {};
    for (const build of names) {
      const made = setup(arena(build));
      const calls = Array.isArray(made) ? made : [[1, made]];
      contenders[build] = () => calls.reduce((ms, [count, call]) => ms + count * sliceOfMany(call, 0.08), 0);
      if (work.flops) contenders[`${build} ceiling`] = () => work.flops / ceilings[build].rate(0.04) / 1e6;
    }
    const found = await compare(contenders, { rounds: 3 });
    const results = names.map((build) => [build, { ms: found[build].ms, share: ratio(found[`${build} ceiling`], found[build]) }]);
    rows.push({ kernel: name, shape, work, ...Object.fromEntries(results) });
  }
  return { title: "Each kernel by itself, one thread: time of a call, rate, share of the ceiling", rows, print: printKernels };
}

function printKernels({ title, rows }) {
  const names = [...builds.keys()];
  const columns = ["kernel", "shape", ...names.flatMap((build) => [build, "rate", "share"])];
  print(title, columns, rows.map(({ kernel, shape, work, ...found }) => [
    kernel, shape, ...names.flatMap((build) => {
      const { ms, share } = found[build];
      if (ms <= 0) return ["", "lost in noise", ""];
      const rate = work.flops ? `${(work.flops / ms / 1e6).toFixed(1)} GFLOP/s` : `${((1e6 * ms) / work.elements).toPrecision(3)} ns/element, ${(work.bytes / ms / 1e6).toFixed(1)} GB/s`;
      return [time(ms), rate, percent(share)];
    }),
  ]));
}
