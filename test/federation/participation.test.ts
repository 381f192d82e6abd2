import { expect, test } from "vitest";
import { begin, step, type Effect, type Event, type State } from "../../src/federation/participation.ts";

/** The effects of each event in turn. */
function follow(...events: Event[]): (readonly Effect[])[] {
  let state: State = begin();
  return events.map((event) => {
    const next = step(state, event);
    state = next.state;
    return next.effects;
  });
}

const welcome: Event = { type: "answered", reply: { kind: "welcome", clients: 2, parameters: 4, startRound: 1, rounds: 2, arithmetic: "lattice" } };
const answered = (kind: "model" | "done" | "accepted", round: number): Event => ({ type: "answered", reply: { kind, round } });
const gathered: Event = { type: "answered", reply: { kind: "gathered", topic: "evaluation", round: 1 } };
const trained: Event = { type: "trained", samples: 10, loss: 0.5 };
const updateOf = (round: number) => [{ type: "update", round, samples: 10, loss: 0.5, arithmetic: "lattice" }];

test("a client joins, trains each round, evaluates what came of it, and finishes", () => {
  expect(follow({ type: "start" }, welcome, answered("model", 1), trained, answered("accepted", 1), answered("model", 2), { type: "evaluated" }, gathered, trained,
    answered("accepted", 2), answered("done", 2), { type: "evaluated" }, gathered)).toEqual([
    [{ type: "join" }],
    [{ type: "pull" }],
    [{ type: "fit", round: 1 }], // nothing came before the first round
    updateOf(1),
    [{ type: "pull" }],
    [{ type: "evaluate" }],
    [{ type: "contribute", round: 1 }, { type: "fit", round: 2 }],
    [],
    updateOf(2),
    [{ type: "pull" }],
    [{ type: "evaluate" }],
    [{ type: "contribute", round: 2 }],
    [{ type: "finish" }],
  ]);
});

test("the update waits for the figures of the round before, as the figures for the update", () => {
  const before: Event[] = [{ type: "start" }, welcome, answered("model", 2), { type: "evaluated" }];
  expect(follow(...before, trained, gathered).slice(-2)).toEqual([[], updateOf(2)]);
  expect(follow(...before, gathered, trained).slice(-2)).toEqual([[], updateOf(2)]);
});

test.each([
  ["a model before a welcome", [answered("model", 1)]],
  ["a second welcome", [welcome, welcome]],
  ["figures never given", [welcome, answered("model", 1), gathered]],
  ["an acknowledgement of nothing", [welcome, answered("accepted", 1)]],
])("%s is an error that names it", (_, events) => {
  expect(() => follow({ type: "start" }, ...events)).toThrow(RangeError);
});
