/**
 * @module
 * What is wrong with an update, if anything: a code and a reason, before anything is changed.
 */
import type { Envelope } from "./orchestration.ts";
import type { Member, RefusalCode } from "./message.ts";
import { takePart, type State } from "./state.ts";

type Update = Extract<Envelope, { kind: "update" }>;
export type Objection = readonly [RefusalCode, string];

/** An update that is not a retry, against the state of its round. */
export function objectionTo(state: State, update: Update, members: readonly Member[]): Objection | undefined {
  return objectionToUpdate(state, update) ?? objectionToMembers(state, update, members) ?? objectionToValues(update);
}

const secondUpdate = (round: number, client: string): Objection => ["duplicate", `round ${round} has another update of client "${client}" already; the first one counts`];

function objectionToUpdate(state: State, update: Update): Objection | undefined {
  const { plan: { policy, startRound, arithmetic, parameters }, round, attempt, phase, models } = state;
  const now = phase === "open" ? `round ${round} is open` : `round ${round} is closed`;
  if (update.round > round || update.round < startRound || (update.round === round && update.attempt > attempt)) {
    return ["round", `update of round ${update.round}, attempt ${update.attempt}, but ${now}; pull the model again`];
  }
  if (phase !== "open" || round - update.round > policy.maxStaleness) return ["late", `update of round ${update.round}, but ${now}; pull the model again`];
  if (models[update.round] !== update.model) return ["model", `update from model ${update.model.slice(0, 12)}, but that of round ${update.round} is ${models[update.round]?.slice(0, 12)}; pull the model again`];
  const kind = update.members ? "int64" : arithmetic === "lattice" ? "int32" : "float32";
  if (update.elements !== kind) {
    return ["arithmetic", `updates here are ${arithmetic === "lattice" ? "int32 on the lattice, or int64 sums of those" : "float32 parameters"}, this one is ${update.elements}`];
  }
  if (update.length !== parameters) return ["length", `update expected ${parameters} numbers, got ${update.length}`];
  return undefined;
}

function objectionToValues({ misfits, length }: Update): Objection | undefined {
  return misfits > 0 ? ["values", `${misfits} of ${length} numbers are beyond the bound of an update; training has diverged`] : undefined;
}

function objectionToMembers(state: State, update: Update, members: readonly Member[]): Objection | undefined {
  const { plan: { policy }, round, updates, latest, cohort, writing } = state;
  if (update.members && update.round !== round) return ["late", `a sum of updates of round ${update.round}, but round ${round} is open; pull the model again`];
  if (update.members && (members.length === 0 || new Set(members.map(({ id }) => id)).size < members.length)) {
    return ["members", "a sum of updates expected distinct members, at least one"];
  }
  const arriving = new Set(writing.flatMap(({ entry }) => (entry.kind === "update" ? entry.members.map(({ id }) => id) : [])));
  for (const { id, samples } of members) {
    if (!takePart(state, [id])) return ["client", `client "${id}" is not in this federation`];
    if (updates[id] || arriving.has(id)) return secondUpdate(round, id);
    if (latest[id]?.round >= update.round) return ["duplicate", `client "${id}" has given an update of round ${latest[id].round} already`];
    if (update.round === round && !cohort.includes(id)) return ["round", `client "${id}" is not invited to this attempt of round ${round}; pull the model again`];
    const most = policy.overweight === "cap" && !update.members ? Number.MAX_SAFE_INTEGER : policy.maxSamples;
    if (!Number.isInteger(samples) || samples < 1 || samples > most) return ["samples", `samples expected integer from 1 to ${most}, got ${samples}`];
  }
  if (update.members && update.samples !== members.reduce((sum, { samples }) => sum + samples, 0)) return ["samples", `samples of a sum expected those of its members, got ${update.samples}`];
  return undefined;
}
