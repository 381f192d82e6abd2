/** Small data sets in memory, in the formats of the real ones. */
import type { Source } from "../../src/data/source.ts";
import type { Unit } from "../../src/tasks/evidence.ts";
import { inlinePool, type Pool } from "../../src/tasks/pool.ts";
import { pendingUnits, runStudy } from "../../src/tasks/studies.ts";
import type { Study } from "../../src/tasks/study.ts";
import { numbers } from "../memory.ts";

export function memorySource(files: Record<string, string>): Source {
  return async (path) => (path in files ? new TextEncoder().encode(files[path]) : undefined);
}

/** C-MAPSS with a few short engines whose sensors drift towards the end of life; at several regimes the settings jump from cycle to cycle. */
export function turbofanFiles(subset: string, { train = 12, test = 5, regimes = 1 } = {}): Record<string, string> {
  const noise = numbers(1_000_000, train + test);
  const left = (unit: number) => 3 + ((2 * unit) % 30);
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
    [`test_${subset}.txt`]: rows(test, left),
    [`RUL_${subset}.txt`]: Array.from({ length: test }, (_, unit) => left(unit)).join("\n") + "\n",
  };
}

/** So many days of the steel plant's file from 1 January 2018 on: idle at night and on Sundays. */
export function energyFile(days: number): string {
  const header = "date,Usage_kWh,Lagging_Current_Reactive_Power_kVarh,Leading_Current_Reactive_Power_kVarh,CO2(tCO2),Lagging_Current_Power_Factor,Leading_Current_Power_Factor,NSM,WeekStatus,Day_of_week,Load_Type";
  const weekdays = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
  const lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
  const two = (value: number) => String(value).padStart(2, "0");
  const noise = numbers(days * 96, 1);
  const lines = [header];
  for (let day = 0, month = 0, date = 1; day < days; day++) {
    for (let quarter = 1; quarter <= 96; quarter++) {
      const minutes = (quarter * 15) % 1440;
      const busy = day % 7 < 6 && quarter > 32 && quarter < 72;
      const load = (busy ? 60 : 4) * (1 + 0.2 * noise[day * 96 + quarter - 1]);
      lines.push([`${two(date)}/${two(month + 1)}/2018 ${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`, load.toFixed(2), (load / 2).toFixed(2), busy ? 0 : 1.5,
        0, 90, 100, minutes * 60, day % 7 < 5 ? "Weekday" : "Weekend", weekdays[day % 7], "Light_Load"].join(","));
    }
    if (++date > lengths[month]) [month, date] = [month + 1, 1];
  }
  return lines.join("\n") + "\n";
}

/**
 * Lines of scores.jsonl, without the time they took, of a study that is run through, and of one whose process ended
 * after so many cases and was started again.
 */
export async function resumed(study: Study, source: Source, options: { seeds: readonly number[]; cases?: number; after: number; pool?: Pool }): Promise<{ whole: string[]; resumed: string[] }> {
  const { seeds, after, pool = inlinePool() } = options;
  const process = async (done: readonly Unit[]) => {
    const cases = (await study.cases({ source, subset: study.subsets?.[0] })).slice(0, options.cases);
    const units: Unit[] = [];
    await runStudy(cases, { seeds, pool, build: "simd", done, onUnit: (unit) => void units.push(unit), nowMs: () => 0 });
    return { units, pending: pendingUnits(cases, seeds, done).length };
  };
  const { units: whole } = await process([]);
  const done = whole.slice(0, after);
  const { units: rest, pending } = await process(done);
  if (rest.length !== pending || rest.length !== whole.length - after) throw new Error(`${rest.length} of ${pending} cases were run`);
  const lines = (units: readonly Unit[]) => units.map((unit) => JSON.stringify(unit));
  return { whole: lines(whole), resumed: lines([...done, ...rest]) };
}

/** Networks stay as they are drawn: for tests of what does not depend on what they learn. */
export function idlePool(): Pool {
  return { ...inlinePool(), fit: async ({ parameters, examples }) => ({ parameters, samples: examples.count, loss: 0, steps: 1 }) };
}
