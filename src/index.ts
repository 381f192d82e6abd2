/**
 * @module millwright
 * Train one model across factories without moving their data. This entry is portable: WebAssembly,
 * WebCrypto and typed arrays, nothing of one runtime. `millwright/node` adds worker threads and files.
 *
 *     const orchestrator = new Orchestrator({ clients: ["a", "b"], parameters, rounds: 10, fingerprint });
 *     await Promise.all(["a", "b"].map((id) => new FactoryClient({ id, exchange: orchestrator.handle, learner: …, fingerprint }).run()));
 *     const { parameters } = await orchestrator.finished;
 */

// Model: a declarative spec, one parameter vector, training and prediction
export { parseSpec, type HeadSpec, type LayerSpec, type ModelSpec, type ModelSpecInput } from "./model/spec.ts";
export { layoutOf, statisticsOf, type Layout, type Parameter } from "./model/layout.ts";
export { initialParameters, initialStatistics, Network, type Machinery } from "./model/network.ts";
export type { Loss } from "./model/head.ts";
export { blockStepsFor, largestBatch, planOf, type Plan, type PlanOptions, type Region } from "./model/plan.ts";
export { adam, predictAll, Trainer, type Examples, type Fitted, type Training } from "./model/trainer.ts";
export { Model, reconstructionErrors } from "./model/model.ts";
export {
  chooseThreshold, classificationCounts, classificationMetrics, regressionCounts, regressionMetrics, stateOf,
  type ClassificationMetrics, type Metrics, type RegressionMetrics,
} from "./model/metrics.ts";
export { forecastCounts, forecastMetrics, type ForecastFigures, type ForecastMetrics } from "./model/forecast.ts";
export { decodeCheckpoint, encodeCheckpoint, type Checkpoint } from "./model/checkpoint.ts";

// Federation: a client in each factory, one orchestrator, a function between them
export { FactoryClient, RefusedError, type FactoryClientOptions, type FitOptions, type FitResult, type Learner } from "./federation/client.ts";
export { Orchestrator, type ClientReport, type Merge, type OrchestratorOptions, type Result, type RoundReport } from "./federation/orchestrator.ts";
export { fedAvg, type ServerOptimizer } from "./federation/strategy.ts";
export { fingerprintOf } from "./federation/checksum.ts";
export { maxFrameBytes } from "./federation/message.ts";
export { Unanswered, type Exchange } from "./federation/exchange.ts";
export { httpExchange, type Fetch, type HttpOptions } from "./federation/http.ts";
export { parseStatus, type ClientStatus, type Status } from "./federation/status.ts";

// Data: windows, scaling from shared moments, readers and a simulator
export { concatWindows, selectWindows, type Side, type Windows } from "./signal/window.ts";
export { mergeMoments, windowMoments } from "./data/moments.ts";
export { clusterSettings, mergeClusters, type Regimes } from "./data/regime.ts";
export { scale, scalerFromMoments, type Scaler } from "./data/scaler.ts";
export { readCmapss, dealEngines, engineWindows } from "./data/cmapss.ts";
export { readHydraulic, hydraulicFactories } from "./data/hydraulic.ts";
export { simulateFactories } from "./data/simulator.ts";
export type { Source } from "./data/source.ts";

// Kernels: two builds of them, and a second thread
export { loadBuild, type Build, type BuildName } from "./kernels/build.ts";
export type { Partner } from "./kernels/partner.ts";
export { startPartner, type PartnerOptions } from "./kernels/web.ts";

// ONNX
export { exportOnnx, type OnnxOptions } from "./onnx/export.ts";
export { formatInspection, inspectOnnx, type InspectedPort, type Inspection } from "./onnx/inspect.ts";

// Deterministic numbers, the same bits in every runtime
export { random, type Random } from "./kernels/random.ts";
