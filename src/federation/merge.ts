/**
 * @module
 * What becomes of the numbers that clients contribute to a topic.
 */

/** One array from the contributions of all clients. The map is in sorted order of their ids. */
export type Merge = (topic: string, contributions: ReadonlyMap<string, Float64Array>) => Float64Array;

/**
 * Elementwise sum in the order of clients; a client that has nothing to say sends an empty array.
 * @throws RangeError when the others' lengths differ.
 */
export const sum: Merge = (topic, contributions) => {
  const given = [...contributions].filter(([, numbers]) => numbers.length > 0);
  const total = new Float64Array(given[0]?.[1].length ?? 0);
  for (const [client, numbers] of given) {
    if (numbers.length !== total.length) {
      throw new RangeError(`"${topic}": client "${client}" expected ${total.length} numbers as client "${given[0][0]}", got ${numbers.length}`);
    }
    numbers.forEach((number, index) => (total[index] += number));
  }
  return total;
};
