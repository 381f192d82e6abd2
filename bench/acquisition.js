/** Acquisition: samples and bytes per second of CPU time, which other work on the machine disturbs less than the clock. */
import { parquetWriteBuffer } from "hyparquet-writer";
import { parse } from "csv-parse/sync";
import { numbersOf, parseParquet, readCsv, Resampler, Ring, SensorArray, SignalKernels } from "../build/signal.js";
import { median } from "./measure.js";

/** Median seconds of CPU time of one call. */
async function cpuSeconds(call, calls = 5) {
  const times = [];
  for (let n = -1; n < calls; n++) {
    const began = process.cpuUsage();
    await call();
    const { user, system } = process.cpuUsage(began);
    if (n >= 0) times.push((user + system) / 1e6);
  }
  return median(times);
}

const wave = (length) => Float32Array.from({ length }, (_, n) => Math.sin(n * n));
const mega = (count, seconds) => (count / seconds / 1e6).toPrecision(3);

export async function acquisition() {
  const lines = [];
  const chunk = wave(4096);
  const ring = new Ring(new SignalKernels(), { capacity: 2 ** 18, window: 2 ** 16 });
  const reader = ring.reader();
  const rings = await cpuSeconds(() => {
    for (let n = 0; n < 5000; n++) {
      ring.write(chunk);
      reader.read(4096);
      reader.advance(4096);
    }
  });
  lines.push(["ring, write and read in chunks of 4096", `${mega(5000 * 4096, rings)} M samples/s`]);

  const samples = wave(200_000);
  for (const [up, down] of [[25, 64], [5, 128]]) {
    const seconds = await cpuSeconds(() => new Resampler({ up, down }).push(samples));
    lines.push([`resampler ${up}/${down}, 80 dB`, `${mega(samples.length, seconds)} M samples/s`]);
  }

  const rates = { vibration: 25_600, current: 1000, pressure: 10, temperature: 1 };
  const channels = Object.entries(rates).map(([name, rateHz]) => ({ name, unit: "", rateHz }));
  const blocks = Object.fromEntries(channels.map(({ name, rateHz }) => [name, wave(rateHz)]));
  const array = await cpuSeconds(() => {
    const sensors = new SensorArray(new SignalKernels(), { channels, rateHz: 1000, steps: 1000, toleranceS: 2 });
    for (let second = 0; second < 30; second++) for (const { name } of channels) sensors.pushBlock(name, second, blocks[name]);
    sensors.end();
  });
  lines.push(["sensor array, 25.6 kHz + 1 kHz + 10 Hz + 1 Hz to 1 kHz", `${mega((30 * 26_611), array)} M samples/s, ${(30 / array).toFixed(0)} x real time`]);

  const rows = Array.from({ length: 100_000 }, (_, n) => `${(n * 0.001).toFixed(3)},${Math.sin(n).toFixed(6)},${Math.cos(n).toFixed(4)},${n % 7},${(n * 1.5).toFixed(2)}`);
  const text = new TextEncoder().encode(`time,a,b,c,d\n${rows.join("\n")}\n`);
  const own = await cpuSeconds(async () => numbersOf(await readCsv(async () => text, "bench.csv"), "a"));
  const library = await cpuSeconds(() => parse(Buffer.from(text)).map((row) => row.map(Number)), 3);
  lines.push(["CSV, five columns of numbers", `${mega(text.length, own)} MB/s, ${mega(500_000, own)} M cells/s; csv-parse and Number() ${mega(text.length, library)} MB/s (ratio ${(library / own).toFixed(1)})`]);

  const columnData = ["a", "b", "c"].map((name, index) => ({ name, type: "DOUBLE", data: Array.from({ length: 200_000 }, (_, n) => Math.sin(n * (index + 1))) }));
  const file = new Uint8Array(parquetWriteBuffer({ columnData }));
  const parquet = await cpuSeconds(() => parseParquet(file, "bench.parquet"));
  lines.push(["Parquet, three columns of doubles, Snappy", `${mega(file.length, parquet)} MB/s, ${mega(600_000, parquet)} M values/s`]);
  return { title: "Acquisition, per second of CPU time", lines, print: ({ title, lines }) => console.log(`\n${title}\n${lines.map(([what, figure]) => `  ${what}: ${figure}`).join("\n")}`) };
}
