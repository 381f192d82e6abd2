import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import type { Engine } from "../../src/cli/engine.ts";
import { main, type Io } from "../../src/cli/program.ts";
import { formatStatus, status as showStatus } from "../../src/cli/status.ts";
import { parseStatus, type Status } from "../../src/federation/status.ts";
import { serveExchange } from "../../src/node/server.ts";

const status: Status = {
  task: "condition", epoch: 2, round: 7, rounds: 50, attempt: 1, phase: "training", deadlineMs: 90_400,
  model: { sha256: "0123456789abcdef".repeat(4) },
  clients: [
    { id: "aachen", lastSeenMs: 1200, state: "updated", round: 7, samples: 1500, bytesIn: 4_312_000, bytesOut: 4_400_000, refused: 0 },
    { id: "brno", lastSeenMs: 61_000, state: "training", round: 6, samples: 900, bytesIn: 3_696_000, bytesOut: 4_400_000, refused: 12 },
    { id: "cork", lastSeenMs: null, state: "absent", round: 0, samples: 0, bytesIn: 0, bytesOut: 0, refused: 0 },
  ],
  refusals: { replayed: 11, duplicate: 1 }, bytesIn: 8_008_000, bytesOut: 8_800_000, uptimeMs: 7_260_000,
};

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function serve(show: () => unknown): Promise<string> {
  const { url, close } = await serveExchange({ handle: async (request) => request, host: "127.0.0.1", port: 0, limits: { bodyBytes: 1000 }, status: show, log: () => {} });
  closing.push(close);
  return url;
}

async function answer(code: number, text: string): Promise<string> {
  const server: Server = createServer((_, response) => response.writeHead(code).end(text));
  closing.push(() => server.close());
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function capture(terminal = false) {
  const out = { stdout: "", stderr: "", interrupt: () => {} };
  const io: Io = {
    stdout: (text) => void (out.stdout += text), stderr: (text) => void (out.stderr += text), terminal,
    directory: ".", nowMs: () => 0, onInterrupt: (listener) => void (out.interrupt = listener),
  };
  return { out, io };
}

async function millwright(...argv: string[]) {
  const { out, io } = capture();
  const code = await main(argv, io, async () => ({ tasks: [], studies: [] }) as unknown as Engine);
  return { code, stdout: out.stdout, stderr: out.stderr };
}

const until = async (holds: () => boolean) => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2));
};

describe("millwright status", () => {
  test("prints the round, the model, sums and a line a client", async () => {
    expect(await millwright("status", await serve(() => status))).toEqual({
      code: 0, stderr: "", stdout: `condition  round 7/50  training, 1 min 30 s left
model     0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
updates   1 in, of 3 clients, 2 seen
bytes     8.0 MB in, 8.8 MB out
refusals  duplicate 1, replayed 11
up        2 h 01 min, start 2

client  state          last seen  round  samples      in     out  refused
──────  ────────  ──────────────  ─────  ───────  ──────  ──────  ───────
aachen  updated          1 s ago      7    1,500  4.3 MB  4.4 MB        0
brno    training  1 min 01 s ago      6      900  3.7 MB  4.4 MB       12
cork    absent             never      –        –     0 B     0 B        0
`,
    });
  });

  test("is short before anybody has come, and says which attempt it is", () => {
    const lines = formatStatus({ ...status, attempt: 3, deadlineMs: null, clients: [], refusals: {} }).split("\n");
    expect(lines[0]).toBe("condition  round 7/50, attempt 3  training");
    expect(lines).toContain("refusals  none");
    expect(lines).toHaveLength(7);
  });

  test("with --json, prints what the orchestrator said, and nothing that is not known", async () => {
    const { stdout } = await millwright("status", "--json", `${await serve(() => ({ ...status, news: "\x1b[2J" }))}/`);
    expect(JSON.parse(stdout)).toEqual(status);
  });

  test("with --watch, prints it anew until interrupted, and waits for an orchestrator that is away", async () => {
    let round = 0;
    const url = await serve(() => (++round === 2 ? {} : { ...status, round }));
    for (const terminal of [false, true]) {
      round = 0;
      const { out, io } = capture(terminal);
      const watching = showStatus(url, { json: false, watch: true }, io, 1);
      await until(() => /round 4\/50/.test(out.stdout));
      out.interrupt();
      expect(await watching).toBe(0);
      expect(out.stdout.split("\x1b[H\x1b[J")).toHaveLength(terminal ? round + 1 : 1);
      expect(out.stdout).toMatch(/round 1\/50[^]*GET http.*: status: "task" .*\n[^]*round 3\/50[^]*round 4\/50/);
    }
  });

  test("with --watch --json, prints a line each time", async () => {
    const url = await serve(() => status);
    const { out, io } = capture(true);
    const watching = showStatus(url, { json: true, watch: true }, io, 1);
    await until(() => out.stdout.split("\n").length > 3);
    out.interrupt();
    expect(await watching).toBe(0);
    for (const line of out.stdout.trimEnd().split("\n")) expect(JSON.parse(line)).toEqual(status);
  });

  test.each([
    ["nobody there", async () => "http://127.0.0.1:1", /^millwright: GET http:\/\/127\.0\.0\.1:1\/status: connect ECONNREFUSED .*; is the orchestrator running/],
    ["no address", async () => "orchestrator", /^millwright: address of the orchestrator expected as in https:\/\/host:8443, .* got "orchestrator"\n$/],
    ["another server", () => answer(404, ""), /answered 404; give the address of an orchestrator/],
    ["no JSON", () => answer(200, "<html>"), /expected JSON; give the address of an orchestrator/],
    ["another JSON", () => answer(200, "[]"), /status: Invalid input: expected object/],
    ["a client that would move the cursor", () => answer(200, JSON.stringify({ ...status, clients: [{ ...status.clients[0], id: "\x1b[2Jplant" }] })), /status: "clients\.0\.id" expected 1 to 64 of A-Z/],
    ["a code that would move the cursor", () => answer(200, JSON.stringify({ ...status, refusals: { "\x1b[2J": 1 } })), /status: "refusals\.\\u001b\[2J" /],
    ["too much", () => answer(200, " ".repeat(32_000_001)), /reply of more than 32000000 bytes/],
  ])("%s is told in one line", async (_, url, expected) => {
    const { code, stdout, stderr } = await millwright("status", await url());
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(expected);
    expect(stderr.trimEnd()).not.toContain("\n");
    expect(stderr).not.toContain("\x1b");
  });
});

test.each([
  ["round", -1], ["round", 1.5], ["phase", "a\nb"], ["phase", ""], ["task", "a b"], ["deadlineMs", "1"], ["model", { sha256: "0" }], ["refusals", { "a\x07": 1 }], ["refusals", { a: -1 }], ["bytesIn", null], ["clients", {}],
])("a status whose %s is %j is refused with its place", (field, value) => {
  expect(() => parseStatus({ ...status, [field]: value })).toThrow(new RegExp(`^status: "${field}`));
});
