/**
 * @module
 * What memory a network needs and where each part of it lies: the one description from which a network
 * is built and `millwright plan` prints.
 *
 *     | statics | parameters gradients optimizer | windows | shared by turns | what each layer keeps |
 *
 * What a layer keeps in the forward pass it reads in the backward pass. Everything else is needed for
 * a while only, and lies where something else lay before:
 *
 *     signals      The model is a chain, so of the gradients of sequences only two are alive at once, a
 *                  layer's output's and its input's: two blocks take turns. At inference so do values.
 *     scratch      What a layer needs during its own forward or backward pass.
 *     recompute    With blockSteps < T, where all sequence layers are lstms and grus and there is no side, such a layer keeps its states at the
 *                  borders of time blocks, no gates and no outputs, and computes a block again when the backward
 *                  pass comes to it. Its output is then its reader's to overwrite: dropout works in place, and the
 *                  gradient of the last sequence takes the place of its values.
 */
import { align, Kernels } from "../kernels/kernels.ts";
import type { Partner } from "../kernels/partner.ts";
import { outputs, quantilesOf, targetLength } from "./head.ts";
import { buildDense, buildStage, type Signal, type Site, type Stage } from "./layer.ts";
import { layoutOf, statisticsOf, type Layout } from "./layout.ts";
import { jointOf, shapesOf, sideShapesOf, type Shape } from "./shape.ts";
import { buildJoin } from "./side.ts";
import { parseSpec, type ModelSpec } from "./spec.ts";

export type Part =
  | "statics" | "parameters" | "statistics" | "gradients" | "optimizer" | "windows"
  | "signals" | "signal gradients" | "gates" | "cells" | "borders" | "attention" | "scratch";

/** One block of kernel memory. */
export interface Region {
  readonly part: Part;
  /** The layer that keeps it, such as "2 lstm"; empty where it is nobody's alone. */
  readonly layer: string;
  readonly floats: number;
  /** Its first byte. */
  readonly pointer: number;
}

export interface PlanOptions {
  /** The largest number of windows in one pass. */
  readonly batch: number;
  readonly training: boolean;
  /**
   * In training, time steps of which an lstm keeps the gates: what the backward pass needs of the others is
   * computed again, to the same bits, in about 30 % more time. Absent: all.
   */
  readonly blockSteps?: number;
}

export interface Plan {
  /** In the order of memory, without overlaps. */
  readonly regions: readonly Region[];
  /** Where the last region ends. */
  readonly end: number;
  /** Of the WebAssembly memory, which grows by pages of 64 KiB. */
  readonly bytes: number;
}

/** Pointers to what a network and its trainer work on; 0 where it does not exist. */
export interface Pointers {
  readonly parameters: number;
  readonly statistics: number;
  readonly gradients: number;
  /** The optimizer's: first and second moments, and the parameters at the start of a fit, (P) each. */
  readonly m: number;
  readonly v: number;
  readonly start: number;
  readonly targets: number;
  readonly probabilities: number;
  /** Of the classes; the quantiles of a forecast. */
  readonly weights: number;
}

export interface Assembly {
  readonly plan: Plan;
  readonly pointers: Pointers;
  readonly input: Signal;
  /** Of a model with a side branch. */
  readonly side: Signal | undefined;
  readonly stages: readonly Stage[];
}

const PAGE_BYTES = 65536;
/** Steps times windows of a block that are worth packing the weights for. */
const BLOCK_ROWS = 512;
/** As many steps of a single float in each window fill the 4 GiB that kernels reach. */
const MAX_ROWS = 2 ** 30;

let counting: Kernels | undefined;

/**
 * The memory of a network and its trainer on one thread, without allocating it.
 * @throws RangeError for an impossible spec, batch or blockSteps
 */
export function planOf(spec: unknown, options: PlanOptions): Plan {
  counting ??= new Kernels();
  return assemble(parseSpec(spec), options, counting).plan;
}

/** Windows in one pass at inference: enough to keep the kernels busy, fewer where they are long, for the memory's sake. */
export function predictionBatch(spec: ModelSpec): number {
  return Math.max(1, Math.min(32, Math.floor(40_000 / longest(spec))));
}

/**
 * The largest batch that trains in so many bytes, 0 where not even one window does; blockSteps may depend on the batch.
 * @throws RangeError for an impossible spec
 */
