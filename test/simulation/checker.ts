/**
 * @module
 * Watches a federation from outside, frame by frame and entry by entry, and holds it against the reference.
 */
import type { Disk } from "../../src/federation/disk.ts";
import { fromStored, type Entry } from "../../src/federation/entry.ts";
import type { Orchestrator, RoundReport } from "../../src/federation/orchestrator.ts";
import { readStore } from "../../src/federation/store.ts";
import { check, latticeOf, sha256, Violation, type Reference } from "./reference.ts";
import type { Process, Schedule } from "./schedule.ts";

const KINDS = ["", "join", "welcome", "gather", "gathered", "pull", "model", "done", "update", "accepted", "refused"] as const;
export type FrameKind = (typeof KINDS)[number];

export interface Frame {
  readonly kind: FrameKind;
  readonly fields: Record<string, any>;
  readonly numbers: Uint8Array;
  /** SHA-256 of the numbers. */
  readonly digest: string;
}

const decoder = new TextDecoder();

/** A whole frame's kind, without looking further. */
export const kindOf = (frame: Uint8Array): FrameKind => KINDS[frame[5]] ?? "";

/** Those that were looked at last: each is looked at again when it arrives, and a model by many. */
const seen = new Map<Uint8Array, Frame>();

/** What a frame that nobody has damaged says; read without the code that is tested. */
export function parse(frame: Uint8Array): Frame {
  const known = seen.get(frame);
  if (known) return known;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const start = 16 + view.getUint32(8, true);
  const fields = JSON.parse(decoder.decode(frame.subarray(16, start)));
  const numbers = frame.subarray(start, start + view.getUint32(12, true));
  let digest: string | undefined;
  const parsed = { kind: kindOf(frame), fields, numbers, get digest() { return (digest ??= sha256(numbers)); } };
  if (seen.size === 64) seen.clear();
  seen.set(frame, parsed);
  return parsed;
}

/** Where in what was true the entries found begin: the same list of clients may come twice, so the rest has to fit, too. */
function firstOf(found: readonly string[], keys: readonly string[]): number {
  const begins = keys.flatMap((key, at) => (key === found[0] ? [at] : []));
  return begins.find((begin) => keys.slice(begin).every((key, at) => found[at] === key)) ?? begins[0] ?? keys.length;
}

const NOBODY: ReadonlySet<string> = new Set();

/** As the entries have it; what is on its way to be one is not yet. */
const PHASES = { starting: "closed", opening: "closed", open: "open", closing: "open", computing: "open", done: "done", failed: "failed" } as const;

/** What a client's process has been told. */
interface Told {
  epoch: number;
  /** The last model that came was of an orchestrator that had been replaced. */
  stale: boolean;
}

export class Checker {
  readonly reference: Reference;
  /** Greatest so far. */
  epoch = 0;
  /** Acknowledged updates, by client and round. */
  readonly acknowledged = new Map<string, string>();
  /** By what they say, how many replies left: for figures of what was reached. */
  readonly refusals = new Map<string, number>();
  /** Updates by client, round and model: those who send others say two things about one. */
  readonly #sent = new Map<string, string>();
  /** Of these nobody knows whether their outbox is what they wrote. */
  readonly forgetful = new Set<string>();
  readonly #told = new Map<string, Told>();
  /** Updates that have arrived at an orchestrator and were not answered, of processes that are dead, too. */
  readonly #arrived = new Set<Uint8Array>();
  readonly #figures = new Map<string, Float64Array>();
  readonly #reports = new Map<number, string>();
  readonly #schedule: Schedule;
  readonly #listChanges: boolean;
  /** The events in which the open round had enough, and in which the last was closed. */
  #enoughAt = Infinity;
  #closedAt = -1;

  constructor(reference: Reference, schedule: Schedule, listChanges: boolean) {
    this.reference = reference;
    this.#listChanges = listChanges;
    this.#schedule = schedule;
  }

