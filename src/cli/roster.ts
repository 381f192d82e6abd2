/**
 * @module
 * `millwright roster`: who takes part. A folder holds
 *
 *     roster.json        signed by the root key; what orchestrator and plants are given
 *     root.key           signs rosters; belongs on a medium that is kept away
 *     <id>.key           private keys that were made here: the orchestrator's, and of clients added without --public
 *
 * Private keys are for their owner alone and never overwritten. Every change signs the roster anew with the next
 * version; it appears whole or not at all.
 */
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync } from "node:fs";
import { dirname, join, resolve as resolvePath } from "node:path";
import { Option, type Command } from "commander";
import { sha256 } from "../federation/checksum.ts";
import { publicKeyOf, publicKeyOfPrivate } from "../federation/identity.ts";
import { checkClientId } from "../federation/message.ts";
import { encodeRoster, ROLES, signRoster, type Member, type Role, type Roster, type RosterContent } from "../federation/roster.ts";
import { readRoster, readSigner } from "../node/roster.ts";
import { formatJson, writeWhole, type Json } from "./folder.ts";
import { KeyFiles, syncFolder } from "./keyfile.ts";
import { natsConfiguration, type PermissionOptions } from "./permissions.ts";
import type { Io } from "./program.ts";
import { formatTable } from "./table.ts";

export interface InitOptions {
  readonly organisation: string;
  readonly orchestrator: string;
}

/** `millwright roster init DIR` */
export async function initRoster(directory: string, { organisation, orchestrator }: InitOptions, io: Io): Promise<number> {
  const folder = resolvePath(io.directory, directory);
  const id = checkClientId(orchestrator);
  if (id === "root") throw new RangeError(`--orchestrator expected another id than "root"; root.key signs rosters`);
  mkdirSync(folder, { recursive: true });
  await exclusively(folder, async () => {
    if (existsSync(join(folder, "roster.json"))) throw new RangeError(`${directory}: has a roster already; add to it, or give another folder`);
    const keep = new KeyFiles();
    await keep.undoing(async () => {
      const [{ key: root }, { key: own }] = [await keep.make(join(folder, "root.key")), await keep.make(join(folder, `${id}.key`))];
      const members = [{ id, key: own, role: "orchestrator", organisation } as const];
      await write(folder, join(folder, "root.key"), { format: "millwright roster 1", version: 1, root, members });
    });
    syncFolder(folder);
  });
  io.stdout(`${join(directory, "roster.json")}: version 1, for the orchestrator and every plant\n`);
  io.stdout(`${join(directory, "root.key")}: signs rosters; keep it away from the orchestrator's machine\n`);
  io.stdout(`${join(directory, `${id}.key`)}: of the orchestrator\n`);
  return 0;
}

export interface ChangeOptions {
  readonly dir: string;
  /** File of the root key, where it is not in the folder. */
  readonly root?: string;
}

export interface AddOptions extends ChangeOptions {
  readonly public?: string;
  readonly organisation?: string;
  readonly role?: Role;
  readonly notBefore?: string;
  readonly notAfter?: string;
  readonly renew: boolean;
}

/** `millwright roster add ID` */
export async function addMember(id: string, options: AddOptions, io: Io): Promise<number> {
  const folder = resolvePath(io.directory, options.dir);
  checkClientId(id);
  const given = options.public === undefined ? undefined : readPublic(options.public, io);
  const said = {
    ...(options.organisation !== undefined && { organisation: options.organisation }),
    ...(options.role && { role: options.role }),
    ...(options.notBefore !== undefined && { notBefore: timeOf("--not-before", options.notBefore) }),
    ...(options.notAfter !== undefined && { notAfter: timeOf("--not-after", options.notAfter) }),
  };
  await change(options, io, async (roster, sign) => {
    const present = roster.find(id);
    if (present?.revoked) throw new RangeError(`"${id}" was revoked; an id is not given out again, choose another`);
    if (present && !options.renew) throw new RangeError(`"${id}" is in the roster; --renew gives it another key`);
    if (!present && options.renew) throw new RangeError(`"${id}" is not in the roster; leave out --renew`);
    const base = { id, role: "client" as const, organisation: id, ...present, ...said };
    const keep = new KeyFiles();
    return keep.undoing(async () => {
      const key = given ?? (await keep.make(join(folder, `${id}.key`))).key;
      const member: Member = { ...base, key };
      const members = [...roster.members.filter((other) => other.id !== id), member].sort((a, b) => (a.id < b.id ? -1 : 1));
      await sign(members);
      if (given === undefined) io.stdout(`${join(options.dir, `${id}.key`)}: private; bring it to the plant by a safe way and remove it here\n`);
    });
  });
  return 0;
}

