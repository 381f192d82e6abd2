import { expect, test } from "vitest";
import { createLog } from "../../src/node/log.ts";

function logging(perMinute?: number) {
  let nowMs = Date.UTC(2025, 0, 2, 3, 4, 5, 678);
  const lines: string[] = [];
  return { log: createLog((line) => void lines.push(line), () => nowMs, perMinute), lines, pass: (ms: number) => void (nowMs += ms) };
}

test("a line is one JSON object with time, level, event and the fields, in this order", () => {
  const { log, lines } = logging();
  log("warn", "refused", { client: "plant-3", reason: "two\nlines", count: 3, last: null, nested: { list: ["a", true] } });
  log("info", "listening");
  expect(lines).toEqual([
    '{"time":"2025-01-02T03:04:05.678Z","level":"warn","event":"refused","client":"plant-3","reason":"two\\nlines","count":3,"last":null,"nested":{"list":["a",true]}}\n',
    '{"time":"2025-01-02T03:04:05.678Z","level":"info","event":"listening"}\n',
  ]);
});

test("a field does not pass itself off as the time, the level or the event", () => {
  const { log, lines } = logging();
  log("error", "failed", { event: "fine", level: "info", time: "then" });
  expect(JSON.parse(lines[0])).toEqual({ time: "2025-01-02T03:04:05.678Z", level: "error", event: "failed" });
});

test("secrets and numbers do not get in, wherever they are", () => {
  const { log, lines } = logging();
  const numbers = Float32Array.of(1.25, 2.5);
  const pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----";
  log("info", "everything", {
    privateKey: "hidden", key: "hidden", tls: { passphrase: "hidden", cert: pem }, apiToken: "hidden", headers: new Map([["Authorization", "hidden"], ["cookie", "hidden"]]), rootSeed: 7_654_321,
    update: numbers, buffer: numbers.buffer, bytes: Buffer.from("hidden"), list: [1.25, 2.5], mixed: ["a", 1.25], deep: { a: { b: { c: { d: "hidden" } } } },
    publicKey: "shown", error: new RangeError("what happened", { cause: "hidden" }), big: 2n ** 70n, call: () => "hidden", many: Array.from({ length: 100 }, () => "x"), long: "y".repeat(5000),
  });
  const line = lines[0];
  for (const secret of ["hidden", "MC4CAQ", "1.25", "7654321"]) expect(line).not.toContain(secret);
  expect(JSON.parse(line)).toMatchObject({
    privateKey: "[secret]", tls: { cert: "[secret]" }, headers: { cookie: "[secret]" }, update: "[8 bytes]", buffer: "[8 bytes]", list: "[2 numbers]", mixed: "[2 numbers]",
    deep: { a: { b: { c: "[deeper]" } } }, publicKey: "shown", error: "RangeError: what happened", big: "1180591620717411303424",
  });
  expect(line.length).toBeLessThan(3000);
});

test("what refers to itself ends", () => {
  const { log, lines } = logging();
  const fields: Record<string, unknown> = {};
  fields.self = fields;
  log("info", "round", fields);
  expect(JSON.parse(lines[0]).self.self.self.self).toBe("[deeper]");
});

test("an event that comes too often is left out, counted, and silences no other", () => {
  const { log, lines, pass } = logging(3);
  for (let n = 0; n < 10; n++) log("warn", "refused", { n });
  log("info", "round");
  expect(lines.map((line) => JSON.parse(line).n ?? JSON.parse(line).event)).toEqual([0, 1, 2, "round"]);
  pass(60_000);
  log("warn", "refused", { n: 10 });
  expect(JSON.parse(lines.at(-1)!)).toMatchObject({ n: 10, leftOut: 7 });
  pass(-3_600_000); // a clock that is set back
  log("warn", "refused", { n: 11 });
  expect(JSON.parse(lines.at(-1)!)).toMatchObject({ n: 11 });
});