export function largestBatch(spec: ModelSpec, limitBytes: number, blockSteps: (batch: number) => number | undefined = () => undefined): number {
  const most = Math.floor(MAX_ROWS / longest(spec));
  const fits = (batch: number) => batch <= most && planOf(spec, { batch, training: true, blockSteps: blockSteps(batch) }).bytes <= limitBytes;
  let batch = 0;
  let step = 1;
  for (; fits(batch + step); step *= 2) batch += step;
  for (; step >= 1; step /= 2) if (fits(batch + step)) batch += step;
  return batch;
}

/**
 * A block length for training, T where blocks would gain nothing. A block costs memory for each of its
 * steps, and a border for each block, so the least is at about the root of T; a block of few windows is
 * longer, or packing the weights for it would show.
 */
export function blockStepsFor({ input: { steps } }: ModelSpec, batch: number): number {
  return Math.min(steps, Math.max(Math.ceil(Math.sqrt(steps)), Math.ceil(BLOCK_ROWS / batch)));
}

/** The stages of a network over the memory that `kernels` has next: plan.end - kernels.mark() bytes, which the caller allocates. */
export function assemble(spec: ModelSpec, options: PlanOptions, kernels: Kernels, partner?: Partner): Assembly {
  for (const name of ["batch", "blockSteps"] as const) {
    const value = options[name];
    if (value !== undefined && !(Number.isInteger(value) && value >= 1)) throw new RangeError(`"${name}" expected integer >= 1, got ${value}`);
  }
  const steps = longest(spec);
  if (steps * options.batch > MAX_ROWS) throw new RangeError(`"batch" expected at most ${Math.floor(MAX_ROWS / steps)} for windows of ${steps} steps, got ${options.batch}; kernels reach 4 GiB`);
  // Twice: the first time to learn how large the shared regions have to be.
  const { needs } = layOut(spec, options, kernels, partner, new Map());
  return layOut(spec, options, kernels, partner, needs);
}

/** Steps of the longer one of the two branches. */
function longest({ input, side }: ModelSpec): number {
  return Math.max(input.steps, side?.input.steps ?? 0);
}

/** Regions that several use, one after the other. */
type Shared = "even" | "odd" | "scratch";

/** Gives out memory from `end` on and writes down for what. */
class Ledger {
  readonly regions: Region[];
  /** How large the shared regions have to be. */
  readonly needs = new Map<Shared, number>();
  readonly #shared = new Map<Shared, number>();
  end: number;

  constructor(statics: number) {
    this.regions = [{ part: "statics", layer: "", floats: statics / 4, pointer: 0 }];
    this.end = statics;
  }

  take(part: Part, floats: number, layer = ""): number {
    const pointer = this.end;
    if (floats > 0) this.regions.push({ part, layer, floats, pointer });
    this.end = align(pointer + 4 * floats);
    return pointer;
  }

  takeShared(name: Shared, part: Part, floats = 0, layer = ""): void {
    this.#shared.set(name, this.take(part, floats, layer));
  }

  share(name: Shared, floats: number): number {
    this.needs.set(name, Math.max(this.needs.get(name) ?? 0, floats));
    return this.#shared.get(name)!;
  }
}

