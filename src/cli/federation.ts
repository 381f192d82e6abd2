/**
 * @module
 * The commands of a federation across machines: what they take. Each is a file of its own.
 */
import { Option, type Command } from "commander";
import { BUILDS } from "../kernels/build.ts";
import { aggregate, type AggregateOptions } from "./aggregate.ts";
import { makeCertificate, type CertificateOptions } from "./certificate.ts";
import { configure, type ConfigureOptions } from "./configure.ts";
import type { Engine } from "./engine.ts";
import { join, type JoinOptions } from "./join.ts";
import { orchestrate, type OrchestrateOptions } from "./orchestrate.ts";
import type { Io, Perform } from "./program.ts";
import { replay, type ReplayOptions } from "./replay.ts";
import { status, type StatusOptions } from "./status.ts";

/** What all commands share. */
export interface Shared {
  readonly perform: Perform;
  /** --workers N */
  readonly workers: Option;
  /** Reads an option that is one. */
  readonly integer: (min: number, max: number) => (text: string) => number;
}

const list = (text: string): string[] => text.split(",");

export function describeFederation(program: Command, io: Io, engine: Engine, { perform, workers, integer }: Shared): void {
  program
    .command("configure")
    .description("print the configuration of a federation across machines, for orchestrate: JSON to read and change")
    .argument("<task>", "what to learn")
    .option("--data <DIR>", "folder with the files of the data set")
    .option("--name <NAME>", "of the federation (default: the task's)")
    .option("--clients <ID,ID,…>", "who takes part, where no roster says so", list)
    .option("--rounds <R>", "rounds of the federation", integer(1, 1_000_000))
    .option("--local-epochs <E>", "epochs a factory trains in a round", integer(1, 10_000))
    .option("--batch <B>", "windows in a gradient step", integer(1, 65_536))
    .option("--seed <S>", "from which all randomness follows", integer(0, 2 ** 32 - 1), 1)
    .option("--subset <NAME>", "which part of a data set that has several")
    .addOption(new Option("--build <NAME>", "of the kernels").choices(BUILDS))
    .action((task: string, options: ConfigureOptions) => perform(configure(task, options, io, engine)));

  program
    .command("orchestrate")
    .description("serve a federation: clients join it, and everything it must not forget is in the state folder")
    .argument("<CONFIG>", "JSON, as configure prints it")
    .option("--listen <HOST:PORT>", "where clients call, as :8443")
    .option("--nats <URL>", "a NATS server in its place, or beside it; of several orchestrators there one works and the others stand by")
    .option("--nats-credentials <FILE>", "for it: USER:PASSWORD, the seed of a NATS key, or a creds file")
    .requiredOption("--state <DIR>", "the journal, and the model after each round; start with the same folder to go on")
    .option("--roster <FILE>", "who takes part, signed (millwright roster)")
    .option("--key <FILE>", "the orchestrator's private key")
    .option("--tls-cert <FILE>", "certificate chain, PEM (millwright certificate makes one to begin with)")
    .option("--tls-key <FILE>", "its private key, PEM")
    .option("--allow-origin <ORIGIN,ORIGIN,…>", "whose pages may call from a browser, as https://plant.example (default: none)", list)
    .option("--keep-rounds <N>", "rounds whose updates are kept for replay (default: all)", integer(0, 1_000_000))
    .option("--insecure", "without roster: whoever reaches the port takes part", false)
    .option("--exit", "end when the last round is evaluated", false)
    .action((config: string, options: OrchestrateOptions) => perform(orchestrate(config, options, io)));

  program
    .command("join")
    .description("take part in a federation with this plant's data, which stay here")
    .argument("[URL]", "the orchestrator's address, as https://host:8443")
    .option("--nats <URL>", "a NATS server in its place, as nats://host:4222 or wss://host:443")
    .option("--nats-credentials <FILE>", "for it: USER:PASSWORD, the seed of a NATS key, or a creds file")
    .option("--name <NAME>", "of the federation, with --nats")
    .requiredOption("--id <ID>", "of this client, as in the roster")
    .option("--data <DIR>", "folder with this plant's files")
    .option("--share <K/N>", "of data that are dealt to N factories for a trial, the part of the Kth")
    .option("--roster <FILE>", "who takes part, signed")
    .option("--key <FILE>", "this client's private key")
    .option("--aggregator <ID>", "the plant's aggregator that answers there in the orchestrator's place")
    .option("--ca <FILE>", "certificates to trust (PEM)")
    .option("--tls-fingerprint <HEX>", "the one certificate to trust, by its SHA-256")
    .option("--state <DIR>", "what must not be lost here (default: millwright-<id>)")
    .option("--out <DIR>", "leave the final model here, as ONNX and as safetensors")
    .option("--limit <MIB>", "the most memory that training may take", integer(1, 65_536), 1024)
    .option("--insecure", "without keys, for a trial", false)
    .addOption(workers)
    .action((url: string | undefined, options: JoinOptions) => perform(join(url, options, io, engine)));

  program
    .command("aggregate")
    .description("sum the updates of a plant's gateways, which join it, and send one for all")
    .argument("[URL]", "the orchestrator's address, as https://host:8443")
    .option("--nats <URL>", "a NATS server in its place")
    .option("--nats-credentials <FILE>", "for it: USER:PASSWORD, the seed of a NATS key, or a creds file")
    .option("--name <NAME>", "of the federation, with --nats")
    .requiredOption("--id <ID>", "of this aggregator, as in the roster")
    .requiredOption("--listen <HOST:PORT>", "where gateways call, as :8444")
    .option("--members <ID,ID,…>", "the gateways (default: the roster's clients of its organisation)", list)
    .option("--deadline <S>", "seconds after a round's first update at which the sum is sent without those who are missing", integer(1, 1_000_000), 600)
    .option("--roster <FILE>", "who takes part, signed")
    .option("--key <FILE>", "this aggregator's private key")
    .option("--tls-cert <FILE>", "certificate chain for gateways, PEM")
    .option("--tls-key <FILE>", "its private key, PEM")
    .option("--allow-origin <ORIGIN,ORIGIN,…>", "whose pages may call from a browser, as https://plant.example (default: none)", list)
    .option("--ca <FILE>", "certificates to trust (PEM)")
    .option("--tls-fingerprint <HEX>", "the orchestrator's certificate, by its SHA-256")
    .option("--state <DIR>", "the newest roster (default: millwright-<id>)")
    .option("--insecure", "without keys, for a trial", false)
    .action((url: string | undefined, options: AggregateOptions) => perform(aggregate(url, options, io)));

  program
    .command("replay")
    .description("recompute every round from the updates in a state folder, to the same hashes")
    .argument("<STATE>", "as orchestrate's --state")
    .option("--json", "print JSON, a line a round", false)
    .action((state: string, options: ReplayOptions) => perform(replay(state, options, io)));

  program
    .command("status")
    .description("print how a federation is doing: its round, its clients, what was refused")
    .argument("<URL>", "the orchestrator's address, as https://host:8443")
    .option("--watch", "print it anew every second, until interrupted", false)
    .option("--ca <FILE>", "certificates to trust, as the orchestrator's own where it signed itself (PEM)")
    .option("--tls-fingerprint <HEX>", "the one certificate to trust, by its SHA-256")
    .option("--json", "print JSON", false)
    .action((url: string, options: StatusOptions) => perform(status(url, options, io)));

  program
    .command("certificate")
    .description("make a self-signed certificate for an orchestrator and print its fingerprint, which clients pin")
    .argument("<HOST...>", "names and addresses that it is reached by")
    .option("--days <N>", "how long it is valid", integer(1, 3650), 365)
    .option("--out <DIR>", "where tls.pem and tls.key go", ".")
    .action((hosts: string[], options: CertificateOptions) => perform(makeCertificate(hosts, options, io)));
}
