import { execFileSync, spawn, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Engine } from "../../src/cli/engine.ts";
import { natsConfiguration, variableOf } from "../../src/cli/permissions.ts";
import { main } from "../../src/cli/program.ts";
import { publicKeyOf, verify } from "../../src/federation/identity.ts";
import { readRoster, readSigner, watchRoster } from "../../src/node/roster.ts";
import { fingerprintOfCertificate, readCertificate } from "../../src/node/tls.ts";
import * as fake from "../simulation/keys.ts";

let root: string;
beforeEach(() => void (root = mkdtempSync(join(tmpdir(), "millwright-"))));
afterEach(() => rmSync(root, { recursive: true }));

async function millwright(line: string) {
  let [stdout, stderr] = ["", ""];
  const io = { stdout: (text: string) => void (stdout += text), stderr: (text: string) => void (stderr += text), directory: root, nowMs: () => 0, onInterrupt: () => {} };
  const code = await main(line.split(" ").filter(Boolean), io, async () => ({ tasks: [{ name: "condition", summary: "", schedule: {} }], studies: [] }) as unknown as Engine);
  return { code, stdout, stderr };
}
async function done(line: string): Promise<string> {
  const { code, stdout, stderr } = await millwright(line);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return stdout;
}
async function refused(line: string, expected: RegExp): Promise<void> {
  const { code, stderr } = await millwright(line);
  expect(stderr).toMatch(expected);
  expect({ code, lines: stderr.trimEnd().split("\n").length }).toEqual({ code: 2, lines: 1 });
}

const path = (name: string) => join(root, name);
const read = (name: string) => readFileSync(path(name), "utf8");
const rosterOf = (folder = "f") => readRoster(path(`${folder}/roster.json`));
const modeOf = (name: string) => statSync(path(name)).mode & 0o777;
const snapshot = () => Object.fromEntries(readdirSync(path("f")).sort().map((name) => [name, read(`f/${name}`)]));

