/**
 * @module
 * A plant's aggregator, between the gateways of its lines and the orchestrator: it sums the updates of
 * its members and sends one. Everything else it passes on as it is.
 *
 *     gateways ─ update, int32 ─► Σ samples · update, int64 ─► orchestrator: Σ over plants ─► mean
 *
 * Integers add to the same bits in any grouping, so the model is that of a federation without plants.
 * A gateway's update is acknowledged when the orchestrator has acknowledged the sum: the aggregator keeps no
 * update longer, and one that is killed loses nothing, since its members send again. A gateway that was not
 * listening when the answer came asks again and is told the same.
 *
 * The orchestrator must know it as an aggregator, which may speak for its members.
 */
import { accumulator, countMisfits, LATTICE_BOUND } from "./accumulator.ts";
import type { Clock } from "./clock.ts";
import type { Exchange } from "./exchange.ts";
import { checkClientId, decode, encode, FrameError, MAX_GATHER_LENGTH, type Message, type RefusalCode, type Request } from "./message.ts";
import { askUntilAnswered, RefusedError, type Retry } from "./retry.ts";

export interface AggregatorOptions {
  /** As in the orchestrator's list of aggregators. */
  readonly id: string;
  /** Ids of the gateways. */
  readonly members: readonly string[];
  /** To the orchestrator. */
  readonly exchange: Exchange;
  /** (P) of the model. */
  readonly parameters: number;
  /** How long after a round's first update the sum is sent without those who are missing. */
  readonly deadlineMs: number;
  readonly clock: Clock;
  readonly retry?: Retry;
}

type Update = Extract<Request, { kind: "update" }>;
/** What a product of int32 takes; the orchestrator's own limit is lower. */
const MAX_SAMPLES = 2 ** 31 - 1;

interface Arrived {
  readonly update: Update & { readonly numbers: Int32Array };
  /** The frame's own, to tell a retry from another update. */
  readonly checksum: number;
  /** Everybody who waits for the answer: a member that asks again is told as well. */
  readonly answers: ((reply: Uint8Array) => void)[];
}

/** Updates of one round, which go into one sum. */
interface Batch {
  readonly arrived: Map<string, Arrived>;
  readonly cancel: () => void;
}

export class Aggregator {
  readonly #options: AggregatorOptions;
  /** By round and the hash of the model, which two rounds may have in common. */
  readonly #batches = new Map<string, Batch>();
  /** By member: the update that is on its way to the orchestrator. */
  readonly #sent = new Map<string, Arrived>();
  /** By member: the last update that the orchestrator has taken, without its numbers. */
  readonly #taken = new Map<string, { readonly checksum: number; readonly model: string }>();

  constructor(options: AggregatorOptions) {
    checkClientId(options.id);
    options.members.forEach(checkClientId);
    if (options.members.length === 0) throw new RangeError(`aggregator "${options.id}": "members" expected at least one id`);
    this.#options = options;
  }

  /** The aggregator as an Exchange for its members. @param sender as for Orchestrator.handle */
  readonly handle = async (request: Uint8Array, signal?: AbortSignal, sender?: string): Promise<Uint8Array> => {
    const { members, parameters, exchange } = this.#options;
    let message: Message;
    try {
      message = decode(request, Math.max(4 * parameters, 8 * MAX_GATHER_LENGTH));
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      return encode({ kind: "refused", task: "local", fingerprint: "00000000", code: error.code, reason: error.message });
    }
    const refuse = (code: RefusalCode, reason: string) => {
      const fingerprint = "fingerprint" in message ? message.fingerprint : "00000000";
      return encode({ kind: "refused", task: message.task, fingerprint, code, reason });
    };
    if (!("client" in message) || !members.includes(message.client) || (sender !== undefined && sender !== message.client)) {
      return refuse("client", `aggregator "${this.#options.id}" serves ${members.length} members, and this is none of them`);
    }
    if (message.kind !== "update") return exchange(request, signal);
    const { numbers } = message;
    if (!(numbers instanceof Int32Array)) return refuse("arithmetic", "updates here are int32 on the lattice");
    if (numbers.length !== parameters) return refuse("length", `update expected ${parameters} numbers, got ${numbers.length}`);
    if (!Number.isInteger(message.samples) || message.samples < 1 || message.samples > MAX_SAMPLES) return refuse("samples", `samples expected integer from 1 to ${MAX_SAMPLES}, got ${message.samples}`);
    if (countMisfits(numbers, LATTICE_BOUND) > 0) return refuse("values", "numbers are beyond the bound of an update; training has diverged");
    const checksum = new DataView(request.buffer, request.byteOffset, request.length).getUint32(request.length - 4, true);
    const { client, model, task, fingerprint, round } = message;
    const taken = this.#taken.get(client);
    if (taken?.checksum === checksum && taken.model === model) return encode({ kind: "accepted", task, fingerprint, round });
    return this.#collect({ ...message, numbers }, checksum, signal);
  };

