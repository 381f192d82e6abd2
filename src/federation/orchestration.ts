/**
 * @module
 * The orchestrator's core: who may do what, and when a round is complete. A state machine without input
 * or output, in two halves:
 *
 *     decide   request or deadline ─► a reply, or an entry to be written       (step)
 *     apply    entry that is durable ─► the next state                         (apply)
 *
 * Nothing is true, and nobody is told, before its entry is written; recovery is `apply` over the entries.
 * What `step` remembers beside that, tickets and what is on its way to the disk, may be lost at any time:
 * clients ask again. A request is known by its ticket and is answered once, perhaps much later.
 *
 *     arrived update ─► write ─► written ─► in the sum, accepted ─► enough? ─► compute ─► computed ─► write closed, opened
 *     arrived gather ─► write ─► written ─► all there? ─► write merged ─► written ─► reply to all
 *     arrived pull   ─► the model, now or when a round opens that this client is invited to
 *
 * Clients are invited, merged and reported in sorted order of their ids, never in that of arrival.
 */
import { random } from "../kernels/random.ts";
import type { Contributed, Enrolled, Entry, Merged, Opened, Updated } from "./entry.ts";
import type { Member, RefusalCode, Reply, Request } from "./message.ts";
import { objectionTo } from "./objection.ts";
import { about, apply, EVALUATION, isBeingWritten, isChanging, isTaking, mayMergeLate, takePart, topicOf, type State, type Writing } from "./state.ts";

/** Topics alive at a time: a client cannot make the orchestrator remember without end. */
const MAX_TOPICS = 64;
/** Requests of one client that wait at a time. */
const MAX_WAITING = 8;

type WithoutNumbers<M> = M extends { readonly numbers: unknown } ? Omit<M, "numbers"> & Measured : M;
interface Measured {
  readonly elements: "int32" | "float32" | "float64" | "int64";
  /** How many numbers. */
  readonly length: number;
  /** How many of them are not finite or beyond the lattice. */
  readonly misfits: number;
  /** SHA-256 of the numbers, to tell a retry from a second answer. */
  readonly digest: string;
}
/** A request as the core sees it: measured, without its numbers. */
export type Envelope = WithoutNumbers<Exclude<Request, { kind: "describe" }>>;
type Update = Extract<Envelope, { kind: "update" }>;
type Contribution = Extract<Envelope, { kind: "gather" }>;

/** A reply as the core orders it: whoever sends it puts in what the core does not hold. */
type Ordered<M> = M extends Reply ? Omit<M, "task" | "fingerprint" | "numbers" | "settings" | "description"> : never;
export type ReplyOrder = Ordered<Exclude<Reply, { kind: "description" }>>;

export type Event =
  /** The parameters to begin with have this hash. */
  | { readonly type: "begun"; readonly model: string }
  | { readonly type: "arrived"; readonly ticket: number; readonly message: Envelope }
  /** The client gave up waiting. */
  | { readonly type: "left"; readonly ticket: number }
  /** An entry is durable; in the order of the effects that asked for it. */
  | { readonly type: "written"; readonly entry: Entry }
  | { readonly type: "computed"; readonly round: number; readonly model: string }
  /** Time has passed. */
  | { readonly type: "woke" }
  | { readonly type: "enrolled"; readonly clients: readonly string[]; readonly aggregators: readonly string[] }
  | { readonly type: "failed"; readonly reason: string };

export type Effect =
  | { readonly type: "reply"; readonly ticket: number; readonly reply: ReplyOrder }
  /** Make the entry durable, with the numbers of the ticket's request where there is one; then say written. */
  | { readonly type: "write"; readonly entry: Entry; readonly ticket?: number }
  /** Make the next global parameters from the round's sum; then say computed. */
  | { readonly type: "compute"; readonly round: number }
  /** Whoever was to evaluate the parameters of this round has done it, or nobody waits for it any more. */
  | { readonly type: "report"; readonly round: number }
  | { readonly type: "finish" };

