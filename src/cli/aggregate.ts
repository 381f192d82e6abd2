/**
 * @module
 * `millwright aggregate URL --listen HOST:PORT --id ID`: a plant's aggregator. The gateways of its lines join
 * it as they would the orchestrator; their updates leave as one sum. It keeps nothing.
 */
import { mkdirSync } from "node:fs";
import { resolve as resolvePath } from "node:path";
import { Aggregator } from "../federation/aggregator.ts";
import { systemClock } from "../federation/clock.ts";
import { SEAL_BYTES } from "../federation/envelope.ts";
import type { PartedExchange } from "../federation/exchange.ts";
import { guard } from "../federation/guard.ts";
import { checkClientId, maxFrameBytes } from "../federation/message.ts";
import { layoutOf } from "../model/layout.ts";
import { createLog } from "../node/log.ts";
import { checkOrigins } from "../node/origin.ts";
import { machine, watchRoster } from "../node/roster.ts";
import { serveExchange } from "../node/server.ts";
import { charterFrom, patientRetry, sealed, transportOf } from "./join.ts";
import { addressOf, certificateOf, signerIn } from "./orchestrate.ts";
import type { Io } from "./program.ts";

export interface AggregateOptions {
  readonly id: string;
  readonly listen: string;
  readonly members?: readonly string[];
  readonly deadline: number;
  readonly roster?: string;
  readonly key?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  /** Of pages that may call. */
  readonly allowOrigin?: readonly string[];
  readonly ca?: string;
  readonly tlsFingerprint?: string;
  readonly nats?: string;
  readonly natsCredentials?: string;
  readonly name?: string;
  readonly insecure: boolean;
  readonly state?: string;
}

const INTERRUPTED = 130;

export async function aggregate(url: string | undefined, options: AggregateOptions, io: Io): Promise<number> {
  const id = checkClientId(options.id);
  const address = addressOf(options.listen);
  const origins = checkOrigins(options.allowOrigin ?? [], "--allow-origin");
  const certificate = certificateOf(options, io);
  const state = resolvePath(io.directory, options.state ?? `millwright-${id}`);
  mkdirSync(state, { recursive: true });
  const log = createLog((line) => io.stderr(line), () => Date.now());
  const ending = new AbortController();
  const interrupted = new Promise<number>((resolve) => io.onInterrupt(() => {
    ending.abort();
    resolve(INTERRUPTED);
  }));
  const { exchange: plain, close } = await transportOf(url, { ...options, id }, io);
  try {
    const exchange = await sealed(plain, { ...options, id }, state, io, "aggregator");
    const retry = patientRetry(io);
    const { spec, name } = await charterFrom(exchange, id, retry, ending.signal);
    const parameters = layoutOf(spec).length;
    const members = await membersOf(id, options, io);
    const aggregator = new Aggregator({ id, members, exchange, parameters, deadlineMs: 1000 * options.deadline, clock: systemClock, retry });
    const serving = await serveExchange({
      handle: await guarded(aggregator, options, io, log), ...address, ...(certificate && { tls: certificate }), origins,
      limits: { bodyBytes: maxFrameBytes(parameters) + SEAL_BYTES }, log,
    });
    log("info", "aggregating", { federation: name, url: serving.url, members: members.length });
    const code = await interrupted;
    await serving.close();
    return code;
  } catch (error) {
    if (ending.signal.aborted) return INTERRUPTED;
    throw error;
  } finally {
    await close();
  }
}

/** As given, or all clients of the same organisation in the roster. */
async function membersOf(id: string, { members, roster: file }: AggregateOptions, io: Io): Promise<readonly string[]> {
  if (members) return members.map(checkClientId);
  if (file === undefined) throw new RangeError("expected --members ID,ID,…, or --roster FILE, whose clients of the aggregator's organisation are its members");
  const { roster } = await watchRoster(resolvePath(io.directory, file));
  const { organisation } = roster().members.find((member) => member.id === id) ?? {};
  const found = roster().members.filter((member) => member.role === "client" && !member.revoked && member.organisation === organisation);
  if (found.length === 0) throw new RangeError(`${file}: no clients of organisation "${organisation ?? "?"}"; name them with --members`);
  return found.map((member) => member.id);
}

async function guarded(aggregator: Aggregator, { roster: file, key, insecure }: AggregateOptions, io: Io, log: ReturnType<typeof createLog>): Promise<PartedExchange> {
  if (file === undefined || key === undefined) {
    if (!insecure) throw new RangeError("expected --roster FILE and --key FILE; --insecure does without, for a trial on one machine");
    return aggregator.handle;
  }
  const { roster } = await watchRoster(resolvePath(io.directory, file));
  const signer = await signerIn(roster(), resolvePath(io.directory, key), ["aggregator"]);
  return guard((frame, signal, sender) => aggregator.handle(frame, signal, sender), {
    ...machine, signer, roster, log: ({ reason, client, verified }) => log("warn", "refused", { reason, client, verified }),
  });
}
