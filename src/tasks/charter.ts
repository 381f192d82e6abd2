/**
 * @module
 * What a federation across machines is about: the JSON file that an orchestrator is started with, and the
 * part of it that its clients are told. Declarative: a client reads its own data by a task that it has
 * itself, and nothing in a charter is run.
 */
import * as z from "zod/mini";
import type { Policy } from "../federation/state.ts";
import { BUILDS, type BuildName } from "../kernels/build.ts";
import { parseSpec, texts, type ModelSpec } from "../model/spec.ts";
import type { Training } from "../model/trainer.ts";
import type { RunConfig } from "./run.ts";
import type { Task, TaskData } from "./task.ts";

/** What a client is told. */
export interface Charter {
  /** The federation's name, in every message. */
  readonly name: string;
  /** By which task a client reads its data, and which subset. */
  readonly task: string;
  readonly subset: string | null;
  readonly seed: number;
  readonly rounds: number;
  readonly build: BuildName;
  readonly spec: ModelSpec;
  /** Of the raw rows, as TaskData has it. */
  readonly data: Pick<TaskData, "settings" | "regimes" | "channels" | "rateHz" | "origin">;
}

/** What an orchestrator is started with. */
export interface FederationConfig extends Charter {
  readonly localEpochs: number;
  readonly batch: number;
  readonly clients: readonly string[];
  readonly aggregators: readonly string[];
  readonly policy: Omit<Policy, "seed">;
}

const integer = (min: number, max: number) => z.int().check(z.gte(min), z.lte(max));
const id = z.string().check(z.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, "expected 1 to 64 of A-Z a-z 0-9 . _ -, the first a letter or digit"));

const charterFields = {
  name: id,
  task: id,
  subset: z._default(z.nullable(z.string()), null),
  seed: z._default(integer(0, 2 ** 32 - 1), 1),
  rounds: integer(1, 1_000_000),
  build: z._default(z.enum(BUILDS), "simd"),
  spec: z.unknown(),
  data: z.strictObject({
    settings: integer(0, 64),
    regimes: integer(1, 64),
    channels: z.array(z.strictObject({ name: z.string().check(z.maxLength(128)), unit: z.string().check(z.maxLength(32)) })).check(z.maxLength(4096)),
    rateHz: z.nullable(z.number().check(z.gt(0))),
    origin: z.string().check(z.maxLength(1024)),
  }),
};
const charter = z.strictObject(charterFields);

const policy = z.strictObject({
  cohort: z._default(z.nullable(integer(1, 1_000_000)), null),
  closeAt: z._default(z.nullable(integer(1, 1_000_000)), null),
  minClients: z._default(integer(1, 1_000_000), 2),
  deadlineS: z._default(z.nullable(z.number().check(z.gt(0), z.lte(2 ** 30))), 3600),
  maxStaleness: z._default(integer(0, 1000), 0),
  maxSamples: z._default(integer(1, 2 ** 31 - 1), 2 ** 20),
  overweight: z._default(z.enum(["refuse", "cap"]), "refuse"),
});

const config = z.strictObject({
  ...charterFields,
  localEpochs: integer(1, 10_000),
  batch: integer(1, 65_536),
  clients: z._default(z.array(id).check(z.maxLength(100_000)), []),
  aggregators: z._default(z.array(id).check(z.maxLength(10_000)), []),
  policy: z.prefault(policy, {}),
});

/** @throws RangeError naming the field, as `place` says where it comes from */
export function parseCharter(value: unknown, place: string): Charter {
  const { spec, ...fields } = checked(charter, value, place);
  return { ...fields, spec: parseSpec(spec as Parameters<typeof parseSpec>[0]) };
}

/** @throws RangeError naming the field, as `place` says where it comes from */
export function parseConfig(value: unknown, place: string): FederationConfig {
  const { spec, policy: { deadlineS, ...rules }, ...fields } = checked(config, value, place);
  return { ...fields, spec: parseSpec(spec as Parameters<typeof parseSpec>[0]), policy: { ...rules, deadlineMs: deadlineS === null ? null : 1000 * deadlineS } };
}

function checked<T>(schema: z.ZodMiniType<T>, value: unknown, place: string): T {
  const result = schema.safeParse(value, texts);
  if (!result.success) throw new RangeError(`${place}: ${z.prettifyError(result.error).slice(0, 1024)}`);
  return result.data;
}

/** What clients are told of it. */
export function charterOf({ name, task, subset, seed, rounds, build, spec, data }: FederationConfig): Charter {
  return { name, task, subset, seed, rounds, build, spec, data };
}

/** The config of a federation like a run in one process, as JSON for people to change. */
export function configOf(name: string, { task, subset, seed, rounds, localEpochs, batch, build, spec }: RunConfig, { settings, regimes, channels, rateHz, origin }: TaskData, clients: readonly string[]) {
  return {
    name, task, subset, seed, rounds, localEpochs, batch, build,
    clients, aggregators: [],
    policy: { cohort: null, closeAt: null, minClients: clients.length === 1 ? 1 : 2, deadlineS: 3600, maxStaleness: 0, maxSamples: 2 ** 20, overweight: "refuse" },
    data: { settings, regimes, channels: channels.map(({ name, unit }) => ({ name, unit })), rateHz, origin },
    spec,
  };
}

/** How a round is trained: by the task's schedule. */
export function trainingOf(task: Pick<Task, "training">, { rounds, localEpochs, batch }: Pick<FederationConfig, "rounds" | "localEpochs" | "batch">): (round: number) => Training {
  return (round) => ({ ...task.training(round, rounds), epochs: localEpochs, batch });
}
