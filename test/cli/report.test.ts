import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { html } from "../../src/cli/html.ts";
import { renderReport } from "../../src/cli/report.ts";
import type { Summary } from "../../src/tasks/result.ts";
import { fakeConfig, fakeSummary, record, type Kind } from "./fake.ts";

function render(kind: Kind, change: Partial<Summary> = {}): string {
  const records = Array.from({ length: 4 }, (_, index) => record(kind, index + 1, 4));
  return renderReport({ config: fakeConfig(kind, 4), records, summary: { ...fakeSummary(kind, 4), ...change } });
}

/** What a reader sees, without markup. */
const text = (page: string) => page.replace(/<(script|style)\b.*?<\/\1>/gs, "").replace(/<[^>]*>/g, " ").replace(/&#(\d+);/g, (_, code) => String.fromCharCode(code)).replace(/\s+/g, " ");

describe.each(["condition", "turbofan"] as const)("the report of %s", (kind) => {
  const page = render(kind);

  test("names no address that it could load from or send to", () => {
    expect(page).not.toMatch(/https?:|\/\/[a-z]+\.|url\(|@import|\bsrc=|<link|<img|<iframe/i);
  });

  test("allows exactly its own scripts and style, and needs no style attribute", () => {
    const [, policy] = /Content-Security-Policy" content="([^"]*)"/.exec(page)!;
    const plain = policy.replace(/&#39;/g, "'");
    const hash = (source: string) => `'sha256-${createHash("sha256").update(source).digest("base64")}'`;
    const scripts = [...page.matchAll(/<script>(.*?)<\/script>/gs)].map(([, source]) => hash(source));
    const styles = [...page.matchAll(/<style>(.*?)<\/style>/gs)].map(([, source]) => hash(source));
    expect(plain).toBe(`default-src 'none'; style-src ${styles.join(" ")}; script-src ${scripts.join(" ")}; base-uri 'none'; form-action 'none'`);
    expect(scripts).toHaveLength(2);
    expect(page.replace(/<script.*?<\/script>/gs, "")).not.toMatch(/\sstyle=|\son[a-z]+=/);
  });

  test("holds the curves of every factory", () => {
    const [, json] = /<script type="application\/json" id="curves">(.*?)<\/script>/s.exec(page)!;
    const charts = JSON.parse(json);
    expect(charts).toHaveLength(2);
    for (const chart of charts) {
      expect(chart.rounds).toEqual([1, 2, 3, 4]);
      expect(chart.series).toHaveLength(1 + 5);
      expect(page).toContain(`data-chart="${chart.title}"`);
    }
    expect(charts[1].series[2].values).toEqual([1, 2, 3, 4].map((round) => record(kind, round, 4).factories[1].loss));
  });

  test("says what the charts show to those who do not see them", () => {
    for (const [tag] of page.matchAll(/<(?:div|svg)[^>]*role="img"[^>]*>/g)) expect(tag).toMatch(/aria-label="[^"]{8,}"/);
    for (const [tag] of page.matchAll(/<th\b[^>]*>/g)) expect(tag).toMatch(/scope="(row|col)"/);
  });

  test("shows the facts of the run", () => {
    const shown = text(page);
    for (const fact of ["154,053", "5c1e".repeat(16), "9f07".repeat(16), "6.2 MB", "3.6e-7", "2 min 31 s", "Aachen"]) expect(shown).toContain(fact);
  });
});

test("classification: figures against targets, the three ways to train, the held-out factory, the confusion matrix", () => {
  const shown = text(render("condition"));
  expect(shown).toContain("accuracy 90.3 % ✓ met target > 85\u00a0%".replace("\u00a0", " "));
  expect(shown).toMatch(/false alarms 3\.9 % ✓ met target < 5 %/);
  expect(shown).toMatch(/Aachen 500 400 71\.0 % 88\.5 % 90\.0 % \+17\.5 points/);
  expect(shown).toMatch(/Freiberg 0 400 52\.0 % 84\.2 % 86\.1 %/);
  expect(shown).toMatch(/worst factory 71\.0 % 88\.5 % 90\.0 %/);
  expect(shown).toMatch(/HEALTHY 90\.4 % 452 9\.6 % 48 0\.0 % 0/);
});

test("a target that is missed is said to be missed", () => {
  const summary = fakeSummary("condition", 4);
  const federated = { ...summary.metrics.federated, criticalDetection: 0.949, falseAlarmRate: 0.05 } as Summary["metrics"]["federated"];
  const shown = text(render("condition", { metrics: { ...summary.metrics, federated } }));
  expect(shown).toMatch(/critical detection 94\.9 % ✗ missed/);
  expect(shown).toMatch(/false alarms 5\.0 % ✗ missed/);
});

test("regression: errors, the ratio to centralised, a dot for each prediction", () => {
  const page = render("turbofan");
  expect(text(page)).toMatch(/RMSE against centralised × 1\.026 ✓ met target ≤ 1\.05/);
  expect(page.match(/<circle /g)).toHaveLength(100);
});

test("without --compare there are no columns for what was not trained", () => {
  const { metrics, factories } = fakeSummary("condition", 4);
  const page = render("condition", {
    metrics: { ...metrics, solo: null, centralised: null },
    factories: factories.map((factory) => ({ ...factory, solo: null, centralised: null })),
    heldOut: null,
    onnx: { maxAbsDifference: null },
  });
  expect(text(page)).not.toMatch(/\bsolo\b/i);
  expect(text(page)).toContain("not measured");
});

test("whatever a name holds, it stays text", () => {
  const evil = `</script><script>alert("1")</script>&<b>'`;
  const { factories } = fakeSummary("condition", 4);
  const records = [{ ...record("condition", 1, 1), factories: record("condition", 1, 1).factories.map((factory) => ({ ...factory, id: evil })) }];
  const summary = { ...fakeSummary("condition", 1), task: evil, factories: factories.map((factory) => ({ ...factory, id: evil })) };
  const page = renderReport({ config: { ...fakeConfig("condition", 1), task: evil }, records, summary });
  expect(page).not.toContain("<script>alert");
  expect(page.match(/<\/script>/g)).toHaveLength(3);
  expect(text(page)).toContain(`alert("1")`);
});

test("templates escape text and keep HTML", () => {
  expect(html`<p title="${'"'}">${"<&>'"} ${[html`<b>${1}</b>`, null]}</p>`.text).toBe(`<p title="&#34;">&#60;&#38;&#62;&#39; <b>1</b></p>`);
});
