/**
 * @module
 * The orchestrator's core: which client may do what, and when a round is complete. It is a state machine
 * without input or output; state is plain JSON, and whoever drives it (orchestrator.ts, a simulator)
 * does what the effects say and reports back with events.
 *
 *     arrived update ──► fold ─► folded ──► (all clients' in) ──► close ─► closed ──► next round, or done
 *     arrived gather ──► keep ──► (all clients' in) ──► merge ─► merged ──► reply to all, report the round
 *     arrived pull   ──► reply now, or when a round opens that lacks this client's update
 *
 * A request is known by its ticket and is answered once, perhaps much later. Clients are numbered in
 * sorted order of their ids, and everything that depends on an order uses that one, never arrival.
 */
import type { BuildName } from "../kernels/build.ts";
import type { Arithmetic, RefusalCode, Reply, Request } from "./message.ts";

/** What does not change during a run. */
export interface Plan {
  /** Sorted; each takes part in every round. */
  readonly clients: readonly string[];
  readonly startRound: number;
  /** The last round. */
  readonly rounds: number;
  readonly fingerprint: string;
  /** With which the clients train. */
  readonly build: BuildName;
  /** P */
  readonly parameters: number;
  readonly arithmetic: Arithmetic;
  /** The most samples an update may claim. */
  readonly maxSamples: number;
}

/** The clients' evaluation of a round's new parameters, gathered under this topic. */
export const EVALUATION = "evaluation";
/** Topics alive at a time: a client cannot make the orchestrator remember without end. */
const MAX_TOPICS = 64;

type WithoutNumbers<M> = M extends { readonly numbers: unknown } ? Omit<M, "numbers"> & Measured : M;
interface Measured {
  readonly elements: "int32" | "float32" | "float64";
  /** How many numbers. */
  readonly length: number;
  /** How many of them are not finite or beyond the lattice. */
  readonly misfits: number;
  /** SHA-256 of the frame, to tell a retry from a second answer. */
  readonly digest: string;
}
/** A request as the core sees it: measured, without its numbers. */
export type Envelope = WithoutNumbers<Request>;
type Update = Extract<Envelope, { kind: "update" }>;
type Contribution = Extract<Envelope, { kind: "gather" }>;

/** A reply as the core orders it: whoever sends it puts in what the core does not hold. */
type Ordered<M> = M extends Reply ? Omit<M, "fingerprint" | "numbers" | "settings"> : never;
export type ReplyOrder = Ordered<Reply>;

export type Event =
  | { readonly type: "arrived"; readonly ticket: number; readonly message: Envelope }
  /** The client gave up waiting. */
  | { readonly type: "left"; readonly ticket: number }
  | { readonly type: "folded"; readonly round: number; readonly client: number }
  | { readonly type: "merged"; readonly topic: string; readonly round: number }
  | { readonly type: "closed"; readonly round: number }
  | { readonly type: "failed"; readonly reason: string };

export type Effect =
  | { readonly type: "reply"; readonly ticket: number; readonly reply: ReplyOrder }
  /** Add the numbers of the ticket's update to the round's sum; then say folded. */
  | { readonly type: "fold"; readonly ticket: number; readonly round: number; readonly client: number; readonly samples: number }
  /** Keep the numbers of the ticket's contribution until its topic is merged. */
  | { readonly type: "keep"; readonly ticket: number; readonly topic: string; readonly round: number; readonly client: number }
  /** Merge the kept contributions in the order of clients; then say merged. */
  | { readonly type: "merge"; readonly topic: string; readonly round: number }
  /** Make the next global parameters from the round's sum; then say closed. */
  | { readonly type: "close"; readonly round: number; readonly updates: readonly { readonly samples: number; readonly loss: number }[] }
  /** Every client has evaluated the parameters of this round: it may be told. */
  | { readonly type: "report"; readonly round: number }
  /** Nobody may ask for this topic any more. */
  | { readonly type: "forget"; readonly topic: string; readonly round: number }
  | { readonly type: "finish" };

interface Folding {
  readonly digest: string;
  readonly samples: number;
  readonly loss: number;
  readonly folded: boolean;
  /** Who waits for the acknowledgement, retries included. */
  readonly tickets: readonly number[];
}

interface Gather {
  readonly topic: string;
  readonly round: number;
  /** By client: the digest of its contribution. */
  readonly digests: readonly (string | null)[];
  readonly merged: boolean;
  readonly tickets: readonly number[];
}

export interface State {
  readonly plan: Plan;
  /** The round that is open or closing; when done, the last one. */
  readonly round: number;
  readonly phase: "open" | "closing" | "done" | "failed";
  /** By client: the update of the open round. */
  readonly updates: readonly (Folding | null)[];
  /** By client: the digest of its update in the round before, whose acknowledgement may have been lost. */
  readonly previous: readonly (string | null)[];
  /** Pulls that wait for the next round. */
  readonly waiting: readonly number[];
  readonly gathers: readonly Gather[];
  readonly failure: string;
}

