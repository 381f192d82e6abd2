/** Small data sets in memory, in the formats of the real ones. */
import type { Source } from "../../src/data/source.ts";
import { numbers } from "../memory.ts";

export function memorySource(files: Record<string, string>): Source {
  return async (path) => (path in files ? new TextEncoder().encode(files[path]) : undefined);
}

/** C-MAPSS with a few short engines whose sensors drift towards the end of life; at several regimes the settings jump from cycle to cycle. */
export function turbofanFiles(subset: string, { train = 12, test = 5, regimes = 1 } = {}): Record<string, string> {
  const noise = numbers(1_000_000, train + test);
  let drawn = 0;
  const rows = (units: number, cut: (unit: number) => number) =>
    Array.from({ length: units }, (_, index) => {
      const life = 36 + ((7 * index) % 11);
      return Array.from({ length: life - cut(index) }, (_, cycle) => {
        const regime = regimes === 1 ? 0 : (index + 3 * cycle) % regimes;
        const settings = [10 * regime, 0.1 * regime, 100 - 5 * (regime % 2)];
        const wear = Math.max(0, cycle - life + 30) / 10;
        const sensors = Array.from({ length: 21 }, (_, sensor) => (100 + 50 * regime + sensor + wear * (sensor % 3) + 0.1 * noise[drawn++ % noise.length]).toFixed(4));
        return [index + 1, cycle + 1, ...settings, ...sensors].join(" ");
      }).join("\n");
    }).join("\n") + "\n";
  return {
    [`train_${subset}.txt`]: rows(train, () => 0),
    [`test_${subset}.txt`]: rows(test, (unit) => 3 + 2 * unit),
    [`RUL_${subset}.txt`]: Array.from({ length: test }, (_, unit) => 3 + 2 * unit).join("\n") + "\n",
  };
}
