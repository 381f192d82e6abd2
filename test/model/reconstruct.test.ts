import { expect, test } from "vitest";
import { Model, reconstructionErrors } from "../../src/model/model.ts";
import type { ModelSpecInput } from "../../src/model/spec.ts";
import { adam, type Training } from "../../src/model/trainer.ts";
import { inlinePool } from "../../src/tasks/pool.ts";
import { numbers } from "../memory.ts";

const [T, I] = [12, 2];
const training: Training = { epochs: 60, batch: 16, learningRate: 1e-2, optimizer: adam, clipNorm: 1, loss: {} };
const spec: ModelSpecInput = {
  input: { steps: T, features: I },
  layers: [{ type: "lstm", hidden: 12 }, { type: "last" }, { type: "dense", units: 3, activation: "tanh" }, { type: "repeat" }, { type: "lstm", hidden: 12 }],
  head: { type: "reconstruct" },
};

/** A sine of any phase and its cosine, or with `broken` twice the sine: a relation that the training has not seen. */
function waves(count: number, seed: number, broken = false) {
  const phases = numbers(count, seed, Math.PI);
  const inputs = Float32Array.from({ length: count * T * I }, (_, at) => {
    const angle = phases[Math.floor(at / (T * I))] + 0.5 * (Math.floor(at / I) % T);
    return at % I === 0 ? Math.sin(angle) : broken ? Math.sin(2 * angle) : Math.cos(angle);
  });
  return { inputs, targets: new Float32Array(0), count };
}

test("an autoencoder learns what is normal, and errs where a relation is broken", async () => {
  const model = new Model(spec, { seed: 1 });
  model.fit(waves(300, 1), training, ["waves"]);
  const errors = ({ inputs, count }: ReturnType<typeof waves>) => reconstructionErrors(model.reconstruct(inputs), inputs, count);
  const [normal, broken] = [errors(waves(100, 2)), errors(waves(100, 3, true))];
  const mean = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
  expect(mean(normal)).toBeLessThan(0.05);
  expect(mean(broken)).toBeGreaterThan(5 * mean(normal));

  const { inputs } = waves(7, 4);
  const pool = inlinePool();
  expect(await pool.predict({ kind: "predict", spec: model.spec, parameters: model.parameters, inputs })).toEqual(model.reconstruct(inputs));
  await pool.close();
});

test("a window's reconstruction does not depend on its batch", () => {
  const model = new Model(spec, { seed: 1 });
  const { inputs } = waves(40, 5); // more than are predicted at a time
  const together = model.reconstruct(inputs);
  for (const n of [0, 31, 32, 39]) expect(model.reconstruct(inputs.subarray(n * T * I, (n + 1) * T * I))).toEqual(together.slice(n * T * I, (n + 1) * T * I));
});

test("refuses to reconstruct with another head, and errors of other windows", () => {
  expect(() => new Model(spec).predict(new Float32Array(T * I))).toThrow("expected a model with a regress or forecast head, got reconstruct");
  expect(() => reconstructionErrors(new Float32Array(6), new Float32Array(8), 2)).toThrow("reconstruction expected as many numbers as 2 windows have, got 6 beside 8");
});
