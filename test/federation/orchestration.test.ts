import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Entry } from "../../src/federation/entry.ts";
import { step, type Effect, type Envelope, type Event } from "../../src/federation/orchestration.ts";
import { apply, begin, EVALUATION, restarted, wakeAtMs, type Plan, type Policy, type State } from "../../src/federation/state.ts";

const fingerprint = "ab".repeat(8);
const task = "press";
const patient: Policy = { seed: 1, cohort: null, closeAt: null, minClients: 1, deadlineMs: null, maxStaleness: 0, maxSamples: 1000, overweight: "refuse" };
const planWith = (policy: Partial<Policy> = {}, more: Partial<Plan> = {}): Plan =>
  ({ task, fingerprint, startRound: 1, rounds: 3, build: "relaxed", parameters: 4, arithmetic: "lattice", policy: { ...patient, ...policy }, ...more });
const abc = ["a", "b", "c"];

const modelOf = (round: number) => `model ${round}`;
const pull = (client: string): Envelope => ({ kind: "pull", task, client, fingerprint });
const update = (client: string, round: number, more: object = {}): Envelope =>
  ({ kind: "update", task, client, fingerprint, round, attempt: 1, model: modelOf(round), samples: 10, loss: 1, length: 4, misfits: 0, elements: "int32", digest: `${client} ${round}`, ...more }) as Envelope;
const gather = (client: string, round: number, topic = EVALUATION, more: object = {}): Envelope =>
  ({ kind: "gather", task, client, fingerprint, topic, round, length: 2, misfits: 0, elements: "float64", digest: `${client} ${topic} ${round}`, ...more }) as Envelope;

function freeze<T>(value: T): T {
  if (value !== null && typeof value === "object" && !Object.isFrozen(value)) Object.values(Object.freeze(value)).forEach(freeze);
  return value;
}

/** Drives the core as the orchestrator does: effects that report back do so at once, or when told to. */
class Driver {
  state: State;
  nowMs = 0;
  readonly log: Effect[] = [];
  readonly entries: Entry[] = [];
  readonly pending: Event[] = [];
  readonly lazy: boolean;
  #ticket = 0;

  constructor({ lazy = false, policy = {}, clients = abc, aggregators = [] }: { lazy?: boolean; policy?: Partial<Policy>; clients?: string[]; aggregators?: string[] } = {}) {
    this.lazy = lazy;
    this.state = freeze(begin(planWith(policy), clients, aggregators));
    this.event({ type: "begun", model: modelOf(1) });
    this.settle();
  }

  send(message: Envelope): number {
    const ticket = this.#ticket++;
    this.event({ type: "arrived", ticket, message });
    return ticket;
  }

  event(event: Event): void {
    const { state, effects } = step(this.state, freeze(event), this.nowMs);
    expect(JSON.parse(JSON.stringify(state))).toEqual(state); // plain data
    this.state = freeze(state);
    for (const effect of effects) {
      this.log.push(effect);
      if (effect.type === "write") this.pending.push({ type: "written", entry: effect.entry });
      if (effect.type === "compute") this.pending.push({ type: "computed", round: effect.round, model: modelOf(effect.round + 1) });
    }
    if (event.type === "written") this.entries.push(event.entry);
    if (!this.lazy) this.settle();
  }

  settle(): void {
    for (let next = this.pending.shift(); next; next = this.pending.shift()) this.event(next);
  }

  pass(ms: number): void {
    this.nowMs += ms;
    const atMs = wakeAtMs(this.state);
    if (atMs !== undefined && atMs <= this.nowMs) this.event({ type: "woke" });
  }

  /** What is left after a crash: the entries, and nothing on its way. */
  crash(): void {
    this.pending.length = 0;
    const { plan, epoch } = this.state;
    const clients = abc;
    const recovered = this.entries.reduce((state, entry) => apply(state, entry, 0), begin(plan, clients, [], epoch));
    this.state = freeze(restarted(recovered, epoch + 1, this.nowMs));
    this.event(this.state.phase === "starting" && this.state.attempt === 0 ? { type: "begun", model: modelOf(1) } : { type: "woke" });
  }

