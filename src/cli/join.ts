/**
 * @module
 * `millwright join URL --data DIR --id ID`: a factory's side, in the plant. It calls out and listens
 * nowhere; its data stay in --data. What it must not lose is in its state folder: the update that it has
 * made and nobody has acknowledged, and the newest roster.
 */
import { mkdirSync, readFileSync } from "node:fs";
import { Agent } from "node:https";
import { join as joinPath, resolve as resolvePath } from "node:path";
import { fingerprintOf } from "../federation/checksum.ts";
import { systemClock } from "../federation/clock.ts";
import type { Exchange } from "../federation/exchange.ts";
import { httpExchange } from "../federation/http.ts";
import { checkClientId, decode, encode } from "../federation/message.ts";
import { diskOutbox } from "../federation/outbox.ts";
import { askUntilAnswered, MisplacedError, RefusedError, type Retry } from "../federation/retry.ts";
import { encodeRoster, type Role } from "../federation/roster.ts";
import { IdentityError, seal } from "../federation/seal.ts";
import { planOf } from "../model/plan.ts";
import { nodeDisk } from "../node/disk.ts";
import { nodeFetch } from "../node/fetch.ts";
import { machine, watchRoster } from "../node/roster.ts";
import { pinnedAgent } from "../node/tls.ts";
import { encodeArtefact, exportRun, type Artefact } from "../tasks/artefact.ts";
import { parseCharter, type Charter } from "../tasks/charter.ts";
import { judgeOf } from "../tasks/judge.ts";
import { takePart, type Party } from "../tasks/party.ts";
import { checkFactories, tasks } from "../tasks/run.ts";
import type { TaskFactory } from "../tasks/task.ts";
import { brokerExchange } from "./broker.ts";
import { openData } from "./data.ts";
import type { Engine } from "./engine.ts";
import { writeWhole } from "./folder.ts";
import { signerIn } from "./orchestrate.ts";
import type { Io } from "./program.ts";

export interface JoinOptions {
  readonly id: string;
  readonly data?: string;
  /** Of data that are dealt to several factories for a trial, which part: "2/5". */
  readonly share?: string;
  readonly key?: string;
  readonly roster?: string;
  readonly ca?: string;
  readonly tlsFingerprint?: string;
  /** A broker's address, in place of the orchestrator's, and the federation's name there. */
  readonly nats?: string;
  /** File with what the broker wants to see of this client. */
  readonly natsCredentials?: string;
  readonly name?: string;
  /** Id of the aggregator that answers at the address, where it is not the orchestrator. */
  readonly aggregator?: string;
  readonly insecure: boolean;
  readonly state?: string;
  readonly out?: string;
  readonly workers: number;
  /** The most memory that training may take, MiB: a charter from outside does not decide that. */
  readonly limit: number;
}

const INTERRUPTED = 130;

export async function join(url: string | undefined, options: JoinOptions, io: Io, engine: Engine): Promise<number> {
  const id = checkClientId(options.id);
  const state = resolvePath(io.directory, options.state ?? `millwright-${id}`);
  mkdirSync(state, { recursive: true });
  const ending = new AbortController();
  io.onInterrupt(() => ending.abort());
  const retry = patientRetry(io);
  const { exchange: plain, close } = await transportOf(url, { ...options, id }, io);
  const exchange = await sealed(plain, { ...options, id }, state, io);
  const outbox = nodeDisk(joinPath(state, "outbox"));
  try {
    const charter = await charterFrom(exchange, id, retry, ending.signal);
    checkMemory(charter, options.limit);
    const { task, factory } = await ownFactory(charter, id, options, io, engine);
    io.stdout(`${id} takes part in "${charter.name}": ${charter.task}, ${charter.rounds} rounds, ${factory.train.count} training windows\n`);
    const pool = engine.threadPool(options.workers);
    try {
      const party = await takePart({
        factory, spec: charter.spec, build: charter.build, seed: charter.seed, pool, data: charter.data, counts: judgeOf(task, charter.spec).counts, everyRound: true,
        onFit: (round, { samples, loss }) => io.stdout(`round ${round}: trained on ${samples} windows, loss ${loss.toFixed(4)}\n`),
      }, { exchange, fingerprint: await fingerprintOf(charter.spec), task: charter.name, retry, outbox: diskOutbox(outbox) }, ending.signal);
      await leave(charter, id, party, options.out, io);
    } finally {
      await pool.close();
    }
    return 0;
  } catch (error) {
    if (!ending.signal.aborted) throw error;
    io.stderr(`millwright: interrupted; start it again with the same --state to go on\n`);
    return INTERRUPTED;
  } finally {
    await outbox.close();
    await close();
  }
}

/** Asks again until it is answered, and says once why it has to. */
export function patientRetry(io: Io): Retry {
  let said = "";
  return {
    clock: systemClock, random: Math.random, mostMs: 15_000, isFinal: (error) => error instanceof IdentityError,
    onWait: (error) => {
      const { message } = error as Error;
      if (message !== said) io.stderr(`millwright: ${message}${message.endsWith("?") ? " Asking" : "; asking"} again until it answers\n`);
      said = message;
    },
  };
}

