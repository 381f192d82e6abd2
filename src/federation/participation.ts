/**
 * @module
 * The client's core: what a factory does next. A state machine without input or output, as the
 * orchestrator's (orchestration.ts); client.ts does what the effects say.
 *
 *     join ─► pull ─► model of round r ─► evaluate it (it is round r-1's result) ─► contribute the figures ┐
 *               ▲                                                          └─► fit ───────────────────────┤
 *               └──────────────────── accepted ◄── update of round r ◄── when both are through ───────────┘
 *     pull ─► done ─► evaluate ─► contribute ─► finish
 */
import type { Arithmetic, Reply } from "./message.ts";

type Unnumbered<M> = M extends Reply ? Omit<M, "fingerprint" | "numbers" | "settings"> : never;

export type Event =
  | { readonly type: "start" }
  /** The orchestrator's answer to the last join, pull, update or contribution. */
  | { readonly type: "answered"; readonly reply: Unnumbered<Reply> }
  | { readonly type: "evaluated" }
  | { readonly type: "trained"; readonly samples: number; readonly loss: number };

export type Effect =
  | { readonly type: "join" }
  | { readonly type: "pull" }
  /** Evaluate the model just pulled; then say evaluated. */
  | { readonly type: "evaluate" }
  /** Send the figures as those of this round. */
  | { readonly type: "contribute"; readonly round: number }
  /** Train from the model just pulled; then say trained. */
  | { readonly type: "fit"; readonly round: number }
  | { readonly type: "update"; readonly round: number; readonly samples: number; readonly loss: number; readonly arithmetic: Arithmetic }
  | { readonly type: "finish" };

export interface State {
  readonly phase: "joining" | "pulling" | "evaluating" | "training" | "updating" | "finished";
  readonly startRound: number;
  readonly arithmetic: Arithmetic;
  /** The round of the model in hand. */
  readonly round: number;
  /** The model in hand is the last one. */
  readonly last: boolean;
  /** The figures of the round before have been taken, or there are none to give. */
  readonly contributed: boolean;
  readonly trained: { readonly samples: number; readonly loss: number } | null;
}

export interface Step {
  readonly state: State;
  readonly effects: readonly Effect[];
}

export function begin(): State {
  return { phase: "joining", startRound: 0, arithmetic: "lattice", round: 0, last: false, contributed: true, trained: null };
}

/** @throws RangeError when the orchestrator answers with a message that has no place here. */
export function step(state: State, event: Event): Step {
  switch (event.type) {
    case "start": return { state, effects: [{ type: "join" }] };
    case "answered": return answered(state, event.reply);
    case "evaluated": return evaluated(state);
    case "trained": return whenReady({ ...state, trained: { samples: event.samples, loss: event.loss } });
  }
}

function answered(state: State, reply: Unnumbered<Reply>): Step {
  if (reply.kind === "welcome" && state.phase === "joining") {
    return { state: { ...state, phase: "pulling", startRound: reply.startRound, arithmetic: reply.arithmetic }, effects: [{ type: "pull" }] };
  }
  if (reply.kind === "model" && state.phase === "pulling") {
    const first = reply.round === state.startRound;
    const next = { ...state, round: reply.round, contributed: first, trained: null };
    return first ? fit(next) : { state: { ...next, phase: "evaluating" }, effects: [{ type: "evaluate" }] };
  }
  if (reply.kind === "done" && state.phase === "pulling") {
    return { state: { ...state, phase: "evaluating", round: reply.round, last: true, contributed: false }, effects: [{ type: "evaluate" }] };
  }
  if (reply.kind === "gathered" && !state.contributed) {
    if (state.last) return { state: { ...state, phase: "finished", contributed: true }, effects: [{ type: "finish" }] };
    return whenReady({ ...state, contributed: true });
  }
  if (reply.kind === "accepted" && state.phase === "updating") return { state: { ...state, phase: "pulling" }, effects: [{ type: "pull" }] };
  throw new RangeError(`orchestrator answered "${reply.kind}" while ${state.phase}; run the same release of millwright on both sides`);
}

function evaluated(state: State): Step {
  if (state.last) return { state, effects: [{ type: "contribute", round: state.round }] };
  const training = fit(state);
  return { state: training.state, effects: [{ type: "contribute", round: state.round - 1 }, ...training.effects] };
}

function fit(state: State): Step {
  return { state: { ...state, phase: "training" }, effects: [{ type: "fit", round: state.round }] };
}

/** The figures travel while training runs; the update waits for both. */
function whenReady(state: State): Step {
  const { trained, contributed, round, arithmetic } = state;
  if (!trained || !contributed) return { state, effects: [] };
  return { state: { ...state, phase: "updating" }, effects: [{ type: "update", round, arithmetic, ...trained }] };
}
