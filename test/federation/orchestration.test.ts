import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { begin, EVALUATION, step, type Effect, type Envelope, type Event, type State } from "../../src/federation/orchestration.ts";

const fingerprint = "ab".repeat(8);
const plan = { clients: ["a", "b", "c"], startRound: 1, rounds: 3, fingerprint, build: "relaxed", parameters: 4, arithmetic: "lattice", maxSamples: 1000 } as const;

const pull = (client: string): Envelope => ({ kind: "pull", client, fingerprint });
const update = (client: string, round: number, more: object = {}): Envelope =>
  ({ kind: "update", client, fingerprint, round, samples: 10, loss: 1, length: 4, misfits: 0, elements: "int32", digest: `${client} ${round}`, ...more }) as Envelope;
const gather = (client: string, round: number, topic = EVALUATION, more: object = {}): Envelope =>
  ({ kind: "gather", client, fingerprint, topic, round, length: 2, misfits: 0, elements: "float64", digest: `${client} ${topic} ${round}`, ...more }) as Envelope;

function freeze<T>(value: T): T {
  if (value !== null && typeof value === "object" && !Object.isFrozen(value)) Object.values(Object.freeze(value)).forEach(freeze);
  return value;
}

/** Drives the core as the orchestrator does: effects that report back do so at once, or when told to. */
class Driver {
  state: State = freeze(begin(plan));
  readonly log: Effect[] = [];
  readonly pending: Event[] = [];
  readonly lazy: boolean;
  #ticket = 0;
  constructor(lazy = false) {
    this.lazy = lazy;
  }

  send(message: Envelope): number {
    const ticket = this.#ticket++;
    this.event({ type: "arrived", ticket, message });
    return ticket;
  }

  event(event: Event): void {
    const { state, effects } = step(this.state, freeze(event));
    expect(JSON.parse(JSON.stringify(state))).toEqual(state); // plain data
    this.state = freeze(state);
    for (const effect of effects) {
      this.log.push(effect);
      if (effect.type === "fold") this.pending.push({ type: "folded", round: effect.round, client: effect.client });
      if (effect.type === "merge") this.pending.push({ type: "merged", topic: effect.topic, round: effect.round });
      if (effect.type === "close") this.pending.push({ type: "closed", round: effect.round });
    }
    if (!this.lazy) this.settle();
  }

  settle(): void {
    for (let next = this.pending.shift(); next; next = this.pending.shift()) this.event(next);
  }

  reply(ticket: number) {
    const replies = this.log.filter((effect) => effect.type === "reply" && effect.ticket === ticket);
    expect(replies.length).toBeLessThanOrEqual(1);
    return replies.map((effect) => effect.type === "reply" && effect.reply)[0];
  }
}

