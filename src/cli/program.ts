/**
 * @module
 * The command line as a function: arguments in, exit code out. Streams, clock and signals are handed in.
 *
 *     0 done   1 a fault of ours, with its stack   2 refused input, one line   130 interrupted
 */
import { availableParallelism } from "node:os";
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { BUILDS } from "../kernels/build.ts";
import { loadEngine, type Engine } from "./engine.ts";
import { evaluate, type EvaluateOptions } from "./evaluate.ts";
import { exportModel } from "./export.ts";
import { describeFederation } from "./federation.ts";
import { inspect } from "./inspect.ts";
import { plan, type PlanOptions } from "./plan.ts";
import { describeRoster } from "./roster.ts";
import { trainStudy } from "./study.ts";
import { train, type TrainOptions } from "./train.ts";
import { VERSION } from "./version.ts";

export interface Io {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** Whether a person reads along, so that what was written may be written over. */
  readonly terminal?: boolean;
  /** What relative paths start from. */
  readonly directory: string;
  readonly nowMs: () => number;
  readonly onInterrupt: (listener: () => void) => void;
}

const MAX_WORKERS = 64;

export async function main(argv: readonly string[], io: Io, load: () => Promise<Engine> = loadEngine): Promise<number> {
  let exitCode = 0;
  try {
    const program = describe(io, await load(), async (command) => {
      exitCode = await command;
    });
    await program.parseAsync(argv, { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (!isRefusal(error)) {
      io.stderr(`millwright: this is a fault of millwright, not of your input\n${error instanceof Error ? error.stack : String(error)}\n`);
      return 1;
    }
    io.stderr(`millwright: ${error.message.replace(/\s*\n\s*/g, "; ")}\n`);
    return 2;
  }
}

export type Perform = (exitCode: Promise<number>) => Promise<void>;

function describe(io: Io, engine: Engine, perform: Perform): Command {
  const program = new Command("millwright")
    .description("Train one model across factories without moving their data.")
    .version(VERSION)
    .exitOverride()
    .configureOutput({
      writeOut: io.stdout,
      writeErr: io.stderr,
      outputError: (text, write) => write(text.replace(/^error: /, "millwright: ")),
    });
  const workers = new Option("--workers <N>", "how many factories train at the same time; the result is the same for any number")
    .argParser(integer(1, MAX_WORKERS))
    .default(Math.min(availableParallelism(), MAX_WORKERS), "number of cores");
  const block = new Option("--block <STEPS>", "keep the gates of so many time steps and compute the others again: less memory, about 1.3 times the time, the same result")
    .argParser(integer(1, 1_000_000));

  program
    .command("train")
    .description("train federatedly and write a run folder")
    .addArgument(new Argument("<task>", "what to learn").choices([...new Set([...engine.tasks, ...engine.studies].map(({ name }) => name))]))
    .option("--data <DIR>", "folder with the files of the data set")
    .option("--factories <K>", "number of factories", integer(1, 10_000))
    .option("--rounds <R>", "rounds of the federation", integer(1, 1_000_000))
    .option("--local-epochs <E>", "epochs a factory trains in a round", integer(1, 10_000))
    .option("--batch <B>", "windows in a gradient step", integer(1, 65_536))
    .addOption(block)
    .option("--seed <S>", "from which all randomness follows (default: 1)", integer(0, 2 ** 32 - 1))
    .option("--seeds <S,S,…>", "study: every case under each of these seeds, and the tables", seedList)
    .option("--subset <NAME>", "which part of a data set or study that has several")
    .addOption(new Option("--build <NAME>", "of the kernels: simd gives the same bits in every runtime, relaxed is faster (default: simd)").choices(BUILDS))
    .option("--from <RUN>", "go on from the model of a finished run: parameters of the same name and shape are taken over")
    .option("--freeze <L,L,…>", "numbers of layers that keep what they have learned there", layerList)
    .option("--compare", "train solo and centralised models too, each with as many gradient steps per sample", false)
    .addOption(workers)
    .option("--out <DIR>", "the folder for what comes of it (default: runs/<task>-seed<S>, of a study runs/<study> or runs/<study>-<subset>; where that is taken, …-2, …-3)")
    .option("--json", "print the summary as JSON on stdout, progress on stderr", false)
    .addHelpText("after", taskHelp(engine))
    .action((task: string, options: TrainRequest) => perform(trainEither(task, options, io, engine)));

  program
    .command("evaluate")
    .description("evaluate the model of a run on test data")
    .argument("<RUN>", "the run folder")
    .option("--data <DIR>", "folder with the files of the data set")
    .addOption(workers)
    .option("--json", "print JSON", false)
    .action((run: string, options: EvaluateOptions) => perform(evaluate(run, options, io, engine)));

  program
    .command("export")
    .description("write the model of a run as ONNX")
    .argument("<RUN>", "the run folder")
    .requiredOption("--onnx <FILE>", "the file to write")
    .action((run: string, options: { onnx: string }) => perform(exportModel(run, options, io, engine)));

  program
    .command("inspect")
    .description("print inputs, outputs, operators and metadata of an ONNX file")
    .argument("<FILE.onnx>")
    .option("--json", "print JSON", false)
    .action((file: string, options: { json: boolean }) => perform(inspect(file, options, io, engine)));

  program
    .command("plan")
    .description("print the memory that training a model takes, and the largest batch that fits into a limit")
    .argument("<SPEC>", "a JSON file with a model spec, a run folder, a checkpoint, or a task")
    .option("--batch <B>", "windows in a gradient step", integer(1, 65_536), 32)
    .addOption(block)
    .option("--limit <MIB>", "of memory", integer(1, 4096), 256)
    .option("--json", "print JSON", false)
    .action((spec: string, options: PlanOptions) => perform(plan(spec, options, io, engine)));

  describeFederation(program, io, engine, { perform, workers, integer });
  describeRoster(program, io, perform);

  return program;
}

type TrainRequest = Omit<TrainOptions, "seed"> & { readonly seed?: number; readonly seeds?: readonly number[] };

/** A use case that is one federation leaves a model; a study leaves its evidence too, and one that is both does as it is asked. */
function trainEither(name: string, { seed, seeds, ...options }: TrainRequest, io: Io, engine: Engine): Promise<number> {
  const study = engine.studies.find((candidate) => candidate.name === name);
  const task = engine.tasks.some((candidate) => candidate.name === name);
  if (seed !== undefined && seeds) throw new RangeError("--seed and --seeds exclude each other; give one of them");
  if (study && (!task || seeds) && (options.from !== undefined || options.freeze)) {
    throw new RangeError(`a study trains each of its models from the start; --from and --freeze are for one run${task ? ", without --seeds" : ""}; what transfer is worth, the study "transfer" tells`);
  }
  if (study && (!task || seeds)) refuseSchedule(name, options, task);
  if (study && (!task || seeds)) return trainStudy(study, { ...options, seeds: seeds ?? (seed === undefined ? undefined : [seed]) }, io, engine);
  if (seeds) throw new RangeError(`task ${name} has no study; give one --seed, or use npm run seeds in the repository`);
  return train(name, { ...options, seed: seed ?? 1 }, io, engine);
}

/** What a study decides itself; ignored, it would seem to have had an effect. */
function refuseSchedule(name: string, { factories, rounds, localEpochs, batch, block, compare }: Omit<TrainRequest, "seed" | "seeds">, task: boolean): void {
  const given = Object.entries({ factories, rounds, "local-epochs": localEpochs, batch, block, compare: compare || undefined }).filter(([, value]) => value !== undefined);
  if (given.length === 0) return;
  const flags = given.map(([flag]) => `--${flag}`).join(" ");
  throw new RangeError(`study ${name} has its own factories and rounds for each case, and compares alone, federated and in one place anyway; leave out ${flags}${task ? ", or --seeds for one run" : ""}`);
}

function layerList(text: string): number[] {
  return text.split(",").map(integer(0, 63));
}

function seedList(text: string): number[] {
  const seeds = text.split(",").map(integer(0, 2 ** 32 - 1));
  if (new Set(seeds).size < seeds.length) throw new InvalidArgumentError("Expected each seed once.");
  return seeds;
}

function taskHelp({ tasks, studies }: Engine): string {
  const lines = tasks.flatMap(({ name, summary, schedule: { factories, rounds, localEpochs, batch } }) => [
    `  ${name.padEnd(11)} ${summary}`,
    `  ${" ".repeat(11)} by default --factories ${factories} --rounds ${rounds} --local-epochs ${localEpochs} --batch ${batch}`,
  ]);
  const listed = studies.flatMap(({ name, summary, subsets, seeds }) => [
    `  ${name.padEnd(14)} ${summary}`,
    `  ${" ".repeat(14)} by default --seeds ${seeds.join(",")}${subsets ? ` --subset ${subsets[0]}; also ${subsets.slice(1).join(", ")}` : ""}`,
  ]);
  const about = listed.length > 0 ? `\n\nStudies, each with --data DIR:\n${listed.join("\n")}` : "";
  return `\nTasks:\n${lines.join("\n")}${about}\n\nAn interrupted run resumes when it is started again with the same options.\n`;
}

function integer(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    if (!(value >= min && value <= max)) throw new InvalidArgumentError(`Expected an integer from ${min} to ${max}.`);
    return value;
  };
}

/** V8's own words for a fault in a program; our refusals name a place instead. */
const FAULT = /^(Cannot |Invalid (array|typed array|DataView|string) |Maximum call stack|Assignment to |.* is not (a function|iterable|a constructor|defined|extensible)|.* out of bounds)/;

/** Whether an error tells about input from outside: a wrong value or kind, or a file that the system refuses. */
function isRefusal(error: unknown): error is Error {
  if (error instanceof RangeError || error instanceof TypeError) return !FAULT.test(error.message);
  return error instanceof Error && ("syscall" in error || (error.cause instanceof Error && isRefusal(error.cause)));
}