  #collect(update: Arrived["update"], checksum: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
      const sent = this.#sent.get(update.client);
      if (sent?.checksum === checksum && sent.update.model === update.model) return void sent.answers.push(resolve);
      const key = `${update.round} ${update.model}`;
      const batch = this.#batches.get(key) ?? this.#begin(key);
      const earlier = batch.arrived.get(update.client);
      if (earlier) return void earlier.answers.push(resolve);
      batch.arrived.set(update.client, { update, checksum, answers: [resolve] });
      if (batch.arrived.size === this.#options.members.length) this.#send(key);
    });
  }

  #begin(key: string): Batch {
    const batch: Batch = { arrived: new Map(), cancel: this.#options.clock.after(this.#options.deadlineMs, () => this.#send(key)) };
    this.#batches.set(key, batch);
    return batch;
  }

  /** From here on what arrives for the same round is another batch. */
  #send(key: string): void {
    const batch = this.#batches.get(key);
    if (!batch) return;
    batch.cancel();
    this.#batches.delete(key);
    void this.#deliver([...batch.arrived.values()]);
  }

  async #deliver(arrived: readonly Arrived[]): Promise<void> {
    const { exchange, retry } = this.#options;
    for (const each of arrived) this.#sent.set(each.update.client, each);
    const answer = (reply: (update: Update) => Uint8Array) => {
      for (const each of arrived) {
        if (this.#sent.get(each.update.client) === each) this.#sent.delete(each.update.client);
        for (const tell of each.answers) tell(reply(each.update));
      }
    };
    try {
      await askUntilAnswered(exchange, encode(this.#sumOf(arrived)), (reply) => this.#accepted(decode(reply)), retry);
      for (const { update: { client, model }, checksum } of arrived) this.#taken.set(client, { checksum, model });
      answer(({ task, fingerprint, round }) => encode({ kind: "accepted", task, fingerprint, round }));
    } catch (error) {
      // One member that is refused, say because an aggregator before this one has sent its update, is no reason to lose the others.
      if (error instanceof RefusedError && arrived.length > 1) return void arrived.forEach((each) => void this.#deliver([each]));
      const code = error instanceof RefusedError ? error.code : "failed";
      const reason = String(error instanceof Error ? error.message : error).slice(0, 1024);
      answer(({ task, fingerprint }) => encode({ kind: "refused", task, fingerprint, code, reason }));
    }
  }

  #accepted(reply: Message): void {
    if (reply.kind === "refused") throw new RefusedError(reply.code, reply.reason);
    if (reply.kind !== "accepted") throw new RangeError(`orchestrator answered "${reply.kind}" to a sum`);
  }

  /** Members in sorted order, so that the same updates make the same frame. */
  #sumOf(arrived: readonly Arrived[]): Update {
    const sum = accumulator("lattice", this.#options.parameters);
    const sorted = [...arrived].sort((a, b) => (a.update.client < b.update.client ? -1 : 1));
    for (const { update } of sorted) sum.add(update.client, update.numbers, update.samples);
    const { task, fingerprint, round, attempt, model } = sorted[0].update;
    const members = sorted.map(({ update: { client, samples, loss } }) => ({ id: client, samples, loss }));
    const samples = members.reduce((total, each) => total + each.samples, 0);
    const loss = members.reduce((total, each) => total + each.samples * each.loss, 0) / samples;
    return { kind: "update", client: this.#options.id, task, fingerprint, round, attempt, model, members, samples, loss, numbers: sum.drainSum().sum };
  }
}
