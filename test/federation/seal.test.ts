import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { sha256 } from "../../src/federation/checksum.ts";
import { concat, frontOf, SEAL_BYTES, sealText, sequenceField, type Reason } from "../../src/federation/envelope.ts";
import type { Exchange } from "../../src/federation/exchange.ts";
import { guard, MAX_HELLOS, type GuardOptions, type Handle, type Refusal } from "../../src/federation/guard.ts";
import * as identity from "../../src/federation/identity.ts";
import { encode } from "../../src/federation/message.ts";
import { signRoster, type Member, type Roster } from "../../src/federation/roster.ts";
import { IdentityError, seal, SealError, type SealOptions } from "../../src/federation/seal.ts";
import { ReplayWindow, Sessions, WINDOW } from "../../src/federation/session.ts";
import { random } from "../../src/kernels/random.ts";
import * as fake from "../simulation/keys.ts";
import { factories, federate, fingerprint } from "./learner.ts";

const NOW = Date.parse("2026-06-01T00:00:00Z");
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const frameOf = (client: string, topic = "t") => encode({ kind: "gather", task: "press", client, fingerprint, topic, round: 0, numbers: Float64Array.of(1, 2) });
const topicOf = (frame: Uint8Array) => text(frame).match(/"topic":"([^"]+)"/)![1];
/** Answers with the sender and the topic. */
const echo: Handle = async (frame, _, sender) => new TextEncoder().encode(`${sender} ${topicOf(frame)}`);

/** An orchestrator behind a guard whose starts are counted, and clients whose envelopes are recorded. */
async function world({ clients = ["a", "b"], changes = {}, handle = echo }: { clients?: string[]; changes?: Record<string, Partial<Member>>; handle?: Handle } = {}) {
  const log: Refusal[] = [], handled: string[] = [];
  const state = { roster: await fake.rosterOf(clients, { changes }), wallMs: NOW, starts: 0, guard: undefined as unknown as ReturnType<typeof guard> };
  const open = (more: Partial<GuardOptions> = {}) => guard(async (frame, signal, sender) => {
    handled.push(`${sender} ${topicOf(frame)}`);
    return handle(frame, signal, sender);
  }, {
    signer: fake.signerOf("orchestrator"), verify: fake.verify, digest: fake.digest, random: fake.randomOf(`guard ${state.starts++}`),
    roster: () => state.roster, wallMs: () => state.wallMs, log: (event) => log.push(event), ...more,
  });
  state.guard = open();
  const through: Exchange = (request, signal) => state.guard(request, signal);
  const client = (id: string, { exchange = through, ...more }: Partial<SealOptions> & { exchange?: Exchange } = {}) => {
    const sent: Uint8Array[] = [], got: Uint8Array[] = [];
    const ask = seal(async (request, signal) => {
      sent.push(request);
      const reply = await exchange(request, signal);
      got.push(reply);
      return reply;
    }, { signer: fake.signerOf(id), verify: fake.verify, digest: fake.digest, random: fake.randomOf(`client ${id} ${state.starts}`), roster: state.roster, wallMs: () => state.wallMs, ...more });
    return { ask, sent, got };
  };
  const restart = () => void (state.guard = open());
  const reasons = () => log.map(({ reason }) => reason);
  return { state, log, handled, open, client, restart, through, reasons };
}

/** Of a refusal: behind magic, version, kind, two bytes, and 32 of what it is about. */
const reasonIn = (bytes: Uint8Array) => (bytes[5] === 5 ? (["envelope", "unknown", "revoked", "early", "expired", "role", "roster", "session", "window", "replayed", "signature", "sender", "flood"] as Reason[])[bytes[40]] : "none");

