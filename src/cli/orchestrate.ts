/**
 * @module
 * `millwright orchestrate CONFIG --listen HOST:PORT --state DIR`: a federation's orchestrator, for weeks.
 * Everything it must not forget is in STATE/journal; the files beside it are made from that.
 *
 *     config.json  rounds.jsonl  model.safetensors  model.onnx  roster.json
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, unwatchFile, watchFile } from "node:fs";
import { join, resolve as resolvePath } from "node:path";
import { fingerprintOf } from "../federation/checksum.ts";
import { systemClock } from "../federation/clock.ts";
import type { Entry } from "../federation/entry.ts";
import type { PartedExchange } from "../federation/exchange.ts";
import { SEAL_BYTES } from "../federation/envelope.ts";
import { guard } from "../federation/guard.ts";
import { publicKeyOfPrivate, type Signer } from "../federation/identity.ts";
import { maxFrameBytes } from "../federation/message.ts";
import { Orchestrator, type Answer, type RoundReport } from "../federation/orchestrator.ts";
import { Presence } from "../federation/presence.ts";
import type { Role, Roster } from "../federation/roster.ts";
import { CLIENT_STATES } from "../federation/status.ts";
import { DamageError, openStore } from "../federation/store.ts";
import { layoutOf, statisticsOf } from "../model/layout.ts";
import { initialParameters } from "../model/network.ts";
import { nodeDisk } from "../node/disk.ts";
import { createLog, type Log } from "../node/log.ts";
import { Registry } from "../node/metrics.ts";
import { checkOrigins } from "../node/origin.ts";
import { machine, readSigner, watchRoster } from "../node/roster.ts";
import { serveExchange } from "../node/server.ts";
import { readCertificate, type Certificate } from "../node/tls.ts";
import { encodeArtefact, exportRun, type Artefact } from "../tasks/artefact.ts";
import { charterOf, parseConfig, trainingOf, type FederationConfig } from "../tasks/charter.ts";
import { judgeOf } from "../tasks/judge.ts";
import { mergeOf, scalerOfTopics } from "../tasks/party.ts";
import { tasks } from "../tasks/run.ts";
import { standAtBroker, type Access, type Standing } from "./broker.ts";
import { writeWhole } from "./folder.ts";
import type { Io } from "./program.ts";

export interface OrchestrateOptions {
  readonly listen?: string;
  /** A broker's address; others with the same one stand by. */
  readonly nats?: string;
  /** File with what the broker wants to see of an orchestrator. */
  readonly natsCredentials?: string;
  readonly state: string;
  readonly roster?: string;
  readonly key?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  /** Of pages that may call. */
  readonly allowOrigin?: readonly string[];
  readonly insecure: boolean;
  /** End when every client has the last model, or a deadline after it. */
  readonly exit: boolean;
  readonly keepRounds?: number;
}

const INTERRUPTED = 130;
/** How long clients may still fetch the last model before an orchestrator that is to exit does. */
const LINGER_MS = 3_000;
const ROSTER_POLL_MS = 2_000;

export async function orchestrate(configFile: string, options: OrchestrateOptions, io: Io): Promise<number> {
  const { config, text: configText } = readConfig(configFile, io);
  if (options.listen === undefined && options.nats === undefined) throw new RangeError("expected --listen HOST:PORT, or --nats URL, or both");
  const address = options.listen === undefined ? undefined : addressOf(options.listen);
  const origins = checkOrigins(options.allowOrigin ?? [], "--allow-origin");
  if (origins.length > 0 && !address) throw new RangeError("--allow-origin is for --listen; a broker has a list of its own, allowed_origins");
  const certificate = certificateOf(options, io);
  const identity = await identityOf(options, io);
  const members = identity ? clientsOf(identity.roster()) : { clients: config.clients, aggregators: config.aggregators };
  if (members.clients.length === 0) throw new RangeError(`${configFile}: "clients" expected at least one id, or give --roster FILE`);
  const state = resolvePath(io.directory, options.state);
  mkdirSync(state, { recursive: true });
  const log = createLog((line) => io.stderr(line), () => Date.now());
  const watchers: Watchers = { presence: new Presence(io.nowMs()), results: new Results(config, state, log), log, io };

  const ending = new AbortController();
  io.onInterrupt(() => ending.abort());
  const journal = join(state, "journal");
  const storing = { digest: machine.digest, random: machine.random, ...(options.keepRounds !== undefined && { keepSegments: options.keepRounds }) };
  let orchestrator: Orchestrator | undefined;
  const closing: (() => Promise<void>)[] = [];
  try {
    const access = accessOf(options, identity?.signer.id ?? "orchestrator", io);
    const standing = access && (await standAtBroker(access, config.name, journal, storing, { log, signal: ending.signal, onLost: (reason) => orchestrator?.stop(reason) }));
    if (standing) closing.push(standing.close);
    const { store, warnings, ...found } = standing?.opened ?? (await openStore(nodeDisk(journal), storing));
    closing.push(() => store.close());
    for (const warning of warnings) log("warn", "journal", { warning });
    orchestrator = await openOrchestrator(config, members, { store, ...found }, watchers);
    const running = orchestrator;
    closing.push(async () => running.stop());
    watchers.results.read = () => running;
    writeWhole(join(state, "config.json"), configText); // as it was given, so that it can be given again
    const handle = identity ? guarded(running, identity, watchers) : running.handle;
    closing.push(...(await serve({ orchestrator: running, handle, standing, address, certificate, origins, config }, watchers)));
    if (identity) closing.push(watchMembers(identity, running, log));
    log("info", "orchestrating", { federation: config.name, epoch: store.epoch, round: running.state.round, clients: members.clients.length });
    return await untilDone(running, options, ending.signal, log);
  } catch (error) {
    if (ending.signal.aborted) return INTERRUPTED;
    if (error instanceof DamageError) log("error", "journal damaged", { reason: error.message });
    throw error;
  } finally {
    for (const close of closing.reverse()) await close();
  }
}

