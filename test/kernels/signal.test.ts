import { expect, test } from "vitest";
import { Kernels } from "../../src/kernels/kernels.ts";
import { SignalKernels } from "../../src/kernels/signal.ts";
import { Fft } from "../../src/signal/fft.ts";
import { numbers } from "../memory.ts";

test("kernels of features are another module, with a memory of its own", () => {
  const kernels = new SignalKernels();
  expect(WebAssembly.validate(SignalKernels.binary())).toBe(true);
  expect("fft" in kernels.wasm && !("lstmForward" in kernels.wasm)).toBe(true);
  expect("fft" in new Kernels().wasm).toBe(false);
  expect(new SignalKernels().memory).not.toBe(kernels.memory);
});

test("they give the same bits in a shared memory as in a plain one", () => {
  const plain = new SignalKernels(), shared = new SignalKernels({ shared: true });
  expect(shared.memory.buffer).toBeInstanceOf(SharedArrayBuffer);
  const x = numbers(1000, 1);
  expect(new Fft(1000, { kernels: shared }).forward(x)).toEqual(new Fft(1000, { kernels: plain }).forward(x));
});

test("blocks are aligned and zero, and a mark frees what came after it", () => {
  const kernels = new SignalKernels(), mark = kernels.mark();
  const first = kernels.allocate(20), second = kernels.allocate(4);
  expect([first % 64, second % 64]).toEqual([0, 0]);
  kernels.float32(first, 5).fill(1);
  kernels.release(mark);
  expect(kernels.allocate(20)).toBe(first);
  expect([...kernels.float32(first, 5)]).toEqual([0, 0, 0, 0, 0]);
});
