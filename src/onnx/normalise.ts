/**
 * @module
 * Normalisation as ONNX. Over a batch it is one operator, which takes features on the second axis as a
 * convolution does, so a runtime can make one of the two. LayerNormalization came with opset 17, so over
 * a layer there are its parts.
 */
import type { Graph } from "./graph.ts";

/** As in the kernels, and what BatchNormalization has where no attribute says otherwise. */
const EPSILON = 1e-5;

/** y = scale (x - mean) / √(variance + ε) + bias by given statistics, of a sequence (B,F,T) or a vector (B,F). */
export function addBatchNormalise(graph: Graph, name: string, x: string): string {
  return graph.node("BatchNormalization", name, [x, ...["scale", "bias", "mean", "variance"].map((each) => `${name}.${each}`)]);
}

/** The same over the features of a row, of (T,B,F) or (B,F), by their own mean and variance. */
export function addLayerNormalise(graph: Graph, name: string, x: string): string {
  const mean = (of: string, what: string) => graph.node("ReduceMean", `${name}.${what}`, [of], { axes: [-1], keepdims: 1 });
  const centred = graph.node("Sub", `${name}.centred`, [x, mean(x, "mean")]);
  const variance = mean(graph.node("Mul", `${name}.squared`, [centred, centred]), "variance");
  const deviation = graph.node("Sqrt", `${name}.deviation`, [graph.node("Add", `${name}.raised`, [variance, graph.constant(`${name}.epsilon`, [1], [EPSILON])])]);
  const scaled = graph.node("Mul", `${name}.scaled`, [graph.node("Div", `${name}.normalised`, [centred, deviation]), `${name}.scale`]);
  return graph.node("Add", name, [scaled, `${name}.bias`]);
}
