/**
 * @module
 * The client's core: what a factory does next. A state machine without input or output, as the
 * orchestrator's (orchestration.ts); client.ts does what the effects say.
 *
 *     join ─► pull ─► model of round r ─► evaluate it (it is round r-1's result) ─► contribute the figures ┐
 *               ▲                                                          └─► fit ───────────────────────┤
 *               └──────────── accepted, or too late ◄── update of round r ◄── when both are through ──────┘
 *     pull ─► done ─► evaluate ─► contribute ─► finish
 *
 * A model may come twice, to a client or an orchestrator that was started again: an update that was made
 * from it is sent as it is, and nothing is trained anew.
 */
import type { Arithmetic, Reply } from "./message.ts";

type Unnumbered<M> = M extends Reply ? Omit<M, "task" | "fingerprint" | "numbers" | "settings" | "description"> : never;

export type Event =
  | { readonly type: "start" }
  /** The orchestrator's answer to the last join or pull; `kept` where an update made from this very model is at hand. */
  | { readonly type: "answered"; readonly reply: Unnumbered<Reply>; readonly kept?: { readonly samples: number; readonly loss: number } }
  | { readonly type: "evaluated" }
  /** The figures are taken, or nobody wants them any more. */
  | { readonly type: "contributed" }
  | { readonly type: "trained"; readonly samples: number; readonly loss: number }
  /** The update is taken, or comes too late. */
  | { readonly type: "updated" };

export type Effect =
  | { readonly type: "join" }
  | { readonly type: "pull" }
  /** Evaluate the model just pulled; then say evaluated. */
  | { readonly type: "evaluate" }
  /** Send the figures as those of this round; then say contributed. */
  | { readonly type: "contribute"; readonly round: number }
  /** Train from the model just pulled; then say trained. */
  | { readonly type: "fit"; readonly round: number }
  /** Send the update; then say updated. */
  | { readonly type: "update"; readonly round: number; readonly attempt: number; readonly model: string; readonly samples: number; readonly loss: number; readonly arithmetic: Arithmetic }
  | { readonly type: "finish" };

export interface State {
  readonly phase: "joining" | "pulling" | "evaluating" | "training" | "updating" | "finished";
  readonly startRound: number;
  readonly arithmetic: Arithmetic;
  /** The round of the model in hand, the attempt, and its hash. */
  readonly round: number;
  readonly attempt: number;
  readonly model: string;
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
  return { phase: "joining", startRound: 0, arithmetic: "lattice", round: 0, attempt: 0, model: "", last: false, contributed: true, trained: null };
}

/** @throws RangeError when the orchestrator answers with a message that has no place here. */
export function step(state: State, event: Event): Step {
  switch (event.type) {
    case "start": return { state, effects: [{ type: "join" }] };
    case "answered": return answered(state, event.reply, event.kept ?? null);
    case "evaluated": return evaluated(state);
    case "contributed":
      if (state.last) return { state: { ...state, phase: "finished", contributed: true }, effects: [{ type: "finish" }] };
      return whenReady({ ...state, contributed: true });
    case "trained": return whenReady({ ...state, trained: { samples: event.samples, loss: event.loss } });
    case "updated": return { state: { ...state, phase: "pulling" }, effects: [{ type: "pull" }] };
  }
}

function answered(state: State, reply: Unnumbered<Reply>, kept: State["trained"]): Step {
  if (reply.kind === "welcome" && state.phase === "joining") {
    return { state: { ...state, phase: "pulling", startRound: reply.startRound, arithmetic: reply.arithmetic }, effects: [{ type: "pull" }] };
  }
  if (reply.kind === "model" && state.phase === "pulling") {
    const { round, attempt, model } = reply;
    // Nothing came before the first round, and a model that is seen again was evaluated when it was seen first.
    const nothingNew = round === state.startRound || round === state.round;
    const next = { ...state, round, attempt, model, contributed: nothingNew, trained: kept };
    return nothingNew ? train(next) : { state: { ...next, phase: "evaluating" }, effects: [{ type: "evaluate" }] };
  }
  if (reply.kind === "done" && state.phase === "pulling") {
    return { state: { ...state, phase: "evaluating", round: reply.round, model: reply.model, last: true, contributed: false }, effects: [{ type: "evaluate" }] };
  }
  throw new RangeError(`orchestrator answered "${reply.kind}" while ${state.phase}; run the same release of millwright on both sides`);
}

function evaluated(state: State): Step {
  if (state.last) return { state, effects: [{ type: "contribute", round: state.round }] };
  const training = train(state);
  return { state: training.state, effects: [{ type: "contribute", round: state.round - 1 }, ...training.effects] };
}

function train(state: State): Step {
  const next: State = { ...state, phase: "training" };
  return state.trained ? whenReady(next) : { state: next, effects: [{ type: "fit", round: state.round }] };
}

/** The figures travel while training runs; the update waits for both. */
function whenReady(state: State): Step {
  const { trained, contributed, round, attempt, model, arithmetic } = state;
  if (!trained || !contributed) return { state, effects: [] };
  return { state: { ...state, phase: "updating" }, effects: [{ type: "update", round, attempt, model, arithmetic, ...trained }] };
}
