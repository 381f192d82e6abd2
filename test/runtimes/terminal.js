/**
 * The program in a runtime with a command line: Node, Deno and Bun, which all know worker threads by
 * Node's name. Deno and Bun have web workers too, and take the partner that is made of one.
 *
 *     node test/runtimes/terminal.js '{"build":"simd","threads":1,"workers":[1,2,3],"seconds":1}'
 *     node test/runtimes/terminal.js '{"invitation":{…}}'        joins a federation: guest.js
 */
import { startPartner as startWebPartner } from "../../build/index.js";
import { startPartner, threadPool } from "../../build/node.js";
import { compute } from "./program.js";

const variant = JSON.parse(process.argv[2]);
const answer = variant.invitation ? await (await import("./guest.js")).join(variant.invitation)
  : await compute({ ...variant, startPartner: typeof Worker === "undefined" ? startPartner : startWebPartner, openPool: threadPool });
console.log(JSON.stringify(answer));