describe("a sealed exchange", () => {
  test("carries requests and replies, in one session, and adds at most SEAL_BYTES", async () => {
    const { client, handled, log } = await world();
    const { ask, sent, got } = client("a");
    expect(text(await ask(frameOf("a", "one")))).toBe("a one");
    expect(text(await ask(frameOf("a", "two")))).toBe("a two");
    expect({ handled, log, sent: sent.map((bytes) => bytes[5]), got: got.map((bytes) => bytes[5]) }).toEqual({ handled: ["a one", "a two"], log: [], sent: [1, 3, 3], got: [2, 4, 4] });
    expect(sent[1].length).toBe(frameOf("a", "one").length + 8 + 24 + 1 + 64);
    const long = "x".repeat(64);
    const wide = await world({ clients: [long] });
    const { ask: askLong, sent: sentLong } = wide.client(long);
    await askLong(frameOf(long));
    expect(sentLong[1].length - frameOf(long).length).toBe(SEAL_BYTES);
  });

  test("gives one orchestrator's frame to many without copying it", async () => {
    const model = new Uint8Array(1000);
    let hashed = 0;
    const { open, client, state } = await world({ handle: async () => model });
    state.guard = open({ digest: (bytes) => (bytes === model && hashed++, fake.digest(bytes)) });
    for (const id of ["a", "b"]) {
      const { ask, sent } = client(id, { exchange: async (request, signal) => {
        const parts = await state.guard.parts(request, signal);
        if (request[5] === 3) expect(parts[1]).toBe(model);
        return new Uint8Array(Buffer.concat(parts));
      } });
      expect(await ask(frameOf(id))).toEqual(model);
      expect(sent).toHaveLength(2);
    }
    expect(hashed).toBe(1);
  });

  test("shares one hello among requests that start together; when its sender leaves, the next says its own", async () => {
    const { client, through } = await world();
    const { ask, sent } = client("a");
    expect((await Promise.all(["1", "2", "3"].map((topic) => ask(frameOf("a", topic))))).map(text)).toEqual(["a 1", "a 2", "a 3"]);
    expect(sent.filter((bytes) => bytes[5] === 1)).toHaveLength(1);

    let entered = () => {};
    const stuck = new Promise<void>((resolve) => (entered = resolve));
    const [leaving, early] = [new AbortController(), new AbortController()];
    const other = client("b", { exchange: (request, signal) => {
      if (other.sent.length > 1) return through(request, signal);
      entered();
      return new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason)));
    } });
    const first = other.ask(frameOf("b", "1"), leaving.signal);
    const second = other.ask(frameOf("b", "2"));
    const third = other.ask(frameOf("b", "3"), early.signal);
    await stuck;
    early.abort(new Error("left early"));
    await expect(third).rejects.toThrow("left early");
    leaving.abort(new Error("left"));
    await expect(first).rejects.toThrow("left");
    expect(text(await second)).toBe("b 2");
    await expect(other.ask(frameOf("b", "4"), leaving.signal)).rejects.toThrow("left");
  });

  test("a signal reaches the orchestrator, and a reply may be given up", async () => {
    const { client } = await world({ handle: (_, signal) => new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason))) });
    const leaving = new AbortController();
    const answer = client("a").ask(frameOf("a"), leaving.signal);
    setTimeout(() => leaving.abort(new Error("left")), 5);
    await expect(answer).rejects.toThrow("left");
  });

  test.each<[string, Partial<Member>, Reason, boolean]>([
    ["revoked", { revoked: true }, "revoked", true],
    ["not yet valid", { notBefore: "2026-06-01T00:00:01Z" }, "early", false],
    ["no longer valid", { notAfter: "2026-06-01T00:00:00Z" }, "expired", false],
    ["with another key in the roster", { key: fake.keyOf("other") }, "signature", false],
    ["an orchestrator itself", { role: "orchestrator" }, "role", true],
  ])("is refused to a client that is %s, and the refusal is logged", async (_, change, reason, lasting) => {
    const { client, log, handled } = await world({ changes: { a: change } });
    const error = await client("a").ask(frameOf("a")).catch((error) => error);
    expect(error).toBeInstanceOf(lasting ? IdentityError : SealError);
    expect(error.reason).toBe(reason);
    expect(log[0]).toEqual({ reason, kind: "hello", client: "a", verified: false });
    expect(handled).toEqual([]);
  });

  test("is refused to who is not in the roster", async () => {
    const { client, log } = await world();
    await expect(client("mallory").ask(frameOf("mallory"))).rejects.toThrow(/"mallory" is refused by orchestrator: this id is not in its roster; add it with: millwright roster add/);
    expect(log).toEqual([{ reason: "unknown", kind: "hello", client: "mallory", verified: false }]);
  });

  test("is refused for a frame that names another client, a frame that names none, and none of it is handled", async () => {
    const { client, log, handled } = await world();
    const { ask } = client("a");
    await expect(ask(frameOf("b"))).rejects.toThrow(/the frame names another client than the key's/);
    await expect(ask(new Uint8Array(10))).rejects.toThrow(IdentityError);
    expect(log.map(({ reason, client, verified }) => ({ reason, client, verified }))).toEqual([{ reason: "sender", client: "a", verified: true }, { reason: "sender", client: "a", verified: true }]);
    expect(handled).toEqual([]);
    expect(text(await ask(frameOf("a")))).toBe("a t");
  });

  test("needs an orchestrator of the roster on the other side", async () => {
    const roster = await fake.rosterOf(["a", "b"], { changes: { line: { role: "aggregator" } } });
    const { open, client, state } = await world();
    expect(() => open({ signer: fake.signerOf("b") })).toThrow(/"signer" expected an orchestrator or aggregator of the roster, got "b", a client/);
    expect(() => open({ signer: fake.signerOf("nobody") })).toThrow(/which is not in it/);
    state.roster = roster;
    const aggregator = open({ signer: fake.signerOf("line") });
    await expect(client("a", { exchange: aggregator }).ask(frameOf("a"))).rejects.toThrow(/answered by "line", a aggregator; expected an orchestrator/);
    expect(text(await client("a", { exchange: aggregator, orchestrator: "line" }).ask(frameOf("a")))).toBe("a t");
    await expect(client("a", { orchestrator: "line" }).ask(frameOf("a"))).rejects.toThrow(/answered by "orchestrator"/);
    await expect(client("a", { exchange: open({ signer: fake.signerOf("orchestrator", fake.keyOf("other")) }) }).ask(frameOf("a"))).rejects.toThrow(/signature does not match the welcome/);
    await expect(client("a", { exchange: async () => frameOf("a") }).ask(frameOf("a"))).rejects.toThrow(/is there a guard before the orchestrator/);
  });

  test("does not let an aggregator pass a client's requests off as meant for the orchestrator", async () => {
    const { client, state, open, handled, log } = await world({ changes: { line: { role: "aggregator" } } });
    const line = fake.signerOf("line");
    // It greets the orchestrator with the client's own hello and signs the session it is given as its own.
    const relay: Exchange = async (request) => {
      const answer = await state.guard(request);
      if (answer[5] !== 2) return answer;
      const forged = open({ signer: line }); // for the shape of a welcome only
      const own = await forged(request);
      const front = own.slice(0, own.length - 64);
      front.set(answer.slice(8, 24), 8);
      return new Uint8Array([...front, ...(await line.sign(sealText(state.roster.hash, front, "a", await fake.digest(new Uint8Array(0)))))]);
    };
    await expect(client("a", { exchange: relay, orchestrator: "line" }).ask(frameOf("a"))).rejects.toThrow(SealError);
    expect(handled).toEqual([]);
    expect(log.map(({ reason }) => reason)).toContain("signature");
  });
});

