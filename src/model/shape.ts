/**
 * @module
 * What flows between layers, and what each layer makes of it: the one place that knows which layer may
 * follow which. A sequence of an image is its pixels, row by row, `width` of them in a row.
 *
 *     sequence (T,F) ─ lstm gru convolution pool normalise activation dropout ─► sequence
 *                    ─ attention last mean max flatten                        ─► vector (F)
 *     vector (F)     ─ dense normalise activation dropout                     ─► vector
 *                    ─ repeat                                                 ─► sequence (T,F)
 *
 * A side branch is a chain of its own, which ends in a vector. It is appended to the main one's first.
 */
import type { LayerSpec, ModelSpec } from "./spec.ts";

export interface Sequence {
  readonly kind: "sequence";
  readonly steps: number;
  readonly features: number;
  /** 2 where the features are two directions side by side, forward first. */
  readonly directions: number;
  /** Of an image, in pixels; steps are then rows times width. */
  readonly width?: number;
}

export interface Vector {
  readonly kind: "vector";
  readonly features: number;
}

export type Shape = Sequence | Vector;

type Branch = Pick<ModelSpec, "input" | "layers">;

/**
 * Shapes before each layer and behind the last one: one more than there are layers. Behind the first reduction
 * it is that of the vector with the side's at its end. @throws RangeError naming the layer
 */
export function shapesOf(spec: Branch & Pick<ModelSpec, "side">): readonly Shape[] {
  const joined = sideShapesOf(spec).at(-1)?.features ?? 0;
  return branchShapes(spec, "", jointOf(spec), joined);
}

/** The same of the side, none without one. */
export function sideShapesOf({ side }: Pick<ModelSpec, "side">): readonly Shape[] {
  return side ? branchShapes(side, "side.", -1, 0) : [];
}

/** The place of the layer behind whose vector the side's is appended; -1 where no layer reduces a sequence. */
export function jointOf({ layers }: Pick<ModelSpec, "layers">): number {
  return layers.findIndex(({ type }) => REDUCTIONS.has(type));
}

/** How many numbers a scaled window has: the input's, then the side's. */
export function windowLength({ input, side }: Pick<ModelSpec, "input" | "side">): number {
  return input.steps * input.features + (side ? side.input.steps * side.input.features : 0);
}

/** `joined` features are appended behind the layer at `joint`. */
function branchShapes({ input, layers }: Branch, path: string, joint: number, joined: number): readonly Shape[] {
  const { steps, features, width } = input;
  if (width !== undefined && steps % width !== 0) {
    throw new RangeError(`model spec: ${path}input "width" expected a divisor of steps (${steps}), got ${width}`);
  }
  const shapes: Shape[] = [{ kind: "sequence", steps, features, directions: 1, ...(width === undefined ? {} : { width }) }];
  layers.forEach((layer, index) => {
    const before = shapes[index];
    const at = `model spec: ${path}layers[${index}] (${layer.type})`;
    const previous = layers.slice(0, index).findLast(({ type }) => type !== "dropout");
    const after = before.kind === "vector" ? behindVector(layer, before, steps, layers, index, at) : behindSequence(layer, before, previous, at);
    shapes.push(index === joint ? { ...after, features: after.features + joined } : after);
  });
  return shapes;
}

function behindVector(layer: LayerSpec, { features }: Vector, steps: number, layers: readonly LayerSpec[], index: number, at: string): Shape {
  switch (layer.type) {
    case "repeat":
      return { kind: "sequence", steps: layer.steps ?? steps, features, directions: 1 };
    case "dense":
      return { kind: "vector", features: layer.units };
    case "dropout":
    case "activation":
    case "normalise":
      return { kind: "vector", features };
    default: {
      const reduction = layers.findLastIndex(({ type }, place) => place < index && REDUCTIONS.has(type));
      throw new RangeError(`${at} needs a sequence, but layers[${reduction}] has reduced it to a vector; put it before that`);
    }
  }
}

function behindSequence(layer: LayerSpec, before: Sequence, previous: LayerSpec | undefined, at: string): Shape {
  const { steps, features } = before;
  switch (layer.type) {
    case "dropout":
    case "activation":
    case "normalise":
      return before;
    case "lstm":
    case "gru": {
      const directions = layer.bidirectional ? 2 : 1;
      return { kind: "sequence", steps, features: directions * layer.hidden, directions };
    }
    case "convolution":
      return { ...slide(before, layer, at), features: layer.filters, directions: 1 };
    case "pool":
      return { ...slide(before, { kernel: layer.size, stride: layer.stride ?? layer.size, dilation: 1, padding: "valid" }, at), directions: 1 };
    case "last":
      if (previous?.type !== "lstm" && previous?.type !== "gru") throw new RangeError(`${at} takes the final state of an lstm or gru; put it directly after one`);
      return { kind: "vector", features };
    case "attention":
    case "mean":
    case "max":
      return { kind: "vector", features };
    case "flatten":
      return { kind: "vector", features: steps * features };
    case "dense":
    case "repeat":
      throw new RangeError(`${at} needs a vector; put "attention", "last", "mean", "max" or "flatten" before it`);
  }
}

const REDUCTIONS = new Set(["attention", "last", "mean", "max", "flatten"]);

/** How a window slides over steps. */
export interface Slide {
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly padding: "valid" | "same" | "causal";
}

/** A window that slides over the steps, or over rows and columns of an image alike. */
function slide(before: Sequence, slide: Slide, at: string): Sequence {
  const { steps, width } = before;
  if (width === undefined) return { ...before, steps: slideLength(steps, slide, at) };
  if (slide.padding === "causal") throw new RangeError(`${at}: padding "causal" needs a sequence in time, not an image; use "same" or "valid"`);
  const columns = slideLength(width, slide, at);
  return { ...before, steps: slideLength(steps / width, slide, at) * columns, width: columns };
}

/** How often the window fits. "same" gives ceil(length / stride), as does "causal", which sees no later step. */
function slideLength(length: number, { kernel, stride, dilation, padding }: Slide, at: string): number {
  if (padding !== "valid") return Math.ceil(length / stride);
  const reach = (kernel - 1) * dilation + 1;
  if (reach > length) throw new RangeError(`${at} reaches over ${reach} steps, but only ${length} are left; use a smaller kernel or size, or padding "same"`);
  return Math.floor((length - reach) / stride) + 1;
}

/** Steps of zeros before the first and behind the last of `length` steps. */
export function paddingOf(length: number, { kernel, stride, dilation, padding }: Slide): { before: number; behind: number } {
  const reach = (kernel - 1) * dilation;
  if (padding === "valid") return { before: 0, behind: 0 };
  if (padding === "causal") return { before: reach, behind: 0 };
  const all = Math.max(0, (Math.ceil(length / stride) - 1) * stride + reach + 1 - length);
  return { before: Math.floor(all / 2), behind: Math.ceil(all / 2) };
}