  reply(ticket: number) {
    const replies = this.log.filter((effect) => effect.type === "reply" && effect.ticket === ticket);
    expect(replies.length).toBeLessThanOrEqual(1);
    return replies.map((effect) => effect.type === "reply" && effect.reply)[0];
  }

  everyone(message: (client: string) => Envelope): void {
    abc.forEach((client) => this.send(message(client)));
  }

  written(kind: Entry["kind"]): Entry[] {
    return this.entries.filter((entry) => entry.kind === kind);
  }
}

const model = (round: number, attempt = 1, epoch = 1) => ({ kind: "model", epoch, round, attempt, model: modelOf(round) });

describe("the orchestrator's core", () => {
  test("welcomes a client of the same build, and refuses one of another", () => {
    const driver = new Driver();
    const join = (build: "simd" | "relaxed"): Envelope => ({ kind: "join", task, client: "a", fingerprint, build });
    expect(driver.reply(driver.send(join("relaxed")))).toMatchObject({ kind: "welcome", rounds: 3 });
    expect(driver.reply(driver.send(join("simd")))).toMatchObject({ kind: "refused", code: "build", reason: expect.stringMatching(/the relaxed build .* with the simd build/) });
  });

  test("answers a pull at once while the client's update is missing, else when the next round opens", () => {
    const driver = new Driver();
    expect(driver.reply(driver.send(pull("a")))).toEqual(model(1));
    expect(driver.reply(driver.send(update("a", 1)))).toEqual({ kind: "accepted", round: 1 });
    const waiting = driver.send(pull("a"));
    driver.send(update("b", 1));
    expect(driver.reply(waiting)).toBeUndefined();
    driver.send(update("c", 1));
    expect(driver.reply(waiting)).toEqual(model(2));
  });

  test("acknowledges an update only when it is written, retries included", () => {
    const driver = new Driver({ lazy: true });
    const tickets = [driver.send(update("a", 1)), driver.send(update("a", 1))];
    for (const ticket of tickets) expect(driver.reply(ticket)).toBeUndefined();
    driver.settle();
    for (const ticket of tickets) expect(driver.reply(ticket)).toEqual({ kind: "accepted", round: 1 });
    expect(driver.written("update")).toHaveLength(1);
  });

  test("closes a round only when all that is on its way is written, since it will be acknowledged", () => {
    const driver = new Driver({ lazy: true, policy: { closeAt: 1 } });
    driver.send(update("a", 1));
    driver.send(update("b", 1));
    driver.event(driver.pending.shift()!);
    expect(driver.log.some(({ type }) => type === "compute")).toBe(false);
    driver.settle();
    expect(driver.written("closed")).toEqual([{ kind: "closed", round: 1, model: modelOf(2), clients: ["a", "b"] }]);
  });

  test("forgets a round's figures when nobody may ask for them any more", () => {
    const driver = new Driver();
    const alive = () => driver.state.topics.map(({ topic, round }) => `${topic} ${round}`);
    driver.everyone((client) => gather(client, 0, "moments"));
    driver.everyone((client) => update(client, 1));
    driver.everyone((client) => gather(client, 1));
    expect(alive()).toEqual(["moments 0", "evaluation 1"]);
    driver.everyone((client) => update(client, 2));
    expect(driver.reply(driver.send(gather("a", 1)))).toMatchObject({ code: "late" });
    expect(driver.reply(driver.send(gather("a", 3)))).toMatchObject({ code: "round" });
    driver.everyone((client) => update(client, 3));
    expect(alive()).toEqual(["moments 0"]);
    expect(driver.reply(driver.send(gather("a", 0, "moments")))).toMatchObject({ kind: "gathered" });
  });

  test("does not let a client open topics without end, or wait in more than a few places", () => {
    const driver = new Driver();
    for (let topic = 0; topic < 64; topic++) driver.send(gather("a", 0, `t${topic}`));
    expect(driver.reply(driver.send(gather("a", 0, "one-more")))).toMatchObject({ code: "topic" });
    expect(driver.state.topics).toHaveLength(64);
    driver.send(update("a", 1));
    const waiting = Array.from({ length: 9 }, () => driver.send(pull("a")));
    expect(driver.reply(waiting[0])).toMatchObject({ kind: "refused", code: "flood" });
    expect(driver.state.waiting).toHaveLength(8);
  });

  test("does not answer who has left", () => {
    const driver = new Driver();
    driver.send(update("a", 1));
    const left = driver.send(pull("a"));
    driver.event({ type: "left", ticket: left });
    for (const client of ["b", "c"]) driver.send(update(client, 1));
    expect(driver.reply(left)).toBeUndefined();
  });

  test("once failed tells everyone waiting and everyone who comes", () => {
    const driver = new Driver();
    driver.send(update("a", 1));
    const waiting = [driver.send(pull("a")), driver.send(gather("b", 0, "moments"))];
    driver.event({ type: "failed", reason: "no space left" });
    for (const ticket of [...waiting, driver.send(pull("b"))]) {
      expect(driver.reply(ticket)).toEqual({ kind: "refused", code: "failed", reason: "no space left" });
    }
  });

  test("takes every update once and reports every round once, for any interleaving of clients, retries, departures and crashes", () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 60 }), fc.nat(), (choices, seed) => {
      const driver = new Driver({ lazy: true });
      // What each client says in turn; it goes on when it has been answered, as a real one.
      const scripts = abc.map((client) => [
        pull(client), update(client, 1),
        pull(client), gather(client, 1), update(client, 2),
        pull(client), gather(client, 2), update(client, 3),
        pull(client), gather(client, 3),
      ]);
      const said: { ticket: number; message: Envelope }[] = [];
      const acknowledged = new Set<string>();
      const waits = (client: number) => said[client] !== undefined && driver.reply(said[client].ticket) === undefined;
      const say = (client: number, message: Envelope) => (said[client] = { ticket: driver.send(message), message });
      const advance = (client: number) => {
        if (waits(client)) return;
        const before = said[client];
        if (before && driver.reply(before.ticket)) {
          expect(driver.reply(before.ticket)).not.toMatchObject({ kind: "refused" });
          if (before.message.kind === "update") acknowledged.add(before.message.digest);
        }
        const message = scripts[client].shift();
        if (!message) return;
        say(client, message);
        if (message.kind !== "pull" && seed % 3 === 0) driver.send(message); // a retry beside it
      };
      for (const [choice, what] of choices) {
        const client = choice % abc.length;
        if (what % 5 === 0 && driver.pending.length) driver.event(driver.pending.shift()!);
        else if (what % 5 === 1 && waits(client)) {
          driver.event({ type: "left", ticket: said[client].ticket });
          say(client, said[client].message); // it gave up waiting and asks again
        } else if (what % 25 === 2) {
          driver.crash();
          abc.forEach((_, each) => waits(each) && say(each, said[each].message)); // and the clients ask again
        } else advance(client);
      }
      for (let turn = 0; turn < 40; turn++) {
        driver.settle();
        abc.forEach((_, client) => advance(client));
      }
      driver.settle();
      const updates = driver.written("update") as Extract<Entry, { kind: "update" }>[];
      expect(updates.map(({ round, client }) => `${round} ${client}`).sort()).toEqual([1, 2, 3].flatMap((round) => abc.map((client) => `${round} ${client}`)));
      for (const digest of acknowledged) expect(updates.filter((each) => each.digest === digest)).toHaveLength(1);
      expect((driver.written("closed") as Extract<Entry, { kind: "closed" }>[]).map(({ round, clients }) => [round, clients])).toEqual([1, 2, 3].map((round) => [round, abc]));
      const reports = driver.log.flatMap((effect) => (effect.type === "report" ? [effect.round] : []));
      expect([...new Set(reports)]).toEqual([1, 2, 3]);
      if (driver.state.epoch === 1) expect(reports).toEqual([1, 2, 3]);
      expect(driver.log.filter(({ type }) => type === "finish").length).toBe(1);
    }), { numRuns: 200 });
  });
});