describe("on a hostile network", () => {
  /** One recorded request of a session that has had none before, and what its replay would tell. */
  async function recorded() {
    const all = await world();
    const alice = all.client("a");
    await alice.ask(frameOf("a", "first"));
    const [hello, request] = alice.sent;
    return { ...all, alice, hello, request, welcome: alice.got[0], reply: alice.got[1] };
  }

  test("a replayed request is refused and logged, in its session and in the next, and after restarts", async () => {
    const { state, restart, request, handled, log, client } = await recorded();
    expect(reasonIn(await state.guard(request))).toBe("replayed");
    expect(log).toEqual([{ reason: "replayed", kind: "request", client: "a", sequence: 1, verified: false }]);
    await client("a").ask(frameOf("a", "second"));
    expect(reasonIn(await state.guard(request))).toBe("replayed");
    for (let start = 0; start < 3; start++) {
      restart();
      expect(reasonIn(await state.guard(request))).toBe("session");
      await client("a").ask(frameOf("a", `start ${start}`.replace(" ", "-")));
      expect(reasonIn(await state.guard(request))).toBe("session");
    }
    expect(handled).toEqual(["a first", "a second", "a start-0", "a start-1", "a start-2"]);
    // Two copies at the same moment: one is handled.
    const { ask, sent } = client("a", { random: fake.randomOf("twice"), exchange: async (bytes, signal) => bytes[5] === 1 ? state.guard(bytes, signal) : (await Promise.all([state.guard(bytes), state.guard(bytes)]))[0] });
    expect(text(await ask(frameOf("a", "twice")))).toBe("a twice");
    expect(handled.filter((entry) => entry === "a twice")).toHaveLength(1);
    expect(sent).toHaveLength(2);
  });

  test("an ended session's requests stay refused when its client opened others", async () => {
    const { state, request, handled, client } = await recorded();
    for (let opened = 0; opened < 6; opened++) await client("a", { random: fake.randomOf(`again ${opened}`) }).ask(frameOf("a", `more-${opened}`));
    expect(reasonIn(await state.guard(request))).toBe("session");
    expect(handled.filter((entry) => entry === "a first")).toHaveLength(1);
  });

  /** A client that puts other session bytes into its requests and signs them. */
  function clientWith(state: { guard: Exchange; roster: Roster }, id: string, session: Uint8Array) {
    const signer = fake.signerOf(id);
    return {
      ask: seal(async (bytes) => {
        if (bytes[5] === 1) return state.guard(bytes);
        const front = frontOf("request", id, session, sequenceField(9));
        const frame = frameOf(id);
        return state.guard(concat([front, frame, await signer.sign(sealText(state.roster.hash, front, "orchestrator", await fake.digest(frame)))]));
      }, { signer, verify: fake.verify, digest: fake.digest, random: fake.randomOf(id), roster: state.roster, wallMs: () => NOW }),
    };
  }

  test("a session of one client is no session of another", async () => {
    const { alice, state, log, handled } = await recorded();
    const session = alice.sent[1].slice(8, 24);
    const { ask } = clientWith(state, "b", session);
    await expect(ask(frameOf("b"))).rejects.toThrow(SealError);
    expect(log.every(({ reason, client }) => reason === "session" && client === "b")).toBe(true);
    expect(handled).toEqual(["a first"]);
  });

  test("a replayed hello is refused and logged; without its nonce being remembered it opens nothing", async () => {
    const { state, hello, alice, log, restart } = await recorded();
    expect(reasonIn(await state.guard(hello))).toBe("replayed");
    expect(log).toEqual([{ reason: "replayed", kind: "hello", client: "a", verified: true }]);
    restart();
    const first = await state.guard(hello);
    expect(first[5]).toBe(2);
    expect(text(await alice.ask(frameOf("a", "again")))).toBe("a again"); // refused once for its session, greeted anew
    expect(first.slice(8, 24)).not.toEqual(alice.got.filter((bytes) => bytes[5] === 2).at(-1)!.slice(8, 24));
  });

  test("a bit flipped anywhere in a request or a hello is refused with its reason, logged, and handled by nobody", async () => {
    const { state, client, log, handled } = await world();
    const { ask, sent } = client("a", { exchange: async (bytes, signal) => bytes[5] === 1 ? state.guard(bytes, signal) : Promise.reject(new Error("kept")) });
    await expect(ask(frameOf("a"))).rejects.toThrow("kept");
    const [hello, request] = sent;
    const expected = (at: number, bytes: Uint8Array): Reason[] => {
      const [id, body] = bytes === hello ? [76, 77] : [32, 33];
      if (at < 8) return ["envelope", ...(at === 5 || at === 6 ? ["session" as const, "signature" as const, "unknown" as const] : [])]; // another kind, a longer id
      if (at === id) return ["unknown", "envelope"]; // a character that no id has
      if (bytes === hello || at >= body) return ["signature"];
      return at < 24 ? ["session"] : ["signature", "envelope"]; // a sequence of 0 or beyond 2^53
    };
    for (const bytes of [hello, request]) {
      for (let at = 0; at < bytes.length; at++) {
        for (let bit = 0; bit < 8; bit++) {
          const flipped = bytes.slice();
          flipped[at] ^= 1 << bit;
          log.length = 0;
          const answer = reasonIn(await state.guard(flipped));
          expect(expected(at, bytes), `byte ${at}, bit ${bit}`).toContain(answer);
          expect(log.map(({ reason }) => reason), `byte ${at}`).toEqual([answer]);
        }
      }
    }
    expect(handled).toEqual([]);
    expect((await state.guard(request))[5]).toBe(4);
  });

  test("an envelope cut at any length, or one that is longer, is refused with its reason and logged", async () => {
    const { state, client, log, handled } = await world();
    const { ask, sent } = client("a", { exchange: async (bytes, signal) => bytes[5] === 1 ? state.guard(bytes, signal) : Promise.reject(new Error("kept")) });
    await expect(ask(frameOf("a"))).rejects.toThrow("kept");
    for (const bytes of sent) {
      for (let length = 0; length < bytes.length; length++) {
        expect(reasonIn(await state.guard(bytes.slice(0, length))), `length ${length}`).toBe(bytes === sent[1] && length >= 33 + 64 ? "signature" : "envelope");
      }
      expect(reasonIn(await state.guard(new Uint8Array([...bytes, 0])))).toBe(bytes === sent[1] ? "signature" : "envelope");
    }
    expect(log).toHaveLength(sent[0].length + sent[1].length + 2);
    expect(handled).toEqual([]);
  });

  test("anything else is refused as no envelope", async () => {
    const { state, reasons, log, alice } = await recorded();
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => void expect(reasonIn(await state.guard(bytes))).toBe("envelope")));
    for (const got of alice.got) expect(reasonIn(await state.guard(got))).toBe("envelope"); // a reply sent back
    expect(new Set(reasons())).toEqual(new Set(["envelope"]));
    expect(log[0]).toEqual({ reason: "envelope", verified: false });
  });

  test("a reply with a bit flipped anywhere, or cut at any length, is never taken for one", async () => {
    for (const kind of [2, 4]) {
      const { client, through } = await world();
      const { ask, got } = client("a");
      await ask(frameOf("a"));
      const { length } = got.find((bytes) => bytes[5] === kind)!;
      for (let at = 0; at < length; at++) {
        for (const damage of [(bytes: Uint8Array) => bytes.map((byte, index) => (index === at ? byte ^ (1 << at % 8) : byte)), (bytes: Uint8Array) => bytes.slice(0, at)]) {
          const damaged = client("a", { random: fake.randomOf(`${kind} ${at} ${damage}`), exchange: async (request, signal) => {
            const reply = await through(request, signal);
            return reply[5] === kind ? damage(reply) : reply;
          } });
          await expect(damaged.ask(frameOf("a")), `kind ${kind}, byte ${at}`).rejects.toThrow(SealError);
        }
      }
    }
  });

  test("swapped replies, a reply of an earlier request and one of another session are refused", async () => {
    const { client, through } = await world();
    const waiting: (() => void)[] = [];
    const replies: Uint8Array[] = [];
    const swapped = client("a", { exchange: async (request, signal) => {
      if (request[5] === 1) return through(request, signal);
      const mine = replies.push(await through(request, signal)) - 1;
      if (mine === 0) await new Promise<void>((resolve) => waiting.push(resolve));
      waiting.forEach((wake) => wake());
      return replies[1 - mine];
    } });
    const results = await Promise.allSettled([swapped.ask(frameOf("a", "one")), swapped.ask(frameOf("a", "two"))]);
    for (const result of results) expect(result).toMatchObject({ status: "rejected", reason: { name: "SealError", reason: "reply", message: expect.stringMatching(/belongs to another request/) } });

    const old: Uint8Array[] = [];
    let replay = false;
    const again = client("b", { exchange: async (request, signal) => {
      if (replay && request[5] !== 1) return old.at(-1)!;
      const reply = await through(request, signal);
      if (reply[5] === 4) old.push(reply);
      return reply;
    } });
    await again.ask(frameOf("b", "one"));
    replay = true;
    await expect(again.ask(frameOf("b", "two"))).rejects.toThrow(/expected number 2 of this session, got 1/);
    const other = client("b", { random: fake.randomOf("other"), exchange: async (request, signal) => (request[5] === 1 ? through(request, signal) : old[0]) });
    await expect(other.ask(frameOf("b"))).rejects.toThrow(/belongs to another request/);
    // One session further: the number is right, the session is not, and a signature does not move.
    const forged = client("b", { random: fake.randomOf("forged"), exchange: async (request, signal) => {
      if (request[5] === 1) return through(request, signal);
      const moved = old[0].slice();
      moved.set(request.subarray(8, 32), 8);
      return moved;
    } });
    await expect(forged.ask(frameOf("b"))).rejects.toThrow(/signature does not match the reply/);
  });

  test("the welcome of an earlier hello opens no session", async () => {
    const { client, through, alice, state, log } = await recorded();
    const old = alice.got[0];
    const { ask } = client("a", { random: fake.randomOf("later"), exchange: async (request, signal) => (request[5] === 1 ? old : through(request, signal)) });
    await expect(ask(frameOf("a"))).rejects.toThrow("the welcome belongs to another hello");
    expect({ log, starts: state.starts }).toEqual({ log: [], starts: 1 });
  });

  test("a refusal that the orchestrator did not sign for this request ends nobody's participation", async () => {
    const { client, through } = await world({ changes: { gone: { revoked: true } } });
    const gone = client("gone");
    await expect(gone.ask(frameOf("gone"))).rejects.toThrow(IdentityError);
    const refusal = gone.got[0];
    for (const forge of [() => refusal, (request: Uint8Array) => Uint8Array.from(refusal, (byte, at) => (at >= 8 && at < 40 ? request[at + 36] : byte))]) {
      let forging = true;
      const { ask } = client("a", { random: fake.randomOf(String(forge)), exchange: async (request, signal) => (forging ? forge(request) : through(request, signal)) });
      await expect(ask(frameOf("a"))).rejects.toThrow(/refusal \("revoked"\) that the orchestrator did not sign for this request/);
      forging = false;
      expect(text(await ask(frameOf("a")))).toBe("a t");
    }
    // One that was signed for this client, about another of its requests.
    let earlier: Uint8Array | undefined;
    const mixed = client("a", { exchange: async (request, signal) => earlier ?? through(request, signal) });
    await expect(mixed.ask(frameOf("b"))).rejects.toThrow(IdentityError);
    earlier = mixed.got.at(-1);
    await expect(mixed.ask(frameOf("a"))).rejects.toThrow(/refusal \("sender"\) that the orchestrator did not sign for this request/);
  });

  test("within the window requests may arrive in any order, each once; behind it none", async () => {
    const { state, client, handled } = await world();
    const kept: Uint8Array[] = [];
    const { ask } = client("a", { exchange: async (request, signal) => (request[5] === 1 ? state.guard(request, signal) : (kept.push(request), Promise.reject(new Error("kept")))) });
    for (let count = 0; count < WINDOW + 2; count++) await ask(frameOf("a", `n-${count + 1}`)).catch(() => {});
    const arrive = async (sequence: number) => reasonIn(await state.guard(kept[sequence - 1]));
    for (const sequence of [3, 1, 700, 699, WINDOW]) expect(await arrive(sequence)).toBe("none");
    for (const sequence of [3, 1, 700, 699, WINDOW]) expect(await arrive(sequence)).toBe("replayed");
    expect(await arrive(WINDOW + 2)).toBe("none");
    expect(await arrive(2)).toBe("window");
    expect(await arrive(1)).toBe("window");
    expect(await arrive(4)).toBe("none");
    expect(await arrive(WINDOW + 1)).toBe("none");
    expect(handled).toEqual(["n-3", "n-1", "n-700", "n-699", `n-${WINDOW}`, `n-${WINDOW + 2}`, "n-4", `n-${WINDOW + 1}`].map((topic) => `a ${topic}`));
  });

  test("floods of replayed and forged hellos leave nothing behind, and established sessions go on", async () => {
    const { state, client, hello, alice, reasons, log } = await recorded();
    for (let count = 0; count < 2000; count++) await state.guard(hello);
    expect(new Set(reasons())).toEqual(new Set(["replayed"]));
    log.length = 0;
    const forged = (count: number) => hello.map((byte, at) => (at >= 44 && at < 48 ? (count >> (8 * (at - 44))) & 255 : byte)); // other nonces
    for (let count = 0; count < 2000; count++) await state.guard(forged(count));
    expect(new Set(reasons())).toEqual(new Set(["signature"]));
    log.length = 0;
    const atOnce = await Promise.all(Array.from({ length: MAX_HELLOS + 500 }, (_, count) => state.guard(forged(count))));
    expect(atOnce.filter((answer) => reasonIn(answer) === "flood")).toHaveLength(500);
    expect(reasons().filter((reason) => reason === "flood")).toHaveLength(500);
    const greeted = alice.sent.length;
    expect(text(await alice.ask(frameOf("a", "still")))).toBe("a still");
    expect(alice.sent.slice(greeted).map((bytes) => bytes[5])).toEqual([3]); // no new hello
    expect(text(await client("b").ask(frameOf("b")))).toBe("b t");
  });

  test("a guard that was started again knows no session, and the request succeeds all the same", async () => {
    const { state, restart, alice, log, handled } = await recorded();
    restart();
    expect(text(await alice.ask(frameOf("a", "after")))).toBe("a after");
    expect(alice.sent.map((bytes) => bytes[5])).toEqual([1, 3, 3, 1, 3]);
    expect(log).toEqual([{ reason: "session", kind: "request", client: "a", sequence: 2, verified: false }]);
    expect(handled).toEqual(["a first", "a after"]);
    expect(state.starts).toBe(2);
  });

  test("with loss, duplication, reordering, damage and restarts every request is handled at least once and gets its own reply", async () => {
    await fc.assert(fc.asyncProperty(fc.nat(), async (seed) => {
      const { uniform } = random(seed, "network");
      const { state, restart, client, handled } = await world({ clients: ["a", "b", "c"] });
      const pause = async () => {
        for (let ticks = Math.floor(40 * uniform()); ticks > 0; ticks--) await Promise.resolve();
      };
      const wild: Exchange = async (request) => {
        await pause();
        if (uniform() < 0.1) throw new Error("request lost");
        if (uniform() < 0.05) restart();
        const deliver = async () => {
          await pause();
          return state.guard(uniform() < 0.05 ? request.map((byte, at) => (at === Math.floor(request.length * uniform()) ? byte ^ 4 : byte)) : request);
        };
        const copies = Array.from({ length: uniform() < 0.2 ? 3 : 1 }, deliver);
        const reply = await (uniform() < 0.5 ? copies[0] : Promise.race(copies));
        await pause();
        if (uniform() < 0.1) throw new Error("reply lost");
        return uniform() < 0.05 ? reply.map((byte, at) => (at === Math.floor(reply.length * uniform()) ? byte ^ 32 : byte)) : reply;
      };
      await Promise.all(["a", "b", "c"].map(async (id) => {
        const { ask } = client(id, { exchange: wild });
        await Promise.all(Array.from({ length: 6 }, async (_, index) => {
          for (let tries = 0; ; tries++) {
            expect(tries).toBeLessThan(1000);
            const reply = await ask(frameOf(id, `n-${index}`)).catch((error) => void expect(error).not.toBeInstanceOf(IdentityError));
            if (!reply) continue;
            expect(text(reply)).toBe(`${id} n-${index}`);
            expect(handled).toContain(`${id} n-${index}`);
            return;
          }
        }));
      }));
    }), { numRuns: 60 });
  });
});

