import { expect, test } from "vitest";
import { frontOf, NONCE_BYTES, REASONS } from "../../src/federation/envelope.ts";
import { SIGNATURE_BYTES } from "../../src/federation/identity.ts";
import { encode, type RefusalCode } from "../../src/federation/message.ts";
import { saysNonsense } from "../../src/federation/nonsense.ts";

const named = { task: "local", fingerprint: "ab".repeat(8) };
const refused = (code: RefusalCode) => encode({ kind: "refused", ...named, code, reason: "" });
const refusal = (reason: (typeof REASONS)[number]) => [frontOf("refusal", "orchestrator", new Uint8Array(NONCE_BYTES), Uint8Array.of(REASONS.indexOf(reason))), new TextEncoder().encode("a"), new Uint8Array(SIGNATURE_BYTES)];

test("a refusal of what is no frame or no envelope says so, and nothing else does", () => {
  expect(saysNonsense([refused("frame")])).toBe(true);
  expect(saysNonsense(refusal("envelope"))).toBe(true);
  for (const reply of [[refused("late")], [encode({ kind: "accepted", ...named, round: 1 })], refusal("session"), [Uint8Array.of(1, 2, 3)], [], [new Uint8Array(5000)]]) expect(saysNonsense(reply)).toBe(false);
});