export interface Step {
  readonly state: State;
  readonly effects: readonly Effect[];
}

export function begin(plan: Plan): State {
  const nobody = plan.clients.map(() => null);
  return { plan, round: plan.startRound, phase: "open", updates: nobody, previous: nobody, waiting: [], gathers: [], failure: "" };
}

export function step(state: State, event: Event): Step {
  switch (event.type) {
    case "arrived": return arrived(state, event.ticket, event.message);
    case "left": return { state: without(state, event.ticket), effects: [] };
    case "folded": return folded(state, event.round, event.client);
    case "merged": return merged(state, event.topic, event.round);
    case "closed": return closed(state);
    case "failed": return failed(state, event.reason);
  }
}

function arrived(state: State, ticket: number, message: Envelope): Step {
  const { plan } = state;
  const client = plan.clients.indexOf(message.client);
  if (client < 0) return refuse(state, ticket, "client", `client "${message.client}" is not in this federation`);
  if (message.fingerprint !== plan.fingerprint) {
    return refuse(state, ticket, "fingerprint", `this federation trains model ${plan.fingerprint}, not ${message.fingerprint}; use the same model spec everywhere`);
  }
  if (state.phase === "failed") return refuse(state, ticket, "failed", state.failure);
  switch (message.kind) {
    case "join": {
      const { clients, parameters, startRound, rounds, arithmetic, build } = plan;
      if (message.build !== build) {
        return refuse(state, ticket, "build", `this federation trains with the ${build} build of the kernels, client "${message.client}" with the ${message.build} build; use the same build everywhere`);
      }
      return reply(state, ticket, { kind: "welcome", clients: clients.length, parameters, startRound, rounds, arithmetic });
    }
    case "pull": return pulled(state, ticket, client);
    case "update": return updated(state, ticket, client, message);
    case "gather": return contributed(state, ticket, client, message);
  }
}

function pulled(state: State, ticket: number, client: number): Step {
  if (state.phase === "done") return reply(state, ticket, { kind: "done", round: state.round });
  if (state.phase === "open" && state.updates[client] === null) return reply(state, ticket, { kind: "model", round: state.round });
  return { state: { ...state, waiting: [...state.waiting, ticket] }, effects: [] };
}

function updated(state: State, ticket: number, client: number, update: Update): Step {
  const earlier = state.updates[client];
  if (earlier?.digest === update.digest) {
    if (earlier.folded) return reply(state, ticket, { kind: "accepted", round: update.round });
    return { state: withUpdate(state, client, { ...earlier, tickets: [...earlier.tickets, ticket] }), effects: [] };
  }
  if (state.previous[client] === update.digest) return reply(state, ticket, { kind: "accepted", round: update.round });

  const objection = objectionTo(state, client, update);
  if (objection) return refuse(state, ticket, ...objection);
  const { digest, samples, loss, round } = update;
  return {
    state: withUpdate(state, client, { digest, samples, loss, folded: false, tickets: [ticket] }),
    effects: [{ type: "fold", ticket, round, client, samples }],
  };
}

/** What is wrong with an update that is not a retry, if anything. */
function objectionTo(state: State, client: number, update: Update): [RefusalCode, string] | undefined {
  const { plan, round } = state;
  if (state.updates[client]) return ["duplicate", `round ${round} has another update of client "${update.client}" already; the first one counts`];
  if (state.phase !== "open" || update.round !== round) {
    const now = state.phase === "open" ? `round ${round} is open` : `round ${round} is closed`;
    return ["round", `update of round ${update.round}, but ${now}; pull the model again`];
  }
  if (round > plan.startRound && !gatherOf(state, EVALUATION, round - 1)?.digests[client]) {
    return ["order", `the evaluation of round ${round - 1} comes before the update of round ${round}`];
  }
  if (update.elements !== (plan.arithmetic === "lattice" ? "int32" : "float32")) {
    return ["arithmetic", `updates here are ${plan.arithmetic === "lattice" ? "int32 on the lattice" : "float32 parameters"}, this one is ${update.elements}`];
  }
  if (update.length !== plan.parameters) return ["length", `update expected ${plan.parameters} numbers, got ${update.length}`];
  if (!Number.isInteger(update.samples) || update.samples < 1 || update.samples > plan.maxSamples) {
    return ["samples", `samples expected integer from 1 to ${plan.maxSamples}, got ${update.samples}`];
  }
  if (update.misfits > 0) return ["values", `${update.misfits} of ${update.length} numbers are beyond the bound of an update; training has diverged`];
  return undefined;
}

function folded(state: State, round: number, client: number): Step {
  const update = state.updates[client];
  if (!update || round !== state.round || state.phase === "failed") return { state, effects: [] };
  const effects: Effect[] = update.tickets.map((ticket) => ({ type: "reply", ticket, reply: { kind: "accepted", round } }));
  const next = withUpdate(state, client, { ...update, folded: true, tickets: [] });
  const complete = next.updates.every((each) => each?.folded);
  if (!complete) return { state: next, effects };
  const updates = next.updates.map((each) => ({ samples: each!.samples, loss: each!.loss }));
  return { state: { ...next, phase: "closing" }, effects: [...effects, { type: "close", round, updates }] };
}

