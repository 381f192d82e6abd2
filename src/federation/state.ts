/**
 * @module
 * What an orchestrator knows, and what an entry changes of it. Nothing is true before its entry is
 * written, so recovery is `apply` over the entries. State is plain JSON.
 */
import type { BuildName } from "../kernels/build.ts";
import type { Closed, Contributed, Enrolled, Entry, Merged, Opened, Updated } from "./entry.ts";
import type { Arithmetic } from "./message.ts";

/** When a round closes and whose updates count. */
export interface Policy {
  /** From which cohorts are drawn. */
  readonly seed: number;
  /** Clients invited to an attempt of a round; null: all. */
  readonly cohort: number | null;
  /** Updates at which a round closes at once; null: those of all who are invited. */
  readonly closeAt: number | null;
  /** Updates without which a round does not close: at the deadline others are invited, as the next attempt. */
  readonly minClients: number;
  /** Of an attempt, and of a topic from its first contribution on; null: as long as it takes. */
  readonly deadlineMs: number | null;
  /** How many rounds old the model of an update may be; 0: late updates are refused. */
  readonly maxStaleness: number;
  /** The most samples that an update may weigh, and what becomes of one that claims more. */
  readonly maxSamples: number;
  readonly overweight: "refuse" | "cap";
}

/** What does not change during a run. */
export interface Plan {
  readonly task: string;
  readonly fingerprint: string;
  readonly startRound: number;
  /** The last round. */
  readonly rounds: number;
  /** With which the clients train. */
  readonly build: BuildName;
  /** P */
  readonly parameters: number;
  readonly arithmetic: Arithmetic;
  readonly policy: Policy;
}

/** The clients' evaluation of a round's new parameters, gathered under this topic. */
export const EVALUATION = "evaluation";
export interface Topic {
  readonly topic: string;
  readonly round: number;
  /** By client: the digest of its contribution. */
  readonly digests: Readonly<Record<string, string>>;
  readonly merged: boolean;
  readonly sinceMs: number;
}

/** An update of the open round, or the last one of a client. */
export interface Included {
  readonly round: number;
  readonly digest: string;
  readonly samples: number;
  readonly loss: number;
}

/** An entry on its way to the disk, and who waits for it. Of those that open a round, only the ones of later attempts are here. */
export interface Writing {
  readonly entry: Updated | Contributed | Merged | Opened | Enrolled;
  readonly tickets: readonly number[];
}

export interface State {
  readonly plan: Plan;
  /** Which start of the orchestrator this is. */
  readonly epoch: number;
  /** Sorted. */
  readonly clients: readonly string[];
  readonly aggregators: readonly string[];
  /**
   * Starting: the round is to be opened; opening: that is being written. Closing: enough updates are in, and those on
   * their way to the disk are waited for; computing: the next parameters are being made.
   */
  readonly phase: "starting" | "opening" | "open" | "closing" | "computing" | "done" | "failed";
  /** The round that is open or closing; when done, the last one. */
  readonly round: number;
  readonly attempt: number;
  readonly cohort: readonly string[];
  /** SHA-256 of the parameters that the open round trains from, and of those before as far as staleness reaches. */
  readonly models: Readonly<Record<number, string>>;
  /** By client: the update of the open round. */
  readonly updates: Readonly<Record<string, Included>>;
  /** By client: the last update that a closed round has, whose acknowledgement may have been lost. */
  readonly latest: Readonly<Record<string, Included>>;
  readonly topics: readonly Topic[];
  /** By client: the updates of the last closed round. Their evaluation of it is waited for. */
  readonly included: Readonly<Record<string, Included>>;
  /** The last round reported. */
  readonly reported: number;
  /** Since when the attempt is open, or the run done. */
  readonly sinceMs: number;
  readonly failure: string;
  readonly finished: boolean;
  // From here on: lost at a restart.
  readonly writing: readonly Writing[];
  /** Pulls that wait for a round. */
  readonly waiting: readonly { readonly ticket: number; readonly client: string }[];
  /** Contributions that wait for the others'. */
  readonly gathering: readonly { readonly ticket: number; readonly topic: string; readonly round: number }[];
}

export function begin(plan: Plan, clients: readonly string[], aggregators: readonly string[] = [], epoch = 1): State {
  return {
    plan, epoch, clients, aggregators, phase: "starting", round: plan.startRound, attempt: 0, cohort: [], models: {}, updates: {}, latest: {}, topics: [],
    included: {}, reported: plan.startRound - 1, sinceMs: 0, failure: "", finished: false, writing: [], waiting: [], gathering: [],
  };
}

