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
const modelOf = (round: number) => `model ${round}`;
const model = (round: number, attempt = 1): Event => ({ type: "answered", reply: { kind: "model", epoch: 1, round, attempt, model: modelOf(round) } });
const done: Event = { type: "answered", reply: { kind: "done", epoch: 1, round: 2, model: modelOf(3) } };
const trained: Event = { type: "trained", samples: 10, loss: 0.5 };
const [evaluated, contributed, updated]: Event[] = [{ type: "evaluated" }, { type: "contributed" }, { type: "updated" }];
const updateOf = (round: number, attempt = 1) => [{ type: "update", round, attempt, model: modelOf(round), samples: 10, loss: 0.5, arithmetic: "lattice" }];

test("a client joins, trains each round, evaluates what came of it, and finishes", () => {
  expect(follow({ type: "start" }, welcome, model(1), trained, updated, model(2), evaluated, contributed, trained, updated, done, evaluated, contributed)).toEqual([
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
  const before: Event[] = [{ type: "start" }, welcome, model(2), evaluated];
  expect(follow(...before, trained, contributed).slice(-2)).toEqual([[], updateOf(2)]);
  expect(follow(...before, contributed, trained).slice(-2)).toEqual([[], updateOf(2)]);
});

test("an update that was made before is sent and not made again, behind the figures that are due", () => {
  const kept = { ...model(2, 3), kept: { samples: 10, loss: 0.5 } } as Event;
  expect(follow({ type: "start" }, welcome, kept, evaluated, contributed).slice(2)).toEqual([[{ type: "evaluate" }], [{ type: "contribute", round: 1 }], updateOf(2, 3)]);
});

test("a model that comes again, for another attempt, is trained from and not evaluated again", () => {
  expect(follow({ type: "start" }, welcome, model(2), evaluated, contributed, trained, updated, model(2, 2)).at(-1)).toEqual([{ type: "fit", round: 2 }]);
});

test.each([
  ["a model before a welcome", [model(1)]],
  ["a second welcome", [welcome, welcome]],
  ["an acknowledgement of nothing", [welcome, { type: "answered", reply: { kind: "accepted", round: 1 } } as Event]],
])("%s is an error that names it", (_, events) => {
  expect(() => follow({ type: "start" }, ...events)).toThrow(RangeError);
});