describe("millwright roster", () => {
  test("init makes a root key, the orchestrator's key and a roster that holds together", async () => {
    const stdout = await done("roster init f --organisation Consortium");
    expect(stdout).toBe([
      "f/roster.json: version 1, for the orchestrator and every plant",
      "f/root.key: signs rosters; keep it away from the orchestrator's machine",
      "f/orchestrator.key: of the orchestrator\n",
    ].join("\n"));
    expect(readdirSync(path("f")).sort()).toEqual(["orchestrator.key", "root.key", "roster.json"]);
    for (const name of ["f/root.key", "f/orchestrator.key"]) expect(modeOf(name)).toBe(0o600);
    const roster = await rosterOf();
    expect(roster).toMatchObject({ version: 1, members: [{ id: "orchestrator", role: "orchestrator", organisation: "Consortium" }] });
    const text = new TextEncoder().encode("text");
    const signer = await readSigner(path("f/orchestrator.key"), "orchestrator");
    expect(await verify(roster.members[0].key, await signer.sign(text), text)).toBe(true);
  });

  test("add makes a key, or takes a plant's public key, and revoke ends one; each is the next version", async () => {
    await done("roster init f");
    expect(await done("roster add plant-1 --dir f --not-after 2031-01-01 --organisation Ore")).toMatch(/^f\/plant-1\.key: private; .*\nf\/roster\.json: version 2; /);
    expect(modeOf("f/plant-1.key")).toBe(0o600);

    mkdirSync(path("plant"));
    expect(await done("roster key plant/own.key")).toMatch(/^plant\/own\.key: private; it stays here\nplant\/own\.key\.pub: .*--public plant\/own\.key\.pub\n$/);
    expect(modeOf("plant/own.key")).toBe(0o600);
    await done("roster add plant-2 --dir f --public plant/own.key.pub --not-before 2026-01-01T06:00:00Z");
    await done("roster add line --dir f --role aggregator");
    await done("roster revoke plant-1 --dir f");
    const roster = await rosterOf();
    expect(roster.version).toBe(5);
    expect(roster.members.map(({ key: _, ...member }) => member)).toEqual([
      { id: "line", role: "aggregator", organisation: "line" },
      { id: "orchestrator", role: "orchestrator", organisation: "orchestrator" },
      { id: "plant-1", role: "client", organisation: "Ore", notAfter: "2031-01-01T00:00:00Z", revoked: true },
      { id: "plant-2", role: "client", organisation: "plant-2", notBefore: "2026-01-01T06:00:00Z" },
    ]);
    expect(roster.find("plant-2")!.key).toBe(publicKeyOf(read("plant/own.key.pub")));
    expect(readdirSync(path("f")).sort()).toEqual(["line.key", "orchestrator.key", "plant-1.key", "root.key", "roster.json"]);
    const shown = await done("roster show --dir f");
    expect(shown).toMatch(/^version 5\nsha256 {2}[0-9a-f]{64}\nroot {4}\S{43}\n\nid /);
    expect(shown).toMatch(/^plant-1 +revoked +Ore +2031-01-01T00:00:00Z +\S{43}$/m);
    const { hash, version } = JSON.parse(await done("roster show --dir f --json"));
    expect({ hash, version }).toEqual({ hash: roster.hash, version: 5 });
  });

  test("renews a key under its id, and keeps what is not said", async () => {
    await done("roster init f");
    await done("roster add a --dir f --not-after 2031-01-01 --organisation Ore");
    const before = (await rosterOf()).find("a")!;
    await refused("roster add a --dir f", /"a" is in the roster; --renew gives it another key/);
    await refused("roster add a --dir f --renew", /a\.key: exists; a key is never overwritten/);
    renameSync(path("f/a.key"), path("old.key"));
    await done("roster add a --dir f --renew --not-after 2032-01-01");
    const after = (await rosterOf()).find("a")!;
    expect(after).toEqual({ ...before, key: after.key, notAfter: "2032-01-01T00:00:00Z" });
    expect(after.key).not.toBe(before.key);
    await refused("roster add b --dir f --renew", /"b" is not in the roster; leave out --renew/);
  });

  test("signs with a root key that is kept elsewhere, and with no other", async () => {
    await done("roster init f");
    renameSync(path("f/root.key"), path("stick.key"));
    await refused("roster add a --dir f", /root\.key/);
    await done("roster init g");
    await refused("roster add a --dir f --root g/root.key", /g\/root\.key: expected the root key of this roster, got another one/);
    await done("roster add a --dir f --root stick.key");
    expect((await rosterOf()).version).toBe(2);
  });

  test("refuses in one line, and then nothing has changed", async () => {
    await done("roster init f");
    await done("roster add a --dir f");
    await done("roster add gone --dir f");
    await done("roster revoke gone --dir f");
    writeFileSync(path("private.pem"), read("f/a.key"));
    writeFileSync(path("same.pub"), execKey("f/a.key"));
    const before = snapshot();
    await refused("roster init f", /f: has a roster already; add to it, or give another folder/);
    await refused("roster init g --orchestrator root", /another id than "root"/);
    await refused("roster add ../b --dir f", /client id expected/);
    await refused("roster add root --dir f", /root\.key: exists; a key is never overwritten/);
    await refused("roster add gone --dir f", /"gone" was revoked; an id is not given out again, choose another/);
    await refused("roster add b --dir f --public none.pub", /ENOENT/);
    await refused("roster add b --dir f --public private.pem", /private\.pem: key expected a PEM text that begins with "-----BEGIN PUBLIC KEY-----"/);
    await refused("roster add b --dir f --public same.pub", /"b" has the key of "a"; a key belongs to one id/);
    await refused("roster add b --dir f --role king", /king/);
    for (const day of ["2031-02-29", "2031-1-1", "tomorrow", "2031-01-01T00:00:00", "2031-01-01T00:00:00.5Z", "99999-01-01"]) await refused(`roster add b --dir f --not-after ${day}`, /--not-after expected a day such as 2030-12-31/);
    await refused("roster revoke b --dir f", /"b" is not in the roster/);
    await refused("roster revoke gone --dir f", /"gone" is revoked already/);
    await refused("roster show --dir nowhere", /nowhere\/roster\.json: no such roster; millwright roster init makes one/);
    await refused("roster key f/a.key", /a\.key: exists; a key is never overwritten/);
    expect(snapshot()).toEqual(before);
  });
  const execKey = (name: string) => execFileSync(process.execPath, ["-e", `process.stdout.write(require("crypto").createPublicKey(require("fs").readFileSync(${JSON.stringify(path(name))})).export({type:"spki",format:"pem"}))`]).toString();

  test("a roster that was changed by hand is refused by its file", async () => {
    await done("roster init f");
    await done("roster add a --dir f");
    writeFileSync(path("f/roster.json"), read("f/roster.json").replace('"role": "client"', '"role": "orchestrator"'));
    await refused("roster show --dir f", /roster\.json: roster: the signature does not match; it was changed after it was signed/);
    await refused("roster add b --dir f", /the signature does not match/);
    expect(existsSync(path("f/b.key"))).toBe(false);
  });

  test("two changes at a time sign no two rosters of one version", async () => {
    await done("roster init f");
    const results = await Promise.all(["a", "b", "c"].map((id) => millwright(`roster add ${id} --dir f`)));
    expect(results.map(({ code }) => code).sort()).toEqual([0, 2, 2]);
    expect(results.find(({ code }) => code === 2)!.stderr).toMatch(/another millwright roster is at work; if none is, remove this file/);
    const { version, members } = await rosterOf();
    expect([version, members.length]).toEqual([2, 2]);
    expect(readdirSync(path("f")).filter((name) => /^[abc]\.key$/.test(name))).toHaveLength(1);
    expect(existsSync(path("f/roster.lock"))).toBe(false);
  });

  test("a key whose roster cannot be put in its place is removed again", async () => {
    await done("roster init f");
    mkdirSync(path("f/.roster.json.part")); // where the new roster is written first
    const { code } = await millwright("roster add a --dir f");
    expect(code).not.toBe(0);
    expect(existsSync(path("f/a.key"))).toBe(false);
    expect((await rosterOf()).version).toBe(1);
  });

  test("a watched roster becomes newer and never older", async () => {
    await done("roster init f");
    copyFileSync(path("f/roster.json"), path("one.json"));
    const watched = await watchRoster(path("f/roster.json"));
    await done("roster add a --dir f");
    expect(watched.roster().version).toBe(1);
    await watched.reload();
    expect(watched.roster().version).toBe(2);
    copyFileSync(path("one.json"), path("f/roster.json"));
    await expect(watched.reload()).rejects.toThrow(/roster\.json: roster: version 1 is older than version 2/);
    await done("roster init g");
    copyFileSync(path("g/roster.json"), path("f/roster.json"));
    await expect(watched.reload()).rejects.toThrow(/another root key/);
    expect(watched.roster().version).toBe(2);
    await expect(readRoster(path("one.json"), watched.roster().root)).resolves.toMatchObject({ version: 1 });
  });
});

