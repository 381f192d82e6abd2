/**
 * @module
 * A learner whose bits depend on who it is, on the round, on the model and on the process that trains: what
 * was trained once cannot be trained again, as with real data that goes on.
 */
import { crc32 } from "../../src/federation/checksum.ts";
import type { Learner } from "../../src/federation/client.ts";

export interface ToyOptions {
  readonly parameters: number;
  /** Of this client, and of this incarnation. */
  readonly seed: number;
  readonly samples: number;
  /** Nothing changes here: every update is the same, as that of a factory that stands still. */
  readonly idle: boolean;
  /** Virtual time passes. */
  readonly work: () => Promise<void>;
  /** Training has begun from these parameters, or has made those. */
  readonly onFit: (round: number, before: Float32Array, after: Float32Array | undefined, samples: number) => void;
  readonly onEvaluate: () => void;
}

export function toyLearner({ parameters: P, seed, samples, idle, work, onFit, onEvaluate }: ToyOptions): Learner {
  const parameters = new Float32Array(P);
  return {
    parameters,
    samples,
    async fit({ round }) {
      const before = parameters.slice();
      onFit(round, before, undefined, samples);
      await work();
      let word = crc32(new Uint8Array(before.buffer)) ^ Math.imul(seed, 0x9e3779b1) ^ Math.imul(round, 0x85ebca6b) | 1;
      for (let p = 0; p < P && !idle; p++) {
        word ^= word << 13;
        word ^= word >>> 17;
        word ^= word << 5;
        parameters[p] += (word / 2 ** 31) * (p % 7 === 0 ? 3 : 0.25);
      }
      onFit(round, before, parameters, samples);
      return { samples, loss: Math.abs(word % 1000) / 1000, steps: 1 };
    },
    async evaluate() {
      onEvaluate();
      return Float64Array.of(samples, parameters[0]);
    },
  };
}
