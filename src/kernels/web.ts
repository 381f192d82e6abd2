/**
 * @module
 * A partner in a web worker: browsers, Deno and Bun. `millwright/node` has the same function for Node.
 */
import type { Build } from "./build.ts";
import { Partner, type Place, type Thread } from "./partner.ts";

export interface PartnerOptions {
  /** Default: simd. */
  readonly build?: Build;
}

/**
 * Start a second thread for networks that are made with it: `new Network(spec, { …, partner })`.
 *
 * A page has to be cross-origin isolated, since only then may it share memory. Its main thread cannot
 * sleep while it waits for the partner, so train in a worker and start the partner from there. Deno's
 * process ends when the partner is closed, and not before.
 * @throws Error with the remedy where the runtime has no web workers or shares no memory
 */
export async function startPartner({ build }: PartnerOptions = {}): Promise<Partner> {
  if (typeof Worker === "undefined") throw new Error("this runtime has no web workers; use startPartner of millwright/node");
  if (typeof SharedArrayBuffer === "undefined") {
    throw new Error("a partner shares memory, which a page may only when it is cross-origin isolated; serve it with the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp");
  }
  return Partner.on(webThread(), build);
}

function webThread(): Thread {
  // This expression as it stands is what bundlers look for.
  const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  let died = (_: Error) => {};
  return {
    begin: (place: Place) =>
      new Promise((resolve, reject) => {
        worker.onmessage = () => {
          (worker as { unref?(): void }).unref?.(); // outside of browsers a worker would keep the process alive
          resolve();
        };
        worker.onerror = (event) => {
          event.preventDefault?.(); // reported here, and not to the console as well
          const cause = new Error(event.message || "its file could not be loaded");
          reject(new Error(`the partner thread did not start: ${cause.message}`, { cause }));
          died(cause);
        };
        worker.postMessage(place);
      }),
    onDeath: (report) => (died = report),
    end: () => worker.terminate(),
  };
}