describe("when the roster changes", () => {
  test("sessions begin anew, clients are handed the newer one and keep it", async () => {
    const { state, client, log } = await world();
    const kept: number[] = [];
    const { ask } = client("a", { onRoster: ({ version }) => void kept.push(version) });
    await ask(frameOf("a", "one"));
    state.roster = await fake.rosterOf(["a", "b", "d"], { version: 2 });
    expect(text(await ask(frameOf("a", "two")))).toBe("a two");
    expect({ kept, reasons: log.map(({ reason }) => reason) }).toEqual({ kept: [2], reasons: ["session"] });
    // The orchestrator's key may change with it: the client believes the root.
    state.roster = await fake.rosterOf(["a"], { version: 3, changes: { orchestrator: { key: fake.keyOf("second") } } });
    const second = (await world()).open({ signer: fake.signerOf("orchestrator", fake.keyOf("second")), roster: () => state.roster });
    state.guard = second;
    expect(text(await ask(frameOf("a", "three")))).toBe("a three");
    expect(kept).toEqual([2, 3]);
  });

  test("a revoked client is refused from then on, within its session and while it waits", async () => {
    let release = () => {};
    const { state, client, log } = await world({ handle: async (frame) => {
      if (topicOf(frame) === "long") await new Promise<void>((resolve) => (release = resolve));
      return frame;
    } });
    const { ask } = client("a");
    await ask(frameOf("a", "one"));
    const waiting = ask(frameOf("a", "long"));
    waiting.catch(() => {});
    for (let ticks = 0; ticks < 100; ticks++) await Promise.resolve();
    state.roster = await fake.rosterOf(["a", "b"], { version: 2, changes: { a: { revoked: true } } });
    await expect(ask(frameOf("a", "two"))).rejects.toThrow(/"a" is refused by orchestrator: this id was revoked/);
    release();
    await expect(waiting).rejects.toThrow(IdentityError);
    expect(log).toEqual([
      { reason: "revoked", kind: "request", client: "a", sequence: 3, verified: false },
      { reason: "revoked", kind: "request", client: "a", sequence: 2, verified: true },
    ]);
  });

  test("validity ends with the day, within a session too", async () => {
    const { state, client } = await world({ changes: { a: { notAfter: "2026-06-02T00:00:00Z" } } });
    const { ask } = client("a");
    await ask(frameOf("a"));
    state.wallMs += 86_400_000;
    const error = await ask(frameOf("a")).catch((error) => error);
    expect(error).toBeInstanceOf(SealError);
    expect(error.message).toMatch(/is not valid any more; see millwright roster show, and the clock/);
    state.wallMs -= 86_400_000;
    expect(text(await ask(frameOf("a")))).toBe("a t");
  });

  test("an orchestrator with an older roster, or another of the same version, leads nobody", async () => {
    const { client, log, handled } = await world();
    const newer = await fake.rosterOf(["a", "b"], { version: 2, changes: { b: { revoked: true } } });
    await expect(client("a", { roster: newer }).ask(frameOf("a"))).rejects.toThrow(/does not know version 2 of the roster/);
    const other = await fake.rosterOf(["a", "c"]);
    await expect(client("a", { roster: other }).ask(frameOf("a"))).rejects.toThrow(/does not know version 1/);
    expect(log).toEqual(Array(2).fill({ reason: "roster", kind: "hello", client: "a", verified: true }));
    expect(handled).toEqual([]);
  });

  test("a roster of another root, or an older one that is handed out as newer, is not taken", async () => {
    const { client, state, open } = await world();
    const root = fake.signerOf("elsewhere");
    const { format, members } = state.roster;
    const foreign = await signRoster({ format, version: 7, root: fake.keyOf("elsewhere"), members: [...members] }, root.sign, fake.digest);
    await expect(client("a", { exchange: open({ roster: () => foreign }) }).ask(frameOf("a"))).rejects.toThrow(/the orchestrator's roster: signed by another root key/);
    const mine = await fake.rosterOf(["a"], { version: 5 });
    // A guard that believes in version 4 and says it is newer than 5.
    const lying = open({ roster: () => ({ ...state.roster, version: 9 }) });
    await expect(client("a", { roster: mine, exchange: lying }).ask(frameOf("a"))).rejects.toThrow(SealError);
  });
});

describe("sessions", () => {
  test("a window says of each number whether it is new, as a set of all numbers would", () => {
    fc.assert(fc.property(fc.array(fc.oneof(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 1, max: 2 ** 53 - 1 }))), (numbers) => {
      const window = new ReplayWindow(), seen = new Set<number>();
      let highest = 0;
      for (const number of numbers) {
        const expected = highest - number >= WINDOW ? "window" : seen.has(number) ? "replayed" : undefined;
        expect(window.check(number)).toBe(expected);
        expect(window.accept(number)).toBe(expected);
        if (!expected) seen.add(number);
        highest = Math.max(highest, number);
      }
    }), { numRuns: 300 });
  });

  test("are not kept before their first request, are four a client, and end oldest first", async () => {
    const sessions = new Sessions(fake.digest, fake.randomOf("secret"));
    const [hash, other] = ["1".repeat(64), "2".repeat(64)];
    const issued = await Promise.all(Array.from({ length: 5000 }, async () => Buffer.from(await sessions.issue("a", hash)).toString("hex")));
    expect(sessions.size).toBe(0);
    expect(new Set(issued).size).toBe(5000);
    expect(await sessions.check("a", issued[9], hash, 1)).toBeUndefined();
    expect(await sessions.check("b", issued[9], hash, 1)).toBe("session");
    expect(await sessions.check("a", issued[9], other, 1)).toBe("session");
    for (const at of [10, 3, 7, 5, 4, 100]) sessions.accept("a", issued[at], hash, 1);
    expect(sessions.size).toBe(4);
    const alive = await Promise.all([3, 4, 5, 6, 7, 10, 100].map((at) => sessions.check("a", issued[at], hash, 1)));
    expect(alive).toEqual(["session", "session", "replayed", undefined, "replayed", "replayed", "replayed"]);
    expect(sessions.accept("a", issued[3], hash, 2)).toBe("session");
    expect(sessions.accept("a", issued[200], other, 1)).toBeUndefined(); // of a newer roster: the others are over
    expect(sessions.size).toBe(1);
    expect(sessions.accept("a", issued[50], other, 1)).toBe("session"); // checked before another ended
    const elsewhere = new Sessions(fake.digest, fake.randomOf("another secret"));
    expect(await elsewhere.check("a", issued[9], hash, 1)).toBe("session");
  });
});

