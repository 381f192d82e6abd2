/**
 * @module
 * What the orchestrator tells all clients, on a stream: who is connected hears it at once and asks without waiting for
 * its turn, who comes later can read it. An announcement is a courtesy: nothing depends on it but a second of waiting.
 */
import { StorageType } from "@nats-io/jetstream";
import { nanos, nuid, type NatsConnection } from "@nats-io/nats-core";
import type { Clock } from "../federation/clock.ts";
import type { Announcement } from "./message.ts";
import { persist } from "./retry.ts";
import { ensureStream, jetStreamOf, managerOf } from "./stream.ts";
import { announceSubject, streamName, type Place } from "./subject.ts";

export interface AnnounceOptions extends Place {
  readonly clock: Clock;
  readonly replicas?: number;
  readonly signal?: AbortSignal;
}

/** Announcements kept, and how long, in ms. */
const KEPT = 1_000, KEEP_MS = 24 * 3_600_000;
const PATIENCE_MS = 10_000;

/** @returns whether the broker keeps it; clients that are connected may have heard it even if not */
export async function announce(connection: NatsConnection, options: AnnounceOptions, announcement: Announcement): Promise<boolean> {
  const { task, domain, replicas = 1, clock, signal } = options;
  const msgID = nuid.next();
  const publish = () => jetStreamOf(connection, domain).publish(announceSubject(task), JSON.stringify(announcement), { msgID, expect: { streamName: streamName(task) } });
  const config = { name: streamName(task), subjects: [announceSubject(task)], storage: StorageType.File, num_replicas: replicas, max_msgs: KEPT, max_age: nanos(KEEP_MS) };
  try {
    await persist(
      async () => {
        await ensureStream(await managerOf(connection, domain), config);
        await publish();
      },
      { clock, signal, patienceMs: PATIENCE_MS, isFinal: () => connection.isClosed() },
    );
    return true;
  } catch {
    return false;
  }
}
