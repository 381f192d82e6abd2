/**
 * @module
 * A configuration of nats-server from a roster: each client may publish below its own subject and hear its own inbox,
 * and nothing else, so that who holds one client's password neither hears nor speaks for another.
 */
import type { Member, Roster } from "../federation/roster.ts";

export interface PermissionOptions {
  /** The federation's name in subjects. */
  readonly task: string;
  /** How users prove who they are: a password, or a NATS key of its own, never the roster's. */
  readonly by: "password" | "nkey";
}

/** The environment variable with an id's password or NATS key. */
export const variableOf = (id: string, by: PermissionOptions["by"]): string => `MILLWRIGHT_${by === "nkey" ? "NKEY" : "PASSWORD"}_${id.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_")}`;

/**
 * The text of the configuration. Requests go to `millwright.<task>.<client>.>`, replies to `_INBOX.<client>.>`.
 * @throws RangeError when a task or an id could not stand in a subject, or two ids would share a variable.
 */
export function natsConfiguration({ version, members }: Roster, { task, by }: PermissionOptions): string {
  const alive = members.filter(({ revoked }) => !revoked);
  checkToken("task", task);
  const owners = new Map<string, string>();
  for (const { id } of alive) {
    checkToken("member", id);
    const variable = variableOf(id, by);
    if (owners.has(variable)) throw new RangeError(`members "${owners.get(variable)}" and "${id}" would share the variable ${variable}; give one another id`);
    owners.set(variable, id);
  }
  return [
    `# nats-server, for version ${version} of the roster. Print it again when the roster changes.`,
    `# Each variable holds ${by === "nkey" ? "the public NATS key of its user (U…, made with nk -gen user): not the key of the roster" : "the password of its user, or better its bcrypt hash (nats server passwd)"}.`,
    "authorization {",
    "  users = [",
    ...alive.map((member) => userOf(member, { task, by })),
    "  ]",
    "}",
    "",
  ].join("\n");
}

function userOf({ id, role }: Member, { task, by }: PermissionOptions): string {
  const variable = variableOf(id, by);
  const proof = by === "nkey" ? `nkey: $${variable}` : `user: "${id}", password: $${variable}`;
  const [publish, subscribe] = role === "orchestrator" ? ["_INBOX.>", `millwright.${task}.>`] : [`millwright.${task}.${id}.>`, `_INBOX.${id}.>`];
  return `    { ${proof}, permissions: { publish: "${publish}", subscribe: "${subscribe}" } }`;
}

/** A dot would divide a subject: "a.b" would lie below "a" and be a's to speak for. */
function checkToken(what: string, text: string): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(text)) throw new RangeError(`${what} expected A-Z a-z 0-9 _ - for a NATS subject, got ${JSON.stringify(text)}; a dot would divide it`);
}