const accessOf = ({ nats: url, natsCredentials: file }: OrchestrateOptions, id: string, io: Io): Access | undefined =>
  url === undefined ? undefined : { url, id, ...(file !== undefined && { credentials: resolvePath(io.directory, file) }) };

interface Service {
  readonly orchestrator: Orchestrator;
  readonly handle: PartedExchange;
  readonly standing: Standing | undefined;
  readonly address: { readonly host: string; readonly port: number } | undefined;
  readonly certificate: Certificate | undefined;
  readonly origins: readonly string[];
  readonly config: FederationConfig;
}

/** Over HTTP, over the broker, or both. Returns how to end it. */
async function serve({ orchestrator, handle, standing, address, certificate, origins, config }: Service, { presence, results, log, io }: Watchers): Promise<(() => Promise<void>)[]> {
  const bodyBytes = maxFrameBytes(layoutOf(config.spec).length) + SEAL_BYTES;
  const closing: (() => Promise<void>)[] = [];
  if (address) {
    const serving = await serveExchange({
      handle, ...address, ...(certificate && { tls: certificate }), origins, limits: { bodyBytes },
      status: () => presence.status(orchestrator.state, io.nowMs()), metrics: metricsOf(orchestrator, presence, io), log,
    });
    closing.push(() => serving.close());
  }
  if (standing) {
    const server = await standing.serve((frame, signal) => (handle.parts ?? handle)(frame, signal), bodyBytes);
    results.announce = (kind, round) => void server.announce({ kind, round }).catch((error: unknown) => log("warn", "announcement", { reason: (error as Error).message }));
    closing.push(() => server.close());
  }
  return closing;
}

function readConfig(file: string, io: Io): { readonly config: FederationConfig; readonly text: string } {
  const path = resolvePath(io.directory, file);
  if (!existsSync(path)) throw new RangeError(`${file}: no such file; make one with: millwright configure <task> > ${file}`);
  const text = readFileSync(path, "utf8");
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new RangeError(`${file}: expected JSON (${(error as Error).message})`);
  }
  return { config: parseConfig(json, file), text };
}

/** "8443", ":8443", "127.0.0.1:8443" or "[::1]:8443" */
export function addressOf(listen: string): { host: string; port: number } {
  const match = /^(?:(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]*):)?(\d{1,5})$/.exec(listen);
  if (!match || Number(match[2]) > 65_535) throw new RangeError(`--listen expected HOST:PORT or :PORT, got ${JSON.stringify(listen)}`);
  return { host: (match[1] || "0.0.0.0").replace(/^\[|\]$/g, ""), port: Number(match[2]) };
}

export function certificateOf({ tlsCert, tlsKey }: Pick<OrchestrateOptions, "tlsCert" | "tlsKey">, io: Io): Certificate | undefined {
  if ((tlsCert === undefined) !== (tlsKey === undefined)) throw new RangeError("--tls-cert FILE and --tls-key FILE belong together");
  return tlsCert === undefined ? undefined : readCertificate(resolvePath(io.directory, tlsCert), resolvePath(io.directory, tlsKey!));
}

interface Identity {
  readonly signer: Signer;
  readonly file: string;
  readonly roster: () => Roster;
  readonly reload: () => Promise<Roster>;
}

