/**
 * @module
 * Counters, gauges and histograms in Prometheus' text format, version 0.0.4. It is two lines a figure, so there is no library.
 *
 *     const registry = new Registry();
 *     const updates = registry.counter("millwright_updates_total", "Updates in the sum.");
 *     updates.add(1);
 *     registry.render();
 */

/** Values come from a fixed set, or from a list that is checked: every new combination is kept for good. */
export type Labels = Readonly<Record<string, string>>;

export interface Counter {
  add(by: number, labels?: Labels): void;
}
export interface Histogram {
  observe(value: number): void;
}

type Sample = readonly [name: string, labels: Labels, value: number];

export class Registry {
  readonly #families = new Map<string, { readonly head: string; readonly read: () => Iterable<Sample> }>();

  /** A sum that only grows; its name ends in _total. */
  counter(name: string, help: string): Counter {
    const series = new Map<string, { readonly labels: Labels; value: number }>();
    this.#add(name, "counter", help, function* () {
      for (const { labels, value } of series.values()) yield [name, labels, value];
    });
    return {
      add(by, labels = {}) {
        const key = labelText(labels);
        const found = series.get(key);
        if (found) found.value += by;
        else series.set(key, { labels, value: by });
      },
    };
  }

  /** What is read when somebody asks: a number, or one for each set of labels. */
  gauge(name: string, help: string, read: () => number | Iterable<readonly [Labels, number]>): void {
    this.#add(name, "gauge", help, function* () {
      const value = read();
      for (const [labels, number] of typeof value === "number" ? [[{}, value] as const] : value) yield [name, labels, number];
    });
  }

  /** How many observations were at most each of `bounds`, which rise. */
  histogram(name: string, help: string, bounds: readonly number[]): Histogram {
    const counts = bounds.map(() => 0);
    let [count, sum] = [0, 0];
    this.#add(name, "histogram", help, function* () {
      let below = 0;
      for (const [index, bound] of bounds.entries()) yield [`${name}_bucket`, { le: String(bound) }, (below += counts[index])];
      yield [`${name}_bucket`, { le: "+Inf" }, count];
      yield [`${name}_sum`, {}, sum];
      yield [`${name}_count`, {}, count];
    });
    return {
      observe(value) {
        const index = bounds.findIndex((bound) => value <= bound);
        if (index >= 0) counts[index]++;
        count++;
        sum += value;
      },
    };
  }

  render(): string {
    const lines = [...this.#families.values()].flatMap(({ head, read }) => [head, ...Array.from(read(), ([name, labels, value]) => `${name}${labelText(labels)} ${numberText(value)}`)]);
    return lines.map((line) => `${line}\n`).join("");
  }

  #add(name: string, type: string, help: string, read: () => Iterable<Sample>): void {
    if (!/^[a-z][a-z0-9_]*$/.test(name)) throw new RangeError(`name of a metric expected a-z 0-9 _, got "${name}"`);
    if (this.#families.has(name)) throw new RangeError(`metric "${name}" is there already; give it another name`);
    this.#families.set(name, { head: `# HELP ${name} ${help.replace(/\\/g, "\\\\").replace(/\n/g, "\\n")}\n# TYPE ${name} ${type}`, read });
  }
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n")}"`);
  return pairs.length > 0 ? `{${pairs.join(",")}}` : "";
}

const numberText = (value: number) => (Math.abs(value) === Infinity ? (value > 0 ? "+Inf" : "-Inf") : String(value));
