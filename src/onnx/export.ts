/**
 * @module
 * A trained model as ONNX, for runtimes at the edge: raw sensor values in, probabilities, an alarmed
 * state or a value out. Everything between is in the graph, scaling included.
 *
 *     sensors (B,T,columns) ─ scaler ─ Transpose (T,B,I) ─ LSTM … ─ attention | Y_h ─ Gemm … ─ head
 *                                    ─ Transpose (B,I,T) ─ Conv … ─ ReduceMean …   ─ Gemm … ─ head
 *
 * The canonical vector already is in ONNX order (gates i, o, f, c and z, r, h; B = [Wb, Rb]), so initializers are
 * its rows as they are. Only operators of the default domain are used. Opset 14 is the oldest with the
 * current LSTM operator until opset 22, and therefore what most runtimes accept.
 *
 * Operators: https://onnx.ai/onnx/operators
 */
import type { Scaler } from "../data/scaler.ts";
import { layoutOf, statisticsOf } from "../model/layout.ts";
import { jointOf, paddingOf, shapesOf, sideShapesOf, type Sequence, type Shape } from "../model/shape.ts";
import type { LayerSpec, ModelSpec } from "../model/spec.ts";
import { addConvolution, addFlatten, addPool, addReduction, arrange, type Axes, type Flow } from "./convolution.ts";
import { Graph, type Port } from "./graph.ts";
import { addBatchNormalise, addLayerNormalise } from "./normalise.ts";

const IR_VERSION = 8;
const OPSET = 14;
const PRODUCER = { name: "millwright", version: "0.1.0" };