/** `millwright roster revoke ID` */
export async function revokeMember(id: string, options: ChangeOptions, io: Io): Promise<number> {
  await change(options, io, async (roster, sign) => {
    const present = roster.find(id);
    if (!present) throw new RangeError(`"${id}" is not in the roster`);
    if (present.revoked) throw new RangeError(`"${id}" is revoked already`);
    await sign(roster.members.map((member) => (member.id === id ? { ...member, revoked: true as const } : member)));
  });
  return 0;
}

/** `millwright roster show` */
export async function showRoster(options: { readonly dir: string; readonly json: boolean }, io: Io): Promise<number> {
  const roster = await readRoster(join(resolvePath(io.directory, options.dir), "roster.json"));
  if (options.json) {
    const { find: _, ...plain } = roster;
    io.stdout(`${JSON.stringify(plain)}\n`);
    return 0;
  }
  io.stdout(`version ${roster.version}\nsha256  ${roster.hash}\nroot    ${roster.root}\n\n`);
  const columns = ["id", "role", "organisation", "from", "until", "key"].map((title) => ({ title, align: "left" as const }));
  io.stdout(formatTable(columns, roster.members.map(({ id, role, organisation, notBefore = "", notAfter = "", revoked, key }) =>
    [id, revoked ? "revoked" : role, organisation, notBefore, notAfter, key])));
  return 0;
}

/** `millwright roster key FILE`: in a plant, so that its private key never leaves it. */
export async function makeKey(file: string, io: Io): Promise<number> {
  const path = resolvePath(io.directory, file);
  const keep = new KeyFiles();
  await keep.undoing(async () => {
    keep.write(`${path}.pub`, (await keep.make(path)).publicPem, 0o644);
    syncFolder(dirname(path));
  });
  io.stdout(`${file}: private; it stays here\n${file}.pub: for whoever keeps the roster: millwright roster add ID --public ${file}.pub\n`);
  return 0;
}

/** `millwright roster nats` */
export async function printPermissions(options: { readonly dir: string } & PermissionOptions, io: Io): Promise<number> {
  io.stdout(natsConfiguration(await readRoster(join(resolvePath(io.directory, options.dir), "roster.json")), options));
  return 0;
}

