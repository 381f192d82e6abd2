/**
 * @module
 * `millwright replay STATE`: every round of a federation again, from the updates that its orchestrator
 * wrote down, to the same hashes.
 */
import { existsSync } from "node:fs";
import { resolve as resolvePath } from "node:path";
import { audit, type AuditedRound } from "../federation/audit.ts";
import { sha256 } from "../federation/checksum.ts";
import type { StoredEntry } from "../federation/entry.ts";
import { readStore } from "../federation/store.ts";
import { nodeDisk } from "../node/disk.ts";
import { count } from "./format.ts";
import type { Io } from "./program.ts";
import { formatTable } from "./table.ts";

export interface ReplayOptions {
  readonly json: boolean;
}

export async function replay(state: string, { json }: ReplayOptions, io: Io): Promise<number> {
  const journal = resolvePath(io.directory, state, "journal");
  if (!existsSync(journal)) throw new RangeError(`${state}: expected the state folder of an orchestrator, with a journal in it`);
  const disk = nodeDisk(journal);
  const rounds: AuditedRound[] = [];
  let records = 0;
  try {
    const { records: all } = await readStore(disk, { digest: sha256 });
    const entries = async function* (): AsyncGenerator<StoredEntry> {
      for await (const { entry } of all) {
        records += 1;
        yield entry;
      }
    };
    for await (const round of audit(entries(), { digest: sha256 })) {
      rounds.push(round);
      if (json) io.stdout(`${JSON.stringify(round)}\n`);
    }
  } finally {
    await disk.close();
  }
  if (json) return 0;
  io.stdout(formatTable(
    [{ title: "round", align: "right" }, { title: "clients", align: "right" }, { title: "samples", align: "right" }, { title: "attempts", align: "right" }, { title: "model", align: "left" }],
    rounds.map(({ round, clients, samples, attempts, model }) => [String(round), count(clients.length), count(samples), String(attempts), model]),
  ));
  io.stdout(`\n${count(records)} records, an unbroken chain; ${count(rounds.length)} rounds recomputed to the same hashes\n`);
  return 0;
}
