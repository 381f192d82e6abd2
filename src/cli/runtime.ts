/**
 * @module
 * onnxruntime-node, where it is installed and runs on this machine: it tells how far an exported model is from ours.
 */
import type { OnnxRunner } from "../tasks/run.ts";

/** Undefined where there is no such runtime, which is no reason not to train. */
export async function loadOnnxRunner(): Promise<OnnxRunner | undefined> {
  const runtime = await import("onnxruntime-node").catch(() => undefined);
  if (!runtime) return undefined;
  return async (model, inputs, shape, side) => {
    const session = await runtime.InferenceSession.create(model, { intraOpNumThreads: 1 });
    try {
      const [first, second] = session.inputNames;
      const feeds = { [first]: new runtime.Tensor("float32", inputs, shape), ...(side && { [second]: new runtime.Tensor("float32", side.values, side.shape) }) };
      const results = await session.run(feeds);
      return results[session.outputNames[0]].data as Float32Array;
    } finally {
      await session.release();
    }
  };
}