  /** An entry is true, says an orchestrator. */
  entry(entry: Entry, process: Process): void {
    // Entries share an fsync: the others may have become durable before it was replaced.
    check(!process.fenced || process.fencedAt === this.#schedule.count, "epoch", () => `${process.name} was replaced and writes down "${entry.kind}"`);
    this.#schedule.note(`true: ${entry.kind} ${"round" in entry ? entry.round : ""} ${"client" in entry ? entry.client : ""}`);
    this.#apply(entry);
  }

  #apply(entry: Entry): void {
    const { reference } = this;
    reference.apply(entry, this.#onTheirWay(entry));
    if (entry.kind === "closed") this.#closedAt = this.#schedule.count;
    if (entry.kind === "opened") this.#enoughAt = Infinity;
    if (entry.kind === "update" && reference.enough) this.#enoughAt = Math.min(this.#enoughAt, this.#schedule.count);
  }

  /** By whom there are updates of its round that have arrived and were not answered. */
  #onTheirWay(entry: Entry): ReadonlySet<string> {
    if (entry.kind !== "opened" || entry.attempt === 1) return NOBODY;
    const updates = [...this.#arrived].map((frame) => parse(frame).fields).filter(({ round }) => round === entry.round);
    return new Set(updates.flatMap(({ client, members }) => (members ? members.map(({ id }: { readonly id: string }) => id) : [client])));
  }

  /** A whole request has come to an orchestrator. */
  arrives(request: Uint8Array): void {
    if (kindOf(request) === "update") this.#arrived.add(request);
  }

  /**
   * What a start finds in the folder: everything that was true is there, in its order, and perhaps what nobody had heard of yet.
   * @param whole nothing was removed on purpose
   */
  async recovered(files: Disk, whole: boolean): Promise<void> {
    const { reference } = this;
    const { records } = await readStore(files, { digest: async (bytes) => sha256(bytes) });
    const found: Entry[] = [];
    for await (const { entry } of records) found.push(fromStored(entry));
    const keys = found.map((entry) => JSON.stringify(entry));
    const first = whole ? 0 : firstOf(keys, reference.keys);
    for (let at = first; at < reference.keys.length; at++) {
      check(keys[at - first] === reference.keys[at], "I1", () => `what was true is not there after a restart: ${reference.keys[at]}, found ${keys[at - first]}`);
    }
    for (const entry of found.slice(reference.keys.length - first)) {
      this.#schedule.note(`found: ${entry.kind} ${"round" in entry ? entry.round : ""} ${"client" in entry ? entry.client : ""}`);
      this.#apply(entry);
    }
  }

  /** The state with which an orchestrator goes on. */
  restarted(orchestrator: Orchestrator, epoch: number): void {
    const { reference } = this;
    const { state } = orchestrator;
    this.#arrived.clear();
    check(epoch > this.epoch, "epoch", () => `epoch ${epoch} after ${this.epoch}`);
    this.epoch = epoch;
    if (reference.round === 0) return;
    const digests = (given: Iterable<readonly [string, { readonly round: number; readonly digest: string }]>) =>
      JSON.stringify([...given].map(([id, { round, digest }]) => [id, round, digest]).sort());
    const same = (what: string, here: string, there: string) => check(here === there, "I5", () => `after a restart ${what} is ${here}, expected ${there}`);
    same("the round", `${state.round}, attempt ${state.attempt}, ${PHASES[state.phase]}`,
      reference.isDone ? `${reference.round}, attempt ${reference.attempt}, done` : reference.isOpen ? `${reference.round}, attempt ${reference.attempt}, open` : `${reference.round + 1}, attempt ${reference.attempt}, closed`);
    same("the cohort", state.cohort.join(), reference.cohort.join());
    same("who takes part", state.clients.join(), [...reference.clients].join());
    same("the list of updates", digests(Object.entries(state.updates)), digests(reference.updates));
    same("the list of last updates", digests(Object.entries({ ...state.latest, ...state.updates })), digests(reference.latest));
    const model = state.models[reference.isOpen ? reference.round : reference.round + 1];
    same("the model", model, reference.model);
  }

  /** A reply leaves an orchestrator's process. The request may have been damaged on its way, and is then refused. */
  leaves(request: Uint8Array, reply: Uint8Array, process: Process): void {
    const kind = kindOf(reply);
    this.#arrived.delete(request);
    const frame = parse(reply);
    const { fields } = frame;
    const { reference } = this;
    if (kind === "refused") this.refusals.set(fields.code, (this.refusals.get(fields.code) ?? 0) + 1);
    else if (kind === "accepted") this.#accepted(parse(request));
    else if (kind === "gathered") this.#gathered(frame);
    else if (kind === "model") {
      const { client } = parse(request).fields;
      const { round, attempt, model, epoch } = fields;
      check(frame.digest === model, "I7", () => `round ${round} is handed out with parameters that do not have its hash`);
      check(reference.models.get(round) === model, "I3", () => `round ${round} is handed out as ${String(model).slice(0, 8)}, it is ${reference.models.get(round)?.slice(0, 8)}`);
      const opened = reference.attempts.get(`${round} ${attempt}`);
      check(opened !== undefined, "attempt", () => `attempt ${attempt} of round ${round} is handed out and was not opened`);
      check(opened.cohort.includes(client), "attempt", () => `attempt ${attempt} of round ${round} is handed out to ${client}, who is not in its cohort`);
      if (process.fenced) return;
      check(epoch === this.epoch, "epoch", () => `a model of epoch ${epoch} in epoch ${this.epoch}`);
      // While another list of clients is on its way, nobody knows yet what is enough.
      const over = round < reference.round || !reference.isOpen ? this.#closedAt : reference.enough && !this.#listChanges ? this.#enoughAt : Infinity;
      check(over >= this.#schedule.count, "attempt", () => `round ${round} is handed out to ${client} although it takes no more updates`);
    } else if (kind === "done") {
      check(reference.isDone && fields.model === reference.model && frame.digest === fields.model, "I3", () => `the last model is handed out as ${fields.model}, it is ${reference.isDone ? reference.model : "not there"}`);
    }
  }

  #accepted({ kind, fields, digest }: Frame): void {
    const { client, round } = fields;
    if (kind === "gather") {
      const found = this.reference.figures.get(`${fields.topic} ${round}`)?.get(client);
      return check(found === digest, "I1", () => `figures of ${client} are acknowledged and not written down`);
    }
    for (const { id } of fields.members ?? [{ id: client }]) {
      check(this.reference.counted.get(`${id} ${round}`) === digest, "I1", () => `the update of ${id} of round ${round} is acknowledged and not written down`);
      this.acknowledged.set(`${id} ${round}`, digest);
    }
  }

  #gathered({ fields: { topic, round }, digest }: Frame): void {
    const key = `${topic} ${round}`;
    const clients = this.reference.merged.get(key);
    check(clients !== undefined, "I1", () => `"${key}" is handed out and not merged`);
    const given = clients.map((id) => this.#figures.get(this.reference.figures.get(key)!.get(id)!)!);
    const sum = given.reduce((total, each) => total.map((value, index) => value + each[index]), new Float64Array(given[0].length));
    check(sha256(sum) === digest, "I3", () => `"${key}" is handed out as something else than its sum`);
  }

  /** A request leaves a client. */
  asks(client: string, process: Process, frame: Uint8Array): void {
    const kind = kindOf(frame);
    if (kind !== "update" && kind !== "gather") return;
    const { fields, numbers, digest } = parse(frame);
    if (kind === "gather") return void this.#figures.set(digest, new Float64Array(numbers.slice().buffer));
    this.evaluates(client, process);
    const key = `${client} ${fields.round} ${fields.model}`;
    const before = this.#sent.get(key);
    check(before === undefined || before === digest || this.forgetful.has(client), "I2", () => `${client} sends another update of round ${fields.round} than it sent before`);
    this.#sent.set(key, digest);
  }

  /** A reply has arrived at a client, whole. */
  hears(client: string, process: Process, request: Uint8Array, reply: Uint8Array): void {
    const kind = kindOf(reply);
    if (kind === "accepted" && kindOf(request) === "update") {
      const { round } = parse(request).fields;
      check(this.reference.counted.has(`${client} ${round}`), "I1", () => `${client} hears that its update of round ${round} is taken, and it is not written down`);
    }
    if (kind !== "model" && kind !== "done") return;
    const { epoch } = parse(reply).fields;
    const told = this.#told.get(process.name) ?? { epoch: 0, stale: false };
    this.#told.set(process.name, { epoch: Math.max(epoch, told.epoch), stale: epoch < told.epoch });
  }

  /** A client begins to train, or has trained. */
  fits(client: string, process: Process, round: number, before: Float32Array, after: Float32Array | undefined, samples: number): void {
    const model = sha256(before);
    const { models, options } = this.reference;
    check(models.get(round) === model, "I7", () => `${client} trains round ${round} from ${model.slice(0, 8)}, the model is ${models.get(round)?.slice(0, 8)}`);
    this.evaluates(client, process);
    if (after) this.reference.trained({ client, round, model, samples, numbers: options.float32 ? after.slice() : latticeOf(after, before) });
  }

  /** It evaluates a model, trains from it, or sends what it has made of it. */
  evaluates(client: string, process: Process): void {
    check(!this.#told.get(process.name)?.stale, "epoch", () => `${client} believes an orchestrator that has been replaced`);
  }

  report({ round, sha256: hash, clients }: RoundReport, parameters: Float32Array): void {
    const { reference } = this;
    const ids = clients.map(({ id }) => id);
    const said = JSON.stringify([hash, clients.map(({ id, samples, loss }) => [id, samples, loss])]);
    check(sha256(parameters) === hash && reference.models.get(round + 1) === hash, "I3", () => `round ${round} is reported as ${hash.slice(0, 8)}, it is ${reference.models.get(round + 1)?.slice(0, 8)}`);
    check(ids.join() === reference.included.get(round)?.join(), "I3", () => `round ${round} is reported with ${ids}, it has ${reference.included.get(round)}`);
    check((this.#reports.get(round) ?? said) === said, "I3", () => `round ${round} is reported as ${said}, before as ${this.#reports.get(round)}`);
    this.#reports.set(round, said);
  }

  finished(client: string, parameters: Float32Array): void {
    check(this.reference.isDone && sha256(parameters) === this.reference.model, "I5", () => `${client} ends with another model than the reference`);
  }

  /** At the end: whatever was acknowledged is in a round, and each round is a function of what is in it. */
  async ended(files: Disk, whole: boolean): Promise<void> {
    const { reference } = this;
    check(reference.isDone, "I8", () => `the run ends with round ${reference.round} open`);
    await this.recovered(files, whole);
    for (const [key, digest] of this.acknowledged) {
      if (reference.counted.get(key) !== digest) throw new Violation("I2", `the update ${key} was acknowledged and is in no round`);
    }
  }
}
