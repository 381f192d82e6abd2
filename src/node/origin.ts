/**
 * @module
 * Pages that may ask a server. A browser says where a page came from, and lets it read only what the server allows
 * that origin to read.
 */
import type { ServerResponse } from "node:http";

/**
 * Origins as browsers write them, in small letters and without a default port.
 * @throws RangeError for what no browser would send, so that it would allow nothing, and for a wildcard
 */
export function checkOrigins(origins: readonly string[], place: string): readonly string[] {
  for (const origin of origins) {
    const parsed = URL.canParse(origin) ? new URL(origin) : undefined;
    if (parsed && /^https?:$/.test(parsed.protocol) && parsed.origin === origin) continue;
    const remedy = parsed && /^https?:$/.test(parsed.protocol) ? `write ${parsed.origin}` : "name each page's origin, a wildcard is none";
    throw new RangeError(`${place} expected origins of pages as https://plant.example, got ${JSON.stringify(origin)}; ${remedy}`);
  }
  return origins;
}

/** Whether a page of this origin may ask; if so, the answer says so to its browser. */
export function admit(origin: string, origins: readonly string[], methods: readonly string[], response: ServerResponse): boolean {
  if (!origins.includes(origin)) return false;
  response.setHeader("vary", "origin");
  response.setHeader("access-control-allow-origin", origin);
  response.setHeader("access-control-allow-methods", methods.join(", "));
  response.setHeader("access-control-allow-headers", "content-type");
  response.setHeader("access-control-max-age", "7200");
  return true;
}
