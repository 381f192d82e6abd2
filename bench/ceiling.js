/** Compiles ceiling.ts for a build and measures it. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROUNDS = 500;

/** In a process of its own: the compiler is a large WebAssembly module itself, and the engine would still be optimising it while we measure. */
function compile(build) {
  const folder = mkdtempSync(join(tmpdir(), "ceiling-"));
  const outFile = join(folder, "ceiling.wasm");
  const features = build === "relaxed" ? ["--enable", "simd", "--enable", "relaxed-simd"] : ["--enable", "simd"];
  const asc = fileURLToPath(new URL("../node_modules/assemblyscript/bin/asc.js", import.meta.url));
  const source = fileURLToPath(new URL("ceiling.ts", import.meta.url));
  try {
    execFileSync(process.execPath, [asc, source, "--config", "none", "--runtime", "stub", ...features, "-O3", "--noAssert", "--outFile", outFile]);
    return new WebAssembly.Instance(new WebAssembly.Module(readFileSync(outFile))).exports;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * The loop that is the fastest on this machine and engine.
 * @param build "simd": multiplications and additions; "relaxed": fused
 * @returns its tile, and `rate`: GFLOP/s of its fastest call within so many seconds
 */
export function ceiling(build) {
  const exports = compile(build);
  exports.fill();
  const loops = Object.keys(exports).filter((name) => name.startsWith("tile")).map((tile) => {
    const [rows, vectors] = tile.slice(4).split("x").map(Number);
    const flops = ROUNDS * exports.TURNS.value * rows * vectors * 4 * 2;
    const rate = (seconds) => flops / fastest(() => exports[tile](ROUNDS), seconds) / 1e6;
    rate(0.2); // until the engine has compiled it for good
    return { tile, rate, first: rate(0.2) };
  });
  return loops.toSorted((a, b) => b.first - a.first)[0];
}

/** Milliseconds of the fastest of the calls that fit into `seconds`. A ceiling is what the machine can do, so other work is not counted. */
function fastest(call, seconds) {
  let best = Infinity;
  for (const end = performance.now() + 1000 * seconds; performance.now() < end; ) {
    const began = performance.now();
    call();
    best = Math.min(best, performance.now() - began);
  }
  return best;
}
