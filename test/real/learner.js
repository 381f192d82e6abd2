/**
 * A learner whose bits depend on every step and on nothing but its id, the round and the parameters it begins with;
 * and the federation's definition in plain arithmetic, to say what model a set of inclusions must lead to.
 */
import { createHash } from "node:crypto";

const hashOf = (text) => createHash("sha256").update(text).digest().readUInt32LE(0);

export const samplesOf = (id) => 100 + (hashOf(id) % 900);

/** The parameters (P) after a round's training, a new array. */
export function trained(id, round, from) {
  const own = hashOf(id) / 2 ** 32;
  return from.map((value, p) => Math.fround(value + (0.1 + 0.01 * (round % 7)) * (((own * (p + 1)) % 1) - 0.5 - value)));
}

/** @param {number} parameters P @param {number} delayMs how long it trains */
export function learner(id, parameters, delayMs = 0) {
  const own = new Float32Array(parameters);
  return {
    parameters: own,
    samples: samplesOf(id),
    async fit({ round }) {
      if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
      own.set(trained(id, round, own));
      return { samples: samplesOf(id), loss: 1 / round, steps: 1 };
    },
  };
}

/** To the nearest integer, halves to even. */
function roundEven(x) {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
}

/** To the nearest integer, halves away from zero. */
function divideRounding(sum, count) {
  const [size, sign] = sum < 0n ? [-sum, -1n] : [sum, 1n];
  return sign * ((2n * size + count) / (2n * count));
}

/**
 * The parameters (P) that a round leads to, by docs/protocol.md.
 * @param included { id, round (whose model it trained from), from (P) those parameters, weight }
 */
export function roundOf(global, included) {
  const changes = included.map(({ id, round, from, weight }) => {
    const after = trained(id, round, from);
    return { weight: BigInt(weight), change: Array.from(after, (value, p) => roundEven((value - from[p]) * 2 ** 24)) };
  });
  const total = changes.reduce((sum, { weight }) => sum + weight, 0n);
  return global.map((value, p) => {
    const sum = changes.reduce((all, { weight, change }) => all + weight * BigInt(change[p]), 0n);
    return Math.fround(value + Math.fround(Number(divideRounding(sum, total)) * 2 ** -24));
  });
}
