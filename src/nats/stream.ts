/**
 * @module
 * Streams at the broker: made where they are missing, since a broker may have lost its store.
 */
import { jetstream, JetStreamApiCodes, JetStreamApiError, jetstreamManager, type JetStreamClient, type JetStreamManager, type StreamConfig } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";

/** How long the broker may take to acknowledge a write, in ms: with sync_interval always, and many at a time, that is not at once. */
const ACK_MS = 5_000;

export const jetStreamOf = (connection: NatsConnection, domain?: string): JetStreamClient => jetstream(connection, { timeout: ACK_MS, ...(domain && { domain }) });

/** Asks nothing of the broker yet. */
export const managerOf = (connection: NatsConnection, domain?: string): Promise<JetStreamManager> => jetstreamManager(connection, { checkAPI: false, ...(domain && { domain }) });

/** The stream is there, made anew if the broker has lost it. */
export async function ensureStream(manager: JetStreamManager, config: Partial<StreamConfig> & { name: string }): Promise<void> {
  try {
    await manager.streams.info(config.name);
  } catch (error) {
    if (!isGone(error)) throw error;
    await manager.streams.add(config);
  }
}

/** The broker has no such stream or bucket: its store was deleted, or it never had one. */
export const isGone = (error: unknown): boolean => error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound;