export interface Step {
  readonly state: State;
  readonly effects: readonly Effect[];
}

export function step(state: State, event: Event, nowMs: number): Step {
  switch (event.type) {
    case "begun": return advance({ ...state, models: { [state.plan.startRound]: event.model } }, nowMs);
    case "arrived": return arrived(state, event.ticket, event.message, nowMs);
    case "left": return { state: without(state, event.ticket), effects: [] };
    case "written": return written(state, event.entry, nowMs);
    case "computed": return computed(state, event.round, event.model);
    case "woke": return advance(state, nowMs);
    case "enrolled": return enrolled(state, { kind: "clients", clients: event.clients, aggregators: event.aggregators });
    case "failed": return failed(state, event.reason);
  }
}

// Decide: requests

function arrived(state: State, ticket: number, message: Envelope, nowMs: number): Step {
  const { plan, clients } = state;
  const { client } = message;
  if (message.task !== plan.task) return refuse(state, ticket, "task", `this is federation "${plan.task}", not "${message.task}"; check the address`);
  const sums = message.kind === "update" && message.members !== undefined;
  if (!takePart(state, [client], sums ? "aggregators" : "clients")) return refuse(state, ticket, "client", `${sums ? "aggregator" : "client"} "${client}" is not in this federation`);
  if (message.fingerprint !== plan.fingerprint) {
    return refuse(state, ticket, "fingerprint", `this federation trains model ${plan.fingerprint}, not ${message.fingerprint}; use the same model spec everywhere`);
  }
  if (state.phase === "failed") return refuse(state, ticket, "failed", state.failure);
  switch (message.kind) {
    case "join": {
      const { parameters, startRound, rounds, arithmetic, build } = plan;
      if (message.build !== build) {
        return refuse(state, ticket, "build", `this federation trains with the ${build} build of the kernels, client "${client}" with the ${message.build} build; use the same build everywhere`);
      }
      return reply(state, ticket, { kind: "welcome", clients: clients.length, parameters, startRound, rounds, arithmetic });
    }
    case "pull": return pulled(state, ticket, client);
    case "update": return updated(state, ticket, message);
    case "gather": return contributed(state, ticket, message, nowMs);
  }
}

function pulled(state: State, ticket: number, client: string): Step {
  const order = modelFor(state, client);
  if (order) return reply(state, ticket, order);
  const own = state.waiting.filter((each) => each.client === client);
  const oldest = own.length >= MAX_WAITING ? own[0].ticket : undefined;
  const waiting = [...state.waiting.filter((each) => each.ticket !== oldest), { ticket, client }];
  return { state: { ...state, waiting }, effects: oldest === undefined ? [] : [refusal(oldest, "flood", `at most ${MAX_WAITING} requests of a client wait at a time`)] };
}

/** What a pull of this client is answered with now, if anything. */
function modelFor({ phase, epoch, round, attempt, cohort, models, updates, latest, writing }: State, client: string): ReplyOrder | undefined {
  if (phase === "done") return { kind: "done", epoch, round, model: models[round + 1] };
  if (phase !== "open" || updates[client] || latest[client]?.round >= round || !cohort.includes(client)) return undefined;
  if (writing.some(({ entry }) => entry.kind === "update" && entry.client === client)) return undefined;
  return { kind: "model", epoch, round, attempt, model: models[round] };
}