export interface OnnxOptions {
  readonly spec: ModelSpec;
  /** (P) the canonical vector of `layoutOf(spec)`. */
  readonly parameters: Float32Array;
  /** (S) of `statisticsOf(spec)`: the file is for the place whose windows these are of. Absent where nothing is normalised over batches. */
  readonly statistics?: Float32Array;
  readonly scaler: Scaler;
  /**
   * What else the file says about itself, each value a string. By convention: `task`, `rounds`, `clients`,
   * `sensors` and `units` (JSON lists, a name a column), `rateHz`, `build` of the kernels, `sha256` of the parameters' bytes, `license`.
   * `alarmThreshold`, a number in (0, 1], adds the output `state` to a classifier of three or more classes.
   * The export itself adds `spec`, `scaler`, `window` and, for a classifier, `classes`.
   */
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * ONNX bytes of a model: IR 8, opset 14. The same options give the same bytes.
 *
 *     input   sensors        float32 (batch, T, columns)  raw values; columns = settings + I where the scaler has regimes
 *             side           float32 (batch, T', I')      raw values of the side branch, where there is one
 *     output  probabilities  float32 (batch, classes)     of a classifier
 *             state          int64   (batch)              of a classifier with an alarm threshold
 *             value          float32 (batch, 1)           of a regressor, in its unit and not clamped
 *             values         float32 (batch, O), or (batch, O, Q) ascending, of a forecast in its unit
 *             reconstruction float32 (batch, T, I)        of an autoencoder, in scaled units
 *             error          float32 (batch)              of an autoencoder: mean squared error, in scaled units
 *
 * @throws RangeError where parameters, scaler or metadata do not fit the spec.
 */
export function exportOnnx({ spec, parameters, statistics = new Float32Array(0), scaler, metadata = {} }: OnnxOptions): Uint8Array<ArrayBuffer> {
  const { features, steps } = spec.input;
  checkScaler(scaler, features);
  if (spec.side) checkScaler(scaler.side ?? { mean: [], std: [] }, spec.side.input.features, "scaler.side");
  const threshold = alarmThreshold(spec, metadata);
  const graph = new Graph();
  addParameters(graph, spec, parameters);
  addStatistics(graph, spec, statistics);

  const settings = scaler.regimes?.settings ?? 0;
  const sensors: Port = {
    name: "sensors",
    element: "float32",
    shape: ["batch", steps, settings + features],
    description: settings ? `raw rows: ${settings} operating settings, then ${features} sensors` : `raw rows of ${features} sensors`,
  };
  const scaled = scale(graph, sensors.name, scaler);
  const side = spec.side && scaler.side && addSide(graph, spec, scaler.side);
  const last = addLayers(graph, { name: scaled, axes: "BTF" }, { ...spec, shapes: shapesOf(spec), path: "", side });
  const outputs = addHead(graph, last, scaled, spec, threshold);

  return graph.encode({
    irVersion: IR_VERSION,
    opset: OPSET,
    producer: PRODUCER,
    description: `Feed raw sensor values: windows of ${steps} steps, oldest first. Scaling is part of the graph.`,
    inputs: side ? [sensors, side.port] : [sensors],
    outputs,
    metadata: allMetadata(spec, scaler, metadata),
  });
}

function addParameters(graph: Graph, spec: ModelSpec, parameters: Float32Array): void {
  const layout = layoutOf(spec);
  if (parameters.length !== layout.length) {
    throw new RangeError(`"parameters" expected ${layout.length} numbers for this spec, got ${parameters.length}`);
  }
  for (const { name, shape, offset, length } of layout.parameters) {
    const values = parameters.subarray(offset, offset + length);
    if (!values.every(Number.isFinite)) throw new RangeError(`"parameters" expected finite numbers, but ${name} has others; the training diverged`);
    graph.initializer(name, shape, values);
  }
}

/** As constants, because the initializers are the canonical vector and nothing else. */
function addStatistics(graph: Graph, spec: ModelSpec, statistics: Float32Array): void {
  const layout = statisticsOf(spec);
  if (statistics.length !== layout.length) {
    throw new RangeError(`"statistics" expected ${layout.length} numbers for this spec, got ${statistics.length}; adapt the model to the windows of the place that will use it`);
  }
  for (const { name, shape, offset, length } of layout.parameters) graph.constant(name, shape, [...statistics.subarray(offset, offset + length)]);
}

/** y = (x - mean[r]) / std[r], in float32 and in this order, as the scaler itself computes it. */
function scale(graph: Graph, sensors: string, { mean, std, regimes }: Scaler, path = ""): string {
  const R = mean.length;
  const I = mean[0].length;
  if (!regimes) {
    const centred = graph.node("Sub", `${path}scaler.centred`, [sensors, graph.constant(`${path}scaler.mean`, [I], mean[0])]);
    return graph.node("Div", `${path}scaler.scaled`, [centred, graph.constant(`${path}scaler.std`, [I], std[0])]);
  }
  const S = regimes.settings;
  const axis = graph.integers("scaler.columns.axis", 2);
  const first = graph.integers("scaler.settings.start", 0);
  const split = graph.integers("scaler.settings.end", S);
  const last = graph.integers("scaler.values.end", S + I);
  const settings = graph.node("Slice", "scaler.settings", [sensors, first, split, axis]); // (B,T,S)
  const values = graph.node("Slice", "scaler.values", [sensors, split, last, axis]); // (B,T,I)

  const row = graph.node("Unsqueeze", "scaler.settings.row", [settings, axis]); // (B,T,1,S)
  const offset = graph.node("Sub", "scaler.offset", [row, graph.constant("scaler.centres", [R, S], regimes.centres.flat())]); // (B,T,R,S)
  const divided = graph.node("Div", "scaler.offset.divided", [offset, graph.constant("scaler.spread", [S], regimes.spread)]);
  const squared = graph.node("Mul", "scaler.offset.squared", [divided, divided]);
  const distance = graph.node("ReduceSum", "scaler.distance", [squared, graph.integers("scaler.distance.axis", 3)], { keepdims: 0 }); // (B,T,R)
  const regime = graph.node("ArgMin", "scaler.regime", [distance], { axis: 2, keepdims: 0 }); // (B,T)

  const means = graph.node("Gather", "scaler.mean.row", [graph.constant("scaler.mean", [R, I], mean.flat()), regime]); // (B,T,I)
  const stds = graph.node("Gather", "scaler.std.row", [graph.constant("scaler.std", [R, I], std.flat()), regime]);
  return graph.node("Div", "scaler.scaled", [graph.node("Sub", "scaler.centred", [values, means]), stds]);
}

/** The order of axes in which a layer takes a sequence, where it is not (T,B,F); some take any. */
const AXES: { readonly [Type in LayerSpec["type"]]?: Axes | "any" } = { convolution: "BFT", pool: "BFT", activation: "any", mean: "any", max: "any", flatten: "BTF" };

/** The main layers, or those of a side. */
interface Branch extends Pick<ModelSpec, "input" | "layers"> {
  readonly shapes: readonly Shape[];
  /** What its parameters' names begin with. */
  readonly path: string;
  /** What is appended to the first vector. */
  readonly side?: { readonly vector: string };
}

/** The side's vector (B,·), and its input. */
function addSide(graph: Graph, spec: ModelSpec, scaler: Scaler): { vector: string; port: Port } {
  const { input, layers } = spec.side!;
  const port: Port = { name: "side", element: "float32", shape: ["batch", input.steps, input.features], description: `raw rows of ${input.features} values of the side branch` };
  const scaled = scale(graph, port.name, scaler, "side.");
  return { port, vector: addLayers(graph, { name: scaled, axes: "BTF" }, { input, layers, shapes: sideShapesOf(spec), path: "side." }) };
}

/** Layers map one to one; dropout is nothing at inference. Returns the vector (B,·), or the sequence (T,B,·), that the head sees. */
function addLayers(graph: Graph, sequence: Flow, branch: Branch): string {
  const { shapes, path } = branch;
  const joint = branch.side ? jointOf(branch) : -1;
  const layers = branch.layers.map((layer, index) => ({ layer, index, name: `${path}${index}.${layer.type}`, before: shapes[index] })).filter(({ layer }) => layer.type !== "dropout");
  let { name: x, axes } = sequence;
  layers.forEach(({ layer, index, name, before }, place) => {
    if (before.kind === "sequence") {
      const wanted = layer.type === "normalise" && layer.kind === "batch" ? "BFT" : (AXES[layer.type] ?? "TBF");
      if (wanted !== "any") ({ name: x, axes } = arrange(graph, { name: x, axes }, wanted, x === sequence.name ? `${path}sequence` : `${name}.input`));
    }
    if (layer.type === "lstm" || layer.type === "gru") x = addRecurrent(graph, name, x, layer, layers[place + 1]?.layer.type === "last");
    if (layer.type === "last") {
      const states = graph.node("Transpose", `${name}.states`, [x], { perm: [1, 0, 2] }); // (B,D,H)
      x = graph.node("Reshape", name, [states, graph.integers(`${name}.shape`, 0, before.features)]); // (B,D*H)
    }
    if (layer.type === "convolution") x = addConvolution(graph, name, x, layer, before as Sequence, paddingOf);
    if (layer.type === "pool") x = addPool(graph, name, x, layer, before as Sequence);
    if (layer.type === "activation") x = graph.node(ACTIVATION[layer.kind], name, [x]);
    if (layer.type === "normalise") x = layer.kind === "layer" ? addLayerNormalise(graph, name, x) : addBatchNormalise(graph, name, x);
    if (layer.type === "mean" || layer.type === "max") x = addReduction(graph, name, { name: x, axes }, layer.type);
    if (layer.type === "flatten") x = addFlatten(graph, name, x, before as Sequence);
    if (layer.type === "attention") x = addAttention(graph, name, x);
    if (layer.type === "repeat") {
      const step = graph.node("Unsqueeze", `${name}.step`, [x, graph.integers(`${name}.axis`, 0)]); // (1,B,I)
      x = graph.node("Expand", name, [step, graph.integers(`${name}.steps`, layer.steps ?? branch.input.steps, 1, 1)]); // (T,B,I)
      axes = "TBF";
    }
    if (layer.type === "dense") {
      x = graph.node("Gemm", layer.activation === "linear" ? name : `${name}.linear`, [x, `${name}.W`, `${name}.b`], { transB: 1 });
      if (layer.activation !== "linear") x = graph.node(ACTIVATION[layer.activation], name, [x]);
    }
    if (index === joint) x = graph.node("Concat", "side.join", [x, branch.side!.vector], { axis: 1 });
  });
  return shapes[shapes.length - 1].kind === "sequence" ? arrange(graph, { name: x, axes }, "TBF", "head.input").name : x;
}

const ACTIVATION = { relu: "Relu", tanh: "Tanh", sigmoid: "Sigmoid" } as const;

/** Hands on the sequence (T,B,D*H), or the final states (D,B,H) where the next layer takes those. */
function addRecurrent(graph: Graph, name: string, x: string, layer: Extract<LayerSpec, { type: "lstm" | "gru" }>, final: boolean): string {
  const reset: Record<string, number> = layer.type === "gru" ? { linear_before_reset: 1 } : {};
  const attributes = { hidden_size: layer.hidden, direction: layer.bidirectional ? "bidirectional" : "forward", ...reset };
  const outputs = final ? ["", `${name}.Y_h`] : [`${name}.Y`]; // Y (T,D,B,H), Y_h (D,B,H)
  graph.nodeWithOutputs(layer.type.toUpperCase(), name, [x, `${name}.W`, `${name}.R`, `${name}.B`], outputs, attributes);
  if (final) return `${name}.Y_h`;
  if (!layer.bidirectional) return graph.node("Squeeze", `${name}.sequence`, [`${name}.Y`, graph.integers(`${name}.axis`, 1)]);
  const steps = graph.node("Transpose", `${name}.steps`, [`${name}.Y`], { perm: [0, 2, 1, 3] }); // (T,B,D,H)
  return graph.node("Reshape", `${name}.sequence`, [steps, graph.integers(`${name}.shape`, 0, 0, 2 * layer.hidden)]);
}

/** context = Σ_t α_t h_t, α = softmax_t(v · tanh(W h_t + b) + c). */
function addAttention(graph: Graph, name: string, h: string): string {
  const W = graph.node("Transpose", `${name}.W.transposed`, [`${name}.W`], { perm: [1, 0] }); // (I,A)
  const v = graph.node("Unsqueeze", `${name}.v.column`, [`${name}.v`, graph.integers(`${name}.v.axis`, 1)]); // (A,1)
  const projected = graph.node("Add", `${name}.projected`, [graph.node("MatMul", `${name}.Wh`, [h, W]), `${name}.b`]); // (T,B,A)
  const hidden = graph.node("Tanh", `${name}.hidden`, [projected]);
  const scores = graph.node("Add", `${name}.scores`, [graph.node("MatMul", `${name}.vh`, [hidden, v]), `${name}.c`]); // (T,B,1)
  const weights = graph.node("Softmax", `${name}.weights`, [scores], { axis: 0 });
  const weighted = graph.node("Mul", `${name}.weighted`, [h, weights]); // (T,B,I)
  return graph.node("ReduceSum", name, [weighted, graph.integers(`${name}.axis`, 0)], { keepdims: 0 }); // (B,I)
}

function addHead(graph: Graph, x: string, scaled: string, { head, input }: ModelSpec, threshold: number | undefined): Port[] {
  if (head.type === "reconstruct") return addReconstruction(graph, x, scaled, input);
  if (head.type === "regress") {
    const normalised = graph.node("Gemm", "head", [x, "head.W", "head.b"], { transB: 1 });
    graph.node("Mul", "value", [normalised, graph.constant("head.scale", [1], [head.scale])]);
    return [{ name: "value", element: "float32", shape: ["batch", 1], description: `predicted value; unit: ${head.unit}` }];
  }
  if (head.type === "forecast") return [addForecast(graph, x, head)];
  const logits = graph.node("Gemm", "logits", [x, "head.W", "head.b"], { transB: 1 });
  const probabilities = graph.node("Softmax", "probabilities", [logits], { axis: 1 });
  const ports: Port[] = [
    { name: "probabilities", element: "float32", shape: ["batch", head.classes.length], description: `of ${head.classes.join(", ")}` },
  ];
  if (threshold !== undefined) {
    addAlarm(graph, probabilities, head.classes.length, threshold);
    ports.push({ name: "state", element: "int64", shape: ["batch"], description: `index of the state; alarm from a critical probability of ${threshold}` });
  }
  return ports;
}

/** The scaled window as the model makes it from (T,B,·), and its mean squared error. */
function addReconstruction(graph: Graph, x: string, scaled: string, { steps, features }: ModelSpec["input"]): Port[] {
  const W = graph.node("Transpose", "head.W.transposed", ["head.W"], { perm: [1, 0] });
  const sequence = graph.node("Add", "head", [graph.node("MatMul", "head.Wx", [x, W]), "head.b"]); // (T,B,I)
  const reconstruction = graph.node("Transpose", "reconstruction", [sequence], { perm: [1, 0, 2] });
  const difference = graph.node("Sub", "error.difference", [reconstruction, scaled]);
  const squared = graph.node("Mul", "error.squared", [difference, difference]);
  graph.node("ReduceMean", "error", [squared], { axes: [1, 2], keepdims: 0 });
  return [
    { name: "reconstruction", element: "float32", shape: ["batch", steps, features], description: "the window as reconstructed, in scaled units" },
    { name: "error", element: "float32", shape: ["batch"], description: "mean squared error of the reconstruction, in scaled units" },
  ];
}

/** Values (B,O), or quantiles (B,O,Q) in ascending order. */
function addForecast(graph: Graph, x: string, { outputs, unit, scale, quantiles = [] }: Extract<ModelSpec["head"], { type: "forecast" }>): Port {
  const [O, Q] = [outputs.length, quantiles.length];
  const description = `${outputs.join(", ")}${Q > 0 ? `, quantiles ${quantiles.join(", ")} of each` : ""}; unit: ${unit}`;
  const normalised = graph.node("Gemm", "head", [x, "head.W", "head.b"], { transB: 1 });
  const constant = graph.constant("head.scale", [1], [scale]);
  if (Q === 0) {
    graph.node("Mul", "values", [normalised, constant]);
    return { name: "values", element: "float32", shape: ["batch", O], description };
  }
  const scaled = graph.node("Mul", "head.scaled", [normalised, constant]);
  const rows = graph.node("Reshape", Q > 1 ? "head.rows" : "values", [scaled, graph.integers("head.shape", 0, O, Q)]); // (B,O,Q)
  if (Q > 1) graph.nodeWithOutputs("TopK", "values", [rows, graph.integers("head.quantiles", Q)], ["values", "values.order"], { axis: 2, largest: 0, sorted: 1 });
  return { name: "values", element: "float32", shape: ["batch", O, Q], description };
}

/** The last two of C classes are critical. Alarm where their probability reaches the threshold; the state is the likeliest on that side. */
function addAlarm(graph: Graph, probabilities: string, C: number, threshold: number): void {
  const axis = graph.integers("alarm.axis", 1);
  const [start, split, end] = [0, C - 2, C].map((at) => graph.integers(`alarm.class.${at}`, at));
  const calm = graph.node("Slice", "alarm.calm", [probabilities, start, split, axis]); // (B,C-2)
  const critical = graph.node("Slice", "alarm.critical", [probabilities, split, end, axis]); // (B,2)
  const probability = graph.node("ReduceSum", "alarm.probability", [critical, axis], { keepdims: 0 }); // (B)
  const alarm = graph.node("GreaterOrEqual", "alarm", [probability, graph.constant("alarm.threshold", [1], [threshold])]);
  const calmState = graph.node("ArgMax", "alarm.calm.state", [calm], { axis: 1, keepdims: 0 });
  const criticalPlace = graph.node("ArgMax", "alarm.critical.place", [critical], { axis: 1, keepdims: 0 });
  const criticalState = graph.node("Add", "alarm.critical.state", [criticalPlace, split]);
  graph.node("Where", "state", [alarm, criticalState, calmState]);
}

function alarmThreshold({ head }: ModelSpec, metadata: Readonly<Record<string, string>>): number | undefined {
  const text = metadata.alarmThreshold;
  if (text === undefined) return undefined;
  const threshold = Number(text);
  if (!(threshold > 0 && threshold <= 1)) throw new RangeError(`metadata "alarmThreshold" expected a number in (0, 1], got "${text}"`);
  if (head.type !== "classify" || head.classes.length < 3) {
    throw new RangeError(`metadata "alarmThreshold" expected a classifier of three or more classes, the last two critical; leave it out for other heads`);
  }
  return threshold;
}

function checkScaler({ mean, std, regimes }: Scaler, features: number, title = "scaler"): void {
  const rows = regimes ? regimes.centres.length : 1;
  const finite = (x: number) => Number.isFinite(Math.fround(x));
  const positive = (x: number) => finite(x) && Math.fround(x) > 0;
  checkTable(`${title}.mean`, mean, rows, features, finite, "finite");
  checkTable(`${title}.std`, std, rows, features, positive, "positive");
  if (!regimes) return;
  const { settings, centres, spread } = regimes;
  if (!Number.isInteger(settings) || settings < 1) throw new RangeError(`"scaler.regimes.settings" expected integer >= 1, got ${settings}`);
  if (rows < 1) throw new RangeError(`"scaler.regimes.centres" expected at least one row, got none`);
  checkTable("scaler.regimes.centres", centres, rows, settings, finite, "finite");
  checkTable("scaler.regimes.spread", [spread], 1, settings, positive, "positive");
}

function checkTable(
  title: string,
  table: readonly (readonly number[])[],
  rows: number,
  columns: number,
  holds: (value: number) => boolean,
  kind: string,
): void {
  if (table.length !== rows || table.some((row) => row.length !== columns)) {
    throw new RangeError(`"${title}" expected ${rows} x ${columns} numbers, got ${table.length} x ${table.map((row) => row.length).join(", ")}`);
  }
  const wrong = table.flat().find((value) => !holds(value));
  if (wrong !== undefined) throw new RangeError(`"${title}" expected ${kind} numbers within float32, got ${wrong}`);
}

/** In the order of their keys, so that the bytes do not depend on how the caller built its object. */
function allMetadata(spec: ModelSpec, { mean, std, regimes, side }: Scaler, metadata: Readonly<Record<string, string>>): [string, string][] {
  const { steps, features } = spec.input;
  const rateHz = metadata.rateHz === undefined ? {} : { rateHz: Number(metadata.rateHz) };
  const own: Record<string, string> = {
    spec: JSON.stringify(spec),
    scaler: JSON.stringify({
      mean, std,
      ...(regimes && { regimes: { settings: regimes.settings, centres: regimes.centres, spread: regimes.spread } }),
      ...(spec.side && side && { side: { mean: side.mean, std: side.std } }),
    }),
    window: JSON.stringify({ steps, features, ...(spec.side && { side: { steps: spec.side.input.steps, features: spec.side.input.features } }), ...rateHz }),
    ...(spec.head.type === "classify" && { classes: JSON.stringify(spec.head.classes) }),
  };
  for (const [key, value] of Object.entries(metadata)) {
    if (Object.hasOwn(own, key)) throw new RangeError(`metadata "${key}" is written by the export itself; leave it out`);
    if (typeof value !== "string") throw new TypeError(`metadata "${key}" expected string, got ${typeof value}`);
  }
  return Object.entries({ ...own, ...metadata }).sort(([a], [b]) => (a < b ? -1 : 1));
}
