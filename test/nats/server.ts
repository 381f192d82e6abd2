/**
 * A broker of the tests' own: started on a free port of the loopback with its store in a temporary folder, killed,
 * started again on the same store or without it. `nats-server` is NATS_SERVER, or the one on PATH.
 */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NatsConnection } from "@nats-io/nats-core";
import { connect } from "@nats-io/transport-node";
import { connectNats } from "../../src/nats.ts";

const COMMAND = process.env.NATS_SERVER ?? "nats-server";
const version = spawnSync(COMMAND, ["--version"], { encoding: "utf8" }).stdout ?? "";

/** As in "2.9.10"; empty where there is none, and the tests skip themselves. */
export const natsVersion = /v([0-9.]+)/.exec(version)?.[1] ?? "";

export const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export class Broker {
  readonly folder = mkdtempSync(join(tmpdir(), "millwright-nats-"));
  readonly #connections: NatsConnection[] = [];
  #port = 0;
  #websocketPort = 0;
  #process: ChildProcess | undefined;

  /** @param settings more lines of its configuration */
  static async start(settings = ""): Promise<Broker> {
    const broker = new Broker();
    broker.#port = await freePort();
    broker.#websocketPort = await freePort();
    writeFileSync(join(broker.folder, "nats.conf"), `
      listen: "127.0.0.1:${broker.#port}"
      jetstream { store_dir: ${JSON.stringify(join(broker.folder, "store"))}, max_memory_store: 64MB, max_file_store: 1GB }
      websocket { listen: "127.0.0.1:${broker.#websocketPort}", no_tls: true }
      ${settings}
    `);
    await broker.run();
    return broker;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.#port}`;
  }

  get websocketUrl(): string {
    return `ws://127.0.0.1:${this.#websocketPort}`;
  }

  async run(): Promise<void> {
    this.#process = spawn(COMMAND, ["-c", join(this.folder, "nats.conf")], { stdio: "ignore" });
    for (let attempt = 0; ; attempt++) {
      try {
        const connection = await connect({ servers: this.url, timeout: 500, reconnect: false });
        await connection.flush();
        return await connection.close();
      } catch (error) {
        if (attempt > 200) throw error;
        await pause(25);
      }
    }
  }

  /** kill -9. */
  async kill(): Promise<void> {
    const running = this.#process!;
    await new Promise((resolve) => {
      running.once("exit", resolve);
      running.kill("SIGKILL");
    });
  }

  /** What a broker loses with its disk. Kill it before. */
  deleteStore(): void {
    rmSync(join(this.folder, "store"), { recursive: true, force: true });
  }

  /** A connection that is closed at the end. */
  async connect(url = this.url): Promise<NatsConnection> {
    const connection = await connectNats(url, { reconnectTimeWait: 50 });
    this.#connections.push(connection);
    return connection;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#connections.map((connection) => connection.close().catch(() => {})));
    if (this.#process?.exitCode === null && this.#process.signalCode === null) await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
