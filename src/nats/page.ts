/**
 * @module
 * What a bundle for browsers has in place of the transport over TCP: "#tcp" in package.json.
 */

/** @throws TypeError always */
export async function connect(options: { readonly servers: string }): Promise<never> {
  throw new TypeError(`a page has no TCP; give the broker's address as wss://host:443, got ${JSON.stringify(options.servers)}`);
}
