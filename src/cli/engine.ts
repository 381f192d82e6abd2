/**
 * @module
 * What the commands need of the rest of the project, in one place: a test hands in another engine.
 * The real one is loaded when it is asked for, so that such a test does not load it.
 */
import type * as checkpoint from "../model/checkpoint.ts";
import type * as plan from "../model/plan.ts";
import type * as spec from "../model/spec.ts";
import type * as node from "../node.ts";
import type * as onnx from "../onnx/inspect.ts";
import type * as evidence from "../tasks/evidence.ts";
import type * as provenance from "../tasks/provenance.ts";
import type * as run from "../tasks/run.ts";
import type * as studies from "../tasks/studies.ts";
import type { Task } from "../tasks/task.ts";
import { loadOnnxRunner } from "./runtime.ts";

export interface Engine {
  readonly tasks: readonly Pick<Task, "name" | "summary" | "needsData" | "schedule">[];
  readonly studies: typeof studies.studies;
  readonly runStudy: typeof studies.runStudy;
  readonly pendingUnits: typeof studies.pendingUnits;
  readonly evidenceOf: typeof evidence.evidenceOf;
  readonly witness: typeof provenance.witness;
  readonly resolve: typeof run.resolve;
  readonly run: typeof run.run;
  readonly evaluateRun: typeof run.evaluateRun;
  readonly exportRun: typeof run.exportRun;
  readonly inspectOnnx: typeof onnx.inspectOnnx;
  readonly formatInspection: typeof onnx.formatInspection;
  readonly parseSpec: typeof spec.parseSpec;
  readonly decodeCheckpoint: typeof checkpoint.decodeCheckpoint;
  readonly planOf: typeof plan.planOf;
  readonly largestBatch: typeof plan.largestBatch;
  readonly blockStepsFor: typeof plan.blockStepsFor;
  readonly predictionBatch: typeof plan.predictionBatch;
  readonly folderSource: typeof node.folderSource;
  readonly threadPool: typeof node.threadPool;
  readonly loadOnnxRunner: typeof loadOnnxRunner;
}

export async function loadEngine(): Promise<Engine> {
  const [run, studies, { evidenceOf }, { witness }, inspection, { folderSource, threadPool }, { parseSpec }, { decodeCheckpoint }, plan] = await Promise.all([
    import("../tasks/run.ts"),
    import("../tasks/studies.ts"),
    import("../tasks/evidence.ts"),
    import("../tasks/provenance.ts"),
    import("../onnx/inspect.ts"),
    import("../node.ts"),
    import("../model/spec.ts"),
    import("../model/checkpoint.ts"),
    import("../model/plan.ts"),
  ]);
  return { ...run, ...studies, evidenceOf, witness, ...inspection, ...plan, folderSource, threadPool, parseSpec, decodeCheckpoint, loadOnnxRunner };
}