function updated(state: State, ticket: number, update: Update): Step {
  const { client, round, digest, elements, samples, loss } = update;
  const members = update.members ?? [{ id: client, samples, loss }];
  // A sum tells nothing of who is in it: one more member may have changed nothing.
  const isTaken = ({ id, samples: claimed }: Member) => [state.updates[id], state.latest[id]].some((earlier) => earlier?.digest === digest && earlier.round === round && earlier.samples === claimed);
  if (members.length > 0 && members.every(isTaken)) return reply(state, ticket, { kind: "accepted", round });
  const pending = state.writing.find(({ entry }) => entry.kind === "update" && entry.client === client && entry.round === round && entry.digest === digest && isOf(entry, members));
  if (pending) return { state: awaiting(state, pending, ticket), effects: [] };

  const objection = objectionTo(state, update, members);
  if (objection) return refuse(state, ticket, ...objection);
  const entry: Updated = { kind: "update", round, client, digest, elements: elements as Updated["elements"], samples, loss, weight: update.members ? 1 : weightOf(state, update), members };
  return { state: { ...state, writing: [...state.writing, { entry, tickets: [ticket] }] }, effects: [{ type: "write", entry, ticket }] };
}

/** Whether it is the update of these members, and of no others. */
const isOf = (entry: Updated, members: readonly Member[]): boolean =>
  entry.members.length === members.length && entry.members.every(({ id, samples }, index) => id === members[index].id && samples === members[index].samples);

/** Samples, capped; an update from an older model counts less by 1 / sqrt(1 + rounds) (Nguyen et al. 2022, Federated Learning with Buffered Asynchronous Aggregation). */
function weightOf({ plan: { policy }, round }: State, update: Update): number {
  const capped = Math.min(update.samples, policy.maxSamples);
  return Math.max(1, Math.floor(capped / Math.sqrt(1 + round - update.round)));
}

function contributed(state: State, ticket: number, message: Contribution, nowMs: number): Step {
  const { topic, round, digest, client } = message;
  const lastClosed = state.phase === "done" ? state.round : state.round - 1;
  const evaluates = topic === EVALUATION;
  if (evaluates ? round !== lastClosed || round < state.plan.startRound : round !== 0) {
    const code = evaluates && round < lastClosed ? "late" : "round";
    return refuse(state, ticket, code, `gather "${topic}" of round ${round}, but ${lastClosed} is the last that closed`);
  }
  const found = topicOf(state, topic, round);
  if (!found && state.topics.length >= MAX_TOPICS) return refuse(state, ticket, "topic", `at most ${MAX_TOPICS} topics at a time`);
  const pending = state.writing.find(({ entry }) => entry.kind === "contribution" && entry.client === client && entry.topic === topic && entry.round === round);
  const earlier = found?.digests[client] ?? (pending?.entry.kind === "contribution" ? pending.entry.digest : undefined);
  if (earlier !== undefined && earlier !== digest) {
    return refuse(state, ticket, "duplicate", `"${topic}" of round ${round} has another contribution of client "${client}" already; the first one counts`);
  }
  if (message.misfits > 0) return refuse(state, ticket, "values", `${message.misfits} of ${message.length} numbers for "${topic}" are not finite`);
  if (pending) return { state: awaiting(state, pending, ticket), effects: [] };
  if (evaluates && earlier !== undefined) return reply(state, ticket, { kind: "accepted", round });
  if (found?.merged) return reply(state, ticket, { kind: "gathered", topic, round });
  if (earlier !== undefined) return { state: { ...state, gathering: [...state.gathering, { ticket, topic, round }] }, effects: [] };
  const entry: Contributed = { kind: "contribution", topic, round, client, digest };
  const opened = found ? state.topics : [...state.topics, { topic, round, digests: {}, merged: false, sinceMs: nowMs }];
  return { state: { ...state, topics: opened, writing: [...state.writing, { entry, tickets: [ticket] }] }, effects: [{ type: "write", entry, ticket }] };
}

// Decide: what follows

