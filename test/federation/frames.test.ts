/** What `npm run chaos -- --only fuzz` does ten million times. */
import { expect, test } from "vitest";
import { fuzz } from "../real/frames.js";

test("mutated frames and envelopes are refused or read, and nothing else", () => {
  const { decoded, refused, opened } = fuzz(10_000, 1);
  expect(refused).toBeGreaterThan(8_000);
  expect(decoded).toBeGreaterThan(100);
  expect(opened).toBeGreaterThan(500);
});