export async function transportOf(url: string | undefined, { id, ca, tlsFingerprint, nats, natsCredentials, name }: Pick<JoinOptions, "id" | "ca" | "tlsFingerprint" | "nats" | "natsCredentials" | "name">, io: Io): Promise<{ exchange: Exchange; close(): Promise<void> }> {
  if (nats !== undefined) {
    if (url !== undefined || name === undefined) throw new RangeError("--nats URL takes the place of the orchestrator's address, and needs the federation's name: --name NAME");
    return brokerExchange({ url: nats, id, ...(natsCredentials !== undefined && { credentials: resolvePath(io.directory, natsCredentials) }) }, name);
  }
  if (url === undefined) throw new RangeError("expected the orchestrator's address, as https://host:8443, or --nats URL");
  const agent: Agent | undefined = tlsFingerprint === undefined ? undefined : pinnedAgent(tlsFingerprint);
  const fetch = nodeFetch(ca === undefined ? {} : { ca: readFileSync(resolvePath(io.directory, ca)) }, agent);
  return { exchange: httpExchange(url, { fetch }), close: async () => {} };
}

/** Sealed with the key of a member in this role. */
export async function sealed(exchange: Exchange, { id, key, roster: rosterFile, insecure, aggregator }: Pick<JoinOptions, "id" | "key" | "roster" | "insecure" | "aggregator">, state: string, io: Io, role: Role = "client"): Promise<Exchange> {
  const path = (file: string) => resolvePath(io.directory, file);
  if (key === undefined && rosterFile === undefined) {
    if (!insecure) throw new RangeError("expected --key FILE and --roster FILE, as the federation's operator has made them; --insecure does without, for a trial on one machine");
    return exchange;
  }
  if (key === undefined || rosterFile === undefined) throw new RangeError("--key FILE and --roster FILE belong together");
  const { roster } = await watchRoster(path(rosterFile));
  const signer = await signerIn(roster(), path(key), [role]);
  if (signer.id !== id) throw new RangeError(`--id ${id}: the key is of "${signer.id}"`);
  return seal(exchange, { ...machine, signer, roster: roster(), ...(aggregator !== undefined && { orchestrator: aggregator }), onRoster: (newer) => writeWhole(joinPath(state, "roster.json"), encodeRoster(newer)) });
}

export async function charterFrom(exchange: Exchange, id: string, retry: Retry, signal: AbortSignal): Promise<Charter> {
  const description = await askUntilAnswered(exchange, encode({ kind: "describe", task: "any", client: id }), (bytes) => {
    const reply = decode(bytes);
    if (reply.kind === "refused") throw new RefusedError(reply.code, `refused: ${reply.reason}`);
    if (reply.kind !== "description") throw new MisplacedError(`orchestrator answered "${reply.kind}"; run the same release of millwright on both sides`);
    return reply.description;
  }, retry, signal);
  return parseCharter(description, "what the orchestrator says is to be done");
}

function checkMemory({ spec }: Charter, limit: number): void {
  const { bytes } = planOf(spec, { batch: 32, training: true });
  if (bytes > limit * 2 ** 20) throw new RangeError(`the federation's model takes ${Math.ceil(bytes / 2 ** 20)} MiB to train, and --limit allows ${limit}; raise it, or do not take part`);
}

async function ownFactory(charter: Charter, id: string, { data: folder, share }: JoinOptions, io: Io, engine: Engine): Promise<{ task: (typeof tasks)[number]; factory: TaskFactory }> {
  const task = tasks.find(({ name }) => name === charter.task);
  if (!task) throw new RangeError(`the federation's task "${charter.task}" is not known here; run the same release of millwright on both sides`);
  const match = /^(\d{1,4})\/(\d{1,4})$/.exec(share ?? "1/1");
  const [part, parts] = match ? match.slice(1).map(Number) : [0, 0];
  if (part < 1 || part > parts) throw new RangeError(`--share expected K/N with K from 1 to N, got ${JSON.stringify(share)}`);
  if (task.needsData && folder === undefined) throw new RangeError(`task ${task.name} needs data; give the folder with its files as --data DIR`);
  const data = await task.load({ seed: charter.seed, factories: parts, subset: charter.subset ?? undefined, source: openData(folder, io, engine) });
  const factory = { ...data.factories[part - 1], id };
  checkFactories(task, { factories: [factory] });
  return { task, factory };
}

/** The plant's own model: with its statistics, which nobody else has. */
async function leave({ name, spec, build, task, data, rounds }: Charter, id: string, { parameters, statistics, scaler }: Party, out: string | undefined, io: Io): Promise<void> {
  if (out === undefined) return void io.stdout(`"${name}" is over\n`);
  const folder = resolvePath(io.directory, out);
  mkdirSync(folder, { recursive: true });
  const sha256 = await machine.digest(new Uint8Array(parameters.buffer, parameters.byteOffset, parameters.byteLength));
  const artefact: Artefact = { spec, build, parameters, statistics, adaptedTo: id, scaler, threshold: 0, sha256, rounds };
  const checkpoint = encodeArtefact(task, { ...data, factories: [id] }, artefact);
  writeWhole(joinPath(folder, "model.safetensors"), checkpoint);
  writeWhole(joinPath(folder, "model.onnx"), exportRun(checkpoint));
  io.stdout(`"${name}" is over; its model is in ${out}: model.onnx, model.safetensors\n`);
}
