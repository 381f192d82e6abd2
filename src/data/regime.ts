/**
 * @module
 * Operating regimes found without moving a row. Each factory clusters its own operating settings and
 * shares the clusters' counts and means; the orchestrator clusters those to the common centres.
 *
 * Both steps are k-means (Lloyd 1982), started from the farthest points (Gonzalez 1985) instead of
 * random ones: regimes are few and far apart, and no seed is needed. Distances are of settings divided by their
 * spread over all points, as settings have unlike units.
 *
 * Packed for the wire as float64: for each cluster, count, then mean (settings).
 */
import type { Windows } from "../signal/window.ts";

export interface Regimes {
  /** How many leading columns of a raw row are settings; a raw row has settings + I columns. */
  readonly settings: number;
  /** (R, settings) */
  readonly centres: readonly (readonly number[])[];
  /** (settings) divisors for the distance. */
  readonly spread: readonly number[];
}

/** A point that stands for `weight` rows. */
interface Point {
  readonly weight: number;
  readonly at: readonly number[];
}

const MAX_ITERATIONS = 100;

/** A factory's part: its settings in at most `regimes` clusters, packed. */
export function clusterSettings({ inputs, count, steps, features }: Windows, settings: number, regimes: number): Float64Array {
  // Overlapping windows repeat rows, so equal settings are counted once with their weight.
  const weights = new Map<string, Point>();
  for (let row = 0; row < count * steps; row++) {
    const at = Array.from(inputs.subarray(row * features, row * features + settings));
    const key = at.join(" ");
    weights.set(key, { weight: (weights.get(key)?.weight ?? 0) + 1, at });
  }
  return Float64Array.from(cluster([...weights.values()], regimes).centres.flatMap(({ weight, at }) => [weight, ...at]));
}

/**
 * The orchestrator's part: the centres of all factories' clusters, weighted by rows. The result does not depend on the order of the parts.
 * @throws RangeError when a part is not packed clusters.
 */
export function mergeClusters(parts: readonly Float64Array[], settings: number, regimes: number): Regimes {
  const points = parts.flatMap((part, index) => unpackClusters(part, settings, regimes, index));
  const { centres, spread } = cluster(points, regimes);
  return { settings, centres: centres.map(({ at }) => at), spread };
}

function unpackClusters(part: Float64Array, settings: number, regimes: number, index: number): Point[] {
  const from = `clusters of client ${index + 1}`;
  const size = 1 + settings;
  if (part.length === 0 || part.length % size !== 0 || part.length > regimes * size) {
    throw new RangeError(`${from}: expected 1 to ${regimes} clusters of ${size} numbers, got ${part.length} numbers`);
  }
  return Array.from({ length: part.length / size }, (_, cluster) => {
    const [weight, ...at] = part.subarray(cluster * size, (cluster + 1) * size);
    if (!(Number.isSafeInteger(weight) && weight > 0)) throw new RangeError(`${from}: expected a count of rows >= 1, got ${weight}`);
    if (!at.every(Number.isFinite)) throw new RangeError(`${from}: expected finite means, got ${at.join(" ")}`);
    return { weight, at };
  });
}

/** The regime of the row that begins at `offset`: the nearest centre, the first of equals, in float32 as the exported graph computes it. */
export function nearestRegime(rows: Float32Array, offset: number, { settings, centres, spread }: Regimes): number {
  let best = 0;
  let bestDistance = Infinity;
  for (let regime = 0; regime < centres.length; regime++) {
    let distance = 0;
    for (let setting = 0; setting < settings; setting++) {
      const difference = Math.fround(Math.fround(rows[offset + setting] - Math.fround(centres[regime][setting])) / Math.fround(spread[setting]));
      distance = Math.fround(distance + Math.fround(difference * difference));
    }
    if (distance < bestDistance) {
      best = regime;
      bestDistance = distance;
    }
  }
  return best;
}

/** Weighted k-means. Points are sorted first, so that equal sets give equal bits. Centres come in ascending order. */
function cluster(points: readonly Point[], most: number): { centres: Point[]; spread: number[] } {
  const sorted = points.toSorted(ascending);
  const spread = spreadOf(sorted);
  let centres = farthestPoints(sorted, most, spread);
  let nearest: number[] = [];
  for (let iteration = 0; iteration < MAX_ITERATIONS; iteration++) {
    const next = sorted.map((point) => nearestPoint(point, centres, spread));
    if (next.every((centre, index) => centre === nearest[index])) break;
    nearest = next;
    centres = centres.map((_, centre) => centroid(sorted.filter((_, index) => nearest[index] === centre))).filter((centre) => centre.weight > 0);
  }
  return { centres: centres.toSorted(ascending), spread };
}

/** Start at the heaviest point, then take whatever is farthest from all taken; fewer centres where fewer points differ. */
function farthestPoints(points: readonly Point[], most: number, spread: readonly number[]): Point[] {
  const centres = [points.reduce((heaviest, point) => (point.weight > heaviest.weight ? point : heaviest))];
  const distances = points.map((point) => distance(point, centres[0], spread));
  while (centres.length < most) {
    const farthest = distances.reduce((best, value, index) => (value > distances[best] ? index : best), 0);
    if (distances[farthest] === 0) break;
    centres.push(points[farthest]);
    points.forEach((point, index) => (distances[index] = Math.min(distances[index], distance(point, points[farthest], spread))));
  }
  return centres;
}

function nearestPoint(point: Point, centres: readonly Point[], spread: readonly number[]): number {
  let best = 0;
  for (let centre = 1; centre < centres.length; centre++) {
    if (distance(point, centres[centre], spread) < distance(point, centres[best], spread)) best = centre;
  }
  return best;
}

const square = (x: number): number => x * x;

const distance = (a: Point, b: Point, spread: readonly number[]): number =>
  spread.reduce((sum, divisor, setting) => sum + square((a.at[setting] - b.at[setting]) / divisor), 0);

function centroid(points: readonly Point[]): Point {
  const weight = points.reduce((sum, point) => sum + point.weight, 0);
  const settings = points[0]?.at.length ?? 0;
  const mean = (setting: number) => points.reduce((sum, point) => sum + point.weight * point.at[setting], 0) / weight;
  return { weight, at: Array.from({ length: settings }, (_, setting) => mean(setting)) };
}

/** Weighted standard deviation of each setting, 1 where it does not vary. */
function spreadOf(points: readonly Point[]): number[] {
  const { weight, at } = centroid(points);
  return at.map((mean, setting) => Math.sqrt(points.reduce((sum, point) => sum + point.weight * square(point.at[setting] - mean), 0) / weight) || 1);
}

function ascending(a: Point, b: Point): number {
  const differs = a.at.findIndex((value, setting) => value !== b.at[setting]);
  return differs < 0 ? a.weight - b.weight : a.at[differs] - b.at[differs];
}
