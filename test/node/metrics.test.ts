import { expect, test } from "vitest";
import { Registry } from "../../src/node/metrics.ts";

test("counters, gauges and histograms are rendered in the order they were made", () => {
  const registry = new Registry();
  const refused = registry.counter("refused_total", "Requests that were refused,\nby \\ code.");
  registry.gauge("temperature", "Of a thing.", () => -1.5);
  registry.gauge("seen_seconds", "Since a client was seen.", () => [[{ client: "a" }, 1], [{ client: "b" }, Infinity]]);
  const seconds = registry.histogram("seconds", "How long.", [0.1, 1]);
  refused.add(1, { code: 'a "b" \\ \n c' });
  refused.add(2);
  refused.add(3, { code: 'a "b" \\ \n c' });
  for (const value of [0.1, 0.05, 0.5, 7]) seconds.observe(value);
  expect(registry.render()).toBe(`# HELP refused_total Requests that were refused,\\nby \\\\ code.
# TYPE refused_total counter
refused_total{code="a \\"b\\" \\\\ \\n c"} 4
refused_total 2
# HELP temperature Of a thing.
# TYPE temperature gauge
temperature -1.5
# HELP seen_seconds Since a client was seen.
# TYPE seen_seconds gauge
seen_seconds{client="a"} 1
seen_seconds{client="b"} +Inf
# HELP seconds How long.
# TYPE seconds histogram
seconds_bucket{le="0.1"} 2
seconds_bucket{le="1"} 3
seconds_bucket{le="+Inf"} 4
seconds_sum 7.65
seconds_count 4
`);
});

test("a name is taken once and has no other characters", () => {
  const registry = new Registry();
  registry.counter("a_total", "");
  expect(() => registry.gauge("a_total", "", () => 1)).toThrow(/"a_total" is there already/);
  expect(() => registry.counter("a-b", "")).toThrow(/name of a metric expected a-z 0-9 _, got "a-b"/);
});