test("millwright certificate makes files that a server takes, and prints what clients pin", async () => {
  mkdirSync(path("tls"));
  const stdout = await done("certificate localhost 10.0.0.7 --days 30 --out tls");
  const { cert } = readCertificate(path("tls/tls.pem"), path("tls/tls.key"));
  expect(stdout).toBe(`tls/tls.pem, tls/tls.key: localhost, 10.0.0.7, for 30 days\nfor clients: --tls-fingerprint ${fingerprintOfCertificate(cert)}\n`);
  expect(modeOf("tls/tls.key")).toBe(0o600);
  await refused("certificate localhost --out tls", /tls\.key: exists; a key is never overwritten/);
  await refused("certificate localhost --out none", /none: no such folder/);
  await refused("certificate a/b --out .", /host expected a name or an address, got "a\/b"/);
  await refused("certificate localhost --days 0 --out .", /Expected an integer from 1 to 3650/);
});

describe("permissions for NATS", () => {
  const byPassword = { task: "mill", by: "password" } as const;

  test("are each client's own subject and inbox, nothing of revoked ones, and no secret", async () => {
    await done("roster init f");
    for (const id of ["plant-1", "plant_2.b", "gone"]) await done(`roster add ${id} --dir f`);
    await done("roster revoke gone --dir f");
    const text = await done("roster nats --config --task mill.1 --dir f");
    const users = text.split("    { ").slice(1).map((user) => user.split("\n").map((line) => line.trim()));
    expect(users.map(([proof]) => proof)).toEqual([
      'user: "orchestrator", password: $MILLWRIGHT_PASSWORD_ORCHESTRATOR, permissions: {',
      'user: "plant-1", password: $MILLWRIGHT_PASSWORD_PLANT_1, permissions: {',
      'user: "plant_2.b", password: $MILLWRIGHT_PASSWORD_PLANT__5F2__2EB, permissions: {',
    ]);
    expect(users[2].slice(1, 3)).toEqual([
      'publish: ["millwright.mill_-1.plant__2_-b.ask", "$JS.API.DIRECT.GET.OBJ_millwright-mill_-1"]',
      'subscribe: ["_INBOX.plant__2_-b.>", "millwright.mill_-1.announce"]',
    ]);
    await refused("roster nats --config --task a..>b --dir f", /"task" expected 1 to 64 of A-Z a-z 0-9/);
    await refused("roster nats --task mill --dir f", /--config/);
  });

  test("have a variable for each id, whatever is in it", () => {
    const ids = ["a", "A", "a-b", "a_b", "a.b", "a--b", "a-b-2", "a__5fb", "a-5fb", "a.2db", "A-B"];
    expect(new Set(ids.map((id) => variableOf(id, "password").toUpperCase())).size).toBe(ids.length);
    expect(ids.every((id) => /^[A-Z0-9_]+$/.test(variableOf(id, "nkey")))).toBe(true);
  });

  describe.skipIf(spawnSync("nats-server", ["--version"]).status !== 0)("in a server", () => {
    const ids = ["orchestrator", "plant-1", "plant-2"];
    const environment = { ...process.env, ...Object.fromEntries(ids.map((id) => [variableOf(id, "password"), `secret-of-${id}`])) };

    test("are a valid configuration, with passwords, their hashes and NATS keys", async () => {
      const roster = await fake.rosterOf(["plant-1", "plant-2"]);
      const nkeys = ids.map((id) => nkeyOf(Buffer.from(fake.keyOf(id), "base64url")));
      const cases = [
        ["password", ids.map((id) => `secret-of-${id}`)],
        ["password", ids.map(() => "$2a$11$PWIFAL8RsWyGI3jVZtO9Nu8.6jOxzxfZo7c/W0eLk017hjgUKWrhy")],
        ["nkey", nkeys],
      ] as const;
      for (const [by, secrets] of cases) {
        writeFileSync(path("nats.conf"), natsConfiguration(roster, { task: "mill", by }));
        const env = { ...process.env, ...Object.fromEntries(ids.map((id, at) => [variableOf(id, by), secrets[at]])) };
        const { status, stderr } = spawnSync("nats-server", ["-t", "-c", path("nats.conf")], { env, encoding: "utf8" });
        expect({ status, stderr }).toMatchObject({ status: 0, stderr: expect.stringMatching(/configuration file .* is valid/) });
      }
      const without = spawnSync("nats-server", ["-t", "-c", path("nats.conf")], { env: { PATH: process.env.PATH }, encoding: "utf8" });
      expect(without.status).not.toBe(0); // no variable, no user without a password
    });

    test("let a client hear and speak for itself alone", async () => {
      writeFileSync(path("nats.conf"), natsConfiguration(await fake.rosterOf(["plant-1", "plant-2"]), byPassword));
      const port = await freePort();
      const server = spawn("nats-server", ["-a", "127.0.0.1", "-p", String(port), "-c", path("nats.conf")], { env: environment, stdio: "ignore" });
      try {
        const [orchestrator, one, two] = await Promise.all(ids.map((id) => talk(port, id, `secret-of-${id}`)));
        expect(await orchestrator.say("SUB millwright.mill.*.ask 1")).toBe("");
        expect(await one.say("SUB _INBOX.plant-1.> 1")).toBe("");
        expect(await two.say("SUB _INBOX.plant-1.> 1")).toMatch(/Permissions Violation for Subscription to "_inbox\.plant-1\.>"/i);
        for (const subject of ["millwright.mill.>", "millwright.mill.*.ask", ">", "$JS.>"]) expect(await two.say(`SUB ${subject} 2`)).toMatch(/Permissions Violation/i);
        expect(await two.say("PUB millwright.mill.plant-1.ask 2\r\nhi")).toMatch(/Permissions Violation for Publish to "millwright\.mill\.plant-1\.ask"/i);
        for (const subject of ["_INBOX.plant-1.x", "$JS.API.INFO", "millwright.mill.announce", "millwright.mill.journal"]) expect(await two.say(`PUB ${subject} 2\r\nhi`)).toMatch(/Permissions Violation/i);
        expect(await one.say("PUB millwright.mill.plant-1.ask _INBOX.plant-1.x 2\r\nhi")).toBe("");
        expect(await orchestrator.say("")).toMatch(/^MSG millwright\.mill\.plant-1\.ask 1 _INBOX\.plant-1\.x 2\r\nhi/);
        expect(await orchestrator.say("PUB _INBOX.plant-1.x 3\r\nyes")).toBe("");
        expect(await one.say("")).toMatch(/^MSG _INBOX\.plant-1\.x 1 3\r\nyes/);
        expect(await two.say("")).toBe("");
        await expect(talk(port, "plant-1", "secret-of-plant-2")).rejects.toThrow(/Authorization Violation/);
        for (const { close } of [orchestrator, one, two]) close();
      } finally {
        server.kill();
      }
    });
  });
});

