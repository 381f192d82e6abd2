/**
 * @module
 * Random streams derived by name from one root seed. No stream depends on how much of another was
 * drawn, and nothing touches a global generator, so adding a factory does not change its neighbours.
 *
 *     const noise = random(seed, "factory", 3, "noise");
 *
 * For data, weights and shuffles; not for keys or for privacy noise.
 */
import alea from "seedrandom/lib/alea.js"; // not its main file, which adds Math.seedrandom and draws from Math.random when it is loaded
import { cos, log } from "./elementary.ts";

export interface Random {
  /** Uniform in [0, 1), 53 bits. */
  uniform(): number;
  /** Standard normal, by Box and Muller on portable log and cos. */
  normal(): number;
  /** Uniform integer in [0, n). */
  integer(n: number): number;
  /** Shuffle in place (Fisher and Yates) and return the array. */
  shuffle<T extends { length: number; [index: number]: unknown }>(array: T): T;
}

export function random(seed: number | string, ...names: (string | number)[]): Random {
  // Alea hashes every character of its key; xorshift7 shifts the first ones out, and a long name would drown the seed.
  const generator = alea(JSON.stringify([String(seed), ...names]));
  const uniform = () => generator.double();
  const integer = (n: number) => Math.floor(uniform() * n);
  return {
    uniform,
    integer,
    normal: () => Math.sqrt(-2 * log(1 - uniform())) * cos(2 * Math.PI * uniform()),
    shuffle(array) {
      for (let last = array.length - 1; last > 0; last--) {
        const pick = integer(last + 1);
        const held = array[last];
        (array as { [index: number]: unknown })[last] = array[pick];
        (array as { [index: number]: unknown })[pick] = held;
      }
      return array;
    },
  };
}