function written(before: State, entry: Entry, nowMs: number): Step {
  const settled = before.writing.find((each) => each.entry === entry);
  const tickets = settled?.tickets ?? [];
  const effects: Effect[] = [];
  if (entry.kind === "closed" && before.reported < entry.round - 1) effects.push({ type: "report", round: entry.round - 1 });
  let state: State = { ...apply(before, entry, nowMs), writing: before.writing.filter((each) => each !== settled) };
  if (entry.kind === "update" || (entry.kind === "contribution" && entry.topic === EVALUATION)) {
    effects.push(...tickets.map((ticket): Effect => ({ type: "reply", ticket, reply: { kind: "accepted", round: entry.round } })));
  } else if (entry.kind === "contribution") {
    state = { ...state, gathering: [...state.gathering, ...tickets.map((ticket) => ({ ticket, topic: entry.topic, round: entry.round }))] };
  } else if (entry.kind === "merged") {
    const { topic, round } = entry;
    effects.push(...state.gathering.filter((each) => about(each, entry)).map(({ ticket }): Effect => ({ type: "reply", ticket, reply: { kind: "gathered", topic, round } })));
    state = { ...state, gathering: state.gathering.filter((each) => !about(each, entry)) };
  }
  return advance(state, nowMs, effects);
}

function enrolled(state: State, entry: Enrolled): Step {
  return { state: { ...state, writing: [...state.writing, { entry, tickets: [] }] }, effects: [{ type: "write", entry }] };
}

function computed(state: State, round: number, model: string): Step {
  if (state.phase !== "computing" || round !== state.round) return { state, effects: [] };
  return { state, effects: [{ type: "write", entry: { kind: "closed", round, model, clients: Object.keys(state.updates).sort() } }] };
}

/** Everything that is due now: topics to merge, a round to close or to open, models for those who wait, a report. */
function advance(before: State, nowMs: number, done: readonly Effect[] = []): Step {
  let state = before;
  const effects = [...done];
  const follow = (next: Step) => {
    state = next.state;
    effects.push(...next.effects);
  };
  if (state.phase === "failed") return { state, effects };
  follow(mergeWhatIsThere(state, nowMs));
  follow(closeOrOpen(state, nowMs));
  follow(serveWaiting(state));
  follow(reportWhatIsEvaluated(state, nowMs));
  return { state, effects };
}

const isLate = ({ plan: { policy } }: State, sinceMs: number, nowMs: number): boolean => policy.deadlineMs !== null && nowMs >= sinceMs + policy.deadlineMs;

function mergeWhatIsThere(state: State, nowMs: number): Step {
  const { clients } = state;
  const entries = state.topics.flatMap((topic): Merged[] => {
    if (topic.merged || topic.topic === EVALUATION) return [];
    if (isBeingWritten(state, topic)) return [];
    const missing = clients.filter((id) => topic.digests[id] === undefined).length;
    if (missing > 0 && !(isLate(state, topic.sinceMs, nowMs) && mayMergeLate(state, topic))) return [];
    return [{ kind: "merged", topic: topic.topic, round: topic.round, clients: Object.keys(topic.digests).sort() }];
  });
  return {
    state: { ...state, writing: [...state.writing, ...entries.map((entry) => ({ entry, tickets: [] }))] },
    effects: entries.map((entry) => ({ type: "write", entry })),
  };
}

function closeOrOpen(before: State, nowMs: number): Step {
  const { plan: { policy }, round, attempt, cohort, clients, updates, models } = before;
  let state = before;
  // What is decided here must be true where it comes to stand, behind the next attempt or the new list of clients.
  if (isChanging(state)) return { state, effects: [] };
  if (state.phase === "starting" && models[round] !== undefined) return { state: { ...state, phase: "opening" }, effects: [{ type: "write", entry: opening(state, 1) }] };
  if (state.phase === "open") {
    const members = new Set(clients); // this is asked after each update: a list would be searched for each of a thousand
    const invited = cohort.filter((id) => members.has(id)).length;
    const count = Object.keys(updates).length;
    const late = isLate(state, state.sinceMs, nowMs);
    if (count >= Math.max(1, Math.min(policy.closeAt ?? invited, invited)) || (late && count >= policy.minClients)) state = { ...state, phase: "closing" };
    else if (late && !isTaking(state)) {
      const entry = opening(state, attempt + 1);
      return { state: { ...state, writing: [...state.writing, { entry, tickets: [] }] }, effects: [{ type: "write", entry }] };
    }
  }
  // Updates on their way to the disk will be acknowledged, so they belong to the round.
  if (state.phase !== "closing" || isTaking(state)) return { state, effects: [] };
  return { state: { ...state, phase: "computing" }, effects: [{ type: "compute", round }] };
}

