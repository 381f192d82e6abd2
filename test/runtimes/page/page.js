/**
 * The program in a page, served by browser.js: the page's address names the variant, and what comes of
 * it is posted back. With a partner the program runs in a worker, since a page itself may not wait; a client that joins a
 * federation does, as it would in a plant.
 */
import { run } from "./run.js";

const variant = JSON.parse(decodeURIComponent(location.hash.slice(1)));
let answer;
try {
  answer = variant.threads === 1 && !variant.invitation ? await run(variant) : await runInWorker(variant);
} catch (error) {
  answer = { error: String(error) };
}
await fetch("/answer", { method: "POST", body: JSON.stringify(answer) });

function runInWorker(variant) {
  const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  return new Promise((resolve, reject) => {
    worker.onerror = ({ message }) => reject(new Error(message));
    worker.onmessage = ({ data }) => resolve(data);
    worker.postMessage(variant);
  });
}
