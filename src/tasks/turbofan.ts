/**
 * @module
 * Task `turbofan`: remaining useful life of NASA's C-MAPSS engines by protocol CMAPSS-P1: 14 sensors,
 * windows of 30 cycles, labels capped at 125, the last window of each test engine (docs/turbofan.md).
 */
import { CAP, CHANNELS, dealEngines, readCmapss, REGIMES, SETTINGS, type Subset } from "../data/cmapss.ts";
import { parseSpec } from "../model/spec.ts";
import { adam } from "../model/trainer.ts";
import { ramp, type Task } from "./task.ts";

export const turbofan: Task = {
  name: "turbofan",
  summary: "remaining useful life of NASA C-MAPSS engines (--subset FD001 to FD004); needs --data",
  kind: "regress",
  // A factory's own twenty engines tell little: even on a hundred the 95 % interval of an RMSE of 14.0 is 11.9 to 16.2.
  judgedOn: "all",
  needsData: true,
  subsets: true,
  schedule: { factories: 5, rounds: 7, localEpochs: 1, batch: 32 },
  cap: CAP,
  async load({ seed, factories, subset = "FD001", source }) {
    const data = await readCmapss(source!, subset as Subset);
    const regimes = REGIMES[data.subset];
    const settings = regimes > 1 ? SETTINGS : [];
    return {
      factories: dealEngines(data, { factories, seed }),
      heldOut: null,
      settings: settings.length,
      regimes,
      channels: [...settings, ...CHANNELS],
      rateHz: null,
      origin: `NASA C-MAPSS ${data.subset}; Saxena, Goebel, Simon & Eklund, PHM 2008`,
    };
  },
  // Small, and stopped early: engines are few, and larger models overfit them within three epochs.
  spec: ({ factories, settings }) =>
    parseSpec({
      input: { steps: factories[0].train.steps, features: factories[0].train.features - settings },
      layers: [
        { type: "lstm", hidden: 48 },
        { type: "last" },
        { type: "dropout", rate: 0.4 },
        { type: "dense", units: 16, activation: "relu" },
      ],
      head: { type: "regress", unit: "cycles", scale: CAP },
    }),
  training: (round, rounds) => ({
    learningRate: ramp(2e-3, 2e-4, round, rounds),
    optimizer: adam,
    clipNorm: 1,
    loss: {},
  }),
};