test("a federation with real keys gives the same model as one without", async () => {
  const plain = await federate();
  const keys = new Map(await Promise.all([...factories.map(({ id }) => id), "orchestrator", "root"].map(async (id) => [id, await identity.generateKeys()] as const)));
  const key = (id: string) => identity.publicKeyOf(keys.get(id)!.publicPem);
  const signer = (id: string) => identity.signerOf(id, keys.get(id)!.privatePem);
  const members = [...keys.keys()].filter((id) => id !== "root").sort()
    .map((id): Member => ({ id, key: key(id), role: id === "orchestrator" ? id : "client", organisation: "Test" }));
  const roster = await signRoster({ format: "millwright roster 1", version: 1, root: key("root"), members }, (await signer("root")).sign, sha256);
  const real = { verify: identity.verify, digest: sha256, random: (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes)), wallMs: () => NOW };
  const log: Refusal[] = [], senders = new Set<string>();
  const [own, signers] = [await signer("orchestrator"), new Map(await Promise.all(factories.map(async ({ id }) => [id, await signer(id)] as const)))];
  let next = 0;
  let guarded: Exchange | undefined;
  const sealed = await federate({}, (handle) => {
    guarded ??= guard((frame, signal, sender) => (senders.add(sender), handle(frame, signal)), { signer: own, roster: () => roster, log: (event) => log.push(event), ...real });
    return seal(guarded, { signer: signers.get(factories[next++].id)!, roster, ...real });
  });
  expect(sealed.sha256).toBe(plain.sha256);
  expect({ log, senders: senders.size }).toEqual({ log: [], senders: factories.length });
});
