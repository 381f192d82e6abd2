/**
 * @module
 * Who may send a body now: so many are received at a time, a few more are in memory, and no client has more than a few
 * of them, so that one that asks for much and sends nothing does not keep the others out.
 */
import type { Clock } from "../federation/clock.ts";
import { Gate } from "./gate.ts";
import type { Transfer } from "./transfer.ts";

/** A body that takes so long, in ms, waits for its line, and gives way to another. */
const GIVE_WAY_MS = 1_000;
/** Bodies in memory at a time, for each place: those that have given way, and those that wait for the journal. */
const IN_MEMORY = 3;
/** A request that takes so long, in ms, waits for other clients, who must not wait for its place. */
const HOLD_MS = 10_000;
/** Bodies of one client at a time. */
const OF_ONE = 4;

export class Reception {
  readonly #clock: Clock;
  readonly #active: Gate;
  readonly #inMemory: Gate;
  /** Of those who have a body here or wait to. */
  readonly #own = new Map<string, { readonly gate: Gate; bodies: number }>();

  constructor(clock: Clock, concurrency: number) {
    this.#clock = clock;
    this.#active = new Gate(concurrency);
    this.#inMemory = new Gate(IN_MEMORY * concurrency);
  }

  /**
   * Begin a transfer when it is its turn. @param leaving gets what is to be called when the request is handled
   * @returns whether all bytes came; false, too, when `begin` has none to begin
   */
  async receive(client: string, begin: () => Transfer | undefined, leaving: (() => void)[]): Promise<boolean> {
    const own = this.#own.get(client) ?? { gate: new Gate(OF_ONE), bodies: 0 };
    this.#own.set(client, own);
    own.bodies++;
    leaving.push(() => --own.bodies === 0 && this.#own.delete(client));
    leaving.push(await own.gate.enter());
    const forget = await this.#inMemory.enter();
    leaving.push(forget);
    const arrived = await this.#active.enter();
    leaving.push(arrived, this.#clock.after(GIVE_WAY_MS, arrived));
    const transfer = begin();
    if (!transfer || !(await transfer.received)) return false;
    arrived();
    leaving.push(this.#clock.after(HOLD_MS, forget));
    return true;
  }
}
