/**
 * @module
 * What a broker wants to see of who connects, from the text of a file.
 */
import { credsAuthenticator, nkeyAuthenticator, usernamePasswordAuthenticator, type Authenticator } from "@nats-io/nats-core";

/**
 * For connectNats: `{ authenticator: credentials(text) }`.
 * @param text `USER:PASSWORD`; or the seed of a NATS key, `SU…`; or a file of `nsc generate creds`
 */
export function credentials(text: string): Authenticator {
  const bytes = new TextEncoder().encode(text.trim());
  if (/-----BEGIN NATS USER JWT-----/.test(text)) return credsAuthenticator(bytes);
  if (/^SU[A-Z2-7]{56}$/.test(text.trim())) return nkeyAuthenticator(bytes);
  const [, user, password] = /^([^\s:]+):(\S+)$/.exec(text.trim()) ?? [];
  if (user === undefined) throw new RangeError("credentials for the broker expected as USER:PASSWORD, as the seed of a NATS key (SU…) or as a creds file, on lines of their own");
  return usernamePasswordAuthenticator(user, password);
}