function layOut(
  spec: ModelSpec, { batch, training, blockSteps = Infinity }: PlanOptions, kernels: Kernels, partner: Partner | undefined, sizes: ReadonlyMap<Shared, number>,
): Assembly & { needs: ReadonlyMap<Shared, number> } {
  const layout = layoutOf(spec);
  const statistics = statisticsOf(spec);
  const P = layout.length;
  const O = outputs(spec);
  const { steps, features } = spec.input;
  const shapes = shapesOf(spec);
  const sideShapes = sideShapesOf(spec);
  /** Layers whose output is a sequence of its own; dropout and activation work on the gradient where it lies. */
  const sequencesIn = (layers: ModelSpec["layers"], shapes: readonly Shape[]) =>
    [...layers.keys()].filter((index) => shapes[index + 1].kind === "sequence" && !["dropout", "activation"].includes(layers[index].type));
  const sequential = sequencesIn(spec.layers, shapes);
  const recompute = training && !spec.side && blockSteps < steps && spec.layers.every(({ type }, index) => shapes[index + 1].kind === "vector" || ["lstm", "gru", "dropout"].includes(type));

  const ledger = new Ledger(kernels.mark());
  const forTraining = (part: Part) => (training ? ledger.take(part, P) : 0);
  const pointers = {
    parameters: ledger.take("parameters", P),
    statistics: ledger.take("statistics", statistics.length),
    gradients: forTraining("gradients"),
    m: forTraining("optimizer"),
    v: forTraining("optimizer"),
    start: forTraining("optimizer"),
    targets: ledger.take("windows", batch * targetLength(spec.head)),
    probabilities: ledger.take("windows", batch * O),
    weights: ledger.take("windows", Math.max(O, quantilesOf(spec.head).length)),
  };
  const windows = ({ steps, features, width }: ModelSpec["input"]): Signal =>
    ({ value: ledger.take("windows", steps * batch * features), gradient: 0, steps, features, sequence: true, width, directions: 1, spare: false });
  const input = windows(spec.input);
  const side = spec.side && windows(spec.side.input);
  const title = (index: number) => `${index} ${spec.layers[index].type}`;
  const inTurn = training ? "signal gradients" : "signals";
  if (recompute && sequential.length > 0) ledger.takeShared("even", "signals", sizes.get("even"), title(sequential.at(-1)!));
  else ledger.takeShared("even", inTurn, sizes.get("even"));
  ledger.takeShared("odd", inTurn, sizes.get("odd"));
  ledger.takeShared("scratch", "scratch", sizes.get("scratch"));

  const behind: Shape = spec.head.type === "reconstruct" ? { kind: "sequence", steps, features, directions: 1 } : { kind: "vector", features: O };
  /** Sequences that are yet to come. */
  let sequences = sequential.length + sequencesIn(spec.side?.layers ?? [], sideShapes).length + (behind.kind === "sequence" ? 1 : 0);
  const signal = (keep: Site["keep"], shape: Shape): Signal => {
    const { features } = shape;
    if (shape.kind === "vector") {
      const floats = batch * features;
      const gradient = training ? keep("signal gradients", floats) : 0;
      return { value: keep("signals", floats), gradient, steps: 1, features, sequence: false, directions: 1, spare: false };
    }
    const { steps, directions, width } = shape;
    sequences -= 1;
    const floats = steps * batch * features;
    const turn = ledger.share(sequences % 2 === 0 ? "even" : "odd", floats);
    const valueToo = !training || (recompute && sequences === 0);
    return { value: valueToo ? turn : keep("signals", floats), gradient: training ? turn : 0, steps, features, sequence: true, directions, width, spare: recompute };
  };
  const site = (index: number, prefix: string, layer: string, before: Signal, after: Shape): Site => {
    const keep = (part: Part, floats: number) => ledger.take(part, floats, layer);
    const place = placesIn(layout, prefix);
    const statistic = placesIn(statistics, prefix);
    let scratch = 0;
    return {
      kernels, partner, training, steps: before.steps, batch, index, keep,
      blockSteps: recompute ? blockSteps : before.steps,
      weight: (name) => pointers.parameters + place(name),
      gradient: (name) => (training ? pointers.gradients + place(name) : 0),
      statistic: (name) => pointers.statistics + statistic(name),
      signal: () => signal(keep, after),
      scratch(floats) {
        const at = scratch;
        scratch = align(at + 4 * floats);
        return ledger.share("scratch", scratch / 4) + at;
      },
      clear: (pointer, floats) => void kernels.float32(pointer, floats).fill(0),
    };
  };
  const stages: Stage[] = [];
  const push = (stage: Stage): Signal => {
    stages.push(stage);
    return stage.output;
  };
  let before: Signal = input;
  const joint = jointOf(spec);
  spec.layers.forEach((layer, index) => {
    const joins = side !== undefined && index === joint;
    const after: Shape = joins ? { kind: "vector", features: shapes[index + 1].features - sideShapes.at(-1)!.features } : shapes[index + 1];
    before = push(buildStage(layer, before, site(index, `${index}.`, title(index), before, after)));
    if (!joins) return;
    let beside: Signal = side;
    spec.side!.layers.forEach((layer, index) => {
      beside = push(buildStage(layer, beside, site(spec.layers.length + index, `side.${index}.`, `side ${index} ${layer.type}`, beside, sideShapes[index + 1])));
    });
    before = push(buildJoin(before, beside, site(index, "", "side join", before, shapes[index + 1])));
  });
  stages.push(buildDense(O, "linear", "head", before, site(spec.layers.length, "", "head", before, behind)));
  const { regions, end, needs } = ledger;
  return { plan: { regions, end, bytes: Math.ceil(end / PAGE_BYTES) * PAGE_BYTES }, pointers, input, side, stages, needs };
}

/** Where a layer's parameters begin within the vector, in bytes. */
function placesIn({ parameters }: Layout, prefix: string): (name: string) => number {
  return (name) => {
    const parameter = parameters.find((candidate) => candidate.name === prefix + name);
    if (!parameter) throw new Error(`the layout has no parameter "${prefix + name}"`);
    return 4 * parameter.offset;
  };
}