describe("a policy", () => {
  test("closes a round at so many updates, and tells the others that they are late", () => {
    const driver = new Driver({ policy: { closeAt: 2 } });
    driver.send(update("a", 1));
    driver.send(update("c", 1));
    expect(driver.written("closed")).toMatchObject([{ round: 1, clients: ["a", "c"] }]);
    expect(driver.reply(driver.send(update("b", 1)))).toMatchObject({ kind: "refused", code: "late" });
    expect(driver.reply(driver.send(pull("b")))).toEqual(model(2));
  });

  test("closes at the deadline with those who are there, if they are enough", () => {
    const driver = new Driver({ policy: { deadlineMs: 1000, minClients: 2 } });
    driver.send(update("a", 1));
    driver.send(update("b", 1));
    driver.pass(999);
    expect(driver.state.round).toBe(1);
    driver.pass(1);
    expect(driver.written("closed")).toMatchObject([{ clients: ["a", "b"] }]);
    expect(driver.state).toMatchObject({ round: 2, phase: "open" });
  });

  test("opens another attempt where they are too few, keeps what is in, and takes an update of the attempt before", () => {
    const driver = new Driver({ policy: { deadlineMs: 1000, minClients: 2 } });
    driver.send(update("a", 1));
    driver.pass(1000);
    expect(driver.state).toMatchObject({ round: 1, attempt: 2, phase: "open" });
    expect(driver.reply(driver.send(pull("b")))).toEqual(model(1, 2));
    expect(driver.reply(driver.send(update("c", 1, { attempt: 1 })))).toMatchObject({ kind: "accepted" });
    driver.pass(1000);
    expect(driver.written("closed")).toMatchObject([{ clients: ["a", "c"] }]);
  });

  test("never closes a round with nobody in it", () => {
    const driver = new Driver({ policy: { deadlineMs: 10 } });
    for (let time = 0; time < 5; time++) driver.pass(10);
    expect(driver.state).toMatchObject({ round: 1, attempt: 6 });
    expect(driver.written("closed")).toEqual([]);
  });

  test("invites a cohort that seed, round and attempt draw, and others at the next attempt", () => {
    const clients = Array.from({ length: 40 }, (_, k) => `c${String(k).padStart(2, "0")}`);
    const cohorts = [1, 2].map(() => {
      const driver = new Driver({ clients, policy: { cohort: 8, deadlineMs: 10 } });
      driver.pass(10);
      return (driver.written("opened") as Extract<Entry, { kind: "opened" }>[]).map(({ cohort }) => cohort);
    });
    expect(cohorts[0]).toEqual(cohorts[1]);
    expect(cohorts[0].map(({ length }) => length)).toEqual([8, 8]);
    expect(cohorts[0][0]).not.toEqual(cohorts[0][1]);
    for (const cohort of cohorts[0]) expect([...cohort].sort()).toEqual(cohort);
    const driver = new Driver({ clients, policy: { cohort: 8 } });
    const [opened] = driver.written("opened") as Extract<Entry, { kind: "opened" }>[];
    const outsider = clients.find((id) => !opened.cohort.includes(id))!;
    expect(driver.reply(driver.send(pull(outsider)))).toBeUndefined();
    expect(driver.reply(driver.send(update(outsider, 1)))).toMatchObject({ kind: "refused", code: "round", reason: expect.stringContaining("not invited") });
  });

  test("takes late updates of a few rounds, at less weight each round, and none twice", () => {
    const driver = new Driver({ policy: { closeAt: 1, maxStaleness: 2 } });
    const weights = () => (driver.written("update") as Extract<Entry, { kind: "update" }>[]).map(({ client, round, weight }) => [client, round, weight]);
    driver.send(update("a", 1));
    expect(driver.state.round).toBe(2);
    driver.send(update("b", 1, { samples: 100 })); // one round late: 100 / sqrt(2)
    expect(driver.state.round).toBe(3);
    driver.send(update("c", 1, { samples: 100 })); // two: 100 / sqrt(3)
    expect(weights()).toEqual([["a", 1, 10], ["b", 1, 70], ["c", 1, 57]]);
    expect(driver.state.phase).toBe("done");
    const again = new Driver({ policy: { closeAt: 2, maxStaleness: 2 } });
    again.send(update("a", 1));
    again.send(update("b", 1));
    expect(again.reply(again.send(update("a", 1, { digest: "another" })))).toMatchObject({ code: "duplicate" });
    expect(again.reply(again.send(update("a", 1)))).toEqual({ kind: "accepted", round: 1 });
  });

  test("caps a weight, or refuses it", () => {
    const capped = new Driver({ policy: { overweight: "cap" } });
    capped.send(update("a", 1, { samples: 1e9 }));
    expect(capped.written("update")).toMatchObject([{ samples: 1e9, weight: 1000 }]);
    const strict = new Driver();
    expect(strict.reply(strict.send(update("a", 1, { samples: 1001 })))).toMatchObject({ code: "samples" });
  });

  test("merges a topic at its deadline with those who are there; who comes later is told the same", () => {
    const driver = new Driver({ policy: { deadlineMs: 1000, minClients: 2 } });
    const first = driver.send(gather("a", 0, "moments"));
    driver.pass(1000);
    expect(driver.reply(first)).toBeUndefined(); // one is too few
    driver.send(gather("c", 0, "moments"));
    expect(driver.written("merged")).toEqual([{ kind: "merged", topic: "moments", round: 0, clients: ["a", "c"] }]);
    expect(driver.reply(first)).toEqual({ kind: "gathered", topic: "moments", round: 0 });
    expect(driver.reply(driver.send(gather("b", 0, "moments")))).toEqual({ kind: "gathered", topic: "moments", round: 0 });
    expect(driver.written("contribution")).toHaveLength(2);
  });

  test("does not wake for what time does not change: contributions that are too few, entries on their way", () => {
    const driver = new Driver({ policy: { deadlineMs: 1000, minClients: 2 }, lazy: true });
    driver.settle();
    driver.send(gather("a", 0, "moments"));
    driver.settle();
    driver.pass(500);
    expect(wakeAtMs(driver.state)).toBe(1000); // the round's own
    driver.pass(500);
    expect(driver.pending).toMatchObject([{ entry: { kind: "opened", attempt: 2 } }]);
    expect(wakeAtMs(driver.state)).toBeUndefined();
    driver.settle();
    expect(wakeAtMs(driver.state)).toBe(2000);
    driver.send(update("a", 1));
    expect(wakeAtMs(driver.state)).toBeUndefined();
  });

  test("opens no further attempt while an update or an attempt is on its way to the disk", () => {
    const driver = new Driver({ policy: { deadlineMs: 1000 }, lazy: true });
    driver.settle();
    driver.send(update("a", 1));
    driver.event({ type: "woke" });
    driver.nowMs = 1500;
    driver.event({ type: "woke" });
    expect(driver.pending).toMatchObject([{ entry: { kind: "update" } }]);
    driver.settle();
    expect(driver.written("closed")).toMatchObject([{ clients: ["a"] }]);
    driver.nowMs = 3000;
    driver.event({ type: "woke" });
    driver.nowMs = 4500;
    driver.event({ type: "woke" });
    expect(driver.pending).toMatchObject([{ entry: { kind: "opened", round: 2, attempt: 2 } }]);
  });

  test("finishes although somebody never evaluates", () => {
    const driver = new Driver({ policy: { deadlineMs: 1000 } });
    for (const round of [1, 2, 3]) driver.everyone((client) => update(client, round));
    expect(driver.state).toMatchObject({ phase: "done", finished: false });
    driver.send(gather("a", 3));
    driver.pass(1000);
    expect(driver.state.finished).toBe(true);
    expect(driver.log.at(-1)).toEqual({ type: "finish" });
  });
});

