/**
 * @module
 * Splits by group. Windows of one engine, machine or block of cycles resemble each other so much that
 * a model which has seen one has seen all, so groups are never divided between training and test.
 */
import type { Random } from "../kernels/random.ts";

/** Shuffle and deal like cards: `hands` disjoint lists whose lengths differ by at most one, each in ascending order of the items. */
export function deal(items: readonly number[], hands: number, random: Random): number[][] {
  const shuffled = random.shuffle([...items]);
  return Array.from({ length: hands }, (_, hand) => ascending(shuffled.filter((_, index) => index % hands === hand)));
}

export interface Split {
  readonly train: number[];
  readonly validation: number[];
  readonly test: number[];
}

/**
 * Draw test and validation groups, each a share of the list (rounded down) but at least one where the share is not 0.
 * @throws RangeError when nothing would be left to train on; `what` names the list in the message.
 */
export function splitGroups(groups: readonly number[], shares: { validation: number; test: number }, random: Random, what: string): Split {
  const shuffled = random.shuffle([...groups]);
  const take = (share: number) => (share > 0 ? Math.max(1, Math.floor(share * groups.length)) : 0);
  const test = take(shares.test);
  const validation = take(shares.validation);
  if (groups.length <= test + validation) {
    throw new RangeError(`${what}: expected at least ${test + validation + 1} to train, validate and test on different ones, got ${groups.length}`);
  }
  return {
    test: ascending(shuffled.slice(0, test)),
    validation: ascending(shuffled.slice(test, test + validation)),
    train: ascending(shuffled.slice(test + validation)),
  };
}

const ascending = (items: number[]): number[] => items.sort((a, b) => a - b);
