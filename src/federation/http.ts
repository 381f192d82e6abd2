/**
 * @module
 * An exchange over HTTP, with nothing but fetch: the same in Node, browsers, Deno and Bun. docs/http.md has the routes.
 *
 *     const client = new FactoryClient({ id: "plant-3", exchange: httpExchange("https://orchestrator.example:8443"), learner, fingerprint });
 */
import { Unanswered, type Exchange } from "./exchange.ts";

/** As much of fetch as is used here. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export interface HttpOptions {
  /** The longest reply that is read, in bytes. Unless given: that of a model of 2^27 parameters. */
  readonly replyBytes?: number;
  /** What speaks HTTP, the runtime's own unless given; `nodeFetch` of millwright/node trusts certificates it is given. */
  readonly fetch?: Fetch;
}

/** Where requests are posted, below the orchestrator's address. */
export const EXCHANGE_PATH = "/v1/exchange";

const REPLY_BYTES = 2 ** 29 + 2 ** 17;

const stopping = "it is busy, stopping or away; ask again later";
/** What to do about a status; whoever answers may be a proxy in between. */
const REMEDIES: Readonly<Record<number, string>> = {
  401: "a proxy in between wants to know who asks; let requests to the orchestrator pass",
  403: "a proxy in between forbids it, or the orchestrator's list of origins lacks this page's",
  404: "there is no orchestrator; give its address without the path, and with the prefix of a proxy if it has one",
  405: "there is no orchestrator; give its address without the path, and with the prefix of a proxy if it has one",
  407: "a proxy in between wants to know who asks; let requests to the orchestrator pass",
  408: "the request took too long to arrive; ask again",
  413: "the request is longer than the orchestrator, or a proxy in between, takes; use the same model spec on both sides, and raise the proxy's limit",
  429: stopping,
  500: "the reason is in the orchestrator's log",
  502: stopping,
  503: stopping,
  504: "a proxy in between gave up waiting; raise its timeout above the orchestrator's pollMs",
};

/**
 * Requests and replies as bodies of `POST url/v1/exchange`, bytes as they are. Nothing is retried here, and no
 * redirect followed.
 * @param url the orchestrator's address, http or https, with or without a path before /v1
 * @returns an exchange that rejects with Unanswered on 204, with an Error that names address and remedy on any other status
 *   than 200 and when nobody answers, and with the signal's reason when that aborts
 */
export function httpExchange(url: string | URL, { replyBytes = REPLY_BYTES, fetch = globalThis.fetch }: HttpOptions = {}): Exchange {
  const address = addressOf(url, EXCHANGE_PATH);
  return async (request, signal) => {
    signal?.throwIfAborted();
    try {
      const response = await fetch(address, {
        method: "POST",
        headers: { "content-type": "application/octet-stream" },
        body: request as Uint8Array<ArrayBuffer>,
        signal,
        redirect: "manual",
        credentials: "omit",
        cache: "no-store",
      });
      if (response.status === 200) return await readReply(response, replyBytes);
      await response.body?.cancel();
      if (response.status === 204) throw new Unanswered(`POST ${address}: nothing yet; ask again`);
      throw new ReplyError(describe(response));
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof Unanswered) throw error;
      throw new Error(`POST ${address}: ${reasonOf(error)}`, { cause: error });
    }
  };
}

/** Somebody is there, but what he says is of no use. */
class ReplyError extends Error {}

/** An address below the orchestrator's. */
export function addressOf(url: string | URL, path: string): string {
  const parsed = URL.canParse(String(url)) ? new URL(url) : undefined;
  if (!parsed || !/^https?:$/.test(parsed.protocol) || parsed.username || parsed.password || parsed.search || parsed.hash) {
    throw new RangeError(`address of the orchestrator expected as in https://host:8443, without a name, a query or a fragment, got ${JSON.stringify(String(url))}`);
  }
  return parsed.origin + parsed.pathname.replace(/\/+$/, "") + path;
}

/** The body of a response, its length held against the limit before it is read and while it is. */
export async function readReply(response: Response, limit: number): Promise<Uint8Array> {
  const tooLong = () => new ReplyError(`reply of more than ${limit} bytes; use the same model spec on both sides`);
  if (Number(response.headers.get("content-length")) > limit) {
    await response.body?.cancel();
    throw tooLong();
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = response.body?.getReader();
  for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) {
    length += next.value.length;
    if (length > limit) {
      await reader?.cancel();
      throw tooLong();
    }
    chunks.push(next.value);
  }
  const reply = new Uint8Array(length);
  let end = 0;
  for (const chunk of chunks) {
    reply.set(chunk, end);
    end += chunk.length;
  }
  return reply;
}

function describe({ status, type }: Response): string {
  // A page is not told where to.
  if (type === "opaqueredirect" || (status >= 300 && status < 400)) return `answered with a redirect (${status}); give the address that it leads to`;
  return `answered ${status}; ${REMEDIES[status] ?? "that is no answer of an orchestrator; check the address and what is in between"}`;
}

/** Runtimes differ in how they say that nobody is there or has gone away; Node hides it in the cause. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  if (error instanceof ReplyError) return message;
  const reason = cause instanceof Error ? cause.message || (cause as Error & { code?: string }).code : undefined;
  return `${message}${reason ? `: ${reason}` : ""}; is the orchestrator running, and may this machine reach it?`;
}