/** State as it is after a restart: what is not durable is gone, and deadlines count from now. */
export function restarted(state: State, epoch: number, nowMs: number): State {
  const phase = state.phase === "opening" ? "starting" : state.phase === "closing" || state.phase === "computing" ? "open" : state.phase;
  return { ...state, epoch, phase, sinceMs: nowMs, topics: state.topics.map((topic) => ({ ...topic, sinceMs: nowMs })), writing: [], waiting: [], gathering: [] };
}

/** When to say woke, if nothing happens before. What waits for an entry, or for clients, does not wait for time. */
export function wakeAtMs(state: State): number | undefined {
  const { plan: { policy }, phase, sinceMs, topics, finished } = state;
  if (policy.deadlineMs === null || phase === "failed") return undefined;
  const since = topics.filter((topic) => !topic.merged && topic.topic !== EVALUATION && mayMergeLate(state, topic) && !isBeingWritten(state, topic)).map((topic) => topic.sinceMs);
  if ((phase === "open" && !isTaking(state) && !isChanging(state)) || (phase === "done" && !finished)) since.push(sinceMs);
  return since.length === 0 ? undefined : Math.min(...since) + policy.deadlineMs;
}

/** An update is on its way to the disk. */
export const isTaking = ({ writing }: State): boolean => writing.some(({ entry }) => entry.kind === "update");

/** The next attempt is, or another list of who takes part. */
export const isChanging = ({ writing }: State): boolean => writing.some(({ entry }) => entry.kind === "opened" || entry.kind === "clients");

/** Whether all of these take part, and will when what is on its way to the disk is true. */
export const takePart = ({ clients, aggregators, writing }: State, ids: readonly string[], as: "clients" | "aggregators" = "clients"): boolean =>
  [{ clients, aggregators }, ...writing.flatMap(({ entry }) => (entry.kind === "clients" ? [entry] : []))].every((list) => ids.every((id) => list[as].includes(id)));

/** Something about the topic is. */
export const isBeingWritten = ({ writing }: State, topic: Topic): boolean => writing.some(({ entry }) => "topic" in entry && about(entry, topic));

/** There are contributions enough to go without the others. */
export const mayMergeLate = ({ clients, plan: { policy } }: State, { digests }: Topic): boolean => clients.filter((id) => digests[id] !== undefined).length >= policy.minClients;

/** The state in which the entry is true. */
export function apply(state: State, entry: Entry, nowMs: number): State {
  switch (entry.kind) {
    case "opened": return applyOpened(state, entry, nowMs);
    case "update": return applyUpdate(state, entry);
    case "contribution": {
      const { topic, round, client, digest } = entry;
      const found = topicOf(state, topic, round) ?? { topic, round, digests: {}, merged: false, sinceMs: nowMs };
      return withTopic(state, { ...found, digests: { ...found.digests, [client]: digest } });
    }
    case "merged": return withTopic(state, { ...topicOf(state, entry.topic, entry.round)!, merged: true });
    case "closed": return applyClosed(state, entry, nowMs);
    case "clients": return { ...state, clients: entry.clients, aggregators: entry.aggregators };
  }
}

function applyOpened(state: State, { round, attempt, model, cohort }: Opened, nowMs: number): State {
  const { plan: { policy } } = state;
  const models = Object.fromEntries(Object.entries({ ...state.models, [round]: model }).filter(([of]) => Number(of) >= round - policy.maxStaleness));
  return { ...state, phase: state.phase === "failed" ? "failed" : "open", round, attempt, cohort, models, updates: attempt === 1 ? {} : state.updates, sinceMs: nowMs };
}

function applyUpdate(state: State, { round, members, digest, client, samples }: Updated): State {
  const given = Object.fromEntries(members.map((member) => [member.id, { round, digest, samples: member.id === client ? samples : member.samples, loss: member.loss }]));
  return { ...state, updates: { ...state.updates, ...given } };
}

function applyClosed(state: State, { round, model }: Closed, nowMs: number): State {
  const last = round === state.plan.rounds;
  return {
    ...state,
    phase: state.phase === "failed" ? "failed" : last ? "done" : "starting",
    round: last ? round : round + 1,
    models: { ...state.models, [round + 1]: model },
    updates: {},
    latest: { ...state.latest, ...state.updates },
    included: state.updates,
    // What has not been reported by now, is: nobody may give figures for the round before any more.
    reported: Math.max(state.reported, Math.max(round, state.plan.startRound) - 1),
    topics: state.topics.filter(({ topic, round: of }) => topic !== EVALUATION || of >= round),
    sinceMs: nowMs,
  };
}

interface Named { readonly topic: string; readonly round: number }
export const about = (a: Named, b: Named): boolean => a.topic === b.topic && a.round === b.round;

export const topicOf = (state: State, topic: string, round: number): Topic | undefined => state.topics.find((each) => each.topic === topic && each.round === round);

const withTopic = (state: State, topic: Topic): State => ({ ...state, topics: [...state.topics.filter((each) => !about(each, topic)), topic] });
