import { expect, test } from "vitest";
import { Memory, numbers } from "./memory.ts";

test("Memory notices a kernel that writes through a pointer of 0", () => {
  const memory = new Memory();
  const w0 = memory.input(numbers(6, 1)), mean = memory.input(numbers(6, 2));
  expect(() => memory.run((wasm) => wasm.applyUpdate(0, w0, mean, 6))).toThrow("wrote word 0 of memory");
  expect(() => memory.run(() => {})).not.toThrow();
});

test("Memory notices a kernel that writes behind its output or into its input", () => {
  const memory = new Memory();
  const w = memory.output(5), w0 = memory.input(numbers(6, 1)), mean = memory.input(numbers(6, 2));
  expect(() => memory.run((wasm) => wasm.applyUpdate(w, w0, mean, 6))).toThrow("wrote word 5 of an output of 5 words");
  expect(() => memory.run((wasm) => wasm.applyUpdate(w0, w0, mean, 6))).toThrow("of an input of 6 words");
});
