/**
 * Models for the tests of this folder, and the float64 definition of what their graphs compute.
 */
import type { Scaler } from "../../src/data/scaler.ts";
import { random } from "../../src/kernels/random.ts";
import { outputs, quantilesOf } from "../../src/model/head.ts";
import { layoutOf, statisticsOf } from "../../src/model/layout.ts";
import { parseSpec, type LayerSpec, type ModelSpec, type ModelSpecInput } from "../../src/model/spec.ts";
import { activations, attentionForward, batchNormForward, convolutionForward, denseForward, gruForward, layerNormForward, lstmForward, poolForward, softmax, type Slide, type Vector } from "../reference.ts";

export const STATES = ["HEALTHY", "DEGRADED", "CRITICAL", "FAILURE"];

export interface Model {
  readonly spec: ModelSpec;
  readonly parameters: Float32Array;
  readonly statistics: Float32Array;
  readonly scaler: Scaler;
}

export const classify = { type: "classify", classes: STATES } as const;
export const regress = { type: "regress", unit: "cycles", scale: 0.5 } as const;

export function modelOf(layers: ModelSpecInput["layers"], head: ModelSpecInput["head"], { steps = 6, features = 3, regimes = 0, seed = 1, width = undefined as number | undefined, side = undefined as ModelSpecInput["side"] } = {}): Model {
  const spec = parseSpec({ input: { steps, features, width }, layers, side, head });
  const draw = random(seed, "onnx test");
  const between = (low: number, high: number) => Math.fround(low + (high - low) * draw.uniform());
  const parameters = new Float32Array(layoutOf(spec).length).map(() => between(-0.6, 0.6));
  const table = (rows: number, columns: number, value: () => number) =>
    Array.from({ length: rows }, () => Array.from({ length: columns }, value));
  const rows = Math.max(regimes, 1);
  const scaler: Scaler = {
    mean: table(rows, features, () => between(-40, 40)),
    std: table(rows, features, () => between(0.5, 4)),
    ...(regimes && { regimes: { settings: 2, centres: table(regimes, 2, () => between(-3, 3)).map(([a, b]) => [0.3 * a, 12 * b]), spread: [0.3, 12] } }),
    ...(side && { side: { mean: table(1, side.input.features, () => between(-40, 40)), std: table(1, side.input.features, () => between(0.5, 4)) } }),
  };
  const statistics = new Float32Array(statisticsOf(spec).length).map(() => between(0.2, 0.8));
  return { spec, parameters, statistics, scaler };
}

/** Raw windows (B,T,columns) of scaled values in [-2, 2], with settings near the centres. */
export function windowsOf({ spec, scaler }: Model, B: number, seed = 2): Float32Array {
  const draw = random(seed, "onnx windows");
  const noise = () => 4 * draw.uniform() - 2;
  const rows = Array.from({ length: B * spec.input.steps }, () => {
    const r = draw.integer(scaler.mean.length);
    const settings = scaler.regimes?.centres[r].map((centre, s) => centre + 0.2 * scaler.regimes!.spread[s] * noise()) ?? [];
    return [...settings, ...scaler.mean[r].map((mean, i) => mean + scaler.std[r][i] * noise())];
  });
  return Float32Array.from(rows.flat());
}

/** Raw values (B,T',I') of the side branch, where there is one. */
export function sideOf({ spec: { side }, scaler }: Model, B: number): Float32Array | undefined {
  return side && windowsOf({ spec: { ...side, head: regress }, parameters: new Float32Array(), statistics: new Float32Array(), scaler: scaler.side! }, B, 3);
}

/** Probabilities (B,classes), values (B), (B,O) or (B,O,Q), or windows (B,T,I). */
export function predict(model: Model, windows: Vector, B: number): Float64Array {
  const { spec, parameters, statistics, scaler } = model;
  /** Of either vector, by its name in the layout. */
  const parameter: Named = (name) => {
    for (const [{ parameters: rows }, values] of [[layoutOf(spec), parameters], [statisticsOf(spec), statistics]] as const) {
      const row = rows.find((row) => row.name === name);
      if (row) return values.subarray(row.offset, row.offset + row.length);
    }
    throw new Error(`no parameter "${name}"`);
  };
  const { steps, features } = spec.input;
  const beside = spec.side && branch(spec.side, scaled(sideOf(model, B)!, scaler.side!, B, spec.side.input.steps, spec.side.input.features), B, (name) => parameter(`side.${name}`));
  const { x, T, I } = branch(spec, scaled(windows, scaler, B, steps, features), B, parameter, beside);
  const { head } = spec;
  const O = outputs(spec);
  const rows = head.type === "reconstruct" ? T * B : B;
  const y = denseForward({ x, W: parameter("head.W"), b: parameter("head.b"), B: rows, O, I, activation: 0 });
  if (head.type === "reconstruct") return y.map((_, at) => y[(Math.floor(at / O) % T) * B * O + Math.floor(at / (T * O)) * O + (at % O)]);
  if (head.type === "classify") return softmax(y, B, O);
  const values = y.map((value) => value * head.scale);
  const Q = Math.max(1, quantilesOf(head).length);
  for (let n = 0; n < values.length; n += Q) values.subarray(n, n + Q).sort();
  return values;
}

type Named = (name: string) => Float32Array;
interface Flow { x: Float64Array; T: number; I: number }

