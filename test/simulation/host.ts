/**
 * @module
 * A machine in a simulation: a disk, a program on it that dies at planned moments and is started again, a
 * clock that may be off. A dead incarnation can do nothing: its timers do not fire, its promises do not
 * settle, its disk is another's.
 */
import type { Disk } from "../../src/federation/disk.ts";
import type { Random } from "../../src/kernels/random.ts";
import { Crash, SimulatedDisk, type Fault, type Operation } from "./disk.ts";
import { Process, type Schedule } from "./schedule.ts";
import type { CrashPlan, DiskFault, Moment } from "./swarm.ts";

export interface HostOptions {
  readonly name: string;
  readonly schedule: Schedule;
  /** For what becomes of its disk, and for its clock. */
  readonly random: Random;
  readonly crashes: readonly CrashPlan[];
  readonly diskFaults: readonly DiskFault[];
  /** Longest time of an fsync. */
  readonly syncMs: number;
  readonly clocks: boolean;
  /** An incarnation that is replaced may go on, without a disk. */
  readonly zombies?: boolean;
  /** Begin an incarnation. */
  readonly start: (process: Process, disk: Disk) => void;
  /** An incarnation has died; `fenced` ones go on without a disk. */
  readonly onDeath: (process: Process) => void;
  /** A file is made anew, or gone. */
  readonly onReplaced?: (path: string) => void;
}

/** Not to be answered any more. */
const NEVER: Promise<never> = new Promise(() => {});
const MUTATIONS: ReadonlySet<Operation> = new Set(["append", "write"]);

export class Host {
  readonly disk = new SimulatedDisk();
  process: Process | undefined;
  /** How often it was started. */
  starts = 0;
  readonly #options: HostOptions;
  readonly #crashes: CrashPlan[];
  readonly #faults: DiskFault[];
  /** Since the last crash, and since the last fault. */
  #operations = 0;
  #sinceFault = 0;
  #answers = 0;
  #entries = 0;
  #full = false;

  constructor(options: HostOptions) {
    this.#options = options;
    this.#crashes = [...options.crashes];
    this.#faults = [...options.diskFaults];
    this.disk.fault = (operation, path) => this.#fault(operation, path);
  }

  /** How much of what was planned for it has not happened. */
  get planned(): number {
    return this.#crashes.length + this.#faults.length;
  }

  get random(): Random {
    return this.#options.random;
  }

