/** The program in a web worker, or a client that joins a federation. */
import { join } from "../guest.js";
import { run } from "./run.js";

addEventListener("message", async ({ data: variant }) => {
  postMessage(await (variant.invitation ? join(variant.invitation) : run(variant)).catch((error) => ({ error: String(error) })));
});