/** Who is invited depends on the seed, the round and the attempt, and on nothing that happens in between. */
function opening({ plan: { policy }, round, clients, updates, models }: State, attempt: number): Opened {
  const there = Object.keys(updates);
  const others = clients.filter((id) => updates[id] === undefined);
  const drawn = policy.cohort === null ? others : random(policy.seed, "cohort", round, attempt).shuffle([...others]).slice(0, policy.cohort);
  return { kind: "opened", round, attempt, model: models[round], cohort: [...there, ...drawn].sort() };
}

function serveWaiting(state: State): Step {
  const served = state.waiting.map(({ ticket, client }) => ({ ticket, reply: modelFor(state, client) })).filter(({ reply }) => reply !== undefined);
  if (served.length === 0) return { state, effects: [] };
  const tickets = new Set(served.map(({ ticket }) => ticket));
  return {
    state: { ...state, waiting: state.waiting.filter(({ ticket }) => !tickets.has(ticket)) },
    effects: served.map(({ ticket, reply }) => ({ type: "reply", ticket, reply: reply! })),
  };
}

function reportWhatIsEvaluated(state: State, nowMs: number): Step {
  const { phase, round, plan: { startRound, rounds }, included, sinceMs } = state;
  const last = phase === "done" ? round : round - 1;
  const evaluated = topicOf(state, EVALUATION, last)?.digests ?? {};
  if (last < startRound || state.reported >= last) return { state, effects: [] };
  const complete = Object.keys(included).every((id) => evaluated[id] !== undefined || !state.clients.includes(id));
  if (!complete && !(phase === "done" && isLate(state, sinceMs, nowMs))) return { state, effects: [] };
  return {
    state: { ...state, reported: last, finished: last === rounds },
    effects: [{ type: "report", round: last }, ...(last === rounds ? [{ type: "finish" } as const] : [])],
  };
}

function failed(state: State, reason: string): Step {
  if (state.phase === "failed") return { state, effects: [] };
  const tickets = [...state.waiting.map(({ ticket }) => ticket), ...state.gathering.map(({ ticket }) => ticket), ...state.writing.flatMap((each) => each.tickets)];
  return {
    state: { ...state, phase: "failed", failure: reason, waiting: [], gathering: [], writing: state.writing.map((each) => ({ ...each, tickets: [] })) },
    effects: tickets.map((ticket) => refusal(ticket, "failed", reason)),
  };
}

const reply = (state: State, ticket: number, order: ReplyOrder): Step => ({ state, effects: [{ type: "reply", ticket, reply: order }] });
const refusal = (ticket: number, code: RefusalCode, reason: string): Effect => ({ type: "reply", ticket, reply: { kind: "refused", code, reason } });
const refuse = (state: State, ticket: number, code: RefusalCode, reason: string): Step => ({ state, effects: [refusal(ticket, code, reason)] });

/** One more who waits for an entry on its way. */
const awaiting = (state: State, pending: Writing, ticket: number): State => ({
  ...state,
  writing: state.writing.map((each) => (each === pending ? { ...each, tickets: [...each.tickets, ticket] } : each)),
});

function without(state: State, ticket: number): State {
  const others = <T extends { readonly ticket: number }>(waiting: readonly T[]) => waiting.filter((each) => each.ticket !== ticket);
  return {
    ...state,
    waiting: others(state.waiting),
    gathering: others(state.gathering),
    writing: state.writing.map((each) => ({ ...each, tickets: each.tickets.filter((other) => other !== ticket) })),
  };
}
