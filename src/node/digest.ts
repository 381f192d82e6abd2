/**
 * @module
 * SHA-256 at once, where there is Node: WebCrypto copies what it is given for a thread of its own, and for an update
 * of some hundred kilobytes the copy costs as much time as the sum, and memory that nobody limits.
 */
import { createHash } from "node:crypto";
import type { Digest } from "../federation/clock.ts";

export const digest: Digest = async (bytes) => createHash("sha256").update(bytes).digest("hex");