async function identityOf({ roster: rosterFile, key, insecure }: OrchestrateOptions, io: Io): Promise<Identity | undefined> {
  if (rosterFile === undefined && key === undefined) {
    if (!insecure) throw new RangeError("expected --roster FILE and --key FILE, so that only members take part (millwright roster init makes them); --insecure does without, for a trial on one machine");
    return undefined;
  }
  if (rosterFile === undefined || key === undefined) throw new RangeError("--roster FILE and --key FILE belong together");
  const file = resolvePath(io.directory, rosterFile);
  const { roster, reload } = await watchRoster(file);
  return { signer: await signerIn(roster(), resolvePath(io.directory, key), ["orchestrator"]), file, roster, reload };
}

/** The member whose private key is in the file. @throws RangeError where the roster has no such member in one of the roles */
export async function signerIn(roster: Roster, file: string, roles: readonly Role[]): Promise<Signer> {
  if (!existsSync(file)) throw new RangeError(`${file}: no such key; millwright roster makes one`);
  const key = await publicKeyOfPrivate(readFileSync(file, "utf8")).catch((error: unknown) => {
    throw new RangeError(`${file}: expected an Ed25519 private key as PEM (${(error as Error).message})`);
  });
  const member = roster.members.find((each) => each.key === key);
  if (!member) throw new RangeError(`${file}: the roster has no member with this key; add it with millwright roster add, or take the roster that has it`);
  if (!roles.includes(member.role)) throw new RangeError(`${file}: the key of "${member.id}", a ${member.role}; expected one of ${roles.join(", ")}`);
  return readSigner(file, member.id);
}

function clientsOf(roster: Roster): { clients: string[]; aggregators: string[] } {
  const of = (role: Role) => roster.members.filter((member) => member.role === role && !member.revoked).map(({ id }) => id);
  return { clients: of("client"), aggregators: of("aggregator") };
}

/** A roster that was changed holds from then on; one that is broken or older changes nothing. */
function watchMembers({ file, roster, reload }: Identity, orchestrator: Orchestrator, log: Log): () => Promise<void> {
  let { version } = roster();
  const listener = () => {
    reload().then((newer) => {
      if (newer.version === version) return;
      ({ version } = newer);
      const { clients, aggregators } = clientsOf(newer);
      orchestrator.enrol(clients, aggregators);
      log("info", "roster", { version, clients: clients.length, aggregators: aggregators.length });
    }).catch((error: unknown) => log("error", "roster refused", { reason: (error as Error).message }));
  };
  watchFile(file, { interval: ROSTER_POLL_MS, persistent: false }, listener);
  return async () => unwatchFile(file, listener);
}

function guarded(orchestrator: Orchestrator, { signer, roster }: Identity, { presence, log }: Watchers): PartedExchange {
  return guard((frame, signal, sender) => orchestrator.handle(frame, signal, sender), {
    ...machine, signer, roster,
    log: ({ reason, client, verified }) => {
      presence.refuse(reason);
      log("warn", "refused", { reason, client, verified });
    },
  });
}

interface Watchers {
  readonly presence: Presence;
  readonly results: Results;
  readonly log: Log;
  readonly io: Io;
}

async function openOrchestrator(config: FederationConfig, clients: { clients: readonly string[]; aggregators: readonly string[] }, opened: Parameters<typeof Orchestrator.open>[1], { presence, results, log, io }: Watchers): Promise<Orchestrator> {
  const { spec, seed, rounds, build, name, data } = config;
  const { maxSamples, ...policy } = config.policy;
  const task = taskOf(config);
  return Orchestrator.open({
    ...clients, task: name, fingerprint: await fingerprintOf(spec), parameters: initialParameters(spec, seed), rounds, build,
    description: charterOf(config), training: trainingOf(task, config), merge: mergeOf(data, spec),
    policy: { ...policy, seed }, limits: { samples: maxSamples }, keepReports: 1, clock: systemClock, digest: machine.digest,
    onAnswer: (answer) => {
      presence.note(answer, io.nowMs());
      if (answer.reply === "refused") log("warn", "refused", refusalOf(answer));
    },
    onEntry: (entry) => {
      log("info", entry.kind, fieldsOf(entry));
      if (entry.kind === "opened" || entry.kind === "closed") results.announce(entry.kind, entry.round);
      if (entry.kind === "closed" && entry.round === rounds) results.announce("done", entry.round);
    },
    onRound: (report, parameters) => results.round(report, parameters),
  }, opened);
}

function taskOf({ task }: FederationConfig) {
  const found = tasks.find(({ name }) => name === task);
  if (!found) throw new RangeError(`"task" expected one of ${tasks.map(({ name }) => name).join(", ")}, got ${JSON.stringify(task)}`);
  return found;
}

