/**
 * @module
 * A whole federation in one thread: the orchestrator with its store, factories with their outboxes, perhaps
 * an aggregator between them; each on a machine of its own (host.ts), with a network between them.
 */
import { Aggregator } from "../../src/federation/aggregator.ts";
import { crc32 } from "../../src/federation/checksum.ts";
import { FactoryClient, RefusedError } from "../../src/federation/client.ts";
import type { Digest } from "../../src/federation/clock.ts";
import type { Disk } from "../../src/federation/disk.ts";
import type { Exchange } from "../../src/federation/exchange.ts";
import { guard } from "../../src/federation/guard.ts";
import { HEADER_BYTES, readJournal } from "../../src/federation/journal.ts";
import { Orchestrator } from "../../src/federation/orchestrator.ts";
import { diskOutbox } from "../../src/federation/outbox.ts";
import type { Roster } from "../../src/federation/roster.ts";
import { IdentityError, seal } from "../../src/federation/seal.ts";
import { DamageError, openStore, readStore } from "../../src/federation/store.ts";
import { random, type Random } from "../../src/kernels/random.ts";
import { Checker, kindOf } from "./checker.ts";
import { Host } from "./host.ts";
import { randomOf, rosterOf, signerOf, verify } from "./keys.ts";
import { toyLearner } from "./learner.ts";
import { CALM, Network, type Address, type Line } from "./network.ts";
import { Reference, sha256, Violation } from "./reference.ts";
import { Schedule, type Process } from "./schedule.ts";
import type { Swarm } from "./swarm.ts";

const FINGERPRINT = "ab".repeat(8);
const WALL_MS = Date.parse("2030-01-01T00:00:00Z");
const DAY_MS = 86_400_000;
/** Events of the longest run that is not stuck. */
const MAX_EVENTS = 200_000;
const TOPIC = "moments";

interface Factory {
  readonly id: string;
  readonly index: number;
  readonly samples: number;
  readonly host: Host;
  readonly line: Line;
  wallMs: number;
  done: boolean;
}

interface Flip {
  readonly path: string;
  readonly bit: number;
  /** In the last segment, and a record behind it says that it was durable: a start that goes on has lost it. */
  readonly proven: boolean;
}

export class Federation {
  readonly schedule: Schedule;
  readonly checker: Checker;
  readonly swarm: Swarm;
  readonly #seed: number;
  readonly #network: Network;
  readonly #chaos: Random;
  readonly #factories: Factory[];
  readonly #orchestratorHost: Host;
  readonly #aggregatorHost: Host | undefined;
  readonly #orchestratorAddress: Address = { name: "orchestrator", now: undefined, before: undefined };
  readonly #aggregatorAddress: Address = { name: "line", now: undefined, before: undefined };
  readonly #aggregatorLine: Line = lineOf("line");
  readonly #parameters: Float32Array;
  #orchestrator: Orchestrator | undefined;
  #roster: Roster | undefined;
  #finished = false;
  #faulty = true;
  #violation: unknown;
  readonly #flips: Flip[] = [];
  #flipsLeft: number;
  #orchestratorWallMs = 0;