function closed(state: State): Step {
  if (state.phase !== "closing") return { state, effects: [] };
  const { plan, waiting, round } = state;
  const done = round === plan.rounds;
  const order: ReplyOrder = done ? { kind: "done", round } : { kind: "model", round: round + 1 };
  const stale = state.gathers.filter((gather) => gather.round > 0 && gather.round < round);
  return {
    state: {
      ...state,
      round: done ? round : round + 1,
      phase: done ? "done" : "open",
      updates: done ? state.updates : plan.clients.map(() => null),
      previous: state.updates.map((update) => update!.digest),
      waiting: [],
      gathers: state.gathers.filter((gather) => !stale.includes(gather)),
    },
    effects: [
      ...stale.map(({ topic, round }): Effect => ({ type: "forget", topic, round })),
      ...waiting.map((ticket): Effect => ({ type: "reply", ticket, reply: order })),
    ],
  };
}

function contributed(state: State, ticket: number, client: number, message: Contribution): Step {
  const { topic, round, digest } = message;
  const lastClosed = state.phase === "done" ? state.round : state.round - 1;
  if (round !== 0 && (round !== lastClosed || round < state.plan.startRound)) {
    return refuse(state, ticket, "round", `gather "${topic}" of round ${round}, but ${lastClosed} is the last that closed`);
  }
  const found = gatherOf(state, topic, round);
  if (!found && state.gathers.length >= MAX_TOPICS) return refuse(state, ticket, "topic", `at most ${MAX_TOPICS} topics at a time`);
  const gather = found ?? { topic, round, digests: state.plan.clients.map(() => null), merged: false, tickets: [] };
  const earlier = gather.digests[client];
  if (earlier !== null && earlier !== digest) {
    return refuse(state, ticket, "duplicate", `"${topic}" of round ${round} has another contribution of client "${message.client}" already; the first one counts`);
  }
  if (message.misfits > 0) return refuse(state, ticket, "values", `${message.misfits} of ${message.length} numbers for "${topic}" are not finite`);
  if (gather.merged) return reply(state, ticket, { kind: "gathered", topic, round });

  const digests = gather.digests.with(client, digest);
  const effects: Effect[] = [];
  if (earlier === null) effects.push({ type: "keep", ticket, topic, round, client });
  if (earlier === null && digests.every((each) => each !== null)) effects.push({ type: "merge", topic, round });
  return { state: withGather(state, { ...gather, digests, tickets: [...gather.tickets, ticket] }), effects };
}

function merged(state: State, topic: string, round: number): Step {
  const gather = gatherOf(state, topic, round);
  if (!gather || gather.merged || state.phase === "failed") return { state, effects: [] };
  const effects: Effect[] = gather.tickets.map((ticket) => ({ type: "reply", ticket, reply: { kind: "gathered", topic, round } }));
  if (topic === EVALUATION && round > 0) {
    effects.push({ type: "report", round });
    if (round === state.plan.rounds) effects.push({ type: "finish" });
  }
  return { state: withGather(state, { ...gather, merged: true, tickets: [] }), effects };
}

function failed(state: State, reason: string): Step {
  if (state.phase === "failed") return { state, effects: [] };
  const tickets = [...state.waiting, ...state.gathers.flatMap((gather) => gather.tickets), ...state.updates.flatMap((update) => update?.tickets ?? [])];
  return {
    state: { ...state, phase: "failed", failure: reason, waiting: [], gathers: [], updates: state.plan.clients.map(() => null) },
    effects: tickets.map((ticket) => ({ type: "reply", ticket, reply: { kind: "refused", code: "failed", reason } })),
  };
}

const reply = (state: State, ticket: number, order: ReplyOrder): Step => ({ state, effects: [{ type: "reply", ticket, reply: order }] });
const refuse = (state: State, ticket: number, code: RefusalCode, reason: string): Step => reply(state, ticket, { kind: "refused", code, reason });

const gatherOf = (state: State, topic: string, round: number): Gather | undefined =>
  state.gathers.find((gather) => gather.topic === topic && gather.round === round);

const withUpdate = (state: State, client: number, update: Folding): State => ({ ...state, updates: state.updates.with(client, update) });

const withGather = (state: State, gather: Gather): State => ({
  ...state,
  gathers: [...state.gathers.filter(({ topic, round }) => topic !== gather.topic || round !== gather.round), gather],
});

function without(state: State, ticket: number): State {
  const others = (tickets: readonly number[]) => tickets.filter((each) => each !== ticket);
  return {
    ...state,
    waiting: others(state.waiting),
    updates: state.updates.map((update) => update && { ...update, tickets: others(update.tickets) }),
    gathers: state.gathers.map((gather) => ({ ...gather, tickets: others(gather.tickets) })),
  };
}