  boot(): void {
    const { schedule, name, clocks, random, start } = this.#options;
    const [rate, offsetMs] = clocks ? [0.5 + 1.5 * random.uniform(), 1e6 * random.uniform()] : [1, 0];
    this.#full = false;
    this.starts++;
    const process = new Process(schedule, `${name}.${this.starts}`, rate, offsetMs);
    this.process = process;
    schedule.note(`${process.name} starts`);
    this.#arm();
    start(process, this.#through(process));
  }

  /** No more faults; what is down comes up as planned. */
  calm(): void {
    this.#crashes.length = 0;
    this.#faults.length = 0;
    this.#full = false;
    if (this.process) this.process.frozenUntilMs = 0;
  }

  /** @param fenced it is replaced, and does not know it */
  die(why: string, { power = false, downMs = 1000, fenced = false }: { power?: boolean; downMs?: number; fenced?: boolean } = {}): void {
    const { schedule, random, onDeath } = this.#options;
    const { process } = this;
    if (!process) return;
    this.process = undefined;
    schedule.note(`${process.name} ${fenced ? "is replaced" : power ? "loses power" : "dies"}: ${why}`);
    if (fenced) Object.assign(process, { fenced, fencedAt: schedule.count });
    else process.alive = false;
    if (power) this.disk.crash(random);
    else this.disk.kill();
    onDeath(process);
    schedule.in(downMs, `${this.#options.name} comes back`, () => this.boot());
  }

  /** An answer leaves or arrives. @returns what is to be done: die before, die after */
  answer(kind: string): "before" | "after" | undefined {
    const plan = this.#crashes[0];
    if (plan?.moment.at !== "answer" || !isOf(plan.moment, kind) || ++this.#answers < plan.moment.count) return undefined;
    return plan.moment.sent ? "after" : "before";
  }

  /** An entry has become true, or a frame of this kind has left. @returns whether to die now */
  entry(kind: string): boolean {
    const plan = this.#crashes[0];
    return plan?.moment.at === "entry" && isOf(plan.moment, kind) && ++this.#entries >= plan.moment.count;
  }

  /** Die as planned. */
  crash(why: string): void {
    const plan = this.#crashes.shift();
    if (plan) this.die(why, { ...plan, fenced: this.#options.zombies === true && !plan.power && plan.moment.at !== "operation" });
  }

  #arm(): void {
    this.#operations = this.#answers = this.#entries = 0;
    const { process } = this;
    const moment: Moment | undefined = this.#crashes[0]?.moment;
    if (moment?.at !== "time") return;
    this.#options.schedule.in(moment.ms, `${this.#options.name} is to die`, () => {
      if (this.process === process && this.#crashes[0]?.moment === moment) this.crash("it is time");
    });
  }

  /** Whether to die at this operation, and not within it. */
  #partOfDeath(): "before" | "after" | undefined {
    const moment = this.#crashes[0]?.moment;
    return moment?.at === "operation" && moment.part && ++this.#operations >= moment.count ? moment.part : undefined;
  }

  #fault(operation: Operation, path: string): Fault | undefined {
    if (operation === "write" || operation === "rename" || operation === "remove") this.#options.onReplaced?.(path);
    if (!this.process) return undefined;
    const plan = this.#crashes[0];
    if (plan?.moment.at === "operation" && !plan.moment.part && ++this.#operations >= plan.moment.count) return "crash";
    if (this.#full && MUTATIONS.has(operation)) return "ENOSPC";
    const next = this.#faults[0];
    if (!next || ++this.#sinceFault < next.count || (next.fault === "ENOSPC" && !MUTATIONS.has(operation))) return undefined;
    this.#faults.shift();
    this.#sinceFault = 0;
    this.#full = next.fault === "ENOSPC";
    this.#options.schedule.note(`${this.process.name} ${next.fault} in ${operation} "${path}"`);
    return next.fault;
  }

  /** The disk as a process sees it: an fsync takes its time, and what the process does not survive it does not hear of. */
  #through(process: Process): Disk {
    const calls = this.disk.calls();
    const { schedule, syncMs, random } = this.#options;
    const perform = <T>(name: string, operation: () => T): Promise<T> => {
      if (process.fenced) return Promise.reject(new Error(`EIO: ${name}, the disk belongs to another process`));
      if (!process.alive) return NEVER;
      const part = this.#partOfDeath();
      try {
        const value = part === "before" ? undefined : operation();
        if (!part) return Promise.resolve(value as T);
        this.crash(`right ${part} ${name}`);
        return NEVER;
      } catch (error) {
        if (!(error instanceof Crash)) return Promise.reject(error);
        this.crash(error.message);
        return NEVER;
      }
    };
    const slowly = (name: string, operation: () => void): Promise<void> => {
      if (syncMs === 0) return perform(name, operation);
      return new Promise((resolve, reject) => {
        schedule.in(syncMs * random.uniform(), `${process.name} ${name}`, () => perform(name, operation).then(resolve, reject), process);
      });
    };
    return {
      list: (folder) => perform("list", () => calls.list(folder)),
      size: (path) => perform("size", () => calls.size(path)),
      read: (path) => perform("read", () => calls.read(path)),
      readAt: (path, offset, length) => perform("readAt", () => calls.readAt(path, offset, length)),
      append: (path, chunks) => perform("append", () => calls.append(path, chunks)),
      write: (path, bytes) => perform("write", () => calls.write(path, bytes)),
      sync: (path) => slowly("fsync", () => calls.sync(path)),
      syncFolder: (folder) => slowly("fsync of folder", () => calls.syncFolder(folder)),
      rename: (from, to) => perform("rename", () => calls.rename(from, to)),
      remove: (path) => perform("remove", () => calls.remove(path)),
      close: () => Promise.resolve(),
    };
  }
}

const isOf = ({ kind }: Extract<Moment, { readonly kind: string }>, given: string): boolean => kind === "any" || kind === given;
