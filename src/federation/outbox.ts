/**
 * @module
 * An outbox that a crash does not empty: a client that was killed sends what it had made.
 */
import type { Outbox } from "./client.ts";
import type { Disk } from "./disk.ts";

const NAME = "outbox";
const PART = "outbox.part";

/** In a folder of its own. A frame is whole under its name, or it is not there. */
export function diskOutbox(disk: Disk): Outbox {
  return {
    read: () => disk.read(NAME),
    async write(frame) {
      await disk.write(PART, frame);
      await disk.sync(PART);
      await disk.rename(PART, NAME);
      await disk.syncFolder("");
    },
  };
}
