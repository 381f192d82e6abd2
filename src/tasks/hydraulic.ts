/**
 * @module
 * Task `hydraulic`: the state of a valve from 17 sensors over a load cycle of a real test rig, three
 * factories that differ in how well their cooler works (docs/hydraulic.md).
 */
import { CHANNELS, hydraulicFactories, readHydraulic } from "../data/hydraulic.ts";
import { parseSpec } from "../model/spec.ts";
import { adam } from "../model/trainer.ts";
import { halfCosine, STATES, type Task } from "./task.ts";

const FACTORIES = 3;

export const hydraulic: Task = {
  name: "hydraulic",
  summary: "valve state from 17 sensors of the ZeMA hydraulic test rig (UCI 447); needs --data",
  kind: "classify",
  // A plant's cooler will not stay as it is: the model has to know the valve under every condition.
  judgedOn: "all",
  needsData: true,
  schedule: { factories: FACTORIES, rounds: 40, localEpochs: 2, batch: 8 },
  async load({ seed, factories, source }) {
    if (factories !== FACTORIES) throw new RangeError(`"factories" expected ${FACTORIES}, got ${factories}: the factories of this task are the rig's three cooler conditions`);
    return {
      factories: hydraulicFactories(await readHydraulic(source!), seed),
      heldOut: null,
      settings: 0,
      regimes: 1,
      channels: CHANNELS,
      rateHz: 1,
      origin: "ZeMA gGmbH, Condition monitoring of hydraulic systems (UCI 447, CC BY 4.0); Helwig, Pignanelli & Schütze, I2MTC 2015",
    };
  },
  // One layer of 32: a wider or deeper one reaches the same, but now and then a run of it does not leave its first plateau.
  spec: ({ factories }) =>
    parseSpec({
      input: { steps: factories[0].train.steps, features: factories[0].train.features },
      layers: [
        { type: "lstm", hidden: 32, bidirectional: true },
        { type: "attention", size: 32 },
        { type: "dense", units: 32, activation: "relu" },
      ],
      head: { type: "classify", classes: STATES },
    }),
  training: (round, rounds) => ({
    learningRate: halfCosine(3e-3, 6e-5, round, rounds),
    optimizer: adam,
    clipNorm: 1,
    loss: {},
  }),
};
