/**
 * @module
 * `millwright status URL`: how a federation is doing, from its orchestrator's /status.
 */
import { resolve as resolvePath } from "node:path";
import { addressOf, readReply, type Fetch } from "../federation/http.ts";
import { parseStatus, type ClientStatus, type Status } from "../federation/status.ts";
import { nodeFetch } from "../node/fetch.ts";
import { pinnedAgent } from "../node/tls.ts";
import { readBytes } from "./folder.ts";
import { bytes, count, duration } from "./format.ts";
import type { Io } from "./program.ts";
import { formatTable } from "./table.ts";

export interface StatusOptions {
  readonly json: boolean;
  /** Once a second, until interrupted. */
  readonly watch: boolean;
  /** A file with certificates to trust, PEM. */
  readonly ca?: string;
  /** Of the one certificate to trust, its SHA-256. */
  readonly tlsFingerprint?: string;
}

const REPLY_BYTES = 32_000_000;
const TIMEOUT_MS = 10_000;
const WATCH_MS = 1000;
/** To the first place, and nothing below: what was there is written over without a flash. */
const REDRAW = "\x1b[H\x1b[J";

export async function status(url: string, { json, watch, ca, tlsFingerprint }: StatusOptions, io: Io, everyMs = WATCH_MS): Promise<number> {
  const address = addressOf(url, "/status");
  const fetch = nodeFetch(ca === undefined ? {} : { ca: Buffer.from(readBytes(resolvePath(io.directory, ca))) }, tlsFingerprint === undefined ? undefined : pinnedAgent(tlsFingerprint));
  const show = (status: Status) => (json ? `${JSON.stringify(status)}\n` : formatStatus(status));
  if (!watch) {
    io.stdout(show(await ask(address, fetch)));
    return 0;
  }
  const interrupt = new AbortController();
  io.onInterrupt(() => interrupt.abort());
  while (!interrupt.signal.aborted) {
    // An orchestrator that starts anew is waited for, so what is wrong is shown and not the end.
    const text = await ask(address, fetch, interrupt.signal).then(show, ({ message }: Error) => (json ? undefined : `${message}\n`));
    if (interrupt.signal.aborted) break;
    if (text !== undefined) io.stdout(io.terminal && !json ? REDRAW + text : json ? text : `${text}\n`);
    await pause(everyMs, interrupt.signal);
  }
  return 0;
}

/** @throws RangeError when nobody answers, or with something else than a status. */
async function ask(address: string, fetch: Fetch, signal?: AbortSignal): Promise<Status> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const response = await fetch(address, { method: "GET", signal: signal ? AbortSignal.any([signal, timeout]) : timeout });
    if (response.status !== 200) throw new RangeError(`answered ${response.status}; give the address of an orchestrator, as https://host:8443`);
    const text = new TextDecoder().decode(await readReply(response, REPLY_BYTES));
    return parseStatus(jsonOf(text));
  } catch (error) {
    const { message, cause } = error as Error;
    const reason = cause instanceof Error ? `${cause.message || (cause as NodeJS.ErrnoException).code}; is the orchestrator running, and may this machine reach it?` : message;
    throw new RangeError(`GET ${address}: ${reason}`, { cause: error });
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new RangeError("expected JSON; give the address of an orchestrator, as https://host:8443");
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}

export function formatStatus(status: Status): string {
  const { task, round, rounds, attempt, phase, deadlineMs, clients, epoch, refusals } = status;
  const left = deadlineMs === null ? "" : `, ${duration(deadlineMs / 1000)} left`;
  const updated = clients.filter(({ state }) => state === "updated").length;
  const seen = clients.filter(({ lastSeenMs }) => lastSeenMs !== null).length;
  const refused = Object.entries(refusals).sort(([a], [b]) => (a < b ? -1 : 1)).map(([code, times]) => `${code} ${count(times)}`);
  const lines = [
    `${task}  round ${count(round)}/${count(rounds)}${attempt > 1 ? `, attempt ${count(attempt)}` : ""}  ${phase}${left}`,
    `model     ${status.model.sha256}`,
    `updates   ${count(updated)} in, of ${count(clients.length)} clients, ${count(seen)} seen`,
    `bytes     ${bytes(status.bytesIn)} in, ${bytes(status.bytesOut)} out`,
    `refusals  ${refused.length > 0 ? refused.join(", ") : "none"}`,
    `up        ${duration(status.uptimeMs / 1000)}, start ${count(epoch)}`,
  ];
  const head = lines.map((line) => `${line}\n`).join("");
  return clients.length > 0 ? `${head}\n${formatClients(clients)}` : head;
}

function formatClients(clients: readonly ClientStatus[]): string {
  const columns = [
    { title: "client", align: "left" as const }, { title: "state", align: "left" as const }, { title: "last seen" },
    { title: "round" }, { title: "samples" }, { title: "in" }, { title: "out" }, { title: "refused" },
  ];
  return formatTable(columns, clients.map(({ id, state, lastSeenMs, round, samples, bytesIn, bytesOut, refused }) => [
    id, state, lastSeenMs === null ? "never" : `${duration(lastSeenMs / 1000)} ago`, round > 0 ? count(round) : "–", samples > 0 ? count(samples) : "–", bytes(bytesIn), bytes(bytesOut), count(refused),
  ]));
}