describe("who may take part", () => {
  test("may change while it runs: a newcomer is invited from the next round on, and nobody waits for one who left", () => {
    const driver = new Driver();
    driver.send(update("a", 1));
    driver.event({ type: "enrolled", clients: ["a", "b", "d"], aggregators: [] });
    expect(driver.reply(driver.send(pull("c")))).toMatchObject({ kind: "refused", code: "client" });
    driver.send(update("b", 1));
    expect(driver.written("closed")).toMatchObject([{ clients: ["a", "b"] }]);
    expect(driver.reply(driver.send(pull("d")))).toEqual(model(2));
  });

  test("is not who is being struck off: what comes behind that in the journal is true there, too", () => {
    const driver = new Driver({ lazy: true });
    driver.settle();
    driver.event({ type: "enrolled", clients: ["a", "c"], aggregators: [] });
    expect(driver.reply(driver.send(update("b", 1)))).toMatchObject({ kind: "refused", code: "client" });
    driver.send(update("a", 1));
    driver.send(update("c", 1));
    driver.settle();
    expect(driver.entries.map(({ kind }) => kind).slice(0, 5)).toEqual(["opened", "clients", "update", "update", "closed"]);
    expect(driver.written("opened").at(-1)).toMatchObject({ round: 2, cohort: ["a", "c"] });
  });

  test("may be clients of an aggregator, whose sum counts for each of them, once", () => {
    const members = [{ id: "a", samples: 4, loss: 1 }, { id: "b", samples: 6, loss: 1 }];
    const sum = (more: object = {}) => update("plant", 1, { members, elements: "int64", ...more });
    const driver = new Driver({ aggregators: ["plant"] });
    expect(driver.reply(driver.send(sum({ samples: 11 })))).toMatchObject({ code: "samples" });
    expect(driver.reply(driver.send(sum({ members: [...members, members[0]] })))).toMatchObject({ code: "members" });
    expect(driver.reply(driver.send(sum({ members: [{ id: "z", samples: 10, loss: 1 }] })))).toMatchObject({ code: "client" });
    expect(driver.reply(driver.send(sum()))).toEqual({ kind: "accepted", round: 1 });
    expect(driver.reply(driver.send(sum()))).toEqual({ kind: "accepted", round: 1 });
    expect(driver.reply(driver.send(update("a", 1)))).toMatchObject({ code: "duplicate" });
    driver.send(update("c", 1));
    expect(driver.written("closed")).toMatchObject([{ clients: abc }]);
    expect(driver.written("update")).toHaveLength(2);
    expect(driver.reply(driver.send(sum()))).toEqual({ kind: "accepted", round: 1 }); // its acknowledgement may have been lost
    expect(driver.reply(driver.send(sum({ digest: "another" })))).toMatchObject({ code: "late" }); // its members go on with the next round
  });

  test("are told apart although their sums are the same numbers: a member may change nothing", () => {
    const [a, b, c] = abc.map((id) => ({ id, samples: 5, loss: 1 }));
    const sum = (members: readonly object[]) => update("plant", 1, { members, elements: "int64", samples: 5 * members.length, digest: "zeros" });
    const driver = new Driver({ aggregators: ["plant"] });
    expect(driver.reply(driver.send(sum([a, b])))).toEqual({ kind: "accepted", round: 1 });
    expect(driver.reply(driver.send(sum([a, b, c])))).toMatchObject({ code: "duplicate" }); // c comes alone then
    expect(driver.reply(driver.send(sum([{ ...b, samples: 6 }])))).toMatchObject({ kind: "refused" });
    expect(driver.reply(driver.send(sum([b])))).toEqual({ kind: "accepted", round: 1 });
    expect(driver.reply(driver.send(sum([c])))).toEqual({ kind: "accepted", round: 1 });
    expect(driver.written("update")).toHaveLength(2);
  });

  test("may send sums of others while one is on its way to the disk", () => {
    const sum = (id: string, digest: string) => update("plant", 1, { members: [{ id, samples: 5, loss: 1 }], elements: "int64", samples: 5, digest });
    const driver = new Driver({ aggregators: ["plant"], lazy: true });
    driver.settle();
    const tickets = [sum("a", "zeros"), sum("b", "zeros"), sum("b", "zeros"), sum("c", "other"), sum("c", "another")].map((each) => driver.send(each));
    driver.settle();
    const taken = { kind: "accepted", round: 1 };
    expect(tickets.map((ticket) => driver.reply(ticket))).toMatchObject([taken, taken, taken, taken, { kind: "refused", code: "duplicate" }]);
    expect(driver.written("closed")).toMatchObject([{ clients: abc }]);
    expect(driver.written("update")).toHaveLength(3);
  });
});
