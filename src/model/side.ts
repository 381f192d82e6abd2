/**
 * @module
 * Where a side branch joins the main one: its vector is appended to that behind the main reduction, and
 * each gets back its part of the gradient.
 *
 *     input ─ … ─ reduction (B,F) ──┐
 *     side  ─ … ─ reduction (B,F')  ┴─ join (B,F+F') ─ … ─ head
 *
 * The side's stages run between the main reduction and the join, backward between the join and the
 * reduction. So all stages still are one chain in time, and sequences of both take turns in the same memory.
 */
import type { Signal, Site, Stage } from "./layer.ts";

export function buildJoin(main: Signal, side: Signal, site: Site): Stage {
  const { kernels } = site;
  const output = site.signal();
  const F = output.features;
  const parts = [{ part: main, from: 0 }, { part: side, from: main.features }];
  /** Row by row the place of each part within the joined vectors, and the part itself. */
  const visit = (B: number, kind: "value" | "gradient", move: (joined: Float32Array, part: Float32Array) => void) => {
    for (const { part, from } of parts) {
      for (let b = 0; b < B; b++) {
        move(kernels.float32(output[kind] + 4 * (b * F + from), part.features), kernels.float32(part[kind] + 4 * b * part.features, part.features));
      }
    }
  };
  return {
    output,
    forward: (B) => visit(B, "value", (joined, part) => joined.set(part)),
    backward: (B) => visit(B, "gradient", (joined, part) => part.set(joined)),
  };
}
