/**
 * @module
 * A broker behind the commands: an orchestrator that others may take over from, and a client's way to it.
 *
 *     lease ─ held ─► folder's journal, or the broker's copy where the folder is empty or behind ─► mirrored store
 */
import { readFileSync, renameSync } from "node:fs";
import { hostname } from "node:os";
import type { NatsConnection } from "@nats-io/nats-core";
import type { Exchange } from "../federation/exchange.ts";
import { openStore, readStore, type Opened, type StoreOptions } from "../federation/store.ts";
import { nodeDisk } from "../node/disk.ts";
import type { Log } from "../node/log.ts";
import type { NatsServer } from "../nats.ts";

/** The lease is held and the journal is open, here and at the broker. */
export interface Standing {
  readonly connection: NatsConnection;
  readonly opened: Opened;
  serve(handle: (frame: Uint8Array, signal: AbortSignal | undefined, client: string) => Promise<Uint8Array | readonly Uint8Array[]>, maxBytes: number): Promise<NatsServer>;
  close(): Promise<void>;
}

/** The packages are optional: whoever needs no broker does not install them. */
async function loadNats() {
  try {
    return await import("../nats.ts");
  } catch (error) {
    throw new RangeError(`--nats needs packages that are not installed: npm install @nats-io/nats-core @nats-io/jetstream @nats-io/kv @nats-io/transport-node (${(error as Error).message})`);
  }
}

/** A broker, and who one is there. */
export interface Access {
  readonly url: string;
  /** File with what the broker wants to see: see credentials. */
  readonly credentials?: string;
  /** Of this client or orchestrator: its inboxes begin with it. */
  readonly id: string;
}

/** @param kind for people who look at the broker's connections */
async function connect({ url, credentials: file, id }: Access, kind: string): Promise<{ nats: Awaited<ReturnType<typeof loadNats>>; connection: NatsConnection }> {
  const nats = await loadNats();
  const authenticator = file === undefined ? undefined : within(file, () => nats.credentials(readFileSync(file, "utf8")));
  const options = { name: `millwright ${kind}`, inboxPrefix: nats.inboxPrefix(id), ...(authenticator && { authenticator }) };
  return { nats, connection: await nats.connectNats(url, options) };
}

function within<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new RangeError(`${file}: ${(error as Error).message}`, { cause: error });
  }
}

/** Wait for the lease, then open the journal; resolves when this is the orchestrator. @throws FencedError, DamageError, LostCopyError */
export async function standAtBroker(access: Access, task: string, journal: string, options: StoreOptions, { log, onLost, signal }: { log: Log; onLost: (reason: Error) => void; signal: AbortSignal }): Promise<Standing> {
  const { nats, connection } = await connect(access, `orchestrator ${hostname()}`);
  try {
    log("info", "waiting for the lease", { broker: access.url });
    const held = await nats.lease(connection, { task, holder: hostname(), onLost, signal });
    log("info", "lease held", { token: held.token });
    const open = (above?: number) => openStore(nodeDisk(journal), { ...options, ...(above !== undefined && { above }) });
    const restoreFrom = async () => {
      const { store } = await open();
      const restored = await nats.restore(connection, { task, token: held.token, store }).finally(() => store.close());
      if (restored.snapshots + restored.entries > 0) log("info", "restored from the broker", { ...restored });
      return restored.epoch;
    };
    const isEmpty = (await nodeDisk(journal).list("")).length === 0;
    let above = isEmpty ? await restoreFrom() : undefined;
    const reread = async () => {
      const { snapshots, records } = await readStore(nodeDisk(journal), options);
      const since = snapshots[0]?.sequence ?? 0;
      const entries = async function* () {
        for await (const { entry, sequence } of records) if (sequence > since) yield entry;
      };
      return { snapshot: snapshots[0]?.entry, entries: entries() };
    };
    const mirrored = async () => nats.mirror(connection, await open(above), { task, token: held.token, reread });
    let opened = await mirrored();
    if (!isEmpty && (await isBehind(opened, nats.DivergedError))) {
      // Somebody else went on while this machine was away. What it has is kept beside, and the broker's copy counts.
      await opened.store.close();
      const aside = `${journal}.before-${held.token}`;
      renameSync(journal, aside);
      log("warn", "journal was behind the broker's", { keptIn: aside });
      above = await restoreFrom();
      opened = await mirrored();
    } else if (!isEmpty) {
      await opened.store.close();
      opened = await mirrored();
    }
    return {
      connection, opened,
      serve: (handle, maxBytes) => nats.serveNats(connection, handle, { task, maxBytes, log: (line) => log("warn", "broker", { line }) }),
      close: async () => {
        await held.release().catch(() => {});
        await connection.close();
      },
    };
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** Whether the broker has what this journal has not. Reading it through tells, and copies what the broker lacks. */
async function isBehind({ entries }: Opened, diverged: new (...args: never[]) => Error): Promise<boolean> {
  try {
    for await (const _ of entries) void _;
    return false;
  } catch (error) {
    if (error instanceof diverged) return true;
    throw error;
  }
}

/** A client's way to an orchestrator at a broker. */
export async function brokerExchange(access: Access, task: string): Promise<{ exchange: Exchange; close(): Promise<void> }> {
  const { nats, connection } = await connect(access, `client ${access.id}`);
  return { exchange: nats.natsExchange(connection, { task, client: access.id }), close: () => connection.close() };
}
