import { expect, test } from "vitest";
import { repeatsOf } from "../../src/data/repeats.ts";

test.each<[string, number[], ReturnType<typeof repeatsOf>]>([
  ["nothing", [], { constant: false, stretches: 0, rows: 0 }],
  ["one value", [4], { constant: true, stretches: 0, rows: 0 }],
  ["a short repeat", [1, 1, 2, 2, 1], { constant: false, stretches: 0, rows: 0 }],
  ["stretches at both ends", [1, 1, 1, 2, 3, 3, 3, 3], { constant: false, stretches: 2, rows: 7 }],
  ["all of one value", [7, 7, 7, 7], { constant: true, stretches: 1, rows: 4 }],
  ["the first value again, later", [1, 2, 2, 2, 1], { constant: false, stretches: 1, rows: 3 }],
])("%s", (_, values, expected) => {
  expect(repeatsOf(values, 3)).toEqual(expected);
});
