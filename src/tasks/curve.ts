/**
 * @module
 * Cases as curves: where a study asks the same question with more and more of something, such as engines
 * with labels, each model's figures follow one another along an axis.
 */
import type { Row } from "./evidence.ts";
import type { Place } from "./study.ts";

export interface Curve extends Omit<Place, "at"> {
  /** Ascending. */
  readonly at: readonly number[];
  /** One for each model and way; a row for each place, null where the model was not run. */
  readonly lines: readonly { readonly model: string; readonly way: Row["way"]; readonly rows: readonly (Row | null)[] }[];
}

/** @param places by the case's name */
export function curvesOf(rows: readonly Row[], places: ReadonlyMap<string, Place>): Curve[] {
  return [...new Set([...places.values()].map(({ curve }) => curve))].flatMap((curve) => {
    const own = rows.filter((row) => places.get(row.case)?.curve === curve);
    if (own.length === 0) return [];
    const placeOf = (row: Row) => places.get(row.case)!;
    const at = [...new Set(own.map((row) => placeOf(row).at))].sort((a, b) => a - b);
    const kinds = [...new Map(own.map((row) => [`${row.model}\n${row.way}`, row])).values()];
    const lines = kinds.map(({ model, way }) => ({
      model, way,
      rows: at.map((value) => own.find((row) => row.model === model && row.way === way && placeOf(row).at === value) ?? null),
    }));
    return [{ curve, axis: placeOf(own[0]).axis, at, lines }];
  });
}
