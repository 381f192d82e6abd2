/**
 * @module millwright/nats
 * A federation over NATS: an exchange for clients, a server for the orchestrator, and what a second orchestrator needs to
 * take over. Portable: a connection is handed in; only connectNats chooses between TCP and WebSocket. docs/nats.md says
 * what is where at the broker and what happens when something fails.
 *
 *     const connection = await connectNats("wss://broker.example:443");
 *     const exchange = natsExchange(connection, { task: "bearing", client: "plant-3" });
 *     const client = new FactoryClient({ id: "plant-3", exchange, learner, fingerprint });
 */
import { wsconnect, type ConnectionOptions, type NatsConnection } from "@nats-io/nats-core";

export { credentials } from "./nats/credential.ts";
export { natsExchange, type NatsExchangeOptions } from "./nats/exchange.ts";
export { FencedError, LostCopyError, type JournalOptions } from "./nats/journal.ts";
export { lease, type Lease, type LeaseOptions } from "./nats/lease.ts";
export type { Announcement } from "./nats/message.ts";
export { DivergedError, mirror, restore, type MirrorOptions, type Recovered, type Restored, type RestoreOptions } from "./nats/mirror.ts";
export { serveNats, type Handle, type NatsServer, type ServeNatsOptions } from "./nats/server.ts";
export { inboxPrefix, type Place } from "./nats/subject.ts";

/**
 * Connect to a broker, and again whenever the connection is lost, for ever.
 * @param url `ws://` or `wss://` in any runtime; `nats://` or `tls://` where there is TCP: Node, Deno, Bun
 * @param options of @nats-io: names, an authenticator (see credentials), inboxPrefix, TLS
 */
export async function connectNats(url: string, options: ConnectionOptions = {}): Promise<NatsConnection> {
  const scheme = /^(wss?|nats|tls):\/\//.exec(url)?.[1];
  if (!scheme) throw new RangeError(`address of the broker expected as in wss://host:443 or nats://host:4222, got ${JSON.stringify(url)}`);
  if (/^[^/]*\/\/[^/]*@/.test(url)) throw new RangeError("address of the broker expected without a user: whoever lists processes or reads logs would see the password; give an authenticator in its place (of the command: --nats-credentials FILE)");
  const lasting = { servers: url, maxReconnectAttempts: -1, reconnectTimeWait: 500, ...options };
  if (scheme.startsWith("ws")) {
    if (typeof WebSocket === "undefined") throw new TypeError(`"WebSocket" expected, and Node has it from version 22 on; before, node --experimental-websocket, or connect by nats://`);
    return wsconnect(lasting);
  }
  const { connect } = await import("#tcp");
  return connect(lasting);
}
