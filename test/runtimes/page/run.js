/** The program with web workers for threads. */
import { startPartner } from "../../../build/index.js";
import { compute } from "../program.js";

export const run = (variant) => compute({ ...variant, startPartner, openPool });

/** Of src/tasks/pool.ts, what the program uses. */
function openPool(size) {
  const waiting = [];
  const idle = Array.from({ length: size }, () => new Worker(new URL("./client.js", import.meta.url), { type: "module" }));
  const workers = [...idle];
  const assign = () => {
    while (idle.length > 0 && waiting.length > 0) {
      const worker = idle.pop();
      const { job, resolve, reject } = waiting.shift();
      worker.onerror = ({ message }) => reject(new Error(message));
      worker.onmessage = ({ data: { result, error } }) => {
        idle.push(worker);
        assign();
        if (error) reject(new Error(error));
        else resolve(result);
      };
      worker.postMessage(job);
    }
  };
  return {
    size,
    fit: (job) => new Promise((resolve, reject) => (waiting.push({ job, resolve, reject }), assign())),
    close: async () => workers.forEach((worker) => worker.terminate()),
  };
}
