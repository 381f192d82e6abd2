/**
 * @module
 * Task `condition`: the state of simulated rotating machines from 100 steps of 8 sensors, learned by
 * the reference model (docs/condition.md).
 */
import { simulateFactories } from "../data/simulator.ts";
import { CHANNELS, RATE_HZ } from "../data/machine.ts";
import { parseSpec } from "../model/spec.ts";
import { adam } from "../model/trainer.ts";
import { ramp, STATES, type Task } from "./task.ts";

export const condition: Task = {
  name: "condition",
  summary: "machine state (HEALTHY to FAILURE) from 8 sensors of simulated machines; needs no data",
  kind: "classify",
  judgedOn: "own",
  needsData: false,
  schedule: { factories: 5, rounds: 5, localEpochs: 1, batch: 4 },
  async load({ seed, factories }) {
    const simulated = simulateFactories({ factories, seed });
    return {
      factories: simulated.factories,
      heldOut: simulated.heldOut,
      settings: 0,
      regimes: 1,
      channels: CHANNELS,
      rateHz: RATE_HZ,
      origin: "simulated, see docs/condition.md",
    };
  },
  /** The reference model: 154,053 parameters. */
  spec: ({ factories }) =>
    parseSpec({
      input: { steps: factories[0].train.steps, features: factories[0].train.features },
      layers: [
        { type: "lstm", hidden: 64, bidirectional: true },
        { type: "dropout", rate: 0.2 },
        { type: "lstm", hidden: 64, bidirectional: true },
        { type: "attention", size: 64 },
        { type: "dense", units: 64, activation: "relu" },
        { type: "dropout", rate: 0.3 },
      ],
      head: { type: "classify", classes: STATES },
    }),
  training: (round, rounds) => ({
    learningRate: ramp(3e-3, 3e-4, round, rounds),
    optimizer: adam,
    clipNorm: 1,
    loss: {},
  }),
};
