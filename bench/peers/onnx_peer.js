/**
 * A forward pass in an ONNX runtime, one thread. How it is asked and what it answers: README.md.
 *
 *     node onnx_peer.js onnxruntime-web | onnxruntime-node
 */
import { readFileSync } from "node:fs";
import { answer } from "./answer.js";

const [, , name] = process.argv;
const { default: ort } = await import(name);
const { version } = JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url), "utf8"));
if (name === "onnxruntime-web") ort.env.wasm.numThreads = 1;

const options = { intraOpNumThreads: 1, interOpNumThreads: 1, executionMode: "sequential", ...(name === "onnxruntime-web" && { executionProviders: ["wasm"] }) };

await answer({ peer: name, version, detail: "one thread" }, {
  /** A model file, a file of float32 and its shape; the first output. */
  async forward({ onnx, input, shape }) {
    const session = await ort.InferenceSession.create(readFileSync(onnx), options);
    const bytes = readFileSync(input);
    const feeds = { [session.inputNames[0]]: new ort.Tensor("float32", new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4), shape) };
    return async () => (await session.run(feeds))[session.outputNames[0]].data;
  },
});