/** The text of a user's public NATS key: a prefix byte, the key, CRC-16 (XMODEM, low byte first), in base 32. */
function nkeyOf(key: Uint8Array): string {
  const bytes = [20 << 3, ...key];
  const sum = bytes.reduce((crc, byte) => {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
    return crc;
  }, 0);
  const bits = [...bytes, sum & 255, sum >> 8].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  return bits.match(/.{5}/g)!.map((five) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[parseInt(five, 2)]).join("");
}

const freePort = () => new Promise<number>((resolve) => {
  const probe = createServer().listen(0, "127.0.0.1", () => {
    const { port } = probe.address() as AddressInfo;
    probe.close(() => resolve(port));
  });
});

/** A NATS client of three verbs; what the server said until its next PONG is the answer. */
async function talk(port: number, user: string, pass: string) {
  let heard = "";
  let listener = () => {};
  const socket = await dial(port);
  socket.on("data", (data) => {
    heard += data;
    listener();
  }).on("error", () => {}).on("close", () => {
    heard += "CLOSED";
    listener();
  });
  const say = async (line: string): Promise<string> => {
    heard = line === "" ? heard : "";
    socket.write(`${line && `${line}\r\n`}PING\r\n`);
    while (!/PONG\r\n|CLOSED/.test(heard)) await new Promise<void>((resolve) => (listener = resolve));
    const answer = heard.replace(/PONG\r\n/g, "");
    heard = "";
    if (/Authorization Violation/.test(answer)) throw new Error(answer);
    return answer.replace(/^INFO .*\r\n/, "");
  };
  await say(`CONNECT ${JSON.stringify({ user, pass, verbose: false, pedantic: false })}`);
  return { say, close: () => socket.destroy() };
}

/** The server may still be starting. */
async function dial(port: number) {
  for (let tries = 0; ; tries++) {
    try {
      return await new Promise<ReturnType<typeof connect>>((resolve, reject) => {
        const socket = connect(port, "127.0.0.1", () => resolve(socket)).once("error", reject);
      });
    } catch (error) {
      if (tries === 200) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
