/**
 * @module
 * A fetch that trusts the certificates it is given and shows one of its own, which Node's has no option for.
 *
 *     httpExchange(url, { fetch: nodeFetch({ ca: readFileSync("orchestrator.pem") }) })
 */
import { Agent as HttpAgent, request as requestHttp } from "node:http";
import { Agent as HttpsAgent, request as requestHttps, type AgentOptions } from "node:https";
import { Readable } from "node:stream";
import type { Fetch } from "../federation/http.ts";

/** Everything in PEM. Without `ca` those count that Node trusts anyway. */
export type Certificates = Pick<AgentOptions, "ca" | "cert" | "key">;

/**
 * Connections are kept alive and shared by all calls. Bodies are bytes; redirects are not followed.
 * @param secure instead of one made from the certificates, such as pinnedAgent's
 */
export function nodeFetch(certificates: Certificates = {}, secure?: HttpsAgent): Fetch {
  const http = new HttpAgent({ keepAlive: true });
  const https = secure ?? new HttpsAgent({ ...certificates, keepAlive: true });
  return (url, { method = "GET", headers, body, signal }) =>
    new Promise((resolve, reject) => {
      const [send, agent] = url.startsWith("https:") ? [requestHttps, https] : [requestHttp, http];
      const bytes = body as Uint8Array | undefined;
      const all = { ...Object.fromEntries(new Headers(headers)), ...(bytes && { "content-length": String(bytes.length) }) };
      const request = send(url, { method, headers: all, agent, signal: signal ?? undefined });
      request.on("error", (cause) => reject(signal?.aborted ? signal.reason : new TypeError("fetch failed", { cause })));
      request.on("response", (message) => {
        const status = message.statusCode!;
        const empty = status === 204 || status === 205 || status === 304;
        if (empty) message.resume();
        const pairs = Object.entries(message.headersDistinct).flatMap(([name, values]) => values!.map((value): [string, string] => [name, value]));
        resolve(new Response(empty ? null : (Readable.toWeb(message) as ReadableStream<Uint8Array<ArrayBuffer>>), { status, headers: pairs }));
      });
      request.end(bytes);
    });
}