/** What the layers make of a sequence (T,B,I); `beside` (B,I') is appended to the first vector. */
function branch({ input, layers }: Pick<ModelSpec, "input" | "layers">, sequence: Float64Array, B: number, parameter: Named, beside?: Flow): Flow {
  let { steps: T, features: I, width } = input;
  let x = sequence;
  let final = x;
  const joint = layers.findIndex(({ type }) => ["attention", "last", "mean", "max", "flatten"].includes(type));
  layers.forEach((layer, index) => {
    const named = (name: string) => parameter(`${index}.${layer.type}.${name}`);
    if (layer.type === "lstm" || layer.type === "gru") {
      const forward = layer.type === "lstm" ? lstmForward : gruForward;
      const H = layer.hidden;
      const D = layer.bidirectional ? 2 : 1;
      const directions = Array.from({ length: D }, (_, d) => {
        const part = (values: Float32Array) => values.subarray((d * values.length) / D, ((d + 1) * values.length) / D);
        return forward({ x, W: part(named("W")), R: part(named("R")), b: part(named("B")), T, B, I, H, reverse: d === 1 }).h;
      });
      x = Float64Array.from({ length: T * B * D * H }, (_, at) => directions[Math.floor(at / H) % D][Math.floor(at / (D * H)) * H + (at % H)]);
      final = Float64Array.from({ length: B * D * H }, (_, at) => x[(at % (D * H) < H ? T - 1 : 0) * B * D * H + at]);
      I = D * H;
    }
    if (layer.type === "normalise") {
      const input = { x, scale: named("scale"), bias: named("bias"), N: x.length / I, I };
      x = layer.kind === "layer" ? layerNormForward(input) : batchNormForward(input, { mean: named("mean"), variance: named("variance") });
    }
    if (layer.type === "last") x = final;
    if (layer.type === "convolution" || layer.type === "pool") {
      const slide = slideOf(layer, T, width);
      const O = layer.type === "convolution" ? layer.filters : I;
      x = layer.type === "convolution" ? convolutionForward({ ...slide, x, W: named("W"), b: named("b"), B, I, O }) : poolForward({ ...slide, x, N: B * I, average: layer.kind === "average" });
      if (width !== undefined) width = Math.floor((slide.columns + slide.before + slide.behind - (slide.size - 1) * slide.dilation - 1) / slide.stride) + 1;
      [T, I] = [x.length / B / O, O];
    }
    if (layer.type === "activation") x = x.map(activations.find(({ name }) => name === layer.kind)!.value);
    if (layer.type === "mean" || layer.type === "max") {
      x = poolForward({ ...slideOf({ type: "pool", kind: "max", size: T }, T, undefined), x, N: B * I, average: layer.type === "mean" });
    }
    if (layer.type === "flatten") {
      x = Float64Array.from(x, (_, at) => x[(Math.floor(at / I) % T) * B * I + Math.floor(at / I / T) * I + (at % I)]);
      I *= T;
    }
    if (layer.type === "attention") {
      const c = named("c")[0];
      x = attentionForward({ h: x, W: named("W"), b: named("b"), v: named("v"), c, T, B, D: I, A: layer.size }).context;
    }
    if (layer.type === "repeat") {
      T = layer.steps ?? input.steps;
      const vector = x;
      x = Float64Array.from({ length: T * vector.length }, (_, at) => vector[at % vector.length]);
    }
    if (layer.type === "dense") {
      const activation = activations.findIndex(({ name }) => name === layer.activation);
      x = denseForward({ x, W: named("W"), b: named("b"), B, O: layer.units, I, activation });
      I = layer.units;
    }
    if (beside && index === joint) {
      const row = (values: Float64Array, b: number, length: number) => [...values.subarray(b * length, (b + 1) * length)];
      x = Float64Array.from(Array.from({ length: B }, (_, b) => [...row(x, b, I), ...row(beside.x, b, beside.I)]).flat());
      I += beside.I;
    }
  });
  return { x, T, I };
}

/** By the definition: "same" and "causal" leave ceil(length / stride) windows, "same" with the larger half of the zeros behind. */
function slideOf(layer: Extract<LayerSpec, { type: "convolution" | "pool" }>, steps: number, width: number | undefined): Slide {
  const [size, padding, dilation] = layer.type === "convolution" ? [layer.kernel, layer.padding, layer.dilation] : [layer.size, "valid", 1];
  const stride = layer.stride ?? size;
  const reach = (size - 1) * dilation;
  const around = (length: number): [number, number] => {
    if (padding === "valid") return [0, 0];
    if (padding === "causal") return [reach, 0];
    let all = 0;
    while (Math.floor((length + all - reach - 1) / stride) + 1 < Math.ceil(length / stride)) all++;
    return [all >> 1, all - (all >> 1)];
  };
  const [before, behind] = around(width ?? steps);
  const [above, below] = width === undefined ? [0, 0] : around(steps / width);
  return { rows: width === undefined ? 1 : steps / width, columns: width ?? steps, tall: width === undefined ? 1 : size, size, stride, dilation, above, below, before, behind };
}

/** Raw (B,T,columns) to scaled (T,B,I). */
function scaled(windows: Vector, { mean, std, regimes }: Scaler, B: number, T: number, I: number): Float64Array {
  const S = regimes?.settings ?? 0;
  const result = new Float64Array(T * B * I);
  for (let bt = 0; bt < B * T; bt++) {
    const row = Array.from(windows).slice(bt * (S + I), (bt + 1) * (S + I));
    const distances = regimes?.centres.map((centre) => centre.reduce((sum, value, s) => sum + ((row[s] - value) / regimes.spread[s]) ** 2, 0)) ?? [0];
    const r = distances.indexOf(Math.min(...distances));
    const tb = (bt % T) * B + Math.floor(bt / T);
    for (let i = 0; i < I; i++) result[tb * I + i] = (row[S + i] - mean[r][i]) / std[r][i];
  }
  return result;
}
