/**
 * @module
 * Going on from a model that was trained elsewhere: on another machine type, load or set of engines
 * (Yosinski et al., NeurIPS 2014). Parameters of the same name and shape are taken over, the others stay
 * as they are initialised: a new head, say, where there are other classes. Layers may be frozen: they
 * keep what they have learned, and what follows is fitted to it.
 */
import { layoutOf, type Layout } from "./layout.ts";
import type { ModelSpec } from "./spec.ts";

export interface Transferred {
  /** (P) of the new model. */
  readonly parameters: Float32Array;
  /** Names of the rows that were taken over, and of those that were not. */
  readonly taken: readonly string[];
  readonly fresh: readonly string[];
}

/**
 * @param initial (P) of the new spec, where nothing is taken over
 * @throws RangeError when no row fits: then the models have nothing in common
 */
export function transfer(from: { readonly spec: ModelSpec; readonly parameters: Float32Array }, spec: ModelSpec, initial: Float32Array): Transferred {
  const there = new Map(layoutOf(from.spec).parameters.map((row) => [row.name, row]));
  const parameters = initial.slice();
  const taken: string[] = [];
  const fresh: string[] = [];
  for (const { name, shape, offset, length } of layoutOf(spec).parameters) {
    const row = there.get(name);
    const fits = row && row.shape.length === shape.length && row.shape.every((size, axis) => size === shape[axis]);
    (fits ? taken : fresh).push(name);
    if (fits) parameters.set(from.parameters.subarray(row.offset, row.offset + length), offset);
  }
  if (taken.length === 0) throw new RangeError(`transfer: the models have no parameters of the same name and shape: there ${shown(from.spec)}, here ${shown(spec)}; give a run of the same layers`);
  return { parameters, taken, fresh };
}

const shown = ({ input, layers }: ModelSpec) => `${layers.map(({ type }) => type).join(", ")} on ${input.steps} x ${input.features} values`;

/** The stretches of the canonical vector that belong to these layers, as [from, to). @throws RangeError for a layer without parameters */
export function frozenRanges(layout: Layout, layers: readonly number[]): [number, number][] {
  return layers.map((layer) => {
    const rows = layout.parameters.filter(({ name }) => name.startsWith(`${layer}.`));
    if (rows.length === 0) {
      const layers = new Set(layout.parameters.map(({ name }) => name.split(".")[0]).filter((name) => /^\d+$/.test(name)));
      throw new RangeError(`"freeze" expected the number of a layer that has parameters (${[...layers].join(", ")}), got ${layer}`);
    }
    const last = rows[rows.length - 1];
    return [rows[0].offset, last.offset + last.length];
  });
}