/** Adds `millwright roster …` to the program. */
export function describeRoster(program: Command, io: Io, perform: (exitCode: Promise<number>) => Promise<void>): void {
  const roster = program.command("roster").description("who takes part in a federation, with which key");
  const dir = new Option("--dir <DIR>", "the folder that init made").default(".");
  const root = new Option("--root <FILE>", "the root key, where it is not in the folder");

  roster
    .command("init")
    .description("make a root key, the orchestrator's key and a roster")
    .argument("<DIR>", "the folder to make them in")
    .option("--organisation <NAME>", "who runs the orchestrator", "orchestrator")
    .option("--orchestrator <ID>", "its id", "orchestrator")
    .action((folder: string, options: InitOptions) => perform(initRoster(folder, options, io)));
  roster
    .command("add")
    .description("add a client, with a new key or with the public key that its plant has made")
    .argument("<ID>")
    .option("--public <FILE>", "public key from: millwright roster key")
    .option("--organisation <NAME>", "whose it is (default: the id)")
    .addOption(new Option("--role <ROLE>", "(default: client)").choices(ROLES))
    .option("--not-before <DATE>", "valid from that day on, UTC")
    .option("--not-after <DATE>", "valid until that day begins, UTC")
    .option("--renew", "give an id that is there another key", false)
    .addOption(dir)
    .addOption(root)
    .action((id: string, options: AddOptions) => perform(addMember(id, options, io)));
  roster
    .command("revoke")
    .description("refuse an id from now on, for good")
    .argument("<ID>")
    .addOption(dir)
    .addOption(root)
    .action((id: string, options: ChangeOptions) => perform(revokeMember(id, options, io)));
  roster
    .command("show")
    .description("check the roster and print it")
    .addOption(dir)
    .option("--json", "print JSON", false)
    .action((options: { dir: string; json: boolean }) => perform(showRoster(options, io)));
  roster
    .command("key")
    .description("make a key pair, in a plant: the private key stays there")
    .argument("<FILE>", "for the private key; the public one goes to FILE.pub")
    .action((file: string) => perform(makeKey(file, io)));
  roster
    .command("nats")
    .description("print users and permissions for a nats-server")
    .requiredOption("--config", "as a configuration file")
    .requiredOption("--task <NAME>", "the federation's name in subjects")
    .addOption(new Option("--by <PROOF>", "how users prove who they are").choices(["password", "nkey"]).default("password"))
    .addOption(dir)
    .action((options: { dir: string } & PermissionOptions) => perform(printPermissions(options, io)));
}

type Sign = (members: readonly Member[]) => Promise<void>;

async function change({ dir, root }: ChangeOptions, io: Io, act: (roster: Roster, sign: Sign) => Promise<void>): Promise<void> {
  const folder = resolvePath(io.directory, dir);
  const rootFile = root === undefined ? join(folder, "root.key") : resolvePath(io.directory, root);
  await exclusively(folder, async () => {
    const roster = await readRoster(join(folder, "roster.json"));
    if ((await publicKeyOfPrivate(readFileSync(rootFile, "utf8"))) !== roster.root) throw new RangeError(`${root ?? join(dir, "root.key")}: expected the root key of this roster, got another one`);
    await act(roster, (members) => write(folder, rootFile, { format: roster.format, version: roster.version + 1, root: roster.root, members }));
    syncFolder(folder);
    io.stdout(`${join(dir, "roster.json")}: version ${roster.version + 1}; give it to the orchestrator, which hands it on\n`);
  });
}

async function write(folder: string, rootFile: string, content: RosterContent): Promise<void> {
  const root = await readSigner(rootFile, "root");
  const roster = await signRoster(content, (text) => root.sign(text), sha256);
  writeWhole(join(folder, "roster.json"), formatJson(JSON.parse(new TextDecoder().decode(encodeRoster(roster))) as Json));
}

/** Two changes at a time would sign two rosters of one version. */
async function exclusively(folder: string, act: () => Promise<void>): Promise<void> {
  const lock = join(folder, "roster.lock");
  try {
    closeSync(openSync(lock, "wx"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw new RangeError(`${lock}: another millwright roster is at work; if none is, remove this file`);
  }
  try {
    await act();
  } finally {
    rmSync(lock);
  }
}

function readPublic(file: string, io: Io): string {
  const path = resolvePath(io.directory, file);
  try {
    return publicKeyOf(readFileSync(path, "utf8"));
  } catch (error) {
    if (error instanceof RangeError) throw new RangeError(`${file}: ${error.message}`, { cause: error });
    throw error;
  }
}

/** A day begins at its midnight, UTC. */
function timeOf(option: string, text: string): string {
  const time = /^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00Z` : text;
  const date = new Date(time);
  if (Number.isNaN(date.getTime()) || date.toISOString().replace(".000", "") !== time) throw new RangeError(`${option} expected a day such as 2030-12-31, or a time such as 2030-12-31T18:00:00Z, got ${JSON.stringify(text)}`);
  return time;
}