  constructor(seed: number, swarm: Swarm) {
    this.#seed = seed;
    this.swarm = swarm;
    this.schedule = new Schedule(random(seed, "ties"));
    this.#chaos = random(seed, "chaos");
    this.#flipsLeft = swarm.flips;
    const { schedule } = this;
    this.#network = new Network(schedule, random(seed, "network"), { ...swarm.network, delayMs: 5 });
    const initial = random(seed, "model");
    this.#parameters = Float32Array.from({ length: swarm.parameters }, () => 2 * initial.uniform() - 1);
    const ids = Array.from({ length: swarm.clients }, (_, index) => `plant-${String(index + 1).padStart(2, "0")}`);
    const aggregators = swarm.members > 0 ? ["line"] : [];
    const policy = { ...swarm.policy, maxSamples: swarm.maxSamples };
    this.checker = new Checker(new Reference({ clients: ids, aggregators, rounds: swarm.rounds, parameters: this.#parameters, policy, float32: swarm.arithmetic === "float32" }), schedule, swarm.enrol);

    const draws = random(seed, "factories");
    const cap = swarm.policy.overweight === "cap" && swarm.members === 0 ? 2 * swarm.maxSamples : swarm.maxSamples;
    this.#factories = ids.map((id, index) => ({ id, index, samples: 1 + draws.integer(cap), host: this.#factoryHost(id, index), line: lineOf(id), wallMs: 0, done: false }));
    this.#orchestratorHost = new Host({
      name: "orchestrator", schedule, random: random(seed, "orchestrator"), crashes: swarm.crashes, diskFaults: swarm.diskFaults, syncMs: swarm.syncMs, clocks: swarm.clocks, zombies: swarm.zombies,
      start: (process, disk) => this.#startOrchestrator(process, disk),
      onDeath: (process) => this.#orchestratorDied(process),
      onReplaced: (path) => this.#flips.splice(0, Infinity, ...this.#flips.filter((flip) => flip.path !== path)),
    });
    this.#aggregatorHost = swarm.members === 0 ? undefined : new Host({
      name: "line", schedule, random: random(seed, "line"), crashes: swarm.aggregatorCrashes, diskFaults: [], syncMs: 0, clocks: swarm.clocks,
      start: (process) => this.#startAggregator(process),
      onDeath: (process) => {
        this.#network.reset(process);
        this.#aggregatorAddress.now = undefined;
      },
    });
  }

  /** How many planned crashes and failures of disks have not happened. */
  get planned(): number {
    return [this.#orchestratorHost, this.#aggregatorHost, ...this.#factories.map(({ host }) => host)].reduce((sum, host) => sum + (host?.planned ?? 0), 0);
  }

  /** @throws Violation, or whatever is thrown where nothing should be */
  async run(): Promise<void> {
    const { schedule, swarm, checker } = this;
    if (swarm.seal) this.#roster = await this.#makeRoster();
    this.#orchestratorHost.boot();
    this.#aggregatorHost?.boot();
    for (const { host } of this.#factories) schedule.in(200 * this.#chaos.uniform(), "a factory comes", () => host.boot());
    this.#planChaos();
    schedule.in(swarm.faultsMs, "faults end", () => this.#calm());
    schedule.afterEach = () => {
      if (this.#violation) throw this.#violation;
      if (schedule.count > MAX_EVENTS) throw new Violation("I8", `still not over after ${MAX_EVENTS} events`);
    };
    await schedule.run(() => this.#finished && this.#factories.every(({ done }) => done));
    if (!this.#finished || this.#factories.some(({ done }) => !done)) throw this.#stuck("nothing is left to happen");
    schedule.afterEach();
    await checker.ended(this.#diskOf(this.#files()), swarm.keepSegments === null);
  }

  // The orchestrator

  #startOrchestrator(process: Process, disk: Disk): void {
    this.#flip().then(() => this.#open(process, disk)).catch(async (error) => {
      if (!process.alive || process.fenced) return;
      if (error instanceof Violation) return this.#fail(error);
      if (error instanceof DamageError && (await this.#isOtherSlotWhole())) return this.#fail(new Violation("I7", `one damaged snapshot of two stops the start: ${error.message}`));
      if (error instanceof DamageError && this.#unflip()) return this.#orchestratorHost.die(`alarm: ${error.message}`);
      if (isDiskError(error)) return this.#orchestratorHost.die(`cannot start: ${(error as Error).message}`, { downMs: 500 });
      this.#fail(new Violation("crash", `the orchestrator cannot start: ${(error as Error).stack}`));
    });
  }

  async #open(process: Process, disk: Disk): Promise<void> {
    const { swarm, checker, schedule } = this;
    const digest = this.#digestOf(process);
    const opened = await openStore(disk, { digest, keepSegments: swarm.keepSegments ?? undefined, random: randomOf(`${this.#seed} salt`) });
    const missed = this.#flips.find(({ proven }) => proven);
    if (missed) throw new Violation("I7", `bit ${missed.bit} of "${missed.path}" has changed, a record behind it says that it was durable, and the start takes it for a torn tail`);
    await checker.recovered(this.#diskOf(this.#files()), swarm.keepSegments === null);
    const { reference } = checker;
    const { maxSamples, ...policy } = reference.options.policy;
    const orchestrator = await Orchestrator.open({
      clients: reference.options.clients, aggregators: reference.options.aggregators, parameters: this.#parameters, rounds: swarm.rounds, fingerprint: FINGERPRINT,
      arithmetic: swarm.arithmetic, policy, limits: { samples: maxSamples }, clock: process.clock, digest,
      onRound: (report, parameters) => this.#watch(() => checker.report(report, parameters)),
      onEntry: (entry) => this.#watch(() => {
        if (!process.alive) return;
        checker.entry(entry, process);
        if (this.#orchestratorHost.process === process && this.#orchestratorHost.entry(entry.kind)) this.#orchestratorHost.crash(`"${entry.kind}" has become true`);
      }),
    }, opened);
    if (!process.alive || process.fenced) return;
    checker.restarted(orchestrator, opened.store.epoch);
    schedule.note(`${process.name} is open, epoch ${opened.store.epoch}, round ${orchestrator.state.round}, attempt ${orchestrator.state.attempt}, ${orchestrator.state.phase}`);
    this.#orchestrator = orchestrator;
    this.#orchestratorAddress.now = { process, handle: this.#guarded(this.#watched(orchestrator, process), process) };
    orchestrator.finished.then(({ sha256: hash }) => this.#watch(() => {
      if (process.fenced || !process.alive) return;
      if (!checker.reference.isDone || hash !== checker.reference.model) throw new Violation("I5", `the run ends with ${hash}, the reference with ${checker.reference.model}`);
      this.#finished = true;
    }), (error) => {
      if (process.alive && !process.fenced && !isDiskError(error)) this.#fail(new Violation("crash", `the orchestrator failed: ${error.stack}`));
    });
    orchestrator.stopped.then((error) => {
      if (process.alive && !process.fenced) this.#orchestratorHost.die(`stopped: ${error.message}`, { downMs: 500 });
    });
  }

  /** Every reply is looked at when it leaves, and is a moment to die. */
  #watched(orchestrator: Orchestrator, process: Process): (frame: Uint8Array, signal: AbortSignal | undefined, sender?: string) => Promise<Uint8Array> {
    return async (frame, signal, sender) => {
      if (whole(frame)) this.checker.arrives(frame);
      const reply = await orchestrator.handle(frame, signal, sender);
      if (!process.alive) return never();
      this.#watch(() => this.checker.leaves(frame, reply, process));
      const host = this.#orchestratorHost;
      const doom = host.process === process ? host.answer(kindOf(reply)) : undefined;
      if (doom === "before") {
        host.crash("an answer is about to leave");
        return process.alive ? reply : never();
      }
      if (doom === "after") this.schedule.in(0, "an answer has left", () => host.process === process && host.crash("an answer has left"));
      return reply;
    };
  }

  #guarded(handle: (frame: Uint8Array, signal: AbortSignal | undefined, sender?: string) => Promise<Uint8Array>, process: Process, id = "orchestrator"): Exchange {
    const roster = this.#roster;
    if (!roster) return (frame, signal) => handle(frame, signal);
    return guard(handle, {
      signer: signerOf(id), verify, roster: () => roster, digest, random: randomOf(`${this.#seed} ${process.name}`), log: () => {},
      wallMs: () => WALL_MS + this.schedule.nowMs + (id === "orchestrator" ? this.#orchestratorWallMs : 0),
    });
  }

  #orchestratorDied(process: Process): void {
    const address = this.#orchestratorAddress;
    if (process.fenced && address.now) {
      address.before = address.now;
      for (const { line } of this.#factories) {
        line.misledFromMs = this.schedule.nowMs + 6000 * this.#chaos.uniform() ** 2;
        line.misledToMs = line.misledFromMs + 6000 * this.#chaos.uniform();
      }
      this.schedule.in(15_000, `${process.name} ends`, () => this.#endOf(process));
    } else {
      process.alive = false;
      this.#network.reset(process);
    }
    address.now = undefined;
    this.#orchestrator = undefined;
  }

  #endOf(process: Process): void {
    process.alive = false;
    this.#network.reset(process);
  }

  /** Hashing takes time, as it does on other threads. */
  #digestOf(process: Process): Digest {
    const { digestMs } = this.swarm;
    if (digestMs === 0) return digest;
    return (bytes) => {
      const hash = sha256(bytes);
      return new Promise((resolve) => {
        this.schedule.in(digestMs * this.#chaos.uniform(), `${process.name} digest`, () => resolve(hash), process);
      });
    };
  }

  // Factories and the aggregator

  #factoryHost(id: string, index: number): Host {
    const { swarm, schedule } = this;
    const own = <T extends { readonly client: number }>(plans: readonly T[]) => plans.filter(({ client }) => client === index);
    return new Host({
      name: id, schedule, random: random(this.#seed, "factory", index), crashes: own(swarm.clientCrashes), diskFaults: own(swarm.clientDiskFaults), syncMs: swarm.syncMs, clocks: swarm.clocks,
      start: (process, disk) => this.#startFactory(this.#factories[index], process, disk),
      onDeath: () => {},
    });
  }

  #startFactory(factory: Factory, process: Process, disk: Disk): void {
    const { id, index, samples, host, line } = factory;
    const { swarm, checker } = this;
    const address = index < swarm.members ? this.#aggregatorAddress : this.#orchestratorAddress;
    const exchange = this.#sealed(id, address.name, process, this.#network.connect(process, line, address), () => factory.wallMs);
    const learner = toyLearner({
      parameters: swarm.parameters, seed: 1000 * index + host.starts, samples, idle: (this.#seed + index) % 7 === 0,
      work: () => new Promise((resolve) => process.clock.after(swarm.trainMs * (0.5 + 0.5 * host.random.uniform()), resolve)),
      onFit: (round, before, after, count) => this.#watch(() => checker.fits(id, process, round, before, after, count)),
      onEvaluate: () => this.#watch(() => checker.evaluates(id, process)),
    });
    const retry = { clock: process.clock, random: () => host.random.uniform(), firstMs: 200, mostMs: 3000, isFinal: (error: unknown) => error instanceof IdentityError };
    const client = new FactoryClient({ id, learner, fingerprint: FINGERPRINT, retry, digest, outbox: diskOutbox(disk), exchange: this.#asked(factory, process, exchange) });
    const gathered = swarm.gather ? client.gather(TOPIC, Float64Array.of(index + 0.1, samples / 3)) : Promise.resolve();
    gathered.then(() => client.run()).then((parameters) => this.#watch(() => {
      if (!process.alive) return;
      checker.finished(id, parameters);
      this.schedule.note(`${process.name} is done`);
      factory.done = true;
    }), (error) => {
      if (!process.alive) return;
      const refused = error instanceof RefusedError && error.code === "client" && swarm.enrol;
      if (!refused && !isDiskError(error)) return this.#fail(new Violation("crash", `${process.name} failed: ${(error as Error).stack}`));
      host.die((error as Error).message, { downMs: 300 + 2000 * host.random.uniform() });
    });
  }

  /** @param answers who has to */
  #sealed(id: string, answers: string, process: Process, exchange: Exchange, wallMs = () => 0): Exchange {
    const roster = this.#roster;
    if (!roster) return exchange;
    return seal(exchange, { signer: signerOf(id), verify, roster, digest, random: randomOf(`${this.#seed} ${process.name}`), wallMs: () => WALL_MS + this.schedule.nowMs + wallMs(), orchestrator: answers });
  }

  /** Every request of a client is looked at when it leaves, every reply when it arrives; each is a moment to die. */
  #asked({ id, host }: Factory, process: Process, exchange: Exchange): Exchange {
    return async (request, signal) => {
      const kind = kindOf(request);
      this.#watch(() => this.checker.asks(id, process, request));
      const answer = exchange(request, signal);
      if (kind === "update" && host.process === process && host.entry("update")) this.schedule.in(0, "an update has left", () => host.process === process && host.crash("an update has left"));
      const reply = await answer;
      if (!process.alive) return never();
      const heard = whole(reply);
      if (heard) this.#watch(() => this.checker.hears(id, process, request, reply));
      const doom = heard ? host.answer(kindOf(reply)) : undefined;
      if (doom === "before") {
        host.crash("an answer is not heard");
        return never();
      }
      if (doom === "after") this.schedule.in(0, "an answer is heard", () => host.process === process && host.crash("an answer is heard"));
      return reply;
    };
  }

  #startAggregator(process: Process): void {
    const { swarm } = this;
    const host = this.#aggregatorHost!;
    const members = this.#factories.slice(0, swarm.members).map(({ id }) => id);
    const retry = { clock: process.clock, random: () => host.random.uniform(), firstMs: 200, mostMs: 3000 };
    const exchange = this.#sealed("line", "orchestrator", process, this.#network.connect(process, this.#aggregatorLine, this.#orchestratorAddress));
    const aggregator = new Aggregator({ id: "line", members, exchange, parameters: swarm.parameters, deadlineMs: 2 * swarm.trainMs, clock: process.clock, retry });
    this.#aggregatorAddress.now = {
      process,
      handle: this.#guarded(async (frame, signal, sender) => {
        const reply = await aggregator.handle(frame, signal, sender);
        const doom = host.process === process ? host.answer(kindOf(reply)) : undefined;
        if (doom) host.crash("an answer of the aggregator is not sent");
        return process.alive ? reply : never();
      }, process, "line"),
    };
  }

  // What goes wrong, and what is over

  #planChaos(): void {
    const { swarm, schedule } = this;
    const now = (meanMs: number, label: string, what: () => void) => {
      const next = () => schedule.in(2 * meanMs * this.#chaos.uniform(), label, () => {
        if (!this.#faulty) return;
        what();
        next();
      });
      next();
    };
    if (swarm.partitionMs !== null) now(swarm.partitionMs, "a partition", () => this.#partition());
    if (swarm.clocks) now(3000, "a clock is off", () => this.#disturbClock());
    if (swarm.enrol) now(3000, "who takes part changes", () => this.#enrol());
  }

  #partition(): void {
    const untilMs = this.schedule.nowMs + 5000 * this.#chaos.uniform();
    const direction = this.#chaos.integer(3);
    const lines = [...this.#factories.map(({ line }) => line), this.#aggregatorLine];
    for (const line of lines) {
      if (this.#chaos.uniform() < 0.5) continue;
      if (direction !== 0) line.upBlockedMs = untilMs;
      if (direction !== 1) line.downBlockedMs = untilMs;
    }
  }

  #disturbClock(): void {
    const hosts = [this.#orchestratorHost, ...this.#factories.map(({ host }) => host)];
    const { process } = hosts[this.#chaos.integer(hosts.length)];
    if (process && this.#chaos.uniform() < 0.5) process.frozenUntilMs = this.schedule.nowMs + 4000 * this.#chaos.uniform();
    const jumpMs = DAY_MS * (4 * this.#chaos.uniform() - 2);
    if (this.#chaos.uniform() < 0.3) this.#orchestratorWallMs = jumpMs;
    else this.#factories[this.#chaos.integer(this.#factories.length)].wallMs = jumpMs;
  }

  #enrol(): void {
    const { clients, aggregators } = this.checker.reference.options;
    const kept = clients.filter(() => this.#chaos.uniform() < 0.7);
    this.#orchestrator?.enrol(kept.length > 0 ? kept : clients, aggregators);
  }

  #calm(): void {
    const { schedule, swarm } = this;
    this.#faulty = false;
    this.#network.weather = { ...CALM, pollMs: swarm.network.pollMs, patienceMs: 8000 };
    this.#orchestratorWallMs = 0;
    for (const host of [this.#orchestratorHost, this.#aggregatorHost, ...this.#factories.map(({ host }) => host)]) host?.calm();
    for (const line of [this.#aggregatorLine, ...this.#factories.map(({ line }) => line)]) line.upBlockedMs = line.downBlockedMs = line.misledToMs = 0;
    for (const factory of this.#factories) factory.wallMs = 0;
    if (this.#orchestratorAddress.before) this.#endOf(this.#orchestratorAddress.before.process);
    if (swarm.enrol) this.#enrolAll();
    schedule.in(this.#boundMs(), "it should be over", () => this.#fail(this.#stuck("the faults are over for long")));
  }

  /** As often as it takes: a change that was on its way may still become true. */
  #enrolAll(): void {
    const { clients, aggregators } = this.checker.reference.options;
    if (this.checker.reference.clients.length < clients.length) this.#orchestrator?.enrol(clients, aggregators);
    this.schedule.in(500, "everybody takes part", () => this.#enrolAll());
  }

  /** Virtual time in which a run must end when nothing goes wrong any more (I8). */
  #boundMs(): number {
    const { rounds, trainMs, network: { pollMs, patienceMs }, policy: { deadlineMs, cohort, minClients }, syncMs, clients } = this.swarm;
    const attempts = cohort === null ? 2 : Math.ceil(minClients / cohort) + 2;
    return 30_000 + rounds * (attempts + 1) * ((2 * (deadlineMs ?? 0)) + 4 * trainMs + pollMs + patienceMs + 100 * syncMs + 3000) + clients * 1000;
  }

  #stuck(why: string): Violation {
    const state = this.#orchestrator?.state;
    const open = this.#factories.filter(({ done }) => !done).map(({ id }) => id);
    return new Violation("I8", `${why}, and ${open.join(", ") || "nobody"} is not done; the orchestrator is ${state ? `in round ${state.round}, attempt ${state.attempt}, ${state.phase}, invited ${state.cohort}, has ${Object.keys(state.updates)}` : "down"}`);
  }

  /** A bit changes while the orchestrator is down. */
  async #flip(): Promise<void> {
    if (this.#flipsLeft === 0 || !this.#faulty) return;
    const files = [...this.#files().entries()].filter(([, bytes]) => bytes.length > 0).sort(([a], [b]) => (a < b ? -1 : 1));
    const last = files.map(([path]) => path).filter((path) => path.startsWith("journal-0")).at(-1);
    if (!last || this.#flips.some(({ proven }) => proven)) return; // another flip might hit what proves it
    this.#flipsLeft -= 1;
    // There are two snapshots and perhaps many segments.
    const slots = files.filter(([path]) => path.startsWith("snapshot-"));
    const among = slots.length > 0 && this.#chaos.uniform() < 0.4 ? slots : files;
    const [path, bytes] = among[this.#chaos.integer(among.length)];
    // What was written last cannot be told from a torn tail when it is damaged: nothing behind it says that it was durable.
    const records = path === last && this.#flips.length === 0 && this.#chaos.uniform() < 0.7 ? await this.#provenRecords(last) : [];
    const [from, to] = records.length > 0 ? records[this.#chaos.integer(records.length)] : [0, path === last ? 4096 : bytes.length];
    const bit = 8 * from + this.#chaos.integer(8 * (to - from));
    this.#orchestratorHost.disk.flip(path, bit);
    this.#flips.push({ path, bit, proven: records.length > 0 });
    this.schedule.note(`bit ${bit} of "${path}" flips`);
  }

  /** Where the records of the last segment lie that a later one proves to have been durable, without their padding. */
  async #provenRecords(segment: string): Promise<(readonly [from: number, to: number])[]> {
    const disk = this.#diskOf(this.#files());
    const records = [];
    for await (const { sequence, synced, offset, body } of readJournal(disk, [segment], digest)) records.push({ sequence, synced, from: offset, to: offset + HEADER_BYTES + body.length });
    const proven = Math.max(0, ...records.map(({ synced }) => synced));
    return records.filter(({ sequence }) => sequence <= proven).map(({ from, to }) => [from, to]);
  }

  /** Nothing is damaged but one of two whole snapshots: the other one and the journal have what it said. */
  async #isOtherSlotWhole(): Promise<boolean> {
    if (this.#flips.length !== 1 || !this.#flips[0].path.startsWith("snapshot-")) return false;
    const { snapshots } = await readStore(this.#diskOf(this.#files()), { digest });
    return snapshots.length === 2;
  }

  /** Somebody brings the files back. @returns whether there was anything wrong with them */
  #unflip(): boolean {
    const flips = this.#flips.splice(0);
    for (const { path, bit } of flips) this.#orchestratorHost.disk.flip(path, bit);
    return flips.length > 0;
  }

  /** The orchestrator's files as they should be: to be looked at before anything else happens. */
  #files(): Map<string, Uint8Array> {
    const files = this.#orchestratorHost.disk.files();
    for (const path of new Set(this.#flips.map(({ path }) => path))) files.set(path, files.get(path)!.slice());
    for (const { path, bit } of this.#flips) files.get(path)![bit >>> 3] ^= 1 << (bit & 7);
    return files;
  }

  /** To be read only. */
  #diskOf(files: ReadonlyMap<string, Uint8Array>): Disk {
    return {
      list: async () => [...files.keys()],
      size: async (path: string) => files.get(path)?.length,
      read: async (path: string) => files.get(path),
      readAt: async (path: string, offset: number, length: number) => files.get(path)!.subarray(offset, offset + length),
    } as unknown as Disk;
  }

  #makeRoster(): Promise<Roster> {
    const time = (ms: number) => new Date(ms).toISOString().replace(".000", "");
    const valid = { notBefore: time(WALL_MS - DAY_MS), notAfter: time(WALL_MS + DAY_MS) };
    const ids = this.#factories.map(({ id }) => id);
    const changes = this.swarm.clocks ? Object.fromEntries(ids.map((id) => [id, valid])) : {};
    return rosterOf(ids, { changes: { ...changes, ...(this.swarm.members > 0 && { line: { role: "aggregator" } }) } });
  }

  #watch(look: () => void): void {
    try {
      look();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#violation ??= error;
  }
}

const digest: Digest = async (bytes) => sha256(bytes);
const never = (): Promise<never> => new Promise(() => {});
const lineOf = (name: string): Line => ({ name, upBlockedMs: 0, downBlockedMs: 0, misledFromMs: 0, misledToMs: 0 });

/** The operating system said so, however deep in. */
function isDiskError(error: unknown): boolean {
  for (let each = error; each instanceof Error; each = each.cause) if (/^(ENOSPC|EIO)/.test(each.message)) return true;
  return false;
}

/** Whether a frame has come through as it was sent. */
function whole(frame: Uint8Array): boolean {
  const end = frame.length - 4;
  return end >= 16 && new DataView(frame.buffer, frame.byteOffset, frame.length).getUint32(end, true) === crc32(frame.subarray(0, end));
}
