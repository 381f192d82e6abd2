/**
 * TensorFlow.js on its WebAssembly backend, one thread: train step and forward pass. How it is asked and
 * what it answers: README.md.
 *
 * The model is Keras's: an LSTM has one bias a gate, and its recurrent activation is set to sigmoid. The
 * backend has gradients for all of it, but no kernel for a whole LSTM.
 */
import tf from "@tensorflow/tfjs-core";
import layers from "@tensorflow/tfjs-layers";
import wasm from "@tensorflow/tfjs-backend-wasm";
import { answer } from "./answer.js";

tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
await tf.setBackend("wasm");
await tf.ready();

function build({ T, I, H, D, layers: count, attention, dropout }) {
  const input = layers.input({ shape: [T, I] });
  let h = input;
  for (let layer = 0; layer < count; layer++) {
    if (layer && dropout) h = layers.layers.dropout({ rate: dropout }).apply(h);
    const lstm = layers.layers.lstm({ units: H, returnSequences: attention || layer < count - 1, recurrentActivation: "sigmoid", recurrentInitializer: "glorotUniform" });
    h = (D === 2 ? layers.layers.bidirectional({ layer: lstm, mergeMode: "concat" }) : lstm).apply(h);
  }
  if (attention) {
    const u = layers.layers.dense({ units: 64, activation: "tanh" }).apply(h);
    const scores = layers.layers.flatten().apply(layers.layers.dense({ units: 1 }).apply(u)); // softmax takes the last axis only
    const alpha = layers.layers.reshape({ targetShape: [T, 1] }).apply(layers.layers.softmax().apply(scores));
    const context = layers.layers.flatten().apply(layers.layers.dot({ axes: 1 }).apply([alpha, h]));
    h = layers.layers.dropout({ rate: 0.3 }).apply(layers.layers.dense({ units: 64, activation: "relu" }).apply(context));
  }
  return layers.model({ inputs: input, outputs: layers.layers.dense({ units: 4 }).apply(h) });
}

const works = {
  train({ model, batch }) {
    const network = build(model);
    const optimizer = tf.train.adam(1e-3);
    const x = tf.randomUniform([batch, model.T, model.I], -1, 1);
    const y = tf.oneHot(tf.tensor1d(Array.from({ length: batch }, (_, b) => b % 4), "int32"), 4);
    const variables = network.trainableWeights.map((weight) => weight.read());
    const loss = () => tf.tidy(() => {
      const logits = network.apply(x, { training: true });
      return tf.neg(tf.mean(tf.sum(tf.mul(y, tf.logSoftmax(logits)), 1)));
    });
    return () => tf.tidy(() => {
      const { grads } = tf.variableGrads(loss, variables);
      const norm = tf.sqrt(tf.addN(Object.values(grads).map((gradient) => tf.sum(tf.square(gradient)))));
      const scale = tf.minimum(1, tf.div(1, tf.add(norm, 1e-6)));
      optimizer.applyGradients(Object.fromEntries(Object.entries(grads).map(([name, gradient]) => [name, tf.mul(gradient, scale)])));
    });
  },
  forward({ model, batch }) {
    const network = build(model);
    const x = tf.randomUniform([batch, model.T, model.I], -1, 1);
    return () => tf.tidy(() => network.apply(x, { training: false }).dataSync());
  },
};

await answer({ peer: "TensorFlow.js", version: tf.version_core, detail: "wasm backend with SIMD, one thread" }, works);
