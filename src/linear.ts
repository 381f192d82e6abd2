/**
 * @module millwright/linear
 * Linear models across factories in one gather, portable: ridge regression, least-squares classification, vector
 * autoregression. Their sums are exact, so the federated model is the centralised one, bit for bit. An entry of its
 * own, since a page that trains networks does not need it.
 *
 *     const parts = factories.map((examples) => gramOf(spec, examples));     // in each factory; a part is no row
 *     const { parameters } = solveGram(spec, mergeGrams(spec, parts), 1e-3); // anywhere: the same bits for any split
 */

// Sums of products of scaled windows, and what is solved from them
export {
  chooseGram, covarianceOf, gramLength, gramOf, isLinear, LAMBDAS, mergeGrams, solveGram, squaredError, type Covariance, type LinearFit,
} from "./model/gram.ts";

// The scaler from sums that are exact, too
export { exactLength, exactSums, momentsOfSums } from "./data/exact.ts";

// Solo, federated and centralised, over the protocol
export { fitLinear, type LinearModel, type LinearModels, type LinearOptions } from "./tasks/linear.ts";

// Fault detection without labels: variates from second moments, control charts, alarm limits of held-out scores, and how good it all is
export { canonicalVariates, columnsOf, principalComponents, project, type Projection } from "./model/projection.ts";
export { smoothedSquares, trailingMean } from "./model/chart.ts";
export { limitOf, mergeTails, tailOf, tailSize, type Limit, type Tail } from "./model/limit.ts";
export { detectionCounts, detectionMetrics, type DetectionMetrics, type DetectionOptions } from "./model/detection.ts";
