/**
 * @module
 * Convolutions, pools and the reductions without parameters as ONNX nodes. ONNX has an image's or a
 * sequence's channels before its steps, (B,F,T), where recurrent layers have (T,B,F). A Transpose is
 * put between the two only where one kind follows the other.
 */
import type { Slide, Sequence } from "../model/shape.ts";
import type { LayerSpec } from "../model/spec.ts";
import type { Graph } from "./graph.ts";

/** The axes of a sequence in their order. */
export type Axes = "TBF" | "BTF" | "BFT";

/** A sequence in a graph. */
export interface Flow {
  readonly name: string;
  readonly axes: Axes;
}

/** The same sequence with its axes in another order. */
export function arrange(graph: Graph, { name, axes }: Flow, wanted: Axes, title: string): Flow {
  if (axes === wanted) return { name, axes };
  return { name: graph.node("Transpose", title, [name], { perm: Array.from(wanted, (axis) => axes.indexOf(axis)) }), axes: wanted };
}

/** Zeros before and behind so many steps; shape.ts's, handed in because this room takes only types from there. */
type PaddingOf = (length: number, slide: Slide) => { before: number; behind: number };

/** x (B,F,T), of an image with all its pixels in T. */
export function addConvolution(graph: Graph, name: string, x: string, layer: Extract<LayerSpec, { type: "convolution" }>, before: Sequence, paddingOf: PaddingOf): string {
  const { kernel, stride, dilation } = layer;
  const lengths = lengthsOf(before);
  const each = (value: number) => lengths.map(() => value);
  const zeros = lengths.map((length) => paddingOf(length, layer));
  const attributes = {
    kernel_shape: each(kernel), strides: each(stride), dilations: each(dilation),
    pads: [...zeros.map(({ before }) => before), ...zeros.map(({ behind }) => behind)],
  };
  return onGrid(graph, name, x, before, (input, output) => graph.node("Conv", output, [input, `${name}.W`, `${name}.b`], attributes));
}

/** x (B,F,T) */
export function addPool(graph: Graph, name: string, x: string, { kind, size, stride = size }: Extract<LayerSpec, { type: "pool" }>, before: Sequence): string {
  const each = (value: number) => lengthsOf(before).map(() => value);
  return onGrid(graph, name, x, before, (input, output) =>
    graph.node(kind === "max" ? "MaxPool" : "AveragePool", output, [input], { kernel_shape: each(size), strides: each(stride) }));
}

/** Rows and columns of an image; the steps of a sequence. */
const lengthsOf = ({ steps, width }: Sequence) => (width === undefined ? [steps] : [steps / width, width]);

/** Adds an operator that takes an image's rows and columns as two axes. */
function onGrid(graph: Graph, name: string, x: string, before: Sequence, add: (input: string, output: string) => string): string {
  if (before.width === undefined) return add(x, name);
  const image = graph.node("Reshape", `${name}.image`, [x, graph.integers(`${name}.image.shape`, 0, 0, ...lengthsOf(before))]);
  return graph.node("Reshape", name, [add(image, `${name}.pixels`), graph.integers(`${name}.shape`, 0, 0, -1)]);
}

/** Mean or maximum over time, of a sequence in any order: (B,F). */
export function addReduction(graph: Graph, name: string, { name: x, axes }: Flow, kind: "mean" | "max"): string {
  return graph.node(kind === "mean" ? "ReduceMean" : "ReduceMax", name, [x], { axes: [axes.indexOf("T")], keepdims: 0 });
}

/** x (B,T,F) as (B,T·F). */
export function addFlatten(graph: Graph, name: string, x: string, { steps, features }: Sequence): string {
  return graph.node("Reshape", name, [x, graph.integers(`${name}.shape`, 0, steps * features)]);
}