describe("the orchestrator's core", () => {
  test("welcomes a client of the same build, and refuses one of another", () => {
    const driver = new Driver();
    const join = (build: "simd" | "relaxed"): Envelope => ({ kind: "join", client: "a", fingerprint, build });
    expect(driver.reply(driver.send(join("relaxed")))).toMatchObject({ kind: "welcome", rounds: 3 });
    expect(driver.reply(driver.send(join("simd")))).toMatchObject({ kind: "refused", code: "build", reason: expect.stringMatching(/the relaxed build .* with the simd build/) });
  });

  test("answers a pull at once while the client's update is missing, else when the next round opens", () => {
    const driver = new Driver();
    expect(driver.reply(driver.send(pull("a")))).toEqual({ kind: "model", round: 1 });
    expect(driver.reply(driver.send(update("a", 1)))).toEqual({ kind: "accepted", round: 1 });
    const waiting = driver.send(pull("a"));
    driver.send(update("b", 1));
    expect(driver.reply(waiting)).toBeUndefined();
    driver.send(update("c", 1));
    expect(driver.reply(waiting)).toEqual({ kind: "model", round: 2 });
  });

  test("acknowledges an update only when it is folded, retries included", () => {
    const driver = new Driver(true);
    const tickets = [driver.send(update("a", 1)), driver.send(update("a", 1))];
    for (const ticket of tickets) expect(driver.reply(ticket)).toBeUndefined();
    driver.settle();
    for (const ticket of tickets) expect(driver.reply(ticket)).toEqual({ kind: "accepted", round: 1 });
    expect(driver.log.filter(({ type }) => type === "fold")).toHaveLength(1);
  });

  test("wants the figures of the last round before the update of the next", () => {
    const driver = new Driver();
    for (const client of plan.clients) driver.send(update(client, 1));
    expect(driver.reply(driver.send(update("a", 2)))).toMatchObject({ kind: "refused", code: "order" });
    driver.send(gather("a", 1));
    expect(driver.reply(driver.send(update("a", 2)))).toMatchObject({ kind: "accepted" });
  });

  test("forgets a round's figures when nobody may ask for them any more", () => {
    const driver = new Driver();
    const alive = () => driver.state.gathers.map(({ topic, round }) => `${topic} ${round}`);
    const everyone = (message: (client: string) => Envelope) => plan.clients.forEach((client) => driver.send(message(client)));
    everyone((client) => gather(client, 0, "moments"));
    everyone((client) => update(client, 1));
    everyone((client) => gather(client, 1));
    expect(alive()).toEqual(["moments 0", "evaluation 1"]);
    everyone((client) => update(client, 2));
    expect(alive()).toEqual(["moments 0"]);
    expect(driver.log).toContainEqual({ type: "forget", topic: EVALUATION, round: 1 });
    expect(driver.reply(driver.send(gather("a", 1)))).toMatchObject({ code: "round" });
    expect(driver.reply(driver.send(gather("a", 0, "moments")))).toMatchObject({ kind: "gathered" });
  });

  test("does not let a client open topics without end", () => {
    const driver = new Driver();
    for (let topic = 0; topic < 64; topic++) driver.send(gather("a", 0, `t${topic}`));
    expect(driver.reply(driver.send(gather("a", 0, "one-more")))).toMatchObject({ code: "topic" });
    expect(driver.state.gathers).toHaveLength(64);
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

  test("takes every update once and reports every round once, for any interleaving of clients, retries and departures", () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 60 }), fc.nat(), (choices, seed) => {
      const driver = new Driver(true);
      // What each client says in turn; it goes on when it has been answered, as a real one.
      const scripts = plan.clients.map((client) => [
        pull(client), update(client, 1),
        pull(client), gather(client, 1), update(client, 2),
        pull(client), gather(client, 2), update(client, 3),
        pull(client), gather(client, 3),
      ]);
      const said: { ticket: number; message: Envelope }[] = [];
      const waits = (client: number) => said[client] !== undefined && driver.reply(said[client].ticket) === undefined;
      const say = (client: number, message: Envelope) => (said[client] = { ticket: driver.send(message), message });
      const advance = (client: number) => {
        const message = waits(client) ? undefined : scripts[client].shift();
        if (!message) return;
        say(client, message);
        if (message.kind !== "pull" && seed % 3 === 0) driver.send(message); // a retry beside it
      };
      for (const [choice, what] of choices) {
        const client = choice % plan.clients.length;
        if (what % 4 === 0 && driver.pending.length) driver.event(driver.pending.splice(choice % driver.pending.length, 1)[0]);
        else if (what % 4 === 1 && waits(client)) {
          driver.event({ type: "left", ticket: said[client].ticket });
          say(client, said[client].message); // it gave up waiting and asks again
        } else advance(client);
      }
      for (let turn = 0; turn < 40; turn++) {
        driver.settle();
        plan.clients.forEach((_, client) => advance(client));
      }
      driver.settle();
      const of = (type: Effect["type"]) => driver.log.filter((effect) => effect.type === type) as Extract<Effect, { round: number }>[];
      expect(of("fold").map((effect) => `${effect.round} ${(effect as { client: number }).client}`).sort())
        .toEqual([1, 2, 3].flatMap((round) => [0, 1, 2].map((client) => `${round} ${client}`)));
      expect(of("close").map(({ round }) => round)).toEqual([1, 2, 3]);
      expect(of("report").map(({ round }) => round)).toEqual([1, 2, 3]);
      expect(of("finish")).toHaveLength(1);
      expect(driver.log.some((effect) => effect.type === "reply" && effect.reply.kind === "refused")).toBe(false);
    }), { numRuns: 150 });
  });
});
