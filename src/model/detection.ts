/**
 * @module
 * How good a detector is, from counts that add up: a plant counts over its own rows, counts of several are
 * summed, and only then are figures computed. A score is in units of its detector's own limit, so that
 * scores of plants with different limits may be pooled: a row is alarming where its score is above 1.
 *
 * Beside the confusion of rows the counts hold a histogram of scores for each label, from which the area
 * under the receiver operating characteristic follows whatever the limit (ties count half), and what
 * became of the events: runs of anomalous rows, found or not, and how many rows that took.
 *
 *     counts: tp, fp, fn, tn, events, found, delay, (2,BINS) histogram of s / (1 + s)
 */

export interface DetectionMetrics {
  /** Rows. */
  readonly samples: number;
  /** 2 tp / (2 tp + fp + fn). It can be bought with false alarms: read it beside their rate. */
  readonly f1: number;
  /** P(alarm | normal row). */
  readonly falseAlarmRate: number;
  /** P(alarm | anomalous row), the detection rate. */
  readonly recall: number;
  /** P(score of an anomalous row > that of a normal one). NaN where one kind of row is missing. */
  readonly auc: number;
  /** Runs of anomalous rows. */
  readonly events: number;
  /** Share of them with an alarm. NaN where there are none. */
  readonly eventRecall: number;
  /** Mean rows from the first of an event to its alarm, over those that were found. NaN where none was. */
  readonly delay: number;
}

export const BINS = 500;
const [TP, FP, FN, TN, EVENTS, FOUND, DELAY, HISTOGRAM] = [0, 1, 2, 3, 4, 5, 6, 7];

export interface DetectionOptions {
  /**
   * Rows in a row that have to be alarming before an event is taken for found; its delay is that of the first of them.
   * Chiang, Russell & Braatz (2001) ask for six. Default 1.
   */
  readonly consecutive?: number;
}

/**
 * Counts of N rows that follow each other.
 * @param scores (N) >= 0 in units of the limit; 0 where a detector has none yet
 * @param anomalous (N) 0 or 1
 * @throws RangeError for scores that are negative or not finite, which are no scores
 */
export function detectionCounts(scores: Float64Array, anomalous: Uint8Array, { consecutive = 1 }: DetectionOptions = {}): Float64Array {
  if (scores.length !== anomalous.length) throw new RangeError(`"anomalous" expected ${scores.length} labels, one a score, got ${anomalous.length}`);
  const counts = new Float64Array(HISTOGRAM + 2 * BINS);
  let start = -1; // of the event that the row belongs to
  let found = false;
  let alarms = 0; // in a row
  scores.forEach((score, row) => {
    if (!(score >= 0 && score < Infinity)) throw new RangeError(`"scores" expected numbers >= 0, got ${score} in row ${row}`);
    const alarm = score > 1;
    alarms = alarm ? alarms + 1 : 0;
    const truth = anomalous[row];
    counts[truth ? (alarm ? TP : FN) : alarm ? FP : TN]++;
    counts[HISTOGRAM + truth * BINS + Math.min(BINS - 1, Math.floor((BINS * score) / (1 + score)))]++;
    if (!truth) {
      start = -1;
    } else if (start < 0) {
      start = row;
      found = false;
      counts[EVENTS]++;
    }
    if (truth && !found && alarms >= consecutive) {
      found = true;
      counts[FOUND]++;
      counts[DELAY] += Math.max(0, row - consecutive + 1 - start);
    }
  });
  return counts;
}

export function detectionMetrics(counts: Float64Array): DetectionMetrics {
  const [tp, fp, fn, tn] = counts;
  return {
    samples: tp + fp + fn + tn,
    f1: tp > 0 ? (2 * tp) / (2 * tp + fp + fn) : 0,
    falseAlarmRate: fp + tn > 0 ? fp / (fp + tn) : 0,
    recall: tp + fn > 0 ? tp / (tp + fn) : 0,
    auc: area(counts),
    events: counts[EVENTS],
    eventRecall: counts[FOUND] / counts[EVENTS],
    delay: counts[DELAY] / counts[FOUND],
  };
}

/** Mann and Whitney's count of pairs in the right order, over all pairs. */
function area(counts: Float64Array): number {
  let pairs = 0;
  let below = 0;
  let anomalous = 0;
  for (let bin = 0; bin < BINS; bin++) {
    const normal = counts[HISTOGRAM + bin];
    const found = counts[HISTOGRAM + BINS + bin];
    pairs += found * (below + normal / 2);
    below += normal;
    anomalous += found;
  }
  return pairs / (below * anomalous);
}
