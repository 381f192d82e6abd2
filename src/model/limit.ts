/**
 * @module
 * Alarm limits without a labelled fault: from scores of normal operation that did not go into the model.
 *
 * With n such scores and the k-th largest of them as the limit, the next score of normal operation is above
 * it with a probability of at most k / (n + 1), whatever the distribution, as long as the next score might
 * as well have been any of the others (they are exchangeable; Vovk, Gammerman & Shafer 2005, split conformal
 * prediction). Scores in time are correlated and plants drift, so the promise holds on average over limits,
 * not for each, and as long as operation stays what it was.
 *
 * Only the largest scores matter, and those of several plants merge exactly: a plant shares the upper tail
 * of its scores and how many it has, and the limit is the one that all scores in one place would give.
 */

export interface Tail {
  /** n */
  readonly count: number;
  /** The largest scores in falling order, at most `size` of them. */
  readonly largest: Float64Array;
}

export interface Limit {
  readonly value: number;
  /** k / (n + 1). */
  readonly falseAlarmBound: number;
}

/** The upper tail of scores. @throws RangeError for a score that is not a finite number */
export function tailOf(scores: ArrayLike<number>, size: number): Tail {
  const all = Float64Array.from(scores);
  const wrong = all.findIndex((score) => !Number.isFinite(score));
  if (wrong >= 0) throw new RangeError(`"scores" expected finite numbers, got ${all[wrong]} at ${wrong}`);
  return { count: all.length, largest: all.sort().reverse().slice(0, size) };
}

/** The tail of all scores from those of parts, in any order. */
export function mergeTails(parts: readonly Tail[], size: number): Tail {
  const { largest } = tailOf(parts.flatMap((part) => [...part.largest]), size);
  return { count: parts.reduce((sum, { count }) => sum + count, 0), largest };
}

/** How many of n scores a tail has to hold for a limit at this rate. */
export function tailSize(rate: number, count: number): number {
  if (!(rate > 0 && rate < 1)) throw new RangeError(`"rate" expected a number between 0 and 1, got ${rate}`);
  return Math.max(1, Math.floor(rate * (count + 1)));
}

/**
 * The least limit whose bound is within the rate. Where there are too few scores to promise the rate the limit is the
 * largest of them, and the bound, 1 / (n + 1), says what it does promise.
 * @param rate of false alarms, between 0 and 1
 * @throws RangeError where there are no scores, or the tail is too short for the rate
 */
export function limitOf({ count, largest }: Tail, rate: number): Limit {
  if (count === 0) throw new RangeError("an alarm limit needs scores of normal operation, got none");
  const k = tailSize(rate, count);
  if (k > largest.length) throw new RangeError(`"largest" expected at least ${k} of ${count} scores for a rate of ${rate}, got ${largest.length}`);
  return { value: largest[k - 1], falseAlarmBound: k / (count + 1) };
}