const refusalOf = ({ client, request, code, reason }: Answer) => ({ client, request, code, reason });

function fieldsOf(entry: Entry): Record<string, unknown> {
  switch (entry.kind) {
    case "opened": return { round: entry.round, attempt: entry.attempt, model: entry.model, invited: entry.cohort.length };
    case "update": return { round: entry.round, client: entry.client, samples: entry.samples, loss: entry.loss, members: entry.members.length };
    case "closed": return { round: entry.round, model: entry.model, clients: entry.clients.length };
    case "clients": return { clients: entry.clients.length };
    default: return { topic: entry.topic, round: entry.round };
  }
}

function metricsOf(orchestrator: Orchestrator, presence: Presence, io: Io): () => string {
  const registry = new Registry();
  const status = () => presence.status(orchestrator.state, io.nowMs());
  registry.gauge("millwright_round", "The round that is open, or the last one.", () => status().round);
  registry.gauge("millwright_attempt", "The attempt of the round.", () => status().attempt);
  registry.gauge("millwright_epoch", "Which start of the orchestrator this is.", () => status().epoch);
  registry.gauge("millwright_clients", "Clients by what they do.", () => {
    const { clients } = status();
    return CLIENT_STATES.map((state) => [{ state }, clients.filter((client) => client.state === state).length] as const);
  });
  registry.gauge("millwright_refusals_total", "Refused requests by code.", () => [...presence.refusals].map(([code, count]) => [{ code }, count] as const));
  registry.gauge("millwright_received_bytes_total", "Bytes of requests.", () => status().bytesIn);
  registry.gauge("millwright_sent_bytes_total", "Bytes of replies.", () => status().bytesOut);
  return () => registry.render();
}

/** Resolves when the run is over and may end, or when a person ends it. @throws why the orchestrator has stopped */
async function untilDone(orchestrator: Orchestrator, { exit }: OrchestrateOptions, interrupted: AbortSignal, log: Log): Promise<number> {
  const interruption = new Promise<number>((resolve) => interrupted.addEventListener("abort", () => resolve(INTERRUPTED), { once: true }));
  const finished = orchestrator.finished.then(async ({ sha256: model }) => {
    log("info", "finished", { round: orchestrator.state.round, model });
    if (!exit) return orchestrator.stopped.then((reason) => Promise.reject(reason)); // it goes on answering those who come late
    await new Promise((resolve) => setTimeout(resolve, LINGER_MS));
    return 0;
  });
  return Promise.race([interruption, finished]);
}

/** What people want of it: a line a round, and the model after each. */
class Results {
  read: () => Orchestrator | undefined = () => undefined;
  /** Tells clients at a broker, who then need not ask. */
  announce: (kind: "opened" | "closed" | "done", round: number) => void = () => {};
  readonly #config: FederationConfig;
  readonly #state: string;
  readonly #log: Log;

  constructor(config: FederationConfig, state: string, log: Log) {
    this.#config = config;
    this.#state = state;
    this.#log = log;
  }

  round(report: RoundReport, parameters: Float32Array): void {
    const { spec } = this.#config;
    const judge = judgeOf(taskOf(this.#config), spec);
    const evaluations = report.clients.map(({ evaluation }) => evaluation).filter(({ length }) => length > 0);
    const threshold = evaluations.length > 0 ? judge.threshold(evaluations) : 0;
    const metrics = evaluations.length > 0 ? judge.pooled(evaluations, threshold) : null;
    const clients = report.clients.map(({ id, samples, loss }) => ({ id, samples, loss }));
    appendFileSync(join(this.#state, "rounds.jsonl"), `${JSON.stringify({ round: report.round, sha256: report.sha256, samples: report.samples, bytes: report.bytes, metrics, clients })}\n`);
    this.#write(report, parameters, threshold);
  }

  #write({ round, sha256: hash, clients }: RoundReport, parameters: Float32Array, threshold: number): void {
    const { spec, task, data, build } = this.#config;
    const orchestrator = this.read();
    const moments = orchestrator?.merged("moments");
    if (!moments) return;
    const artefact: Artefact = { spec, build, parameters, scaler: scalerOfTopics(spec, data, moments, orchestrator!.merged("regimes")), threshold, sha256: hash, rounds: round };
    const checkpoint = encodeArtefact(task, { ...data, factories: clients }, artefact);
    writeWhole(join(this.#state, "model.safetensors"), checkpoint);
    // A model that normalises over batches needs a factory's statistics, which stay there: join --out exports it.
    if (statisticsOf(spec).length === 0) writeWhole(join(this.#state, "model.onnx"), exportRun(checkpoint));
    this.#log("info", "model", { round, sha256: hash });
  }
}
