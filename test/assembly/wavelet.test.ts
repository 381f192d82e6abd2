import { expect, test } from "vitest";
import { MODES } from "../../src/signal/wavelet.ts";
import { difference, numbers, SignalMemory, sweep } from "../memory.ts";
import { error, lane, wavelet } from "../signal/reference.ts";

test("a level of the wavelet transform equals the float64 reference at every length, with filters of every length, in every mode", () => {
  for (const [N] of [...sweep(1), [10], [13], [16], [33], [50]]) {
    for (let L = 2; L <= 16; L += 2) {
      for (const [code, mode] of MODES.entries()) {
        const x = numbers(4 * N, N), low = [...numbers(L, 1)], high = [...numbers(L, 2)];
        const memory = new SignalMemory(), { wasm } = memory.kernels;
        const outputs = wasm.waveletOutputs(N, L, code);
        const a = memory.output(4 * outputs), d = memory.output(4 * outputs), x_ = memory.input(x);
        const filters = memory.input([...low.toReversed(), ...high.toReversed()]), scratch = memory.scratch(wasm.waveletScratch(N, L));
        memory.run((wasm) => wasm.wavelet(a, d, x_, filters, scratch, N, L, code));
        for (let l = 0; l < 4; l++) {
          const expected = wavelet(lane(x, l), low, high, mode);
          expect(difference(lane(memory.read(a), l), expected.a), `${N} ${L} ${mode}`).toBeLessThan(1e-6);
          expect(difference(lane(memory.read(d), l), expected.d), `${N} ${L} ${mode}`).toBeLessThan(1e-6);
        }
      }
    }
  }
});

test("energy is the sum of squares", () => {
  for (const [N] of sweep(1, [1000])) {
    const x = numbers(4 * N, N), memory = new SignalMemory(), y = memory.output(4), x_ = memory.input(x);
    memory.run((wasm) => wasm.energy(y, x_, N));
    expect(error(memory.read(y), Array.from({ length: 4 }, (_, l) => lane(x, l).reduce((sum, value) => sum + value * value, 0)))).toBeLessThan(1e-6);
  }
});
