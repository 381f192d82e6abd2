/** A web worker that trains a client: one fit for each message. */
import { loadBuild, Model } from "../../../build/index.js";

addEventListener("message", async ({ data: { spec, build, parameters, examples, training, stream } }) => {
  try {
    const model = new Model(spec, { parameters, build: await loadBuild(build) });
    const fitted = model.fit(examples, training, stream);
    postMessage({ result: { ...fitted, parameters: model.parameters } });
  } catch (error) {
    postMessage({ error: String(error) });
  }
});
