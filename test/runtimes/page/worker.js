/** The program in a web worker. */
import { run } from "./run.js";

addEventListener("message", async ({ data: variant }) => {
  postMessage(await run(variant).catch((error) => ({ error: String(error) })));
});
