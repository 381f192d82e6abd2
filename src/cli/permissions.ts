/**
 * @module
 * A configuration of nats-server from a roster: users with the least that each needs. A client may ask for itself, hear
 * its own inbox and read what is there for all, so that who holds one client's password neither hears nor speaks for
 * another, and reaches neither the lease nor the journal.
 */
import type { Member, Roster } from "../federation/roster.ts";
import { announceSubject, askSubject, inboxPrefix, journalName, journalSubject, LEASE_KEY, objectStream, streamName, valueStream } from "../nats/subject.ts";

export interface PermissionOptions {
  /** The federation's name. */
  readonly task: string;
  /** How users prove who they are: a password, or a NATS key of its own, never the roster's. */
  readonly by: "password" | "nkey";
}

/**
 * The environment variable with an id's password or NATS key: "plant-1" in capitals with `_`; of another id each byte that
 * is no small letter or digit is `__` and two hexadecimal digits, so that no two ids share one.
 */
export function variableOf(id: string, by: PermissionOptions["by"]): string {
  const plain = /^[a-z0-9]+(-[a-z0-9]+)*$/.test(id);
  const token = plain ? id.replaceAll("-", "_") : id.replaceAll(/[^a-z0-9]/g, (mark) => `__${mark.charCodeAt(0).toString(16)}`);
  return `MILLWRIGHT_${by === "nkey" ? "NKEY" : "PASSWORD"}_${token.toUpperCase()}`;
}

/** The text of the configuration; docs/nats.md says what is where. */
export function natsConfiguration({ version, members }: Roster, { task, by }: PermissionOptions): string {
  return [
    `# nats-server, for version ${version} of the roster. Print it again when the roster changes.`,
    `# Each variable holds ${by === "nkey" ? "the public NATS key of its user (U…, made with nk -gen user): not the key of the roster" : "the password of its user, or better its bcrypt hash (nats server passwd)"}.`,
    "authorization {",
    "  users = [",
    ...members.filter(({ revoked }) => !revoked).map((member) => userOf(member, { task, by })),
    "  ]",
    "}",
    "",
  ].join("\n");
}

function userOf({ id, role }: Member, { task, by }: PermissionOptions): string {
  const variable = variableOf(id, by);
  const proof = by === "nkey" ? `nkey: $${variable}` : `user: "${id}", password: $${variable}`;
  const { publish, subscribe } = role === "orchestrator" ? orchestratorMay(task, id) : clientMay(task, id);
  return `    { ${proof}, permissions: {\n      publish: ${list(publish)}\n      subscribe: ${list(subscribe)}\n    } }`;
}

interface Subjects {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** Its requests; the bodies of replies, which are models; its inbox; what is said to all. */
const clientMay = (task: string, id: string): Subjects => ({
  publish: [askSubject(task, id), `$JS.API.DIRECT.GET.${objectStream(streamName(task))}`],
  subscribe: [`${inboxPrefix(id)}.>`, announceSubject(task)],
});

/** Everything of this federation, and of the broker's streams those that are its own. */
function orchestratorMay(task: string, id: string): Subjects {
  const [name, journal] = [streamName(task), journalName(task)];
  const bodies = [objectStream(name), objectStream(journal)];
  const all = [name, journal, ...bodies, valueStream(name)];
  return {
    publish: [
      "_INBOX.>", announceSubject(task), journalSubject(task), `$O.${name}.>`, `$O.${journal}.>`, `$KV.${name}.${LEASE_KEY}`, "$JS.API.INFO",
      ...all.flatMap((stream) => [`$JS.API.STREAM.INFO.${stream}`, `$JS.API.STREAM.CREATE.${stream}`]),
      ...[...bodies, journal].map((stream) => `$JS.API.STREAM.PURGE.${stream}`),
      `$JS.API.STREAM.MSG.GET.${journal}`, ...bodies.map((stream) => `$JS.API.DIRECT.GET.${stream}`), `$JS.API.DIRECT.GET.${valueStream(name)}.>`,
    ],
    subscribe: [askSubject(task, "*"), `${inboxPrefix(id)}.>`],
  };
}

const list = (subjects: readonly string[]): string => `[${subjects.map((subject) => `"${subject}"`).join(", ")}]`;
