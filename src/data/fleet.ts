/**
 * @module
 * Engines dealt to factories, in the ways in which fleets differ:
 *
 *     evenly        like cards                                                       alike but for chance
 *     by life       a Dirichlet share of each quarter of the life lengths            some see only short lives
 *     by regime     by the operating regime that an engine flies more than others    other conditions
 *
 * Training engines are dealt so; test engines always evenly, since every model is judged on all of them.
 */
import { random } from "../kernels/random.ts";
import type { Cmapss, Engine } from "./cmapss.ts";
import { nearestRegime, type Regimes } from "./regime.ts";
import { deal, splitGroups } from "./split.ts";

export interface Fleet {
  readonly id: string;
  readonly train: readonly Engine[];
  readonly validation: readonly Engine[];
  readonly test: readonly Engine[];
}

/** A factory trains on one engine and validates on another, at least. */
const LEAST_ENGINES = 2;
const QUARTERS = 4;

/** @throws RangeError when there are not two training engines and one test engine for each */
export function dealFleets(data: Cmapss, factories: number, seed: number, validation = 0.1): Fleet[] {
  checkCount(data, factories);
  return fleetsOf(data, deal(indicesOf(data.train), factories, random(seed, "cmapss", "train")), seed, validation);
}

/**
 * Label skew: each quarter of the engines, by life length, is divided in shares drawn from a symmetric
 * Dirichlet distribution of concentration 1/2 (Hsu, Qi & Brown 2019), whose gamma variates are squares of normal ones.
 * A factory that would have fewer than two engines takes from the largest.
 */
export function dealByLife(data: Cmapss, factories: number, seed: number, validation = 0.1): Fleet[] {
  checkCount(data, factories);
  const { normal, shuffle } = random(seed, "cmapss", "life");
  const ordered = indicesOf(data.train).sort((a, b) => data.train[a].cycles - data.train[b].cycles || a - b);
  const hands = Array.from({ length: factories }, (): number[] => []);
  for (let quarter = 0; quarter < QUARTERS; quarter++) {
    const engines = shuffle(ordered.slice(Math.floor((quarter * ordered.length) / QUARTERS), Math.floor(((quarter + 1) * ordered.length) / QUARTERS)));
    const gammas = hands.map(() => normal() ** 2);
    const total = gammas.reduce((sum, gamma) => sum + gamma, 0);
    let share = 0;
    let from = 0;
    hands.forEach((hand, index) => {
      share += gammas[index] / total;
      const to = index === factories - 1 ? engines.length : Math.round(share * engines.length);
      hand.push(...engines.slice(from, to));
      from = to;
    });
  }
  for (const hand of hands) {
    while (hand.length < LEAST_ENGINES) hand.push(hands.reduce((largest, other) => (other.length > largest.length ? other : largest)).pop()!);
  }
  return fleetsOf(data, hands, seed, validation);
}

/**
 * Feature skew: a fleet for each regime, of the engines whose share of cycles in it is the greatest against all
 * engines' share. (By the regime flown most, 257 of the 260 engines of FD002 would be one fleet.) An engine that
 * would be alone goes to the largest. Rows begin with the settings.
 */
export function dealByRegime(data: Cmapss, regimes: Regimes, seed: number, validation = 0.1): Fleet[] {
  const R = regimes.centres.length;
  const flown = data.train.map(({ rows, cycles }) => {
    const counts = new Int32Array(R);
    for (let cycle = 0; cycle < cycles; cycle++) counts[nearestRegime(rows, cycle * data.features, regimes)]++;
    return counts;
  });
  const total = flown.reduce((sum, counts) => sum.map((count, regime) => count + counts[regime]), new Int32Array(R));
  const hands = Array.from({ length: R }, (): number[] => []);
  flown.forEach((counts, index) => {
    // All shares are over the engine's cycles: which of them is the greatest does not depend on that.
    const shares = Array.from(counts, (count, regime) => (total[regime] > 0 ? count / total[regime] : 0));
    hands[shares.indexOf(Math.max(...shares))].push(index);
  });
  const fleets = hands.filter(({ length }) => length >= LEAST_ENGINES);
  const largest = fleets.reduce((one, other) => (other.length > one.length ? other : one), []);
  largest.push(...hands.filter(({ length }) => length < LEAST_ENGINES).flat());
  return fleetsOf(data, fleets, seed, validation);
}

const indicesOf = (engines: readonly Engine[]): number[] => engines.map((_, index) => index);

function fleetsOf(data: Cmapss, hands: readonly number[][], seed: number, validation: number): Fleet[] {
  const tests = deal(indicesOf(data.test), hands.length, random(seed, "cmapss", "test"));
  return hands.map((hand, factory) => {
    const id = `factory-${factory + 1}`;
    const split = splitGroups(hand, { validation, test: 0 }, random(seed, "cmapss", "validation", factory), `engines of ${id}`);
    const engines = (chosen: readonly number[]) => chosen.map((index) => data.train[index]);
    return { id, train: engines(split.train), validation: engines(split.validation), test: tests[factory].map((index) => data.test[index]) };
  });
}

function checkCount({ subset, train, test }: Cmapss, factories: number): void {
  if (!(Number.isInteger(factories) && factories >= 1)) throw new RangeError(`"factories" expected integer >= 1, got ${factories}`);
  const most = Math.min(Math.floor(train.length / LEAST_ENGINES), test.length);
  if (factories <= most) return;
  throw new RangeError(
    `"factories" expected at most ${most}, got ${factories}: ${subset} has ${train.length} training and ${test.length} test ` +
      "engines, and a factory needs two to train and validate and one to test",
  );
}
