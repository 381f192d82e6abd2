/** How a peer in JavaScript answers: a line of JSON about itself, then one for each line it is asked. */
import { createInterface } from "node:readline";
import { median } from "../measure.js";

/** Median milliseconds of one call, of as many as fit into the time; three at least where one is not a second long. */
async function medianMs(call, seconds) {
  const times = [];
  const end = performance.now() + 1000 * seconds;
  const patience = performance.now() + 1000;
  do {
    const began = performance.now();
    await call();
    times.push(performance.now() - began);
  } while (performance.now() < end || (times.length < 3 && performance.now() < patience));
  return median(times);
}

/** @param works name → (request) => the call that is timed; what the call returned last is in `outputs` where it is an array */
export async function answer(about, works) {
  const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
  say(about);
  let asked, call, outputs;
  for await (const line of createInterface({ input: process.stdin })) {
    const { seconds, ...request } = JSON.parse(line);
    const key = JSON.stringify(request);
    if (key !== asked) {
      call = await works[request.work](request);
      asked = key;
    }
    const ms = await medianMs(async () => (outputs = await call()), seconds);
    say({ ms, ...(outputs?.length && { outputs: Array.from(outputs) }) });
  }
}
